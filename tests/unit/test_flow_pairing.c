// SPDX-License-Identifier: Apache-2.0
/* One end of a connection: bytes to messages, messages to exchanges, exchanges to spans. */
#include "tests/unit/flow_rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: app\r\n\r\n"
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

#define CNT(array) (sizeof(array) / sizeof(*(array)))

static const enum role both_roles[] = {ROLE_CLIENT, ROLE_SERVER};

static enum span_kind kind_of(enum role role)
{
	return role == ROLE_CLIENT ? SPAN_CLIENT : SPAN_SERVER;
}

/* --- framing ---------------------------------------------------------------------------------- */

/* One exchange after the other on one connection, each cut into operations in every way. */
static void test_exchanges(void **state)
{
	static const struct {
		const char *request, *response, *path;
		int64_t code, request_sz, response_sz;
	} cases[] = {
		{GET("/a"), OK_EMPTY, "/a", 200, -1, 0},
		{"POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
		 "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok", "/b", 201, 5, 2},
		{"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n",
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
		 "/c", 200, 8, 10},
		{"HEAD /d HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
		 "/d", 200, -1, 0},
		{"POST /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
		 "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
		 "HTTP/1.1 204 No Content\r\n\r\n",
		 "/e", 204, 1, 0},
		{"\r\n" GET("/f"), "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "/f",
		 304, -1, 0},
	};
	static const size_t steps[] = {1, 2, 3, 7, 40, 4000};

	(void)state;
	for (size_t s = 0; s < CNT(steps); s++) {
		for (size_t r = 0; r < CNT(both_roles); r++) {
			struct rig *rig = rig_new(NULL);
			struct end end = end_new(rig, both_roles[r]);

			for (size_t i = 0; i < CNT(cases); i++) {
				const char *texts[] = {cases[i].request, cases[i].response};
				const struct seen *seen;

				rig->made++;
				for (int sender = FROM_CLIENT; sender <= FROM_SERVER; sender++) {
					size_t n = strlen(texts[sender]);

					for (size_t at = 0; at < n; at += steps[s])
						end_op(&end, sends(&end, (enum sender)sender),
						       texts[sender] + at,
						       (uint32_t)(n - at < steps[s] ? n - at
										    : steps[s]));
				}
				check_spans(rig, (uint32_t)i + 1);
				seen = span_of(rig, kind_of(both_roles[r]), (uint32_t)i);
				assert_non_null(strstr(seen->path, cases[i].path));
				assert_int_equal(seen->code, cases[i].code);
				assert_int_equal(seen->request_sz, cases[i].request_sz);
				assert_int_equal(seen->response_sz, cases[i].response_sz);
				assert_int_equal(seen->error[0], 0);
			}
			check_count(ACCOUNT_GAPS, 0);
			check_count(ACCOUNT_REQUESTS, CNT(cases));
			rig_finish(rig);
		}
	}
}

