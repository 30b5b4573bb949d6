// SPDX-License-Identifier: Apache-2.0
/* The two ends of a connection on one host: when they are one trace, and when they must not be. */
#include "tests/unit/flow_rig.h"
#include "user/flow/join.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: app\r\n\r\n"
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define HEADER "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"

#define CNT(array) (sizeof(array) / sizeof(*(array)))

/* The order in which the records of one exchange come. */
enum step {
	CLIENT_ASKS,
	SERVER_IS_ASKED,
	SERVER_ANSWERS,
	CLIENT_IS_ANSWERED,
	NO_STEP,
};

static const enum step orders[][4] = {
	{CLIENT_ASKS, SERVER_IS_ASKED, SERVER_ANSWERS, CLIENT_IS_ANSWERED},
	{SERVER_IS_ASKED, CLIENT_ASKS, SERVER_ANSWERS, CLIENT_IS_ANSWERED},
	/* The server is done before the client's request is known. */
	{SERVER_IS_ASKED, SERVER_ANSWERS, CLIENT_ASKS, CLIENT_IS_ANSWERED},
	{CLIENT_ASKS, SERVER_IS_ASKED, CLIENT_IS_ANSWERED, SERVER_ANSWERS},
};

/* Each step happens at its own time, whenever its record comes: asked at 0, 1 ms; answered at 2, 3. */
static void take(struct end *client, struct end *server, enum step step, const char *request)
{
	struct rig *rig = client->rig;
	uint64_t begin_ns = rig->now_ns;

	rig->now_ns += (uint64_t)step * MS;
	switch (step) {
	case CLIENT_ASKS:
		ask(client, request);
		break;
	case SERVER_IS_ASKED:
		ask(server, request);
		break;
	case SERVER_ANSWERS:
		answer(server, OK_EMPTY);
		break;
	case CLIENT_IS_ANSWERED:
		answer(client, OK_EMPTY);
		break;
	case NO_STEP:
		break;
	}
	rig->now_ns = begin_ns;
}

static void exchange(struct end *client, struct end *server, const enum step order[4],
		     const char *request)
{
	for (int i = 0; i < 4; i++)
		take(client, server, order[i], request);
	client->rig->now_ns += 10 * MS;
}

static void test_orders(void **state)
{
	(void)state;
	for (size_t i = 0; i < CNT(orders); i++) {
		for (int is_unix = 0; is_unix < 2; is_unix++) {
			struct rig *rig = rig_new(NULL);
			struct end client, server;

			ends_new(rig, &client, &server);
			if (is_unix)
				make_unix(&client, &server);
			for (uint32_t n = 0; n < 3; n++) {
				const struct seen *c, *s;

				exchange(&client, &server, orders[i], GET("/a"));
				check_spans(rig, 2 * n + 2);
				c = span_of(rig, SPAN_CLIENT, n);
				s = span_of(rig, SPAN_SERVER, n);
				check_child(s, c);
				check_root(c);
				assert_int_equal(c->pid, CLIENT_PROCESS);
				assert_int_equal(s->pid, SERVER_PROCESS);
				assert_int_equal(s->flags,
						 0x303); /* remote parent, sampled, random */
				assert_int_equal(c->flags, 0x103);
			}
			rig_finish(rig);
		}
	}
}

/* Only the answer tells what is spoken, and each end learns that from its own record of it. */
static void test_found_by_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < CNT(orders); i++) {
		struct rig *rig = rig_new(NULL);
		struct end client, server;

		ends_new(rig, &client, &server);
		for (int step = 0; step < 4; step++) {
			struct end *end = orders[i][step] == CLIENT_ASKS ||
							  orders[i][step] == CLIENT_IS_ANSWERED
						  ? &client
						  : &server;

			if (orders[i][step] == CLIENT_ASKS || orders[i][step] == SERVER_IS_ASKED)
				ask(end, "mn\r\n");
			else
				answer(end, "MN\r\n");
			flow__tick(rig->flow, rig->now_ns, RIG_UNIX_OFFSET);
		}
		check_spans(rig, 2);
		check_child(span_of(rig, SPAN_SERVER, 0), span_of(rig, SPAN_CLIENT, 0));
		rig_finish(rig);
	}
}

