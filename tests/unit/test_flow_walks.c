// SPDX-License-Identifier: Apache-2.0
/* What walked frames of HTTP/2 are silent about, and what is missing at a connection's end. */
#include "tests/unit/flow_frames.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS "\0\0\0\4\0\0\0\0\0"
/* GET http://./ and 200, of that stream; what a header of a cut frame has of it. */
#define GET_HEADER(stream) "\0\0\3\1\5\0\0\0" stream
#define GET(stream) GET_HEADER(stream) "\x82\x86\x84"
#define OK(stream) "\0\0\1\1\5\0\0\0" stream "\x88"
#define PING "\0\0\x08\6\0\0\0\0\0abcdefgh"

/* An end whose frames are walked. */
struct walked {
	struct end end;
	struct begun_frame last_begun[2];
};

/* One operation that holds one frame: copied whole, or as a piece. */
static void walk(struct walked *w, bool send, const char *bytes, uint32_t len, bool whole)
{
	uint64_t off = send ? w->end.tx_off : w->end.rx_off;
	const struct frames_end last = {.next_frame = off + len, .generation = 1};
	char payload[512];
	uint32_t n =
		put_piece(payload, 0,
			  (struct frame_piece){.len = (uint16_t)len, .flags = PIECE_START}, bytes);

	if (bytes[3] == 1) {
		w->last_begun[send].off = off;
		memcpy(w->last_begun[send].header, bytes, 9);
	}
	if (whole)
		end_op_walked(&w->end, send, len, bytes, len, FRAMES_WHOLE | FRAMES_BEGINS, last);
	else
		end_op_walked(&w->end, send, len, payload, n, 0, last);
}

/* A client's end after two requests, the second of which was told as frames, whole. */
static struct walked new_walked(struct rig *rig)
{
	struct walked w = {.end = end_new(rig, ROLE_CLIENT)};

	end_op(&w.end, true, BYTES(PREFACE SETTINGS GET("\1")));
	end_op(&w.end, false, BYTES(SETTINGS));
	end_op(&w.end, false, BYTES(OK("\1")));
	walk(&w, true, BYTES(GET("\3")), true);
	walk(&w, false, BYTES(OK("\3")), true);
	rig->made += 2;
	check_spans(rig, 2);
	return w;
}

static void check_agreed(const struct rig *rig)
{
	const struct verdict *verdict = last_verdict(rig);

	assert_true(verdict->shape > 0);
	assert_int_equal(verdict->agreed[0], 1);
	assert_int_equal(verdict->agreed[1], 1);
}

static void end_at(struct walked *w, size_t size)
{
	struct record_end *record = calloc(1, size);

	assert_non_null(record);
	memcpy(record,
	       &(struct record_end){
		       .head = {.size = (uint32_t)size, .kind = RECORD_END},
		       .cookie = w->end.about.cookie,
		       .time_ns = w->end.rig->now_ns,
		       .rx_off = w->end.rx_off,
		       .tx_off = w->end.tx_off,
		       .reason = END_CLOSED,
	       },
	       RECORD_END_MIN);
	if (size > RECORD_END_MIN)
		memcpy(record->last_begun, w->last_begun, sizeof(w->last_begun));
	assert_true(record_valid(record, size));
	flow__record(w->end.rig->flow, &record->head);
	free(record);
}

static void test_pieces(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct walked w = new_walked(rig);

	(void)state;
	check_agreed(rig);
	walk(&w, true, BYTES(GET("\5")), false);
	walk(&w, false, BYTES(OK("\5")), false);
	rig->made++;
	check_spans(rig, 3);
	check_count(ACCOUNT_GAPS, 0);
	rig_finish(rig);
}

/* The kernel falls silent as soon as it is told that the walk is right, before it sends any piece. */
static void test_silent_after_agreement(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct walked w = new_walked(rig);

	(void)state;
	walk(&w, true, BYTES(GET("\5")), true);
	pass_silently(&w.end, false, 17);
	walk(&w, true, BYTES(GET("\7")), false);
	walk(&w, false, BYTES(OK("\7")), false);
	walk(&w, false, BYTES(OK("\5")), false);
	rig->made += 2;
	check_spans(rig, 4);
	check_count(ACCOUNT_GAPS, 0);
	rig_finish(rig);
}

/* The last records did not fit: nobody answered, and how many asked is known by the last one. */
static void test_end_missing(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct walked w = new_walked(rig);

	(void)state;
	walk(&w, true, BYTES(GET("\5")), false);
	rig->drop_cnt = 3;
	walk(&w, true, BYTES(GET("\7")), false);
	walk(&w, true, BYTES(GET("\x0b")), false);
	walk(&w, false, BYTES(OK("\5")), false);
	end_at(&w, sizeof(struct record_end));
	rig->made += 4; /* the one between them, too */
	check_spans(rig, 2);
	check_count(ACCOUNT_LOST_GAP, 4);
	rig_finish(rig);
}

/* As above, but what the client sent last, when it took leave, was seen. */
static void test_leave_seen(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct walked w = new_walked(rig);

	(void)state;
	walk(&w, true, BYTES(GET("\5")), false);
	rig->drop_cnt = 2;
	walk(&w, true, BYTES(GET("\x0b")), false);
	walk(&w, false, BYTES(OK("\5")), false);
	walk(&w, true, BYTES(PING), false);
	end_at(&w, sizeof(struct record_end));
	rig->made += 4;
	check_spans(rig, 2);
	check_count(ACCOUNT_LOST_GAP, 4);
	rig_finish(rig);
}

/* What was seen last is the last. */
static void test_end_seen(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct walked w = new_walked(rig);

	(void)state;
	walk(&w, true, BYTES(GET("\5")), false);
	walk(&w, true, BYTES(PING), false);
	rig->drop_cnt = 1;
	walk(&w, true, BYTES(PING), false);
	walk(&w, false, BYTES(OK("\5")), false);
	end_at(&w, sizeof(struct record_end));
	rig->made++;
	check_spans(rig, 3);
	rig_finish(rig);
}

/* A recording from before an end told of the last frame. */
static void test_older_end(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct walked w = new_walked(rig);

	(void)state;
	walk(&w, true, BYTES(GET("\5")), false);
	rig->drop_cnt = 1;
	walk(&w, false, BYTES(OK("\5")), false);
	end_at(&w, RECORD_END_MIN);
	rig->made++;
	check_spans(rig, 2);
	check_count(ACCOUNT_LOST_GAP, 1);
	rig_finish(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),	    cmocka_unit_test(test_silent_after_agreement),
		cmocka_unit_test(test_end_missing), cmocka_unit_test(test_leave_seen),
		cmocka_unit_test(test_end_seen),    cmocka_unit_test(test_older_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
