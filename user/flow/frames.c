// SPDX-License-Identifier: Apache-2.0
/*
 * Operations whose frames the kernel walks. First it copies as ever and says where it expects the next
 * frame; once that is where the parser expects it too, it is told so, and from then on gives pieces: the
 * heads of the frames that matter. What lies between pieces is known to hold nothing else.
 */
#include "user/flow/internal.h"

#define GOOD_ENOUGH 4 /* messages in a row that make the parser's own framing certain */
#define MISFRAMED_MAX 8

static struct frames_end frames_end_of(const struct record_op *op)
{
	struct frames_end end;

	memcpy(&end, (const char *)op + op->head.size - sizeof(end), sizeof(end));
	return end;
}

static void tell(struct flow *flow, struct conn *conn)
{
	flow->options.verdict(flow->options.ctx, conn->about.cookie, &conn->verdict);
}

/* The walk, or the parser, takes for frames what is none. */
static void drop_shape(struct flow *flow, struct conn *conn)
{
	conn->verdict.shape = 0;
	conn->shape_refused = true;
	conn->streams[FROM_CLIENT].walked = conn->streams[FROM_SERVER].walked = false;
	tell(flow, conn);
}

/* The parser knows how far it is to the next frame. */
static bool expects(const struct stream *stream)
{
	return !stream->lost && !stream->head_len && !stream->until_turn && !stream->until_close;
}

static void answer(struct flow *flow, struct conn *conn, bool send, uint8_t generation, bool right)
{
	uint8_t *answers = right ? conn->verdict.agreed : conn->verdict.again;

	if (answers[send] == generation)
		return;
	answers[send] = generation;
	tell(flow, conn);
}

static bool is_agreed(const struct conn *conn, const struct record_op *op)
{
	return conn->verdict.agreed[!!(op->head.flags & OP_SEND)] == frames_end_of(op).generation;
}

bool frames_walked(const struct conn *conn, const struct record_op *op)
{
	return frames_end_of(op).next_frame != ~0ull &&
	       (!(op->head.flags & FRAMES_WHOLE) || is_agreed(conn, op));
}

/*
 * Is the next frame where the parser expects it? Pieces do not tell, as frames that do not matter may
 * follow them: there it is enough that the walk began right, and that its frames made sense.
 */
static void judge(struct flow *flow, struct conn *conn, enum sender sender,
		  const struct record_op *op, bool malformed)
{
	struct stream *stream = &conn->streams[sender];
	const struct frames_end end = frames_end_of(op);
	bool send = op->head.flags & OP_SEND, whole = op->head.flags & FRAMES_WHOLE;
	bool right = whole ? op->off + op->len + stream->skip == end.next_frame
			   : stream->trusted == end.generation;

	if (!conn->verdict.shape || end.next_frame == ~0ull)
		return;
	if (malformed) {
		stream->trusted = 0;
		if (is_agreed(conn, op) && ++conn->misframed_cnt >= MISFRAMED_MAX)
			drop_shape(flow, conn);
		else
			answer(flow, conn, send, end.generation, false);
	} else if (expects(stream) && (whole || right)) {
		stream->trusted = right ? end.generation : 0;
		if (!right || stream->good_cnt >= GOOD_ENOUGH || stream->from_start)
			answer(flow, conn, send, end.generation, right);
	}
}

void frames_begun(struct conn *conn, enum sender sender, const struct record_op *op)
{
	struct stream *stream = &conn->streams[sender];
	bool send = op->head.flags & OP_SEND;

	if (stream->generation == frames_end_of(op).generation)
		return;
	stream->generation = frames_end_of(op).generation;
	stream->trusted = 0;
	stream->claim = ~0ull;
	conn->verdict.agreed[send] = conn->verdict.again[send] = 0;
}

/* The parser has lost its place, and the walk that goes on here may know one. */
static struct slice join_walk(struct stream *stream, struct slice bytes, const struct record_op *op)
{
	uint64_t before = stream->claim - op->off;

	if (!stream->lost)
		return bytes;
	if (op->head.flags & FRAMES_BEGINS)
		before = 0;
	else if (stream->claim < op->off || before >= bytes.n)
		return bytes;
	stream->lost = false;
	return slice_after(bytes, before);
}

/* Pieces of a walk that was not agreed on: does it begin where the parser expects a frame? */
static bool begins_right(struct flow *flow, struct conn *conn, struct stream *stream,
			 struct slice bytes, const struct record_op *op)
{
	uint8_t generation = frames_end_of(op).generation;
	struct frame_piece piece = {.flags = 0};

	if (stream->trusted == generation)
		return true;
	for (; bytes.n >= sizeof(piece) && !(piece.flags & PIECE_START);
	     bytes = slice_after(bytes, sizeof(piece) + piece.len))
		memcpy(&piece, bytes.p, sizeof(piece));
	if (!(piece.flags & PIECE_START))
		return false;
	if (expects(stream) && stream->skip != piece.at) {
		answer(flow, conn, op->head.flags & OP_SEND, generation, false);
		return false;
	}
	stream->trusted = generation;
	return true;
}

