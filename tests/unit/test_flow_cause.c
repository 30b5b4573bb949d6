// SPDX-License-Identifier: Apache-2.0
/* Requests that are sent for others: their parents, and of which trace they are. */
#include "tests/unit/flow_rig.h"
#include "user/flow/join.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: app\r\n\r\n"
#define HOPS (TRACE_DEPTH_MAX / 2 + 1)
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define POST_HEAD(n) "POST /post HTTP/1.1\r\nHost: app\r\nContent-Length: " #n "\r\n\r\n"
#define HEADER "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"

/* What the client sends next, len bytes, is for what the server last received: the last n bytes. */
static void cause_by(enum cause_method method, struct end *client, uint32_t len,
		     const struct end *server, uint32_t n)
{
	struct record_cause *record = calloc(1, sizeof(*record));

	assert_non_null(record);
	*record = (struct record_cause){
		.head = {.size = sizeof(*record), .kind = RECORD_CAUSE, .flags = (uint16_t)method},
		.cookie = client->about.cookie,
		.off = client->tx_off,
		.len = len,
		.request_cookie = server->about.cookie,
		.request_off = server->rx_off - n,
		.request_len = n,
	};
	if (!client->announced)
		announce(client);
	assert_true(record_valid(record, sizeof(*record)));
	flow__record(client->rig->flow, &record->head);
	free(record);
}

static void cause(struct end *client, uint32_t len, const struct end *server, uint32_t n)
{
	cause_by(CAUSE_TASK, client, len, server, n);
}

static void ask_for(struct end *client, const char *text, const struct end *server, size_t n)
{
	cause(client, (uint32_t)strlen(text), server, (uint32_t)n);
	ask(client, text);
}

static const struct seen *seen_of(const struct rig *rig, const char *path, enum span_kind kind)
{
	for (uint32_t i = 0; i < rig->spans_cnt; i++)
		if (rig->spans[i].kind == kind && strstr(rig->spans[i].path, path))
			return &rig->spans[i];
	fail_msg("no span of %s", path);
	return NULL;
}

static void check_parent(const struct seen *child, const struct seen *parent, const char *method)
{
	assert_string_equal(child->method, method);
	assert_memory_equal(&child->parent_id, &parent->span_id, 8);
	assert_memory_equal(&child->trace_id, &parent->trace_id, 16);
}

static void check_parentless(const struct seen *seen, const char *method)
{
	assert_string_equal(seen->method, method);
	assert_memory_equal(&seen->parent_id, &(struct span_id){{0}}, 8);
}

/* A request, and what was sent for it: two calls, one after the other. */
static void test_calls(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);
	const struct seen *parent;

	(void)state;
	ask(&server, GET("/in"));
	for (int i = 0; i < 2; i++) {
		ask_for(&client, i ? GET("/two") : GET("/one"), &server, strlen(GET("/in")));
		answer(&client, OK_EMPTY);
	}
	answer(&server, OK_EMPTY);
	rig_wait(rig, 200 * MS);
	parent = seen_of(rig, "/in", SPAN_SERVER);
	check_parentless(parent, "none");
	check_parent(seen_of(rig, "/one", SPAN_CLIENT), parent, "task");
	check_parent(seen_of(rig, "/two", SPAN_CLIENT), parent, "task");
	rig_finish(rig);
}

/* The request's body is what was received last. */
static void test_body(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);

	(void)state;
	ask(&server, POST_HEAD(1000));
	pass_body(&server, FROM_CLIENT, 1000, 1000);
	ask_for(&client, GET("/out"), &server, 1000);
	answer(&client, OK_EMPTY);
	answer(&server, OK_EMPTY);
	rig_wait(rig, 200 * MS);
	check_parent(seen_of(rig, "/out", SPAN_CLIENT), seen_of(rig, "/post", SPAN_SERVER), "task");
	rig_finish(rig);
}

/* What is sent after the answer may be anybody's. */
static void test_answered(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);

	(void)state;
	ask(&server, GET("/in"));
	answer(&server, OK_EMPTY);
	ask_for(&client, GET("/out"), &server, strlen(GET("/in")));
	answer(&client, OK_EMPTY);
	rig_wait(rig, 200 * MS);
	check_parentless(seen_of(rig, "/out", SPAN_CLIENT), "none");
	rig_finish(rig);
}

