// SPDX-License-Identifier: Apache-2.0
/* The patterns, what they need to be tried, and what they must show beyond their form. */
#include "user/policy/values.h"

#include <errno.h>

#include "user/policy/card.h"
#include "user/policy/text_out.h"

#define SUSPECT_MIN 6 /* bytes: a@b.cd */
#define CARD_DIGITS_MIN 13

/* --- one look --------------------------------------------------------------------------------- */

/*
 * How often a text has bytes of some classes: one table gives each byte its place in a sum of five
 * counters, so that a byte costs two loads and an addition.
 */
#define COUNTER_BITS 12
#define COUNT(n) (1ull << (COUNTER_BITS * (n)))
#define COUNTED_MAX ((1u << COUNTER_BITS) - 1) /* bytes before a counter can overflow */

enum byte_class {
	BYTE_DIGIT,
	BYTE_AT,
	BYTE_PERCENT,
	BYTE_J, /* of eyJ, which begins every JSON object in base64 */
	BYTE_B, /* of bearer and basic */
	BYTE_CLASSES,
};

static const uint64_t counts_of[256] = {
	['0' ... '9'] = COUNT(BYTE_DIGIT),
	['@'] = COUNT(BYTE_AT),
	['%'] = COUNT(BYTE_PERCENT),
	['J'] = COUNT(BYTE_J),
	['b'] = COUNT(BYTE_B),
	['B'] = COUNT(BYTE_B),
};

struct census {
	size_t cnt[BYTE_CLASSES];
};

static struct census take_census(struct slice text)
{
	struct census census = {{0}};

	while (text.n) {
		struct slice part = slice_first(text, COUNTED_MAX);
		uint64_t sum = 0;

		for (size_t i = 0; i < part.n; i++)
			sum += counts_of[(unsigned char)part.p[i]];
		for (int i = 0; i < BYTE_CLASSES; i++)
			census.cnt[i] += sum >> (COUNTER_BITS * i) & COUNTED_MAX;
		text = slice_after(text, part.n);
	}
	return census;
}

/*
 * The same question for nearly all texts, sixteen bytes at a time: does it have any of the bytes that count, or as many
 * digits as a card? The last block overlaps the one before, so that digits may be counted twice.
 */
#define BLOCK_SZ 16
typedef uint8_t block __attribute__((vector_size(BLOCK_SZ)));
typedef uint64_t block_words __attribute__((vector_size(BLOCK_SZ)));

/* Of a text of 6 bytes at least: its first and its last ones. */
static block short_block(struct slice text)
{
	size_t half = text.n < 8 ? 4 : 8;
	uint64_t first = 0, last = 0;

	memcpy(&first, text.p, half == 4 ? 4 : 8);
	memcpy(&last, text.p + text.n - half, half == 4 ? 4 : 8);
	return (block)(block_words){first, last};
}

static bool has_mark(block b)
{
	block_words found =
		(block_words)((b == '@') | (b == '%') | (b == 'J') | ((b | 0x20) == 'b'));

	return found[0] | found[1];
}

static int digits_in(block b)
{
	const uint64_t each = 0x0101010101010101u;
	block_words found = (block_words)((block)(b - '0') < 10) & each;

	return (int)((found[0] + found[1]) * each >> 56);
}

static bool may_be_suspect(struct slice text)
{
	int digits_cnt = 0;
	block b;

	if (text.n < BLOCK_SZ) {
		b = short_block(text);
		return has_mark(b) ||
		       (text.n >= CARD_DIGITS_MIN && digits_in(b) >= CARD_DIGITS_MIN);
	}
	for (size_t i = 0; i < text.n; i += BLOCK_SZ) {
		if (i + BLOCK_SZ > text.n)
			i = text.n - BLOCK_SZ;
		memcpy(&b, text.p + i, sizeof(b));
		if (has_mark(b))
			return true;
		digits_cnt += digits_in(b);
	}
	return digits_cnt >= CARD_DIGITS_MIN;
}

/* word: in lower case. */
static bool has_word(struct slice text, struct slice word)
{
	for (size_t i = 0; i + word.n <= text.n; i++)
		if ((text.p[i] | 0x20) == word.p[0] &&
		    slice_eq_nocase(slice_of(text.p + i, word.n), word))
			return true;
	return false;
}

