// SPDX-License-Identifier: Apache-2.0
/* What was missed: it is counted, exactly where that is possible, and never paired wrongly. */
#include "tests/unit/flow_rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: app\r\n\r\n"
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define BYTES(lit) lit, sizeof(lit) - 1

static const enum role both_roles[] = {ROLE_CLIENT, ROLE_SERVER};

/* Request n asks for /n/<n>/, its response has the status 300 + n. */
static void check_pairing(const struct seen *seen)
{
	const char *n = strstr(seen->path, "/n/");

	assert_non_null(n);
	if (seen->code >= 0)
		assert_int_equal(seen->code, 300 + strtol(n + 3, NULL, 10));
}

/* --- every way to lose records of three exchanges ---------------------------------------------- */

#define PIECES 3 /* of a message at most */
#define EXCHANGES 3

static const struct shape {
	const char *request[PIECES + 1], *response[PIECES + 1];
	int64_t request_sz, response_sz; /* as the span has them if all was seen */
} shapes[] = {
	{{"POST /n/%d/ HTTP/1.1\r\nContent-Length: 9\r\n\r\n", "xxxxxxxxx"},
	 {"HTTP/1.1 %d X\r\nContent-Length: 12\r\n\r\n", "xxxxxxxxxxxx"},
	 9,
	 12},
	{{"GET /n/%d/ HTTP/1.1\r\n", "A: b\r\n\r\n"},
	 {"HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nxxxxx\r\n0\r\n\r\n"},
	 -1,
	 5},
	{{"GET /n/%d/ ", "HTTP/1.1\r\n\r\n"},
	 {"HTTP/1.1 %d X\r\n", "Content-Length: 4\r\n\r\n", "xxxx"},
	 -1,
	 4},
	{{"POST /n/%d/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nxxx\r\n0\r\n\r\n"},
	 {"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n"},
	 3,
	 0},
	{{"POST /n/%d/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nxxx\r\n0\r\n\r\n"},
	 {"HTTP/1.1 %d X\r\nContent-Length: 4\r\n\r\n", "xxxx"},
	 3,
	 4},
};

/* Bytes may have been missed: a body has the size that it had, or none. (A 304 has no body.) */
static void check_sizes(const struct seen *seen, const struct shape *shape)
{
	if (seen->request_sz != -1)
		assert_int_equal(seen->request_sz, shape->request_sz);
	if (seen->response_sz != -1 && !seen->error[0] && seen->code != 304)
		assert_int_equal(seen->response_sz, shape->response_sz);
}

/* Passes the pieces of a message; of each, a bit of *lost tells if its record is lost. */
static void pass_pieces(struct end *end, enum sender sender, const char *const *pieces, int number,
			unsigned int *lost)
{
	char text[256];

	for (; *pieces; pieces++) {
		snprintf(text, sizeof(text), *pieces, number);
		end->rig->drop_cnt = *lost & 1;
		*lost >>= 1;
		pass(end, sender, text);
	}
}

static void pass_exchange(struct end *end, const struct shape *shape, int n, unsigned int *lost)
{
	end->rig->made++;
	pass_pieces(end, FROM_CLIENT, shape->request, n, lost);
	pass_pieces(end, FROM_SERVER, shape->response, 300 + n, lost);
}

static int pieces_cnt(const struct shape *shape)
{
	int cnt = 0;

	for (int i = 0; i < PIECES; i++)
		cnt += (shape->request[i] != NULL) + (shape->response[i] != NULL);
	return cnt;
}

/* One connection: an exchange, three of which records are lost, and another one. */
static void lose(struct rig *rig, const struct shape *shape, enum role role, unsigned int lost)
{
	struct end end = end_new(rig, role);
	unsigned int none = 0, left = lost;

	pass_exchange(&end, shape, 0, &none);
	for (int n = 1; n <= EXCHANGES; n++)
		pass_exchange(&end, shape, n, &left);
	pass_exchange(&end, shape, EXCHANGES + 1, &none);
	finish(&end, END_CLOSED, 0);
	rig_wait(rig, 60 * MS);
	for (uint32_t i = 0; i < rig->spans_cnt; i++) {
		check_pairing(&rig->spans[i]);
		check_sizes(&rig->spans[i], shape);
	}
	if (rig->made != account_get(ACCOUNT_SPANS) + rig_lost())
		fail_msg("shape %d, role %d, lost records %#x, %d made: %u spans, %u lost",
			 (int)(shape - shapes), role, lost, (int)rig->made,
			 (unsigned int)account_get(ACCOUNT_SPANS), (unsigned int)rig_lost());
	account_set(ACCOUNT_SPANS, 0);
	rig->spans_cnt = 0;
	rig->made = rig_lost();
}

