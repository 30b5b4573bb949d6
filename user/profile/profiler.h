/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profile thread: takes samples over from the capture thread, which must not wait for files, and
 * makes profiles of them.
 */
#ifndef SONDE_PROFILE_PROFILER_H
#define SONDE_PROFILE_PROFILER_H

#include "include/abi/record.h"
#include "user/model/profile.h"
#include "user/model/served.h"
#include "user/profile/unwinder.h"

struct profiler;

struct profiler_options {
	uint64_t period_ns; /* CPU time between samples of one CPU; or time between looks */
	bool off_cpu;	    /* the samples are of threads that wait */
	uint64_t
		waits_period_ns; /* such come beside the others, so often, for a profile of their own; 0: none do */
	uint64_t interval_ns; /* a profile is made so often; 0: one, at the end */
	uint64_t wait_ns;     /* see gather__new */
	bool lines;	      /* of the source, and inlined functions */
	const char
		*debuginfod; /* servers to fetch debug files from (debug_fetcher.h); NULL: none */
	struct unwind_sink unwind_sink; /* its functions are called in the profile thread */
	/* Takes over a profile, which may be without samples. Called in the profile thread. */
	void (*deliver)(void *ctx, struct profile *profile);
	void *ctx;
};

/* Starts the thread. NULL with errno. */
struct profiler *profiler__new(const struct profiler_options *options);

/* The capture thread calls these. */

/* Copies a valid record and holds the resource. What finds no room is counted. */
void profiler__sample(struct profiler *p, const struct record_sample *sample,
		      struct resource *resource);
void profiler__served(struct profiler *p, const struct served *served);
/*
 * The samples of the number of this burst, of which each may come after that, are a profile of their own. It is delivered
 * when the burst is over; samples of requests that are not served by then have no link.
 */
void profiler__begin_burst(struct profiler *p, const struct burst *burst);
void profiler__end_burst(struct profiler *p, const struct burst *burst);
/* Hands over what has come since the last call. unix_offset_ns: clock.h. */
void profiler__flush(struct profiler *p, uint64_t unix_offset_ns);

/* When the capture thread has ended: delivers the last profile and ends the thread. */
void profiler__stop(struct profiler *p);
/* Stops if need be. NULL is legal. */
void profiler__free(struct profiler *p);

#endif
