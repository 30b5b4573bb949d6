// SPDX-License-Identifier: Apache-2.0
/* Heads that never become whole: what waits is bounded, and does not harm others. */
#include "tests/unit/flow_rig.h"

#include "user/flow/internal.h"

#define HOSTILE_CNT 800
#define OP_SZ 4096
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static struct end new_end(struct rig *rig)
{
	struct end end = end_new(rig, ROLE_SERVER);

	end.copy_op = COPY_MAX;
	end.copy_turn = 1024 * 1024;
	return end;
}

/* Another part of a head that has no end; the first one tells that it is HTTP. */
static void send_endless(struct end *end, bool first)
{
	static char bytes[OP_SZ];

	memset(bytes, 'x', sizeof(bytes));
	if (first)
		memcpy(bytes, "GET /b HTTP/1.1\r\nX: ", 20);
	end_op(end, false, bytes, sizeof(bytes));
}

static void test_endless_heads(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end *hostile = calloc(HOSTILE_CNT, sizeof(*hostile)), honest = new_end(rig);
	uint32_t asked = 0;
	size_t most = 0;

	(void)state;
	assert_non_null(hostile);
	for (int round = 0; round < 15; round++)
		for (int i = 0; i < HOSTILE_CNT; i++) {
			if (!round)
				hostile[i] = new_end(rig);
			send_endless(&hostile[i], !round);
			if (rig->flow->conns.heads_sz > most)
				most = rig->flow->conns.heads_sz;
			if (i % 100)
				continue;
			pass(&honest, FROM_CLIENT, "GET /a HT"); /* its head waits, too */
			pass(&honest, FROM_CLIENT, "TP/1.1\r\nHost: app\r\n\r\n");
			answer(&honest, OK);
			asked++;
		}
	assert_in_range(most, CONN_HEADS_MAX / 2, CONN_HEADS_MAX);
	check_spans(rig, asked);
	assert_in_range(account_get(ACCOUNT_LOST_MEMORY), 100, 2 * HOSTILE_CNT);
	for (int i = 0; i < HOSTILE_CNT; i++)
		finish(&hostile[i], END_CLOSED, 0);
	finish(&honest, END_CLOSED, 0);
	assert_int_equal(rig->flow->conns.heads_sz, 0);
	rig_free(rig);
	free(hostile);
}

/* Where the search for the protocol waits, it begins again. */
static void test_endless_beginnings(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end *ends = calloc(HOSTILE_CNT, sizeof(*ends));
	static char bytes[OP_SZ] = "\0\0\xff\xff\0\0\0\1"; /* as Kafka's answers begin */

	(void)state;
	assert_non_null(ends);
	for (int round = 0; round < 15; round++)
		for (int i = 0; i < HOSTILE_CNT; i++) {
			if (!round)
				ends[i] = new_end(rig);
			end_op(&ends[i], true, bytes, sizeof(bytes));
			assert_in_range(rig->flow->conns.heads_sz, 0, CONN_HEADS_MAX);
		}
	for (int i = 0; i < HOSTILE_CNT; i++)
		finish(&ends[i], END_CLOSED, 0);
	assert_int_equal(rig->flow->conns.heads_sz, 0);
	rig_finish(rig);
	free(ends);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endless_heads),
		cmocka_unit_test(test_endless_beginnings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