/* Two requests came at once, and the first is not answered: no telling. After that, there is. */
static void test_two_at_once(void **state)
{
	static const char both[] = GET("/first") GET("/second");
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);
	const struct seen *unclear;

	(void)state;
	rig->made++;
	ask(&server, both);
	ask_for(&client, GET("/unclear"), &server, strlen(both));
	answer(&client, OK_EMPTY);
	answer(&server, OK_EMPTY);
	ask_for(&client, GET("/clear"), &server, strlen(both));
	answer(&client, OK_EMPTY);
	answer(&server, OK_EMPTY);
	rig_wait(rig, 200 * MS);
	unclear = seen_of(rig, "/unclear", SPAN_CLIENT);
	check_parentless(unclear, "ambiguous");
	assert_int_equal(unclear->candidates, 2);
	check_parent(seen_of(rig, "/clear", SPAN_CLIENT), seen_of(rig, "/second", SPAN_SERVER),
		     "task");
	rig_finish(rig);
}

/* What is received while the request before it is not answered belongs to either. */
static void test_read_ahead(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);

	(void)state;
	ask(&server, GET("/first"));
	ask(&server, GET("/second"));
	ask_for(&client, GET("/unclear"), &server, strlen(GET("/second")));
	answer(&client, OK_EMPTY);
	answer(&server, OK_EMPTY);
	answer(&server, OK_EMPTY);
	rig_wait(rig, 200 * MS);
	check_parentless(seen_of(rig, "/unclear", SPAN_CLIENT), "ambiguous");
	rig_finish(rig);
}

/* Some threads may get other work once they have begun to answer. */
static void test_answering(void **state)
{
	static const char begun[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345";
	static const char *const parents[] = {[CAUSE_TASK] = "task", [CAUSE_UNANSWERED] = "none"};

	(void)state;
	for (enum cause_method method = CAUSE_TASK; method <= CAUSE_UNANSWERED; method++) {
		struct rig *rig = rig_new(NULL);
		struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);

		ask(&server, GET("/in"));
		answer(&server, begun);
		cause_by(method, &client, sizeof(GET("/out")) - 1, &server, sizeof(GET("/in")) - 1);
		ask(&client, GET("/out"));
		answer(&client, OK_EMPTY);
		answer(&server, "67890");
		rig_wait(rig, 200 * MS);
		assert_string_equal(seen_of(rig, "/out", SPAN_CLIENT)->method, parents[method]);
		rig_finish(rig);
	}
}

/* Who sends on a connection that others use, too, may send for them. */
static void test_shared(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);

	(void)state;
	ask(&server, GET("/in"));
	ask(&client, GET("/others"));
	ask_for(&client, GET("/while"), &server, strlen(GET("/in")));
	answer(&client, OK_EMPTY);
	answer(&client, OK_EMPTY);
	ask_for(&client, GET("/later"), &server, strlen(GET("/in")));
	answer(&client, OK_EMPTY);
	answer(&server, OK_EMPTY);
	rig_wait(rig, 200 * MS);
	check_parentless(seen_of(rig, "/while", SPAN_CLIENT), "none");
	check_parentless(seen_of(rig, "/later", SPAN_CLIENT), "none");
	rig_finish(rig);
}

/* What another thread hears the answer to was not sent for the sender's own work. */
static void test_answered_elsewhere(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);
	const struct seen *parent, *child;

	(void)state;
	ask(&server, GET("/in"));
	client.tid = 1;
	ask_for(&client, GET("/out"), &server, strlen(GET("/in")));
	client.tid = 2;
	answer(&client, OK_EMPTY);
	answer(&server, OK_EMPTY);
	rig_wait(rig, 200 * MS);
	parent = seen_of(rig, "/in", SPAN_SERVER);
	child = seen_of(rig, "/out", SPAN_CLIENT);
	check_parentless(child, "none");
	assert_memory_not_equal(&child->trace_id, &parent->trace_id, 16);
	rig_finish(rig);
}

