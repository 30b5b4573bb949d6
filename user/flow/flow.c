// SPDX-License-Identifier: Apache-2.0
/* The entry of records: connections come and go, operations become bytes, time passes. */
#include "user/flow/internal.h"

#include <errno.h>
#include <stdlib.h>

#include "user/protocols/http_headers.h"

#define SWEEP_NS 100000000ull
#define ORPHAN_NS 1000000000ull	    /* how long after its socket a session may end */
#define QUIET_NS 1000000000ull	    /* after which a quarantined connection is believed again */
#define UNFINISHED_NS 2000000000ull /* a cut message whose end cannot be seen ends after this */
#define SWEEP_EXCHANGES_MAX 4096
#define SWEEP_CONNECTIONS_MAX 256
#define MEMO_SZ (4u * 1024 * 1024)

struct flow *flow__new(const struct flow_options *options, struct span_batch *first_batch)
{
	struct flow *flow = calloc(1, sizeof(*flow));
	int err;

	if (!flow) {
		errno = ENOMEM;
		return NULL;
	}
	flow->options = *options;
	err = wanted_headers__init(&flow->wanted[FROM_CLIENT], FROM_CLIENT,
				   options->request_headers, options->request_headers_cnt)
		      ?: wanted_headers__init(&flow->wanted[FROM_SERVER], FROM_SERVER,
					      options->response_headers,
					      options->response_headers_cnt);
	exchange_pool__init(&flow->exchanges, options->max_exchanges);
	flow->memo = memo__new(MEMO_SZ);
	flow->routes = routes__new(options->routes, options->routes_cnt, options->max_routes);
	if (err || !flow->memo || !flow->routes ||
	    conn_table__init(&flow->conns, options->max_connections) ||
	    conn_table__init(&flow->sockets, FLOW_SOCKETS_MAX) ||
	    id_source__init(&flow->ids_source)) {
		flow__free(flow);
		errno = ENOMEM;
		return NULL;
	}
	flow->batch = first_batch;
	flow->early_link = &flow->early;
	TAILQ_INIT(&flow->orphans);
	forward_init(flow);
	return flow;
}

/*
 * Turns were missed before the protocol was known: every other one was a request. Where requests come in batches their
 * bytes tell, or else the first batch that was seen.
 */
static void settle_early_turns(struct conn *conn)
{
	uint32_t missed_cnt = conn->turns_missed_cnt / 2;

	if (!conn->protocol)
		return;
	conn->turns_missed_cnt = 0;
	if (conn->batched && !conn->about.fresh)
		account_add(ACCOUNT_LOST_RING, (uint64_t)missed_cnt * conn->requests_cnt);
	else if (missed_cnt)
		pair_requests_missed(conn, ACCOUNT_LOST_RING, missed_cnt);
}

/* A turn of the client is awaited: it tells whether they come in batches. */
static void count_early_turns(struct conn *conn, uint32_t turn)
{
	if (conn->turns_missed_cnt &&
	    (conn->protocol->by_id || (conn->requests_cnt && turn != conn->request_turn)))
		settle_early_turns(conn);
}

static void remove_conn(struct flow *flow, struct conn *conn)
{
	if (!conn->closed) {
		detect_unknown(flow, conn);
		settle_early_turns(conn);
	}
	early_forget(flow, conn);
	stream_lose(flow, conn, FROM_CLIENT);
	stream_lose(flow, conn, FROM_SERVER);
	conn->closed = true;
	if (conn->orphaned)
		TAILQ_REMOVE(&flow->orphans, conn, orphan);
	conn->orphaned = false;
	if (conn->held_cnt == 0)
		conn_table__remove(&flow->conns, conn);
}

/* Its session's own end, which may be told after its socket's, says what of it was missed. */
static void orphan(struct flow *flow, struct conn *conn, uint64_t time_ns)
{
	if (conn->orphaned)
		return;
	conn->orphaned = true;
	conn->orphan_ns = time_ns;
	TAILQ_INSERT_TAIL(&flow->orphans, conn, orphan);
}

static void let_orphans_go(struct flow *flow, uint64_t now_ns)
{
	struct conn *conn;

	while ((conn = TAILQ_FIRST(&flow->orphans)) && conn->orphan_ns + ORPHAN_NS < now_ns) {
		pair_ended(flow, conn, "connection_closed", now_ns);
		remove_conn(flow, conn);
	}
}

/* The kernel announces it again should it be used again. */
static void let_go(struct flow *flow, struct conn *conn)
{
	struct verdict forget = {.forget = 1};

	forget.copy_op = COPY_MAX;
	forget.copy_turn = 4 * COPY_MAX;
	flow->options.verdict(flow->options.ctx, conn->about.cookie, &forget);
	remove_conn(flow, conn);
}

