/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of W3C Trace Context (https://www.w3.org/TR/trace-context-2/), and new ids.
 * Plain functions and one small state; one thread at a time per id_source.
 */
#ifndef SONDE_FLOW_TRACE_CONTEXT_H
#define SONDE_FLOW_TRACE_CONTEXT_H

#include "user/model/span.h"

#define TRACESTATE_MAX 512
#define TRACESTATE_MEMBERS_MAX 32

/*
 * The value of a tracestate header if all of it is valid, else the empty slice; a part of text.
 * Whole members are cut from the end until TRACESTATE_MAX bytes remain.
 */
struct slice tracestate_parse(struct slice text);

/* A generator of ids (xoshiro256++); not for secrets. */
struct id_source {
	uint64_t state[4];
};

/* Seeds from the kernel: 0, or a negative errno. */
int id_source__init(struct id_source *source);
/* Never all zero. All 128 bits are random, so SPAN_FLAG_RANDOM may be set with it. */
struct trace_id id_source__trace_id(struct id_source *source);
/* Never all zero. */
struct span_id id_source__span_id(struct id_source *source);

#endif
