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
#define OLDEST_LOOKED_AT 64
#define MESSAGE_SZ_MAX (1ull << 40)
#define MEAN_OF 1024 /* requests whose length says how long those are that were missed */

static void tell_copy(struct flow *flow, struct conn *conn, uint32_t copy_op, uint32_t copy_turn)
{
	if (conn->datagrams ||
	    (conn->verdict.copy_op == copy_op && conn->verdict.copy_turn == copy_turn))
		return;
	conn->verdict.copy_op = copy_op;
	conn->verdict.copy_turn = copy_turn;
	conn->verdict.several = conn->pipelined || (conn->protocol && conn->protocol->by_id);
	flow->options.verdict(flow->options.ctx, conn->about.cookie, &conn->verdict);
}

/*
 * Copies of each operation what a head needs; of pipelined connections, all there is room for; where
 * one end may speak for ever, such as who publishes, for ever.
 */
static void adapt_copying(struct flow *flow, struct conn *conn)
{
	const struct protocol *protocol = conn->protocol;
	uint32_t want = COPY_MIN;

	if (protocol->shape) {
		tell_copy(flow, conn, COPY_MAX, PIPELINED_TURN);
		return;
	}
	if (conn->pipelined || protocol->by_id || protocol->conclude) {
		tell_copy(flow, conn, COPY_PARTS_MAX,
			  protocol->by_id ? ENDLESS_TURN : PIPELINED_TURN);
		return;
	}
	if (conn->done_cnt < VERDICT_AFTER)
		return;
	while (want < conn->head_max + conn->head_max / 4 && want < COPY_MAX)
		want *= 2;
	if (want > conn->verdict.copy_op)
		tell_copy(flow, conn, want, want * 4);
}

void pair_begin_copying(struct flow *flow, struct conn *conn)
{
	const struct protocol *protocol = conn->protocol;
	uint8_t shape = protocol && protocol->shape && !conn->shape_refused
				? (uint8_t)(1 + protocol_index(protocol))
				: 0;

	if (conn->verdict.shape != shape) {
		conn->verdict = (struct verdict){.shape = shape};
		tell_copy(flow, conn, COPY_MAX, PIPELINED_TURN);
	} else if (protocol && (protocol->by_id || protocol->conclude)) {
		adapt_copying(flow, conn);
	}
}

static void note_pipelining(struct flow *flow, struct conn *conn)
{
	if (conn->pipelined)
		return;
	conn->pipelined = true;
	adapt_copying(flow, conn);
}

static struct exchange **bucket_of(struct flow *flow, const struct conn *conn,
				   enum sender initiator, uint64_t id)
{
	uint64_t hash = conn->about.cookie * 0x9e3779b97f4a7c15ull + id * 2 + initiator;

	return &flow->ids[(hash * 0xd6e8feb86659fd93ull >> 40) % FLOW_IDS_BUCKETS];
}

static void append(struct flow *flow, struct conn *conn, struct exchange *x)
{
	struct exchange **bucket = bucket_of(flow, conn, x->initiator, x->id);

	x->conn = conn;
	x->protocol = conn->protocol;
	x->process_id = conn->process_id;
	x->next = NULL;
	x->prev = conn->last;
	if (conn->last)
		conn->last->next = x;
	else
		conn->first = x;
	conn->last = x;
	conn->exchange_cnt++;
	if (!conn->protocol->by_id)
		return;
	x->id_next = *bucket;
	x->id_link = bucket;
	if (*bucket)
		(*bucket)->id_link = &x->id_next;
	*bucket = x;
}

static void unlink_exchange(struct flow *flow, struct exchange *x)
{
	struct conn *conn = x->conn;

	if (x->prev)
		x->prev->next = x->next;
	else
		conn->first = x->next;
	if (x->next)
		x->next->prev = x->prev;
	else
		conn->last = x->prev;
	if (x->id_link) {
		*x->id_link = x->id_next;
		if (x->id_next)
			x->id_next->id_link = x->id_link;
		x->id_link = NULL;
	}
	conn->exchange_cnt--;
	forward_end(x);
	share_leave(flow, x);
	for (int sender = FROM_CLIENT; sender <= FROM_SERVER; sender++)
		if (conn->streams[sender].current == x)
			conn->streams[sender].current = NULL;
}

static void drop(struct flow *flow, struct exchange *x)
{
	unlink_exchange(flow, x);
	exchange__disown(x);
	join__leave(&flow->join, x);
	exchange_pool__put(&flow->exchanges, x);
}