static void test_every_loss(void **state)
{
	(void)state;
	for (size_t s = 0; s < CNT(shapes); s++) {
		for (size_t r = 0; r < CNT(both_roles); r++) {
			struct rig *rig = rig_new(NULL);
			int records = pieces_cnt(&shapes[s]) * EXCHANGES;

			for (unsigned int lost = 0; lost < 1u << records; lost++)
				lose(rig, &shapes[s], both_roles[r], lost);
			assert_int_equal(flow__connection_cnt(rig->flow), 0);
			rig_finish(rig);
		}
	}
}

/* --- turns ------------------------------------------------------------------------------------ */

/* Whole turns that did not fit the ring, on a connection that does not pipeline. */
static void test_missed_turns(void **state)
{
	(void)state;
	for (uint32_t from = 0; from < 4; from++) {
		for (uint32_t cnt = 1; cnt < 12; cnt++) {
			struct rig *rig = rig_new(NULL);
			struct end end = end_new(rig, ROLE_SERVER);
			char text[64];
			uint32_t record = 0, hit = 0, after = 2 + from + cnt;

			for (int n = 0; n < 10; n++) {
				bool lost = false;

				for (int sender = FROM_CLIENT; sender <= FROM_SERVER; sender++) {
					bool drop = record >= 2 + from && record < after;

					snprintf(
						text, sizeof(text),
						sender == FROM_CLIENT
							? "GET /n/%d/ HTTP/1.1\r\n\r\n"
							: "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n",
						sender == FROM_CLIENT ? n : 300 + n);
					rig->drop_cnt = drop;
					pass(&end, (enum sender)sender, text);
					lost |= drop;
					record++;
				}
				rig->made++;
				hit += lost;
			}
			/* A request after another missing one may lack its beginning: it goes too. */
			hit += cnt > 1 && after % 2 == 0;
			check_spans(rig, 10 - hit);
			check_count(ACCOUNT_LOST_RING, hit);
			check_count(ACCOUNT_LOST_GAP, 0);
			for (uint32_t i = 0; i < rig->spans_cnt; i++)
				check_pairing(&rig->spans[i]);
			rig_finish(rig);
		}
	}
}

/* The last exchange did not fit the ring: the end of the connection tells. */
static void test_missed_at_the_end(void **state)
{
	(void)state;
	for (uint32_t lost = 1; lost <= 2; lost++) {
		for (size_t r = 0; r < CNT(both_roles); r++) {
			struct rig *rig = rig_new(NULL);
			struct end end = end_new(rig, both_roles[r]);

			ask(&end, GET("/n/0/"));
			answer(&end, "HTTP/1.1 300 X\r\nContent-Length: 0\r\n\r\n");
			rig->drop_cnt = lost == 2 ? 2 : 0;
			ask(&end, GET("/n/1/"));
			rig->drop_cnt = 1;
			answer(&end, "HTTP/1.1 301 X\r\nContent-Length: 0\r\n\r\n");
			finish(&end, END_CLOSED, 0);
			/* It is no connection_closed: there may well have been a response. */
			check_spans(rig, 1);
			check_count(ACCOUNT_LOST_GAP, 1);
			rig_finish(rig);
		}
	}
}

/* Neither did what came before the first request that was seen, nor what followed the last one. */
static void test_missed_around(void **state)
{
	(void)state;
	for (uint32_t missing = 2; missing < 20; missing += 2) {
		for (size_t r = 0; r < CNT(both_roles); r++) {
			struct rig *rig = rig_new(NULL);
			struct end end = end_new(rig, both_roles[r]);

			for (uint32_t part = 0; part < 3; part++) {
				rig->drop_cnt = part == 1 ? 0 : missing;
				for (uint32_t n = 0; n < missing / 2; n++) {
					ask(&end, GET("/a"));
					answer(&end, OK_EMPTY);
				}
			}
			finish(&end, END_EOF, 0);
			finish(&end, END_SHUTDOWN, 0);
			finish(&end, END_CLOSED, 0);
			check_spans(rig, missing / 2);
			rig_finish(rig);
		}
	}
}

