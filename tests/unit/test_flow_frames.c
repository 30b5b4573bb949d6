// SPDX-License-Identifier: Apache-2.0
/* Records of walked frames, as the kernel writes them: which walks are agreed on, and what they tell. */
#include "tests/unit/flow_frames.h"

#define QUERY "Q\000\000\000\015SELECT 1\000"
#define COLUMNS "T\000\000\000\006\000\000"
#define DONE "C\000\000\000\015SELECT 9\000"
#define READY "Z\000\000\000\005I"
#define ROWS 100000u /* bytes of them, in an operation */

struct piece {
	uint32_t at;
	uint16_t flags;
	const char *bytes;
	size_t n;
};

struct walk {
	uint8_t generation;
	uint64_t next_frame;
	const struct piece *pieces;
	size_t pieces_cnt;
};

/* An operation of len bytes, of which the walk gives pieces. */
static void pass_pieces(struct end *end, enum sender sender, uint32_t len, const struct walk *walk)
{
	char payload[512];
	uint32_t n = 0;

	for (size_t i = 0; i < walk->pieces_cnt; i++) {
		const struct piece *piece = &walk->pieces[i];
		const struct frame_piece head = {
			.at = piece->at, .len = (uint16_t)piece->n, .flags = piece->flags};

		n = put_piece(payload, n, head, piece->bytes);
	}
	end_op_walked(end, sends(end, sender), len, payload, n, 0,
		      (struct frames_end){.next_frame = walk->next_frame,
					  .generation = walk->generation});
}

/* A client's end on which one query was answered before frames are walked. */
static struct end begin(struct rig *rig)
{
	struct end end = end_new(rig, ROLE_CLIENT);

	rig->made++;
	end_op(&end, true, BYTES(QUERY));
	end_op(&end, false, BYTES(COLUMNS DONE READY));
	assert_int_not_equal(last_verdict(rig)->shape, 0);
	return end;
}

static void query(struct end *end)
{
	const struct piece asked[] = {{0, PIECE_START, BYTES(QUERY)}};

	end->rig->made++;
	pass_pieces(end, FROM_CLIENT, sizeof(QUERY) - 1,
		    &(struct walk){1, end->tx_off + sizeof(QUERY) - 1, asked, 1});
}

/* Columns, rows over three operations, and the end. The kernel tells neither of rows nor of theirs. */
static void test_rows_are_left_out(void **state)
{
	const struct piece columns[] = {{0, PIECE_START | PIECE_CUT, BYTES("T\000\000\000\006")}};
	const struct piece done[] = {{ROWS, PIECE_START, BYTES(DONE)},
				     {ROWS + sizeof(DONE) - 1, PIECE_START, BYTES(READY)}};
	struct rig *rig = rig_new(NULL);
	struct end end = begin(rig);
	uint64_t base = end.rx_off;

	(void)state;
	query(&end);
	pass_pieces(&end, FROM_SERVER, ROWS, &(struct walk){1, base + ROWS + 10, columns, 1});
	assert_int_equal(last_verdict(rig)->again[0], 0);
	assert_int_equal(last_verdict(rig)->agreed[0], 1);
	pass_pieces(&end, FROM_SERVER, ROWS, &(struct walk){1, base + 2 * ROWS + 20, NULL, 0});
	pass_pieces(&end, FROM_SERVER, ROWS + sizeof(DONE READY) - 1,
		    &(struct walk){1, base + 3 * ROWS + sizeof(DONE READY) - 1, done, 2});
	query(&end);
	pass_pieces(&end, FROM_SERVER, ROWS, &(struct walk){1, ~0ull, columns, 1});
	assert_int_equal(last_verdict(rig)->again[0], 0);
	rig_wait(rig, 100 * MS);
	assert_int_equal(rig->spans_cnt, 2);
	assert_int_equal(account_get(ACCOUNT_GAPS), 0);
	rig_finish(rig);
}

/* A walk that begins within a frame is begun anew, and what it gives is not believed. */
static void test_begins_wrong(void **state)
{
	const struct piece columns[] = {{0, PIECE_START | PIECE_CUT, BYTES("T\000\000\000\006")}};
	const struct piece wrong[] = {{7, PIECE_START, BYTES(DONE)}};
	const struct piece done[] = {{0, PIECE_START, BYTES(DONE)},
				     {sizeof(DONE) - 1, PIECE_START, BYTES(READY)}};
	struct rig *rig = rig_new(NULL);
	struct end end = begin(rig);

	(void)state;
	query(&end);
	pass_pieces(&end, FROM_SERVER, 7, &(struct walk){1, end.rx_off + 7, columns, 1});
	pass_pieces(&end, FROM_SERVER, ROWS, &(struct walk){2, end.rx_off + 21, wrong, 1});
	assert_int_equal(last_verdict(rig)->again[0], 2);
	check_count(ACCOUNT_LOST_GAP, 1);
	query(&end);
	pass_pieces(&end, FROM_SERVER, sizeof(DONE READY) - 1,
		    &(struct walk){3, end.rx_off + sizeof(DONE READY) - 1, done, 2});
	rig_wait(rig, 100 * MS);
	assert_int_equal(rig->spans_cnt, 2);
	assert_string_equal(rig->spans[1].error, "");
	rig_finish(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_left_out),
		cmocka_unit_test(test_begins_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
