// SPDX-License-Identifier: Apache-2.0
/* What the time of a request went to is told of the whole of it, or not at all. */
#include "tests/unit/flow_rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: app\r\n\r\n"
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define WORKER 501u
#define OTHER 502u
#define TOOK (100 * MS)

/* A request came and was worked for until now: half a part of the time on a CPU, the rest in a lock. */
static struct record_times times_of(const struct end *end, const char *request)
{
	struct record_times times = {
		.head = {.size = sizeof(times), .kind = RECORD_TIMES},
		.cookie = end->about.cookie,
		.off = end->rx_off - strlen(request),
		.begin_ns = end->rig->now_ns - TOOK,
		.end_ns = end->rig->now_ns,
		.spent_ns = {[TIME_CPU] = TOOK / 4, [TIME_LOCK] = TOOK - TOOK / 4},
		.tid = WORKER,
	};

	return times;
}

static void tell(struct rig *rig, const struct record_times *times)
{
	struct record_times *exact = malloc(sizeof(*exact));

	assert_non_null(exact);
	*exact = *times;
	assert_true(record_valid(exact, sizeof(*exact)));
	flow__record(rig->flow, &exact->head);
	free(exact);
}

static struct end worked_end(struct rig *rig)
{
	struct end end = end_new(rig, ROLE_SERVER);

	end.tid = WORKER;
	ask(&end, GET("/a"));
	rig->now_ns += TOOK;
	return end;
}

/* The one span that there is, after its answer. */
static const struct seen *answered(struct rig *rig, struct end *end)
{
	answer(end, OK_EMPTY);
	rig_wait(rig, SECOND);
	check_spans(rig, 1);
	return span_of(rig, SPAN_SERVER, 0);
}

static void check_none(const struct seen *span)
{
	for (int i = 0; i < TIMES_CNT; i++)
		assert_int_equal(span->times[i], -1);
}

static void test_told(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = worked_end(rig);
	struct record_times times = times_of(&end, GET("/a"));
	const struct seen *span;
	int64_t sum = 0;

	(void)state;
	tell(rig, &times);
	span = answered(rig, &end);
	for (int i = 0; i < TIMES_CNT; i++)
		sum += span->times[i] > 0 ? span->times[i] : 0;
	assert_int_equal(sum, span->end_ns - span->start_ns);
	assert_int_equal(span->times[TIME_LOCK], TOOK - TOOK / 4);
	assert_int_equal(span->times[TIME_DISK], -1);
	rig_finish(rig);
}

/* The thread received other bytes first, such as a Parse before the Execute. */
static void test_told_from_before(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = worked_end(rig);
	struct record_times times;

	(void)state;
	answer(&end, OK_EMPTY);
	ask(&end, GET("/a"));
	rig->now_ns += TOOK;
	times = times_of(&end, GET("/a"));
	times.off -= 20;
	tell(rig, &times);
	answer(&end, OK_EMPTY);
	rig_wait(rig, SECOND);
	check_spans(rig, 2);
	check_none(span_of(rig, SPAN_SERVER, 0));
	assert_int_equal(span_of(rig, SPAN_SERVER, 1)->times[TIME_LOCK], TOOK - TOOK / 4);
	rig_finish(rig);
}

/* Of answers in several parts each tells again; the last one counts. */
static void test_told_again(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = worked_end(rig);
	struct record_times times = times_of(&end, GET("/a"));

	(void)state;
	times.end_ns -= TOOK / 2;
	times.spent_ns[TIME_LOCK] -= TOOK / 2;
	tell(rig, &times);
	times = times_of(&end, GET("/a"));
	tell(rig, &times);
	assert_int_equal(answered(rig, &end)->times[TIME_LOCK], TOOK - TOOK / 4);
	rig_finish(rig);
}

enum unfit {
	OTHERS_REQUEST,
	OTHERS_THREAD,
	ANSWERED_BY_ANOTHER,
	BEGAN_LATE,
	ENDED_EARLY,
	CLIENTS_END,
	UNFITS_CNT,
};

