/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From records to spans. One thread: the one that drains the ring. Records must have been
 * validated (capture does); their contents are believed in form, not in content.
 */
#ifndef SONDE_FLOW_FLOW_H
#define SONDE_FLOW_FLOW_H

#include "include/abi/record.h"
#include "include/abi/thread_context.h"
#include "include/abi/tracer.h"
#include "user/model/served.h"
#include "user/model/unknown.h"

struct flow;

/* Of a program that exports spans of its own: which of ours are marked as left out, see sdk.c. */
enum flow_leave_out {
	FLOW_LEAVE_OUT_NONE,
	FLOW_LEAVE_OUT_REQUESTS,
	FLOW_LEAVE_OUT_ALL,
};

struct flow_options {
	uint32_t max_connections, max_exchanges;
	uint64_t
		exchange_timeout_ns; /* an unanswered request ends as a span with error.type=timeout */
	uint64_t idle_timeout_ns;    /* a connection without events is let go */
	const char *const *routes; /* the user's patterns; borrowed for the life of the flow */
	size_t routes_cnt;
	uint32_t max_routes; /* per service */
	enum flow_leave_out leave_out;
	/* Headers that become attributes; copied. */
	const char *const *request_headers, *const *response_headers;
	size_t request_headers_cnt, response_headers_cnt;
	/* The resource of a process; borrowed, never NULL. */
	struct resource *(*resource)(void *ctx, uint32_t process_id);
	/* Takes a batch of finished spans and returns an empty one, or NULL when memory is out. */
	struct span_batch *(*emit)(void *ctx, struct span_batch *batch);
	/* Tells the kernel how much of a connection to copy from now on. */
	void (*verdict)(void *ctx, uint64_t cookie, const struct verdict *verdict);
	/* Of a request that flow__sampled has asked about, once its span is made. May be NULL. */
	void (*served)(void *ctx, const struct served *served);
	/* Others may be told that a thread works for that span. False if they are not. May be NULL. */
	bool (*share)(void *ctx, struct context_offer *offer);
	/* They were, and it is over: offer->thread and the context are as they were. */
	void (*unshare)(void *ctx, const struct context_offer *offer);
	/* Of a connection whose protocol was not recognised. May be NULL. */
	void (*unknown)(void *ctx, const struct unknown *unknown);
	void *ctx;
};

/* NULL with errno. first_batch is where spans go first; ownership passes. */
struct flow *flow__new(const struct flow_options *options, struct span_batch *first_batch);
/* Counts what is unfinished as lost, emits what is held, frees. NULL is legal. */
void flow__free(struct flow *flow);

/* Takes a record of a connection, of whichever kind; others are not flow's and are passed over. */
void flow__record(struct flow *flow, const struct record_head *record);

/* A sample names this request of a server: tell of it when it is served. */
void flow__sampled(struct flow *flow, uint64_t cookie, uint64_t off);

/*
 * Time-outs, held spans and the batch in progress. now_ns is CLOCK_MONOTONIC; the unix offset turns
 * it into Unix time. Call after each drain.
 */
void flow__tick(struct flow *flow, uint64_t now_ns, uint64_t unix_offset_ns);
/* True while a message waits for bytes that the kernel only counts: flush the tails. */
bool flow__wants_tails(const struct flow *flow);
/* Connections in the table, for a gauge. */
uint32_t flow__connection_cnt(const struct flow *flow);

#endif
