/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps all that is an error, slow or marked, and a consistent share of the rest; see consistent.h. It
 * decides on what is known of a trace on this host: spans wait for a time, and while one of a trace
 * waits, and some time after, the others share its fate. What the caller decided (the W3C sampled
 * flag) is not followed: its spans are not here. Kept spans say in their tracestate how probable
 * that was: th:0 where it was certain.
 *
 * One thread; tail_sampler__set any.
 */
#ifndef SONDE_POLICY_TAIL_SAMPLER_H
#define SONDE_POLICY_TAIL_SAMPLER_H

#include "user/model/span.h"

struct tail_sampler_options {
	uint64_t wait_ns;
	size_t max_waiting_sz; /* bytes of spans that wait; beyond, the oldest are decided early */
	/* Takes a batch of kept spans and returns an empty one, or NULL when memory is out. */
	struct span_batch *(*emit)(void *ctx, struct span_batch *batch);
	/* Takes back a batch that is done with. */
	void (*recycle)(void *ctx, struct span_batch *batch);
	void *ctx;
};

struct tail_sampler;

/* Keeps everything until told otherwise. NULL with errno. */
struct tail_sampler *tail_sampler__new(const struct tail_sampler_options *options);
/* Frees what waits, too: flush before. NULL is legal. */
void tail_sampler__free(struct tail_sampler *s);
/*
 * From now on the share of traces to keep, in millionths, and the duration from which a span is
 * slow. With all of them nothing waits and nothing is looked at. 0, or -ENOMEM: all stays.
 */
int tail_sampler__set(struct tail_sampler *s, uint64_t millionths, uint64_t slow_ns);
/* Takes the batch. Counts what is sampled out. now_ns is CLOCK_MONOTONIC. */
void tail_sampler__push(struct tail_sampler *s, struct span_batch *batch, uint64_t now_ns);
/* Decides on what has waited long enough. Call often. */
void tail_sampler__tick(struct tail_sampler *s, uint64_t now_ns);
/* Decides on all. */
void tail_sampler__flush(struct tail_sampler *s);

#endif