/* Heads in pieces: the connection's first, before its protocol is known, and the next one. */
static void test_split_head(void **state)
{
	static const struct {
		enum role role, known;
	} cases[] = {
		{ROLE_CLIENT, ROLE_CLIENT},	   {ROLE_SERVER, ROLE_SERVER},
		{ROLE_SERVER, ROLE_SERVER_LIKELY}, {ROLE_CLIENT, ROLE_SERVER_LIKELY},
		{ROLE_CLIENT, ROLE_UNKNOWN},	   {ROLE_SERVER, ROLE_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct rig *rig = rig_new(NULL);
		struct end end = end_new(rig, cases[i].role);

		end.about.role = (uint8_t)cases[i].known;
		for (uint32_t n = 0; n < 2; n++) {
			uint64_t start_ns = rig->now_ns + MS, end_ns;
			const struct seen *seen;

			ask(&end, "GE");
			pass(&end, FROM_CLIENT, "T /pieces HT");
			pass(&end, FROM_CLIENT, "TP/1.1\r\nHost: x\r\n\r\n");
			pass(&end, FROM_SERVER, "HTT");
			pass(&end, FROM_SERVER, "P/1.1 20");
			pass(&end, FROM_SERVER, "0 OK\r\nContent-Length: 0\r\n\r\n");
			end_ns = rig->now_ns;
			check_spans(rig, n + 1);
			seen = span_of(rig, kind_of(cases[i].role), n);
			assert_non_null(strstr(seen->path, "/pieces"));
			assert_int_equal(seen->start_ns, start_ns);
			assert_int_equal(seen->end_ns, end_ns);
		}
		check_count(ACCOUNT_RESPONSES_EARLY, 0);
		rig_finish(rig);
	}
}

/* What waits for its protocol must hold together: a gap in it is no head. */
static void test_gap_before_detection(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_SERVER);

	(void)state;
	pass(&end, FROM_CLIENT, "GET /a");
	rig->drop_cnt = 1;
	pass(&end, FROM_CLIENT, "bc HTTP/1.1\r\nX: ");
	pass(&end, FROM_CLIENT, "y HTTP/1.1\r\n\r\n");
	answer(&end, OK_EMPTY); /* the request is known by its response only */
	rig->made = 1;
	check_spans(rig, 0);
	check_count(ACCOUNT_LOST_GAP, 1);
	ask(&end, GET("/d"));
	answer(&end, OK_EMPTY);
	check_spans(rig, 1);
	assert_string_equal(span_of(rig, SPAN_SERVER, 0)->path, "/d");
	rig_finish(rig);
}

/* --- pipelining ------------------------------------------------------------------------------- */

#define DEPTH 16

static void check_pipelined(struct rig *rig, enum span_kind kind)
{
	check_spans(rig, DEPTH);
	for (uint32_t i = 0; i < DEPTH; i++) {
		const struct seen *seen = span_of(rig, kind, i);
		char path[32];

		snprintf(path, sizeof(path), "/n/%u", i);
		assert_non_null(strstr(seen->path, path));
		assert_int_equal(seen->code, 210 + i);
		assert_int_equal(seen->response_sz, i);
	}
}

/* Sixteen requests and their responses, in operations of every size. */
static void test_pipelining(void **state)
{
	static const uint32_t steps[] = {1, 13, 64, 4096};
	char requests[4096] = "", responses[4096] = "";
	size_t n = 0, m = 0;

	(void)state;
	for (int i = 0; i < DEPTH; i++) {
		n += (size_t)snprintf(requests + n, sizeof(requests) - n,
				      "GET /n/%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
		m += (size_t)snprintf(responses + m, sizeof(responses) - m,
				      "HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%.*s", 210 + i, i,
				      i, "----------------");
	}
	for (size_t s = 0; s < CNT(steps); s++) {
		for (size_t r = 0; r < CNT(both_roles); r++) {
			struct rig *rig = rig_new(NULL);
			struct end end = end_new(rig, both_roles[r]);

			rig->made = DEPTH;
			for (uint32_t at = 0; at < n; at += steps[s])
				end_op(&end, sends(&end, FROM_CLIENT), requests + at,
				       (uint32_t)n - at < steps[s] ? (uint32_t)n - at : steps[s]);
			for (uint32_t at = 0; at < m; at += steps[s])
				end_op(&end, sends(&end, FROM_SERVER), responses + at,
				       (uint32_t)m - at < steps[s] ? (uint32_t)m - at : steps[s]);
			check_pipelined(rig, kind_of(both_roles[r]));
			/* From now on everything is copied. */
			assert_int_equal(rig->verdicts[0].verdict.copy_op, COPY_PARTS_MAX);
			rig_finish(rig);
		}
	}
}

/* The client asks on before it has its answers. */
static void test_sliding_window(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_SERVER);
	char text[128];

	(void)state;
	for (int i = 0; i < DEPTH + 2; i++) {
		snprintf(text, sizeof(text), "GET /n/%d HTTP/1.1\r\n\r\n", i);
		if (i < DEPTH)
			ask(&end, text);
		snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%.*s",
			 208 + i, i - 2, i - 2, "----------------");
		if (i >= 2)
			answer(&end, text);
	}
	check_pipelined(rig, SPAN_SERVER);
	rig_finish(rig);
}

