// SPDX-License-Identifier: Apache-2.0
/* UDP: sockets of one query and of many, who asks, what is repeated, lost or refused, both ends. */
#include "tests/unit/flow_rig.h"

#define QUESTION(letter) "\1" letter "\4test\0\0\1\0\1"
#define QUERY(id, letter) id "\1\0\0\1\0\0\0\0\0\0" QUESTION(letter)
#define REPLY(id, letter) id "\x81\x80\0\1\0\0\0\0\0\0" QUESTION(letter)
#define BYTES(lit) lit, sizeof(lit) - 1

#define CLIENT_COOKIE 100
#define SERVER_COOKIE 200
#define CLIENT_PORT 40000
#define SERVER_PORT 53
#define ANSWER_TIMEOUT (11 * SECOND)

/* A socket; remote_port 0: it is not connected. */
struct end_of_udp {
	struct rig *rig;
	uint64_t cookie;
	uint32_t process_id;
	uint16_t local_port, remote_port;
	uint32_t serial; /* of its next record; 0: the kernel does not tell */
};

/* One operation; where the socket is not connected, port is what the system call names, or 0. */
static void udp(struct end_of_udp *end, bool send, uint16_t port, const char *bytes, size_t n)
{
	struct record_datagram *d = calloc(1, sizeof(*d) + n);

	assert_non_null(d);
	d->head.size = (uint32_t)(sizeof(*d) + n);
	d->head.kind = RECORD_DATAGRAM;
	d->head.flags = send ? OP_SEND : 0;
	d->cookie = end->cookie;
	d->time_ns = end->rig->now_ns += MS;
	d->len = (uint32_t)n;
	d->process_id = end->process_id;
	d->family = FAMILY_INET;
	d->local_port = end->local_port;
	d->remote_port = end->remote_port ? end->remote_port : port;
	if (d->remote_port)
		memcpy(d->remote_addr, "\x7f\0\0\1", 4);
	if (end->serial)
		d->serial = end->serial++;
	memcpy(d + 1, bytes, n);
	assert_true(record_valid(d, d->head.size));
	flow__record(end->rig->flow, &d->head);
	free(d);
}

static void udp_fails(const struct end_of_udp *end, uint16_t error)
{
	struct record_datagram d = {
		.head = {.size = sizeof(d), .kind = RECORD_DATAGRAM},
		.cookie = end->cookie,
		.time_ns = end->rig->now_ns += MS,
		.family = FAMILY_INET,
		.local_port = end->local_port,
		.remote_port = end->remote_port,
		.error = error,
	};

	flow__record(end->rig->flow, &d.head);
}

static struct end_of_udp client_of(struct rig *rig)
{
	return (struct end_of_udp){rig, CLIENT_COOKIE, CLIENT_PROCESS, CLIENT_PORT, SERVER_PORT, 0};
}

static struct end_of_udp server_of(struct rig *rig)
{
	return (struct end_of_udp){rig, SERVER_COOKIE, SERVER_PROCESS, SERVER_PORT, 0, 0};
}

static void test_one_query(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end_of_udp client = client_of(rig);

	(void)state;
	udp(&client, true, 0, BYTES(QUERY("ab", "x")));
	udp(&client, false, 0, BYTES(REPLY("ab", "x")));
	rig_wait(rig, 20 * MS);
	assert_int_equal(rig->spans_cnt, 1);
	assert_string_equal(rig->spans[0].name, "DNS A");
	assert_int_equal(rig->spans[0].kind, SPAN_CLIENT);
	assert_true(rig->spans[0].end_ns - rig->spans[0].start_ns == MS);
	assert_string_equal(rig->spans[0].peer, "127.0.0.1");
	rig_wait(rig, 2 * SECOND); /* the socket is forgotten, and may be used again */
	udp(&client, true, 0, BYTES(QUERY("ac", "x")));
	udp(&client, false, 0, BYTES(REPLY("ac", "x")));
	rig_wait(rig, 20 * MS);
	assert_int_equal(rig->spans_cnt, 2);
	assert_int_equal(rig->verdicts_cnt, 0);
	rig_free(rig);
}