/* Its server is elsewhere: the client's span is not kept for long. */
static void test_found_by_answer_alone(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = end_new(rig, ROLE_CLIENT);

	(void)state;
	for (uint32_t n = 0; n < 2; n++) {
		ask(&client, "mn\r\n");
		answer(&client, "MN\r\n");
		flow__tick(rig->flow, rig->now_ns, RIG_UNIX_OFFSET);
		assert_int_equal(rig->spans_cnt, 2 * n); /* the second one is known by itself */
		check_spans(rig, n + 1);
		check_root(span_of(rig, SPAN_CLIENT, n));
	}
	rig_finish(rig);
}

/* Both ends may be seen late: the server's time is bounded by what the client knows. */
static void test_times_are_nested(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client, server;

	(void)state;
	ends_new(rig, &client, &server);
	ask(&server, GET("/a"));
	ask(&client, GET("/a")); /* noted after the server had read it */
	answer(&client, OK_EMPTY);
	answer(&server, OK_EMPTY); /* noted after the client had read it */
	check_spans(rig, 2);
	check_child(span_of(rig, SPAN_SERVER, 0), span_of(rig, SPAN_CLIENT, 0));
	rig_finish(rig);
}

/* The client's record comes too late, or never. */
static void test_hold_expires(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client, server;

	(void)state;
	ends_new(rig, &client, &server);
	ask(&server, GET("/a"));
	answer(&server, OK_EMPTY);
	rig_wait(rig, 40 * MS);
	assert_int_equal(rig->spans_cnt, 0);
	rig_wait(rig, 20 * MS);
	assert_int_equal(rig->spans_cnt, 1);
	check_root(&rig->spans[0]);
	ask(&client, GET("/a"));
	answer(&client, OK_EMPTY);
	/* Nobody is known on the other side: the next ones do not wait. */
	ask(&server, GET("/b"));
	answer(&server, OK_EMPTY);
	rig_wait(rig, 20 * MS);
	assert_int_equal(rig->spans_cnt, 3);
	/* Until the other side is found after all. */
	ask(&client, GET("/b"));
	answer(&client, OK_EMPTY);
	exchange(&client, &server, orders[0], GET("/c"));
	exchange(&client, &server, orders[2], GET("/d"));
	check_spans(rig, 8);
	check_child(span_of(rig, SPAN_SERVER, 2), span_of(rig, SPAN_CLIENT, 2));
	check_child(span_of(rig, SPAN_SERVER, 3), span_of(rig, SPAN_CLIENT, 3));
	rig_finish(rig);
}

static void test_header(void **state)
{
	static const char request[] = "GET /a HTTP/1.1\r\n" HEADER "tracestate: a=b,c=d\r\n\r\n";
	static const uint8_t parent[8] = {0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31};

	(void)state;
	for (size_t i = 0; i < CNT(orders); i++) {
		struct rig *rig = rig_new(NULL);
		struct end client, server;

		ends_new(rig, &client, &server);
		exchange(&client, &server, orders[i], request);
		/* A parent from outside needs no waiting. */
		rig_wait(rig, MS);
		assert_int_equal(rig->spans_cnt, 2);
		for (int n = 0; n < 2; n++) {
			assert_string_equal(rig->spans[n].method, "header");
			assert_memory_equal(rig->spans[n].parent_id.bytes, parent, 8);
			assert_int_equal(rig->spans[n].trace_id.bytes[0], 0x0a);
			assert_int_equal(rig->spans[n].flags, 0x301);
			assert_string_equal(rig->spans[n].trace_state, "a=b,c=d");
		}
		assert_memory_not_equal(&rig->spans[0].span_id, &rig->spans[1].span_id, 8);
		rig_finish(rig);
	}
}

/* A header that is not valid is as good as none. */
static void test_bad_header(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client, server;

	(void)state;
	ends_new(rig, &client, &server);
	exchange(&client, &server, orders[0],
		 "GET /a HTTP/1.1\r\ntraceparent: 00-zz-b7ad6b7169203331-01\r\n\r\n");
	check_spans(rig, 2);
	check_child(span_of(rig, SPAN_SERVER, 0), span_of(rig, SPAN_CLIENT, 0));
	rig_finish(rig);
}

