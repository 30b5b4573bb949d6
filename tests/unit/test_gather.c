// SPDX-License-Identifier: Apache-2.0
/* user/profile/gather: which sample is linked to which span, and what waits for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/base/account.h"
#include "user/profile/gather.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define PERIOD_NS 10101010u
#define WAIT_NS 1000u
#define UNIX_OFFSET 5000000u
#define COOKIE 77u
#define OFF 300u
#define TID 42u

static struct resource *resource;
static struct gather *g;

static int set_up(void **state)
{
	struct attrs none = {0};

	(void)state;
	for (int i = 0; i < ACCOUNT_CNT; i++)
		account_set((enum account_entry)i, 0);
	resource = resource__new(&none, 1);
	g = gather__new(PERIOD_NS, false, WAIT_NS, "/nonexistent", NULL);
	return resource && g ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	gather__free(g);
	assert_int_equal(resource->refs, 1);
	resource__release(resource);
	return 0;
}

/* With what the thread itself publishes. */
static void add_published(uint64_t time_ns, uint64_t cookie, uint64_t off, uint32_t tid,
			  uint16_t flags, struct thread_context context)
{
	struct record_sample sample = {
		.head = {.size = sizeof(sample), .kind = RECORD_SAMPLE, .flags = flags},
		.time_ns = time_ns,
		.request_cookie = cookie,
		.request_off = off,
		.pid = tid,
		.tid = tid,
		.comm = "worker",
		.context = context,
	};

	gather__sample(g, &sample, resource, UNIX_OFFSET);
}

static void add(uint64_t time_ns, uint64_t cookie, uint64_t off, uint32_t tid, uint16_t flags)
{
	add_published(time_ns, cookie, off, tid, flags, (struct thread_context){.valid = 0});
}

/* Served from 100 to 200 by TID. */
static struct served served(void)
{
	return (struct served){
		.cookie = COOKIE,
		.off = OFF,
		.start_ns = 100,
		.end_ns = 200,
		.trace_id = {{1}},
		.span_id = {{2}},
		.tid = TID,
		.lone = true,
	};
}

static struct profile *take(uint64_t now_ns, bool last, uint32_t samples_cnt)
{
	struct profile *profile = gather__take(g, now_ns, last);

	assert_non_null(profile);
	assert_int_equal(profile->samples.cnt, samples_cnt);
	for (uint32_t i = 0; i < profile->samples.cnt; i++) {
		assert_in_range(profile->samples.v[i].time_ns, profile->start_ns,
				profile->end_ns - 1);
		assert_int_not_equal(profile->samples.v[i].stack, 0);
		assert_ptr_equal(profile->resources.v[profile->samples.v[i].resource], resource);
	}
	return profile;
}

/* --- one sample, one request ------------------------------------------------------------------ */

static void another_tid(struct served *s)
{
	s->tid++;
}

static void another_answers(struct served *s)
{
	s->tid = 0;
}

static void pipelined(struct served *s)
{
	s->lone = false;
}

static void another_off(struct served *s)
{
	s->off++;
}

static void another_cookie(struct served *s)
{
	s->cookie++;
}

static const struct {
	uint64_t time_ns, cookie;
	uint16_t flags;
	void (*change)(struct served *s);
	bool linked;
} cases[] = {
	{100, COOKIE, 0, NULL, true},
	{150, COOKIE, 0, NULL, true},
	{200, COOKIE, 0, NULL, true},
	{99, COOKIE, 0, NULL, false},
	{201, COOKIE, 0, NULL, false},
	{150, 0, 0, NULL, false},
	{150, COOKIE, 0, another_tid, false},
	{150, COOKIE, 0, another_answers, false},
	{150, COOKIE, 0, pipelined, false},
	{150, COOKIE, 0, another_off, false},
	{150, COOKIE, 0, another_cookie, false},
	{150, 0, SAMPLE_INTERLEAVED, NULL, false},
	{150, COOKIE, SAMPLE_GOROUTINE, another_tid, true},
	{150, COOKIE, SAMPLE_GOROUTINE, another_answers, true},
	{150, COOKIE, SAMPLE_GOROUTINE, pipelined, false},
	{150, COOKIE, SAMPLE_GOROUTINE, another_off, false},
	{201, COOKIE, SAMPLE_GOROUTINE, NULL, false},
};