/* The span of who was asked is not told before that is certain, so both become a trace of their own. */
static void test_asked_elsewhere(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end outer, server, client, backend;
	const struct seen *parent, *child;

	(void)state;
	ends_new(rig, &outer, &server);
	ends_new(rig, &client, &backend);
	ask(&outer, GET("/in"));
	ask(&server, GET("/in"));
	client.tid = 1;
	ask_for(&client, GET("/out"), &server, strlen(GET("/in")));
	ask(&backend, GET("/out"));
	answer(&backend, OK_EMPTY);
	rig_wait(rig, 20 * MS);
	client.tid = 2;
	answer(&client, OK_EMPTY);
	answer(&server, OK_EMPTY);
	answer(&outer, OK_EMPTY);
	rig_wait(rig, 200 * MS);
	parent = seen_of(rig, "/in", SPAN_SERVER);
	child = seen_of(rig, "/out", SPAN_CLIENT);
	check_parentless(child, "none");
	check_parent(seen_of(rig, "/out", SPAN_SERVER), child, "socket");
	assert_memory_not_equal(&child->trace_id, &parent->trace_id, 16);
	rig_finish(rig);
}

/* A cause is of the operation that follows, and of no other. */
static void test_other_operation(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);

	(void)state;
	ask(&server, GET("/in"));
	ask_for(&client, GET("/mine"), &server, strlen(GET("/in")));
	answer(&client, OK_EMPTY);
	ask(&client, GET("/other"));
	answer(&client, OK_EMPTY);
	answer(&server, OK_EMPTY);
	rig_wait(rig, 200 * MS);
	check_parentless(seen_of(rig, "/other", SPAN_CLIENT), "none");
	rig_finish(rig);
}

/* What the caller says of the parent in a header goes first. */
static void test_header(void **state)
{
	static const char request[] = "GET /out HTTP/1.1\r\nHost: app\r\n" HEADER "\r\n";
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);

	(void)state;
	ask(&server, GET("/in"));
	ask_for(&client, request, &server, strlen(GET("/in")));
	answer(&client, OK_EMPTY);
	answer(&server, OK_EMPTY);
	rig_wait(rig, 200 * MS);
	assert_string_equal(seen_of(rig, "/out", SPAN_CLIENT)->method, "header");
	rig_finish(rig);
}

/*
 * A chain of three programs on one host, whose records come late: the first client's after all that its
 * request has caused. It is one trace nevertheless.
 */
static void test_late_client(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end a, b, c, d;
	const struct seen *first, *second, *third, *fourth;

	(void)state;
	ends_new(rig, &a, &b);
	ends_new(rig, &c, &d);
	rig->made += 2;
	pass(&b, FROM_CLIENT, GET("/in"));
	cause(&c, (uint32_t)strlen(GET("/out")), &b, (uint32_t)strlen(GET("/in")));
	pass(&c, FROM_CLIENT, GET("/out"));
	pass(&d, FROM_CLIENT, GET("/out"));
	answer(&d, OK_EMPTY);
	answer(&c, OK_EMPTY);
	answer(&b, OK_EMPTY);
	ask(&a, GET("/in"));
	answer(&a, OK_EMPTY);
	rig->made++;
	rig_wait(rig, 200 * MS);
	first = seen_of(rig, "/in", SPAN_CLIENT);
	second = seen_of(rig, "/in", SPAN_SERVER);
	third = seen_of(rig, "/out", SPAN_CLIENT);
	fourth = seen_of(rig, "/out", SPAN_SERVER);
	check_parentless(first, "none");
	check_parent(second, first, "socket");
	check_parent(third, second, "task");
	check_parent(fourth, third, "socket");
	rig_finish(rig);
}

/* Where the parent of what was sent is lost, that becomes a root. */
static void test_lost_parent(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);

	(void)state;
	ask(&server, GET("/in"));
	ask_for(&client, GET("/out"), &server, strlen(GET("/in")));
	announce(&server); /* again: it is lost */
	answer(&client, OK_EMPTY);
	rig_wait(rig, 200 * MS);
	check_parentless(seen_of(rig, "/out", SPAN_CLIENT), "none");
	rig_finish(rig);
}

