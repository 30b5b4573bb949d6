// SPDX-License-Identifier: Apache-2.0
/* user/model/contrast: what is compared, that parts add up, what is said of it; with made-up spans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/cli/explain_view.h"
#include "user/model/contrast.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define MS 1000000ull
#define ATTRS_MAX 16

static struct resource *shop, *database;
static uint32_t ids;

static struct resource *service(const char *name)
{
	struct attr attr = {
		.key = SLICE("service.name"), .type = ATTR_STRING, .str = slice_str(name)};

	return resource__new(&(struct attrs){.v = &attr, .cnt = 1, .cap = 1}, 42);
}

static int set_up(void **state)
{
	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	shop = service("shop");
	database = service("postgres");
	ids = 0;
	return shop && database ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	resource__release(shop);
	resource__release(database);
	return 0;
}

/* A span of a trace. times: "cpu", ms, ..., NULL. */
struct made {
	uint32_t trace, parent;
	enum span_kind kind;
	struct resource *resource;
	const char *name;
	uint64_t start_ms, end_ms;
	struct {
		const char *key;
		uint64_t ms;
	} times[6];
	bool socket;
};

/* Returns the number of the span, by which its children name it. */
static uint32_t put(struct contrast *c, const struct made *m)
{
	struct attr storage[ATTRS_MAX];
	struct span span = {
		.kind = m->kind,
		.start_ns = m->start_ms * MS,
		.end_ns = m->end_ms * MS,
		.name = slice_str(m->name),
		.attrs = {.v = storage, .cap = ATTRS_MAX},
		.resource = m->resource,
	};
	uint32_t id = ++ids;

	memcpy(span.trace_id.bytes, &m->trace, sizeof(m->trace));
	memcpy(span.span_id.bytes, &id, sizeof(id));
	memcpy(span.parent_id.bytes, &m->parent, sizeof(m->parent));
	if (m->socket)
		attrs_add_str(&span.attrs, SLICE("sonde.parent.method"), SLICE("socket"));
	for (size_t i = 0; i < CNT(m->times) && m->times[i].key; i++)
		attrs_add_int(&span.attrs, slice_str(m->times[i].key),
			      (int64_t)(m->times[i].ms * MS));
	contrast__add(c, &span);
	return id;
}

static struct contrast *begin(struct contrast_filter filter)
{
	struct contrast *c = contrast__new(&filter);

	assert_non_null(c);
	return c;
}

/* POST /pay: cpu of its own, and calls of the database, each of call_ms, which is its CPU time but for 1 ms. */
static void pay(struct contrast *c, uint32_t trace, uint64_t cpu_ms, int calls, uint64_t call_ms)
{
	uint64_t end_ms = cpu_ms + (uint64_t)calls * call_ms, at = cpu_ms;
	uint32_t root =
		put(c, &(struct made){.trace = trace,
				      .kind = SPAN_SERVER,
				      .resource = shop,
				      .name = "POST /pay",
				      .end_ms = end_ms,
				      .times = {{"sonde.time.cpu_ns", cpu_ms},
						{"sonde.time.downstream_ns", end_ms - cpu_ms}}});

	for (int i = 0; i < calls; i++, at += call_ms) {
		struct made call = {.trace = trace,
				    .parent = root,
				    .kind = SPAN_CLIENT,
				    .resource = shop,
				    .name = "SELECT payments",
				    .start_ms = at,
				    .end_ms = at + call_ms};
		struct made served = call;

		served.parent = put(c, &call);
		served.kind = SPAN_SERVER;
		served.resource = database;
		served.socket = true;
		served.start_ms++;
		served.times[0].key = "sonde.time.cpu_ns";
		served.times[0].ms = call_ms - 1;
		put(c, &served);
	}
}

static const struct contrast_part *find(const struct contrast_result *r, uint32_t below,
					enum contrast_kind kind, const char *name)
{
	for (uint32_t i = 1; i < r->parts_cnt; i++)
		if (r->parts[i].parent == below && r->parts[i].kind == kind &&
		    slice_eq(r->parts[i].name, slice_str(name)))
			return &r->parts[i];
	return NULL;
}

