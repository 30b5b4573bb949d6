// SPDX-License-Identifier: Apache-2.0
/* Byte-run comparisons and conversions. ASCII only: the wire knows no locale. */
#include "user/base/slice.h"

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static uint64_t lower_word(uint64_t word)
{
	const uint64_t each = 0x0101010101010101u;
	uint64_t low = word & 0x7f * each, upper;

	/* The high bit of a byte: it is beyond 'A' - 1, but not beyond 'Z', and ASCII. */
	upper = (low + (0x80 - 'A') * each) & ~(low + (0x7f - 'Z') * each) & ~word & 0x80 * each;
	return word | upper >> 2;
}

static uint64_t word_at(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* Four to eight letters: the first four and the last four. */
static uint64_t short_word(struct slice s)
{
	uint32_t first, last;

	memcpy(&first, s.p, sizeof(first));
	memcpy(&last, s.p + s.n - sizeof(last), sizeof(last));
	return (uint64_t)first << 32 | last;
}

/* Eight letters at once; the last ones may be compared twice. */
bool slice_eq_nocase(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return false;
	if (a.n < 4) {
		for (size_t i = 0; i < a.n; i++)
			if (lower(a.p[i]) != lower(b.p[i]))
				return false;
		return true;
	}
	if (a.n <= 8)
		return lower_word(short_word(a)) == lower_word(short_word(b));
	for (size_t i = 0; i < a.n - 8; i += 8)
		if (lower_word(word_at(a.p + i)) != lower_word(word_at(b.p + i)))
			return false;
	return lower_word(word_at(a.p + a.n - 8)) == lower_word(word_at(b.p + a.n - 8));
}

uint64_t slice_hash(struct slice s)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3ull;
	return h;
}

ptrdiff_t slice_find(struct slice s, char c)
{
	const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;

	return hit ? hit - s.p : -1;
}

struct slice slice_trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_after(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int slice_percent_byte(struct slice s)
{
	int high = s.n >= 3 && s.p[0] == '%' ? hex_digit(s.p[1]) : -1;
	int low = high >= 0 ? hex_digit(s.p[2]) : -1;

	return low >= 0 ? high << 4 | low : -1;
}

bool slice_to_u64(struct slice s, uint64_t *out)
{
	uint64_t value = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned int digit = (unsigned char)s.p[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*out = value;
	return true;
}

bool slice_take_hex(struct slice *s, uint64_t *out)
{
	uint64_t value = 0;
	size_t n = 0;

	for (; n < s->n; n++) {
		int digit = hex_digit(s->p[n]);

		if (digit < 0)
			break;
		value = value << 4 | (uint64_t)digit;
	}
	if (n == 0 || n > 16)
		return false;
	*out = value;
	*s = slice_after(*s, n);
	return true;
}

bool slice_fits_glob(struct slice s, struct slice glob)
{
	size_t g = 0, at = 0, star = SIZE_MAX, resume = 0;

	while (at < s.n) {
		if (g < glob.n && glob.p[g] == '*') {
			star = g++;
			resume = at;
		} else if (g < glob.n && glob.p[g] == s.p[at]) {
			g++;
			at++;
		} else if (star != SIZE_MAX) {
			g = star + 1;
			at = ++resume;
		} else {
			return false;
		}
	}
	while (g < glob.n && glob.p[g] == '*')
		g++;
	return g == glob.n;
}
