// SPDX-License-Identifier: Apache-2.0
/* A stream's bytes taken apart: heads to the parser, bodies counted, gaps bridged or admitted. */
#include <errno.h>
#include <stdlib.h>

#include "user/flow/internal.h"

static void begin_message(struct flow *flow, struct stream *stream)
{
	if (!stream->in_message)
		flow->in_body_cnt++;
	stream->in_message = true;
}

static void message_done(struct flow *flow, struct conn *conn, enum sender sender)
{
	struct stream *stream = &conn->streams[sender];

	if (stream->in_message)
		flow->in_body_cnt--;
	stream->in_message = stream->more = stream->until_turn = stream->until_close = false;
	stream->skip = 0;
	pair_message_done(flow, conn, sender, stream->last_ns);
}

static void resync(struct conn *conn, enum sender sender)
{
	if (conn->protocol && conn->protocol->resync)
		conn->protocol->resync(conn->state, sender);
}

void stream_lose(struct flow *flow, struct conn *conn, enum sender sender)
{
	struct stream *stream = &conn->streams[sender];

	if (stream->in_message)
		flow->in_body_cnt--;
	stream->in_message = stream->more = stream->until_turn = stream->until_close = false;
	stream->skip = 0;
	stream->head_len = stream->good_cnt = 0;
	stream->current = NULL;
	stream->from_start = false;
	stream->lost = true;
	resync(conn, sender);
}

/* Are the sender's bytes, now that x is its message in progress, of the request? */
static bool asks(const struct exchange *x, enum sender sender)
{
	return sender == x->initiator || !x->responded;
}

/*
 * Where the message in progress goes on is not known, nor how long its body is: it ends with its sender's
 * turn, unless others may hide in that.
 */
static void end_with_turn(struct flow *flow, struct conn *conn, enum sender sender)
{
	struct exchange *x = conn->streams[sender].current;

	if (conn->exchange_cnt < 2 && !(sender == FROM_CLIENT && conn->pipelined)) {
		conn->streams[sender].until_turn = true;
		if (x)
			*(asks(x, sender) ? &x->request_unmeasured : &x->response_unmeasured) =
				true;
		return;
	}
	conn->pipelined = true;
	pair_broken(flow, conn, ACCOUNT_LOST_GAP);
	stream_lose(flow, conn, sender);
}

/* A part has passed, and others may come between it and the next one of its message. */
static void part_done(struct flow *flow, struct conn *conn, enum sender sender)
{
	struct stream *stream = &conn->streams[sender];

	if (!conn->protocol->by_id)
		return;
	if (stream->current)
		stream->current->last_ns = stream->last_ns;
	if (stream->in_message)
		flow->in_body_cnt--;
	stream->in_message = stream->more = false;
	stream->current = NULL;
}

/* The message may be over, or its part: nothing of it is still to pass. */
static void bytes_done(struct flow *flow, struct conn *conn, enum sender sender)
{
	if (conn->streams[sender].more)
		part_done(flow, conn, sender);
	else
		message_done(flow, conn, sender);
}

/* Body bytes pass. */
static void pass_body(struct flow *flow, struct conn *conn, enum sender sender, uint64_t n,
		      uint64_t time_ns)
{
	struct stream *stream = &conn->streams[sender];
	struct exchange *x = stream->current;

	if (n == 0)
		return;
	stream->last_ns = time_ns;
	if (stream->skips_head)
		x = NULL;
	if (x && asks(x, sender))
		x->request_body_sz += n;
	else if (x)
		x->response_body_sz += n;
	if (stream->until_close)
		return;
	stream->skip -= n;
	if (stream->skip == 0 && stream->in_message)
		bytes_done(flow, conn, sender);
}

/* A cut head or part, of which not even the length is known. */
static void take_truncated(struct flow *flow, struct conn *conn, enum sender sender)
{
	if (conn->protocol->by_id) {
		pair_broken(flow, conn, ACCOUNT_LOST_GAP);
		stream_lose(flow, conn, sender);
	} else if (conn->streams[sender].in_message) {
		end_with_turn(flow, conn, sender);
	}
}

