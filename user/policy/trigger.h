/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a route of a service leaves its band of latencies (band.h), the service has a burst: for a
 * bounded time its processes are sampled faster, into a profile of its own, and the route's spans say
 * so and have their traces kept. Bounded, too, are the bursts at once, their share of all time, and the routes
 * that are known; what is refused is counted.
 *
 * A burst lingers as long again as it lasted, for the spans that end after it and for the samples that wait
 * for them. One thread.
 */
#ifndef SONDE_POLICY_TRIGGER_H
#define SONDE_POLICY_TRIGGER_H

#include "user/model/burst.h"
#include "user/model/span.h"
#include "user/policy/band.h"

#define TRIGGER_ROUTES_MAX 1024

struct trigger_options {
	struct band_options band;
	uint64_t period_ns; /* of the burst's samples */
	uint64_t duration_ns, cool_down_ns;
	uint64_t time_share; /* millionths */
	uint32_t at_once;    /* at most BURSTS_MAX */
	uint32_t max_traces;
	/* From now on this burst's samples may come. 0 or negative errno: there is none. */
	int (*begin)(void *ctx, const struct burst *burst);
	/* The process is part of it. 0 or negative errno: it is not. */
	int (*join)(void *ctx, const struct burst *burst, uint32_t pid);
	/* It is as usual again; it may have ended. */
	void (*leave)(void *ctx, uint32_t pid);
	/* The last burst that was under way has ended. */
	void (*end)(void *ctx);
	/* No more of its spans will come: its profile is done. */
	void (*deliver)(void *ctx, const struct burst *burst);
	void *ctx;
};

struct trigger;

/* NULL with errno. */
struct trigger *trigger__new(const struct trigger_options *options);
/* Calls nothing back. NULL is legal. */
void trigger__free(struct trigger *t);
/*
 * Looks at spans, before sampling does. mono_ns and unix_ns are now. Those of a route that has triggered
 * get sonde.trigger.type, and sonde.profile.id if there are samples that it names.
 */
void trigger__observe(struct trigger *t, struct span_batch *batch, uint64_t mono_ns,
		      uint64_t unix_ns);
/* A sample was taken of a process of that resource: by the burst of that number, or by none (0). */
void trigger__sampled(struct trigger *t, struct resource *resource, uint16_t number);
/* Ends what is over. Call often. */
void trigger__tick(struct trigger *t, uint64_t mono_ns, uint64_t unix_ns);

#endif
