// SPDX-License-Identifier: Apache-2.0
/* UTF-8 by the table of well-formed byte sequences (Unicode Standard, table 3-7). */
#include "user/base/utf8.h"

#include <string.h>

/* What may follow a lead byte: the length of the sequence, and the range of its second byte. */
static const struct lead {
	uint8_t first, last, len, second_min, second_max;
} leads[] = {
	{.first = 0x00, .last = 0x7F, .len = 1},
	{.first = 0xC2, .last = 0xDF, .len = 2, .second_min = 0x80, .second_max = 0xBF},
	{.first = 0xE0, .last = 0xE0, .len = 3, .second_min = 0xA0, .second_max = 0xBF},
	{.first = 0xE1, .last = 0xEC, .len = 3, .second_min = 0x80, .second_max = 0xBF},
	{.first = 0xED, .last = 0xED, .len = 3, .second_min = 0x80, .second_max = 0x9F},
	{.first = 0xEE, .last = 0xEF, .len = 3, .second_min = 0x80, .second_max = 0xBF},
	{.first = 0xF0, .last = 0xF0, .len = 4, .second_min = 0x90, .second_max = 0xBF},
	{.first = 0xF1, .last = 0xF3, .len = 4, .second_min = 0x80, .second_max = 0xBF},
	{.first = 0xF4, .last = 0xF4, .len = 4, .second_min = 0x80, .second_max = 0x8F},
};

static const struct lead *find_lead(uint8_t byte)
{
	for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++)
		if (byte >= leads[i].first && byte <= leads[i].last)
			return &leads[i];
	return NULL;
}

size_t utf8_next(struct slice s, bool *valid)
{
	const uint8_t *p = (const uint8_t *)s.p;
	const struct lead *lead = find_lead(p[0]);

	*valid = lead && lead->len == 1;
	if (!lead || lead->len == 1 || s.n < 2 || p[1] < lead->second_min ||
	    p[1] > lead->second_max)
		return 1;
	for (size_t i = 2; i < lead->len; i++)
		if (i == s.n || (p[i] & 0xC0) != 0x80)
			return i;
	*valid = true;
	return lead->len;
}

size_t utf8_decode(struct slice s, int32_t *code)
{
	bool valid;
	size_t n = utf8_next(s, &valid);

	*code = -1;
	if (!valid)
		return n;
	*code = (uint8_t)s.p[0] & (n == 1 ? 0x7F : 0x7F >> n);
	for (size_t i = 1; i < n; i++)
		*code = *code << 6 | (s.p[i] & 0x3F);
	return n;
}

size_t utf8_clean_len(struct slice s)
{
	size_t len = 0;

	while (s.n) {
		bool valid;
		size_t n = utf8_next(s, &valid);

		len += valid ? n : SLICE(UTF8_REPLACEMENT).n;
		s = slice_after(s, n);
	}
	return len;
}

/* How many of the first bytes are ASCII. */
static size_t ascii_len(struct slice s)
{
	size_t i = 0;

	for (uint64_t eight; s.n - i >= sizeof(eight); i += sizeof(eight)) {
		memcpy(&eight, s.p + i, sizeof(eight));
		if (eight & 0x8080808080808080ull)
			break;
	}
	while (i < s.n && !((uint8_t)s.p[i] & 0x80))
		i++;
	return i;
}

bool utf8_is_valid(struct slice s)
{
	bool valid = true;

	s = slice_after(s, ascii_len(s));
	while (s.n && valid)
		s = slice_after(s, utf8_next(s, &valid));
	return valid;
}

void utf8_clean(char *to, struct slice s)
{
	while (s.n) {
		bool valid;
		size_t n = utf8_next(s, &valid);
		struct slice out = valid ? slice_first(s, n) : SLICE(UTF8_REPLACEMENT);

		memcpy(to, out.p, out.n);
		to += out.n;
		s = slice_after(s, n);
	}
}

struct slice utf8_first(struct slice s, size_t max)
{
	size_t n = max;

	if (s.n <= max)
		return s;
	/* Back to the start of the character, if it is one: at most three bytes precede its last. */
	while (n && max - n < 3 && ((uint8_t)s.p[n] & 0xC0) == 0x80)
		n--;
	return slice_first(s, n);
}