/* In any order, on one socket, at either end. */
static void test_many(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end_of_udp server = server_of(rig);

	(void)state;
	udp(&server, false, 0, BYTES(QUERY("ab", "x")));
	udp(&server, false, 0, BYTES(QUERY("ab", "y")));
	udp(&server, false, 0, BYTES(QUERY("ac", "x")));
	udp(&server, true, 1003, BYTES(REPLY("ac", "x")));
	udp(&server, true, 1001, BYTES(REPLY("ab", "x")));
	udp(&server, true, 1002, BYTES(REPLY("ab", "y")));
	rig_wait(rig, SECOND);
	assert_int_equal(rig->spans_cnt, 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(rig->spans[i].kind, SPAN_SERVER);
		assert_string_equal(rig->spans[i].peer, "127.0.0.1");
	}
	assert_true(rig->spans[0].end_ns - rig->spans[0].start_ns == MS);
	assert_true(rig->spans[1].end_ns - rig->spans[1].start_ns == 4 * MS);
	rig_free(rig);
}

/* Sent again: one exchange, from its first beginning. What is never answered has timed out. */
static void test_repeated(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end_of_udp client = client_of(rig);

	(void)state;
	client.serial = 1;
	udp(&client, true, 0, BYTES(QUERY("ab", "x")));
	rig_wait(rig, 5 * SECOND);
	udp(&client, true, 0, BYTES(QUERY("ab", "x")));
	rig_wait(rig, 6 * SECOND);
	assert_int_equal(rig->spans_cnt, 0);
	udp(&client, false, 0, BYTES(REPLY("ab", "x")));
	udp(&client, true, 0, BYTES(QUERY("ac", "y")));
	rig_wait(rig, ANSWER_TIMEOUT);
	assert_int_equal(rig->spans_cnt, 2);
	assert_true(rig->spans[0].end_ns - rig->spans[0].start_ns > 11 * SECOND);
	assert_string_equal(rig->spans[0].error, "");
	assert_string_equal(rig->spans[1].error, "timeout");
	check_count(ACCOUNT_REQUESTS_REPEATED, 1);
	udp(&client, false, 0, BYTES(REPLY("ac", "y"))); /* too late */
	rig_wait(rig, SECOND);
	assert_int_equal(rig->spans_cnt, 2);
	check_count(ACCOUNT_LOST_RING, 0);
	rig_free(rig);
}

static void test_refused(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end_of_udp client = client_of(rig);

	(void)state;
	udp(&client, true, 0, BYTES(QUERY("ab", "x")));
	udp(&client, true, 0, BYTES(QUERY("ac", "x")));
	udp_fails(&client, ECONNREFUSED);
	rig_wait(rig, 20 * MS);
	assert_int_equal(rig->spans_cnt, 2);
	assert_string_equal(rig->spans[0].error, "ECONNREFUSED");
	assert_string_equal(rig->spans[1].error, "ECONNREFUSED");
	rig_free(rig);
}

/* Records were lost while it waited: it may have been answered. */
static void test_full_ring(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end_of_udp client = client_of(rig);

	(void)state;
	udp(&client, true, 0, BYTES(QUERY("ab", "x")));
	account_set(ACCOUNT_RING_FULL, 1);
	rig_wait(rig, SECOND);
	rig_wait(rig, ANSWER_TIMEOUT);
	assert_int_equal(rig->spans_cnt, 0);
	check_count(ACCOUNT_LOST_GAP, 1);
	rig_free(rig);
}

/*
 * Of three queries some records are lost: 1 2 3 queries, a b c their answers, '-' for each record that
 * was lost. Each query is a span, or counted as lost, once.
 */