/* The first response did not fit the ring. */
static void test_missed_first_response(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_SERVER);

	(void)state;
	ask(&end, GET("/a"));
	rig->drop_cnt = 1;
	answer(&end, OK_EMPTY);
	finish(&end, END_CLOSED, 0);
	check_spans(rig, 0);
	check_count(ACCOUNT_LOST_GAP, 1);
	rig_finish(rig);
}

/* A response whose end was missed had come when the client asked again. */
static void test_end_missed(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_CLIENT);
	uint64_t next_ns;

	(void)state;
	ask(&end, GET("/a"));
	answer(&end, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
	rig->drop_cnt = 1;
	answer(&end, "xxxxxxx");
	ask(&end, GET("/b"));
	next_ns = rig->now_ns;
	rig->now_ns += 3 * SECOND;
	answer(&end, "HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n");
	check_spans(rig, 2);
	assert_int_equal(span_of(rig, SPAN_CLIENT, 0)->end_ns, next_ns);
	assert_int_equal(span_of(rig, SPAN_CLIENT, 1)->code, 202);
	rig_finish(rig);
}

/* --- pipelining ------------------------------------------------------------------------------- */

static void ask_n(struct end *end, int n)
{
	char text[64];

	snprintf(text, sizeof(text), "GET /n/%d/ HTTP/1.1\r\n\r\n", n);
	ask(end, text);
}

static void answer_n(struct end *end, int n)
{
	char text[64];

	snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", 300 + n);
	answer(end, text);
}

/* cnt messages at once. */
static void pass_batch(struct end *end, enum sender sender, const char *message, size_t cnt)
{
	char text[1024] = "";
	size_t len = strlen(message);

	for (size_t i = 0; i < cnt; i++)
		memcpy(text + i * len, message, len + 1);
	pass(end, sender, text);
}

/* Four requests, of whose responses one is missing: none can be told any more until all is quiet. */
static void test_quarantine(void **state)
{
	(void)state;
	for (int missing = 0; missing < 4; missing++) {
		struct rig *rig = rig_new(NULL);
		struct end end = end_new(rig, ROLE_CLIENT);
		uint32_t whole = 0;

		for (int n = 0; n < 4; n++)
			ask_n(&end, n);
		for (int n = 0; n < 4; n++) {
			rig->drop_cnt = n == missing;
			answer_n(&end, n);
		}
		whole = missing < 3 ? (uint32_t)missing : 3;
		check_spans(rig, whole);
		for (int n = 4; n < 8; n++) { /* not quiet yet */
			rig_wait(rig, 300 * MS);
			ask_n(&end, n);
			answer_n(&end, n);
		}
		check_spans(rig, whole);
		rig->now_ns += 1100 * MS;
		for (int n = 8; n < 10; n++) {
			ask_n(&end, n);
			answer_n(&end, n);
		}
		check_spans(rig, whole + 2);
		for (uint32_t i = 0; i < rig->spans_cnt; i++)
			check_pairing(&rig->spans[i]);
		assert_int_equal(rig_lost(), 8 - whole);
		rig_finish(rig);
	}
}

/* What passes in silence is not quiet, and a client that waits for long is no sign either. */
static void test_not_quiet(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_CLIENT);

	(void)state;
	end.copy_turn = 256;
	for (int n = 0; n < 3; n++)
		ask_n(&end, n);
	rig->drop_cnt = 1;
	answer_n(&end, 0);
	answer_n(&end, 1);
	ask_n(&end, 3);
	rig->now_ns += 2 * SECOND;
	answer(&end, "HTTP/1.1 302 X\r\nContent-Length: 4000000\r\n\r\n");
	for (int i = 0; i < 40; i++) {
		rig->now_ns += 100 * MS;
		pass_body(&end, FROM_SERVER, 100000, 100000);
	}
	ask_n(&end, 4); /* but not quiet for a second */
	answer_n(&end, 3);
	answer_n(&end, 4);
	check_spans(rig, 0);
	rig_finish(rig);
}

/* A gap among the parts of one of several responses hides where the others are. */
static void test_gap_in_chunks(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_CLIENT);

	(void)state;
	for (int n = 0; n < 3; n++)
		ask_n(&end, n);
	answer(&end, "HTTP/1.1 300 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n");
	rig->drop_cnt = 1;
	answer(&end, "0\r\n\r\nHTTP/1.1 301 X\r\nContent-Length: 0\r\n\r\n");
	ask_n(&end, 3);
	answer_n(&end, 2);
	ask_n(&end, 4);
	answer_n(&end, 3);
	answer_n(&end, 4);
	check_spans(rig, 0);
	assert_int_equal(rig_lost(), 5);
	rig_finish(rig);
}

