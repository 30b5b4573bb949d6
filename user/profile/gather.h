/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples gathered into a profile and linked to spans by the request that their thread worked for.
 * A sample may stay without a link; it never gets a wrong one. One thread.
 */
#ifndef SONDE_PROFILE_GATHER_H
#define SONDE_PROFILE_GATHER_H

#include "include/abi/record.h"
#include "user/model/profile.h"
#include "user/model/served.h"
#include "user/profile/line_reader.h"

struct gather;

/*
 * wait_ns: how long a sample waits for its request to be served, 0 for not at all: nothing is
 * traced. proc_root and sink as for resolver__new. NULL with errno.
 */
struct unwind_sink;
struct gather *gather__new(uint64_t period_ns, bool off_cpu, uint64_t wait_ns,
			   const char *proc_root, const struct unwind_sink *sink);
/* Another one, of a burst, that has names from g and does not outlive it. NULL with errno. */
struct gather *gather__beside(struct gather *g, const struct burst *burst);
/* The same of threads that wait. */
struct gather *gather__waits_beside(struct gather *g, uint64_t period_ns);
void gather__free(struct gather *g);
/*
 * From now on profiles have lines of the source and inlined functions, as far as they can be read within
 * these bounds for each profile. False with errno when memory is out.
 */
bool gather__want_lines(struct gather *g, const struct line_bounds *bounds);
/* See resolver__fetch_from. */
int gather__fetch_from(struct gather *g, const char *urls);
/* A valid record, copied; resource is held. unix_offset_ns: clock.h. What finds no room is counted. */
void gather__sample(struct gather *g, const struct record_sample *sample, struct resource *resource,
		    uint64_t unix_offset_ns);
/* As resolver__flush. */
void gather__flush(struct gather *g);
/* A request was served: links its samples that have come so far. */
void gather__served(struct gather *g, const struct served *served);
/*
 * What has been gathered until now_ns (CLOCK_MONOTONIC); the caller frees it. Samples that still wait
 * stay for the next one, unless last. NULL when memory is out: nothing has changed.
 */
struct profile *gather__take(struct gather *g, uint64_t now_ns, bool last);

#endif