/* A chain of more spans than a trace may have goes on as another trace. */
static void test_depth(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server[HOPS], client[HOPS];
	uint32_t roots = 0;

	(void)state;
	for (int i = 0; i < HOPS; i++) {
		ends_new(rig, &client[i], &server[i]);
		if (i)
			cause(&client[i], (uint32_t)strlen(GET("/hop")), &server[i - 1],
			      (uint32_t)strlen(GET("/hop")));
		ask(&client[i], GET("/hop"));
		ask(&server[i], GET("/hop"));
	}
	for (int i = HOPS - 1; i >= 0; i--) {
		answer(&server[i], OK_EMPTY);
		answer(&client[i], OK_EMPTY);
	}
	rig_wait(rig, 200 * MS);
	check_spans(rig, 2 * HOPS);
	for (uint32_t i = 0; i < rig->spans_cnt; i++)
		roots += strcmp(rig->spans[i].method, "none") == 0;
	assert_int_equal(roots, 2);
	rig_finish(rig);
}

/* A request that goes on sending, more than its trace takes. */
static void test_spans_of_trace(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);
	uint32_t called_cnt = 0;

	(void)state;
	ask(&server, GET("/in"));
	for (int i = 0; i < TRACE_SPANS_MAX + 2; i++) {
		ask_for(&client, GET("/call"), &server, strlen(GET("/in")));
		answer(&client, OK_EMPTY);
	}
	answer(&server, OK_EMPTY);
	rig_wait(rig, 200 * MS);
	for (uint32_t i = 0; i < rig->spans_cnt; i++)
		called_cnt += strcmp(rig->spans[i].method, "task") == 0;
	assert_int_equal(called_cnt, TRACE_SPANS_MAX);
	check_count(ACCOUNT_PARENTS_REFUSED, 2);
	rig_finish(rig);
}

/* Or for longer than it grows. */
static void test_age_of_trace(void **state)
{
	struct flow_options options = {.exchange_timeout_ns = 2 * TRACE_AGE_MAX_NS};
	struct rig *rig = rig_new(&options);
	struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);

	(void)state;
	ask(&server, GET("/in"));
	rig->now_ns += TRACE_AGE_MAX_NS - 100 * MS;
	ask_for(&client, GET("/yet"), &server, strlen(GET("/in")));
	answer(&client, OK_EMPTY);
	rig->now_ns += 200 * MS;
	ask_for(&client, GET("/late"), &server, strlen(GET("/in")));
	answer(&client, OK_EMPTY);
	answer(&server, OK_EMPTY);
	rig_wait(rig, 200 * MS);
	check_parent(seen_of(rig, "/yet", SPAN_CLIENT), seen_of(rig, "/in", SPAN_SERVER), "task");
	check_parentless(seen_of(rig, "/late", SPAN_CLIENT), "none");
	check_count(ACCOUNT_PARENTS_REFUSED, 1);
	rig_finish(rig);
}

/* A request of HTTP/2, 15 bytes: stream, path of one letter. */
#define STREAM(id, letter) "\0\0\6\1\5\0\0\0" id "\x82\x86\4\2/" letter
#define STREAM_SZ 15u
#define ANSWER(id) "\0\0\1\1\5\0\0\0" id "\x89"
#define ANSWER_SZ 10u
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"

/* A server of HTTP/2 whose client has said that it speaks it. */
static struct end http2_server(struct rig *rig)
{
	struct end server = end_new(rig, ROLE_SERVER);

	end_op(&server, false, PREFACE, sizeof(PREFACE) - 1);
	end_op(&server, true, "\0\0\0\4\0\0\0\0\0", 9);
	return server;
}

/* Each of several at once has a goroutine, which is known by the bytes that it was created for. */
static void test_streams(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = http2_server(rig), client = end_new(rig, ROLE_CLIENT);

	(void)state;
	rig->made += 2;
	end_op(&server, false, STREAM("\1", "a"), STREAM_SZ);
	end_op(&server, false, STREAM("\3", "b"), STREAM_SZ);
	cause_by(CAUSE_GOROUTINE, &client, sizeof(GET("/for-b")) - 1, &server, STREAM_SZ);
	ask(&client, GET("/for-b"));
	answer(&client, OK_EMPTY);
	cause_by(CAUSE_GOROUTINE, &client, sizeof(GET("/for-a")) - 1, &server, 2 * STREAM_SZ);
	ask(&client, GET("/for-a"));
	answer(&client, OK_EMPTY);
	end_op(&server, true, ANSWER("\1"), ANSWER_SZ);
	end_op(&server, true, ANSWER("\3"), ANSWER_SZ);
	rig_wait(rig, 200 * MS);
	check_parent(seen_of(rig, "/for-b", SPAN_CLIENT), seen_of(rig, "/b", SPAN_SERVER),
		     "goroutine");
	check_parentless(seen_of(rig, "/for-a", SPAN_CLIENT), "ambiguous");
	rig_finish(rig);
}

