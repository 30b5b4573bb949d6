/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL's messages as they lie on the wire: their frames, and what is like no other protocol. */
#ifndef SONDE_PROTOCOLS_POSTGRESQL_WIRE_H
#define SONDE_PROTOCOLS_POSTGRESQL_WIRE_H

#include "user/protocols/protocol.h"

#define PG_HEADER_SZ 5
/*
 * The server takes up to 1 GiB. But a greater length than this is mostly text that was taken for one, and
 * to follow that would cost far more than to find a frame as large anew.
 */
#define PG_FRAME_LEN_MAX (128u << 20)
#define PG_KEEP 128	  /* of a frame that matters: names, codes */
#define PG_KEEP_TEXT 2048 /* and of those that carry a statement */

/* In the place of a version, in packets without type. */
#define PG_CODE_CANCEL 80877102u
#define PG_CODE_SSL 80877103u
#define PG_CODE_GSS 80877104u

/* A message with its type; body is as much of it as is looked at. */
struct pg_frame {
	char type;
	uint32_t size;
	struct slice body;
	bool cut;
};

/* Sets msg.skip to what is not looked at. What it took is consumed; 0 if more is needed; -EPROTO. */
ssize_t pg_take_frame(enum sender sender, struct slice bytes, bool last, struct pg_frame *frame,
		      struct msg *msg);
/* Takes a string off the front; false, and nothing taken, if its end is not there. */
bool pg_take_string(struct slice *s, struct slice *string);
/* Is it the code of a packet without type, and does that have this length? */
bool pg_is_startup_code(uint32_t len, uint32_t code);
/* A protocol's detect. */
enum detect pg_detect(enum sender sender, struct slice head);

static inline uint32_t pg_get32(struct slice s)
{
	const uint8_t *p = (const uint8_t *)s.p;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

#endif
