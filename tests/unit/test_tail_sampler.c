// SPDX-License-Identifier: Apache-2.0
/* What is kept: errors, slow ones, a share of the rest, always whole traces; within bounds. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/base/account.h"
#include "user/policy/tail_sampler.h"
#include "user/policy/trace_set.h"

#define S 1000000000ull
#define TRACES_MAX 20000

/* What came out of a trace. */
struct fate {
	uint32_t kept_cnt;
	char th[16];
};

struct rig {
	struct tail_sampler *sampler;
	struct resource *resource;
	struct span_batch *in;
	uint64_t now_ns;
	uint64_t sent_cnt, kept_cnt, recycled_cnt;
	struct fate fates[TRACES_MAX];
};

static uint64_t scramble(uint64_t x)
{
	x = (x ^ x >> 31) * 0x7FB5D329728EA185u;
	x = (x ^ x >> 27) * 0x81DADEF4BC2DD44Du;
	return x ^ x >> 33;
}

static struct span_batch *emit(void *ctx, struct span_batch *b)
{
	struct rig *r = ctx;

	assert_true(b->cnt > 0);
	for (uint32_t i = 0; i < b->cnt; i++) {
		const struct span *span = &b->spans[i];
		struct fate *fate;
		uint64_t number;

		memcpy(&number, span->trace_id.bytes, sizeof(number));
		fate = &r->fates[number];
		fate->kept_cnt++;
		r->kept_cnt++;
		if (span->trace_state.n)
			snprintf(fate->th, sizeof(fate->th), "%.*s", (int)span->trace_state.n,
				 span->trace_state.p);
		assert_ptr_equal(span->resource, r->resource);
		assert_true(slice_eq(span->name, SLICE("name")));
		assert_int_equal(span->attrs.cnt, 2);
		assert_true(slice_eq(span->attrs.v[0].str, SLICE("value")));
		assert_true(slice_eq(span->attrs.v[1].items[1], SLICE("two")));
		assert_int_equal(span->links_cnt, 1);
		assert_int_equal(span->links[0].span_id.bytes[7], 7);
	}
	span_batch__reset(b);
	return b;
}

static void recycle(void *ctx, struct span_batch *b)
{
	((struct rig *)ctx)->recycled_cnt++;
	span_batch__free(b);
}

static struct rig *open_rig(size_t max_waiting_sz, uint64_t millionths)
{
	struct attrs none = {0};
	struct rig *r = calloc(1, sizeof(*r));
	struct tail_sampler_options o = {
		.wait_ns = 2 * S,
		.max_waiting_sz = max_waiting_sz,
		.emit = emit,
		.recycle = recycle,
		.ctx = r,
	};

	assert_non_null(r);
	r->resource = resource__new(&none, 1);
	r->in = span_batch__new();
	r->now_ns = 1000 * S;
	r->sampler = tail_sampler__new(&o);
	assert_non_null(r->sampler);
	assert_int_equal(tail_sampler__set(r->sampler, millionths, S), 0);
	account_set(ACCOUNT_SAMPLED_OUT, 0);
	account_set(ACCOUNT_SAMPLING_EARLY, 0);
	account_set(ACCOUNT_SAMPLING_FORGOTTEN, 0);
	return r;
}

static void close_rig(struct rig *r)
{
	assert_true(r->sent_cnt == r->kept_cnt + account_get(ACCOUNT_SAMPLED_OUT));
	tail_sampler__free(r->sampler);
	span_batch__free(r->in);
	assert_int_equal(r->resource->refs, 1);
	resource__release(r->resource);
	free(r);
}

static void push(struct rig *r)
{
	tail_sampler__push(r->sampler, r->in, r->now_ns);
	r->in = span_batch__new();
}

/* A span of the numbered trace. The number is the first half of its id, which does not decide. */
static struct span *add(struct rig *r, uint64_t number)
{
	static const struct slice items[] = {SLICE("one"), SLICE("two")};
	static const struct span_link link = {.span_id = {"\0\0\0\0\0\0\0\x07"}};
	uint64_t id[2] = {number, scramble(number)};
	struct span *span;