static void test_header_of_others(void **state)
{
	static const uint8_t parent[8] = {0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31};
	struct rig *rig = rig_new(NULL);
	struct end client, server;

	(void)state;
	ends_new(rig, &client, &server);
	exchange(&client, &server, orders[0],
		 "GET /a HTTP/1.1\r\nX-Forwarded-For: a\r\nX-B3-SpanId: b7ad6b7169203331\r\n"
		 "x-b3-traceid : 0af7651916cd43dd8448eb211c80319c\r\nX-B3-Sampled: 0\r\n\r\n");
	check_spans(rig, 2);
	for (int n = 0; n < 2; n++) {
		assert_string_equal(rig->spans[n].method, "header");
		assert_string_equal(rig->spans[n].header, "x-b3-traceid");
		assert_memory_equal(rig->spans[n].parent_id.bytes, parent, 8);
		assert_int_equal(rig->spans[n].trace_id.bytes[0], 0x0a);
		assert_int_equal(rig->spans[n].flags, 0x300);
	}
	rig_finish(rig);
}

/* A load balancer names the trace and no span: the parent is what the socket tells. */
static void test_header_of_trace(void **state)
{
	for (size_t i = 0; i < CNT(orders); i++) {
		struct rig *rig = rig_new(NULL);
		struct end client, server;
		const struct seen *root;

		(void)state;
		ends_new(rig, &client, &server);
		exchange(&client, &server, orders[i],
			 "GET /a HTTP/1.1\r\nX-Amzn-Trace-Id: "
			 "Root=1-0af76519-16cd43dd8448eb211c80319c\r\n\r\n");
		check_spans(rig, 2);
		root = span_of(rig, SPAN_CLIENT, 0);
		check_root(root);
		assert_string_equal(root->header, "x-amzn-trace-id");
		assert_int_equal(root->trace_id.bytes[0], 0x0a);
		check_child(span_of(rig, SPAN_SERVER, 0), root);
		assert_string_equal(span_of(rig, SPAN_SERVER, 0)->header, "");
		rig_finish(rig);
	}
}

/* What makes two ends one connection, and what does not. */
enum change {
	SAME,
	TRANSLATED,	      /* addresses differ */
	TRANSLATED_OTHER_SEQ, /* and the other direction's sequence too */
	OTHER_SEQ,
	MAPPED, /* the server's socket is an IPv6 one */
	OTHER_FAMILY,
	FAR, /* more than 5 s apart */
};

static void change_server(struct end *server, enum change change)
{
	struct record_connection *about = &server->about;

	switch (change) {
	case SAME:
		break;
	case TRANSLATED_OTHER_SEQ:
		server->tx_seq++;
		/* fall through */
	case TRANSLATED:
		about->remote_addr[3]++;
		about->remote_port++;
		about->local_port = 8080;
		break;
	case OTHER_SEQ:
		server->rx_seq++;
		break;
	case MAPPED:
		about->family = FAMILY_INET6;
		memmove(about->local_addr + 12, about->local_addr, 4);
		memmove(about->remote_addr + 12, about->remote_addr, 4);
		for (int i = 0; i < 12; i++)
			about->local_addr[i] = about->remote_addr[i] = i < 10 ? 0 : 0xff;
		break;
	case OTHER_FAMILY:
		about->family = FAMILY_INET6;
		server->tx_seq++;
		break;
	case FAR:
		server->rig->now_ns += 6 * SECOND;
		break;
	}
}

static void test_identity(void **state)
{
	static const struct {
		enum change change;
		bool joined;
	} cases[] = {
		{SAME, true},	    {TRANSLATED, true}, {TRANSLATED_OTHER_SEQ, false},
		{OTHER_SEQ, false}, {MAPPED, true},	{OTHER_FAMILY, false},
		{FAR, false},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct rig *rig = rig_new(NULL);
		struct end client, server;

		ends_new(rig, &client, &server);
		ask(&client, GET("/a"));
		change_server(&server, cases[i].change);
		ask(&server, GET("/a"));
		answer(&server, OK_EMPTY);
		answer(&client, OK_EMPTY);
		check_spans(rig, 2);
		if (cases[i].joined)
			check_child(span_of(rig, SPAN_SERVER, 0), span_of(rig, SPAN_CLIENT, 0));
		else
			check_root(span_of(rig, SPAN_SERVER, 0));
		if (cases[i].change == MAPPED)
			assert_string_equal(span_of(rig, SPAN_SERVER, 0)->peer, "10.0.0.1");
		rig_finish(rig);
	}
}