void flow_release_held(struct flow *flow, uint64_t now_ns)
{
	struct exchange *x;

	while ((x = join__release(&flow->join, now_ns))) {
		struct conn *conn = x->conn;

		join__leave(&flow->join, x);
		span_build(flow, x);
		exchange_pool__put(&flow->exchanges, x);
		if (--conn->held_cnt == 0 && conn->closed)
			conn_table__remove(&flow->conns, conn);
	}
}

/* The plaintext of a socket's ciphertext is seen. */
static void take_plaintext(struct flow *flow, uint64_t cookie, struct conn *plaintext)
{
	struct conn *carrier = conn_table__get(&flow->conns, cookie & ~PLAINTEXT_COOKIE);

	if (!carrier || carrier->closed)
		return;
	if (plaintext) {
		plaintext->secured = carrier->secured;
		carrier->secured = NULL;
	}
	if (plaintext && plaintext->about.fresh) {
		conn_table__go_on_below(carrier, plaintext);
		if (plaintext->protocol)
			pair_begin_copying(flow, plaintext);
	}
	pair_dropped(flow, carrier, ACCOUNT_LOST_GAP);
	detect_seal(flow, carrier, CARRIES_SEEN);
	remove_conn(flow, carrier);
}

/* Is the plaintext of this socket's ciphertext seen? */
static bool carries_seen(const struct flow *flow, uint64_t cookie)
{
	return !(cookie & PLAINTEXT_COOKIE) &&
	       conn_table__peek(&flow->conns, cookie | PLAINTEXT_COOKIE);
}

static struct conn *least_useful(const struct flow *flow)
{
	return TAILQ_FIRST(&flow->orphans) ?: flow->conns.lru_first;
}

static void take_connection(struct flow *flow, const struct record_connection *record)
{
	struct conn *conn = conn_table__get(&flow->conns, record->cookie);

	if (carries_seen(flow, record->cookie)) /* announced again */
		return;
	account_add(ACCOUNT_CONNECTIONS, 1);
	if (conn) { /* if spans of it are still held, it stays behind the new one, closed */
		pair_dropped(flow, conn, ACCOUNT_LOST_GAP);
		remove_conn(flow, conn);
	}
	while (flow->conns.cnt >= flow->conns.max_cnt) {
		conn = least_useful(flow);
		pair_dropped(flow, conn, ACCOUNT_LOST_EVICTED);
		if (conn->held_cnt)
			flow_release_held(flow, JOIN_RELEASE_ALL);
		if (least_useful(flow) == conn)
			let_go(flow, conn);
	}
	conn = conn_table__add(&flow->conns, record);
	if (!conn)
		account_add(ACCOUNT_LOST_MEMORY, 1);
	if (record->cookie & PLAINTEXT_COOKIE)
		take_plaintext(flow, record->cookie, conn);
}

static enum sender sender_of(const struct conn *conn, bool send)
{
	return (conn->role == ROLE_CLIENT) == send ? FROM_CLIENT : FROM_SERVER;
}

/* n bytes of which no record tells. */
static void pass_silently(struct flow *flow, struct conn *conn, enum sender sender, uint64_t n,
			  uint64_t time_ns)
{
	if (conn->streams[sender].walked) {
		stream_walked(flow, conn, sender, n, time_ns);
		pair_bytes_known(conn, sender, conn->streams[sender].next_off);
	} else {
		stream_missed(flow, conn, sender, n, time_ns);
	}
}

/* Bytes that passed in silence up to that offset. */
static void take_tail(struct flow *flow, struct conn *conn, uint64_t tail_off, uint64_t tail_ns,
		      bool send)
{
	enum sender sender = sender_of(conn, send);
	struct stream *stream = &conn->streams[sender];

	if (!tail_off)
		return;
	if (tail_ns > conn->last_ns)
		conn->last_ns = tail_ns;
	if (conn->protocol && stream->started && tail_off > stream->next_off) {
		uint64_t n = tail_off - stream->next_off;

		stream->next_off = tail_off;
		pass_silently(flow, conn, sender, n, tail_ns);
	}
}

/* What there is of a request, if no whole one came in the client's turn, will not be completed. */
static void end_client_turn(struct flow *flow, struct conn *conn)
{
	if (conn->asked != ASKED_UNSEEN || conn->protocol->by_id)
		return;
	pair_requests_missed(conn, ACCOUNT_LOST_GAP, 1);
	stream_lose(flow, conn, FROM_CLIENT);
}