/* A message that begins, goes on or ends here. False if nothing of it is to be followed. */
static bool take_exchange(struct flow *flow, struct conn *conn, enum sender sender,
			  const struct msg *msg)
{
	struct stream *stream = &conn->streams[sender];
	bool begins = msg->kind != MSG_PART && msg->kind != MSG_END;

	if (begins || conn->protocol->by_id)
		begin_message(flow, stream);
	pair_message(flow, conn, sender, msg, begins ? stream->head_ns : stream->last_ns);
	if (msg->flags & MESSAGE_UPGRADE)
		return true;
	if (msg->kind == MSG_RESPONSE && !stream->current && !conn->protocol->by_id) {
		/* Without its request even where it ends is not certain. */
		stream_lose(flow, conn, sender);
		return false;
	}
	if (begins) {
		stream->more = msg->flags & MESSAGE_HAS_PARTS;
		stream->until_close = msg->flags & MESSAGE_UNTIL_CLOSE;
	} else {
		stream->more = msg->kind == MSG_PART;
	}
	return true;
}

/* What the parser said about the bytes that begin here. */
static void take_message(struct flow *flow, struct conn *conn, enum sender sender,
			 const struct msg *msg)
{
	struct stream *stream = &conn->streams[sender];
	bool of_exchange = msg->kind != MSG_NONE && msg->kind != MSG_ABORT;

	stream->skip = msg->skip;
	stream->skips_head = msg->flags & MESSAGE_SKIPS_HEAD;
	if (msg->kind == MSG_ABORT)
		pair_abort(flow, conn, msg, stream->last_ns);
	if (of_exchange && !take_exchange(flow, conn, sender, msg))
		return;
	if (msg->flags & MESSAGE_UPGRADE) {
		pair_upgrade(flow, conn, msg, stream->last_ns);
		return;
	}
	if (msg->flags & MESSAGE_TRUNCATED)
		take_truncated(flow, conn, sender);
	else if (of_exchange && !stream->skip && !stream->until_close)
		bytes_done(flow, conn, sender);
}

static ssize_t parse(struct flow *flow, struct conn *conn, enum sender sender, struct slice bytes,
		     bool last, struct msg *msg, struct attr *storage)
{
	struct exchange *oldest =
		sender == FROM_SERVER && !conn->protocol->by_id ? conn->first : NULL;

	while (oldest && (oldest->responded || oldest->initiator != FROM_CLIENT))
		oldest = oldest->next;
	*msg = (struct msg){
		.tag = oldest ? oldest->tag : 0,
		.wanted = &flow->wanted[sender],
		.fingerprint = forward_wants(flow, conn, sender),
		.attrs = {.v = storage, .cap = MSG_ATTRS_MAX},
		.room = flow->room,
		.room_sz = sizeof(flow->room),
		.memo = flow->memo,
		.memo_owner = conn->about.cookie,
	};
	return conn->protocol->parse(conn->state, sender, bytes, last, msg);
}

/* A message of n bytes, and what is to be skipped, begins where the stream's head does. */
static void note_seen(struct conn *conn, enum sender sender, const struct msg *msg, size_t n)
{
	if (sender == FROM_CLIENT)
		pair_bytes_seen(conn, conn->streams[sender].head_off, n + msg->skip, msg);
}

static void malformed(struct flow *flow, struct conn *conn, enum sender sender)
{
	account_add(ACCOUNT_GAPS, 1);
	conn->malformed_cnt++;
	if (sender == FROM_CLIENT && !conn->exchange_cnt && !conn->streams[sender].in_message)
		pair_requests_missed(conn, ACCOUNT_LOST_UNPARSED, 1);
	else if (sender == FROM_CLIENT)
		conn->asked = ASKED_COUNTED;
	pair_broken(flow, conn, ACCOUNT_LOST_UNPARSED);
	stream_lose(flow, conn, sender);
}