/* IPv6 on both sides. */
static void test_ipv6(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client, server;

	(void)state;
	ends_new(rig, &client, &server);
	client.about.family = server.about.family = FAMILY_INET6;
	client.about.local_addr[15] = server.about.remote_addr[15] = 1;
	exchange(&client, &server, orders[0], GET("/a"));
	check_spans(rig, 2);
	check_child(span_of(rig, SPAN_SERVER, 0), span_of(rig, SPAN_CLIENT, 0));
	assert_string_equal(span_of(rig, SPAN_SERVER, 0)->peer, "a00:1::1");
	rig_finish(rig);
}

/* Two that might be the other end: neither is taken. */
static void test_ambiguous(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end a, b, server, unused;

	(void)state;
	ends_new(rig, &a, &server);
	ends_new(rig, &b, &unused);
	b.tx_seq = a.tx_seq;
	b.rx_seq = a.rx_seq;
	a.about.local_port = 1; /* translated, so that only the numbers speak */
	ask(&a, GET("/a"));
	ask(&b, GET("/b"));
	ask(&server, GET("/a"));
	answer(&server, OK_EMPTY);
	answer(&a, OK_EMPTY);
	answer(&b, OK_EMPTY);
	check_spans(rig, 3);
	check_root(span_of(rig, SPAN_SERVER, 0));
	rig_finish(rig);
}

/* Once two ends have found each other, no third one comes between. */
static void test_faithful(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client, server, third, unused;

	(void)state;
	ends_new(rig, &client, &server);
	exchange(&client, &server, orders[0], GET("/a"));
	ends_new(rig, &third, &unused);
	third.tx_seq = client.tx_seq;
	third.rx_seq = client.rx_seq;
	ask(&third, GET("/b"));
	ask(&server, GET("/b"));
	answer(&server, OK_EMPTY);
	answer(&third, OK_EMPTY);
	check_spans(rig, 4);
	check_root(span_of(rig, SPAN_SERVER, 1));
	rig_finish(rig);
}

/* Pipelined requests: each with its own other end. */
static void test_pipelined(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client, server;
	char text[64];

	(void)state;
	ends_new(rig, &client, &server);
	for (int i = 0; i < 16; i++) {
		snprintf(text, sizeof(text), "GET /n/%d HTTP/1.1\r\n\r\n", i);
		ask(&client, text);
		ask(&server, text);
	}
	for (int i = 0; i < 16; i++)
		answer(&server, OK_EMPTY);
	for (int i = 0; i < 16; i++)
		answer(&client, OK_EMPTY);
	check_spans(rig, 32);
	for (uint32_t i = 0; i < 16; i++) {
		const struct seen *c = span_of(rig, SPAN_CLIENT, i);
		const struct seen *s = span_of(rig, SPAN_SERVER, i);

		check_child(s, c);
		assert_non_null(strstr(c->path, s->path));
	}
	rig_finish(rig);
}

/*
 * Unix sockets have no sequence numbers. A request that was under way when the tracer came makes
 * the two ends count from different bytes; it must not shift all parents by one.
 */
static void test_unix_joined_late(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client, server;

	(void)state;
	ends_new(rig, &client, &server);
	make_unix(&client, &server);
	ask(&server, GET("/0")); /* the client sent it before the start */
	answer(&server, OK_EMPTY);
	answer(&client, OK_EMPTY);
	for (int i = 0; i < 4; i++)
		exchange(&client, &server, orders[0], GET("/n"));
	check_spans(rig, 9);
	for (uint32_t i = 0; i < 5; i++)
		check_root(span_of(rig, SPAN_SERVER, i));
	rig_finish(rig);
}

/* A client that was held up on its way out of the call: its send's time is after the answer's. */
static void test_unix_sent_late(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client, server;

	(void)state;
	ends_new(rig, &client, &server);
	make_unix(&client, &server);
	for (int i = 0; i < 3; i++) {
		ask(&server, GET("/n"));
		rig->now_ns += MS;
		answer(&server, OK_EMPTY);
		rig->now_ns += MS;
		ask(&client, GET("/n"));
		rig->now_ns += MS;
		answer(&client, OK_EMPTY);
		rig->now_ns += MS;
	}
	check_spans(rig, 6);
	for (uint32_t i = 0; i < 3; i++)
		check_child(span_of(rig, SPAN_SERVER, i), span_of(rig, SPAN_CLIENT, i));
	rig_finish(rig);
}