static void test_missing_records(void **state)
{
	static const struct {
		const char *steps;
		uint32_t spans_cnt, lost_cnt;
	} cases[] = {
		{"1a2b3c", 3, 0}, {"1a--3c", 2, 1}, {"1a2-3c", 2, 1},
		{"1a-b3c", 2, 1}, {"1a----", 1, 0}, /* who knows */
		{"-a2b3c", 2, 1}, {"----3c", 1, 0}, {"123--c", 1, 2},
		{"1---bc", 0, 3}, {"12--bc", 1, 2}, {"1a-2b-3c", 3, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rig *rig = rig_new(NULL);
		struct end_of_udp client = client_of(rig);

		client.serial = 1;
		account_set(ACCOUNT_RING_FULL, strchr(cases[i].steps, '-') != NULL);
		for (const char *step = cases[i].steps; *step; step++) {
			char query[] = QUERY("a0", "x"), reply[] = REPLY("a0", "x");

			query[1] = *step;
			reply[1] = (char)(*step - 'a' + '1');
			if (*step == '-')
				client.serial++;
			else if (*step < 'a')
				udp(&client, true, 0, query, sizeof(query) - 1);
			else
				udp(&client, false, 0, reply, sizeof(reply) - 1);
		}
		rig_wait(rig, SECOND);
		rig_wait(rig, ANSWER_TIMEOUT);
		rig_wait(rig, 2 * SECOND);
		assert_int_equal(rig->spans_cnt, cases[i].spans_cnt);
		assert_int_equal(account_get(ACCOUNT_LOST_RING) + account_get(ACCOUNT_LOST_GAP),
				 cases[i].lost_cnt);
		rig_free(rig);
	}
}

/* A socket that is never quiet tells all the same what it missed. Threads may change records' places. */
static void test_missing_while_busy(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end_of_udp server = server_of(rig);

	(void)state;
	server.serial = 1;
	for (int i = 0; i < 40; i++) {
		server.serial += i == 1 ? 20 : 0;
		udp(&server, false, 0, BYTES(QUERY("ab", "x")));
		server.serial += i % 2 ? 1 : -1;
		if (i == 20)
			rig->now_ns += ANSWER_TIMEOUT;
		udp(&server, true, 1001, BYTES(REPLY("ab", "x")));
	}
	check_count(ACCOUNT_LOST_RING, 10);
	rig_wait(rig, SECOND);
	assert_int_equal(rig->spans_cnt, 40);
	rig_free(rig);
}

static void test_not_ours(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end_of_udp client = client_of(rig), multicast = client_of(rig);

	(void)state;
	for (int i = 0; i < 4; i++)
		udp(&client, true, 0, BYTES("some.counter:1|c"));
	assert_int_equal(rig->verdicts_cnt, 1);
	assert_true(rig->verdicts[0].verdict.ignore);
	multicast.cookie++;
	multicast.remote_port = 5353;
	udp(&multicast, true, 0, BYTES(QUERY("\0\0", "x")));
	assert_int_equal(rig->verdicts_cnt, 2);
	rig_wait(rig, ANSWER_TIMEOUT);
	assert_int_equal(rig->spans_cnt, 0);
	check_count(ACCOUNT_DATAGRAMS_UNKNOWN, 5);
	rig_free(rig);
}

/* --- both ends -------------------------------------------------------------------------------- */

static const struct seen *span_nth(const struct rig *rig, enum span_kind kind, uint32_t nth)
{
	for (uint32_t i = 0; i < rig->spans_cnt; i++)
		if (rig->spans[i].kind == kind && !nth--)
			return &rig->spans[i];
	fail_msg("no such span");
	return NULL;
}

static bool is_child(const struct seen *server, const struct seen *client)
{
	return memcmp(&server->parent_id, &client->span_id, sizeof(client->span_id)) == 0 &&
	       memcmp(&server->trace_id, &client->trace_id, sizeof(client->trace_id)) == 0;
}

static bool is_root(const struct seen *span)
{
	static const struct span_id none;

	return memcmp(&span->parent_id, &none, sizeof(none)) == 0;
}

/* Steps: C client asks, S server is asked, s server answers, c client is answered. */
static void test_join(void **state)
{
	static const char *const orders[] = {"CSsc", "SCsc", "SsCc", "CScs"};

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		struct rig *rig = rig_new(NULL);
		struct end_of_udp client = client_of(rig), server = server_of(rig);

		for (const char *step = orders[i]; *step; step++) {
			if (*step == 'C')
				udp(&client, true, 0, BYTES(QUERY("ab", "x")));
			else if (*step == 'S')
				udp(&server, false, 0, BYTES(QUERY("ab", "x")));
			else if (*step == 's')
				udp(&server, true, CLIENT_PORT, BYTES(REPLY("ab", "x")));
			else
				udp(&client, false, 0, BYTES(REPLY("ab", "x")));
		}
		rig_wait(rig, SECOND);
		assert_int_equal(rig->spans_cnt, 2);
		assert_true(is_child(span_nth(rig, SPAN_SERVER, 0), span_nth(rig, SPAN_CLIENT, 0)));
		rig_free(rig);
	}
}

