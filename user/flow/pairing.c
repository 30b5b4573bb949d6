// SPDX-License-Identifier: Apache-2.0
/*
 * Messages to exchanges. Requests queue; a response goes to the request of its id, or, where the
 * protocol answers in order, to the oldest one without a response. When bytes were missed while
 * several requests were outstanding, order proves nothing any more: the connection is quarantined,
 * its requests counted as lost, until it was quiet.
 *
 * A request that was missed altogether is known by what surrounds it: turns that are missing, bytes
 * that are missing where a request begins, or else an answer to a turn in which no request was seen.
 * conn.asked sees to it that each is counted once.
 */
#include "user/flow/internal.h"

#define VERDICT_AFTER 8 /* exchanges before copying is narrowed */
#define COPY_MIN 512u
#define PIPELINED_TURN (1024u * 1024)

static void tell_copy(struct flow *flow, struct conn *conn, uint32_t copy_op, uint32_t copy_turn)
{
	struct verdict verdict = {.copy_op = copy_op, .copy_turn = copy_turn};

	if (conn->copy_op == copy_op)
		return;
	conn->copy_op = copy_op;
	flow->options.verdict(flow->options.ctx, conn->about.cookie, &verdict);
}

/* Copies of each operation what a head needs; of pipelined connections, all there is room for. */
static void adapt_copying(struct flow *flow, struct conn *conn)
{
	uint32_t want = COPY_MIN;

	if (conn->pipelined) {
		tell_copy(flow, conn, COPY_MAX, PIPELINED_TURN);
		return;
	}
	if (conn->done_cnt < VERDICT_AFTER)
		return;
	while (want < conn->head_max + conn->head_max / 4 && want < COPY_MAX)
		want *= 2;
	if (want > conn->copy_op)
		tell_copy(flow, conn, want, want * 4);
}

static void note_pipelining(struct flow *flow, struct conn *conn)
{
	if (conn->pipelined)
		return;
	conn->pipelined = true;
	adapt_copying(flow, conn);
}

static void append(struct conn *conn, struct exchange *x)
{
	x->conn = conn;
	x->protocol = conn->protocol;
	x->process_id = conn->process_id;
	x->next = NULL;
	if (conn->last)
		conn->last->next = x;
	else
		conn->first = x;
	conn->last = x;
	conn->exchange_cnt++;
}

static void unlink_exchange(struct exchange *x)
{
	struct conn *conn = x->conn;
	struct exchange **at = &conn->first, *before = NULL;

	while (*at != x) {
		before = *at;
		at = &before->next;
	}
	*at = x->next;
	if (conn->last == x)
		conn->last = before;
	conn->exchange_cnt--;
	for (int sender = FROM_CLIENT; sender <= FROM_SERVER; sender++)
		if (conn->streams[sender].current == x)
			conn->streams[sender].current = NULL;
}

static void drop(struct flow *flow, struct exchange *x)
{
	unlink_exchange(x);
	join__disown(x);
	join__leave(&flow->join, x);
	exchange_pool__put(&flow->exchanges, x);
}

/* The exchange is over: makes its span, or leaves it to the join. */
static void pair_complete(struct flow *flow, struct exchange *x)
{
	struct conn *conn = x->conn;

	unlink_exchange(x);
	conn->done_cnt++;
	if (x->abandoned) {
		exchange_pool__put(&flow->exchanges, x);
		return;
	}
	if (join__should_hold(&flow->join, x)) {
		join__hold(&flow->join, x);
		conn->held_cnt++;
	} else {
		join__leave(&flow->join, x);
		span_build(flow, x);
		exchange_pool__put(&flow->exchanges, x);
	}
	adapt_copying(flow, conn);
}

static struct exchange *find_unanswered(struct conn *conn, uint64_t id)
{
	struct exchange *x = conn->first;

	while (x && (x->responded || x->id != id))
		x = x->next;
	return x;
}

void pair_request_missed(struct conn *conn, enum account_entry cause)
{
	account_add(cause, 1);
	conn->asked = ASKED_COUNTED;
}