/* Begins a stream anew, wherever the sender's next bytes are. */
static void reset_stream(struct flow *flow, struct conn *conn, enum sender sender)
{
	struct stream *stream = &conn->streams[sender];

	stream_lose(flow, conn, sender);
	stream->lost = stream->started = stream->placed = false;
}

/* Records of both directions may be missing. */
static void lose_both(struct flow *flow, struct conn *conn)
{
	account_add(ACCOUNT_GAPS, 1);
	pair_broken(flow, conn, ACCOUNT_LOST_RING);
	reset_stream(flow, conn, FROM_CLIENT);
	reset_stream(flow, conn, FROM_SERVER);
}

/* The client's next bytes are at off: if some were missed before them, so was its last turn's request. */
static void settle_client(struct conn *conn, enum sender sender, uint64_t off)
{
	const struct stream *stream = &conn->streams[sender];

	if (sender != FROM_CLIENT || !conn->client_unsure)
		return;
	conn->client_unsure = false;
	if (stream->started && off > stream->next_off && conn->request_turn != stream->turn)
		pair_requests_missed(conn, ACCOUNT_LOST_RING, 1);
}

/*
 * Whole turns are missing: their records did not fit the ring. True if it is not certain that the
 * sender's turn begins with this operation: the offset tells that only where none of the sender's own
 * turns is missing.
 */
static bool take_missed_turns(struct flow *flow, struct conn *conn, enum sender sender,
			      uint32_t turn)
{
	uint32_t missed_cnt = turn - conn->turn - 1;
	bool by_client = sender == FROM_CLIENT;

	if ((!conn->turn && !conn->about.fresh) || turn <= conn->turn + 1)
		return false;
	if (!conn->protocol) {
		conn->turns_missed_cnt += missed_cnt;
		return false;
	}
	if (conn->protocol->by_id || conn->protocol->conclude) {
		lose_both(flow, conn);
		stream_turn_ended(flow, conn, sender);
		return missed_cnt > 1;
	}
	end_client_turn(flow, conn);
	if (!by_client || missed_cnt > 1)
		settle_client(conn, FROM_CLIENT, UINT64_MAX);
	/* Turns alternate; of the missed ones, those of the client's parity were requests. */
	pair_requests_missed(conn, ACCOUNT_LOST_RING,
			     by_client ? missed_cnt / 2 : (missed_cnt + 1) / 2);
	pair_broken(flow, conn, ACCOUNT_LOST_RING);
	reset_stream(flow, conn, by_client ? FROM_SERVER : FROM_CLIENT);
	stream_turn_ended(flow, conn, sender);
	if (missed_cnt > 1)
		reset_stream(flow, conn, sender);
	return missed_cnt > 1;
}

static bool tells_last(const struct record_end *record)
{
	return record->head.size == sizeof(*record); /* older recordings do not */
}

/*
 * Whole turns are missing before the connection's end. That one request is, its missing bytes tell;
 * here the others are counted.
 */
static void take_last_turns(struct conn *conn, const struct record_end *record)
{
	uint32_t first = conn->streams[FROM_CLIENT].turn ?: conn->streams[FROM_SERVER].turn + 1;
	uint32_t turn = conn->turn + (record->turn - conn->told_turn);
	uint32_t missed_cnt = (turn - first) / 2 - (conn->turn - first) / 2;

	if (!conn->protocol || conn->protocol->by_id || conn->protocol->conclude ||
	    first > conn->turn || turn <= conn->turn || missed_cnt <= 1)
		return;
	pair_requests_missed(conn, ACCOUNT_LOST_RING, missed_cnt - 1);
	conn->turn = turn; /* there may be several ends */
	conn->told_turn = record->turn;
}

/* Records of frames are missing: where the next frame begins, a piece will tell. */
static void take_missed_frames(struct flow *flow, struct conn *conn, uint32_t turn)
{
	if (turn <= conn->turn + 1) { /* else that is counted already */
		account_add(ACCOUNT_GAPS, 1);
		pair_broken(flow, conn, ACCOUNT_LOST_RING);
	}
	stream_lose(flow, conn, FROM_CLIENT);
	stream_lose(flow, conn, FROM_SERVER);
}

/*
 * When bytes passed that were missed before the operation: by its own time, and, where a response
 * misses its end, before the client asked again.
 */
static uint64_t missed_ns(const struct conn *conn, const struct stream *stream, uint64_t time_ns)
{
	const struct exchange *next = stream->current ? stream->current->next : NULL;

	return next && !conn->pipelined && next->start_ns < time_ns ? next->start_ns : time_ns;
}