/* What reads its last byte tells the other end too. */
static void test_unix_ends(void **state)
{
	static const struct {
		bool by_client;
		enum end_reason reason;
		uint32_t spans, connections;
		const char *client_error, *server_error;
		int64_t code;
		const char *response;
	} cases[] = {
		{true, END_EOF, 2, 0, "", "", 200, OK_EMPTY},
		{false, END_EOF, 2, 0, "", "", 200, OK_EMPTY},
		/* A response up to the end, which only the client sees. */
		{true, END_EOF, 2, 0, "", "", 200, "HTTP/1.0 200 OK\r\n\r\nabc"},
		/* No response. */
		{true, END_EOF, 2, 0, "connection_closed", "connection_closed", -1, ""},
		{true, END_ERROR, 2, 0, "ECONNRESET", "connection_closed", -1, ""},
		{false, END_ERROR, 2, 0, "connection_closed", "ECONNRESET", -1, ""},
		/* The client will ask no more, but may still be answered. */
		{false, END_EOF, 0, 2, "", "", -1, ""},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct rig *rig = rig_new(NULL);
		struct end client, server;

		ends_new(rig, &client, &server);
		make_unix(&client, &server);
		ask(&client, GET("/a"));
		ask(&server, GET("/a"));
		if (cases[i].response[0]) {
			answer(&server, cases[i].response);
			answer(&client, cases[i].response);
		}
		finish(cases[i].by_client ? &client : &server, cases[i].reason,
		       cases[i].reason == END_ERROR ? ECONNRESET : 0);
		check_spans(rig, cases[i].spans);
		assert_int_equal(flow__connection_cnt(rig->flow), cases[i].connections);
		if (cases[i].spans) {
			const struct seen *c = span_of(rig, SPAN_CLIENT, 0);
			const struct seen *s = span_of(rig, SPAN_SERVER, 0);

			check_child(s, c);
			assert_string_equal(c->error, cases[i].client_error);
			assert_string_equal(s->error, cases[i].server_error);
			assert_int_equal(c->code, cases[i].code);
			assert_int_equal(s->code, cases[i].code);
		}
		rig_finish(rig);
	}
}

/* An end that names itself as its peer is let go once. */
static void test_unix_own_peer(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client, server;

	(void)state;
	ends_new(rig, &client, &server);
	make_unix(&client, &server);
	client.about.peer_cookie = client.about.cookie;
	ask(&client, GET("/a"));
	answer(&client, OK_EMPTY);
	finish(&client, END_EOF, 0);
	assert_int_equal(flow__connection_cnt(rig->flow), 0);
	rig_finish(rig);
}

/* The kernel announces a connection again while a span of it is still held. */
static void test_announced_again_while_held(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client, server;

	(void)state;
	ends_new(rig, &client, &server);
	for (int closed = 0; closed < 2; closed++) {
		exchange(&client, &server, orders[0], GET("/before"));
		client.announced = server.announced = false;
		ask(&server, GET("/a"));
		answer(&server, OK_EMPTY);
		if (closed)
			finish(&server, END_CLOSED, 0);
		server.announced = false;
		ask(&server, GET("/b"));
		answer(&server, OK_EMPTY);
	}
	check_spans(rig, 8);
	assert_int_equal(flow__connection_cnt(rig->flow), 2);
	rig_finish(rig);
}