static double extra_ms(const struct contrast_result *r, const struct contrast_part *part)
{
	return part ? contrast_extra_ns(r, part) / (double)MS : 0;
}

/* The parts of the request add up to it, those of a call whose server was seen to the call, to the nanosecond. */
static void check_sums(const struct contrast_result *r)
{
	for (uint32_t at = 0; at < r->parts_cnt; at++) {
		int64_t sum[CONTRAST_SIDES] = {0};
		uint32_t cnt = 0;

		for (uint32_t i = at + 1; i < r->parts_cnt; i++) {
			if (r->parts[i].parent != at)
				continue;
			cnt++;
			assert_int_equal(r->parts[i].depth, r->parts[at].depth + 1);
			for (int side = 0; side < CONTRAST_SIDES; side++)
				sum[side] += r->parts[i].ns[side];
		}
		for (int side = 0; side < CONTRAST_SIDES && cnt; side++)
			assert_true(sum[side] == r->parts[at].ns[side]);
	}
}

static void test_slow_call(void **state)
{
	struct contrast *c = begin((struct contrast_filter){0});
	const struct contrast_result *r;
	const struct contrast_part *call;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		pay(c, i, 10, 1, i % 20 == 7 ? 91 : 5);
	r = contrast__finish(c);
	assert_int_equal(r->status, CONTRAST_FOUND);
	assert_int_equal(r->requests_cnt, 100);
	assert_int_equal(r->percentile, 95);
	assert_true(r->median_ns == 15 * MS && r->percentile_ns == 15 * MS);
	assert_int_equal(r->cnt[CONTRAST_SLOW], 6); /* the five, and the one at the percentile */
	assert_int_equal(r->cnt[CONTRAST_TYPICAL], 20);
	assert_int_equal(r->timed[CONTRAST_SLOW], 6);
	check_sums(r);
	call = find(r, CONTRAST_ROOT, CONTRAST_CALL, "SELECT payments");
	assert_true(call && slice_eq(call->service, SLICE("postgres")));
	assert_int_equal(call->calls[CONTRAST_SLOW], 6);
	assert_float_equal(extra_ms(r, &r->parts[CONTRAST_ROOT]), 86.0 * 5 / 6, 1e-6);
	assert_float_equal(extra_ms(r, call), 86.0 * 5 / 6, 1e-6);
	assert_float_equal(extra_ms(r, find(r, CONTRAST_ROOT, CONTRAST_CPU, "")), 0, 1e-6);
	assert_float_equal(extra_ms(r, find(r, (uint32_t)(call - r->parts), CONTRAST_CPU, "")),
			   86.0 * 5 / 6, 1e-6);
	contrast__free(c);
}

/* As many milliseconds, by more calls. */
static void test_more_calls(void **state)
{
	struct contrast *c = begin((struct contrast_filter){.route = "POST /pay"});
	const struct contrast_result *r;
	const struct contrast_part *call;

	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		pay(c, i, 10, i % 50 == 7 ? 11 : 1, 5);
	r = contrast__finish(c);
	assert_int_equal(r->percentile, 99);
	assert_int_equal(r->cnt[CONTRAST_SLOW], 4);
	check_sums(r);
	call = find(r, CONTRAST_ROOT, CONTRAST_CALL, "SELECT payments");
	assert_int_equal(call->calls[CONTRAST_SLOW], 44);
	assert_int_equal(call->calls[CONTRAST_TYPICAL], 60);
	assert_float_equal(extra_ms(r, call), 50, 1e-6);
	contrast__free(c);
}

