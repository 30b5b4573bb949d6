/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A histogram of durations for quantiles: 32 buckets for each power of two, so that what is told is
 * at most 1/32 above what was. From a nanosecond to 18 minutes; longer ones count as that.
 */
#ifndef SONDE_MODEL_LATENCY_H
#define SONDE_MODEL_LATENCY_H

#include <stdint.h>

#define LATENCY_BUCKETS 1152

struct latency {
	uint64_t cnt, max_ns;
	uint32_t buckets[LATENCY_BUCKETS];
};

void latency_add(struct latency *latency, uint64_t ns);
/* What share (0 to 1) of the durations did not exceed; 0 if there are none. Never above the longest. */
uint64_t latency_quantile(const struct latency *latency, double share);

#endif
