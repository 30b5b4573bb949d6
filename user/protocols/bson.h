/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents as MongoDB sends them (BSON 1.1), of which the end may be missing. Their lengths are
 * believed only as far as there are bytes.
 */
#ifndef SONDE_PROTOCOLS_BSON_H
#define SONDE_PROTOCOLS_BSON_H

#include "user/base/slice.h"

/* The types of elements that are looked at. */
enum bson_type {
	BSON_DOUBLE = 0x01,
	BSON_STRING = 0x02,
	BSON_DOCUMENT = 0x03,
	BSON_ARRAY = 0x04,
	BSON_BOOL = 0x08,
	BSON_INT32 = 0x10,
	BSON_INT64 = 0x12,
};

struct bson_element {
	uint8_t type; /* enum bson_type, or another one that is known */
	bool whole;
	struct slice key;
	struct slice value; /* what there is of it, with its length */
};

/* The little-endian number in the four bytes at at, which must be there. */
static inline uint32_t bson_u32(struct slice s, size_t at)
{
	const uint8_t *p = (const uint8_t *)s.p + at;

	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Is it the type of an element? */
bool bson_is_type(uint8_t type);
/* Takes a zero-terminated text off the front. False if its end is not there. */
bool bson_take_text(struct slice *rest, struct slice *text);
/* Takes an element off the front. False at the document's end, or where it makes no sense. */
bool bson_take(struct slice *rest, struct bson_element *e);
/* The elements of a document or of an array. */
struct slice bson_elements(const struct bson_element *e);
/* The text of a string; empty if it is none, or not whole. */
struct slice bson_string(const struct bson_element *e);
/* The number, also of a truth value. False if it is none, or not whole; fractions are cut off. */
bool bson_number(const struct bson_element *e, int64_t *out);

/*
 * A command without its values: `{"find": "COLLECTION", "filter": {"size": ?}}`, the runs of values in
 * arrays as one. first is its first element, rest what follows it. Left out are what drivers add to
 * each command, and documents that are stored. Ends in `...` if the end of the document is missing or
 * there is no more room. Returns the length of what was written to p.
 */
size_t bson_command_text(const struct bson_element *first, struct slice rest, char *p, size_t max);

#endif