#define CHUNKED(line) line "Transfer-Encoding: chunked\r\n\r\n"
#define ASKS_5 "POST /n/0/ HTTP/1.1\r\nContent-Length: 5\r\n\r\nxxxxx"
#define ANSWERS_4 "HTTP/1.1 300 X\r\nContent-Length: 4\r\n\r\nxxxx"

/* A record, or what is not copied of one, is lost. The body has a size only if that is told elsewhere. */
static void test_size_of_gap(void **state)
{
	static const struct {
		unsigned int lost;
		uint32_t copy_op; /* of the bytes of one operation */
		struct shape shape;
	} cases[] = {
		{0x2,
		 4096,
		 {{CHUNKED("POST /n/0/ HTTP/1.1\r\n"), "3\r\nxxx\r\n", "0\r\n\r\n"},
		  {ANSWERS_4},
		  -1,
		  4}},
		{0x2,
		 4096,
		 {{CHUNKED("POST /n/0/ HTTP/1.1\r\n") "8\r\n", "xxxx", "xxxx\r\n0\r\n\r\n"},
		  {ANSWERS_4},
		  8,
		  4}},
		{0x4,
		 4096,
		 {{ASKS_5}, {CHUNKED("HTTP/1.1 300 X\r\n"), "3\r\nxxx\r\n", "0\r\n\r\n"}, 5, -1}},
		{0x4,
		 4096,
		 {{ASKS_5},
		  {CHUNKED("HTTP/1.1 300 X\r\n") "9\r\nx", "xxxx", "xxxx\r\n0\r\n\r\n"},
		  5,
		  9}},
		{0, 24, {{ASKS_5}, {ANSWERS_4}, -1, -1}},
	};

	(void)state;
	for (size_t i = 0; i < 2 * CNT(cases); i++) {
		const struct shape *shape = &cases[i / 2].shape;
		unsigned int lost = cases[i / 2].lost;
		struct rig *rig = rig_new(NULL);
		struct end end = end_new(rig, both_roles[i % 2]);

		end.copy_op = cases[i / 2].copy_op;
		pass_exchange(&end, shape, 0, &lost);
		end.copy_op = 4096;
		ask(&end, GET("/n/1/"));
		answer(&end, ANSWERS_4);
		check_spans(rig, 2);
		assert_int_equal(rig->spans[0].request_sz, shape->request_sz);
		assert_int_equal(rig->spans[0].response_sz, shape->response_sz);
		assert_int_equal(rig->spans[1].response_sz, 4);
		rig_finish(rig);
	}
}

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"
#define ASKS(id) "\0\0\x03\x01\x05\0\0\0" id "\x82\x86\x84"
#define ANSWERS(id) "\0\0\x01\x01\x04\0\0\0" id "\x88"
#define PART(id, flags) "\0\0\x02\0" flags "\0\0\0" id "xx"
#define ACK "\0\0\0\x04\x01\0\0\0\0"

/* Where messages come in parts between those of others, no size is known of any that was in progress. */
static void test_size_of_parts(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_CLIENT);

	(void)state;
	rig->made += 2;
	end_op(&end, true, BYTES(PREFACE ASKS("\1")));
	end_op(&end, false, BYTES("\0\0\0\x04\0\0\0\0\0" ANSWERS("\1") PART("\1", "\0")));
	rig->drop_cnt = 1;
	end_op(&end, false, BYTES(PART("\1", "\0")));
	end_op(&end, true, BYTES(ACK));
	end_op(&end, false, BYTES(PART("\1", "\0"))); /* here it is noticed */
	end_op(&end, true, BYTES(ACK));
	end_op(&end, false, BYTES(PART("\1", "\1")));
	end_op(&end, true, BYTES(ASKS("\3")));
	end_op(&end, false, BYTES(ANSWERS("\3") PART("\3", "\0") PART("\3", "\1")));
	check_spans(rig, 2);
	assert_int_equal(rig->spans[0].response_sz, -1);
	assert_int_equal(rig->spans[1].response_sz, 4);
	rig_finish(rig);
}

