// SPDX-License-Identifier: Apache-2.0
/* Bursts: when they begin and end, who is part of them, what their spans say, and all that bounds them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/base/account.h"
#include "user/policy/trigger.h"

#define MS 1000000ull
#define S (1000 * MS)
#define UNIX_NS (1790000000 * S) /* at the clock's 0 */
#define SERVICES 6

struct rig {
	bool calls; /* spans are of calls, not of requests served */
	struct trigger_options options;
	struct trigger *trigger;
	struct resource *resources[SERVICES];
	struct span_batch *batch;
	uint64_t now_ns;
	uint64_t counts[ACCOUNT_CNT]; /* as the test began */
	int refuse;
	uint32_t begun_cnt, ended_cnt, delivered_cnt;
	struct burst begun;
	uint16_t fast[100]; /* bursts by pid */
};

static int begin(void *ctx, const struct burst *burst)
{
	struct rig *r = ctx;

	if (r->refuse)
		return r->refuse;
	r->begun_cnt++;
	r->begun = *burst;
	return 0;
}

static int join(void *ctx, const struct burst *burst, uint32_t pid)
{
	struct rig *r = ctx;

	if (pid < 100)
		r->fast[pid] = burst->number;
	return 0;
}

static void leave(void *ctx, uint32_t pid)
{
	struct rig *r = ctx;

	if (pid < 100)
		r->fast[pid] = 0;
}

static void end(void *ctx)
{
	((struct rig *)ctx)->ended_cnt++;
}

static void deliver(void *ctx, const struct burst *burst)
{
	assert_in_range(burst->number, 1, BURSTS_MAX);
	((struct rig *)ctx)->delivered_cnt++;
}

static struct resource *resource(const char *service, uint32_t pid)
{
	struct attr v[1];
	struct attrs attrs = {.v = v, .cap = 1};
	struct resource *made;

	attrs_add_str(&attrs, SLICE("service.name"), slice_str(service));
	made = resource__new(&attrs, pid);
	assert_non_null(made);
	return made;
}

static struct rig *open_rig(void)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->options = (struct trigger_options){
		.band = {.margin = 500000, .floor_ns = 10 * MS, .warm_up_ns = 10 * S},
		.period_ns = 10 * MS,
		.duration_ns = 10 * S,
		.cool_down_ns = 60 * S,
		.time_share = 1000000,
		.at_once = 2,
		.max_traces = 1000,
		.begin = begin,
		.join = join,
		.leave = leave,
		.end = end,
		.deliver = deliver,
		.ctx = r,
	};
	r->now_ns = 1000 * S;
	r->batch = span_batch__new();
	assert_non_null(r->batch);
	for (uint32_t i = 0; i < SERVICES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "service%u", i);
		r->resources[i] = resource(name, i + 10);
	}
	for (uint32_t i = 0; i < ACCOUNT_CNT; i++)
		r->counts[i] = account_get((enum account_entry)i);
	return r;
}

static struct rig *opened(struct rig *r)
{
	r->trigger = trigger__new(&r->options);
	assert_non_null(r->trigger);
	return r;
}

static void close_rig(struct rig *r)
{
	trigger__free(r->trigger);
	span_batch__free(r->batch);
	for (uint32_t i = 0; i < SERVICES; i++)
		resource__release(r->resources[i]);
	free(r);
}

static uint64_t counted(const struct rig *r, enum account_entry entry)
{
	return account_get(entry) - r->counts[entry];
}

/* A request of that length that has just ended; its span, as it leaves. */
static const struct span *ask(struct rig *r, struct resource *of, const char *route, uint64_t ms)
{
	struct span *span;

	span_batch__reset(r->batch);
	span = span_batch__add(r->batch, 0, of);
	span->kind = r->calls ? SPAN_CLIENT : SPAN_SERVER;
	span->name = slice_str(route);
	span->end_ns = UNIX_NS + r->now_ns;
	span->start_ns = span->end_ns - ms * MS;
	trigger__observe(r->trigger, r->batch, r->now_ns, UNIX_NS + r->now_ns);
	return span;
}

static void pass(struct rig *r, uint64_t ns)
{
	r->now_ns += ns;
	trigger__tick(r->trigger, r->now_ns, UNIX_NS + r->now_ns);
}

/* Ten requests a second, which take 20 ms, until that is known. */
static void warm_up(struct rig *r, uint32_t services, const char *route)
{
	for (uint32_t i = 0; i < 300; i++) {
		pass(r, 100 * MS);
		for (uint32_t k = 0; k < services; k++)
			ask(r, r->resources[k], route, 20);
	}
}

/* And then they take ten times as long, for so long. */
static void slow_down(struct rig *r, uint32_t service, const char *route, uint32_t seconds)
{
	for (uint32_t i = 0; i < 10 * seconds; i++) {
		pass(r, 100 * MS);
		ask(r, r->resources[service], route, 200);
	}
}

static struct slice text_of(const struct span *span, const char *key)
{
	return attrs_get_str(&span->attrs, slice_str(key));
}