/* Own time, with an account and without; what was queued comes on top of the span. */
static void test_own_time(void **state)
{
	static const struct {
		const char *key;
		enum contrast_kind kind;
		double extra;
	} cases[] = {
		{"sonde.time.cpu_ns", CONTRAST_CPU, 40},
		{"sonde.time.run_queue_ns", CONTRAST_RUN_QUEUE, 40},
		{"sonde.time.lock_ns", CONTRAST_LOCK, 40},
		{"sonde.time.disk_ns", CONTRAST_DISK, 40},
		{"sonde.time.page_fault_ns", CONTRAST_PAGE_FAULT, 40},
		{"sonde.time.sleep_ns", CONTRAST_SLEEP, 40},
		{"sonde.time.client_ns", CONTRAST_CLIENT, 40},
		{"sonde.time.other_ns", CONTRAST_OTHER, 40},
		{"sonde.time.downstream_ns", CONTRAST_UNSEEN, 40},
		{NULL, CONTRAST_UNTOLD, 45},
	};

	(void)state;
	for (size_t k = 0; k < CNT(cases); k++) {
		struct contrast *c = begin((struct contrast_filter){0});
		const struct contrast_result *r;

		for (uint32_t i = 0; i < 40; i++) {
			bool slow = i >= 35;
			struct made m = {.trace = i,
					 .kind = SPAN_SERVER,
					 .resource = shop,
					 .name = "GET /",
					 .end_ms = slow ? 50 : 5};

			if (cases[k].key) {
				m.times[0].key = "sonde.time.cpu_ns";
				m.times[0].ms = slow ? 10 : 5;
				m.times[1].key = slow ? cases[k].key : NULL;
				m.times[1].ms = 40;
				m.times[2].key = "sonde.time.queue_ns";
				m.times[2].ms = slow ? 7 : 0;
				if (slow && cases[k].kind == CONTRAST_CPU) {
					m.times[0].ms = 45;
					m.times[1].key = "sonde.time.lock_ns";
					m.times[1].ms = 5;
					m.times[2].key = NULL;
				}
			}
			put(c, &m);
		}
		r = contrast__finish(c);
		assert_int_equal(r->percentile, 90);
		check_sums(r);
		assert_float_equal(extra_ms(r, find(r, CONTRAST_ROOT, cases[k].kind, "")),
				   cases[k].extra, 1e-6);
		if (cases[k].key && cases[k].kind != CONTRAST_CPU)
			assert_float_equal(extra_ms(r, find(r, CONTRAST_ROOT, CONTRAST_QUEUED, "")),
					   7, 1e-6);
		contrast__free(c);
	}
}

/* Calls at once are not counted twice; own time during them is taken off. */
static void test_overlap(void **state)
{
	struct contrast *c = begin((struct contrast_filter){0});
	const struct contrast_result *r;

	(void)state;
	for (uint32_t i = 0; i < 40; i++) {
		uint64_t ms = i >= 35 ? 60 : 10;
		uint32_t root =
			put(c, &(struct made){.trace = i,
					      .kind = SPAN_SERVER,
					      .resource = shop,
					      .name = "GET /",
					      .end_ms = ms + 2,
					      .times = {{"sonde.time.cpu_ns", 5},
							{"sonde.time.downstream_ns", ms - 3}}});

		for (int k = 0; k < 2; k++)
			put(c, &(struct made){.trace = i,
					      .parent = root,
					      .kind = SPAN_CLIENT,
					      .resource = shop,
					      .name = k ? "GET /b" : "GET /a",
					      .start_ms = 1,
					      .end_ms = 1 + ms - (uint64_t)k});
	}
	r = contrast__finish(c);
	check_sums(r);
	assert_float_equal(extra_ms(r, find(r, CONTRAST_ROOT, CONTRAST_CALL, "GET /a")), 50, 1e-6);
	assert_int_equal(find(r, CONTRAST_ROOT, CONTRAST_CALL, "GET /b")->ns[CONTRAST_SLOW], 0);
	assert_int_equal(find(r, CONTRAST_ROOT, CONTRAST_TWICE, "")->ns[CONTRAST_SLOW],
			 -3 * (int64_t)MS * r->cnt[CONTRAST_SLOW]);
	contrast__free(c);
}

