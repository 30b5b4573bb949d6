/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a route's requests usually take, and whether they now take longer: a decayed histogram of
 * latencies, and a running sum (CUSUM) of evidence that too many are above what 99 % of them were.
 *
 * A latency is unusual when it is above that by the margin, and not below the floor. Each unusual
 * one adds to the evidence, each other one takes a tenth of that away: so less than one in twelve
 * never adds up. In a quarter of a second only a quarter of what is needed can be added: a stall that hits
 * many requests at once is no trigger. Latencies count as usual half a warm-up after they came, at the
 * earliest: a step is judged by what was before it, and a slow drift is followed.
 *
 * Whoever has left the band has to come back, or has to have made its latencies the usual ones, before it
 * can leave again. Plain data, all zero at first; one thread.
 */
#ifndef SONDE_POLICY_BAND_H
#define SONDE_POLICY_BAND_H

#include <stdbool.h>
#include <stdint.h>

#define BAND_BUCKETS 192 /* 8 for each power of two, from 64 us to 18 minutes */

struct band_histogram {
	float weights[BAND_BUCKETS], sum;
};

struct band {
	struct band_histogram usual, next, fresh; /* next is to be usual after fresh has filled */
	uint64_t turned_ns;			  /* when fresh began; 0: nothing has come */
	uint64_t limit_ns; /* above it a latency is unusual; 0: not known yet */
	uint64_t slot_ns;  /* when the quarter of a second began in which */
	float slot_added;  /* that much evidence was added */
	float evidence;
	bool outside;
};

struct band_options {
	uint64_t margin; /* millionths of what 99 % do not exceed */
	uint64_t floor_ns;
	uint64_t warm_up_ns;
};

/* Has the route just left its band? now_ns is CLOCK_MONOTONIC and never goes back. */
bool band__observe(struct band *band, const struct band_options *options, uint64_t latency_ns,
		   uint64_t now_ns);

#endif