static void a_burst_begins_and_ends(void **state)
{
	struct rig *r = opened(open_rig());
	const struct span *span;

	(void)state;
	warm_up(r, 2, "GET /a");
	assert_int_equal(r->begun_cnt, 0);
	span = ask(r, r->resources[0], "GET /a", 20);
	assert_true(!span->keep && !span->attrs.cnt);
	slow_down(r, 0, "GET /a", 2);
	assert_int_equal(r->begun_cnt, 1);
	assert_string_equal(r->begun.service, "service0");
	assert_string_equal(r->begun.route, "GET /a");
	assert_int_equal(r->begun.period_ns, 10 * MS);
	assert_int_equal(r->fast[10], r->begun.number);
	assert_int_equal(r->fast[11], 0);

	span = ask(r, r->resources[0], "GET /a", 20); /* slow or not */
	assert_true(span->keep && slice_eq(text_of(span, "sonde.trigger.type"), SLICE("latency")));
	span = ask(r, r->resources[0], "GET /b", 200); /* another route, another service */
	assert_true(!span->keep && !span->attrs.cnt);
	span = ask(r, r->resources[1], "GET /a", 200);
	assert_true(!span->keep && !span->attrs.cnt);

	slow_down(r, 0, "GET /a", 10);
	assert_int_equal(r->fast[10], 0);
	assert_int_equal(r->ended_cnt, 1);
	assert_int_equal(r->delivered_cnt, 0);
	span = ask(r, r->resources[0], "GET /a", 5000); /* it began before the end */
	assert_true(span->keep);
	span = ask(r, r->resources[0], "GET /a", 200);
	assert_true(!span->keep);
	slow_down(r, 0, "GET /a", 3600); /* for ever */
	assert_int_equal(r->begun_cnt, 1);
	assert_int_equal(r->delivered_cnt, 1);
	assert_int_equal(counted(r, ACCOUNT_TRIGGERS), 1);
	close_rig(r);
}