/* What came together cannot be told apart, also when only one of the two is left. */
static void test_streams_together(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = http2_server(rig), client = end_new(rig, ROLE_CLIENT);

	(void)state;
	rig->made += 2;
	end_op(&server, false, STREAM("\1", "a") STREAM("\3", "b"), 2 * STREAM_SZ);
	end_op(&server, true, ANSWER("\1"), ANSWER_SZ);
	cause_by(CAUSE_GOROUTINE, &client, sizeof(GET("/late")) - 1, &server, 2 * STREAM_SZ);
	ask(&client, GET("/late"));
	answer(&client, OK_EMPTY);
	end_op(&server, true, ANSWER("\3"), ANSWER_SZ);
	rig_wait(rig, 200 * MS);
	check_parentless(seen_of(rig, "/late", SPAN_CLIENT), "ambiguous");
	rig_finish(rig);
}

/* So it is with two that were sent at once, though they are answered one after the other. */
static void test_pipelined(void **state)
{
	static const enum cause_method methods[] = {CAUSE_TASK, CAUSE_GOROUTINE};
	static const char *const parents[] = {"task", "ambiguous"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rig *rig = rig_new(NULL);
		struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);

		rig->made++;
		ask(&server, GET("/first") GET("/second"));
		answer(&server, OK_EMPTY);
		cause_by(methods[i], &client, sizeof(GET("/late")) - 1, &server,
			 sizeof(GET("/first") GET("/second")) - 1);
		ask(&client, GET("/late"));
		answer(&client, OK_EMPTY);
		answer(&server, OK_EMPTY);
		rig_wait(rig, 200 * MS);
		assert_string_equal(seen_of(rig, "/late", SPAN_CLIENT)->method, parents[i]);
		rig_finish(rig);
	}
}

/* On a connection that many share, who sends one request of its own is believed, and who may send others' is not. */
static void test_streams_shared(void **state)
{
	static const enum cause_method methods[] = {CAUSE_STREAM, CAUSE_GOROUTINE};
	static const char *const parents[] = {"goroutine", "none"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rig *rig = rig_new(NULL);
		struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);

		ask(&server, GET("/in"));
		rig->made += 2;
		end_op(&client, true, PREFACE STREAM("\1", "a"), sizeof(PREFACE) - 1 + STREAM_SZ);
		cause_by(methods[i], &client, STREAM_SZ, &server, sizeof(GET("/in")) - 1);
		end_op(&client, true, STREAM("\3", "b"), STREAM_SZ);
		end_op(&client, false, "\0\0\0\4\0\0\0\0\0" ANSWER("\1"), 9 + ANSWER_SZ);
		end_op(&client, false, ANSWER("\3"), ANSWER_SZ);
		answer(&server, OK_EMPTY);
		rig_wait(rig, 200 * MS);
		assert_string_equal(seen_of(rig, "/b", SPAN_CLIENT)->method, parents[i]);
		rig_finish(rig);
	}
}

/* The request that the client sends next as that stream is sent for that stream of the server. */
static void cause_of_stream(struct end *client, uint32_t id, const struct end *server,
			    uint32_t request_id)
{
	struct record_cause record = {
		.head = {.size = sizeof(record), .kind = RECORD_CAUSE, .flags = CAUSE_STREAM},
		.cookie = client->about.cookie,
		.request_cookie = server->about.cookie,
		.request_len = 1,
		.id = id,
		.request_id = request_id,
	};

	if (!client->announced)
		announce(client);
	assert_true(record_valid(&record, sizeof(record)));
	flow__record(client->rig->flow, &record.head);
}