static bool may_be_userinfo(const struct census *census, struct slice text)
{
	return census->cnt[BYTE_AT] && memmem(text.p, text.n, "//", 2);
}

static bool may_be_jwt(const struct census *census, struct slice text)
{
	return census->cnt[BYTE_J] && memmem(text.p, text.n, "eyJ", 3);
}

static bool may_be_bearer(const struct census *census, struct slice text)
{
	return census->cnt[BYTE_B] && has_word(text, SLICE("bearer"));
}

static bool may_be_basic(const struct census *census, struct slice text)
{
	return census->cnt[BYTE_B] && has_word(text, SLICE("basic"));
}

static bool may_be_email(const struct census *census, struct slice text)
{
	(void)text;
	return census->cnt[BYTE_AT];
}

/* Enough digits in a row, with at most one other character between any two. */
static bool may_be_card(const struct census *census, struct slice text)
{
	size_t digits_cnt = 0, others_cnt = 0;

	if (census->cnt[BYTE_DIGIT] < CARD_DIGITS_MIN)
		return false;
	for (size_t i = 0; i < text.n && digits_cnt < CARD_DIGITS_MIN; i++) {
		bool digit = text.p[i] >= '0' && text.p[i] <= '9';

		others_cnt = digit ? 0 : others_cnt + 1;
		digits_cnt = digit ? digits_cnt + 1 : others_cnt > 1 ? 0 : digits_cnt;
	}
	return digits_cnt == CARD_DIGITS_MIN;
}

bool values__suspect(struct slice text)
{
	struct census census;

	if (text.n < SUSPECT_MIN || !may_be_suspect(text))
		return false;
	census = take_census(text);
	return census.cnt[BYTE_AT] || census.cnt[BYTE_PERCENT] || may_be_jwt(&census, text) ||
	       may_be_bearer(&census, text) || may_be_basic(&census, text) ||
	       may_be_card(&census, text);
}

/* --- a closer look ---------------------------------------------------------------------------- */

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* Basic credentials are a name, a colon and a password in base64: "basic usage" is not. */
static bool holds_colon(struct slice base64)
{
	unsigned int bits = 0, bits_cnt = 0;

	for (size_t i = 0; i < base64.n; i++) {
		int digit = base64_digit(base64.p[i]);

		if (digit < 0)
			break;
		bits = bits << 6 | (unsigned int)digit;
		bits_cnt += 6;
		if (bits_cnt >= 8) {
			bits_cnt -= 8;
			if ((bits >> bits_cnt & 0xff) == ':')
				return true;
		}
	}
	return false;
}

/* Each may narrow the match; false: it is none. The search goes on behind match->end. */
static bool verify_basic(struct slice text, struct text_range *match)
{
	return holds_colon(slice_of(text.p + match->begin, match->end - match->begin));
}

static bool verify_card(struct slice text, struct text_range *match)
{
	return card_find(text, *match, match);
}

#define NOT_USERINFO "\t\n\v\f\r /?#\"'<>\\"

/* A part of a URL's credentials is none, and neither is what was masked, REDACTED@host.example. */
static bool verify_email(struct slice text, struct text_range *match)
{
	struct slice address = slice_of(text.p + match->begin, match->end - match->begin);
	size_t at = match->begin + (size_t)slice_find(address, '@');

	if (slice_starts_with(address, SLICE("REDACTED@")))
		return false;
	while (at > 0 && !memchr(NOT_USERINFO, text.p[at - 1], sizeof(NOT_USERINFO) - 1))
		at--;
	return at < 2 || text.p[at - 1] != '/' || text.p[at - 2] != '/';
}

/*
 * Every pattern begins where a shorter match cannot, or ends what it began, so that a text made to
 * be slow costs a few looks at each byte. (?<=%[0-9A-Fa-f]{2}): what follows an encoded byte stands
 * at a beginning, and so does what follows a '%' that encodes nothing.
 */
#define LOCAL "A-Za-z0-9._~!$*^{|}'+\\x80-\\xff-"
#define DOMAIN "A-Za-z0-9\\x80-\\xff-"