/* Pipelined requests of which the copy ends in the middle, in a head or between two. */
static void test_copy_ends(void **state)
{
	char requests[1024] = "";
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 16; i++)
		n += (size_t)snprintf(requests + n, sizeof(requests) - n,
				      "GET /n/%d/ HTTP/1.1\r\n\r\n", i);
	for (uint32_t copy = 1; copy < n; copy++) {
		struct rig *rig = rig_new(NULL);
		struct end end = end_new(rig, ROLE_SERVER);
		uint64_t counted;

		end.copy_turn = copy;
		pass(&end, FROM_CLIENT, requests);
		end.copy_turn = 16384;
		for (int i = 0; i < 16; i++)
			answer_n(&end, i);
		ask_n(&end, 16);
		answer_n(&end, 16);
		rig->now_ns += 2 * SECOND;
		ask_n(&end, 17);
		answer_n(&end, 17);
		rig_wait(rig, 100 * MS);
		for (uint32_t i = 0; i < rig->spans_cnt; i++)
			check_pairing(&rig->spans[i]);
		assert_int_equal(rig->spans[rig->spans_cnt - 1].code, 317);
		/* Those that were not copied are some that nobody can number, but more than none. */
		counted = rig->spans_cnt + rig_lost();
		assert_in_range(counted, 3, 18);
		rig->made = counted;
		rig_finish(rig);
	}
}

/* Batches of requests of one length, of which any records are missing: counted by their bytes. */
static void test_batches(void **state)
{
	static const uint32_t missing[][2] = {{0, 2}, {0, 9},  {0, 60},	 {1, 1},
					      {2, 7}, {9, 31}, {3, 100}, {20, 200}};

	(void)state;
	for (size_t m = 0; m < CNT(missing); m++) {
		for (size_t r = 0; r < CNT(both_roles); r++) {
			struct rig *rig = rig_new(NULL);
			struct end end = end_new(rig, both_roles[r]);
			uint32_t made = 0;

			announce(&end);
			for (uint32_t turn = 0; turn < 120; turn++) {
				if (turn == missing[m][0])
					rig->drop_cnt = missing[m][1];
				pass_batch(&end, FROM_CLIENT, GET("/n/0/"), 10);
				pass_batch(&end, FROM_SERVER, OK_EMPTY, 10);
				made += 10;
			}
			finish(&end, END_CLOSED, 0);
			rig_wait(rig, 100 * MS);
			assert_int_equal(rig->spans_cnt + rig_lost(), made);
			assert_true(rig->spans_cnt >= 10 * missing[m][0]);
			rig->made = made;
			rig_finish(rig);
		}
	}
}

/* --- order and offsets ------------------------------------------------------------------------ */

/* Two threads that write to one socket: the order of records is not that of the bytes. */
static void test_overlap(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_CLIENT);

	(void)state;
	ask_n(&end, 0);
	answer_n(&end, 0);
	ask_n(&end, 1);
	/* Each is noted as the last 20 of the 40 bytes that they made together. */
	end.rx_off += 20;
	answer(&end, "HTTP/1.1 301 X\r\nCont");
	end.rx_off -= 20;
	answer(&end, "ent-Length: 0   \r\n\r\n");
	ask_n(&end, 2);
	answer_n(&end, 2);
	check_spans(rig, 2);
	check_count(ACCOUNT_LOST_GAP, 1);
	check_pairing(&rig->spans[1]);
	assert_int_equal(rig->spans[1].code, 302);
	rig_finish(rig);
}

/* What was likely a request could not wait for the answer that makes it certain: counted. */
static void test_forgotten(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_CLIENT);

	(void)state;
	end.about.fresh = 0;
	end.about.role = ROLE_UNKNOWN;
	end_op_cut(&end, true, "get a\r\nget b\r\n", 14, 9);
	pass(&end, FROM_SERVER, "VALUE a 0 1\r\nx\r\nEND\r\nEND\r\n");
	check_spans(rig, 0);
	check_count(ACCOUNT_LOST_GAP, 1);
	rig->made = 1;
	rig_finish(rig);
}

/* --- bounds ----------------------------------------------------------------------------------- */

static void test_pool_exhausted(void **state)
{
	const struct flow_options options = {.max_exchanges = 4};
	struct rig *rig = rig_new(&options);
	struct end busy[4], end = end_new(rig, ROLE_CLIENT);

	(void)state;
	for (int i = 0; i < 4; i++) {
		busy[i] = end_new(rig, ROLE_CLIENT);
		ask_n(&busy[i], i);
	}
	ask_n(&end, 4);
	check_count(ACCOUNT_LOST_EVICTED, 1);
	answer_n(&end, 4);
	answer_n(&busy[0], 0);
	ask_n(&end, 5); /* there is room again, and this connection was never in doubt */
	answer_n(&end, 5);
	check_spans(rig, 2);
	assert_int_equal(rig->spans[1].code, 305);
	for (int i = 1; i < 4; i++)
		answer_n(&busy[i], i);
	check_spans(rig, 5);
	check_count(ACCOUNT_LOST_EVICTED, 1);
	rig_finish(rig);
}