/*
 * A response that comes while the request's body is still on its way. The next request is in the
 * same turn as the body, so after a long body it is not copied: then it is lost, and said to be.
 */
static void test_early_response(void **state)
{
	(void)state;
	for (uint32_t lost = 0; lost < 2; lost++) {
		struct rig *rig = rig_new(NULL);
		struct end end = end_new(rig, ROLE_SERVER);
		char head[64];

		snprintf(head, sizeof(head), "POST /big HTTP/1.1\r\nContent-Length: %d\r\n\r\n",
			 lost ? 300000 : 3000);
		ask(&end, head);
		answer(&end, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
		pass_body(&end, FROM_CLIENT, lost ? 300000 : 3000, lost ? 30000 : 300);
		ask(&end, GET("/next"));
		answer(&end, OK_EMPTY);
		ask(&end, GET("/last"));
		answer(&end, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
		check_spans(rig, 3 - lost);
		assert_int_equal(span_of(rig, SPAN_SERVER, 0)->code, 413);
		assert_string_equal(span_of(rig, SPAN_SERVER, 2 - lost)->path, "/last");
		assert_int_equal(span_of(rig, SPAN_SERVER, 2 - lost)->code, 202);
		check_count(ACCOUNT_LOST_GAP, lost);
		rig_finish(rig);
	}
}

/* --- bodies that nobody copies ---------------------------------------------------------------- */

/* The span ends when the last byte passed, which a later record or a flush tells. */
static void test_silent_body(void **state)
{
	(void)state;
	for (int flushed = 0; flushed < 2; flushed++) {
		struct rig *rig = rig_new(NULL);
		struct end end = end_new(rig, ROLE_SERVER);
		const struct seen *seen;
		uint64_t end_ns;

		ask(&end, "PUT /up HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n");
		pass_body(&end, FROM_CLIENT, 1000000, 60000);
		answer(&end, "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n");
		pass_body(&end, FROM_SERVER, 2000000, 60000);
		end_ns = end.tail_ns;
		check_spans(rig, 0);
		assert_true(flow__wants_tails(rig->flow));
		rig->now_ns += SECOND;
		if (flushed) {
			flush_tail(&end);
		} else {
			ask(&end, GET("/next"));
			answer(&end, OK_EMPTY);
		}
		check_spans(rig, flushed ? 1 : 2);
		assert_false(flow__wants_tails(rig->flow));
		seen = span_of(rig, SPAN_SERVER, 0);
		assert_int_equal(seen->request_sz, 1000000);
		assert_int_equal(seen->response_sz, 2000000);
		assert_int_equal(seen->end_ns, end_ns);
		check_count(ACCOUNT_GAPS, 0);
		rig_finish(rig);
	}
}

/* sendfile: the operation is reported at the beginning of a turn, but has no bytes. */
static void test_no_buffer(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_SERVER);

	(void)state;
	ask(&end, GET("/file"));
	answer(&end, "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n");
	end_op_cut(&end, true, "", 70000, 0);
	ask(&end, GET("/next"));
	answer(&end, OK_EMPTY);
	check_spans(rig, 2);
	assert_int_equal(span_of(rig, SPAN_SERVER, 0)->response_sz, 70000);
	rig_finish(rig);
}

/* Chunks beyond what is copied: the message ends with its turn, or when nothing more comes. */
static void test_silent_chunks(void **state)
{
	(void)state;
	for (int followed = 0; followed < 2; followed++) {
		struct rig *rig = rig_new(NULL);
		struct end end = end_new(rig, ROLE_CLIENT);
		uint64_t end_ns;

		end.copy_op = 100;
		end.copy_turn = 400;
		ask(&end, GET("/stream"));
		answer(&end, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
		for (int i = 0; i < 40; i++) {
			answer(&end, "40\r\n");
			pass_body(&end, FROM_SERVER, 64, 64);
			answer(&end, "\r\n");
		}
		answer(&end, "0\r\n\r\n");
		end_ns = rig->now_ns;
		flush_tail(&end);
		check_spans(rig, 0);
		if (followed) {
			ask(&end, GET("/next"));
			answer(&end, OK_EMPTY);
			check_spans(rig, 2);
		} else {
			rig_wait(rig, 2500 * MS);
			check_spans(rig, 1);
		}
		assert_int_equal(span_of(rig, SPAN_CLIENT, 0)->code, 200);
		assert_int_equal(span_of(rig, SPAN_CLIENT, 0)->end_ns, end_ns);
		assert_int_equal(span_of(rig, SPAN_CLIENT, 0)->error[0], 0);
		rig_finish(rig);
	}
}

/* Heads longer than what is copied of an operation. */
static void test_cut_heads(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_SERVER);
	char text[2048];

	(void)state;
	end.copy_op = 512;
	for (uint32_t i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "GET /n/%u HTTP/1.1\r\nCookie: %01000d\r\n\r\n", i, 0);
		ask(&end, text);
		snprintf(text, sizeof(text),
			 "HTTP/1.1 200 OK\r\nSet-Cookie: %01000d\r\nContent-Length: 0\r\n\r\n", 0);
		answer(&end, text);
		snprintf(text, sizeof(text), "/n/%u", i);
		check_spans(rig, i); /* its end is seen when the next one comes */
	}
	ask(&end, GET("/last"));
	answer(&end, OK_EMPTY);
	check_spans(rig, 21);
	for (uint32_t i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "/n/%u", i);
		assert_string_equal(span_of(rig, SPAN_SERVER, i)->path, text);
	}
	/* The kernel is asked to copy more. */
	assert_true(rig->verdicts_cnt > 0);
	assert_in_range(rig->verdicts[0].verdict.copy_op, 1024, COPY_MAX);
	rig_finish(rig);
}