static const struct value_row {
	const char *pattern;
	struct slice mask;
	bool (*may_be)(const struct census *census, struct slice text);
	bool (*verify)(struct slice text, struct text_range *match); /* NULL: the form will do */
} rows[VALUE_KINDS] = {
	[VALUE_USERINFO] =
		{
			.pattern = "//\\K[^\\s/?#\"'<>\\\\]+(?=@)",
			.mask = SLICE("REDACTED:REDACTED"),
			.may_be = may_be_userinfo,
		},
	/* Anything that is a JSON object in base64, with or without the parts that follow. */
	[VALUE_JWT] =
		{
			.pattern = "eyJ[A-Za-z0-9_+/-]{8,}+={0,2}(?:\\.[A-Za-z0-9_-]*+){0,4}",
			.mask = REDACTED,
			.may_be = may_be_jwt,
		},
	[VALUE_BEARER] =
		{
			.pattern = "(?i)(?<![a-z0-9])bearer[\\s+:=]++\\K(?![a-z_-]++=\")"
				   "[^\\s,;\"'<>&]{4,}+",
			.mask = REDACTED,
			.may_be = may_be_bearer,
		},
	[VALUE_BASIC] =
		{
			.pattern = "(?i)(?<![a-z0-9])basic[\\s+:=]++\\K[a-z0-9+/_-]{4,}+={0,2}",
			.mask = REDACTED,
			.may_be = may_be_basic,
			.verify = verify_basic,
		},
	[VALUE_EMAIL] =
		{
			.pattern = "(?:(?<![" LOCAL "%])|(?<=%[0-9A-Fa-f]{2})|(?<=%)(?![0-9A-Fa-f]"
				   "{2}))'*+\\K[" LOCAL "]++@(?:[" DOMAIN "]{1,63}+\\.)+"
				   "[A-Za-z\\x80-\\xff][" DOMAIN "]{1,62}",
			.mask = REDACTED,
			.may_be = may_be_email,
			.verify = verify_email,
		},
	[VALUE_CARD] =
		{
			.pattern = "[0-9](?:[ .+_-]?[0-9]){12,}+",
			.mask = REDACTED,
			.may_be = may_be_card,
			.verify = verify_card,
		},
};

const char *const value_names[VALUE_KINDS] = {
	[VALUE_USERINFO] = "userinfo", [VALUE_JWT] = "jwt",	[VALUE_BEARER] = "bearer",
	[VALUE_BASIC] = "basic",       [VALUE_EMAIL] = "email", [VALUE_CARD] = "card",
};

int values__init(struct values *v, unsigned int kinds)
{
	char why[PATTERN_WHY_SZ];

	*v = (struct values){.hits = {0}};
	for (int kind = 0; kind < VALUE_KINDS; kind++) {
		if (!(kinds & 1u << kind))
			continue;
		v->patterns[kind] = pattern__new(rows[kind].pattern, PATTERN_BYTES, why);
		if (!v->patterns[kind]) /* the patterns are good, there is a test: it is memory */
			return -ENOMEM;
	}
	return 0;
}

void values__free(struct values *v)
{
	for (int kind = 0; kind < VALUE_KINDS; kind++)
		pattern__free(v->patterns[kind]);
	*v = (struct values){.hits = {0}};
}

static void find_kind(struct values *v, enum value_kind kind, const struct layers *layers,
		      struct finds *finds)
{
	const struct value_row *row = &rows[kind];
	struct text_range match = {.end = 0};
	int found = 0;

	while (!finds->all &&
	       (found = pattern__find(v->patterns[kind], layers->text, match.end, &match)) > 0) {
		if ((row->verify && !row->verify(layers->text, &match)) ||
		    slice_eq(row->mask,
			     slice_of(layers->text.p + match.begin, match.end - match.begin)))
			continue; /* the latter: it has been masked before */
		v->hits[kind] += finds__add(finds, layers__raw(layers, match), row->mask);
	}
	finds->all |= found < 0;
}

void values__find(struct values *v, struct layers *layers, struct slice text, struct finds *finds)
{
	layers__start(layers, text);
	do {
		struct census census = take_census(layers->text);

		for (int kind = 0; kind < VALUE_KINDS; kind++)
			if (v->patterns[kind] && rows[kind].may_be(&census, layers->text))
				find_kind(v, (enum value_kind)kind, layers, finds);
	} while (layers__next(layers, &finds->all));
}