static void test_pool_exhausted_pipelined(void **state)
{
	const struct flow_options options = {.max_exchanges = 4};

	(void)state;
	for (int free_at = 0; free_at < 8; free_at++) {
		struct rig *rig = rig_new(&options);
		struct end end = end_new(rig, ROLE_CLIENT), other = end_new(rig, ROLE_CLIENT);

		ask_n(&other, 50);
		for (int n = 0; n < 8; n++) {
			if (n == free_at)
				answer_n(&other, 50);
			ask_n(&end, n);
		}
		for (int n = 0; n < 8; n++)
			answer_n(&end, n);
		ask_n(&end, 8);
		answer_n(&end, 8);
		rig->now_ns += 2 * SECOND;
		ask_n(&end, 9);
		answer_n(&end, 9);
		check_spans(rig, 2);
		for (uint32_t i = 0; i < rig->spans_cnt; i++)
			check_pairing(&rig->spans[i]);
		assert_int_equal(rig->spans[1].code, 309);
		rig_finish(rig);
	}
}

/* The first of two has no room, the second has: their responses must not be mixed up. */
static void test_pool_exhausted_between(void **state)
{
	const struct flow_options options = {.max_exchanges = 1};
	struct rig *rig = rig_new(&options);
	struct end end = end_new(rig, ROLE_CLIENT), other = end_new(rig, ROLE_CLIENT);

	(void)state;
	ask_n(&other, 9);
	ask_n(&end, 0);
	answer_n(&other, 9);
	ask_n(&end, 1);
	answer_n(&end, 0);
	answer_n(&end, 1);
	check_spans(rig, 1);
	check_count(ACCOUNT_LOST_EVICTED, 1);
	check_count(ACCOUNT_LOST_GAP, 1);
	rig_finish(rig);
}

static void test_table_full(void **state)
{
	const struct flow_options options = {.max_connections = 4};
	struct rig *rig = rig_new(&options);
	struct end ends[6];

	(void)state;
	for (int i = 0; i < 4; i++) {
		ends[i] = end_new(rig, i == 1 ? ROLE_SERVER : ROLE_CLIENT);
		ask_n(&ends[i], i);
	}
	answer_n(&ends[1], 1); /* held, and used last but one */
	answer_n(&ends[0], 0); /* used last */
	for (int i = 4; i < 6; i++) {
		ends[i] = end_new(rig, ROLE_CLIENT);
		ask_n(&ends[i], i);
		assert_int_equal(flow__connection_cnt(rig->flow), 4);
	}
	/* Let go: those of 2 and 3, which nothing has happened on since. */
	check_count(ACCOUNT_LOST_EVICTED, 2);
	assert_int_equal(rig->verdicts_cnt, 2);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(rig->verdicts[i].cookie, ends[2 + i].about.cookie);
		assert_true(rig->verdicts[i].verdict.forget);
	}
	answer_n(&ends[2], 2); /* the verdict had not arrived yet */
	check_count(ACCOUNT_RECORDS_STRAY, 1);
	ends[2].announced = false; /* now it has: 1 goes, which is held no longer */
	ask_n(&ends[2], 6);
	answer_n(&ends[2], 6);
	answer_n(&ends[4], 4);
	answer_n(&ends[5], 5);
	check_spans(rig, 5);
	for (uint32_t i = 0; i < rig->spans_cnt; i++)
		check_pairing(&rig->spans[i]);
	rig_finish(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_loss),
		cmocka_unit_test(test_missed_turns),
		cmocka_unit_test(test_missed_at_the_end),
		cmocka_unit_test(test_missed_around),
		cmocka_unit_test(test_missed_first_response),
		cmocka_unit_test(test_end_missed),
		cmocka_unit_test(test_quarantine),
		cmocka_unit_test(test_not_quiet),
		cmocka_unit_test(test_gap_in_chunks),
		cmocka_unit_test(test_size_of_gap),
		cmocka_unit_test(test_size_of_parts),
		cmocka_unit_test(test_copy_ends),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_pool_exhausted),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_pool_exhausted_pipelined),
		cmocka_unit_test(test_pool_exhausted_between),
		cmocka_unit_test(test_table_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
