// SPDX-License-Identifier: Apache-2.0
/* What flow tells of a request that CPU samples have named: which, when, by whom. */
#include "tests/unit/flow_rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: app\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define RECEIVER 501u
#define OTHER 502u

static struct served told;
static uint32_t told_cnt;

static void served(void *ctx, const struct served *s)
{
	(void)ctx;
	told = *s;
	told_cnt++;
}

static struct rig *new_rig(void)
{
	const struct flow_options options = {.served = served};

	told_cnt = 0;
	return rig_new(&options);
}

/* A request of which a sample is taken while it is served, answered by that thread. */
static void exchange(struct end *end, uint32_t answer_tid)
{
	end->tid = RECEIVER;
	ask(end, GET("/a"));
	flow__sampled(end->rig->flow, end->about.cookie, end->rx_off - strlen(GET("/a")));
	end->tid = answer_tid;
	answer(end, OK);
}

static void test_told(void **state)
{
	struct rig *rig = new_rig();
	struct end end = end_new(rig, ROLE_SERVER);

	(void)state;
	for (uint32_t n = 1; n <= 3; n++) {
		const struct seen *span;

		exchange(&end, RECEIVER);
		check_spans(rig, n);
		span = span_of(rig, SPAN_SERVER, n - 1);
		assert_int_equal(told_cnt, n);
		assert_true(told.cookie == end.about.cookie);
		assert_true(told.off == (n - 1) * strlen(GET("/a")));
		assert_true(told.start_ns == span->start_ns);
		assert_true(told.end_ns == span->end_ns);
		assert_memory_equal(&told.trace_id, &span->trace_id, sizeof(told.trace_id));
		assert_memory_equal(&told.span_id, &span->span_id, sizeof(told.span_id));
		assert_int_equal(told.tid, RECEIVER);
		assert_true(told.lone);
	}
	rig_finish(rig);
}

static void test_other_thread_answers(void **state)
{
	struct rig *rig = new_rig();
	struct end end = end_new(rig, ROLE_SERVER);

	(void)state;
	exchange(&end, OTHER);
	check_spans(rig, 1);
	assert_int_equal(told_cnt, 1);
	assert_int_equal(told.tid, 0);
	rig_finish(rig);
}

/* Nobody asked; a client's request; a request that never was; a connection that is not. */
static void test_not_told(void **state)
{
	struct rig *rig = new_rig();
	struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);

	(void)state;
	ask(&server, GET("/a"));
	answer(&server, OK);
	exchange(&client, RECEIVER);
	ask(&server, GET("/a"));
	flow__sampled(rig->flow, server.about.cookie, 5);
	flow__sampled(rig->flow, 12345, 0);
	answer(&server, OK);
	check_spans(rig, 3);
	assert_int_equal(told_cnt, 0);
	rig_finish(rig);
}

/* The sample comes before the request's head is whole. */
static void test_early_sample(void **state)
{
	struct rig *rig = new_rig();
	struct end end = end_new(rig, ROLE_SERVER);

	(void)state;
	end.tid = RECEIVER;
	ask(&end, "GET /a HT");
	flow__sampled(rig->flow, end.about.cookie, 0);
	pass(&end, FROM_CLIENT, "TP/1.1\r\nHost: x\r\n\r\n");
	answer(&end, OK);
	check_spans(rig, 1);
	assert_int_equal(told_cnt, 1);
	assert_true(told.off == 0 && told.lone && told.tid == RECEIVER);
	rig_finish(rig);
}

static void test_pipelined(void **state)
{
	struct rig *rig = new_rig();
	struct end end = end_new(rig, ROLE_SERVER);

	(void)state;
	end.tid = RECEIVER;
	rig->made++;
	ask(&end, GET("/a") GET("/b"));
	flow__sampled(rig->flow, end.about.cookie, 0);
	answer(&end, OK OK);
	check_spans(rig, 2);
	assert_int_equal(told_cnt, 1);
	assert_false(told.lone);
	rig_finish(rig);
}

/* Never answered: nobody is known to have served it. */
static void test_unanswered(void **state)
{
	struct rig *rig = new_rig();
	struct end end = end_new(rig, ROLE_SERVER);

	(void)state;
	end.tid = RECEIVER;
	ask(&end, GET("/a"));
	flow__sampled(rig->flow, end.about.cookie, 0);
	finish(&end, END_CLOSED, 0);
	check_spans(rig, 1);
	assert_int_equal(told_cnt, 1);
	assert_int_equal(told.tid, 0);
	rig_finish(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told),	  cmocka_unit_test(test_other_thread_answers),
		cmocka_unit_test(test_not_told),  cmocka_unit_test(test_early_sample),
		cmocka_unit_test(test_pipelined), cmocka_unit_test(test_unanswered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
