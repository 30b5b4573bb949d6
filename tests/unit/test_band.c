// SPDX-License-Identifier: Apache-2.0
/* Made-up latencies: what leaves a route's band and what does not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "user/policy/band.h"

#define MS 1000000ull
#define S (1000 * MS)

static const struct band_options options = {
	.margin = 500000,
	.floor_ns = 10 * MS,
	.warm_up_ns = 60 * S,
};

struct rig {
	struct band band;
	uint64_t now_ns, random;
	uint32_t fired_cnt;
	uint64_t fired_ns; /* the first time */
};

static struct rig fresh(void)
{
	return (struct rig){.now_ns = 1000 * S, .random = 1};
}

static double uniform(struct rig *r)
{
	r->random = r->random * 6364136223846793005u + 1442695040888963407u;
	return ((double)(r->random >> 33) + 1) / 2147483649.0;
}

/* Around that median, as requests are: the slowest of a hundred takes 3.2 times as long. */
static double spread(struct rig *r, double median_ms)
{
	double normal = sqrt(-2 * log(uniform(r))) * cos(2 * M_PI * uniform(r));

	return median_ms * exp(0.5 * normal);
}

static void ask(struct rig *r, double ms, uint64_t pause_ns)
{
	r->now_ns += pause_ns;
	if (band__observe(&r->band, &options, (uint64_t)(ms * 1e6), r->now_ns)) {
		r->fired_ns = r->fired_ns ?: r->now_ns;
		r->fired_cnt++;
	}
}

/* Requests for so many seconds, so many in each. */
static void steady(struct rig *r, double median_ms, uint32_t seconds, uint32_t per_s)
{
	for (uint32_t i = 0; i < seconds * per_s; i++)
		ask(r, spread(r, median_ms), S / per_s);
}

static void noise_does_not_fire(void **state)
{
	struct rig r = fresh();

	(void)state;
	steady(&r, 20, 4 * 3600, 50);
	assert_int_equal(r.fired_cnt, 0);
	assert_true(r.band.limit_ns > 3.2 * 20 * MS && r.band.limit_ns < 1.8 * 3.2 * 20 * MS);
}

static void a_step_fires_once(void **state)
{
	struct rig r = fresh();
	uint64_t step_ns;

	(void)state;
	steady(&r, 20, 300, 20);
	step_ns = r.now_ns;
	steady(&r, 200, 3600, 20);
	assert_int_equal(r.fired_cnt, 1);
	assert_in_range(r.fired_ns - step_ns, 700 * MS, 3 * S);
	steady(&r, 20, 3600, 20); /* getting fast again is no trigger */
	assert_int_equal(r.fired_cnt, 1);
	steady(&r, 200, 600, 20);
	assert_int_equal(r.fired_cnt, 2);
}

static void a_step_of_some_fires(void **state)
{
	struct rig r = fresh();
	uint64_t step_ns;

	(void)state;
	steady(&r, 20, 300, 20);
	step_ns = r.now_ns;
	for (uint32_t i = 0; i < 400; i++)
		ask(&r, i % 4 ? spread(&r, 20) : 300, S / 20);
	assert_int_equal(r.fired_cnt, 1);
	assert_in_range(r.fired_ns - step_ns, 700 * MS, 10 * S);
}

static void a_slow_route_fires(void **state)
{
	struct rig r = fresh();
	uint64_t step_ns;

	(void)state;
	for (uint32_t i = 0; i < 600; i++) /* one in three seconds */
		ask(&r, spread(&r, 20), 3 * S);
	step_ns = r.now_ns;
	for (uint32_t i = 0; i < 100; i++)
		ask(&r, spread(&r, 400), 3 * S);
	assert_int_equal(r.fired_cnt, 1);
	assert_in_range(r.fired_ns - step_ns, 20 * S, 50 * S);
}