/* What waits there waits in vain: it was seen, and there is no room for it. */
static void lose_head(struct flow *flow, struct conn *conn, enum sender sender)
{
	if (!conn->protocol) {
		conn->streams[sender].started = false;
		return;
	}
	account_add(ACCOUNT_GAPS, 1);
	if (sender == FROM_CLIENT && !conn->streams[sender].in_message)
		pair_requests_missed(conn, ACCOUNT_LOST_MEMORY, 1);
	pair_broken(flow, conn, ACCOUNT_LOST_MEMORY);
	stream_lose(flow, conn, sender);
}

/*
 * Makes room for heads: first where none waits, then where nothing has passed for longest. More than is
 * needed now, so that it is seldom done.
 */
static void reclaim_heads(struct flow *flow, const struct conn *except)
{
	struct conn_table *table = &flow->conns;

	for (int pass = 0; pass < 2; pass++)
		for (struct conn *conn = table->lru_first; conn; conn = conn->lru_next)
			for (int sender = FROM_CLIENT; sender <= FROM_SERVER; sender++) {
				struct stream *stream = &conn->streams[sender];

				if (table->heads_sz <= CONN_HEADS_MAX / 4 * 3)
					return;
				if (conn == except || !stream->head || (!pass && stream->head_len))
					continue;
				if (stream->head_len)
					lose_head(flow, conn, (enum sender)sender);
				conn_table__drop_head(table, stream);
			}
}

static bool grow_head(struct flow *flow, struct conn *conn, struct stream *stream, uint32_t need)
{
	struct conn_table *table = &flow->conns;
	uint32_t cap = need < 1024 ? 1024 : need * 2;
	char *grown;

	cap = cap < STREAM_HEAD_MAX ? cap : STREAM_HEAD_MAX;
	if (table->heads_sz + cap > CONN_HEADS_MAX)
		reclaim_heads(flow, conn);
	grown = realloc(stream->head, cap);
	if (!grown)
		return false;
	table->heads_sz += cap - stream->head_cap;
	stream->head = grown;
	stream->head_cap = cap;
	return true;
}

bool stream_stash(struct flow *flow, struct conn *conn, struct stream *stream, struct slice bytes)
{
	uint32_t need = stream->head_len + (uint32_t)bytes.n;

	if (need > STREAM_HEAD_MAX ||
	    (need > stream->head_cap && !grow_head(flow, conn, stream, need)))
		return false;
	memcpy(stream->head + stream->head_len, bytes.p, bytes.n);
	stream->head_len = need;
	return true;
}

/* Parses what there is of the bytes, the last ones that were copied. */
static void parse_cut(struct flow *flow, struct conn *conn, enum sender sender, struct slice bytes)
{
	struct stream *stream = &conn->streams[sender];
	struct attr storage[MSG_ATTRS_MAX];

	while (bytes.n && conn->protocol && !stream->lost && !stream->skip &&
	       !stream->until_close && !stream->until_turn) {
		struct msg msg;
		ssize_t n = parse(flow, conn, sender, bytes, true, &msg, storage);

		if (n <= 0 || (size_t)n > bytes.n) {
			malformed(flow, conn, sender);
			return;
		}
		note_seen(conn, sender, &msg, (size_t)n);
		take_message(flow, conn, sender, &msg);
		bytes = slice_after(bytes, (size_t)n);
		stream->head_off += (uint64_t)n;
		stream->head_seq += (uint32_t)n;
	}
}

/* The rest of the pending head will not come: takes what there is. */
static void cut_head(struct flow *flow, struct conn *conn, enum sender sender)
{
	struct stream *stream = &conn->streams[sender];
	struct slice head = slice_of(stream->head, stream->head_len);

	stream->head_len = 0;
	if (conn->head_max < head.n)
		conn->head_max = (uint32_t)head.n * 2;
	parse_cut(flow, conn, sender, head);
}

/* Of the bytes that waited, the first n were a message: what follows them, past its body, waits on. */
static void keep_waiting(struct flow *flow, struct conn *conn, enum sender sender, uint32_t waited,
			 uint32_t n)
{
	struct stream *stream = &conn->streams[sender];
	uint32_t rest = waited - n, body = stream->skip < rest ? (uint32_t)stream->skip : rest;

	if (stream->lost || stream->until_close || stream->until_turn)
		return;
	pass_body(flow, conn, sender, body, stream->last_ns);
	memmove(stream->head, stream->head + n + body, rest - body);
	stream->head_len = rest - body;
	stream->head_off += n + body;
	stream->head_seq += n + body;
}