static void test_chosen(void **state)
{
	static const struct {
		struct contrast_filter filter;
		enum contrast_status status;
		uint32_t percentile, slow_cnt;
		uint64_t slowest_ms;
	} cases[] = {
		{{0}, CONTRAST_FOUND, 95, 6, 15},
		{{.slowest = true}, CONTRAST_FOUND, 0, 1, 101},
		{{.trace_id = "63000000"}, CONTRAST_FOUND, 0, 1, 15}, /* number 99 */
		{{.trace_id = "ff"}, CONTRAST_NO_TRACE, 0, 0, 0},
		{{.route = "GET /none"}, CONTRAST_NOTHING, 0, 0, 0},
		{{.service = "none"}, CONTRAST_NOTHING, 0, 0, 0},
		{{.route = "SELECT payments"}, CONTRAST_FOUND, 95, 6, 4},
		{{.service = "postgres"}, CONTRAST_FOUND, 95, 6, 4},
		{{.route = "GET /rare"}, CONTRAST_TOO_FEW, 0, 0, 0},
	};

	(void)state;
	for (size_t k = 0; k < CNT(cases); k++) {
		struct contrast *c = begin(cases[k].filter);
		const struct contrast_result *r;

		for (uint32_t i = 0; i < 100; i++)
			pay(c, i, 10, 1, i % 20 == 7 ? 91 : 5);
		for (uint32_t i = 0; i < 19; i++)
			put(c, &(struct made){.trace = 1000 + i,
					      .kind = SPAN_SERVER,
					      .resource = shop,
					      .name = "GET /rare",
					      .end_ms = 50});
		r = contrast__finish(c);
		assert_int_equal(r->status, cases[k].status);
		assert_int_equal(r->percentile, cases[k].percentile);
		assert_int_equal(r->cnt[CONTRAST_SLOW], cases[k].slow_cnt);
		assert_int_equal(r->percentile_ns, cases[k].slowest_ms * MS);
		if (r->status == CONTRAST_TOO_FEW)
			assert_int_equal(r->requests_cnt, 19);
		if (r->status == CONTRAST_FOUND)
			check_sums(r);
		contrast__free(c);
	}
}

/* A client that is traced, too, makes a request no less one that comes in. */
static void test_below_client(void **state)
{
	struct contrast *c = begin((struct contrast_filter){0});
	const struct contrast_result *r;

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		struct made m = {.trace = i,
				 .kind = SPAN_CLIENT,
				 .resource = database,
				 .name = "GET /",
				 .end_ms = 10 + i};

		m.parent = put(c, &m);
		m.kind = SPAN_SERVER;
		m.resource = shop;
		put(c, &m);
	}
	r = contrast__finish(c);
	assert_int_equal(r->status, CONTRAST_FOUND);
	assert_true(slice_eq(r->service, SLICE("shop")));
	assert_int_equal(r->percentile, 85);
	assert_int_equal(r->cnt[CONTRAST_SLOW], 4);
	contrast__free(c);
}

/* Whatever trees and accounts say, parts add up. */
static void test_random(void **state)
{
	static const char *const keys[] = {"sonde.time.cpu_ns", "sonde.time.lock_ns",
					   "sonde.time.downstream_ns", "sonde.time.queue_ns"};

	(void)state;
	srand(1);
	for (int round = 0; round < 200; round++) {
		struct contrast *c = begin((struct contrast_filter){.route = "r0"});
		const struct contrast_result *r;

		ids = 0;
		for (uint32_t i = 0; i < 400; i++) {
			static const char *const names[] = {"r0", "r1", "r2"};
			struct made m = {
				.trace = i % 20,
				.parent = 1 + i % 20 + 20 * ((uint32_t)rand() % 25),
				.kind = rand() % 2 ? SPAN_SERVER : SPAN_CLIENT,
				.resource = rand() % 2 ? shop : database,
				.name = names[rand() % 3],
				.start_ms = (uint64_t)rand() % 50,
				.socket = rand() % 2,
			};

			m.end_ms = m.start_ms + (uint64_t)rand() % 50;
			for (int k = 0; k < rand() % 5; k++) {
				m.times[k].key = keys[k];
				m.times[k].ms = (uint64_t)rand() % 40;
			}
			put(c, &m);
		}
		r = contrast__finish(c);
		assert_non_null(r);
		if (r->status == CONTRAST_FOUND)
			check_sums(r);
		contrast__free(c);
	}
}

