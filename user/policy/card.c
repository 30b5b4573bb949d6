// SPDX-License-Identifier: Apache-2.0
/*
 * A card number stands whole, or in groups of four (American Express 4-6-5, Diners 4-6-4), with
 * nothing but separators around it. So UUIDs, timestamps and ids are none, unless all of it fits.
 */
#include "user/policy/card.h"

#define DIGITS_MIN 13
#define DIGITS_MAX 19
#define GROUPS_MAX 5

/* Lengths as bits. */
#define L(n) (1u << (n))
#define L16_19 (L(16) | L(17) | L(18) | L(19))

static const struct issuer {
	uint32_t first, last; /* the range of the leading digits */
	uint32_t lengths;
} issuers[] = {
	{4, 4, L(13) | L(16) | L(19)},		      /* Visa */
	{51, 55, L(16)},			      /* Mastercard */
	{2221, 2720, L(16)},			      /* Mastercard */
	{34, 34, L(15)},			      /* American Express */
	{37, 37, L(15)},			      /* American Express */
	{300, 305, L(14) | L16_19},		      /* Diners Club */
	{3095, 3095, L(14) | L16_19},		      /* Diners Club */
	{36, 36, L(14) | L16_19},		      /* Diners Club */
	{38, 39, L(14) | L16_19},		      /* Diners Club */
	{3528, 3589, L16_19},			      /* JCB */
	{6011, 6011, L16_19},			      /* Discover */
	{644, 649, L16_19},			      /* Discover */
	{65, 65, L16_19},			      /* Discover, RuPay, Elo */
	{62, 62, L16_19},			      /* UnionPay */
	{81, 82, L16_19},			      /* RuPay, UnionPay */
	{508, 508, L(16)},			      /* RuPay */
	{2200, 2204, L16_19},			      /* Mir */
	{5018, 5018, L(13) | L(14) | L(15) | L16_19}, /* Maestro */
	{5020, 5020, L(13) | L(14) | L(15) | L16_19}, /* Maestro */
	{5038, 5038, L(13) | L(14) | L(15) | L16_19}, /* Maestro */
	{5893, 5893, L(13) | L(14) | L(15) | L16_19}, /* Maestro */
	{6304, 6304, L(13) | L(14) | L(15) | L16_19}, /* Maestro */
	{6759, 6763, L(13) | L(14) | L(15) | L16_19}, /* Maestro */
	{506099, 506198, L(16) | L(18) | L(19)},      /* Verve */
	{979200, 979289, L(16)},		      /* Troy */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_hex_letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'f';
}

static bool issued(const char *digits, size_t n)
{
	for (size_t i = 0; i < sizeof(issuers) / sizeof(*issuers); i++) {
		const struct issuer *issuer = &issuers[i];
		uint32_t prefix = 0;

		if (!(issuer->lengths & L(n)))
			continue;
		for (uint32_t k = 0, left = issuer->first; left; left /= 10, k++)
			prefix = prefix * 10 + (uint32_t)(digits[k] - '0');
		if (prefix >= issuer->first && prefix <= issuer->last)
			return true;
	}
	return false;
}

/* Luhn's: every second digit from the last but one is doubled, and the sum ends in 0. */
static bool adds_up(const char *digits, size_t n)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned int digit = (unsigned int)(digits[n - 1 - i] - '0');

		digit *= i % 2 ? 2 : 1;
		sum += digit > 9 ? digit - 9 : digit;
	}
	return sum % 10 == 0;
}

static bool is_card(const char *digits, size_t n)
{
	return n >= DIGITS_MIN && n <= DIGITS_MAX && issued(digits, n) && adds_up(digits, n);
}

/*
 * Do letters stand on these digits? Any letter does, to a number in groups; to one that stands whole
 * only those of a hexadecimal id.
 */
static bool lettered(struct slice text, struct text_range at, bool grouped)
{
	size_t begin = at.begin, end = at.end, letters_cnt = 0, hex_cnt = 0;

	for (; begin > 0 && (is_letter(text.p[begin - 1]) || is_digit(text.p[begin - 1]));
	     begin--) {
		letters_cnt += is_letter(text.p[begin - 1]);
		hex_cnt += is_hex_letter(text.p[begin - 1]);
	}
	for (; end < text.n && (is_letter(text.p[end]) || is_digit(text.p[end])); end++) {
		letters_cnt += is_letter(text.p[end]);
		hex_cnt += is_hex_letter(text.p[end]);
	}
	return letters_cnt && (grouped || letters_cnt == hex_cnt);
}

/* Group lengths, as decimal digits, with which a number of more than one group may begin or end. */
static bool shape_known(const uint8_t *lengths, size_t cnt)
{
	if (cnt == 3 && lengths[0] == 4 && lengths[1] == 6)
		return lengths[2] == 5 || lengths[2] == 4;
	for (size_t i = 0; i + 1 < cnt; i++)
		if (lengths[i] != 4)
			return false;
	return cnt >= 4 && lengths[cnt - 1] <= 4;
}

/* The longest card number that begins with the group at `begin`. */
static bool find_at(struct slice text, struct text_range run, size_t begin,
		    struct text_range *found)
{
	char digits[DIGITS_MAX];
	uint8_t lengths[GROUPS_MAX];
	size_t digits_cnt = 0, groups_cnt = 0, at = begin;
	bool any = false;

	while (at < run.end && groups_cnt < GROUPS_MAX) {
		struct text_range candidate = {.begin = begin};
		size_t start = at;

		while (at < run.end && is_digit(text.p[at])) {
			if (digits_cnt == DIGITS_MAX)
				return any;
			digits[digits_cnt++] = text.p[at++];
		}
		lengths[groups_cnt++] = (uint8_t)(at - start);
		candidate.end = at;
		if ((groups_cnt == 1 || shape_known(lengths, groups_cnt)) &&
		    is_card(digits, digits_cnt) && !lettered(text, candidate, groups_cnt > 1)) {
			*found = candidate;
			any = true;
		}
		at++; /* the separator */
	}
	return any;
}

bool card_find(struct slice text, struct text_range run, struct text_range *found)
{
	size_t at = run.begin;

	while (at < run.end) {
		if (find_at(text, run, at, found))
			return true;
		while (at < run.end && is_digit(text.p[at]))
			at++;
		at++; /* the separator */
	}
	return false;
}
