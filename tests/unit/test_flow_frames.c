// SPDX-License-Identifier: Apache-2.0
/* Records of walked frames, as the kernel writes them: which walks are agreed on, and what they tell. */
#include "tests/unit/flow_frames.h"

#define QUERY "Q\000\000\000\015SELECT 1\000"
#define COLUMNS "T\000\000\000\006\000\000"
#define DONE "C\000\000\000\015SELECT 9\000"
#define READY "Z\000\000\000\005I"
#define PARSE "P\0\0\0\020\0SELECT 1\0\0\0"
#define BIND "B\0\0\0\014\0\0\0\0\0\0\0\0"
#define EXECUTE "E\0\0\0\011\0\0\0\0\0"
#define SYNC "S\0\0\0\4"
#define PARSED "1\0\0\0\4"
#define NOTICE "N\0\0\0\005\0"
#define BOUND "2\0\0\0\4"
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

static uint64_t *off_of(struct end *end, enum sender sender)
{
	return sends(end, sender) ? &end->tx_off : &end->rx_off;
}

/* An end on which one query was answered before frames are walked. */
static struct end begin(struct rig *rig, enum role role)
{
	struct end end = end_new(rig, role);

	rig->made++;
	end_op(&end, sends(&end, FROM_CLIENT), BYTES(QUERY));
	end_op(&end, sends(&end, FROM_SERVER), BYTES(COLUMNS DONE READY));
	assert_int_not_equal(last_verdict(rig)->shape, 0);
	return end;
}

static void query(struct end *end)
{
	const struct piece asked[] = {{0, PIECE_START, BYTES(QUERY)}};
	uint64_t next = *off_of(end, FROM_CLIENT) + sizeof(QUERY) - 1;

	end->rig->made++;
	pass_pieces(end, FROM_CLIENT, sizeof(QUERY) - 1, &(struct walk){1, next, asked, 1});
}