/* A client's span that is lost is nobody's parent. */
static void test_lost_parent(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client, server;

	(void)state;
	ends_new(rig, &client, &server);
	exchange(&client, &server, orders[0], GET("/before"));
	ask(&client, GET("/a"));
	ask(&server, GET("/a"));
	rig->drop_cnt = 1;
	answer(&client, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
	answer(&client, "x");
	answer(&server, OK_EMPTY);
	check_spans(rig, 3);
	check_root(span_of(rig, SPAN_SERVER, 1));
	check_count(ACCOUNT_LOST_GAP, 1);
	rig_finish(rig);
}

/* --- nobody answers -------------------------------------------------------------------------- */

static void say(struct end *end, enum sender sender, const char *text)
{
	pass(end, sender, text);
	end->rig->made++;
}

static void check_one_way(const struct seen *from, const struct seen *to)
{
	assert_memory_equal(&from->trace_id, &to->trace_id, sizeof(from->trace_id));
	assert_memory_equal(&from->span_id, &to->parent_id, sizeof(from->span_id));
	assert_string_equal(to->method, "socket");
	check_root(from);
}

/* Whoever sends, and whichever end's record comes first. */
static void test_one_way(void **state)
{
	(void)state;
	for (int client_first = 0; client_first < 2; client_first++) {
		struct rig *rig = rig_new(NULL);
		struct end client, server, *first = &client, *second = &server;

		ends_new(rig, &client, &server);
		if (!client_first) {
			first = &server;
			second = &client;
		}
		for (int n = 0; n < 3; n++) {
			say(first, FROM_CLIENT, "PUB a 1\r\nx\r\n");
			rig_wait(rig, MS);
			say(second, FROM_CLIENT, "PUB a 1\r\nx\r\n");
			say(first, FROM_SERVER, "MSG a 1 1\r\nx\r\n");
			rig_wait(rig, MS);
			say(second, FROM_SERVER, "MSG a 1 1\r\nx\r\n");
		}
		check_spans(rig, 12);
		for (uint32_t n = 0; n < 3; n++) {
			/* The broker is the producer of what it delivers. */
			bool mine = span_of(rig, SPAN_PRODUCER, 2 * n)->pid == CLIENT_PROCESS;
			const struct seen *published = span_of(rig, SPAN_PRODUCER, 2 * n + !mine);
			const struct seen *delivered = span_of(rig, SPAN_PRODUCER, 2 * n + mine);

			check_one_way(published, span_of(rig, SPAN_SERVER, n));
			check_one_way(delivered, span_of(rig, SPAN_CONSUMER, n));
		}
		rig_finish(rig);
	}
}

/* The other end never comes: in the end nothing waits for it any longer. */
static void test_one_way_alone(void **state)
{
	(void)state;
	for (int role = ROLE_CLIENT; role <= ROLE_SERVER; role++) {
		struct rig *rig = rig_new(NULL);
		struct end end = end_new(rig, role);

		for (uint32_t n = 0; n < JOIN_MISSES; n++) {
			say(&end, FROM_CLIENT, "PUB a 1\r\nx\r\n");
			rig_wait(rig, 40 * MS);
			assert_int_equal(rig->spans_cnt, n);
			rig_wait(rig, 20 * MS);
			assert_int_equal(rig->spans_cnt, n + 1);
		}
		say(&end, FROM_CLIENT, "PUB a 1\r\nx\r\n");
		rig_wait(rig, MS);
		assert_int_equal(rig->spans_cnt, JOIN_MISSES + 1);
		rig_finish(rig);
	}
}

/* A conversation that looks the same from both ends, on a connection that is older than the tracer. */
static void test_symmetric(void **state)
{
	static const char publish[] = "\x32\x07\0\1a\0\2hi", ack[] = "\x40\2\0\2";
	struct rig *rig = rig_new(NULL);
	struct end client, server;

	(void)state;
	ends_new(rig, &client, &server);
	client.about.fresh = server.about.fresh = 0;
	client.about.role = ROLE_UNKNOWN;
	server.about.role = ROLE_SERVER_LIKELY;
	for (uint32_t n = 0; n < 3; n++) {
		end_op(&client, true, publish, sizeof(publish) - 1);
		end_op(&server, false, publish, sizeof(publish) - 1);
		end_op(&server, true, ack, sizeof(ack) - 1);
		end_op(&client, false, ack, sizeof(ack) - 1);
		rig->made += 2;
		check_spans(rig, 2 * n + 2);
		assert_string_equal(span_of(rig, SPAN_PRODUCER, n)->name, "publish a");
		check_child(span_of(rig, SPAN_SERVER, n), span_of(rig, SPAN_PRODUCER, n));
	}
	rig_finish(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_found_by_answers),
		cmocka_unit_test(test_found_by_answer_alone),
		cmocka_unit_test(test_times_are_nested),
		cmocka_unit_test(test_hold_expires),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_bad_header),
		cmocka_unit_test(test_header_of_others),
		cmocka_unit_test(test_header_of_trace),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_ambiguous),
		cmocka_unit_test(test_faithful),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_symmetric),
		cmocka_unit_test(test_one_way),
		cmocka_unit_test(test_one_way_alone),
		cmocka_unit_test(test_unix_joined_late),
		cmocka_unit_test(test_unix_sent_late),
		cmocka_unit_test(test_unix_ends),
		cmocka_unit_test(test_unix_own_peer),
		cmocka_unit_test(test_announced_again_while_held),
		cmocka_unit_test(test_lost_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
