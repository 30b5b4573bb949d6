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
	stream->head_len = 0;
	stream->current = NULL;
	stream->lost = true;
	resync(conn, sender);
}

/* The message in progress ends with its sender's turn, unless others may hide in that. */
static void end_with_turn(struct flow *flow, struct conn *conn, enum sender sender)
{
	if (conn->exchange_cnt < 2 && !(sender == FROM_CLIENT && conn->pipelined)) {
		conn->streams[sender].until_turn = true;
		return;
	}
	conn->pipelined = true;
	pair_broken(flow, conn, ACCOUNT_LOST_GAP);
	stream_lose(flow, conn, sender);
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
	if (x && sender == FROM_CLIENT)
		x->request_body_sz += n;
	else if (x)
		x->response_body_sz += n;
	if (stream->until_close)
		return;
	stream->skip -= n;
	if (stream->skip == 0 && !stream->more)
		message_done(flow, conn, sender);
}

/* What the parser said about the message that begins here. */
static void take_message(struct flow *flow, struct conn *conn, enum sender sender,
			 const struct msg *msg)
{
	struct stream *stream = &conn->streams[sender];

	stream->skip = msg->skip;
	if (msg->kind == MSG_REQUEST || msg->kind == MSG_RESPONSE) {
		begin_message(flow, stream);
		pair_message(flow, conn, msg, stream->head_ns);
		if (!conn->protocol)
			return;
		if (msg->kind == MSG_RESPONSE && !stream->current) {
			/* Without its request even where it ends is not certain. */
			stream_lose(flow, conn, sender);
			return;
		}
		stream->more = msg->flags & MESSAGE_HAS_PARTS;
		stream->until_close = msg->flags & MESSAGE_UNTIL_CLOSE;
	}
	if (msg->flags & MESSAGE_TRUNCATED) {
		/* A cut head or part: where the next one begins is not known. */
		if (stream->in_message)
			end_with_turn(flow, conn, sender);
		return;
	}
	if (msg->kind == MSG_NONE)
		return;
	if (msg->kind == MSG_END)
		stream->more = false;
	if (!stream->skip && !stream->more && !stream->until_close)
		message_done(flow, conn, sender);
}

static ssize_t parse(struct flow *flow, struct conn *conn, enum sender sender, struct slice bytes,
		     bool last, struct msg *msg, struct attr *storage)
{
	struct exchange *oldest = conn->first;

	while (oldest && oldest->responded)
		oldest = oldest->next;
	*msg = (struct msg){
		.tag = sender == FROM_SERVER && oldest ? oldest->tag : 0,
		.wanted = &flow->wanted[sender],
		.attrs = {.v = storage, .cap = MSG_ATTRS_MAX},
		.room = flow->room,
		.room_sz = sizeof(flow->room),
		.memo = flow->memo,
		.memo_owner = conn->about.cookie,
	};
	return conn->protocol->parse(conn->state, sender, bytes, last, msg);
}

static void malformed(struct flow *flow, struct conn *conn, enum sender sender)
{
	account_add(ACCOUNT_GAPS, 1);
	if (sender == FROM_CLIENT && !conn->exchange_cnt && !conn->streams[sender].in_message)
		pair_request_missed(conn, ACCOUNT_LOST_UNPARSED);
	else if (sender == FROM_CLIENT)
		conn->asked = ASKED_COUNTED;
	pair_broken(flow, conn, ACCOUNT_LOST_UNPARSED);
	stream_lose(flow, conn, sender);
}

bool stream_stash(struct stream *stream, struct slice bytes)
{
	uint32_t need = stream->head_len + (uint32_t)bytes.n;

	if (need > STREAM_HEAD_MAX)
		return false;
	if (need > stream->head_cap) {
		uint32_t cap = need < 1024 ? 1024 : need * 2;
		char *grown = realloc(stream->head, cap);

		if (!grown)
			return false;
		stream->head = grown;
		stream->head_cap = cap;
	}
	memcpy(stream->head + stream->head_len, bytes.p, bytes.n);
	stream->head_len = need;
	return true;
}

/* The rest of the pending head will not come: takes what there is. */
static void cut_head(struct flow *flow, struct conn *conn, enum sender sender)
{
	struct stream *stream = &conn->streams[sender];
	struct slice head = slice_of(stream->head, stream->head_len);
	struct attr storage[MSG_ATTRS_MAX];
	struct msg msg;

	stream->head_len = 0;
	if (conn->head_max < head.n)
		conn->head_max = (uint32_t)head.n * 2;
	if (parse(flow, conn, sender, head, true, &msg, storage) > 0 &&
	    (msg.flags & MESSAGE_TRUNCATED))
		take_message(flow, conn, sender, &msg);
	else
		malformed(flow, conn, sender);
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
		if (!stream_stash(stream, bytes)) {
			cut_head(flow, conn, sender);
			return SLICE("");
		}
		view = slice_of(stream->head, stream->head_len);
	}
	n = parse(flow, conn, sender, view, false, &msg, storage);
	if (n == 0) {
		if (sender == FROM_CLIENT && !stream->in_message)
			conn->asked = ASKED_UNSEEN;
		if (!waited && !stream_stash(stream, bytes))
			malformed(flow, conn, sender);
		return SLICE("");
	}
	if (n < 0 || (size_t)n > view.n) {
		malformed(flow, conn, sender);
		return SLICE("");
	}
	stream->last_ns = time_ns;
	if ((size_t)n > conn->head_max)
		conn->head_max = (uint32_t)n;
	/* msg points into the stash: it may be used until take_message returns. */
	stream->head_len = 0;
	take_message(flow, conn, sender, &msg);
	if (waited <= (size_t)n)
		return slice_after(bytes, (size_t)n - waited);
	/* Blank lines that waited until a protocol was found: the head is what follows them. */
	memmove(stream->head, stream->head + n, waited - (size_t)n);
	stream->head_len = waited - (uint32_t)n;
	stream->head_off += (uint32_t)n;
	stream->head_seq += (uint32_t)n;
	return bytes;
}

void stream_mark_head(struct stream *stream, const struct record_op *op, const char *at)
{
	uint32_t before = (uint32_t)(at - (const char *)(op + 1));

	stream->head_ns = op->time_ns;
	stream->head_off = op->off + before;
	stream->head_seq = op->seq + before;
	stream->head_peer_seq = op->peer_seq;
	stream->head_tid = op->tid;
}

void stream_bytes(struct flow *flow, struct conn *conn, enum sender sender, struct slice bytes,
		  const struct record_op *op)
{
	struct stream *stream = &conn->streams[sender];

	while (bytes.n && conn->protocol) {
		if (stream->skip || stream->until_close) {
			size_t used = stream->until_close || bytes.n < stream->skip ? bytes.n
										    : stream->skip;

			pass_body(flow, conn, sender, used, op->time_ns);
			bytes = slice_after(bytes, used);
			continue;
		}
		if (stream->until_turn || stream->lost) {
			stream->last_ns = op->time_ns;
			return;
		}
		if (!stream->head_len)
			stream_mark_head(stream, op, bytes.p);
		bytes = parse_one(flow, conn, sender, bytes, op->time_ns);
	}
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
		pair_request_missed(conn, ACCOUNT_LOST_GAP);
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
	if (!stream->in_message || (sender == FROM_CLIENT && is_request_over(conn))) {
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
		pair_request_missed(conn, ACCOUNT_LOST_GAP); /* besides this turn's */
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
