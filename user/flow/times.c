// SPDX-License-Identifier: Apache-2.0
/*
 * What the time of a request went to, as the kernel tells it for threads that work for one request at a time
 * (bpf/times.bpf.h). It becomes part of the span only if it is the whole of it: the same thread received the
 * request's first byte and sent the answer's last one.
 *
 * How long a request waited in its socket before anybody read it is beside that, and known of any server.
 */
#include "user/flow/internal.h"

#define SLACK_NS 100000 /* between the hooks' looks at the clock and the packet's departure ... */
#define SLACK_PARTS 50	/* or so much of the duration */

static const char *const names[TIMES_CNT] = {
	[TIME_CPU] = "sonde.time.cpu_ns",
	[TIME_RUN_QUEUE] = "sonde.time.run_queue_ns",
	[TIME_SERVERS] = "sonde.time.downstream_ns",
	[TIME_CLIENT] = "sonde.time.client_ns",
	[TIME_LOCK] = "sonde.time.lock_ns",
	[TIME_DISK] = "sonde.time.disk_ns",
	[TIME_PAGE_FAULT] = "sonde.time.page_fault_ns",
	[TIME_SLEEP] = "sonde.time.sleep_ns",
	[TIME_OTHER] = "sonde.time.other_ns",
};

/*
 * The request that the account is of: that which begins with the bytes that the thread received first, or the only one
 * outstanding, if it begins among them, as PostgreSQL's Execute does behind Parse and Bind; is_whole sees to it that they
 * came together.
 */
static struct exchange *of_account(const struct conn *conn, const struct record_times *record)
{
	struct exchange *x = conn->first;

	if (x && !x->next && x->off > record->off)
		return x->tid == record->tid && !conn_began(x) ? x : NULL;
	for (; x; x = x->next)
		if (x->off == record->off && x->tid == record->tid && !conn_began(x))
			return x;
	return NULL;
}

static void note(struct conn *conn, const struct record_times *record)
{
	struct exchange *x = of_account(conn, record);

	if (!x)
		return;
	x->times = *record;
	x->timed = true;
	x->sampled |= conn->sampled && conn->sampled_off == record->off;
}

void times_note(struct flow *flow, const struct record_times *record)
{
	struct conn *conn = conn_table__peek(&flow->conns, record->cookie);

	if (conn && !conn->closed)
		note(conn, record);
}

void times_note_sent(struct conn *conn, uint32_t turn, uint32_t flags, uint64_t end_ns)
{
	const struct read_turn *read = &conn->read_turn;

	if (!(flags & OP_ON_CPU) || !read->turn || turn != read->turn + 1 || end_ns < read->time_ns)
		return;
	note(conn, &(struct record_times){
			   .head.flags = flags & OP_LOOP ? TIMES_LOOP : 0,
			   .off = read->off,
			   .begin_ns = read->time_ns,
			   .end_ns = end_ns,
			   .spent_ns = {[TIME_CPU] = end_ns - read->time_ns},
			   .tid = read->tid,
		   });
}

void times_note_op(struct conn *conn, const struct record_op *op)
{
	bool send = op->head.flags & OP_SEND;

	if (op->tail_off && op->tail_direction == DIRECTION_SEND)
		times_note_sent(conn, op->turn - !send, op->tail_flags, op->tail_ns);
	if (send)
		times_note_sent(conn, op->turn, op->head.flags, op->time_ns);
	else if (op->turn != conn->read_turn.turn)
		conn->read_turn = (struct read_turn){
			.turn = op->turn, .tid = op->tid, .off = op->off, .time_ns = op->time_ns};
}

static bool is_near(uint64_t a, uint64_t b, uint64_t slack_ns)
{
	return (a > b ? a - b : b - a) <= slack_ns;
}

/* Does it tell of the whole request? What lies between the hooks and the span's ends is CPU time. */
static bool is_whole(const struct exchange *x, uint64_t end_ns, int64_t *cpu_ns)
{
	const struct record_times *times = &x->times;
	uint64_t duration_ns = end_ns - x->start_ns, slack_ns = duration_ns / SLACK_PARTS,
		 sum_ns = 0;

	slack_ns = slack_ns < SLACK_NS ? SLACK_NS : slack_ns;
	for (int i = 0; i < TIMES_CNT; i++)
		sum_ns += times->spent_ns[i];
	*cpu_ns = (int64_t)(duration_ns - (sum_ns - times->spent_ns[TIME_CPU]));
	return is_near(times->begin_ns, x->start_ns, slack_ns) &&
	       is_near(times->end_ns, end_ns, slack_ns) &&
	       is_near(sum_ns, times->end_ns - times->begin_ns, slack_ns) && *cpu_ns >= 0;
}

void times_add(const struct exchange *x, uint64_t end_ns, struct span *span)
{
	int64_t cpu_ns;

	if (x->queued_us && span->kind == SPAN_SERVER)
		attrs_add_int(&span->attrs, SLICE("sonde.time.queue_ns"), 1000ll * x->queued_us);
	if (!x->timed || x->conn->pipelined || x->answer_tid != x->tid ||
	    span->kind != SPAN_SERVER || !is_whole(x, end_ns, &cpu_ns))
		return;
	if (x->times.head.flags & TIMES_LOOP)
		attrs_add_bool(&span->attrs, SLICE("sonde.time.loop"), true);
	attrs_add_int(&span->attrs, slice_str(names[TIME_CPU]), cpu_ns);
	for (int i = TIME_CPU + 1; i < TIMES_CNT; i++)
		if (x->times.spent_ns[i])
			attrs_add_int(&span->attrs, slice_str(names[i]),
				      (int64_t)x->times.spent_ns[i]);
}