/* The exchange is over: makes its span, or leaves it to the join. */
static void pair_complete(struct flow *flow, struct exchange *x)
{
	struct conn *conn = x->conn;

	unlink_exchange(flow, x);
	conn->done_cnt++;
	cause_check(flow, x);
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
	if (conn->protocol)
		adapt_copying(flow, conn);
}

/* One that may have been answered in what was missed is lost; any other ends as it is. */
static void end_exchange(struct flow *flow, struct exchange *x, struct slice failure,
			 uint64_t time_ns)
{
	if (x->uncertain && !x->abandoned) {
		account_add(ACCOUNT_LOST_GAP, 1);
		drop(flow, x);
		return;
	}
	x->failure = failure;
	x->end_ns = time_ns;
	pair_complete(flow, x);
}

struct exchange *pair_find(struct flow *flow, struct conn *conn, enum sender initiator, uint64_t id)
{
	struct exchange *x = conn->first;

	if (!conn->protocol->by_id) {
		while (x && (x->responded || x->session || x->initiator != initiator))
			x = x->next;
		return x;
	}
	x = *bucket_of(flow, conn, initiator, id);
	while (x && (x->conn != conn || x->id != id || x->initiator != initiator))
		x = x->id_next;
	return x;
}

/* As many as requests of the usual length are in the bytes that were missed. */
static void count_missed_bytes(struct conn *conn)
{
	if (!conn->missed_sz || !conn->batched || !conn->requests_sz)
		return;
	account_add(conn->missed_cause,
		    (conn->missed_sz * conn->requests_cnt + conn->requests_sz / 2) /
			    conn->requests_sz);
	conn->missed_sz = 0;
}

void pair_bytes_known(struct conn *conn, enum sender sender, uint64_t off)
{
	if (sender == FROM_CLIENT && !conn->streams[sender].lost && off > conn->seen_off)
		conn->seen_off = off;
}

static void note_length(struct conn *conn, uint64_t sz, bool is_request)
{
	if (conn->requests_cnt == MEAN_OF) {
		conn->requests_cnt /= 2;
		conn->requests_sz /= 2;
	}
	if (is_request) {
		conn->batched |= conn->requests_cnt && conn->request_turn == conn->turn;
		conn->request_turn = conn->turn;
		conn->requests_cnt++;
	}
	conn->requests_sz += sz;
}

/* The length of a message of which only sz bytes are known. */
static uint64_t at_least_mean(const struct conn *conn, uint64_t sz)
{
	uint64_t mean = conn->requests_cnt ? conn->requests_sz / conn->requests_cnt : 0;

	return sz < mean ? mean : sz;
}

void pair_bytes_seen(struct conn *conn, uint64_t off, uint64_t sz, const struct msg *msg)
{
	bool truncated = msg->flags & MESSAGE_TRUNCATED;

	if (conn->protocol->by_id)
		return;
	if (sz > MESSAGE_SZ_MAX)
		sz = MESSAGE_SZ_MAX;
	if (off > conn->seen_off && (conn->batched || !conn->requests_cnt))
		conn->missed_sz += off - conn->seen_off;
	conn->seen_off = off + (truncated ? at_least_mean(conn, sz) : sz);
	if (!truncated)
		note_length(conn, sz, msg->kind == MSG_REQUEST || msg->kind == MSG_ONEWAY);
	count_missed_bytes(conn);
}

void pair_bytes_ended(struct conn *conn, uint64_t off)
{
	if (!conn->batched || off <= conn->seen_off)
		return;
	conn->missed_sz += off - conn->seen_off;
	conn->seen_off = off;
	count_missed_bytes(conn);
}

void pair_requests_missed(struct conn *conn, enum account_entry cause, uint32_t cnt)
{
	if (conn->protocol && conn->protocol->by_id)
		return;
	conn->asked = ASKED_COUNTED;
	conn->missed_cause = cause;
	if (conn->batched)
		return;
	account_add(cause, cnt);
	conn->missed_sz = 0;
	conn->seen_off = ~0ull;
}

/*
 * All exchanges are in use: lets go those that only wait for the other end, or drops those of the
 * connection that has most of the oldest, if they are more than this one's: who asks without end costs
 * itself and not the others.
 */
static void make_room(struct flow *flow, const struct conn *conn)
{
	struct conn *most = NULL;
	struct exchange *x;

	flow_release_held(flow, JOIN_RELEASE_ALL);
	if (flow->exchanges.used_cnt < flow->exchanges.max_cnt)
		return;
	x = flow->exchanges.oldest;
	for (int i = 0; x && i < OLDEST_LOOKED_AT; i++, x = x->newer)
		if (!x->conn->datagrams && (!most || x->conn->exchange_cnt > most->exchange_cnt))
			most = x->conn;
	if (!most || most->exchange_cnt <= conn->exchange_cnt + 1)
		return;
	most->quarantined = !most->protocol->by_id;
	pair_dropped(flow, most, ACCOUNT_LOST_EVICTED);
}