/* The client that was found when the server was asked is not the one that it answers. */
static void test_another_client(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end_of_udp first = client_of(rig), second = client_of(rig), server = server_of(rig);

	(void)state;
	second.cookie++;
	second.local_port++;
	udp(&first, true, 0, BYTES(QUERY("ab", "x"))); /* lost on its way */
	udp(&server, false, 0, BYTES(QUERY("ab", "x")));
	udp(&second, true, 0, BYTES(QUERY("ab", "x")));
	udp(&server, true, second.local_port, BYTES(REPLY("ab", "x")));
	udp(&second, false, 0, BYTES(REPLY("ab", "x")));
	rig_wait(rig, ANSWER_TIMEOUT);
	assert_int_equal(rig->spans_cnt, 3);
	assert_true(is_child(span_nth(rig, SPAN_SERVER, 0), span_nth(rig, SPAN_CLIENT, 0)));
	assert_string_equal(span_nth(rig, SPAN_CLIENT, 1)->error, "timeout");
	rig_free(rig);
}

/* A client elsewhere, whose port is another: no parent. */
static void test_client_elsewhere(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end_of_udp client = client_of(rig), server = server_of(rig);

	(void)state;
	udp(&client, true, 0, BYTES(QUERY("ab", "x")));
	udp(&server, false, 0, BYTES(QUERY("ab", "x")));
	udp(&server, true, 999, BYTES(REPLY("ab", "x")));
	udp(&client, false, 0, BYTES(REPLY("ab", "x")));
	rig_wait(rig, SECOND);
	assert_int_equal(rig->spans_cnt, 2);
	assert_true(is_root(span_nth(rig, SPAN_SERVER, 0)));
	assert_false(memcmp(&rig->spans[0].trace_id, &rig->spans[1].trace_id, 16) == 0);
	rig_free(rig);
}

/* A forwarder asks and is asked on one socket. */
static void test_both_roles(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end_of_udp both = server_of(rig);

	(void)state;
	udp(&both, false, 0, BYTES(QUERY("ab", "x")));
	udp(&both, true, 5300, BYTES(QUERY("ad", "x")));
	udp(&both, false, 0, BYTES(REPLY("ad", "x")));
	udp(&both, true, 1001, BYTES(REPLY("ab", "x")));
	rig_wait(rig, SECOND);
	assert_int_equal(rig->spans_cnt, 2);
	assert_true(span_nth(rig, SPAN_SERVER, 0)->end_ns > span_nth(rig, SPAN_CLIENT, 0)->end_ns);
	rig_free(rig);
}

/* More sockets than the table holds: those that waited longest are counted. */
static void test_bound(void **state)
{
	const struct flow_options options = {.max_exchanges = 20000};
	struct rig *rig = rig_new(&options);
	struct end_of_udp client = client_of(rig);

	(void)state;
	for (int i = 0; i < 17000; i++) {
		client.cookie++;
		udp(&client, true, 0, BYTES(QUERY("ab", "x")));
	}
	check_count(ACCOUNT_LOST_EVICTED, 17000 - 16384);
	rig_free(rig);
	check_count(ACCOUNT_LOST_OPEN, 16384);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_query),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_full_ring),
		cmocka_unit_test(test_missing_records),
		cmocka_unit_test(test_missing_while_busy),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_another_client),
		cmocka_unit_test(test_client_elsewhere),
		cmocka_unit_test(test_both_roles),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
