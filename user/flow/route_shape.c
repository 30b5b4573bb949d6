// SPDX-License-Identifier: Apache-2.0
/*
 * Guesses what a path segment stands for from its characters alone. In doubt it is a name: the
 * table of routes still bounds how many names there may be at one place.
 */
#include "user/flow/route_shape.h"

#define HEX_MIN 8
#define TOKEN_MIN 16
#define TOKEN_RUN_MIN 12 /* without a separator in between; shorter runs are a slug's words */
#define LONG_TOKEN_MIN 24
#define ID_DIGITS_MIN 6 /* of a number with separators, such as a telephone number */
#define EXTENSION_MAX 5

enum {
	DIGIT = 0x01,
	LOWER = 0x02,
	UPPER = 0x04,
	HEX = 0x08,
	TOKEN = 0x10,	/* may stand in base64url text, or in a JWT */
	NAME = 0x20,	/* may stand in a literal segment */
	NUMERIC = 0x40, /* digits, and what people put between them */
};

static const uint8_t classes[256] = {
	['0' ... '9'] = DIGIT | HEX | TOKEN | NAME | NUMERIC,
	['a' ... 'f'] = LOWER | HEX | TOKEN | NAME,
	['g' ... 'z'] = LOWER | TOKEN | NAME,
	['A' ... 'F'] = UPPER | HEX | TOKEN | NAME,
	['G' ... 'Z'] = UPPER | TOKEN | NAME,
	['-'] = TOKEN | NAME | NUMERIC,
	['.'] = TOKEN | NAME | NUMERIC,
	['_'] = TOKEN | NAME | NUMERIC,
	[':'] = NAME | NUMERIC,
	['+'] = NAME | NUMERIC,
	[','] = NUMERIC,
	['='] = TOKEN,
	['~'] = TOKEN | NAME,
	['@'] = NAME,
	['$'] = NAME,
	['!'] = NAME,
	['('] = NAME,
	[')'] = NAME,
};

static uint8_t class_of(char c)
{
	return classes[(unsigned char)c];
}

struct census {
	uint8_t common; /* classes that every character has */
	size_t digits, lowers, uppers;
	size_t run_max; /* longest run of letters and digits */
	size_t turns;	/* changes between letter and digit */
};

static struct census take_census(struct slice s)
{
	struct census sum = {.common = 0xff};
	uint8_t alnum = DIGIT | LOWER | UPPER, last = 0;
	size_t run = 0;

	for (size_t i = 0; i < s.n; i++) {
		uint8_t class = class_of(s.p[i]);

		sum.common &= class;
		sum.digits += !!(class & DIGIT);
		sum.lowers += !!(class & LOWER);
		sum.uppers += !!(class & UPPER);
		sum.turns += (class & alnum) && (last & alnum) && ((class ^ last) & DIGIT);
		run = class & alnum ? run + 1 : 0;
		if (run > sum.run_max)
			sum.run_max = run;
		last = class;
	}
	return sum;
}

static bool is_number(struct slice s, const struct census *sum)
{
	bool sign = s.p[0] == '-' || s.p[0] == '+';

	if (!(sum->common & NUMERIC) || sum->digits == 0)
		return false;
	return sum->digits + sign == s.n || sum->digits >= ID_DIGITS_MIN || slice_find(s, ',') > 0;
}

static bool fits(char c, char mask)
{
	if (mask == 'x')
		return class_of(c) & HEX;
	return mask == '9' ? class_of(c) & DIGIT : c == mask;
}

/* mask: 'x' a hexadecimal digit, '9' a decimal one, else the character itself. s may go on. */
static bool fits_mask(struct slice s, struct slice mask)
{
	if (s.n < mask.n)
		return false;
	for (size_t i = 0; i < mask.n; i++)
		if (!fits(s.p[i], mask.p[i]))
			return false;
	return true;
}

static bool is_uuid(struct slice s)
{
	struct slice mask = SLICE("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");

	return s.n == mask.n && fits_mask(s, mask);
}

/* 2026-11, 2026-11-20, 2026-11-20T10:00:00Z */
static bool is_date(struct slice s)
{
	if (!fits_mask(s, SLICE("9999-99")))
		return false;
	for (size_t i = 7; i < s.n; i++)
		if (!(class_of(s.p[i]) & NUMERIC) && s.p[i] != 'T' && s.p[i] != 'Z')
			return false;
	return true;
}