static void test_samples(void **state)
{
	struct contrast *c = begin((struct contrast_filter){0});
	struct profile *profile = profile__new(10 * MS);
	const struct contrast_result *r;

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		bool slow = i >= 90;
		struct profile_function function = {
			.name = profile__string(profile, slow ? SLICE("burn") : SLICE("work"))};
		struct profile_location location = {.function =
							    profile__function(profile, &function)};
		uint32_t at = profile__location(profile, &location);
		struct profile_link link = {{{0}}, {{0}}};
		struct profile_sample sample = {.stack = profile__stack(profile, &at, 1)};

		put(c, &(struct made){.trace = i,
				      .kind = SPAN_SERVER,
				      .resource = shop,
				      .name = "GET /",
				      .end_ms = slow ? 100 + i : 10});
		memcpy(link.trace_id.bytes, &i, sizeof(i));
		memcpy(link.span_id.bytes, &ids, sizeof(ids));
		sample.link = profile__link(profile, &link);
		assert_int_equal(profile__add(profile, &sample), 0);
		sample.link = 0;
		assert_int_equal(profile__add(profile, &sample), 0);
	}
	r = contrast__finish(c);
	assert_int_equal(contrast__samples(c, profile), 0);
	assert_int_equal(r->samples[CONTRAST_SLOW], 6);
	assert_int_equal(r->samples[CONTRAST_TYPICAL], 20);
	assert_int_equal(r->functions_cnt, 2);
	assert_true(slice_eq(r->functions[0].name, SLICE("burn")));
	assert_int_equal(r->functions[0].cnt[CONTRAST_SLOW], 6);
	assert_int_equal(r->functions[0].cnt[CONTRAST_TYPICAL], 0);
	assert_int_equal(r->functions[1].cnt[CONTRAST_TYPICAL], 20);
	contrast__free(c);
	profile__free(profile);
}

/* --- what is printed -------------------------------------------------------------------------- */

static char *printed(struct contrast *c, bool json)
{
	const struct contrast_result *r = contrast__finish(c);
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	assert_int_equal(json ? explain_json(out, r) : explain_text(out, false, 0, r), 0);
	fclose(out);
	return text;
}

static void test_text(void **state)
{
	static const char *const wanted[] = {
		"p95 of POST /pay (shop) is 101 ms, the median 15.0 ms, of 80 requests.\n",
		"The 5 from there on took 101 ms on average, the 16 around the median 15.0 ms on "
		"average: 86.0 ms more. Of these\n",
		" 100 % (86.0 ms) is calls of postgres SELECT payments: 1 a request of 91.0 ms "
		"instead of 1 of 5.00 ms; there it is cpu 100 %\n",
		"    101 ms    15.0 ms    86.0 ms  100.0 %  POST /pay (shop)\n",
	};
	struct contrast *c = begin((struct contrast_filter){0});
	char *text;

	(void)state;
	for (uint32_t i = 0; i < 80; i++)
		pay(c, i, 10, 1, i % 16 == 7 ? 91 : 5);
	text = printed(c, false);
	for (size_t i = 0; i < CNT(wanted); i++)
		if (!strstr(text, wanted[i]))
			fail_msg("no '%s' in:\n%s", wanted[i], text);
	free(text);
	contrast__free(c);
}

static void test_json(void **state)
{
	struct contrast *c = begin((struct contrast_filter){0});
	char *text;

	(void)state;
	for (uint32_t i = 0; i < 80; i++)
		pay(c, i, 10, 1, i % 16 == 7 ? 91 : 5);
	text = printed(c, true);
	assert_non_null(strstr(text, "{\"status\":\"found\",\"service\":\"shop\",\"route\":\"POST "
				     "/pay\",\"requests\":80,"));
	assert_non_null(strstr(text, "{\"kind\":\"call\",\"depth\":1,\"service\":\"postgres\","
				     "\"name\":\"SELECT payments\",\"slowCalls\":5,"
				     "\"typicalCalls\":16,\"slowNano\":91000000,"
				     "\"typicalNano\":5000000,\"extraNano\":86000000,"
				     "\"share\":1.0000}"));
	free(text);
	contrast__free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_slow_call, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_more_calls, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_own_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_overlap, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_chosen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_below_client, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_random, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_samples, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
