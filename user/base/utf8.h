/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 (RFC 3629). Bytes from the wire are anything; where text must be valid (protobuf, JSON)
 * each maximal ill-formed part becomes one U+FFFD, as the Unicode Standard (3.9) recommends.
 */
#ifndef SONDE_BASE_UTF8_H
#define SONDE_BASE_UTF8_H

#include "user/base/slice.h"

#define UTF8_REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* True if no byte has its high bit set; reads eight at a time. */
static inline bool utf8_is_ascii(struct slice s)
{
	const uint64_t high = 0x8080808080808080u;
	uint64_t word, seen = 0;
	size_t i;

	if (s.n < 8) {
		for (i = 0; i < s.n; i++)
			seen |= (uint8_t)s.p[i];
		return !(seen & 0x80);
	}
	for (i = 0; i + 8 <= s.n; i += 8) {
		memcpy(&word, s.p + i, 8);
		seen |= word;
	}
	memcpy(&word, s.p + s.n - 8, 8); /* the tail, overlapping */
	return !((seen | word) & high);
}

/*
 * The length of the sequence that s (not empty) starts with: one whole character (*valid = true)
 * or the maximal part of one that is ill-formed (*valid = false). At least 1.
 */
size_t utf8_next(struct slice s, bool *valid);
/* The same; *code is the character, or -1 if it is ill-formed. */
size_t utf8_decode(struct slice s, int32_t *code);
/* How many bytes utf8_clean writes for s. */
size_t utf8_clean_len(struct slice s);
bool utf8_is_valid(struct slice s);
/* Writes s with its ill-formed parts replaced to `to`, which has room for utf8_clean_len(s). */
void utf8_clean(char *to, struct slice s);
/* At most max bytes of s, without the part of a character that would be cut. */
struct slice utf8_first(struct slice s, size_t max);

/* C0, DEL and C1: what must reach no terminal. */
static inline bool utf8_is_control(int32_t code)
{
	return (code >= 0 && code < 0x20) || (code >= 0x7F && code < 0xA0);
}

#endif