static void take_piece(struct flow *flow, struct conn *conn, enum sender sender,
		       const struct frame_piece *piece, const struct origin *origin)
{
	struct stream *stream = &conn->streams[sender];

	if (piece->flags & PIECE_START) {
		if (!stream->lost && (stream->skip || stream->head_len)) {
			account_add(ACCOUNT_GAPS, 1);
			conn->malformed_cnt++;
			pair_broken(flow, conn, ACCOUNT_LOST_GAP);
			stream_lose(flow, conn, sender);
		}
		stream->lost = false;
	} else if (expects(stream) && !stream->skip) {
		stream_lose(flow, conn, sender); /* its beginning was missed */
	}
	if (stream->lost)
		return;
	stream_bytes(flow, conn, sender, slice_of(origin->p, piece->len), origin);
	if (piece->flags & PIECE_CUT)
		stream_cut(flow, conn, sender);
}

static void take_pieces(struct flow *flow, struct conn *conn, enum sender sender,
			struct slice bytes, const struct record_op *op)
{
	struct origin origin = origin_of(conn, op);
	struct frame_piece piece;
	uint32_t pos = 0;

	for (; bytes.n >= sizeof(piece) && conn->protocol;
	     bytes = slice_after(bytes, sizeof(piece) + piece.len)) {
		memcpy(&piece, bytes.p, sizeof(piece));
		stream_walked(flow, conn, sender, piece.at - pos, op->time_ns);
		pair_bytes_known(conn, sender, op->off + piece.at);
		origin.p = bytes.p + sizeof(piece);
		origin.off = op->off + piece.at;
		origin.queued_us = piece.at ? 0 : op->queued_us;
		origin.seq = op->seq ? op->seq + piece.at : 0;
		take_piece(flow, conn, sender, &piece, &origin);
		pos = piece.at + piece.len;
	}
	if (op->head.flags & FRAMES_BROKEN) {
		stream_unseen(flow, conn, sender, op->len - pos, op->time_ns);
		return;
	}
	stream_walked(flow, conn, sender, op->len - pos, op->time_ns);
	pair_bytes_known(conn, sender, op->off + op->len);
}

void frames_end_missed(struct flow *flow, struct conn *conn, enum sender sender,
		       const struct begun_frame *last)
{
	const struct protocol *protocol = conn->protocol;
	struct stream *stream = &conn->streams[sender];
	const struct origin origin = {
		.p = (const char *)last->header,
		.off = last->off,
		.time_ns = conn->last_ns,
	};

	if (!protocol || !protocol->counts_missed || !protocol->shape || sender != FROM_CLIENT ||
	    (stream->started && !conn->gapped) ||
	    last->header[protocol->shape->type_at] != protocol->shape->begins)
		return;
	stream_cut(flow, conn, sender);
	if (last->off <= conn->request_off)
		return;
	stream->lost = false;
	stream_bytes(flow, conn, sender, slice_of(origin.p, protocol->shape->header_sz), &origin);
	stream_cut(flow, conn, sender);
	pair_broken(flow, conn, ACCOUNT_LOST_GAP);
}

bool frames_missed(struct conn *conn, const struct record_op *op)
{
	const struct frames_end end = frames_end_of(op);
	bool send = op->head.flags & OP_SEND;
	uint32_t *serial = &conn->frames_serial[send], *other = &conn->frames_serial[!send];
	uint16_t behind = (uint16_t)(end.other_serial - *other);
	bool missed = end.serial != *serial + 1;

	*serial = end.serial;
	if (behind && !conn_is_duplex(conn)) {
		*other += behind;
		missed = true;
	}
	return missed && conn->protocol;
}

void frames_take(struct flow *flow, struct conn *conn, enum sender sender, struct slice bytes,
		 const struct record_op *op)
{
	struct stream *stream = &conn->streams[sender];
	struct origin origin = origin_of(conn, op);
	uint16_t malformed_cnt = conn->malformed_cnt;

	if (op->head.flags & FRAMES_WHOLE) {
		stream_bytes(flow, conn, sender, join_walk(stream, bytes, op), &origin);
		stream_unseen(flow, conn, sender, op->len - bytes.n, op->time_ns);
	} else if (!is_agreed(conn, op) && !begins_right(flow, conn, stream, bytes, op)) {
		stream_unseen(flow, conn, sender, op->len, op->time_ns);
	} else {
		take_pieces(flow, conn, sender, bytes, op);
	}
	stream->claim = frames_end_of(op).next_frame;
	if (conn->protocol)
		judge(flow, conn, sender, op, conn->malformed_cnt != malformed_cnt);
}