/* Of a part of it, of another request, or by another thread: nothing. */
static void test_not_the_whole(void **state)
{
	(void)state;
	for (int unfit = 0; unfit < UNFITS_CNT; unfit++) {
		struct rig *rig = rig_new(NULL);
		struct end end = worked_end(rig);
		struct record_times times = times_of(&end, GET("/a"));

		times.off += unfit == OTHERS_REQUEST;
		times.tid += unfit == OTHERS_THREAD;
		times.cookie += unfit == CLIENTS_END;
		times.begin_ns += unfit == BEGAN_LATE ? TOOK / 10 : 0;
		times.end_ns -= unfit == ENDED_EARLY ? TOOK / 10 : 0;
		tell(rig, &times);
		if (unfit == ANSWERED_BY_ANOTHER)
			end.tid = OTHER;
		check_none(answered(rig, &end));
		rig_finish(rig);
	}
}

/* More than there was: nothing. */
static void test_impossible(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = worked_end(rig);
	struct record_times times = times_of(&end, GET("/a"));

	(void)state;
	times.spent_ns[TIME_LOCK] = 2 * TOOK;
	tell(rig, &times);
	check_none(answered(rig, &end));
	rig_finish(rig);
}

#define HEAD_ONLY "HTTP/1.1 200 OK\r\nContent-Length: 612\r\n\r\n"

/* An answer whose body is sent without a buffer, so that no record tells of it. */
static void answer_silently(struct end *end, uint8_t timed)
{
	answer(end, HEAD_ONLY);
	end->timed = timed;
	end_op_cut(end, true, NULL, 612, 0);
	assert_true(end->tail_off);
}

static void check_on_cpu(const struct seen *span)
{
	for (int i = 0; i < TIMES_CNT; i++)
		assert_int_equal(span->times[i],
				 i == TIME_CPU ? (int64_t)(span->end_ns - span->start_ns) : -1);
}

/* Nothing but that the thread stayed on the CPU is told: by the answer itself. */
static void test_on_cpu(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = worked_end(rig);

	(void)state;
	end.timed = OP_ON_CPU | OP_LOOP;
	check_on_cpu(answered(rig, &end));
	rig_finish(rig);
}

enum tail_told {
	BY_ITSELF,
	BY_NEXT_REQUEST,
	BY_END,
	TAILS_CNT
};

/* And of what follows it in silence: by whatever tells of that. */
static void test_on_cpu_in_silence(void **state)
{
	(void)state;
	for (int told = 0; told < TAILS_CNT; told++) {
		struct rig *rig = rig_new(NULL);
		struct end end = worked_end(rig);

		end.timed = OP_ON_CPU;
		rig->now_ns += TOOK;
		answer_silently(&end, OP_ON_CPU);
		if (told == BY_ITSELF)
			flush_tail(&end);
		else if (told == BY_NEXT_REQUEST)
			ask(&end, GET("/b"));
		else
			finish(&end, END_CLOSED, 0);
		rig_wait(rig, SECOND);
		check_on_cpu(span_of(rig, SPAN_SERVER, 0));
		if (told == BY_NEXT_REQUEST)
			answer(&end, OK_EMPTY);
		rig_finish(rig);
	}
}

/* It left the CPU before the last of the answer, of which no account came. */
static void test_on_cpu_at_first(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end end = worked_end(rig);

	(void)state;
	end.timed = OP_ON_CPU;
	answer(&end, HEAD_ONLY);
	rig->now_ns += TOOK;
	end.timed = 0;
	end_op_cut(&end, true, NULL, 612, 0);
	flush_tail(&end);
	rig_wait(rig, SECOND);
	check_none(span_of(rig, SPAN_SERVER, 0));
	rig_finish(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_told_from_before),
		cmocka_unit_test(test_told_again),
		cmocka_unit_test(test_not_the_whole),
		cmocka_unit_test(test_impossible),
		cmocka_unit_test(test_on_cpu),
		cmocka_unit_test(test_on_cpu_in_silence),
		cmocka_unit_test(test_on_cpu_at_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