static struct exchange *new_exchange(struct flow *flow, struct conn *conn,
				     const struct stream *stream, uint64_t time_ns)
{
	struct exchange *x = exchange_pool__take(&flow->exchanges);

	if (!x) {
		make_room(flow, conn);
		x = exchange_pool__take(&flow->exchanges);
	}
	if (!x || conn->quarantined) {
		account_add(ACCOUNT_LOST_EVICTED, 1);
		pair_dropped(flow, conn, ACCOUNT_LOST_EVICTED);
		conn->quarantined = !conn->protocol->by_id;
		if (x)
			exchange_pool__put(&flow->exchanges, x);
		return NULL;
	}
	x->start_ns = x->last_ns = time_ns;
	x->prior_ns = conn->streams[stream == &conn->streams[FROM_CLIENT]].last_ns;
	x->off = stream->head_off;
	x->seq = stream->head_seq;
	x->peer_seq = stream->head_peer_seq;
	x->tid = stream->head_tid;
	x->queued_us = stream->head_queued_us;
	x->sampled = conn->sampled && conn->sampled_off == x->off;
	conn_note_remote(x, &conn->about);
	x->span_id = id_source__span_id(&flow->ids_source);
	return x;
}

static void identify(struct flow *flow, struct exchange *x, const struct cause *cause,
		     const struct fingerprint *fingerprint)
{
	if (!x->parent && !x->trace_format) {
		x->trace_id = id_source__trace_id(&flow->ids_source);
		x->trace_flags = SPAN_FLAG_SAMPLED | SPAN_FLAG_RANDOM;
		context_apply(x);
	}
	cause_apply(flow, x, cause);
	forward_begin(flow, x, fingerprint);
	join__enter(&flow->join, x);
	share_enter(flow, x);
}

static void begin_request(struct flow *flow, struct conn *conn, enum sender sender,
			  const struct msg *msg, uint64_t time_ns)
{
	struct stream *stream = &conn->streams[sender];
	bool in_order =
		!conn->protocol->by_id && msg->initiator == FROM_CLIENT && msg->kind == MSG_REQUEST;
	struct exchange *x = NULL;

	account_add(ACCOUNT_REQUESTS, 1);
	account_add(ACCOUNT_LOST_GAP, msg->missed_cnt);
	stream->current = NULL;
	if (sender == FROM_CLIENT) {
		conn->asked = ASKED_COUNTED;
		conn->request_off = stream->head_off;
	}
	if (in_order && (conn->quarantined || (conn->last && !conn->last->responded)))
		note_pipelining(flow, conn);
	if (in_order && (conn->quarantined || conn->overtaken)) {
		account_add(ACCOUNT_LOST_GAP, 1);
		if (conn->overtaken && conn->dropped_turn == conn->turn) /* how many were? */
			conn->pipelined = conn->quarantined = true;
		conn->dropped_turn = conn->overtaken ? conn->turn : 0;
		return;
	}
	x = new_exchange(flow, conn, stream, time_ns);
	if (!x)
		return;
	cause_crowd(conn, x, stream->next_off);
	x->initiator = msg->initiator;
	x->oneway = msg->kind == MSG_ONEWAY;
	x->uncertain = conn->overtaken && sender == FROM_CLIENT;
	exchange__keep_request(x, msg);
	append(flow, conn, x);
	stream->current = x;
	x->left_out = sdk_doubles(flow, x);
	identify(flow, x, &stream->head_cause, msg->fingerprint);
}

/*
 * Nobody asked, and the turn in which the last answer ended goes on: on a unix socket, where nothing tells the order
 * (see early.c), this one may answer what is told next, though a server may also take leave like that. Right after
 * that nothing is certain any more.
 */
static void note_unasked(struct conn *conn)
{
	if (!conn_is_unix(conn))
		early_note_unasked(conn, conn->streams[FROM_SERVER].head_peer_seq);
	if (conn->protocol->by_id || conn->quarantined || conn->role != ROLE_CLIENT ||
	    !conn_is_unix(conn))
		return;
	conn->overtaken = conn->answered_turn && conn->answered_turn == conn->turn;
	if (conn->dropped_turn && conn->dropped_turn + 1 == conn->turn)
		conn->pipelined = conn->quarantined = true;
}