static void test_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct served s = served();
		struct profile *profile;
		uint32_t link;

		add(cases[i].time_ns, cases[i].cookie, OFF, TID, cases[i].flags);
		if (cases[i].change)
			cases[i].change(&s);
		gather__served(g, &s);
		profile = take(0, true, 1);
		link = profile->samples.v[0].link;
		if (!link != !cases[i].linked)
			fail_msg("case %zu", i);
		if (link) {
			assert_memory_equal(&profile->links.v[link].trace_id, &s.trace_id, 16);
			assert_memory_equal(&profile->links.v[link].span_id, &s.span_id, 8);
		}
		assert_int_equal(profile->samples.v[0].time_ns, cases[i].time_ns + UNIX_OFFSET);
		profile__free(profile);
	}
}

/* Many samples of many requests, some of which share a bucket. */
static void test_many(void **state)
{
	enum {
		REQUESTS = 20000,
		EACH = 3,
	};
	struct profile *profile;

	(void)state;
	for (unsigned int i = 0; i < REQUESTS * EACH; i++)
		add(150, COOKIE + i % 7, OFF + i % REQUESTS, TID, 0);
	for (unsigned int i = 0; i < REQUESTS * EACH; i++) {
		struct served s = served();

		s.cookie += i % 7;
		s.off += i % REQUESTS;
		memcpy(s.span_id.bytes, &i, sizeof(i));
		s.lone = i % 2; /* of those served twice, the first time counts */
		gather__served(g, &s);
	}
	profile = take(0, true, REQUESTS * EACH);
	for (unsigned int i = 0; i < REQUESTS * EACH; i++) {
		uint32_t link = profile->samples.v[i].link;

		assert_int_equal(link != 0, i % 2);
		if (link)
			assert_memory_equal(profile->links.v[link].span_id.bytes, &i, sizeof(i));
	}
	assert_int_equal(account_get(ACCOUNT_SAMPLES_LINKED), REQUESTS * EACH / 2);
	profile__free(profile);
}