/* More text than an exchange keeps: cut and counted, and half a tracestate is none. */
static void test_long_texts(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_SERVER);
	char *text = malloc(13000);
	const struct seen *seen;

	(void)state;
	assert_non_null(text);
	end.copy_op = COPY_MAX;
	snprintf(text, 13000,
		 "GET /%012000d HTTP/1.1\r\n"
		 "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
		 "tracestate: some=%0400d\r\n\r\n",
		 0, 0);
	ask(&end, text);
	answer(&end, OK_EMPTY);
	check_spans(rig, 1);
	seen = span_of(rig, SPAN_SERVER, 0);
	assert_string_equal(seen->method, "header");
	assert_true(!seen->trace_state[0] ||
		    strlen(seen->trace_state) == sizeof(seen->trace_state) - 1);
	check_count(ACCOUNT_TEXT_CUT, 1);
	free(text);
	rig_finish(rig);
}

/* --- ends ------------------------------------------------------------------------------------- */

static void test_ends(void **state)
{
	static const struct {
		const char *response;
		enum role role;
		enum end_reason reason;
		uint16_t error;
		const char *failure;
		int64_t code, sz;
	} cases[] = {
		/* Delimited by the end. */
		{"HTTP/1.1 200 OK\r\n\r\nabc", ROLE_CLIENT, END_EOF, 0, "", 200, 3},
		{"HTTP/1.1 200 OK\r\n\r\nabc", ROLE_SERVER, END_SHUTDOWN, 0, "", 200, 3},
		{"HTTP/1.1 200 OK\r\n\r\nabc", ROLE_SERVER, END_CLOSED, 0, "", 200, 3},
		{"HTTP/1.1 200 OK\r\n\r\nabc", ROLE_CLIENT, END_ERROR, ECONNRESET, "ECONNRESET",
		 200, 3},
		/* Cut. */
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", ROLE_CLIENT, END_EOF, 0,
		 "connection_closed", 200, 3},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", ROLE_SERVER, END_ERROR, EPIPE,
		 "EPIPE", 200, 3},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", ROLE_CLIENT,
		 END_CLOSED, 0, "connection_closed", 200, 3},
		{"HTTP/1.1 2", ROLE_CLIENT, END_EOF, 0, "connection_closed", -1, -1},
		/* Never begun. */
		{"", ROLE_CLIENT, END_EOF, 0, "connection_closed", -1, -1},
		{"", ROLE_SERVER, END_SHUTDOWN, 0, "connection_closed", -1, -1},
		{"", ROLE_SERVER, END_CLOSED, 0, "connection_closed", -1, -1},
		{"", ROLE_CLIENT, END_ERROR, ECONNRESET, "ECONNRESET", -1, -1},
		{"", ROLE_CLIENT, END_ERROR, ETIMEDOUT, "ETIMEDOUT", -1, -1},
		{"", ROLE_CLIENT, END_ERROR, 9999, "connection_closed", -1, -1},
		{"", ROLE_CLIENT, END_CLOSED, ECONNRESET, "ECONNRESET", -1, -1},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct rig *rig = rig_new(NULL);
		struct end end = end_new(rig, cases[i].role);
		const struct seen *seen;

		ask(&end, GET("/a"));
		if (cases[i].response[0])
			answer(&end, cases[i].response);
		finish(&end, cases[i].reason, cases[i].error);
		check_spans(rig, 1);
		seen = span_of(rig, kind_of(cases[i].role), 0);
		assert_string_equal(seen->error, cases[i].failure);
		assert_int_equal(seen->code, cases[i].code);
		assert_int_equal(seen->response_sz, cases[i].sz);
		assert_int_equal(flow__connection_cnt(rig->flow), cases[i].reason != END_CLOSED);
		finish(&end, END_CLOSED, 0);
		assert_int_equal(flow__connection_cnt(rig->flow), 0);
		rig_finish(rig);
	}
}