/* Lines the stream up with the operation's offset. */
static void align(struct flow *flow, struct conn *conn, enum sender sender,
		  const struct record_op *op, uint32_t turn)
{
	struct stream *stream = &conn->streams[sender];

	if (!stream->started) {
		int32_t missed = stream->placed ? (int32_t)(op->seq - stream->start_seq) : 0;

		stream->started = true;
		stream->next_off = missed > 0 ? op->off - (uint32_t)missed : op->off;
	}
	settle_client(conn, sender, op->off);
	if (op->off > stream->next_off) {
		uint64_t n = op->off - stream->next_off;

		stream->next_off = op->off;
		pass_silently(flow, conn, sender, n, missed_ns(conn, stream, op->time_ns));
	} else if (op->off < stream->next_off) {
		/* Two threads on one socket: their order in the ring is not that of the bytes. */
		account_add(ACCOUNT_GAPS, 1);
		pair_broken(flow, conn, ACCOUNT_LOST_GAP);
		stream_lose(flow, conn, sender);
	}
	if (op->off + op->len > stream->next_off)
		stream->next_off = op->off + op->len;
	stream->turn = turn;
}

/*
 * Where the other direction stands, if none of its bytes were seen so far: at its beginning as long
 * as nobody answered, else where TCP says.
 */
static void place_other(struct conn *conn, enum sender sender, const struct record_op *op)
{
	struct stream *other = &conn->streams[sender == FROM_CLIENT ? FROM_SERVER : FROM_CLIENT];

	if (other->started || other->placed)
		return;
	other->started = op->turn == 1;
	other->placed = !other->started && op->peer_seq;
	other->next_off = 0;
	other->start_seq = op->peer_seq;
}

static void begin_turn(struct flow *flow, struct conn *conn, enum sender sender, uint32_t turn)
{
	enum sender other = sender == FROM_CLIENT ? FROM_SERVER : FROM_CLIENT;

	if (turn == conn->turn)
		return;
	stream_turn_ended(flow, conn, other);
	conn->turn = turn;
	if (sender == FROM_CLIENT) {
		conn->asked = conn->streams[sender].in_message ? ASKED_COUNTED : ASKED_UNSEEN;
	} else if (!conn->first) { /* else it may be the rest of an earlier response */
		end_client_turn(flow, conn);
	}
	if (!conn->streams[sender].until_turn)
		conn->streams[sender].lost = false;
}

/*
 * A quarantined connection is believed again when the client begins after the server, and no turn
 * between, nor perhaps the beginning of this one, is missing: without pipelining at once, else after
 * both were quiet.
 */
static void end_quarantine(struct flow *flow, struct conn *conn, const struct record_op *op,
			   uint32_t turn)
{
	bool by_client = sender_of(conn, op->head.flags & OP_SEND) == FROM_CLIENT;
	const struct stream *from_client = &conn->streams[FROM_CLIENT];

	if (!conn->quarantined || !by_client || turn != conn->turn + 1 || from_client->in_message ||
	    !(from_client->started || from_client->placed) ||
	    (conn->pipelined && op->time_ns <= conn->last_ns + QUIET_NS))
		return;
	conn->quarantined = false;
	stream_lose(flow, conn, FROM_SERVER);
}

static struct slice payload_of(const struct record_op *op)
{
	size_t end_sz = op->head.kind == RECORD_FRAMES ? sizeof(struct frames_end) : 0;

	return slice_of((const char *)(op + 1), op->head.size - sizeof(*op) - end_sz);
}

/*
 * Who publishes without end begins no turn. What was lost there is found again where an operation begins
 * as messages of this protocol do.
 */
static void find_again(struct conn *conn, enum sender sender, struct slice bytes)
{
	const struct protocol *protocol = conn->protocol;
	struct stream *stream = &conn->streams[sender];

	if (stream->lost && bytes.n && protocol->by_id && !protocol->shape && protocol->detect &&
	    protocol->detect(sender, bytes) >= DETECT_LIKELY)
		stream->lost = false;
}

static void take_bytes(struct flow *flow, struct conn *conn, enum sender sender, struct slice bytes,
		       const struct record_op *op)
{
	struct origin origin = origin_of(conn, op);

	if (op->head.kind == RECORD_FRAMES) {
		frames_take(flow, conn, sender, bytes, op);
		return;
	}
	find_again(conn, sender, bytes);
	stream_bytes(flow, conn, sender, bytes, &origin);
	stream_unseen(flow, conn, sender, op->len - bytes.n, op->time_ns);
}

/* Does the walk go on from here, so that what is silent holds no frame that matters? */
static void note_walk(struct conn *conn, enum sender sender, const struct record_op *op)
{
	conn->streams[sender].walked = op->head.kind == RECORD_FRAMES && frames_walked(conn, op);
}

