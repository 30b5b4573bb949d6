// SPDX-License-Identifier: Apache-2.0
/*
 * JSON as in RFC 8259. Room is made once for each piece, for the longest that it can become; then
 * it is written without further checks. Plain characters are copied in runs.
 */
#include "user/cli/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/cli/utf8.h"

#define FIRST_SZ 4096u
#define ESCAPE_MAX 6 /* \u0000: what one byte can become */
#define NUMBER_MAX 32

void json__init(struct json *json, size_t max_sz)
{
	*json = (struct json){.max_sz = max_sz};
}

void json__free(struct json *json)
{
	free(json->p);
	json__init(json, json->max_sz);
}

void json__reset(struct json *json)
{
	json->n = 0;
	json->failed = false;
}

static bool grow(struct json *json, size_t sz)
{
	size_t cap = json->cap ? json->cap : FIRST_SZ;
	char *p;

	if (sz > json->max_sz || json->n > json->max_sz - sz)
		goto failed;
	while (cap < json->n + sz)
		cap *= 2;
	if (cap > json->max_sz)
		cap = json->max_sz;
	p = realloc(json->p, cap);
	if (!p)
		goto failed;
	json->p = p;
	json->cap = cap;
	return true;
failed:
	json->failed = true;
	return false;
}

static inline bool reserve(struct json *json, size_t sz)
{
	if (json->failed)
		return false;
	return json->cap - json->n >= sz || grow(json, sz);
}

static inline char *put(char *at, const char *p, size_t n)
{
	memcpy(at, p, n);
	return at + n;
}

void json_put(struct json *json, struct slice text)
{
	if (text.n && reserve(json, text.n)) {
		memcpy(json->p + json->n, text.p, text.n);
		json->n += text.n;
	}
}

#define RAW(json, lit) json_put(json, SLICE(lit))

/* --- strings ---------------------------------------------------------------------------------- */

/* May stand in a string as it is. */
static inline bool plain(char c)
{
	return (unsigned char)c - 0x20u < 0x5f && c != '"' && c != '\\';
}

/* Writes the character at the start of s in its escaped form, returns how many bytes it took. */
static size_t escape(struct slice s, char **at)
{
	static const char hex[] = "0123456789abcdef", letters[] = "btn?fr";
	unsigned char c = (unsigned char)s.p[0];
	uint32_t code;
	size_t n;

	if (c == '"' || c == '\\') {
		*at = put(*at, (char[]){'\\', (char)c}, 2);
	} else if (c >= '\b' && c <= '\r' && c != '\v') {
		*at = put(*at, (char[]){'\\', letters[c - '\b']}, 2);
	} else if (c < 0x20 || c == 0x7f) {
		*at = put(*at, "\\u00", 4);
		*at = put(*at, (char[]){hex[c >> 4], hex[c & 15]}, 2);
	} else {
		n = utf8_decode(s, &code);
		*at = n ? put(*at, s.p, n) : put(*at, UTF8_REPLACEMENT.p, UTF8_REPLACEMENT.n);
		return n ? n : 1;
	}
	return 1;
}

void json_put_string(struct json *json, struct slice text)
{
	size_t i = 0;
	char *at;

	if (text.n > json->max_sz || !reserve(json, text.n * ESCAPE_MAX + 2)) {
		json->failed = true;
		return;
	}
	at = json->p + json->n;
	*at++ = '"';
	while (i < text.n) {
		size_t run = i;

		while (run < text.n && plain(text.p[run]))
			run++;
		at = put(at, text.p + i, run - i);
		i = run;
		if (i < text.n)
			i += escape(slice_after(text, i), &at);
	}
	*at++ = '"';
	json->n = (size_t)(at - json->p);
}

/* --- numbers and ids -------------------------------------------------------------------------- */

static void put_u64(struct json *json, uint64_t value)
{
	char digits[NUMBER_MAX];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + value % 10);
	while (value /= 10);
	json_put(json, slice_of(digits + i, sizeof(digits) - i));
}