/*
 * Parses one message from the stash and the new bytes. Returns what is left of the new bytes; an
 * empty slice ends the work.
 */
static struct slice parse_one(struct flow *flow, struct conn *conn, enum sender sender,
			      struct slice bytes, uint64_t time_ns)
{
	struct stream *stream = &conn->streams[sender];
	uint32_t waited = stream->head_len;
	struct attr storage[MSG_ATTRS_MAX];
	struct slice view = bytes;
	struct msg msg;
	ssize_t n;

	if (waited) {
		if (!stream_stash(flow, conn, stream, bytes)) {
			cut_head(flow, conn, sender);
			return SLICE("");
		}
		view = slice_of(stream->head, stream->head_len);
	}
	n = parse(flow, conn, sender, view, false, &msg, storage);
	if (n == 0) {
		if (sender == FROM_CLIENT && !stream->in_message)
			conn->asked = ASKED_UNSEEN;
		if (!waited && !stream_stash(flow, conn, stream, bytes))
			malformed(flow, conn, sender);
		return SLICE("");
	}
	if (n < 0 || (size_t)n > view.n) {
		malformed(flow, conn, sender);
		return SLICE("");
	}
	stream->last_ns = time_ns;
	stream->good_cnt++;
	if ((size_t)n > conn->head_max)
		conn->head_max = (uint32_t)n;
	if (sender == FROM_CLIENT)
		conn->asked = ASKED_COUNTED;
	note_seen(conn, sender, &msg, (size_t)n);
	/* msg points into the stash: it may be used until take_message returns. */
	stream->head_len = 0;
	take_message(flow, conn, sender, &msg);
	if (waited <= (size_t)n)
		return slice_after(bytes, (size_t)n - waited);
	keep_waiting(flow, conn, sender, waited, (uint32_t)n);
	return bytes;
}

void stream_mark_head(struct stream *stream, const struct origin *origin, const char *at)
{
	uint32_t before = (uint32_t)(at - origin->p);

	stream->head_ns = origin->time_ns;
	stream->head_off = origin->off + before;
	stream->head_seq = origin->seq + before;
	stream->head_peer_seq = origin->peer_seq;
	stream->head_tid = origin->tid;
	stream->head_queued_us = before ? 0 : origin->queued_us;
	stream->head_cause = origin->cause;
}

void stream_bytes(struct flow *flow, struct conn *conn, enum sender sender, struct slice bytes,
		  const struct origin *origin)
{
	struct stream *stream = &conn->streams[sender];

	while (bytes.n && conn->protocol) {
		if (stream->skip || stream->until_close) {
			size_t used = stream->until_close || bytes.n < stream->skip ? bytes.n
										    : stream->skip;

			pass_body(flow, conn, sender, used, origin->time_ns);
			bytes = slice_after(bytes, used);
			continue;
		}
		if (stream->until_turn || stream->lost) {
			stream->last_ns = origin->time_ns;
			return;
		}
		if (!stream->head_len)
			stream_mark_head(stream, origin, bytes.p);
		bytes = parse_one(flow, conn, sender, bytes, origin->time_ns);
	}
}

void stream_resume(struct flow *flow, struct conn *conn, enum sender sender)
{
	struct stream *stream = &conn->streams[sender];
	struct slice waited = slice_of(stream->head, stream->head_len);
	struct origin origin = {
		.p = stream->head,
		.off = stream->head_off,
		.time_ns = stream->head_ns,
		.seq = stream->head_seq,
		.peer_seq = stream->head_peer_seq,
		.tid = stream->head_tid,
		.queued_us = stream->head_queued_us,
		.cause = stream->head_cause,
	};

	flow->conns.heads_sz -= stream->head_cap; /* it is this call's from here on */
	stream->head = NULL;
	stream->head_len = stream->head_cap = 0;
	stream_bytes(flow, conn, sender, waited, &origin);
	free((char *)waited.p);
}

