/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header compression of HTTP/2 (RFC 7541), as one who overhears it can undo it. The dynamic table may
 * be older than we are, or blocks may have been missed: its entries are known or unknown, and an
 * unknown one costs only the names and values that refer to it.
 *
 * Sizes are not followed, neither the table's limit nor what is evicted when: an index counts from the
 * newest entry, so what an encoder may still refer to is found by counting insertions, and what it may
 * not refer to is never asked for.
 */
#ifndef SONDE_PROTOCOLS_HPACK_H
#define SONDE_PROTOCOLS_HPACK_H

#include <sys/types.h>

#include "user/base/slice.h"

#define HPACK_ENTRIES 128    /* as many as the default limit allows: 4096 / 32 */
#define HPACK_NAME_MAX 128   /* longer names are not known */
#define HPACK_VALUE_MAX 1024 /* longer values are not kept in the table */
/* What the default limit allows, and what is left free where an entry does not fit before the end. */
#define HPACK_TEXT_SZ (4096 + HPACK_NAME_MAX + HPACK_VALUE_MAX)

struct hpack_entry {
	uint32_t start; /* of its text, counted over all that was written, but see count_anew */
	uint16_t name_len, value_len;
};

/* A dynamic table. Starts zeroed: nothing is known. */
struct hpack {
	uint32_t inserted_cnt;
	uint32_t known_cnt;			   /* of the newest entries, so many may be known */
	uint32_t end;				   /* of the text, counted as start is */
	struct hpack_entry entries[HPACK_ENTRIES]; /* a ring, by insertion */
	char text[HPACK_TEXT_SZ];		   /* a ring; each entry's is in one piece */
};

struct hpack_field {
	bool none; /* no field, only a change of the table's size */
	bool name_known, value_known;
	bool coded;    /* value is as it stood, Huffman coded */
	bool in_table; /* value is the table's, until the next read; else of the block, or static */
	struct slice name, value; /* name: until the next read */
	char name_text[HPACK_NAME_MAX];
};

/*
 * Reads the field at the start of a block, or of what is there of it. Returns the bytes that it took,
 * 0 if its end is not there, or -EPROTO. Table may be NULL: then all entries are unknown.
 */
ssize_t hpack_read(struct hpack *table, struct slice block, struct hpack_field *field);
/* What was inserted so far is unknown. */
void hpack_forget(struct hpack *table);
/* Undoes Huffman coding, as far as to has room; the bytes written, or -EPROTO. */
ssize_t hpack_decode(struct slice coded, char *to, size_t sz);
/* So many bytes are enough for n coded ones. */
size_t hpack_decoded_max(size_t n);

#endif
