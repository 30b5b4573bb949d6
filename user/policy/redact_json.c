// SPDX-License-Identifier: Apache-2.0
/* A reader that goes through the text once and writes as it goes; there is no tree. */
#include "user/policy/redact_json.h"

#include "user/policy/text_out.h"

struct reader {
	struct redactor *redactor;
	struct json_writer *out;
	struct arena *arena;
	struct slice rest;
	int depth;
	bool wrong; /* what follows is not JSON, or memory is out */
};

static void skip_blanks(struct reader *r)
{
	while (r->rest.n && memchr(" \t\r\n", r->rest.p[0], 4))
		r->rest = slice_after(r->rest, 1);
}

/* Is that the next character? Then it is taken. */
static bool take(struct reader *r, char c)
{
	skip_blanks(r);
	if (!r->rest.n || r->rest.p[0] != c)
		return false;
	r->rest = slice_after(r->rest, 1);
	return true;
}

/* The next character; NUL at the end. */
static char peek(struct reader *r)
{
	skip_blanks(r);
	return r->rest.n ? r->rest.p[0] : '\0';
}

/* --- strings ---------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* XXXX of \uXXXX, or -1. */
static int32_t read_unit(struct slice s)
{
	int32_t unit = 0;

	for (size_t i = 0; i < 4; i++) {
		int digit = i < s.n ? hex_digit(s.p[i]) : -1;

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

static void put_code(struct text_out *to, uint32_t code)
{
	if (code < 0x80) {
		to->p[to->n++] = (char)code;
		return;
	}
	if (code < 0x800) {
		to->p[to->n++] = (char)(0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			to->p[to->n++] = (char)(0xe0 | code >> 12);
		} else {
			to->p[to->n++] = (char)(0xf0 | code >> 18);
			to->p[to->n++] = (char)(0x80 | (code >> 12 & 0x3f));
		}
		to->p[to->n++] = (char)(0x80 | (code >> 6 & 0x3f));
	}
	to->p[to->n++] = (char)(0x80 | (code & 0x3f));
}

/* What follows "\u"; a surrogate without its other half becomes U+FFFD. How much was read, or 0. */
static size_t decode_unit(struct slice s, struct text_out *to)
{
	int32_t unit = read_unit(s), low = -1;

	if (unit < 0)
		return 0;
	if (unit < 0xd800 || unit > 0xdfff) {
		put_code(to, (uint32_t)unit);
		return 4;
	}
	if (unit < 0xdc00 && slice_starts_with(slice_after(s, 4), SLICE("\\u")))
		low = read_unit(slice_after(s, 6));
	if (low < 0xdc00 || low > 0xdfff) {
		put_code(to, 0xfffd);
		return 4;
	}
	put_code(to, 0x10000u + ((uint32_t)(unit - 0xd800) << 10 | (uint32_t)(low - 0xdc00)));
	return 10;
}

/* What follows the backslash. How much was read, or 0 when it is no escape. */
static size_t decode_escape(struct slice s, struct text_out *to)
{
	static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	const char *letter = s.n && s.p[0] ? strchr(letters, s.p[0]) : NULL;
	size_t n;

	if (letter) {
		to->p[to->n++] = meanings[letter - letters];
		return 1;
	}
	n = s.n && s.p[0] == 'u' ? decode_unit(slice_after(s, 1), to) : 0;
	return n ? n + 1 : 0;
}

/* The string that begins here, decoded: a slice of the text, or of the arena if it has escapes. */
static bool read_string(struct reader *r, struct slice *string)
{
	struct text_out to = {0};
	struct slice raw;
	size_t n = 0;

	if (!take(r, '"'))
		return false;
	while (n < r->rest.n && r->rest.p[n] != '"' && (unsigned char)r->rest.p[n] >= 0x20)
		n += r->rest.p[n] == '\\' ? 2 : 1;
	if (n >= r->rest.n || r->rest.p[n] != '"')
		return false;
	raw = slice_first(r->rest, n);
	r->rest = slice_after(r->rest, n + 1);
	*string = raw;
	if (slice_find(raw, '\\') < 0)
		return true;
	to.p = arena__alloc(r->arena, raw.n); /* no escape is shorter than what it stands for */
	if (!to.p)
		return false;
	while (raw.n) {
		bool escaped = raw.p[0] == '\\';

		n = escaped ? decode_escape(slice_after(raw, 1), &to) : 1;
		if (n == 0)
			return false;
		if (!escaped)
			to.p[to.n++] = raw.p[0];
		raw = slice_after(raw, n + escaped);
	}
	*string = text_done(&to);
	return true;
}

/* --- values ----------------------------------------------------------------------------------- */

static size_t digits_len(struct slice s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

/* The length of the number at the start; 0 if there is none. *whole: it has no fraction. */
static size_t number_len(struct slice s, bool *whole)
{
	size_t n = slice_starts_with(s, SLICE("-")), digits = digits_len(slice_after(s, n));

	if (digits == 0 || (digits > 1 && s.p[n] == '0'))
		return 0;
	n += digits;
	*whole = true;
	if (slice_starts_with(slice_after(s, n), SLICE("."))) {
		digits = digits_len(slice_after(s, n + 1));
		if (digits == 0)
			return 0;
		n += 1 + digits;
		*whole = false;
	}
	if (n < s.n && (s.p[n] | 0x20) == 'e') {
		n += n + 1 < s.n && (s.p[n + 1] == '+' || s.p[n + 1] == '-') ? 2 : 1;
		digits = digits_len(slice_after(s, n));
		if (digits == 0)
			return 0;
		n += digits;
		*whole = false;
	}
	return n;
}

static size_t word_len(struct slice s)
{
	static const struct slice words[] = {SLICE("true"), SLICE("false"), SLICE("null")};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (slice_starts_with(s, words[i]))
			return words[i].n;
	return 0;
}

/* False when it does not fit. */
static bool read_integer(struct slice number, int64_t *out)
{
	bool negative = number.p[0] == '-';
	uint64_t magnitude;

	if (!slice_to_u64(slice_after(number, negative), &magnitude) || magnitude > INT64_MAX)
		return false;
	*out = negative ? -(int64_t)magnitude : (int64_t)magnitude;
	return true;
}

/* Is it an attribute, or a part of one? NULL key: no, it is copied. */
static bool goes(struct reader *r, struct attr *attr)
{
	return attr->key.p && !redactor__attr(r->redactor, attr, r->arena);
}

/* These return true if the value goes, and its member with it; what they wrote is to be cut off. */

static bool copy_string(struct reader *r, struct slice key)
{
	struct attr attr = {.key = key, .type = ATTR_STRING};

	if (!read_string(r, &attr.str)) {
		r->wrong = true;
		return false;
	}
	if (goes(r, &attr))
		return true;
	jw_string(r->out, attr.str);
	return false;
}

static bool copy_plain(struct reader *r, struct slice key)
{
	struct attr attr = {.key = key, .type = ATTR_INT};
	bool whole = false;
	size_t n = number_len(r->rest, &whole) ?: word_len(r->rest);
	struct slice text = slice_first(r->rest, n);

	r->wrong |= n == 0;
	r->rest = slice_after(r->rest, n);
	if (!whole || !read_integer(text, &attr.num)) {
		jw_raw(r->out, text);
		return false;
	}
	if (goes(r, &attr))
		return true;
	if (attr.type == ATTR_STRING)
		jw_string(r->out, attr.str);
	else
		jw_raw(r->out, text);
	return false;
}

/* Reads an array of nothing but strings, behind its bracket, into items, unless that is NULL. */
static bool read_strings(struct reader *r, struct slice *items, uint32_t *cnt)
{
	struct slice string;

	*cnt = 0;
	do {
		if (peek(r) != '"' || !read_string(r, &string))
			return false;
		if (items)
			items[*cnt] = string;
		++*cnt;
	} while (take(r, ','));
	return take(r, ']');
}

/* An array of strings is one attribute: what an item says may be about the next one. */
static bool copy_strings(struct reader *r, struct attr *attr)
{
	struct slice *items = arena__alloc(r->arena, attr->items_cnt * sizeof(*items));

	if (!items || !read_strings(r, items, &attr->items_cnt)) {
		r->wrong = true;
		return false;
	}
	attr->items = items;
	if (goes(r, attr))
		return true;
	jw_lit(r->out, "[");
	for (uint32_t i = 0; i < attr->items_cnt; i++) {
		if (i)
			jw_lit(r->out, ",");
		jw_string(r->out, attr->items[i]);
	}
	jw_lit(r->out, "]");
	return false;
}

static bool copy_value(struct reader *r, struct slice key);

static bool copy_array(struct reader *r, struct slice key)
{
	struct attr attr = {.key = key, .type = ATTR_STRINGS};
	const struct slice begin = slice_after(r->rest, 1);
	size_t cnt = 0;
	bool strings;

	r->rest = begin;
	strings = read_strings(r, NULL, &attr.items_cnt);
	r->rest = begin;
	if (strings)
		return copy_strings(r, &attr);
	jw_lit(r->out, "[");
	if (peek(r) != ']') {
		do {
			size_t before = r->out->len;

			if (cnt)
				jw_lit(r->out, ",");
			if (copy_value(r, key))
				json_writer__cut(r->out, before);
			else
				cnt++;
		} while (!r->wrong && take(r, ','));
	}
	r->wrong |= !take(r, ']');
	jw_lit(r->out, "]");
	return false;
}

enum object {
	OBJECT_COPIED,	   /* nothing in it is redacted */
	OBJECT_SPAN,	   /* its name, attributes and resource are */
	OBJECT_ATTRIBUTES, /* all of it is */
};

/* What to redact a member by: a key of NULL for what is copied. */
static struct slice member_key(enum object object, struct slice name)
{
	if (object == OBJECT_ATTRIBUTES)
		return name;
	if (object == OBJECT_SPAN && slice_eq(name, SLICE("name")))
		return REDACT_SPAN_NAME;
	if (object == OBJECT_SPAN &&
	    (slice_eq(name, SLICE("attributes")) || slice_eq(name, SLICE("resource"))))
		return name;
	return slice_of(NULL, 0);
}

static void copy_object(struct reader *r, enum object object)
{
	size_t cnt = 0, before;
	struct slice name;

	r->rest = slice_after(r->rest, 1);
	jw_lit(r->out, "{");
	if (peek(r) != '}') {
		do {
			if (!read_string(r, &name) || !take(r, ':')) {
				r->wrong = true;
				return;
			}
			before = r->out->len;
			if (cnt)
				jw_lit(r->out, ",");
			jw_string(r->out, name);
			jw_lit(r->out, ":");
			if (copy_value(r, member_key(object, name)))
				json_writer__cut(r->out, before);
			else
				cnt++;
		} while (!r->wrong && take(r, ','));
	}
	r->wrong |= !take(r, '}');
	jw_lit(r->out, "}");
}

static bool copy_value(struct reader *r, struct slice key)
{
	bool gone = false;

	if (++r->depth > REDACT_JSON_DEPTH_MAX || r->out->failed) {
		r->wrong = true;
		return false;
	}
	switch (peek(r)) {
	case '"':
		gone = copy_string(r, key);
		break;
	case '{':
		copy_object(r, key.p ? OBJECT_ATTRIBUTES : OBJECT_COPIED);
		break;
	case '[':
		gone = copy_array(r, key);
		break;
	default:
		gone = copy_plain(r, key);
	}
	r->depth--;
	return gone;
}

/* sonde's own lines begin so. */
static bool is_span(struct slice text)
{
	return slice_starts_with(text, SLICE("{\"traceId\":"));
}

bool redact_json(struct redactor *r, struct slice text, struct json_writer *out,
		 struct arena *arena)
{
	struct reader reader = {.redactor = r, .out = out, .arena = arena, .rest = text};

	if (peek(&reader) != '{')
		return false;
	copy_object(&reader, is_span(reader.rest) ? OBJECT_SPAN : OBJECT_ATTRIBUTES);
	skip_blanks(&reader);
	return !reader.wrong && !reader.rest.n && !out->failed;
}
