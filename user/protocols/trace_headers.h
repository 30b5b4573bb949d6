/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers that name the sender's span: W3C Trace Context level 2, B3 (one header or several), Jaeger,
 * Datadog and AWS X-Ray. A parser takes those of a message and reads them once it has all.
 *
 * Where several are there, the first valid one in the order of enum trace_format counts, whatever the
 * others say: W3C is what programs of different makers agree on; B3's single header stands before its
 * several, as its specification has it; X-Ray is last because load balancers add it to what the program
 * has said. One that is not valid is as if it had not been sent.
 */
#ifndef SONDE_PROTOCOLS_TRACE_HEADERS_H
#define SONDE_PROTOCOLS_TRACE_HEADERS_H

#include "user/base/slice.h"

#define TRACE_SAMPLED 0x01u
#define TRACE_RANDOM 0x02u

enum trace_format {
	TRACE_NONE,
	TRACE_W3C,
	TRACE_B3,
	TRACE_B3_MULTI,
	TRACE_JAEGER,
	TRACE_DATADOG,
	TRACE_XRAY,
	TRACE_FORMAT_CNT,
};

/* The sender's span, whatever the format. All zero: there is none. */
struct trace_parent {
	uint8_t trace_id[16];
	uint8_t span_id[8]; /* all zero: the header names a trace and no span in it */
	uint8_t flags;	    /* TRACE_SAMPLED, also where the sender has not decided; TRACE_RANDOM */
	uint8_t format;	    /* enum trace_format */
};

/* Does it name a trace only? Also if there is none. */
static inline bool trace_parent_is_root(const struct trace_parent *parent)
{
	static const uint8_t none[8];

	return memcmp(parent->span_id, none, sizeof(none)) == 0;
}

enum trace_header {
	HEADER_TRACEPARENT,
	HEADER_TRACESTATE,
	HEADER_B3,
	HEADER_B3_TRACE_ID,
	HEADER_B3_SPAN_ID,
	HEADER_B3_SAMPLED,
	HEADER_B3_FLAGS,
	HEADER_UBER_TRACE_ID,
	HEADER_DATADOG_TRACE_ID,
	HEADER_DATADOG_PARENT_ID,
	HEADER_DATADOG_PRIORITY,
	HEADER_DATADOG_TAGS,
	HEADER_XRAY,
	TRACE_HEADER_CNT,
};

/* Those of one message so far. Starts with seen = 0. */
struct trace_headers {
	uint32_t seen; /* bits: the others' values are not set */
	struct slice v[TRACE_HEADER_CNT];
};

/* Which one has that name, in any case; TRACE_HEADER_CNT: none. */
enum trace_header trace_header_find(struct slice name);
/* The header that a format is known by, in lower case. */
struct slice trace_format_name(enum trace_format format);
/* Keeps a value, which is borrowed, unless there is one already. */
static inline void trace_headers__set(struct trace_headers *h, enum trace_header header,
				      struct slice value)
{
	if (h->seen & 1u << header)
		return;
	h->seen |= 1u << header;
	h->v[header] = value;
}
/* Keeps it if that is the name of one. True if it is. */
bool trace_headers__take(struct trace_headers *h, struct slice name, struct slice value);
/*
 * What they say. The state is the value of tracestate as it stood, if traceparent is what counts, else
 * empty.
 */
struct trace_parent trace_headers__read(const struct trace_headers *h, struct slice *state);

/* The value of a traceparent header alone. */
struct trace_parent traceparent_read(struct slice value);

#endif
