/* SPDX-License-Identifier: Apache-2.0 */
/* Redis on the wire: the items that RESP2 and RESP3 are made of, and how to tell them from others. */
#ifndef SONDE_PROTOCOLS_RESP_H
#define SONDE_PROTOCOLS_RESP_H

#include "user/protocols/protocol.h"

#define RESP_LINE_MAX 1024 /* of a longer line only the beginning is read */
#define RESP_WORD_MAX 31

struct resp_item {
	char type;
	bool null, streamed, long_line;
	uint64_t n;  /* length or count */
	size_t size; /* of the header, or of the line */
};

static inline bool resp_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Reads a header: the type's byte, a decimal number, CR LF. Returns 1, 0 if more bytes are needed, or
 * -EPROTO.
 */
int resp_read_number(struct slice s, struct resp_item *item);
/* The same of any item of a reply: a header, or a line. */
int resp_read_item(struct slice s, struct resp_item *item);
/* The text of a simple or bulk string or error as far as it is there; *whole if that is all. */
struct slice resp_text_at(struct slice s, const struct resp_item *item, bool *whole);
/* A word as commands, error codes and kinds of pushes are; what is longer is none. */
bool resp_is_word(struct slice s);

enum detect redis_detect(enum sender sender, struct slice head);

#endif