static void put_i64(struct json *json, int64_t value)
{
	if (value < 0)
		RAW(json, "-");
	put_u64(json, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* JSON has no infinities: they are strings, as in protobuf's JSON. */
static void put_double(struct json *json, double value)
{
	char text[NUMBER_MAX];
	int n;

	if (!isfinite(value)) {
		json_put_string(json, slice_str(isnan(value) ? "NaN"
						: value > 0  ? "Infinity"
							     : "-Infinity"));
		return;
	}
	n = snprintf(text, sizeof(text), "%.17g", value);
	json_put(json, slice_of(text, (size_t)n));
}

static void put_id(struct json *json, const uint8_t *bytes, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	char *at;

	if (!reserve(json, n * 2))
		return;
	at = json->p + json->n;
	for (size_t i = 0; i < n; i++) {
		*at++ = hex[bytes[i] >> 4];
		*at++ = hex[bytes[i] & 15];
	}
	json->n += n * 2;
}

/* --- values and spans ------------------------------------------------------------------------- */

static void put_strings(struct json *json, const struct slice *items, uint32_t cnt)
{
	RAW(json, "[");
	for (uint32_t i = 0; i < cnt; i++) {
		if (i)
			RAW(json, ",");
		json_put_string(json, items[i]);
	}
	RAW(json, "]");
}

static void put_value(struct json *json, const struct attr *attr)
{
	switch (attr->type) {
	case ATTR_STRING:
		json_put_string(json, attr->str);
		return;
	case ATTR_INT:
		put_i64(json, attr->num);
		return;
	case ATTR_BOOL:
		json_put(json, attr->num ? SLICE("true") : SLICE("false"));
		return;
	case ATTR_DOUBLE:
		put_double(json, attr->real);
		return;
	case ATTR_STRINGS:
		put_strings(json, attr->items, attr->items_cnt);
		return;
	}
	RAW(json, "null");
}

void json_put_attrs(struct json *json, const struct attrs *attrs)
{
	RAW(json, "{");
	for (uint16_t i = 0; i < attrs->cnt; i++) {
		if (i)
			RAW(json, ",");
		json_put_string(json, attrs->v[i].key);
		RAW(json, ":");
		put_value(json, &attrs->v[i]);
	}
	RAW(json, "}");
}

static bool is_root(struct span_id parent)
{
	static const struct span_id none;

	return memcmp(&parent, &none, sizeof(none)) == 0;
}

void json_put_span(struct json *json, const struct span *span, struct slice resource)
{
	static const struct slice kinds[] = {
		[SPAN_INTERNAL] = SLICE("INTERNAL"), [SPAN_SERVER] = SLICE("SERVER"),
		[SPAN_CLIENT] = SLICE("CLIENT"),     [SPAN_PRODUCER] = SLICE("PRODUCER"),
		[SPAN_CONSUMER] = SLICE("CONSUMER"),
	};
	static const struct slice statuses[] = {
		[SPAN_STATUS_UNSET] = SLICE("UNSET"),
		[SPAN_STATUS_OK] = SLICE("OK"),
		[SPAN_STATUS_ERROR] = SLICE("ERROR"),
	};

	RAW(json, "{\"traceId\":\"");
	put_id(json, span->trace_id.bytes, sizeof(span->trace_id.bytes));
	RAW(json, "\",\"spanId\":\"");
	put_id(json, span->span_id.bytes, sizeof(span->span_id.bytes));
	RAW(json, "\",\"parentSpanId\":\"");
	if (!is_root(span->parent_id))
		put_id(json, span->parent_id.bytes, sizeof(span->parent_id.bytes));
	RAW(json, "\",\"name\":");
	json_put_string(json, span->name);
	RAW(json, ",\"kind\":\"");
	json_put(json, kinds[span->kind]);
	RAW(json, "\",\"startTimeUnixNano\":\"");
	put_u64(json, span->start_ns);
	RAW(json, "\",\"endTimeUnixNano\":\"");
	put_u64(json, span->end_ns);
	RAW(json, "\",\"status\":\"");
	json_put(json, statuses[span->status]);
	RAW(json, "\",\"attributes\":");
	json_put_attrs(json, &span->attrs);
	RAW(json, ",\"resource\":");
	json_put(json, resource);
	RAW(json, "}");
}