static bool is_hex(struct slice s, const struct census *sum)
{
	if (slice_starts_with(s, SLICE("0x")))
		return s.n >= 2 + HEX_MIN && take_census(slice_after(s, 2)).common & HEX;
	return s.n >= HEX_MIN && sum->common & HEX && sum->digits;
}

/* The last label must be letters, else vue@3.2.1 would be one. */
static bool is_email(struct slice s)
{
	ptrdiff_t at = slice_find(s, '@');
	size_t label_len = 0;

	if (at <= 0)
		return false;
	while (label_len < s.n && class_of(s.p[s.n - 1 - label_len]) & (LOWER | UPPER))
		label_len++;
	return label_len >= 2 && s.n - label_len > (size_t)at + 2 &&
	       s.p[s.n - 1 - label_len] == '.';
}

static bool is_token(struct slice s, const struct census *sum)
{
	if (s.n < TOKEN_MIN || !(sum->common & TOKEN) || sum->run_max < TOKEN_RUN_MIN)
		return false;
	if (sum->uppers && sum->lowers)
		return sum->digits >= (s.n < LONG_TOKEN_MIN ? 2u : 1u);
	return sum->turns >= 4;
}

static struct slice whole_shape(struct slice s)
{
	struct census sum = take_census(s);

	if (is_uuid(s))
		return SLICE("{uuid}");
	if (is_date(s))
		return SLICE("{date}");
	if (is_number(s, &sum))
		return SLICE("{id}");
	if (is_hex(s, &sum))
		return SLICE("{hex}");
	if (is_email(s))
		return SLICE("{email}");
	if (is_token(s, &sum))
		return SLICE("{token}");
	if (s.n > ROUTE_SEGMENT_MAX || !(sum.common & NAME))
		return SLICE("{text}");
	return s;
}

/* Is a part of the name between '.', '-' and '_' a content hash, as in app.3f2a9c1b or a-B4kX9zQw? */
static bool has_hash(struct slice stem)
{
	while (stem.n) {
		size_t n = 0;
		struct census sum;

		while (n < stem.n && class_of(stem.p[n]) & (DIGIT | LOWER | UPPER))
			n++;
		sum = take_census(slice_first(stem, n));
		if (n >= HEX_MIN && sum.digits && (sum.common & HEX || (sum.lowers && sum.uppers)))
			return true;
		stem = slice_after(stem, n + 1);
	}
	return false;
}

/* The extension with its dot, or the empty slice. */
static struct slice extension(struct slice s)
{
	size_t n = 0;

	while (n < s.n && n <= EXTENSION_MAX && class_of(s.p[s.n - 1 - n]) & (DIGIT | LOWER))
		n++;
	if (n == 0 || n > EXTENSION_MAX || n + 1 >= s.n || s.p[s.n - 1 - n] != '.' ||
	    !(class_of(s.p[s.n - n]) & LOWER))
		return SLICE("");
	return slice_after(s, s.n - n - 1);
}

static struct slice file_shape(struct slice stem, struct slice ext, char *buf)
{
	struct slice shape = whole_shape(stem);

	if (shape.p == stem.p && !has_hash(stem))
		return SLICE("");
	if (shape.p == stem.p || slice_eq(shape, SLICE("{hex}")) ||
	    slice_eq(shape, SLICE("{token}")))
		shape = SLICE("{hash}");
	memcpy(buf, shape.p, shape.n);
	memcpy(buf + shape.n, ext.p, ext.n);
	return slice_of(buf, shape.n + ext.n);
}

struct slice route_segment_shape(struct slice segment, char *buf)
{
	ptrdiff_t semicolon = slice_find(segment, ';');
	struct slice ext, shape;

	if (semicolon >= 0)
		segment = slice_first(segment, (size_t)semicolon);
	if (segment.n == 0)
		return SLICE("{text}");
	ext = extension(segment);
	if (ext.n && !is_email(segment)) {
		shape = file_shape(slice_first(segment, segment.n - ext.n), ext, buf);
		if (shape.n)
			return shape;
	}
	return whole_shape(segment);
}