/*
 * The operation's turn in the order in which operations are taken here. The kernel counts turns as it is told of
 * them, and may be told of a send after what answers it.
 */
static uint32_t turn_of(const struct conn *conn, const struct record_op *op)
{
	int32_t further = (int32_t)(op->turn - conn->told_turn);
	bool send = op->head.flags & OP_SEND, turned = send != conn->last_was_send;
	const struct stream *stream = &conn->streams[sender_of(conn, send)];

	if (!conn->turn)
		return op->turn;
	if (further <= 1)
		return conn->turn + turned;
	/* Turns alternate. What was taken last may have been told in an earlier turn than it is in. */
	if ((further & 1) != turned)
		further += op->off > stream->next_off ? 1 : -1;
	return conn->turn + (uint32_t)further;
}

/* True if nothing comes of it: what the connection speaks is not known yet, or will not be. */
static bool take_unrecognised(struct flow *flow, struct conn *conn, const struct record_op *op,
			      uint32_t turn)
{
	if (conn->protocol || detect_protocol(flow, conn, payload_of(op), op, turn))
		return false;
	conn->turn = turn;
	conn->last_was_send = op->head.flags & OP_SEND;
	if (conn->unknown)
		remove_conn(flow, conn);
	return true;
}

/* The operation is the connection's next. Uncertain: perhaps not the first of its turn. */
static void take_next(struct flow *flow, struct conn *conn, const struct record_op *op,
		      uint32_t turn, bool uncertain)
{
	bool frames = op->head.kind == RECORD_FRAMES, send = op->head.flags & OP_SEND;
	struct slice bytes = payload_of(op);
	enum sender sender;

	if (op->time_ns > conn->last_ns)
		conn->last_ns = op->time_ns;
	if (frames && !conn->protocol && !(op->head.flags & FRAMES_WHOLE)) {
		account_add(ACCOUNT_RECORDS_STRAY, 1);
		return;
	}
	if (send)
		conn->overtaken |= early_was_answered(conn, op);
	if (take_unrecognised(flow, conn, op, turn))
		return;
	sender = sender_of(conn, send);
	count_early_turns(conn, turn);
	conn->last_was_send = send;
	begin_turn(flow, conn, sender, turn);
	if (uncertain)
		stream_lose(flow, conn, sender);
	if (uncertain && !frames && sender == FROM_CLIENT) /* frames may tell where it goes on */
		pair_requests_missed(conn, ACCOUNT_LOST_RING, 1);
	if (op->tail_direction == send)
		take_tail(flow, conn, op->tail_off, op->tail_ns, send);
	if (frames)
		frames_begun(conn, sender, op);
	if (!(op->head.flags & FRAMES_BROKEN))
		note_walk(conn, sender, op);
	align(flow, conn, sender, op, turn);
	place_other(conn, sender, op);
	take_bytes(flow, conn, sender, bytes, op);
	note_walk(conn, sender, op);
	if (send && !conn->streams[sender].head_len)
		conn->overtaken = false;
	if (conn->unknown)
		remove_conn(flow, conn);
}

/* Takes what waited on the connection for sends before told_until, or all of it if that is NULL. */
static void take_early(struct flow *flow, uint64_t cookie, const uint32_t *told_until)
{
	struct conn *conn;
	struct early *early;

	while ((conn = conn_table__peek(&flow->conns, cookie)) && conn->early_cnt &&
	       (early = early_next(flow, conn, told_until))) {
		bool begins = !conn->turn || conn->last_was_send;

		take_next(flow, conn, &early->op, conn->turn + begins, false);
		free(early);
	}
}

/* Takes what waited for the send, and the tail of that. */
static void take_answers(struct flow *flow, const struct record_op *op)
{
	bool tail = op->tail_off && op->tail_direction == DIRECTION_RECV;
	uint32_t told_until = op->seq + op->len;
	struct conn *conn;

	take_early(flow, op->cookie, tail ? NULL : &told_until);
	conn = conn_table__peek(&flow->conns, op->cookie);
	if (tail && conn && !conn->closed)
		take_tail(flow, conn, op->tail_off, op->tail_ns, false);
}

/*
 * Takes what waits on the connection for other operations than this one, which may be missing. NULL if the
 * connection is over then.
 */
static struct conn *end_waits(struct flow *flow, struct conn *conn, const struct record_op *op,
			      bool missing)
{
	bool send = op->head.flags & OP_SEND;

	if (missing && !send)
		early_waive(conn, op);
	if (!conn->early_cnt)
		return conn;
	if (missing || (!send && !early_has_room(flow)))
		take_early(flow, op->cookie, NULL);
	else if (send)
		take_early(flow, op->cookie, &op->seq);
	conn = conn_table__peek(&flow->conns, op->cookie);
	return conn && !conn->closed ? conn : NULL;
}

