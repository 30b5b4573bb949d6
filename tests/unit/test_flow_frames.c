// SPDX-License-Identifier: Apache-2.0
/* Records of walked frames, as the kernel writes them: which walks are agreed on, and what they tell. */
#include "tests/unit/flow_rig.h"

#define QUERY "Q\000\000\000\015SELECT 1\000"
#define COLUMNS "T\000\000\000\006\000\000"
#define DONE "C\000\000\000\015SELECT 9\000"
#define READY "Z\000\000\000\005I"
#define ROWS 100000u /* bytes of them, in an operation */

#define BYTES(lit) lit, sizeof(lit) - 1

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

static uint32_t serial; /* of the connection's last record */

static void add(char **at, const void *bytes, size_t n)
{
	*at = mempcpy(*at, bytes, n);
}

static void pass_record(struct end *end, enum sender sender, uint32_t len, const char *payload,
			uint32_t n)
{
	bool send = sends(end, sender);
	struct record_op *record = malloc(sizeof(*record) + n);

	assert_non_null(record);
	end->rig->now_ns += MS;
	*record = fill_op(end, send, send ? end->tx_off : end->rx_off, len, n);
	record->head.kind = RECORD_FRAMES;
	memcpy(record + 1, payload, n);
	assert_true(record_valid(record, record->head.size));
	flow__record(end->rig->flow, &record->head);
	free(record);
	*(send ? &end->tx_off : &end->rx_off) += len;
	*(send ? &end->tx_seq : &end->rx_seq) += len;
}

/* An operation of len bytes, of which the walk gives pieces. */
static void pass_pieces(struct end *end, enum sender sender, uint32_t len, const struct walk *walk)
{
	struct frames_end last = {.next_frame = walk->next_frame, .generation = walk->generation};
	char payload[512], *at = payload;

	last.serial = ++serial;
	copy_budget(end, len, sends(end, sender));
	for (size_t i = 0; i < walk->pieces_cnt; i++) {
		const struct piece *piece = &walk->pieces[i];
		const struct frame_piece head = {
			.at = piece->at, .len = (uint16_t)piece->n, .flags = piece->flags};

		add(&at, &head, sizeof(head));
		add(&at, piece->bytes, piece->n);
	}
	add(&at, &last, sizeof(last));
	pass_record(end, sender, len, payload, (uint32_t)(at - payload));
}

static const struct verdict *last_verdict(const struct rig *rig)
{
	assert_int_not_equal(rig->verdicts_cnt, 0);
	return &rig->verdicts[rig->verdicts_cnt - 1].verdict;
}

/* A client's end on which one query was answered before frames are walked. */
static struct end begin(struct rig *rig)
{
	struct end end = end_new(rig, ROLE_CLIENT);

	serial = 0;
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