static void begin_response(struct flow *flow, struct conn *conn, enum sender sender,
			   const struct msg *msg)
{
	struct exchange *x =
		conn->quarantined ? NULL : pair_find(flow, conn, msg->initiator, msg->id);

	conn->streams[sender].current = x;
	account_add(ACCOUNT_RESPONSES, 1);
	if (!x && sender == FROM_SERVER && !(conn->protocol->by_id && conn->gapped))
		note_unasked(conn);
	if (x && !x->answer_tid)
		x->answer_tid = conn->streams[sender].head_tid;
	if (x)
		exchange__keep_response(x, msg);
	else if (conn->protocol->by_id && conn->gapped && !conn->protocol->counts_missed)
		account_add(ACCOUNT_LOST_GAP, 1);
	else if (conn->asked == ASKED_BEFORE || conn->protocol->by_id)
		account_add(ACCOUNT_RESPONSES_EARLY, 1);
}

static void add_part(struct flow *flow, struct conn *conn, enum sender sender,
		     const struct msg *msg)
{
	struct stream *stream = &conn->streams[sender];
	struct exchange *x = stream->current;

	if (conn->protocol->by_id) {
		x = pair_find(flow, conn, msg->initiator, msg->id);
		if (x && sender != x->initiator && !x->responded)
			x = NULL; /* its beginning was missed */
		stream->current = x;
	}
	if (x)
		exchange__keep_part(x, sender == x->initiator, msg);
}

void pair_message(struct flow *flow, struct conn *conn, enum sender sender, const struct msg *msg,
		  uint64_t time_ns)
{
	if (msg->kind == MSG_REQUEST || msg->kind == MSG_ONEWAY)
		begin_request(flow, conn, sender, msg, time_ns);
	else if (msg->kind == MSG_RESPONSE)
		begin_response(flow, conn, sender, msg);
	else
		add_part(flow, conn, sender, msg);
}

/* The answer in progress, else the oldest that waits for one. */
static struct exchange *aborted(struct flow *flow, struct conn *conn, const struct msg *msg)
{
	struct exchange *x = conn->streams[!msg->initiator].current;

	if (!conn->protocol->by_id && x && x->initiator == msg->initiator)
		return x;
	return pair_find(flow, conn, msg->initiator, msg->id);
}

/* The group of exchanges that share an id, where ids do not pair. */
static void abort_group(struct flow *flow, struct conn *conn, const struct msg *msg,
			uint64_t time_ns)
{
	for (struct exchange *x = conn->first, *next; x; x = next) {
		next = x->next;
		if (x->id == msg->id && x->initiator == msg->initiator && !x->session)
			end_exchange(flow, x, msg->failure, time_ns);
	}
}

void pair_abort(struct flow *flow, struct conn *conn, const struct msg *msg, uint64_t time_ns)
{
	bool before = msg->flags & MESSAGE_ALL_BEFORE, after = msg->flags & MESSAGE_ALL_AFTER;
	struct exchange *last = after ? NULL : aborted(flow, conn, msg), *next;

	if (!conn->protocol->by_id && msg->id) {
		abort_group(flow, conn, msg, time_ns);
		return;
	}
	if (!after && !before) {
		if (last)
			end_exchange(flow, last, msg->failure, time_ns);
		return;
	}
	for (struct exchange *x = conn->first; x; x = next) {
		bool is_last = x == last;

		next = is_last ? NULL : x->next;
		if (x->initiator == msg->initiator && !x->session && (!after || x->id > msg->id))
			end_exchange(flow, x, msg->failure, time_ns);
	}
}

static const struct protocol *protocol_of_name(struct slice name)
{
	FOR_EACH_PROTOCOL (protocol)
		if (name.n && slice_eq(slice_str(protocol->name), name))
			return protocol;
	return NULL;
}

/* The connection as an exchange: asked for by the request that has just been granted. */
static struct exchange *new_session(struct flow *flow, struct conn *conn,
				    const struct exchange *granted)
{
	struct exchange *x = exchange_pool__take(&flow->exchanges);

	if (!x) {
		account_add(ACCOUNT_LOST_EVICTED, 1);
		return NULL;
	}
	x->session = true;
	x->process_id = conn->process_id;
	x->start_ns = x->last_ns = granted->start_ns;
	x->off = granted->off + 1; /* its own, and the same at both ends */
	x->seq = granted->seq + 1;
	x->peer_seq = granted->peer_seq;
	x->tid = granted->tid;
	x->span_id = id_source__span_id(&flow->ids_source);
	exchange__keep_request(x, &(struct msg){.attrs = granted->request});
	x->parent_method = granted->parent_method == PARENT_HEADER ? PARENT_HEADER : PARENT_NONE;
	x->trace_id = granted->trace_id;
	x->parent_id = x->parent_method == PARENT_HEADER ? granted->parent_id : x->parent_id;
	x->trace_format = granted->trace_format;
	x->trace_flags = granted->trace_flags;
	return x;
}