static void spans_name_a_profile_that_has_samples(void **state)
{
	struct rig *r = opened(open_rig());
	struct resource *worker = resource("service0", 42);
	uint8_t id[PROFILE_ID_SZ];
	char hex[2 * PROFILE_ID_SZ + 1];
	const struct span *span;

	(void)state;
	warm_up(r, 1, "GET /a");
	slow_down(r, 0, "GET /a", 2);
	span = ask(r, r->resources[0], "GET /a", 200);
	assert_true(span->keep);
	assert_int_equal(text_of(span, "sonde.profile.id").n, 0); /* none so far */

	trigger__sampled(r->trigger, r->resources[0], r->begun.number);
	span = ask(r, r->resources[0], "GET /a", 200);
	burst_profile_id(&r->begun, r->resources[0], id);
	for (uint32_t i = 0; i < sizeof(id); i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	assert_true(slice_eq(text_of(span, "sonde.profile.id"), slice_str(hex)));

	/* Another process of the service joins when the usual clock meets it, and has its own. */
	trigger__sampled(r->trigger, r->resources[1], 0);
	assert_int_equal(r->fast[11], 0);
	trigger__sampled(r->trigger, worker, 0);
	assert_int_equal(r->fast[42], r->begun.number);
	span = ask(r, worker, "GET /a", 200);
	assert_true(span->keep && !text_of(span, "sonde.profile.id").n);
	trigger__sampled(r->trigger, worker, r->begun.number);
	span = ask(r, worker, "GET /a", 200);
	assert_int_equal(text_of(span, "sonde.profile.id").n, 32);
	assert_false(slice_eq(text_of(span, "sonde.profile.id"), slice_str(hex)));
	pass(r, 20 * S);
	assert_int_equal(r->fast[42], 0);
	resource__release(worker);
	close_rig(r);
}

static void processes_are_bounded(void **state)
{
	struct rig *r = opened(open_rig());
	struct resource *many[BURST_PROCESSES_MAX + 10];
	uint32_t fast_cnt = 0;

	(void)state;
	warm_up(r, 1, "GET /a");
	slow_down(r, 0, "GET /a", 2);
	for (uint32_t i = 0; i < BURST_PROCESSES_MAX + 10; i++) {
		many[i] = resource("service0", i + 20);
		trigger__sampled(r->trigger, many[i], 0);
		trigger__sampled(r->trigger, many[i], 0);
	}
	for (uint32_t i = 0; i < 100; i++)
		fast_cnt += r->fast[i] != 0;
	assert_int_equal(fast_cnt, BURST_PROCESSES_MAX);
	for (uint32_t i = 0; i < BURST_PROCESSES_MAX + 10; i++)
		resource__release(many[i]);
	close_rig(r);
}

static void traces_are_bounded(void **state)
{
	struct rig *r = open_rig();

	(void)state;
	r->options.max_traces = 7;
	opened(r);
	warm_up(r, 1, "GET /a");
	slow_down(r, 0, "GET /a", 5);
	assert_int_equal(counted(r, ACCOUNT_TRIGGER_KEPT), 7);
	assert_true(counted(r, ACCOUNT_TRIGGER_BEYOND) > 10);
	assert_false(ask(r, r->resources[0], "GET /a", 200)->keep);
	assert_int_equal(r->batch->spans[0].attrs.cnt, 1);
	close_rig(r);
}

static void a_service_cools_down(void **state)
{
	struct rig *r = opened(open_rig());

	(void)state;
	warm_up(r, 1, "GET /a");
	warm_up(r, 1, "GET /b");
	warm_up(r, 1, "GET /c");
	slow_down(r, 0, "GET /a", 2);
	slow_down(r, 0, "GET /b", 2);
	assert_int_equal(r->begun_cnt, 1);
	assert_int_equal(counted(r, ACCOUNT_TRIGGERS_COOL), 1);
	pass(r, 70 * S);
	slow_down(r, 0, "GET /c", 2);
	assert_int_equal(r->begun_cnt, 2);
	close_rig(r);
}

static void so_many_at_once(void **state)
{
	struct rig *r = opened(open_rig());

	(void)state;
	warm_up(r, 3, "GET /a");
	for (uint32_t i = 0; i < 3; i++)
		slow_down(r, i, "GET /a", 2);
	assert_int_equal(r->begun_cnt, 2);
	assert_int_equal(counted(r, ACCOUNT_TRIGGERS_BUSY), 1);
	assert_true(r->fast[10] && r->fast[11] && r->fast[10] != r->fast[11] && !r->fast[12]);
	pass(r, 6 * S); /* the first ends, the second goes on */
	assert_int_equal(r->ended_cnt, 0);
	pass(r, 2 * S);
	assert_int_equal(r->ended_cnt, 1);
	close_rig(r);
}

/* Five per cent of the time: of two bursts that may come at once, and one more every 200 s. */
static void so_much_of_the_time(void **state)
{
	struct rig *r = open_rig();

	(void)state;
	r->options.time_share = 50000;
	opened(r);
	warm_up(r, SERVICES, "GET /a");
	for (uint32_t i = 0; i < 4; i++) {
		slow_down(r, i, "GET /a", 2);
		pass(r, 22 * S);
	}
	assert_int_equal(r->begun_cnt, 2);
	assert_int_equal(counted(r, ACCOUNT_TRIGGERS_SHARE), 2);
	pass(r, 110 * S);
	slow_down(r, 4, "GET /a", 2);
	slow_down(r, 5, "GET /a", 2);
	assert_int_equal(r->begun_cnt, 3);
	assert_int_equal(counted(r, ACCOUNT_TRIGGERS_SHARE), 3);
	close_rig(r);
}

static void the_kernel_refuses(void **state)
{
	struct rig *r = opened(open_rig());

	(void)state;
	r->refuse = -EOPNOTSUPP;
	warm_up(r, 1, "GET /a");
	slow_down(r, 0, "GET /a", 3);
	assert_int_equal(counted(r, ACCOUNT_TRIGGERS_FAILED), 1);
	assert_int_equal(counted(r, ACCOUNT_TRIGGERS), 0);
	assert_false(ask(r, r->resources[0], "GET /a", 200)->keep);
	pass(r, 60 * S);
	assert_int_equal(r->ended_cnt + r->delivered_cnt, 0);
	close_rig(r);
}

/* Ever new routes push each other out, not those that are known well. */
static void routes_are_bounded(void **state)
{
	struct rig *r = opened(open_rig());
	char route[32];

	(void)state;
	warm_up(r, 1, "GET /a");
	for (uint32_t i = 0; i < 10 * TRIGGER_ROUTES_MAX; i++) {
		snprintf(route, sizeof(route), "GET /%u", i);
		ask(r, r->resources[1], route, 20);
	}
	assert_true(counted(r, ACCOUNT_TRIGGER_EVICTED) >= 9 * TRIGGER_ROUTES_MAX);
	slow_down(r, 0, "GET /a", 2);
	assert_int_equal(r->begun_cnt, 1);
	close_rig(r);
}

static void only_servers_with_a_process(void **state)
{
	struct rig *r = opened(open_rig());
	struct resource *nobody = resource("unknown_service", 0);

	(void)state;
	resource__release(r->resources[0]);
	r->resources[0] = nobody;
	warm_up(r, 1, "GET /a");
	slow_down(r, 0, "GET /a", 3);
	assert_int_equal(r->begun_cnt, 0);
	close_rig(r);

	r = opened(open_rig());
	r->calls = true;
	warm_up(r, 1, "GET /a");
	slow_down(r, 0, "GET /a", 3);
	assert_int_equal(r->begun_cnt, 0);
	close_rig(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_begins_and_ends),
		cmocka_unit_test(spans_name_a_profile_that_has_samples),
		cmocka_unit_test(processes_are_bounded),
		cmocka_unit_test(traces_are_bounded),
		cmocka_unit_test(a_service_cools_down),
		cmocka_unit_test(so_many_at_once),
		cmocka_unit_test(so_much_of_the_time),
		cmocka_unit_test(the_kernel_refuses),
		cmocka_unit_test(routes_are_bounded),
		cmocka_unit_test(only_servers_with_a_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