	if (r->in->cnt == SPAN_BATCH_MAX)
		push(r);
	span = span_batch__add(r->in, 4, r->resource);
	assert_non_null(span);
	memcpy(span->trace_id.bytes, id, sizeof(id));
	span->start_ns = 5;
	span->end_ns = 6;
	span->name = SLICE("name");
	attrs_add_str(&span->attrs, SLICE("key"), SLICE("value"));
	attrs_add_strs(&span->attrs, SLICE("list"), items, 2);
	assert_true(span__set_links(span, &r->in->arena, &link, 1));
	r->sent_cnt++;
	return span;
}

static void wait_for(struct rig *r, uint64_t ns)
{
	r->now_ns += ns;
	tail_sampler__tick(r->sampler, r->now_ns);
}

/* Nothing waits, nothing is written into the spans. */
static void test_keep_all(void **state)
{
	struct rig *r = open_rig(1 << 20, 1000000);

	(void)state;
	add(r, 1);
	push(r);
	assert_int_equal(r->fates[1].kept_cnt, 1);
	assert_string_equal(r->fates[1].th, "");
	close_rig(r);
}

/* Errors and slow ones for certain, of the rest the share, each trace whole with one th. */
static void test_whole_traces(void **state)
{
	static const uint64_t shares[] = {0, 10000, 100000, 500000, 999999};
	static const char *const ths[] = {"", "ot=th:fd70a", "ot=th:e666", "ot=th:8",
					  "ot=th:000010c7"};

	(void)state;
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		double share = (double)shares[i] / 1e6, rest_cnt = TRACES_MAX * 0.98, sigma;
		struct rig *r = open_rig(256 << 20, shares[i]);
		uint32_t by_chance = 0;

		for (uint64_t n = 0; n < TRACES_MAX; n++)
			add(r, n);
		for (uint64_t n = 0; n < TRACES_MAX; n++) { /* of the same traces, later */
			struct span *span = add(r, n);

			if (n % 100 == 7)
				span->status = SPAN_STATUS_ERROR;
			if (n % 100 == 8)
				span->end_ns = span->start_ns + S;
			if (n % 100 == 9)
				span->end_ns = span->start_ns + S - 1; /* not slow */
		}
		push(r);
		wait_for(r, 2 * S - 1);
		assert_true(r->kept_cnt == 0);
		wait_for(r, 1);
		for (uint64_t n = 0; n < TRACES_MAX; n++) {
			bool certain = n % 100 == 7 || n % 100 == 8;
			const struct fate *fate = &r->fates[n];

			assert_true(fate->kept_cnt == 2 || (!certain && !fate->kept_cnt));
			if (fate->kept_cnt)
				assert_string_equal(fate->th, certain ? "ot=th:0" : ths[i]);
			by_chance += fate->kept_cnt && !certain;
		}
		sigma = sqrt(rest_cnt * share * (1 - share));
		assert_true(fabs(by_chance - rest_cnt * share) <= 4 * sigma + 1);
		assert_true(account_get(ACCOUNT_SAMPLING_EARLY) == 0);
		close_rig(r);
	}
}

/* What is kept at a share is kept at every greater one. */
static void test_consistent(void **state)
{
	static const uint64_t shares[] = {10000, 100000, 250000, 500000, 900000};
	uint32_t last[1000] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		struct rig *r = open_rig(256 << 20, shares[i]);

		for (uint64_t n = 0; n < 1000; n++)
			add(r, n);
		push(r);
		tail_sampler__flush(r->sampler);
		for (uint64_t n = 0; n < 1000; n++) {
			assert_true(r->fates[n].kept_cnt >= last[n]);
			last[n] = r->fates[n].kept_cnt;
		}
		close_rig(r);
	}
}