static void slow_drift_does_not_fire(void **state)
{
	struct rig r = fresh();
	double median_ms = 20;

	(void)state;
	steady(&r, median_ms, 600, 20);
	while (median_ms < 2000) { /* a hundred times slower in two hours */
		steady(&r, median_ms, 10, 20);
		median_ms *= 1.0064;
	}
	assert_int_equal(r.fired_cnt, 0);
}

static void few_requests_do_not_fire(void **state)
{
	struct rig r = fresh();

	(void)state;
	for (uint32_t i = 0; i < 90; i++)
		ask(&r, spread(&r, 20), S);
	for (uint32_t i = 0; i < 9; i++)
		ask(&r, 2000, S);
	assert_int_equal(r.fired_cnt, 0);
	r = fresh();
	steady(&r, 20, 300, 20);
	for (uint32_t i = 0; i < 8; i++)
		ask(&r, 2000, S / 4);
	assert_int_equal(r.fired_cnt, 0);
}

static void evidence_does_not_last(void **state)
{
	struct rig r = fresh();

	(void)state;
	steady(&r, 20, 300, 20);
	for (uint32_t day = 0; day < 20; day++) {
		r.now_ns += 24 * 3600 * S;
		for (uint32_t i = 0; i < 5; i++)
			ask(&r, 500, S / 4);
		steady(&r, 20, 300, 20);
	}
	assert_int_equal(r.fired_cnt, 0);
}

static void two_modes_do_not_fire(void **state)
{
	static const uint32_t one_in[] = {2, 10, 50, 200};

	(void)state;
	for (uint32_t mode = 0; mode < sizeof(one_in) / sizeof(one_in[0]); mode++) {
		struct rig r = fresh();

		for (uint32_t i = 0; i < 200000; i++)
			ask(&r, spread(&r, uniform(&r) * one_in[mode] < 1 ? 900 : 15), S / 50);
		assert_int_equal(r.fired_cnt, 0);
	}
}

/* Fifty requests at once, that were all held up for half a second, every minute. */
static void a_stall_does_not_fire(void **state)
{
	struct rig r = fresh();

	(void)state;
	for (uint32_t minute = 0; minute < 200; minute++) {
		steady(&r, 20, 60, 100);
		for (uint32_t i = 0; i < 50; i++)
			ask(&r, 500 - 10 * i, 0);
	}
	assert_int_equal(r.fired_cnt, 0);
}

static void nothing_below_the_floor_fires(void **state)
{
	struct rig r = fresh();

	(void)state;
	steady(&r, 0.05, 300, 20);
	for (uint32_t i = 0; i < 1000; i++)
		ask(&r, 9.9, S / 20);
	assert_int_equal(r.fired_cnt, 0);
	steady(&r, 0.05, 3600, 20);
	for (uint32_t i = 0; i < 100; i++)
		ask(&r, 15, S / 20);
	assert_int_equal(r.fired_cnt, 1);
}

static void any_latency_has_a_bucket(void **state)
{
	(void)state;
	for (uint32_t bit = 0; bit < 64; bit++) {
		struct rig r = fresh();

		for (uint32_t i = 0; i < 400; i++) {
			r.now_ns += S;
			band__observe(&r.band, &options, (1ull << bit) - (bit % 2), r.now_ns);
		}
		assert_true(r.band.usual.sum > 100);
		if (bit > 24 && bit < 40)
			assert_in_range(r.band.limit_ns, 1ull << bit, (1ull << bit) / 10 * 18);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(noise_does_not_fire),
		cmocka_unit_test(a_step_fires_once),
		cmocka_unit_test(a_step_of_some_fires),
		cmocka_unit_test(a_slow_route_fires),
		cmocka_unit_test(slow_drift_does_not_fire),
		cmocka_unit_test(few_requests_do_not_fire),
		cmocka_unit_test(evidence_does_not_last),
		cmocka_unit_test(two_modes_do_not_fire),
		cmocka_unit_test(a_stall_does_not_fire),
		cmocka_unit_test(nothing_below_the_floor_fires),
		cmocka_unit_test(any_latency_has_a_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