/* Columns, rows over three operations, and the end. The kernel tells neither of rows nor of theirs. */
static void test_rows_are_left_out(void **state)
{
	const struct piece columns[] = {{0, PIECE_START | PIECE_CUT, BYTES("T\000\000\000\006")}};
	const struct piece done[] = {{ROWS, PIECE_START, BYTES(DONE)},
				     {ROWS + sizeof(DONE) - 1, PIECE_START, BYTES(READY)}};
	struct rig *rig = rig_new(NULL);
	struct end end = begin(rig, ROLE_CLIENT);
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
	struct end end = begin(rig, ROLE_CLIENT);

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

/* A small operation of whole frames. */
static void pass_whole(struct end *end, enum sender sender, const char *bytes, uint32_t n)
{
	const struct frames_end last = {.next_frame = *off_of(end, sender) + n, .generation = 1};

	end_op_walked(end, sends(end, sender), n, bytes, n, FRAMES_WHOLE | FRAMES_BEGINS, last);
}

/* Does the next record fit the ring? That is a bit of lost, which goes on to the one after it. */
static void drop_next(struct end *end, unsigned int *lost)
{
	end->rig->drop_cnt = *lost & 1;
	*lost >>= 1;
}

/* A query and its answer in four records, all small. */
static void exchange_small(struct end *end, unsigned int lost)
{
	end->rig->made++;
	drop_next(end, &lost);
	pass_whole(end, FROM_CLIENT, BYTES(PARSE));
	drop_next(end, &lost);
	pass_whole(end, FROM_CLIENT, BYTES(BIND EXECUTE SYNC));
	drop_next(end, &lost);
	pass_whole(end, FROM_SERVER, BYTES(PARSED BOUND));
	drop_next(end, &lost);
	pass_whole(end, FROM_SERVER, BYTES(DONE READY));
	end->rig->drop_cnt = 0;
}

/* The same in three, with rows. */
static void exchange_large(struct end *end, unsigned int lost)
{
	const struct piece columns[] = {{0, PIECE_START | PIECE_CUT, BYTES("T\0\0\0\006")}};
	const struct piece done[] = {{ROWS, PIECE_START, BYTES(DONE)},
				     {ROWS + sizeof(DONE) - 1, PIECE_START, BYTES(READY)}};
	const uint32_t done_len = ROWS + sizeof(DONE READY) - 1;
	uint64_t *off = off_of(end, FROM_SERVER);

	drop_next(end, &lost);
	query(end);
	drop_next(end, &lost);
	pass_pieces(end, FROM_SERVER, ROWS, &(struct walk){1, *off + ROWS, columns, 1});
	drop_next(end, &lost);
	pass_pieces(end, FROM_SERVER, done_len, &(struct walk){1, *off + done_len, done, 2});
	end->rig->drop_cnt = 0;
}

static void lose(enum role role, bool large, unsigned int lost)
{
	void (*exchange)(struct end *, unsigned int) = large ? exchange_large : exchange_small;
	const unsigned int losses[] = {0, 0, lost & 15, lost >> 4, 0, 0};
	struct rig *rig = rig_new(NULL);
	struct end end = begin(rig, role);

	for (size_t i = 0; i < sizeof(losses) / sizeof(*losses); i++)
		exchange(&end, losses[i]);
	finish(&end, END_CLOSED, 0);
	rig_wait(rig, 100 * MS);
	assert_in_range(rig->spans_cnt, 5, 7); /* those of which nothing is missing */
	rig_finish(rig);
}

/* Any records of two exchanges between others are missing: each request is a span, or lost, once. */
static void test_every_loss(void **state)
{
	(void)state;
	for (unsigned int lost = 0; lost < 256; lost++)
		for (int large = 0; large < 2; large++) {
			lose(ROLE_CLIENT, large, lost);
			lose(ROLE_SERVER, large, lost);
		}
}

/* The rest of a frame whose beginning was missed is none, whatever it looks like. */
static void test_rest_of_missing(void **state)
{
	const struct piece rest[] = {{0, 0, BYTES(QUERY)}};
	const uint32_t len = 1000;

	(void)state;
	for (int interrupted = 0; interrupted < 2; interrupted++) {
		struct rig *rig = rig_new(NULL);
		struct end end = begin(rig, ROLE_CLIENT);

		exchange_large(&end, 0);
		exchange_large(&end, 0);
		pass_whole(&end, FROM_CLIENT, BYTES(PARSE));
		rig->drop_cnt = 1;
		pass_pieces(&end, FROM_CLIENT, len, &(struct walk){1, end.tx_off + len, NULL, 0});
		if (interrupted)
			pass_whole(&end, FROM_SERVER, BYTES(NOTICE));
		pass_pieces(&end, FROM_CLIENT, len, &(struct walk){1, end.tx_off + len, rest, 1});
		rig->made++;
		pass_whole(&end, FROM_SERVER, BYTES(COLUMNS DONE READY));
		exchange_large(&end, 0);
		check_spans(rig, 4);
		rig_finish(rig);
	}
}

/* Generations are counted in a byte: one that was agreed on says nothing of its namesake. */
static void test_generations(void **state)
{
	const struct piece wrong[] = {{7, PIECE_START, BYTES(DONE)}};
	struct rig *rig = rig_new(NULL);
	struct end end = begin(rig, ROLE_CLIENT);

	(void)state;
	exchange_large(&end, 0);
	assert_int_equal(last_verdict(rig)->agreed[0], 1);
	query(&end);
	end_op_walked(&end, false, sizeof(COLUMNS) - 1, BYTES(COLUMNS), FRAMES_WHOLE,
		      (struct frames_end){.next_frame = ~0ull, .generation = 2});
	pass_pieces(&end, FROM_SERVER, ROWS, &(struct walk){1, end.rx_off + 21, wrong, 1});
	assert_int_equal(last_verdict(rig)->again[0], 1);
	assert_int_equal(last_verdict(rig)->agreed[0], 0);
	rig_wait(rig, 100 * MS);
	assert_int_equal(rig->spans_cnt, 2);
	finish(&end, END_CLOSED, 0);
	rig_finish(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_left_out), cmocka_unit_test(test_begins_wrong),
		cmocka_unit_test(test_every_loss),	  cmocka_unit_test(test_rest_of_missing),
		cmocka_unit_test(test_generations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