/* The sender's turn in which the stream was last seen is over, and its next one has begun. */
static bool in_later_turn(const struct conn *conn, const struct stream *stream)
{
	uint32_t turns = conn->turn - stream->turn;

	return turns && turns % 2 == 0;
}

/* The request in progress has an answer, and this is a later turn: another one is in the gap. */
static bool is_request_over(const struct conn *conn)
{
	const struct stream *from_client = &conn->streams[FROM_CLIENT];
	const struct stream *from_server = &conn->streams[FROM_SERVER];

	return (!from_client->current || from_client->current->responded || from_server->lost ||
		from_server->head_len) &&
	       in_later_turn(conn, from_client);
}

/* Bytes are missing where a message begins. */
static void lose_framing(struct flow *flow, struct conn *conn, enum sender sender)
{
	account_add(ACCOUNT_GAPS, 1);
	if (sender == FROM_CLIENT) {
		/* One request at least; more than one may be outstanding if one was. */
		pair_requests_missed(conn, ACCOUNT_LOST_GAP, 1);
		conn->pipelined |= conn->last && !conn->last->responded;
	}
	pair_broken(flow, conn, ACCOUNT_LOST_GAP);
	stream_lose(flow, conn, sender);
}

void stream_unseen(struct flow *flow, struct conn *conn, enum sender sender, uint64_t n,
		   uint64_t time_ns)
{
	struct stream *stream = &conn->streams[sender];
	uint64_t body;

	if (!conn->protocol || n == 0)
		return;
	if (stream->head_len)
		cut_head(flow, conn, sender);
	body = stream->until_close || n < stream->skip ? n : stream->skip;
	pass_body(flow, conn, sender, body, time_ns);
	n -= body;
	if (n == 0)
		return;
	stream->last_ns = time_ns;
	if (stream->until_turn || stream->lost)
		return;
	if (conn->protocol->by_id || !stream->in_message ||
	    (sender == FROM_CLIENT && is_request_over(conn))) {
		lose_framing(flow, conn, sender);
		return;
	}
	/* Somewhere among the parts of this message. */
	account_add(ACCOUNT_GAPS, 1);
	end_with_turn(flow, conn, sender);
}

void stream_missed(struct flow *flow, struct conn *conn, enum sender sender, uint64_t n,
		   uint64_t time_ns)
{
	struct stream *stream = &conn->streams[sender];

	if (stream->head_len && !stream->in_message && sender == FROM_CLIENT &&
	    in_later_turn(conn, stream))
		pair_requests_missed(conn, ACCOUNT_LOST_GAP, 1); /* besides this turn's */
	stream->head_len = 0;
	stream_unseen(flow, conn, sender, n, time_ns);
}

void stream_turn_ended(struct flow *flow, struct conn *conn, enum sender sender)
{
	struct stream *stream = &conn->streams[sender];

	if (!conn->protocol)
		return;
	if (stream->until_turn) {
		resync(conn, sender);
		message_done(flow, conn, sender);
	}
	stream->lost = false;
}

void stream_closed(struct flow *flow, struct conn *conn, enum sender sender)
{
	struct stream *stream = &conn->streams[sender];

	if (conn->protocol && (stream->until_close || stream->until_turn))
		message_done(flow, conn, sender);
}

void stream_cut(struct flow *flow, struct conn *conn, enum sender sender)
{
	if (conn->protocol && conn->streams[sender].head_len)
		cut_head(flow, conn, sender);
}

void stream_walked(struct flow *flow, struct conn *conn, enum sender sender, uint64_t n,
		   uint64_t time_ns)
{
	struct stream *stream = &conn->streams[sender];

	if (n == 0 || !conn->protocol)
		return;
	stream_cut(flow, conn, sender);
	stream->last_ns = time_ns;
	if (sender == FROM_CLIENT && !stream->lost)
		conn->asked = ASKED_COUNTED;
	pass_body(flow, conn, sender, stream->until_close || n < stream->skip ? n : stream->skip,
		  time_ns);
}