/* Brings the connection to where the operation is to be taken: what came before it is over, or missing. */
static bool take_before(struct flow *flow, struct conn *conn, const struct record_op *op,
			uint32_t turn, bool missed)
{
	bool frames = op->head.kind == RECORD_FRAMES, send = op->head.flags & OP_SEND, uncertain;

	/* Where both ends speak at once turns have no order, and numbered frames tell what is missing. */
	uncertain = !(frames && conn_is_duplex(conn)) &&
		    take_missed_turns(flow, conn, sender_of(conn, send), turn);
	if (missed)
		take_missed_frames(flow, conn, turn);
	if (op->tail_direction != send && !(send && conn->early_cnt)) /* of the turn before */
		take_tail(flow, conn, op->tail_off, op->tail_ns, !send);
	end_quarantine(flow, conn, op, turn);
	return uncertain;
}

static void take_op(struct flow *flow, const struct record_op *op)
{
	struct conn *conn = conn_table__get(&flow->conns, op->cookie);
	bool frames = op->head.kind == RECORD_FRAMES, missed, jumps, uncertain, waited;
	uint32_t turn;

	if (!conn && carries_seen(flow, op->cookie))
		return; /* of before the kernel was told */
	if (!conn || conn->closed || conn->unknown ||
	    (frames && !conn->protocol && !(op->head.flags & FRAMES_WHOLE))) {
		account_add(ACCOUNT_RECORDS_STRAY, 1);
		return;
	}
	conn->process_id = op->process_id;
	missed = frames && frames_missed(conn, op);
	jumps = !(frames && conn_is_duplex(conn)) && (int32_t)(op->turn - conn->told_turn) > 1;
	if (op->head.flags & OP_SEND && op->off <= conn->told_off)
		jumps = false; /* none of what was sent is missing */
	conn = end_waits(flow, conn, op, missed || jumps);
	if (!conn)
		return;
	early_note(conn, op);
	times_note_op(conn, op);
	conn->client_unsure |= missed;
	turn = turn_of(conn, op);
	uncertain = take_before(flow, conn, op, turn, missed);
	if (!conn->turn || (int32_t)(op->turn - conn->told_turn) > 0)
		conn->told_turn = op->turn;
	if (early_keep(flow, conn, op))
		return;
	waited = conn->early_cnt && op->head.flags & OP_SEND;
	take_next(flow, conn, op, turn, uncertain || missed);
	if (waited)
		take_answers(flow, op);
}

static void note_tail(struct flow *flow, const struct record_op *record)
{
	struct conn *conn;

	if (flow->early)
		take_early(flow, record->cookie, NULL);
	conn = conn_table__get(&flow->conns, record->cookie);
	if (conn)
		early_note(conn, record);
	/* In a turn of which nothing was seen, the next operation tells what is missing. */
	if (conn && !conn->closed && record->turn == conn->told_turn) {
		if (record->tail_direction == DIRECTION_SEND)
			times_note_sent(conn, record->turn, record->tail_flags, record->tail_ns);
		take_tail(flow, conn, record->tail_off, record->tail_ns, record->tail_direction);
	}
}

/* Bytes that passed before the end but in no record: those records did not fit the ring. */
static void take_rest(struct flow *flow, struct conn *conn, const struct record_end *record)
{
	for (int send = 0; send <= 1 && conn->protocol; send++) {
		enum sender sender = sender_of(conn, send);
		struct stream *stream = &conn->streams[sender];
		uint64_t off = send ? record->tx_off : record->rx_off;
		uint64_t n = off - stream->next_off;

		settle_client(conn, sender, off);
		if (!stream->started || off > stream->next_off) {
			if (stream->started)
				stream_missed(flow, conn, sender, n, record->time_ns);
			stream->next_off = off;
		}
		if (tells_last(record))
			frames_end_missed(flow, conn, sender, &record->last_begun[send]);
		if (sender == FROM_CLIENT && conn->protocol)
			pair_bytes_ended(conn, off - stream->head_len);
	}
}

void flow__sampled(struct flow *flow, uint64_t cookie, uint64_t off)
{
	struct conn *conn = conn_table__peek(&flow->conns, cookie);

	if (!conn || conn->closed)
		return;
	conn->sampled_off = off; /* its head may not be whole yet */
	conn->sampled = true;
	for (struct exchange *x = conn->first; x; x = x->next)
		if (x->off == off)
			x->sampled = true;
}