/* An end that leaves the response possible: the other side only stopped asking. */
static void test_half_closed(void **state)
{
	(void)state;
	for (size_t r = 0; r < CNT(both_roles); r++) {
		struct rig *rig = rig_new(NULL);
		struct end end = end_new(rig, both_roles[r]);

		ask(&end, GET("/a"));
		finish(&end, both_roles[r] == ROLE_CLIENT ? END_SHUTDOWN : END_EOF, 0);
		answer(&end, OK_EMPTY);
		finish(&end, END_CLOSED, 0);
		check_spans(rig, 1);
		assert_int_equal(span_of(rig, kind_of(both_roles[r]), 0)->code, 200);
		rig_finish(rig);
	}
}

/* A server's body that ends with the connection, most of it not copied. */
static void test_until_close_silent(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_SERVER);
	uint64_t end_ns;

	(void)state;
	ask(&end, "GET /old HTTP/1.0\r\n\r\n");
	answer(&end, "HTTP/1.0 200 OK\r\n\r\n");
	pass_body(&end, FROM_SERVER, 500000, 50000);
	end_ns = end.tail_ns;
	rig->now_ns += 10 * SECOND;
	finish(&end, END_SHUTDOWN, 0);
	check_spans(rig, 1);
	assert_int_equal(span_of(rig, SPAN_SERVER, 0)->response_sz, 500000);
	assert_int_equal(span_of(rig, SPAN_SERVER, 0)->end_ns, end_ns);
	rig_finish(rig);
}

/* --- another protocol ------------------------------------------------------------------------- */

static void test_upgrade(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_SERVER);

	(void)state;
	ask(&end, "GET /chat HTTP/1.1\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n");
	answer(&end, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\n\r\n\x81\x05hello");
	check_spans(rig, 1);
	assert_int_equal(span_of(rig, SPAN_SERVER, 0)->code, 101);
	for (int i = 0; i < 10; i++) {
		pass(&end, FROM_CLIENT, "\x81\x85mask-data");
		pass(&end, FROM_SERVER, "\x81\x05world");
	}
	assert_true(rig->verdicts[rig->verdicts_cnt - 1].verdict.ignore);
	check_spans(rig, 1);
	check_count(ACCOUNT_CONNECTIONS_UNKNOWN, 1);
	check_count(ACCOUNT_GAPS, 0);
	rig_finish(rig);
}

