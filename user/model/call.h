/* SPDX-License-Identifier: Apache-2.0 */
/* What a span says about the call that it is one end of, in fixed space. */
#ifndef SONDE_MODEL_CALL_H
#define SONDE_MODEL_CALL_H

#include "user/model/names.h"
#include "user/model/span.h"

#define CALL_NAME_SZ 80

struct call {
	int64_t request_sz, response_sz; /* bytes of bodies; negative: not known */
	uint16_t service, protocol;
	uint16_t server; /* server.address:port; NAMES_NONE: not known */
	bool serves;	 /* it is the server's end of the connection */
	uint8_t kind;	 /* enum span_kind */
	bool error;
	bool socket, header, undecided; /* how its parent was found */
	uint8_t name_len;
	char name[CALL_NAME_SZ];
};

/* Takes it from the span. */
void call_fill(struct call *call, const struct span *span, struct names *names);

/* Is it the end that was asked? */
static inline bool call_receives(const struct call *call)
{
	return call->kind == SPAN_SERVER || call->kind == SPAN_CONSUMER;
}

/* Is it the end that asks? */
static inline bool call_makes(const struct call *call)
{
	return call->kind == SPAN_CLIENT || call->kind == SPAN_PRODUCER;
}

#endif