static const char *errno_name(uint16_t error)
{
	switch (error) {
	case ECONNRESET:
		return "ECONNRESET";
	case EPIPE:
		return "EPIPE";
	case ETIMEDOUT:
		return "ETIMEDOUT";
	}
	return "connection_closed";
}

/* Neither the server nor what comes from it is to be expected any more. */
static void end_responses(struct flow *flow, struct conn *conn, const char *failure,
			  uint64_t time_ns)
{
	stream_closed(flow, conn, FROM_SERVER);
	pair_ended(flow, conn, failure, time_ns);
}

/*
 * A unix socket's end tells nobody when it is closed: what the other end read last, or failed to
 * write, tells it. Both go, unless a response may still come.
 */
static void end_unix_pair(struct flow *flow, struct conn *conn, const struct record_end *record)
{
	struct conn *peer = conn_table__peek(&flow->conns, conn->about.peer_cookie);

	if (peer && peer != conn && !peer->closed) {
		if (record->reason == END_ERROR || peer->role != ROLE_CLIENT)
			end_responses(flow, peer, "connection_closed", record->time_ns);
		if (!peer->first)
			let_go(flow, peer);
	}
	if (!conn->first)
		let_go(flow, conn);
}

static void end_conn(struct flow *flow, struct conn *conn, const struct record_end *record)
{
	bool mine = record->reason == END_SHUTDOWN, server_done;

	conn->last_ns = record->time_ns;
	if (conn->sealed) { /* records of its operations have not told all of them */
		conn->unknown_bytes[0] = record->rx_off;
		conn->unknown_bytes[1] = record->tx_off;
	}
	server_done = sender_of(conn, mine) == FROM_SERVER;
	if (record->error)
		pair_ended(flow, conn, errno_name(record->error), record->time_ns);
	if (record->reason == END_CLOSED || server_done)
		end_responses(flow, conn, "connection_closed", record->time_ns);
	if (record->reason == END_CLOSED) {
		/* When a session is over, its socket may still carry something, and ends later. */
		if (!(record->cookie & PLAINTEXT_COOKIE)) {
			if (conn->about.cookie & PLAINTEXT_COOKIE && !conn->over)
				orphan(flow, conn, record->time_ns);
			else
				remove_conn(flow, conn);
		} else {
			conn->over = true;
			if (conn->orphaned)
				remove_conn(flow, conn);
		}
	} else if (conn_is_unix(conn) && record->reason != END_SHUTDOWN) {
		end_unix_pair(flow, conn, record);
	}
}

/* Not one record of its operations found room: what it speaks is not known, but how often it was asked. */
static void count_unheard(struct conn *conn, const struct record_end *record)
{
	if (conn->told_turn || conn->protocol || conn->sealed || record->reason != END_CLOSED)
		return;
	account_add(ACCOUNT_LOST_RING, (record->turn + 1) / 2);
	conn->told_turn = record->turn;
}

static void take_end(struct flow *flow, const struct record_end *record)
{
	struct conn *conn, *plaintext;

	if (flow->early)
		take_early(flow, record->cookie, NULL);
	conn = conn_table__get(&flow->conns, record->cookie);
	if (conn && !conn->closed) {
		if (tells_last(record) && record->tail_direction == DIRECTION_SEND)
			times_note_sent(conn, record->turn, record->tail_flags, record->tail_ns);
		take_tail(flow, conn, record->tail_off, record->tail_ns, record->tail_direction);
		if (tells_last(record)) {
			count_unheard(conn, record);
			take_last_turns(conn, record);
		}
		take_rest(flow, conn, record);
		end_conn(flow, conn, record);
	}
	/*
	 * What a socket carries ends with it; but where no more comes from it, the library may still
	 * have something to be read.
	 */
	plaintext = conn_table__get(&flow->conns, record->cookie | PLAINTEXT_COOKIE);
	if (plaintext && plaintext != conn && !plaintext->closed &&
	    (record->reason == END_CLOSED || record->reason == END_ERROR))
		end_conn(flow, plaintext, record);
}

void flow__record(struct flow *flow, const struct record_head *record)
{
	switch (record->kind) {
	case RECORD_CONNECTION:
		take_connection(flow, (const struct record_connection *)record);
		break;
	case RECORD_OP:
	case RECORD_FRAMES:
		take_op(flow, (const struct record_op *)record);
		break;
	case RECORD_CAUSE:
		cause_note(flow, (const struct record_cause *)record);
		break;
	case RECORD_TIMES:
		times_note(flow, (const struct record_times *)record);
		break;
	case RECORD_CONTEXT:
		context_take(flow, (const struct record_context *)record);
		break;
	case RECORD_DATAGRAM:
		datagram_take(flow, (const struct record_datagram *)record);
		break;
	case RECORD_TAIL:
		note_tail(flow, (const struct record_op *)record);
		break;
	case RECORD_END:
		take_end(flow, (const struct record_end *)record);
		break;
	}
}

