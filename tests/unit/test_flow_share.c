// SPDX-License-Identifier: Apache-2.0
/* Which requests others are told of while a thread works for them, and that their spans have those ids. */
#include <string.h>

#include "tests/unit/flow_rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: app\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define TRACED \
	"GET /a HTTP/1.1\r\nHost: app\r\ntraceparent: 00-" TRACE "-b7ad6b7169203331-01\r\n\r\n"
#define WORKER 501u
#define THREAD (22ull << 32 | WORKER)
#define HOLD (60 * MS) /* more than a server waits for its client */

static struct context_offer shared, ended;
static uint32_t offered_cnt, shared_cnt, ended_cnt;
static bool refuses;

static bool share(void *ctx, struct context_offer *offer)
{
	(void)ctx;
	offered_cnt++;
	if (refuses)
		return false;
	shared_cnt++;
	assert_int_equal(offer->tid, WORKER);
	assert_int_equal(offer->thread, 0);
	offer->thread = THREAD;
	shared = *offer;
	return true;
}

static void unshare(void *ctx, const struct context_offer *offer)
{
	(void)ctx;
	ended_cnt++;
	ended = *offer;
}

static struct rig *new_rig(void)
{
	const struct flow_options options = {.share = share, .unshare = unshare};

	offered_cnt = shared_cnt = ended_cnt = 0;
	refuses = false;
	return rig_new(&options);
}

static struct end new_server(struct rig *rig)
{
	struct end end = end_new(rig, ROLE_SERVER);

	end.tid = WORKER;
	return end;
}

static void check_ids(const struct seen *span)
{
	assert_memory_equal(shared.context.trace_id, &span->trace_id, sizeof(span->trace_id));
	assert_memory_equal(shared.context.span_id, &span->span_id, sizeof(span->span_id));
}

/* What was shared is over, and its span was made. */
static void check_ended(struct rig *rig)
{
	assert_int_equal(shared_cnt, 1);
	assert_int_equal(ended_cnt, 1);
	assert_true(ended.thread == THREAD);
	assert_memory_equal(&ended.context, &shared.context, sizeof(ended.context));
	check_ids(span_of(rig, SPAN_SERVER, 0));
}

/* Its client may be on this host: only once that would have come. */
static void test_root(void **state)
{
	struct rig *rig = new_rig();
	struct end server = new_server(rig);

	(void)state;
	ask(&server, GET("/a"));
	rig_wait(rig, 20 * MS);
	assert_int_equal(offered_cnt, 0);
	rig_wait(rig, HOLD);
	assert_int_equal(offered_cnt, 1);
	assert_true(shared.request_cookie == server.about.cookie && shared.request_off == 0);
	rig_wait(rig, HOLD);
	answer(&server, OK);
	check_spans(rig, 1);
	check_ended(rig);
	assert_int_equal(offered_cnt, 1);
	rig_finish(rig);
}

static void test_header(void **state)
{
	struct rig *rig = new_rig();
	struct end server = new_server(rig);

	(void)state;
	ask(&server, TRACED);
	rig_wait(rig, 1 * MS);
	assert_int_equal(shared_cnt, 1);
	answer(&server, OK);
	check_spans(rig, 1);
	check_ended(rig);
	rig_finish(rig);
}

/* Both ends are known: at the next drain, in the client's trace. */
static void test_joined(void **state)
{
	struct rig *rig = new_rig();
	struct end client, server;

	(void)state;
	ends_new(rig, &client, &server);
	server.tid = WORKER;
	ask(&client, GET("/a"));
	ask(&server, GET("/a"));
	rig_wait(rig, 1 * MS);
	assert_int_equal(shared_cnt, 1);
	answer(&server, OK);
	answer(&client, OK);
	check_spans(rig, 2);
	check_ended(rig);
	check_child(span_of(rig, SPAN_SERVER, 0), span_of(rig, SPAN_CLIENT, 0));
	rig_finish(rig);
}

/* The client comes when others know the server's ids: it follows them. */
static void test_late_client(void **state)
{
	struct rig *rig = new_rig();
	struct end client, server;

	(void)state;
	ends_new(rig, &client, &server);
	server.tid = WORKER;
	rig->made++;
	pass(&server, FROM_CLIENT, GET("/a"));
	rig_wait(rig, HOLD);
	assert_int_equal(shared_cnt, 1);
	ask(&client, GET("/a"));
	answer(&server, OK);
	answer(&client, OK);
	check_spans(rig, 2);
	check_ended(rig);
	assert_memory_equal(&span_of(rig, SPAN_SERVER, 0)->trace_id,
			    &span_of(rig, SPAN_CLIENT, 0)->trace_id, sizeof(struct trace_id));
	rig_finish(rig);
}

/* It is over within a drain; it is at something else; nobody asks for one of these. */
static void test_not_shared(void **state)
{
	static const char *const requests[] = {TRACED, TRACED TRACED};
	struct rig *rig = new_rig();
	struct end server = new_server(rig), client = end_new(rig, ROLE_CLIENT);

	(void)state;
	ask(&server, TRACED);
	answer(&server, OK);
	rig_wait(rig, HOLD);
	ask(&client, TRACED);
	rig_wait(rig, HOLD);
	answer(&client, OK);
	assert_int_equal(offered_cnt, 0);
	refuses = true;
	for (uint32_t i = 0; i < 2; i++) { /* the second: who knows which of them it is at? */
		rig->made += i;
		ask(&server, requests[i]);
		rig_wait(rig, HOLD);
		assert_int_equal(offered_cnt, 1);
		answer(&server, i ? OK OK : OK);
	}
	check_spans(rig, 5);
	assert_int_equal(ended_cnt, 0);
	rig_finish(rig);
}

/* The connection ends, or the tracer does. */
static void test_unanswered(void **state)
{
	(void)state;
	for (int closed = 0; closed <= 1; closed++) {
		struct rig *rig = new_rig();
		struct end server = new_server(rig);

		ask(&server, TRACED);
		rig_wait(rig, 1 * MS);
		assert_int_equal(shared_cnt, 1);
		if (closed) {
			finish(&server, END_CLOSED, 0);
			check_spans(rig, 1);
			check_ended(rig);
		}
		rig_finish(rig);
		assert_int_equal(ended_cnt, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root),	   cmocka_unit_test(test_header),
		cmocka_unit_test(test_joined),	   cmocka_unit_test(test_late_client),
		cmocka_unit_test(test_not_shared), cmocka_unit_test(test_unanswered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
