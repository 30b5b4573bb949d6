// SPDX-License-Identifier: Apache-2.0
/* Rows that go on over operations, in the records of a walk; a walk that begins inside a frame. */
#include "tests/unit/flow_frames.h"
#include "tests/unit/mysql_packets.h"

/* Bytes of an operation that the walk copied: they begin a frame, of which the rest is left out. */
struct copied {
	uint32_t at;
	uint16_t len;
};

/* One operation that was walked; v: NULL if it was copied whole. Next is counted from its beginning. */
static void walk(struct end *end, enum sender sender, const char *bytes, uint32_t len,
		 const struct copied *v, size_t cnt, uint32_t next)
{
	bool send = sends(end, sender);
	const struct frames_end last = {.next_frame = (send ? end->tx_off : end->rx_off) + next,
					.generation = 1};
	char payload[512];
	uint32_t n = 0;

	for (size_t i = 0; i < cnt; i++)
		n = put_piece(payload, n,
			      (struct frame_piece){.at = v[i].at,
						   .len = v[i].len,
						   .flags = PIECE_START | PIECE_CUT},
			      bytes + v[i].at);
	if (v)
		end_op_walked(end, send, len, payload, n, 0, last);
	else
		end_op_walked(end, send, len, bytes, len, FRAMES_WHOLE | FRAMES_BEGINS, last);
}

static void walk_whole(struct end *end, enum sender sender, const char *bytes, uint32_t len)
{
	walk(end, sender, bytes, len, NULL, 0, len);
}

static void pass_bytes(struct end *end, enum sender sender, const char *bytes, uint32_t len)
{
	end_op(end, sends(end, sender), bytes, len);
}

/* A connection whose walks have been agreed on, after one query. */
static struct end walked_end(struct rig *rig)
{
	struct end end = end_new(rig, ROLE_CLIENT);

	pass_bytes(&end, FROM_SERVER, BYTES(GREETING));
	pass_bytes(&end, FROM_CLIENT, BYTES(LOGIN));
	pass_bytes(&end, FROM_SERVER, BYTES(OK_2));
	assert_int_not_equal(last_verdict(rig)->shape, 0);
	rig->made++;
	walk_whole(&end, FROM_CLIENT, BYTES(SELECT));
	walk_whole(&end, FROM_SERVER, BYTES(ROWS));
	assert_int_equal(last_verdict(rig)->agreed[0], 1);
	assert_int_equal(last_verdict(rig)->agreed[1], 1);
	return end;
}

/* Of a row that goes on in further operations the parser knows nothing; the walk does. */
static void test_rows_over_operations(void **state)
{
	static const char rows[] = "\1\0\0\1\1" NAME_2 "\0\20\0\3\374\374\17row";
	static const char rest[] = "the rest of it\7\0\0\4\376\0\0\2\0\0\0";
	const uint32_t over = 4096 - (sizeof("\374\374\17row") - 1);
	const struct copied whole_query[] = {{.at = 0, .len = sizeof(SELECT) - 1}};
	const struct copied head[] = {{.at = 0, .len = 5}};
	const struct copied eof[] = {{.at = sizeof("the rest of it") - 1, .len = 11}};
	struct rig *rig = rig_new(NULL);
	struct end end = walked_end(rig);
	uint32_t verdicts_cnt = rig->verdicts_cnt;

	(void)state;
	for (int i = 0; i < 3; i++) {
		rig->made++;
		walk(&end, FROM_CLIENT, BYTES(SELECT), whole_query, 1, sizeof(SELECT) - 1);
		walk(&end, FROM_SERVER, BYTES(rows), head, 1, sizeof(rows) - 1 + over);
		pass_silently(&end, false, over - eof->at);
		walk(&end, FROM_SERVER, BYTES(rest), eof, 1, sizeof(rest) - 1);
	}
	check_spans(rig, 4);
	assert_int_equal(rig->verdicts_cnt, verdicts_cnt);
	assert_int_equal(account_get(ACCOUNT_GAPS), 0);
	rig_finish(rig);
}

/* A walk that begins in the middle of a frame is told to begin anew. */
static void test_wrong_walk(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = end_new(rig, ROLE_CLIENT);

	(void)state;
	pass_bytes(&end, FROM_SERVER, BYTES(GREETING));
	pass_bytes(&end, FROM_CLIENT, BYTES(LOGIN));
	pass_bytes(&end, FROM_SERVER, BYTES(OK_2));
	rig->made++;
	walk_whole(&end, FROM_CLIENT, BYTES(SELECT));
	walk(&end, FROM_SERVER, BYTES(ROWS), NULL, 0, sizeof(ROWS) + 3);
	assert_int_equal(last_verdict(rig)->agreed[1], 1);
	assert_int_equal(last_verdict(rig)->agreed[0], 0);
	assert_int_equal(last_verdict(rig)->again[0], 1);
	check_spans(rig, 1);
	rig_finish(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_over_operations),
		cmocka_unit_test(test_wrong_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