/* One goroutine sends the streams of many, which have come together, in any order. */
static void test_streams_by_id(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = http2_server(rig), client = end_new(rig, ROLE_CLIENT);

	(void)state;
	rig->made += 6;
	end_op(&server, false, STREAM("\1", "a") STREAM("\3", "b"), 2 * STREAM_SZ);
	cause_of_stream(&client, 1, &server, 3);
	cause_of_stream(&client, 5, &server, 1);
	cause_of_stream(&client, 7, &server, 5); /* there is none */
	end_op(&client, true, PREFACE STREAM("\1", "c") STREAM("\3", "d"),
	       sizeof(PREFACE) - 1 + 2 * STREAM_SZ);
	end_op(&client, true, STREAM("\5", "e") STREAM("\7", "f"), 2 * STREAM_SZ);
	end_op(&client, false, "\0\0\0\4\0\0\0\0\0" ANSWER("\1") ANSWER("\3"), 9 + 2 * ANSWER_SZ);
	end_op(&client, false, ANSWER("\5") ANSWER("\7"), 2 * ANSWER_SZ);
	end_op(&server, true, ANSWER("\1") ANSWER("\3"), 2 * ANSWER_SZ);
	rig_wait(rig, 200 * MS);
	check_parent(seen_of(rig, "/c", SPAN_CLIENT), seen_of(rig, "/b", SPAN_SERVER), "goroutine");
	check_parentless(seen_of(rig, "/d", SPAN_CLIENT), "none");
	check_parent(seen_of(rig, "/e", SPAN_CLIENT), seen_of(rig, "/a", SPAN_SERVER), "goroutine");
	check_parentless(seen_of(rig, "/f", SPAN_CLIENT), "none");
	rig_finish(rig);
}

/* What was said of a stream is said of no other connection's, and once. */
static void test_streams_by_id_elsewhere(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = http2_server(rig), client = end_new(rig, ROLE_CLIENT);
	struct end other = end_new(rig, ROLE_CLIENT);

	(void)state;
	rig->made += 2;
	end_op(&server, false, STREAM("\1", "a"), STREAM_SZ);
	cause_of_stream(&client, 1, &server, 1);
	end_op(&other, true, PREFACE STREAM("\1", "b"), sizeof(PREFACE) - 1 + STREAM_SZ);
	end_op(&other, false, "\0\0\0\4\0\0\0\0\0" ANSWER("\1"), 9 + ANSWER_SZ);
	end_op(&server, true, ANSWER("\1"), ANSWER_SZ);
	rig_wait(rig, 200 * MS);
	check_parentless(seen_of(rig, "/b", SPAN_CLIENT), "none");
	rig_finish(rig);
}

/* Recordings of before there were ids. */
static void test_without_ids(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);
	struct record_cause record = {
		.head = {.size = RECORD_CAUSE_MIN, .kind = RECORD_CAUSE, .flags = CAUSE_TASK},
		.cookie = client.about.cookie,
		.request_cookie = server.about.cookie,
		.len = sizeof(GET("/out")) - 1,
		.request_len = sizeof(GET("/in")) - 1,
	};
	void *bytes = malloc(RECORD_CAUSE_MIN);

	(void)state;
	assert_non_null(bytes);
	memcpy(bytes, &record, RECORD_CAUSE_MIN);
	ask(&server, GET("/in"));
	announce(&client);
	assert_true(record_valid(bytes, RECORD_CAUSE_MIN));
	flow__record(rig->flow, bytes);
	free(bytes);
	ask(&client, GET("/out"));
	answer(&client, OK_EMPTY);
	answer(&server, OK_EMPTY);
	rig_wait(rig, 200 * MS);
	check_parent(seen_of(rig, "/out", SPAN_CLIENT), seen_of(rig, "/in", SPAN_SERVER), "task");
	rig_finish(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_answered),
		cmocka_unit_test(test_two_at_once),
		cmocka_unit_test(test_read_ahead),
		cmocka_unit_test(test_answering),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_answered_elsewhere),
		cmocka_unit_test(test_asked_elsewhere),
		cmocka_unit_test(test_other_operation),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_late_client),
		cmocka_unit_test(test_lost_parent),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_streams_together),
		cmocka_unit_test(test_streams_shared),
		cmocka_unit_test(test_streams_by_id),
		cmocka_unit_test(test_streams_by_id_elsewhere),
		cmocka_unit_test(test_without_ids),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_spans_of_trace),
		cmocka_unit_test(test_age_of_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