/* HTTP inside a CONNECT tunnel is seen from its first request on, even in pieces. */
static void test_tunnel(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_CLIENT);

	(void)state;
	ask(&end, "CONNECT inner:80 HTTP/1.1\r\nHost: inner:80\r\n\r\n");
	answer(&end, "HTTP/1.1 200 Connection established\r\n\r\n");
	pass(&end, FROM_CLIENT, "\x16\x03\x01");
	pass(&end, FROM_SERVER, "\x16\x03\x02");
	ask(&end, "GET /in");
	pass(&end, FROM_CLIENT, "side HTTP/1.1\r\nHost: inner\r\n\r\n");
	answer(&end, OK_EMPTY);
	ask(&end, GET("/again"));
	answer(&end, OK_EMPTY);
	check_spans(rig, 3);
	assert_non_null(strstr(span_of(rig, SPAN_CLIENT, 1)->path, "/inside"));
	assert_non_null(strstr(span_of(rig, SPAN_CLIENT, 2)->path, "/again"));
	rig_finish(rig);
}

static void test_garbage(void **state)
{
	static const char *const garbage[] = {
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"GET / HTTP/9.9 no\r\n\r\n",
		"AAAA",
		"0123456789012345678901234567890123456789",
		"SSH-2.0-x\r\n",
	};

	(void)state;
	for (size_t i = 0; i < CNT(garbage); i++) {
		struct rig *rig = rig_new(NULL);
		struct end end = end_new(rig, ROLE_SERVER);
		uint64_t passed = 0;

		for (int turn = 0; turn < 40 && !rig->verdicts_cnt; turn++) {
			pass(&end, turn & 1 ? FROM_SERVER : FROM_CLIENT, garbage[i]);
			passed += strlen(garbage[i]);
		}
		assert_int_equal(rig->verdicts_cnt, 1);
		assert_true(rig->verdicts[0].verdict.ignore);
		assert_int_equal(rig->verdicts[0].cookie, end.about.cookie);
		check_count(ACCOUNT_CONNECTIONS_UNKNOWN, 1);
		check_count(ACCOUNT_UNPARSED_BYTES, passed);
		assert_int_equal(flow__connection_cnt(rig->flow), 0);
		pass(&end, FROM_CLIENT, GET("/late")); /* the verdict had not arrived */
		check_count(ACCOUNT_RECORDS_STRAY, 1);
		check_spans(rig, 0);
		rig_finish(rig);
	}
}

/* A connection that ends before it is given up counts too. */
static void test_short_garbage(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_SERVER);

	(void)state;
	pass(&end, FROM_CLIENT, "\x01\x02\x03");
	pass(&end, FROM_SERVER, "\x04\x05");
	finish(&end, END_CLOSED, 0);
	check_count(ACCOUNT_CONNECTIONS_UNKNOWN, 1);
	check_count(ACCOUNT_UNPARSED_BYTES, 5);
	rig_finish(rig);
}

/* Not HTTP any more in the middle of a known connection. */
static void test_malformed(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_SERVER);

	(void)state;
	ask(&end, GET("/a"));
	answer(&end, OK_EMPTY);
	ask(&end, "G\x01T /b HTTP/1.1\r\n\r\n"); /* a request, and it is lost */
	answer(&end, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
	ask(&end, GET("/c"));
	answer(&end, "HTTPS/1.1 200 OK\r\n\r\n");
	ask(&end, "POST /d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\n");
	answer(&end, OK_EMPTY);
	ask(&end, GET("/e"));
	answer(&end, OK_EMPTY);
	check_spans(rig, 2);
	check_count(ACCOUNT_LOST_UNPARSED, 3);
	assert_string_equal(span_of(rig, SPAN_SERVER, 0)->path, "/a");
	assert_string_equal(span_of(rig, SPAN_SERVER, 1)->path, "/e");
	rig_finish(rig);
}

/* --- time ------------------------------------------------------------------------------------- */

