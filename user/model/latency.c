// SPDX-License-Identifier: Apache-2.0
/* The first 64 nanoseconds have a bucket each; from there on a bucket is 1/32 of its power of two. */
#include "user/model/latency.h"

#include <math.h>

#define SUB_BITS 5
#define SUB_CNT (1u << SUB_BITS)

static uint32_t bucket_of(uint64_t ns)
{
	uint32_t shift, bucket;

	if (ns < SUB_CNT)
		return (uint32_t)ns;
	shift = 63 - SUB_BITS - (uint32_t)__builtin_clzll(ns);
	bucket = (shift + 1) * SUB_CNT + (uint32_t)(ns >> shift) - SUB_CNT;
	return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The longest duration in a bucket. */
static uint64_t last_of(uint32_t bucket)
{
	uint32_t shift;

	if (bucket < SUB_CNT)
		return bucket;
	shift = bucket / SUB_CNT - 1;
	return ((uint64_t)(bucket % SUB_CNT + SUB_CNT + 1) << shift) - 1;
}

void latency_add(struct latency *latency, uint64_t ns)
{
	latency->buckets[bucket_of(ns)]++;
	latency->cnt++;
	if (ns > latency->max_ns)
		latency->max_ns = ns;
}

uint64_t latency_quantile(const struct latency *latency, double share)
{
	uint64_t wanted = (uint64_t)ceil(share * (double)latency->cnt), seen = 0;

	for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
		seen += latency->buckets[i];
		if (seen && seen >= wanted)
			return i + 1 < LATENCY_BUCKETS && last_of(i) < latency->max_ns
				       ? last_of(i)
				       : latency->max_ns;
	}
	return 0;
}