static void start_over(struct flow *flow, struct conn *conn, struct slice next)
{
	if (slice_eq(next, SLICE("tls")))
		conn_table__secure(&flow->conns, conn);
	else
		conn_table__set_protocol(&flow->conns, conn, NULL);
	pair_begin_copying(flow, conn);
	for (int sender = FROM_CLIENT; sender <= FROM_SERVER; sender++)
		conn->streams[sender].started = conn->streams[sender].placed = false;
	conn->detect_tries = 0;
	conn->unknown_bytes[0] = conn->unknown_bytes[1] = 0;
	if (slice_eq(next, SLICE("tls"))) {
		detect_seal(flow, conn, CARRIES_UNSEEN);
	} else if (next.n) {
		conn->label = next;
		detect_give_up(flow, conn);
	}
}

void pair_upgrade(struct flow *flow, struct conn *conn, const struct msg *msg, uint64_t time_ns)
{
	const struct protocol *next = protocol_of_name(msg->upgrade);
	struct exchange *x = conn->streams[FROM_SERVER].current, *session = NULL;

	if (next && next->conclude && x)
		session = new_session(flow, conn, x);
	stream_lose(flow, conn, FROM_CLIENT);
	stream_lose(flow, conn, FROM_SERVER);
	if (x)
		end_exchange(flow, x, SLICE(""), time_ns);
	pair_ended(flow, conn, "connection_closed", time_ns);
	if (!next || conn_table__set_protocol(&flow->conns, conn, next)) {
		start_over(flow, conn, msg->upgrade);
		return;
	}
	conn->streams[FROM_CLIENT].lost = conn->streams[FROM_SERVER].lost = false;
	conn->pipelined = conn->quarantined = false;
	if (session) {
		append(flow, conn, session);
		join__enter(&flow->join, session);
	}
	pair_begin_copying(flow, conn);
}

void pair_message_done(struct flow *flow, struct conn *conn, enum sender sender, uint64_t time_ns)
{
	struct exchange *x = conn->streams[sender].current;

	conn->streams[sender].current = NULL;
	if (!x)
		return;
	x->last_ns = time_ns;
	if (!x->oneway && (sender == x->initiator || !x->responded)) {
		x->request_done = true;
		return;
	}
	x->end_ns = time_ns;
	conn->answered_turn = conn->turn;
	pair_complete(flow, x);
}

void pair_dropped(struct flow *flow, struct conn *conn, enum account_entry cause)
{
	uint32_t lost_cnt = 0;

	forward_missed(flow, conn);
	for (struct exchange *x = conn->first, *next; x; x = next) {
		next = x->next;
		if (!x->abandoned)
			lost_cnt++;
		drop(flow, x);
	}
	account_add(cause, lost_cnt);
}

void pair_broken(struct flow *flow, struct conn *conn, enum account_entry cause)
{
	conn->gapped = true;
	forward_missed(flow, conn);
	if (conn->protocol && (conn->protocol->by_id || conn->protocol->conclude)) {
		for (struct exchange *x = conn->first; x; x = x->next)
			x->uncertain = !x->session;
		return;
	}
	pair_dropped(flow, conn, cause);
	if (conn->pipelined)
		conn->quarantined = true;
}

/* What the parser has counted over the life of the connection. */
static void conclude(struct conn *conn, struct exchange *session)
{
	struct attr storage[MSG_ATTRS_MAX];
	struct msg msg = {.attrs = {.v = storage, .cap = MSG_ATTRS_MAX}};

	conn->protocol->conclude(conn->state, &msg);
	exchange__keep_response(session, &msg);
}

void pair_ended(struct flow *flow, struct conn *conn, const char *failure, uint64_t time_ns)
{
	while (conn->first) {
		struct exchange *x = conn->first;

		if (x->session && conn->protocol && conn->protocol->conclude) {
			conclude(conn, x);
			end_exchange(flow, x, SLICE(""), time_ns);
		} else {
			end_exchange(flow, x, slice_str(failure), time_ns);
		}
	}
}

void pair_abandon(struct flow *flow, struct exchange *x, const char *failure, uint64_t time_ns)
{
	if (x->uncertain) {
		account_add(ACCOUNT_LOST_GAP, 1);
		drop(flow, x);
		return;
	}
	x->failure = slice_str(failure);
	x->end_ns = time_ns;
	x->abandoned = true;
	join__leave(&flow->join, x);
	span_build(flow, x);
}