static void begin_request(struct flow *flow, struct conn *conn, const struct msg *msg,
			  uint64_t time_ns)
{
	struct stream *stream = &conn->streams[FROM_CLIENT];
	struct exchange *x = NULL;

	account_add(ACCOUNT_REQUESTS, 1);
	stream->current = NULL;
	conn->asked = ASKED_COUNTED;
	if (conn->quarantined || (conn->last && !conn->last->responded))
		note_pipelining(flow, conn);
	if (conn->quarantined) {
		account_add(ACCOUNT_LOST_GAP, 1);
		return;
	}
	x = exchange_pool__take(&flow->exchanges);
	if (!x) {
		account_add(ACCOUNT_LOST_EVICTED, 1);
		pair_broken(flow, conn, ACCOUNT_LOST_EVICTED);
		conn->quarantined = true;
		return;
	}
	x->start_ns = x->last_ns = time_ns;
	x->off = stream->head_off;
	x->seq = stream->head_seq;
	x->peer_seq = stream->head_peer_seq;
	x->tid = stream->head_tid;
	x->sampled = conn->sampled && conn->sampled_off == x->off;
	append(conn, x);
	stream->current = x;
	exchange__keep_request(x, msg);
	x->span_id = id_source__span_id(&flow->ids);
	if (x->parent_method == PARENT_NONE) {
		x->trace_id = id_source__trace_id(&flow->ids);
		x->trace_flags = SPAN_FLAG_SAMPLED | SPAN_FLAG_RANDOM;
	}
	join__enter(&flow->join, x);
}

static void begin_response(struct conn *conn, const struct msg *msg)
{
	struct exchange *x = conn->quarantined ? NULL : find_unanswered(conn, msg->id);

	conn->streams[FROM_SERVER].current = x;
	account_add(ACCOUNT_RESPONSES, 1);
	if (x && !x->answer_tid)
		x->answer_tid = conn->streams[FROM_SERVER].head_tid;
	if (x)
		exchange__keep_response(x, msg);
	else if (conn->asked == ASKED_BEFORE)
		account_add(ACCOUNT_RESPONSES_EARLY, 1);
}

/* The connection speaks another protocol from here on. */
static void upgrade(struct flow *flow, struct conn *conn, uint64_t time_ns)
{
	struct exchange *x = conn->streams[FROM_SERVER].current;

	stream_lose(flow, conn, FROM_CLIENT);
	stream_lose(flow, conn, FROM_SERVER);
	if (x) {
		x->end_ns = time_ns;
		pair_complete(flow, x);
	}
	pair_ended(flow, conn, "connection_closed", time_ns);
	conn_table__set_protocol(&flow->conns, conn, NULL);
	for (int sender = FROM_CLIENT; sender <= FROM_SERVER; sender++)
		conn->streams[sender].started = conn->streams[sender].placed = false;
	conn->detect_tries = 0;
	conn->unknown_bytes = 0;
}

void pair_message(struct flow *flow, struct conn *conn, const struct msg *msg, uint64_t time_ns)
{
	if (msg->kind == MSG_REQUEST)
		begin_request(flow, conn, msg, time_ns);
	else
		begin_response(conn, msg);
	if (msg->flags & MESSAGE_UPGRADE)
		upgrade(flow, conn, time_ns);
}

void pair_message_done(struct flow *flow, struct conn *conn, enum sender sender, uint64_t time_ns)
{
	struct exchange *x = conn->streams[sender].current;

	conn->streams[sender].current = NULL;
	if (!x)
		return;
	x->last_ns = time_ns;
	if (sender == FROM_CLIENT) {
		x->request_done = true;
		return;
	}
	x->end_ns = time_ns;
	pair_complete(flow, x);
}

void pair_broken(struct flow *flow, struct conn *conn, enum account_entry cause)
{
	uint32_t lost_cnt = 0;

	for (struct exchange *x = conn->first, *next; x; x = next) {
		next = x->next;
		if (!x->abandoned)
			lost_cnt++;
		drop(flow, x);
	}
	account_add(cause, lost_cnt);
	if (conn->pipelined)
		conn->quarantined = true;
}

void pair_ended(struct flow *flow, struct conn *conn, const char *failure, uint64_t time_ns)
{
	while (conn->first) {
		struct exchange *x = conn->first;

		x->failure = failure;
		x->end_ns = time_ns;
		pair_complete(flow, x);
	}
}

void pair_abandon(struct flow *flow, struct exchange *x, const char *failure, uint64_t time_ns)
{
	x->failure = failure;
	x->end_ns = time_ns;
	x->abandoned = true;
	join__leave(&flow->join, x);
	span_build(flow, x);
}
