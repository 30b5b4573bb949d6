// SPDX-License-Identifier: Apache-2.0
/* JSON text (RFC 8259), with numbers as the JSON mapping of protobuf has them. */
#include "user/base/json_writer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "user/base/utf8.h"

#define FIRST_SZ 4096u
#define NUMBER_SZ 40

void json_writer__init(struct json_writer *j, size_t max_sz)
{
	*j = (struct json_writer){.max_sz = max_sz};
}

void json_writer__free(struct json_writer *j)
{
	free(j->buf);
	json_writer__init(j, j->max_sz);
}

void json_writer__reset(struct json_writer *j)
{
	j->len = 0;
	j->full = j->failed = false;
}

int json_writer__write(const struct json_writer *j, FILE *out)
{
	if (j->failed)
		return -ENOMEM;
	errno = 0;
	return fwrite(j->buf, 1, j->len, out) == j->len ? 0 : -(errno ?: EIO);
}

/* A failed writer has no room at all, so that nothing follows what is missing. */
static bool fail(struct json_writer *j)
{
	j->failed = true;
	j->cap = j->len;
	return false;
}

static bool grow(struct json_writer *j, size_t n)
{
	size_t cap = j->cap ? j->cap : FIRST_SZ;
	char *buf;

	if (j->failed)
		return false;
	if (n > j->max_sz || j->len > j->max_sz - n) {
		j->full = true;
		return fail(j);
	}
	while (cap < j->len + n)
		cap *= 2;
	cap = cap < j->max_sz ? cap : j->max_sz;
	buf = realloc(j->buf, cap);
	if (!buf)
		return fail(j);
	j->buf = buf;
	j->cap = cap;
	return true;
}

/* Where n bytes go, or NULL. */
static char *take(struct json_writer *j, size_t n)
{
	char *p;

	if (j->cap - j->len < n && !grow(j, n))
		return NULL;
	p = j->buf + j->len;
	j->len += n;
	return p;
}

void jw_raw(struct json_writer *j, struct slice s)
{
	char *p = s.n ? take(j, s.n) : NULL;

	if (p)
		memcpy(p, s.p, s.n);
}

static const char hex[] = "0123456789abcdef";

/* How many bytes at the start of s stand in a string as they are. */
static size_t plain_len(struct slice s)
{
	size_t n = 0;

	while (n < s.n && (uint8_t)s.p[n] - 0x20u < 0x5F && s.p[n] != '"' && s.p[n] != '\\')
		n++;
	return n;
}

/* A character that is not plain, or an ill-formed part; how many bytes it took of s. */
static size_t escape(struct json_writer *j, struct slice s)
{
	static const char letters[] = "btn?fr"; /* from \b to \r */
	int32_t code;
	size_t n = utf8_decode(s, &code);

	if (code < 0)
		jw_lit(j, UTF8_REPLACEMENT);
	else if (code == '"' || code == '\\')
		jw_raw(j, slice_of((char[]){'\\', (char)code}, 2));
	else if (code >= '\b' && code <= '\r' && code != '\v')
		jw_raw(j, slice_of((char[]){'\\', letters[code - '\b']}, 2));
	else if (utf8_is_control(code))
		jw_raw(j,
		       slice_of((char[]){'\\', 'u', '0', '0', hex[code >> 4], hex[code & 0xF]}, 6));
	else
		jw_raw(j, slice_first(s, n));
	return n;
}

void jw_string(struct json_writer *j, struct slice s)
{
	size_t n = plain_len(s);
	char *p = take(j, n + 1 + (n == s.n)); /* nearly always the whole string at once */

	if (!p)
		return;
	*p++ = '"';
	if (n)
		memcpy(p, s.p, n);
	if (n == s.n) {
		p[n] = '"';
		return;
	}
	while ((s = slice_after(s, n)).n) {
		n = plain_len(s);
		if (n)
			jw_raw(j, slice_first(s, n));
		else
			n = escape(j, s);
	}
	jw_lit(j, "\"");
}

void jw_hex(struct json_writer *j, const uint8_t *bytes, size_t n)
{
	char *p = take(j, 2 * n + 2);

	if (!p)
		return;
	*p++ = '"';
	for (size_t i = 0; i < n; i++) {
		*p++ = hex[bytes[i] >> 4];
		*p++ = hex[bytes[i] & 0xF];
	}
	*p = '"';
}

void jw_u64(struct json_writer *j, uint64_t v)
{
	char text[NUMBER_SZ], *p = text + sizeof(text);

	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	jw_raw(j, slice_of(p, (size_t)(text + sizeof(text) - p)));
}

void jw_i64(struct json_writer *j, int64_t v)
{
	if (v < 0)
		jw_lit(j, "-");
	jw_u64(j, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void jw_quoted_u64(struct json_writer *j, uint64_t v)
{
	jw_lit(j, "\"");
	jw_u64(j, v);
	jw_lit(j, "\"");
}

void jw_quoted_i64(struct json_writer *j, int64_t v)
{
	jw_lit(j, "\"");
	jw_i64(j, v);
	jw_lit(j, "\"");
}

void jw_double(struct json_writer *j, double v)
{
	char text[NUMBER_SZ], *comma;
	int n = 0;

	if (isnan(v)) {
		jw_lit(j, "\"NaN\"");
		return;
	}
	if (isinf(v)) {
		jw_raw(j, v < 0 ? SLICE("\"-Infinity\"") : SLICE("\"Infinity\""));
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		n = snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	comma = memchr(text, ',', (size_t)n); /* a locale's idea of a decimal point */
	if (comma)
		*comma = '.';
	jw_raw(j, slice_of(text, (size_t)n));
}
