// SPDX-License-Identifier: Apache-2.0
/* What flow tells of connections whose protocol it does not recognise. */
#include "tests/unit/flow_rig.h"

#define MADE_UP "\x01\x99hello\xfe\xff"
#define HELLO                                          \
	"\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03" \
	"0123456789abcdef0123456789abcdef\x00\x00\x02\x13\x01\x01\x00\x00\x05....."
#define TOLD_MAX 16

static struct {
	struct unknown unknown;
	char label[32];
} told[TOLD_MAX];
static uint32_t told_cnt;

static void keep(void *ctx, const struct unknown *unknown)
{
	(void)ctx;
	assert_in_range(told_cnt, 0, TOLD_MAX - 1);
	told[told_cnt].unknown = *unknown;
	text_of(unknown->label, told[told_cnt++].label, sizeof(told->label));
}

static struct rig *new_rig(void)
{
	const struct flow_options options = {.unknown = keep, .max_connections = 4};

	told_cnt = 0;
	return rig_new(&options);
}

static void check_told(uint32_t n, bool serves, uint16_t port, uint64_t sent, uint64_t received,
		       const char *label)
{
	const struct unknown *unknown = &told[n].unknown;

	assert_true(n < told_cnt);
	assert_string_equal(told[n].label, label);
	assert_int_equal(unknown->serves, serves);
	assert_int_equal(unknown->port, port);
	assert_int_equal(unknown->sent_sz, sent);
	assert_int_equal(unknown->received_sz, received);
	assert_int_equal(unknown->process_id, serves ? SERVER_PROCESS : CLIENT_PROCESS);
}

static bool is_ignored(const struct rig *rig, const struct end *end)
{
	for (uint32_t i = 0; i < rig->verdicts_cnt; i++)
		if (rig->verdicts[i].cookie == end->about.cookie && rig->verdicts[i].verdict.ignore)
			return true;
	return false;
}

static bool is_sealed(const struct rig *rig, const struct end *end)
{
	for (uint32_t i = 0; i < rig->verdicts_cnt; i++)
		if (rig->verdicts[i].cookie == end->about.cookie &&
		    rig->verdicts[i].verdict.carries == CARRIES_UNSEEN)
			return true;
	return false;
}

/* A connection that ends early is told of at its end, as each end sees it. */
static void test_short(void **state)
{
	struct rig *rig = new_rig();
	struct end client, server;

	(void)state;
	ends_new(rig, &client, &server);
	pass(&client, FROM_CLIENT, MADE_UP);
	pass(&server, FROM_CLIENT, MADE_UP);
	pass(&server, FROM_SERVER, MADE_UP MADE_UP);
	pass(&client, FROM_SERVER, MADE_UP MADE_UP);
	assert_int_equal(told_cnt, 0);
	finish(&client, END_CLOSED, 0);
	finish(&server, END_CLOSED, 0);
	assert_int_equal(told_cnt, 2);
	check_told(0, false, 80, 9, 18, "unknown");
	check_told(1, true, 80, 18, 9, "unknown");
	check_count(ACCOUNT_CONNECTIONS_UNKNOWN, 2);
	check_count(ACCOUNT_UNPARSED_BYTES, 54);
	rig_finish(rig);
	assert_int_equal(told_cnt, 2);
}

/* A long one when it is given up, once, and the kernel need not tell more of it. */
static void test_long(void **state)
{
	struct rig *rig = new_rig();
	struct end end = end_new(rig, ROLE_SERVER);

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(told_cnt, 0);
		pass(&end, FROM_CLIENT, MADE_UP);
		pass(&end, FROM_SERVER, MADE_UP MADE_UP);
	}
	assert_int_equal(told_cnt, 1);
	check_told(0, true, 80, 4 * 18, 4 * 9, "unknown");
	assert_true(is_ignored(rig, &end));
	assert_int_equal(flow__connection_cnt(rig->flow), 0);
	finish(&end, END_CLOSED, 0);
	rig_finish(rig);
	assert_int_equal(told_cnt, 1);
}

/* However long each of its turns could still become something that is known. */
static void test_never_certain(void **state)
{
	struct rig *rig = new_rig();
	struct end end = end_new(rig, ROLE_SERVER);

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(told_cnt, 0);
		pass(&end, FROM_CLIENT, "P");
		pass(&end, FROM_SERVER, "H");
	}
	assert_int_equal(told_cnt, 1);
	check_told(0, true, 80, 4, 4, "unknown");
	assert_true(is_ignored(rig, &end));
	rig_finish(rig);
}