static void test_timeout(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_CLIENT);

	(void)state;
	ask(&end, GET("/slow"));
	rig_wait(rig, RIG_TIMEOUT - SECOND);
	check_spans(rig, 0);
	rig_wait(rig, 2 * SECOND);
	check_spans(rig, 1);
	assert_string_equal(span_of(rig, SPAN_CLIENT, 0)->error, "timeout");
	assert_int_equal(span_of(rig, SPAN_CLIENT, 0)->code, -1);
	/* Its late response is not the next one's. */
	ask(&end, GET("/next"));
	answer(&end, "HTTP/1.1 503 Late\r\nContent-Length: 0\r\n\r\n");
	answer(&end, OK_EMPTY);
	check_spans(rig, 2);
	assert_non_null(strstr(span_of(rig, SPAN_CLIENT, 1)->path, "/next"));
	assert_int_equal(span_of(rig, SPAN_CLIENT, 1)->code, 200);
	rig_finish(rig);
}

/* A long transfer of which nothing is copied is no time-out, and the connection is not idle. */
static void test_long_transfer(void **state)
{
	const struct flow_options options = {.idle_timeout_ns = 100 * SECOND};
	struct rig *rig = rig_new(&options);
	struct end end = end_new(rig, ROLE_CLIENT);

	(void)state;
	ask(&end, GET("/huge"));
	answer(&end, "HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\n");
	for (int i = 0; i < 40; i++) {
		rig_wait(rig, 5 * SECOND);
		pass_body(&end, FROM_SERVER, 1000000, 1000000);
		flush_tail(&end);
	}
	check_spans(rig, 1);
	assert_int_equal(span_of(rig, SPAN_CLIENT, 0)->response_sz, 40000000);
	assert_int_equal(span_of(rig, SPAN_CLIENT, 0)->error[0], 0);
	rig_finish(rig);
}

/* Time-outs are found behind thousands of exchanges that have none. */
static void test_timeout_among_many(void **state)
{
	const struct flow_options options = {.max_connections = 9000, .max_exchanges = 9000};
	struct rig *rig = rig_new(&options);
	struct end *ends = calloc(6001, sizeof(*ends));

	(void)state;
	assert_non_null(ends);
	for (int i = 0; i < 6001; i++) {
		ends[i] = end_new(rig, ROLE_CLIENT);
		ask(&ends[i], GET("/slow"));
	}
	rig->made = 6001;
	rig->now_ns += RIG_TIMEOUT - 5 * SECOND;
	for (int i = 0; i < 6000; i++) { /* those are served, slowly */
		rig->now_ns -= MS;
		answer(&ends[i], "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
	}
	rig_wait(rig, 6 * SECOND);
	check_spans(rig, 1);
	assert_string_equal(rig->spans[0].error, "timeout");
	free(ends);
	rig_finish(rig);
}

static void test_idle(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end idle = end_new(rig, ROLE_SERVER), busy = end_new(rig, ROLE_SERVER);

	(void)state;
	ask(&idle, GET("/a"));
	answer(&idle, OK_EMPTY);
	for (int i = 0; i < 4; i++) {
		rig_wait(rig, RIG_IDLE / 3);
		ask(&busy, GET("/b"));
		answer(&busy, OK_EMPTY);
	}
	assert_int_equal(flow__connection_cnt(rig->flow), 1);
	assert_int_equal(rig->verdicts_cnt, 1);
	assert_int_equal(rig->verdicts[0].cookie, idle.about.cookie);
	assert_true(rig->verdicts[0].verdict.forget);
	/* The kernel announces it again. */
	idle.announced = false;
	ask(&idle, GET("/c"));
	answer(&idle, OK_EMPTY);
	check_spans(rig, 6);
	rig_finish(rig);
}

/* --- joining in the middle -------------------------------------------------------------------- */

static void test_joined(void **state)
{
	static const struct {
		const char *first;
		enum sender sender;
		int made, early;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", FROM_SERVER, 0, 1},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", FROM_SERVER, 0, 1},
		{"xxxxxxxxxxxxxxxxxxxxxxxxxxxx", FROM_SERVER, 0, 0},
		{"xxxxxxxxxxxxxxxxxxxxxxxxxxxx", FROM_CLIENT, 0, 1},
		{GET("/first"), FROM_CLIENT, 1, 0},
	};
	static const enum role known[] = {ROLE_UNKNOWN, ROLE_SERVER_LIKELY};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		for (size_t k = 0; k < CNT(known) * CNT(both_roles); k++) {
			enum role role = both_roles[k / 2];
			struct rig *rig = rig_new(NULL);
			struct end end = end_new(rig, role);
			const struct seen *seen;

			end.about.role = (uint8_t)known[k % 2];
			end.about.fresh = 0;
			pass(&end, cases[i].sender, cases[i].first);
			rig->made = (uint64_t)cases[i].made;
			if (cases[i].sender == FROM_CLIENT)
				answer(&end, OK_EMPTY);
			ask(&end, GET("/second"));
			answer(&end, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
			check_spans(rig, (uint32_t)cases[i].made + 1);
			seen = span_of(rig, kind_of(role), (uint32_t)cases[i].made);
			assert_non_null(strstr(seen->path, "/second"));
			assert_int_equal(seen->code, 202);
			check_count(ACCOUNT_RESPONSES_EARLY, (uint64_t)cases[i].early);
			rig_finish(rig);
		}
	}
}