/* Spans of a kept trace that come late are kept, until it is forgotten. */
static void test_late(void **state)
{
	static const struct {
		uint64_t after_ns;
		uint32_t kept_cnt;
	} cases[] = {{10 * S, 2}, {59 * S, 2}, {200 * S, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = open_rig(1 << 20, 0);

		add(r, 1)->status = SPAN_STATUS_ERROR;
		push(r);
		wait_for(r, 2 * S);
		assert_int_equal(r->fates[1].kept_cnt, 1);
		for (uint64_t ns = 0; ns < cases[i].after_ns; ns += S) { /* others go on */
			add(r, 100 + ns / S)->status = SPAN_STATUS_ERROR;
			push(r);
			wait_for(r, S);
		}
		add(r, 1);
		push(r);
		wait_for(r, 2 * S);
		assert_int_equal(r->fates[1].kept_cnt, cases[i].kept_cnt);
		close_rig(r);
	}
}

/* Beyond the bound the oldest go early, by what is known then; nothing is lost. */
static void test_bound(void **state)
{
	struct rig *r = open_rig(1 << 20, 500000);

	(void)state;
	for (uint64_t n = 0; n < TRACES_MAX; n++)
		add(r, n);
	push(r);
	assert_true(account_get(ACCOUNT_SAMPLING_EARLY) > TRACES_MAX / 2);
	assert_true(account_get(ACCOUNT_SAMPLED_OUT) > TRACES_MAX / 4);
	tail_sampler__flush(r->sampler);
	assert_true(r->kept_cnt > TRACES_MAX * 0.48 && r->kept_cnt < TRACES_MAX * 0.52);
	close_rig(r);
}

/* A new share counts for what waits, too; with all of it what waits leaves in its time. */
static void test_set(void **state)
{
	struct rig *r = open_rig(1 << 20, 0);

	(void)state;
	add(r, 1);
	push(r);
	assert_int_equal(tail_sampler__set(r->sampler, 1000000, S), 0);
	add(r, 2);
	push(r);
	assert_int_equal(r->fates[2].kept_cnt, 1);
	assert_int_equal(r->fates[1].kept_cnt, 0);
	wait_for(r, 2 * S);
	assert_string_equal(r->fates[1].th, "ot=th:0");
	assert_int_equal(tail_sampler__set(r->sampler, 0, 10), 0);
	add(r, 3)->end_ns += 9;
	add(r, 4)->end_ns += 8;
	push(r);
	wait_for(r, 2 * S);
	assert_int_equal(r->fates[3].kept_cnt, 1);
	assert_int_equal(r->fates[4].kept_cnt, 0);
	close_rig(r);
}

/* What waits when it is freed is freed. */
static void test_freed(void **state)
{
	struct rig *r = open_rig(1 << 20, 1);

	(void)state;
	for (uint64_t n = 0; n < 200; n++)
		add(r, n);
	push(r);
	account_set(ACCOUNT_SAMPLED_OUT, 200);
	close_rig(r);
}

static struct trace_id trace_id(uint64_t n)
{
	struct trace_id id;
	uint64_t words[2] = {n, n};

	memcpy(id.bytes, words, sizeof(id.bytes));
	return id;
}

static void test_trace_set(void **state)
{
	struct trace_set *set = trace_set__new(8, 10 * S);
	struct trace_id none = {{0}}, id;
	uint32_t forgotten = 0;

	(void)state;
	forgotten += trace_set__add(set, &none, 100 * S);
	assert_false(trace_set__has(set, &none));
	for (uint64_t n = 1; n <= 16; n++) {
		id = trace_id(n);
		assert_false(trace_set__has(set, &id));
		forgotten += trace_set__add(set, &id, 100 * S);
		forgotten += trace_set__add(set, &id, 100 * S);
		assert_true(trace_set__has(set, &id));
	}
	assert_int_equal(forgotten, 0); /* two generations are full */
	id = trace_id(1);
	assert_true(trace_set__has(set, &id));
	id = trace_id(17);
	assert_int_equal(trace_set__add(set, &id, 100 * S), 8);
	id = trace_id(8);
	assert_false(trace_set__has(set, &id));
	id = trace_id(9);
	assert_true(trace_set__has(set, &id));
	id = trace_id(18);
	assert_int_equal(trace_set__add(set, &id, 110 * S), 0); /* in time */
	id = trace_id(9);
	assert_false(trace_set__has(set, &id));
	id = trace_id(17);
	assert_true(trace_set__has(set, &id));
	trace_set__free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keep_all),   cmocka_unit_test(test_whole_traces),
		cmocka_unit_test(test_consistent), cmocka_unit_test(test_late),
		cmocka_unit_test(test_bound),	   cmocka_unit_test(test_set),
		cmocka_unit_test(test_freed),	   cmocka_unit_test(test_trace_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