static void end_overdue_exchanges(struct flow *flow, uint64_t now_ns)
{
	uint32_t left = flow->exchanges.used_cnt;

	for (left = left < SWEEP_EXCHANGES_MAX ? left : SWEEP_EXCHANGES_MAX; left; left--) {
		struct exchange *x = exchange_pool__next(&flow->exchanges);
		uint64_t idle_ns = now_ns > x->conn->last_ns ? now_ns - x->conn->last_ns : 0;
		const struct stream *from_server = &x->conn->streams[FROM_SERVER];

		if (x->conn->datagrams) {
			datagram_overdue(flow, x, now_ns);
			continue;
		}
		if (x->uncertain && now_ns > x->last_ns)
			idle_ns = now_ns - x->last_ns;
		if (!x->held && !x->abandoned && !x->session) {
			if (from_server->current == x && from_server->until_turn &&
			    idle_ns > UNFINISHED_NS)
				stream_turn_ended(flow, x->conn, FROM_SERVER);
			else if (idle_ns > flow->options.exchange_timeout_ns)
				pair_abandon(flow, x, "timeout", now_ns);
		}
	}
}

static void let_idle_connections_go(struct flow *flow, uint64_t now_ns)
{
	struct conn *conn = flow->conns.lru_first;

	for (int i = 0; conn && i < SWEEP_CONNECTIONS_MAX; i++) {
		struct conn *next = conn->lru_next;

		if (conn->last_ns + flow->options.idle_timeout_ns > now_ns)
			break;
		if (!conn->held_cnt && !conn->closed) {
			pair_ended(flow, conn, "timeout", now_ns);
			let_go(flow, conn);
		}
		conn = next;
	}
}

/* What has waited long enough for a send is taken without it, and so is what waits for the same bytes. */
static void take_overdue(struct flow *flow, uint64_t now_ns)
{
	struct early *early;

	while ((early = early_overdue(flow, now_ns))) {
		uint64_t cookie = early->cookie;
		uint32_t until = early->op.peer_seq;

		early_waive(conn_table__peek(&flow->conns, cookie), &early->op);
		take_early(flow, cookie, &until);
	}
}

void flow__tick(struct flow *flow, uint64_t now_ns, uint64_t unix_offset_ns)
{
	flow->began_ns = flow->began_ns ?: now_ns;
	flow->now_ns = now_ns;
	flow->unix_offset_ns = unix_offset_ns;
	take_overdue(flow, now_ns);
	flow_release_held(flow, now_ns);
	share_offer(flow);
	if (now_ns - flow->sweep_ns > SWEEP_NS) {
		flow->sweep_ns = now_ns;
		end_overdue_exchanges(flow, now_ns);
		let_orphans_go(flow, now_ns);
		let_idle_connections_go(flow, now_ns);
		datagram_let_idle_go(flow, now_ns);
	}
	if (flow->batch && flow->batch->cnt)
		flow->batch = flow->options.emit(flow->options.ctx, flow->batch);
}

bool flow__wants_tails(const struct flow *flow)
{
	return flow->in_body_cnt > 0;
}

uint32_t flow__connection_cnt(const struct flow *flow)
{
	return flow->conns.cnt;
}

void flow__free(struct flow *flow)
{
	if (!flow)
		return;
	if (flow->conns.buckets) {
		while (flow->early)
			take_early(flow, flow->early->cookie, NULL);
		flow_release_held(flow, JOIN_RELEASE_ALL);
		for (struct conn *conn = flow->conns.lru_first; conn; conn = conn->lru_next) {
			pair_dropped(flow, conn, ACCOUNT_LOST_OPEN);
			if (!conn->closed) {
				detect_unknown(flow, conn);
				settle_early_turns(conn);
			}
		}
		datagram_close_all(flow);
		conn_table__free(&flow->conns);
		conn_table__free(&flow->sockets);
	}
	exchange_pool__free(&flow->exchanges);
	if (flow->batch)
		span_batch__free(flow->options.emit(flow->options.ctx, flow->batch));
	routes__free(flow->routes);
	memo__free(flow->memo);
	wanted_headers__free(&flow->wanted[FROM_CLIENT]);
	wanted_headers__free(&flow->wanted[FROM_SERVER]);
	free(flow);
}