/* Nothing is to be learned from a second record of TLS, but how much there was. */
static void test_tls(void **state)
{
	struct rig *rig = new_rig();
	struct end end = end_new(rig, ROLE_CLIENT);

	(void)state;
	end_op(&end, true, HELLO, sizeof(HELLO) - 1);
	assert_int_equal(told_cnt, 0);
	assert_true(is_sealed(rig, &end));
	end.rx_off = 1000;
	finish(&end, END_CLOSED, 0);
	assert_int_equal(told_cnt, 1);
	check_told(0, false, 80, sizeof(HELLO) - 1, 1000, "tls");
	rig_finish(rig);
	assert_int_equal(told_cnt, 1);
}

/* Joined in the middle, it shows at the next record. */
static void test_tls_joined(void **state)
{
	struct rig *rig = new_rig();
	struct end end = end_new(rig, ROLE_UNKNOWN);

	(void)state;
	end.about.fresh = 0;
	end.about.local_port = 443;
	end.process_id = SERVER_PROCESS;
	end_op(&end, false, "and the rest of a record", 24);
	end_op(&end, true,
	       "\x17\x03\x03\x00\x13\x9a\x01\x02"
	       "0123456789abcdef",
	       24);
	assert_true(is_sealed(rig, &end));
	rig_finish(rig);
	assert_int_equal(told_cnt, 1);
	check_told(0, true, 443, 24, 24, "tls");
}

/* A protocol that has become another one, of which there is no parser. */
static void test_upgraded(void **state)
{
	struct rig *rig = new_rig();
	struct end end = end_new(rig, ROLE_CLIENT);

	(void)state;
	end_op(&end, true, "\0\0\0\x08\x04\xd2\x16\x2f", 8); /* PostgreSQL's SSLRequest */
	pass(&end, FROM_SERVER, "S");
	assert_int_equal(told_cnt, 0);
	assert_true(is_sealed(rig, &end));
	finish(&end, END_CLOSED, 0);
	assert_int_equal(told_cnt, 1);
	check_told(0, false, 80, 8, 1, "tls");
	assert_int_equal(flow__connection_cnt(rig->flow), 0);
	check_count(ACCOUNT_CONNECTIONS_UNKNOWN, 1);
	rig->made = account_get(ACCOUNT_SPANS);
	rig_finish(rig);
	assert_int_equal(told_cnt, 1);
}

/* Nobody tells when it ends: it is let go, or there is no room, or sonde ends. */
static void test_without_end(void **state)
{
	struct rig *rig = new_rig();
	struct end ends[6], silent = end_new(rig, ROLE_SERVER);

	(void)state;
	announce(&silent);
	for (int i = 0; i < 6; i++) {
		ends[i] = end_new(rig, ROLE_SERVER);
		ends[i].about.local_port = (uint16_t)(9000 + i);
		pass(&ends[i], FROM_CLIENT, MADE_UP);
		assert_int_equal(told_cnt, i < 4 ? 0 : i - 3);
	}
	rig_wait(rig, RIG_IDLE - SECOND);
	pass(&ends[5], FROM_CLIENT, MADE_UP);
	assert_int_equal(told_cnt, 2);
	rig_wait(rig, 2 * SECOND);
	assert_int_equal(told_cnt, 5);
	rig_finish(rig);
	assert_int_equal(told_cnt, 6);
	for (uint32_t i = 0; i < 6; i++)
		check_told(i, true, (uint16_t)(9000 + i), 0, i == 5 ? 18 : 9, "unknown");
}

static void test_unix(void **state)
{
	struct rig *rig = new_rig();
	struct end client, server;

	(void)state;
	ends_new(rig, &client, &server);
	make_unix(&client, &server);
	pass(&server, FROM_CLIENT, MADE_UP);
	finish(&server, END_CLOSED, 0);
	assert_int_equal(told_cnt, 1);
	check_told(0, true, 0, 0, 9, "unknown");
	rig_finish(rig);
}

/* A connection that was recognised is none of these, nor is one on which nothing passed. */
static void test_known(void **state)
{
	struct rig *rig = new_rig();
	struct end end = end_new(rig, ROLE_SERVER), silent = end_new(rig, ROLE_SERVER);

	(void)state;
	announce(&silent);
	finish(&silent, END_CLOSED, 0);
	ask(&end, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	answer(&end, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	finish(&end, END_CLOSED, 0);
	check_spans(rig, 1);
	rig_finish(rig);
	assert_int_equal(told_cnt, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short),	      cmocka_unit_test(test_long),
		cmocka_unit_test(test_never_certain), cmocka_unit_test(test_tls),
		cmocka_unit_test(test_tls_joined),    cmocka_unit_test(test_upgraded),
		cmocka_unit_test(test_without_end),   cmocka_unit_test(test_unix),
		cmocka_unit_test(test_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