/* A response to a HEAD request from before the start has no body, whatever its length says. */
static void test_joined_after_head(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_CLIENT);

	(void)state;
	end.about.fresh = 0;
	answer(&end, "HTTP/1.1 200 OK\r\nContent-Length: 76\r\n\r\n");
	for (int i = 0; i < 4; i++) {
		ask(&end, GET("/a"));
		answer(&end, OK_EMPTY);
	}
	check_spans(rig, 4);
	rig_finish(rig);
}

/* --- whose ------------------------------------------------------------------------------------ */

/* A span belongs to the process that read its request, not to the one that accepted. */
static void test_process(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_SERVER);

	(void)state;
	ask(&end, GET("/a"));
	answer(&end, OK_EMPTY);
	end.process_id = 99;
	ask(&end, GET("/b"));
	end.process_id = SERVER_PROCESS;
	answer(&end, OK_EMPTY);
	check_spans(rig, 2);
	assert_int_equal(span_of(rig, SPAN_SERVER, 0)->pid, SERVER_PROCESS);
	assert_int_equal(span_of(rig, SPAN_SERVER, 1)->pid, 33);
	rig_finish(rig);
}

/* --- memory ----------------------------------------------------------------------------------- */

/* When there is no empty batch to be had, the next span finds one as soon as there is memory. */
static void test_memory_out(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_CLIENT);

	(void)state;
	for (int i = 0; i < 2 * SPAN_BATCH_MAX; i++) {
		rig->memory_out = i < SPAN_BATCH_MAX + 10;
		ask(&end, GET("/a"));
		answer(&end, OK_EMPTY);
	}
	rig_finish(rig);
	check_count(ACCOUNT_SPANS, 2 * SPAN_BATCH_MAX);
}

static void test_unfinished(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end a = end_new(rig, ROLE_CLIENT), b = end_new(rig, ROLE_SERVER);
	struct end c = end_new(rig, ROLE_SERVER);

	(void)state;
	ask(&a, GET("/a"));
	ask(&b, GET("/b"));
	answer(&b, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
	ask(&c, GET("/c"));
	answer(&c, OK_EMPTY); /* held when the end comes */
	rig_finish(rig);
	check_count(ACCOUNT_LOST_OPEN, 2);
	check_count(ACCOUNT_SPANS, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchanges),
		cmocka_unit_test(test_split_head),
		cmocka_unit_test(test_gap_before_detection),
		cmocka_unit_test(test_pipelining),
		cmocka_unit_test(test_sliding_window),
		cmocka_unit_test(test_early_response),
		cmocka_unit_test(test_silent_body),
		cmocka_unit_test(test_no_buffer),
		cmocka_unit_test(test_silent_chunks),
		cmocka_unit_test(test_cut_heads),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_half_closed),
		cmocka_unit_test(test_until_close_silent),
		cmocka_unit_test(test_upgrade),
		cmocka_unit_test(test_tunnel),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_short_garbage),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_long_transfer),
		cmocka_unit_test(test_timeout_among_many),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_joined),
		cmocka_unit_test(test_joined_after_head),
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_memory_out),
		cmocka_unit_test(test_unfinished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
