// SPDX-License-Identifier: Apache-2.0
/* The usual latencies of a route; see band.h. */
#include "user/policy/band.h"

#include <string.h>

#define FIRST_BIT 16	 /* the first bucket is all below 2^16 ns */
#define PER_POWER_BITS 3 /* 8 buckets for each power of two */
#define DECAY \
	0.95f /* with each half of a warm-up: after 20 of them a third of the weight is left */
#define SUM_MIN 100.0f /* below it there is no saying what 99 % of them do */
#define USUAL_SHARE 0.99f
/*
 * Logarithms of likelihood ratios, that 20 % of the latencies are unusual rather than 2 %: of one that
 * is (ln 10) and of one that is not (ln 0.98/0.8). At 20 a false alarm comes once in e^20 requests, were they independent.
 */
#define GAIN 2.303f
#define LOSS 0.203f
#define ENOUGH 20.0f
#define SLOT_NS 250000000ull
#define SLOT_MAX (ENOUGH / 4)

static uint32_t bucket_of(uint64_t ns)
{
	uint32_t power, at;

	if (ns < 1ull << FIRST_BIT)
		return 0;
	power = 63 - (uint32_t)__builtin_clzll(ns);
	at = (power - FIRST_BIT) << PER_POWER_BITS;
	at += (uint32_t)(ns >> (power - PER_POWER_BITS)) & ((1u << PER_POWER_BITS) - 1);
	return at + 1 < BAND_BUCKETS ? at + 1 : BAND_BUCKETS - 1;
}

/* What the latencies of a bucket do not reach. */
static uint64_t end_of(uint32_t bucket)
{
	uint32_t power = (bucket >> PER_POWER_BITS) + FIRST_BIT;
	uint64_t part = bucket & ((1u << PER_POWER_BITS) - 1);

	return (1ull << power) + (part << (power - PER_POWER_BITS));
}

static void add(struct band_histogram *h, uint32_t bucket)
{
	h->weights[bucket] += 1;
	h->sum += 1;
}

static void learn(struct band *band)
{
	struct band_histogram *usual = &band->usual;

	usual->sum = 0;
	for (uint32_t i = 0; i < BAND_BUCKETS; i++) {
		usual->weights[i] = usual->weights[i] * DECAY + band->next.weights[i];
		usual->sum += usual->weights[i];
	}
	band->next = band->fresh;
	memset(&band->fresh, 0, sizeof(band->fresh));
}

static void set_limit(struct band *band, const struct band_options *options)
{
	uint32_t i = 0;
	float seen = band->usual.weights[0];
	uint64_t usual_ns;

	band->limit_ns = 0;
	if (band->usual.sum < SUM_MIN)
		return;
	while (seen < USUAL_SHARE * band->usual.sum && i + 1 < BAND_BUCKETS)
		seen += band->usual.weights[++i];
	usual_ns = end_of(i);
	band->limit_ns = usual_ns + usual_ns / 1000 * options->margin / 1000;
	if (band->limit_ns < options->floor_ns)
		band->limit_ns = options->floor_ns;
}

/* Twice, if nothing has come for long: what is fresh was before that, and is usual now. */
static void turn(struct band *band, const struct band_options *options, uint64_t now_ns)
{
	uint64_t half_ns = options->warm_up_ns / 2;

	if (!band->turned_ns)
		band->turned_ns = now_ns;
	if (now_ns - band->turned_ns < half_ns)
		return;
	learn(band);
	if (now_ns - band->turned_ns >= 2 * half_ns) {
		learn(band);
		band->evidence = 0; /* of a time that is over */
	}
	band->turned_ns = now_ns;
	set_limit(band, options);
}

static void add_evidence(struct band *band, uint64_t now_ns)
{
	float room;

	if (now_ns - band->slot_ns >= SLOT_NS) {
		band->slot_ns = now_ns;
		band->slot_added = 0;
	}
	room = SLOT_MAX - band->slot_added;
	room = room < GAIN ? room : GAIN;
	band->slot_added += room;
	band->evidence += room;
}

bool band__observe(struct band *band, const struct band_options *options, uint64_t latency_ns,
		   uint64_t now_ns)
{
	turn(band, options, now_ns);
	add(&band->fresh, bucket_of(latency_ns));
	if (!band->limit_ns)
		return false;
	if (latency_ns > band->limit_ns)
		add_evidence(band, now_ns);
	else
		band->evidence -= LOSS;
	if (band->evidence <= 0) {
		band->evidence = 0;
		band->outside = false;
	}
	if (band->evidence < ENOUGH)
		return false;
	band->evidence = ENOUGH;
	if (band->outside)
		return false;
	band->outside = true;
	return true;
}
