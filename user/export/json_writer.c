// SPDX-License-Identifier: Apache-2.0
/* JSON text (RFC 8259), with numbers as the JSON mapping of protobuf has them. */
#include "user/export/json_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_SZ (64u * 1024)
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

static bool grow(struct json_writer *j, size_t n)
{
	size_t cap = j->cap ? j->cap : FIRST_SZ;
	char *buf;

	if (j->failed)
		return false;
	j->failed = true;
	if (n > j->max_sz || j->len > j->max_sz - n) {
		j->full = true;
		return false;
	}
	while (cap < j->len + n)
		cap *= 2;
	cap = cap < j->max_sz ? cap : j->max_sz;
	buf = realloc(j->buf, cap);
	if (!buf)
		return false;
	j->buf = buf;
	j->cap = cap;
	j->failed = false;
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

static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void escape(struct json_writer *j, uint8_t c)
{
	static const char named[][2] = {
		{'"', '"'},  {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'},
		{'\n', 'n'}, {'\r', 'r'},  {'\t', 't'},
	};
	static const char hex[] = "0123456789abcdef";
	char text[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 0xF]};

	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		if ((uint8_t)named[i][0] != c)
			continue;
		text[1] = named[i][1];
		jw_raw(j, slice_of(text, 2));
		return;
	}
	jw_raw(j, slice_of(text, sizeof(text)));
}

void jw_string(struct json_writer *j, struct slice s)
{
	jw_lit(j, "\"");
	while (s.n) {
		size_t n = 0;
		bool valid;

		while (n < s.n && is_plain((uint8_t)s.p[n]))
			n++;
		jw_raw(j, slice_first(s, n));
		s = slice_after(s, n);
		if (!s.n)
			break;
		n = utf8_next(s, &valid);
		if (!valid)
			jw_lit(j, UTF8_REPLACEMENT);
		else if (n > 1)
			jw_raw(j, slice_first(s, n));
		else
			escape(j, (uint8_t)s.p[0]);
		s = slice_after(s, n);
	}
	jw_lit(j, "\"");
}

void jw_hex(struct json_writer *j, const uint8_t *bytes, size_t n)
{
	static const char hex[] = "0123456789abcdef";
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

void jw_quoted_u64(struct json_writer *j, uint64_t v)
{
	jw_lit(j, "\"");
	jw_u64(j, v);
	jw_lit(j, "\"");
}

void jw_quoted_i64(struct json_writer *j, int64_t v)
{
	jw_raw(j, v < 0 ? SLICE("\"-") : SLICE("\""));
	jw_u64(j, v < 0 ? -(uint64_t)v : (uint64_t)v);
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