/* What a thread did before it was seen to interleave requests is not certain either. */
static void test_interleaved(void **state)
{
	struct served s = served();
	struct profile *profile;

	(void)state;
	add(150, COOKIE, OFF, TID, 0);
	add(150, COOKIE + 1, OFF, TID + 1, 0);
	gather__served(g, &s);
	s.cookie++;
	s.tid++;
	gather__served(g, &s);
	add(160, 0, 0, TID, SAMPLE_INTERLEAVED);
	profile = take(0, true, 3);
	assert_int_equal(profile->samples.v[0].link, 0);
	assert_int_not_equal(profile->samples.v[1].link, 0);
	assert_int_equal(profile->samples.v[2].link, 0);
	profile__free(profile);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void test_waiting(void **state)
{
	struct served s = served();
	struct profile *profile;

	(void)state;
	add(150, COOKIE, OFF, TID, 0);
	add(151, 0, 0, TID, 0);
	add(152, COOKIE, OFF, TID, 0);
	add(153, COOKIE + 1, OFF, TID, 0);
	profile = take(500, false, 1); /* the one that waits for nothing */
	assert_int_equal(profile->samples.v[0].time_ns, 151 + UNIX_OFFSET);
	profile__free(profile);
	profile__free(take(600, false, 0));
	gather__served(g, &s);
	profile = take(700, false, 2);
	assert_int_not_equal(profile->samples.v[0].link, 0);
	assert_int_not_equal(profile->samples.v[1].link, 0);
	assert_true(
		slice_eq(profile->strings.v[profile->samples.v[0].thread_name], SLICE("worker")));
	profile__free(profile);
	profile__free(take(152 + WAIT_NS, false, 0));
	profile = take(153 + WAIT_NS, false, 1); /* too late */
	assert_int_equal(profile->samples.v[0].link, 0);
	profile__free(profile);
	s.cookie++;
	gather__served(g, &s); /* nobody waits */
	profile__free(take(0, true, 0));
}

static void test_last(void **state)
{
	(void)state;
	add(150, COOKIE, OFF, TID, 0);
	profile__free(take(151, true, 1));
}

/* Nothing is traced: nothing waits. */
static void test_no_wait(void **state)
{
	(void)state;
	gather__free(g);
	g = gather__new(PERIOD_NS, false, 0, "/nonexistent", NULL);
	assert_non_null(g);
	add(150, COOKIE, OFF, TID, 0);
	profile__free(take(0, false, 1));
}

/* A waiting sample keeps its frames when it moves on. */
static void test_carried_stack(void **state)
{
	struct {
		struct record_sample sample;
		uint64_t addresses[3];
	} record = {
		.sample =
			{
				.head = {.size = sizeof(record), .kind = RECORD_SAMPLE},
				.time_ns = 150,
				.request_cookie = COOKIE,
				.request_off = OFF,
				.pid = TID,
				.tid = TID,
				.kernel_cnt = 2,
				.user_cnt = 1,
			},
		.addresses = {0xffffffff81000010, 0xffffffff81000020, 0x1000},
	};
	const struct profile_location *location;
	const struct profile_stack *stack;
	struct profile *profile;

	(void)state;
	gather__sample(g, &record.sample, resource, 0);
	profile__free(take(151, false, 0));
	profile = take(0, true, 1);
	stack = &profile->stacks.v[profile->samples.v[0].stack];
	assert_int_equal(stack->cnt, 3);
	location = &profile->locations.v[profile->stack_locations.v[stack->first + 1]];
	assert_int_equal(location->type, FRAME_KERNEL);
	assert_true(location->address == 0xffffffff81000020);
	assert_true(slice_eq(profile->strings.v[profile->mappings.v[location->mapping].file],
			     SLICE("[kernel]")));
	location = &profile->locations.v[profile->stack_locations.v[stack->first + 2]];
	assert_int_equal(location->type, FRAME_ERROR);
	assert_true(slice_eq(profile->strings.v[profile->functions.v[location->function].name],
			     SLICE("[process ended]")));
	profile__free(profile);
}

/* A full profile turns samples away and says so; the next one takes them again. */
static void test_full(void **state)
{
	uint64_t added = 0, cnt;
	struct profile *profile;

	(void)state;
	while (!account_get(ACCOUNT_SAMPLES_MEMORY)) {
		add(150, 0, 0, TID, 0);
		added++;
	}
	assert_int_equal(account_get(ACCOUNT_SAMPLES_MEMORY), 1);
	profile = gather__take(g, 0, false);
	cnt = profile->samples.cnt;
	assert_int_equal(cnt, added - 1);
	profile__free(profile);
	add(150, 0, 0, TID, 0);
	profile__free(take(0, true, 1));
}

/* A burst's samples wait and are linked as others, and are a profile of their own. */
static void test_beside(void **state)
{
	const struct burst burst = {
		.number = 2,
		.period_ns = PERIOD_NS / 5,
		.service = "shop",
		.route = "GET /cart",
	};
	struct gather *usual = g, *beside = gather__beside(g, &burst);
	const struct served request = served();
	struct profile *profile;

	(void)state;
	assert_non_null(beside);
	/* What lines are added to is a copy. */
	assert_true(gather__want_lines(g, &(struct line_bounds){1000000000, 32 << 20, 0}));
	add(120, COOKIE, OFF, TID, 0);
	g = beside;
	add(150, COOKIE, OFF, TID, 0);
	add(170, COOKIE, OFF, TID, 0);
	gather__served(g, &request);
	profile = take(0, true, 2);
	assert_int_equal(profile->period_ns, PERIOD_NS / 5);
	assert_int_equal(profile->burst.number, 2);
	assert_true(slice_eq(profile->strings.v[profile->burst_route], SLICE("GET /cart")));
	assert_int_not_equal(profile->samples.v[0].link, 0);
	assert_int_not_equal(profile->samples.v[1].link, 0);
	profile__free(profile);
	gather__free(beside);
	g = usual;
	gather__served(g, &request);
	profile = take(0, true, 1);
	assert_int_equal(profile->period_ns, PERIOD_NS);
	assert_int_equal(profile->burst.number, 0);
	assert_int_not_equal(profile->samples.v[0].link, 0);
	profile__free(profile);
}

/* A span that the thread publishes is told rather than the request's; what interleaves takes the latter back alone. */
static void test_published(void **state)
{
	static const struct thread_context contexts[] = {
		{.trace_id = {7}, .span_id = {8}, .valid = 1},
		{.trace_id = {7}, .span_id = {8}, .valid = 0}, /* it is being written */
		{.trace_id = {7}, .valid = 1},		       /* works for none */
	};
	const struct served request = served();
	struct profile *profile;

	(void)state;
	for (int interleaved = 0; interleaved <= 1; interleaved++) {
		for (size_t i = 0; i < CNT(contexts); i++)
			add_published(150, COOKIE, OFF, TID, 0, contexts[i]);
		gather__served(g, &request);
		if (interleaved)
			add(160, 0, 0, TID, SAMPLE_INTERLEAVED);
		profile = take(0, true, (uint32_t)(CNT(contexts) + (size_t)interleaved));
		for (size_t i = 0; i < CNT(contexts); i++) {
			const struct profile_sample *sample = &profile->samples.v[i];
			uint32_t told = profile_told_link(sample);

			assert_int_equal(sample->link != 0, !interleaved);
			assert_int_equal(sample->published != 0, i == 0);
			assert_int_equal(told != 0, i == 0 || !interleaved);
			assert_int_equal(profile->links.v[told].span_id.bytes[0], i == 0 ? 8
										  : interleaved
											  ? 0
											  : 2);
		}
		profile__free(profile);
	}
}

/* --- threads that wait ------------------------------------------------------------------------ */

static void add_wait(uint64_t time_ns, uint64_t cookie, uint32_t tid, uint64_t ns, bool same)
{
	struct record_sample sample = {
		.head = {.size = sizeof(sample),
			 .kind = RECORD_SAMPLE,
			 .flags = same ? SAMPLE_SAME : 0},
		.time_ns = time_ns,
		.request_cookie = same ? 0 : cookie,
		.request_off = OFF,
		.pid = tid,
		.tid = tid,
		.comm = "worker",
		.off_cpu = OFF_CPU_LOCK,
		.off_cpu_ns = ns,
	};

	gather__sample(g, &sample, resource, UNIX_OFFSET);
}

/* The profile's samples have these values, in this order. */
static void check_waits(const struct profile *profile, const uint64_t *values, uint32_t cnt)
{
	assert_true(profile->off_cpu);
	assert_int_equal(profile->samples.cnt, cnt);
	for (uint32_t i = 0; i < cnt; i++)
		assert_true(profile->samples.v[i].value_ns == values[i]);
}

/* A wait that lasts is in each profile with what it took there; one of which nothing is said twice is over. */
static void test_waits(void **state)
{
	struct gather *usual = g, *waits = gather__waits_beside(g, PERIOD_NS);
	struct profile *profile;

	(void)state;
	assert_non_null(waits);
	assert_true(gather__want_lines(g, &(struct line_bounds){1000000000, 32 << 20, 0}));
	g = waits;
	add_wait(100, 0, TID, 10, false);
	add_wait(100, 0, TID + 1, 20, false);
	add_wait(110, 0, TID, 5, true);
	profile = take(0, false, 2);
	check_waits(profile, (uint64_t[]){15, 20}, 2);
	profile__free(profile);
	add_wait(120, 0, TID, 7, true);
	profile = take(0, false, 1);
	check_waits(profile, (uint64_t[]){7}, 1);
	profile__free(profile);
	add_wait(130, 0, TID + 1, 9, true); /* late, but not too late */
	add_wait(130, 0, TID, 3, false);    /* for something else */
	add_wait(140, 0, TID, 4, true);
	profile = take(0, false, 2);
	check_waits(profile, (uint64_t[]){9, 7}, 2);
	profile__free(profile);
	for (int i = 0; i < 2; i++)
		profile__free(take(0, false, 0));
	assert_int_equal(account_get(ACCOUNT_SAMPLES_MEMORY), 0);
	add_wait(150, 0, TID, 1, true);
	assert_int_equal(account_get(ACCOUNT_SAMPLES_MEMORY), 1);
	profile__free(take(0, true, 0));
	gather__free(waits);
	g = usual;
}

/* Until its request is served it waits in no profile, and goes on to be told of; what comes after that has its link. */
static void test_wait_of_request(void **state)
{
	struct gather *usual = g, *waits = gather__waits_beside(g, PERIOD_NS);
	const struct served request = served();
	struct profile *profile;

	(void)state;
	assert_non_null(waits);
	g = waits;
	add_wait(150, COOKIE, TID, 10, false);
	profile__free(take(160, false, 0));
	add_wait(170, COOKIE, TID, 5, true);
	gather__served(g, &request);
	profile = take(180, false, 1);
	check_waits(profile, (uint64_t[]){15}, 1);
	assert_int_not_equal(profile->samples.v[0].link, 0);
	profile__free(profile);
	add_wait(190, COOKIE, TID, 2, true);
	profile = take(200, true, 1);
	check_waits(profile, (uint64_t[]){2}, 1);
	assert_int_not_equal(profile->samples.v[0].link, 0);
	profile__free(profile);
	gather__free(waits);
	g = usual;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rules, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_interleaved, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_waiting, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_last, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_wait, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_carried_stack, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_beside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_published, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_waits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_wait_of_request, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
