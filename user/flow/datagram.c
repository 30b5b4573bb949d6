// SPDX-License-Identifier: Apache-2.0
/*
 * UDP. Each datagram is a message by itself; what connects those of one exchange is the socket and
 * the message's id. A socket is known by its datagrams only: their records tell all there is to know
 * of it, so it costs nothing to forget it as soon as it is quiet, which is how those that serve one
 * query go.
 *
 * Who asks is told by what is sent, so one socket may do both. A request that is sent again before it
 * was answered is the same exchange. Datagrams get lost without anybody noticing: an exchange that waits
 * for longer than senders wait ends as timed out.
 *
 * Records that did not fit the ring are known by their serials. Each is half of an exchange: of one that
 * waits for its answer, of an answer that was not asked for, or of one of which nothing was seen. The
 * first two show themselves; what remains is counted by twos.
 */
#include <errno.h>

#include "user/flow/internal.h"

#define ANSWER_TIMEOUT_NS 10000000000ull
#define SOCKET_IDLE_NS 1000000000ull
#define SWEEP_SOCKETS_MAX 4096
#define TRIES 4 /* datagrams of no protocol after which a socket is ignored */

/* --- sockets ---------------------------------------------------------------------------------- */

static void count_missing(struct conn *conn)
{
	if (conn->protocol)
		account_add(ACCOUNT_LOST_RING, conn->missing_cnt / 2);
	conn->missing_cnt = 0;
}

/* So lately that what comes now may be the other half of what was lost? */
static bool was_ring_full(const struct flow *flow, uint64_t now_ns)
{
	return account_get(ACCOUNT_RING_FULL) != flow->ring_full_cnt ||
	       (flow->ring_full_ns &&
		now_ns < flow->ring_full_ns + ANSWER_TIMEOUT_NS + SOCKET_IDLE_NS);
}

/* Two threads' records on one socket may change places. */
static void note_missing(const struct flow *flow, struct conn *conn,
			 const struct record_datagram *d)
{
	int32_t missing = (int32_t)(d->serial - conn->serial - 1);

	if (conn->missing_cnt && d->time_ns > conn->missing_ns + ANSWER_TIMEOUT_NS + SOCKET_IDLE_NS)
		count_missing(conn);
	if (!d->serial)
		return;
	if (!conn->serial) /* whether those before it are lost or forgotten, the message will tell */
		missing = d->serial > 1 && was_ring_full(flow, d->time_ns);
	if (missing < 0) {
		conn->missing_cnt -= conn->missing_cnt > 0;
		return;
	}
	if (!conn->missing_cnt)
		conn->missing_ns = d->time_ns;
	conn->missing_cnt += (uint32_t)missing;
	conn->serial = d->serial;
}

static void remove_socket(struct flow *flow, struct conn *conn)
{
	count_missing(conn);
	conn_table__remove(&flow->sockets, conn);
}

static void make_room(struct flow *flow)
{
	while (flow->sockets.cnt >= flow->sockets.max_cnt) {
		struct conn *conn = flow->sockets.lru_first;

		pair_dropped(flow, conn, ACCOUNT_LOST_EVICTED);
		if (conn->held_cnt)
			flow_release_held(flow, JOIN_RELEASE_ALL);
		remove_socket(flow, conn);
	}
}

static void set_ends(struct record_connection *about, const struct record_datagram *d)
{
	about->cookie = d->cookie;
	about->time_ns = d->time_ns;
	about->process_id = d->process_id;
	about->family = d->family;
	about->local_port = d->local_port;
	about->remote_port = d->remote_port;
	memcpy(about->local_addr, d->local_addr, sizeof(about->local_addr));
	memcpy(about->remote_addr, d->remote_addr, sizeof(about->remote_addr));
	connection_unmap_ipv4(about);
}

/* The socket, with its ends as this datagram has them; NULL when memory is out. */
static struct conn *socket_of(struct flow *flow, const struct record_datagram *d)
{
	struct conn *conn = conn_table__get(&flow->sockets, d->cookie);

	if (!conn) {
		struct record_connection about = {.role = ROLE_UNKNOWN};

		make_room(flow);
		set_ends(&about, d);
		conn = conn_table__add(&flow->sockets, &about);
		if (!conn) {
			account_add(ACCOUNT_LOST_MEMORY, 1);
			return NULL;
		}
		conn->datagrams = true;
	}
	set_ends(&conn->about, d);
	conn->process_id = d->process_id;
	if (d->time_ns > conn->last_ns)
		conn->last_ns = d->time_ns;
	return conn;
}

static void ignore_socket(struct flow *flow, struct conn *conn)
{
	struct verdict ignore = {.ignore = 1};

	flow->options.verdict(flow->options.ctx, conn->about.cookie, &ignore);
	remove_socket(flow, conn);
}

/* --- messages --------------------------------------------------------------------------------- */

/* Multicast DNS and LLMNR: nobody in particular is asked, or answers. */
static bool is_for_all(const struct record_datagram *d)
{
	return d->local_port == 5353 || d->remote_port == 5353 || d->local_port == 5355 ||
	       d->remote_port == 5355;
}

static bool parse_with(struct flow *flow, const struct protocol *protocol, struct slice bytes,
		       bool cut, struct msg *msg, struct attr *storage)
{
	*msg = (struct msg){
		.attrs = {.v = storage, .cap = MSG_ATTRS_MAX},
		.room = flow->room,
		.room_sz = sizeof(flow->room),
	};
	return protocol->parse_datagram(bytes, cut, msg) >= 0;
}

/* False if it is no message of the socket's protocol, or of any. */
static bool parse(struct flow *flow, struct conn *conn, struct slice bytes, bool cut,
		  struct msg *msg, struct attr *storage)
{
	if (conn->protocol)
		return parse_with(flow, conn->protocol, bytes, cut, msg, storage);
	FOR_EACH_PROTOCOL (protocol)
		if (protocol->parse_datagram &&
		    parse_with(flow, protocol, bytes, cut, msg, storage))
			return conn_table__set_protocol(&flow->sockets, conn, protocol) == 0;
	return false;
}

/* The server's end learns who asked when it answers: is that the client that was found? */
static void check_peer(struct flow *flow, struct exchange *x)
{
	if (x->parent_method == PARENT_SOCKET && x->peer_port != x->remote_port) {
		struct trace_id fresh = id_source__trace_id(&flow->ids_source);

		x->joined = false;
		exchange__make_root(x);
		exchange__set_trace(x, &fresh, SPAN_FLAG_SAMPLED | SPAN_FLAG_RANDOM);
	}
	if (x->parent_method == PARENT_NONE) {
		join__leave(&flow->join, x);
		join__enter(&flow->join, x);
	}
}

static void take_request(struct flow *flow, struct conn *conn, enum sender sender,
			 const struct msg *msg, uint64_t time_ns)
{
	struct exchange *x = pair_find(flow, conn, msg->initiator, msg->id);

	if (x) {
		account_add(ACCOUNT_REQUESTS_REPEATED, 1);
		x->last_ns = time_ns;
		return;
	}
	pair_message(flow, conn, sender, msg, time_ns);
	pair_message_done(flow, conn, sender, time_ns);
}

static void take_response(struct flow *flow, struct conn *conn, enum sender sender,
			  const struct msg *msg, uint64_t time_ns)
{
	struct exchange *x = pair_find(flow, conn, msg->initiator, msg->id);

	if (!x && conn->missing_cnt) {
		account_add(ACCOUNT_RESPONSES, 1);
		account_add(ACCOUNT_LOST_RING, 1);
		conn->missing_cnt--;
		return;
	}
	pair_message(flow, conn, sender, msg, time_ns);
	if (x && !conn_began(x) && conn->about.remote_port) {
		conn_note_remote(x, &conn->about);
		check_peer(flow, x);
	}
	pair_message_done(flow, conn, sender, time_ns);
}

static void take_message(struct flow *flow, struct conn *conn, const struct record_datagram *d,
			 struct msg *msg)
{
	bool send = d->head.flags & OP_SEND, request = msg->kind == MSG_REQUEST;
	enum sender sender;

	if (conn->role == ROLE_UNKNOWN)
		conn->role = send == request ? ROLE_CLIENT : ROLE_SERVER;
	sender = (conn->role == ROLE_CLIENT) == send ? FROM_CLIENT : FROM_SERVER;
	msg->initiator = request ? sender : !sender;
	conn->streams[sender].head_tid = d->tid;
	if (request)
		take_request(flow, conn, sender, msg, d->time_ns);
	else
		take_response(flow, conn, sender, msg, d->time_ns);
}

/* Somebody on the way said that nobody is there: all that was asked of it has failed. */
static void take_error(struct flow *flow, struct conn *conn, const struct record_datagram *d)
{
	const char *name = d->error == ECONNREFUSED ? "ECONNREFUSED" : "EHOSTUNREACH";

	if (conn->role == ROLE_CLIENT)
		pair_ended(flow, conn, name, d->time_ns);
}

void datagram_take(struct flow *flow, const struct record_datagram *d)
{
	struct slice bytes = slice_of((const char *)(d + 1), d->head.size - sizeof(*d));
	struct conn *conn = socket_of(flow, d);
	struct attr storage[MSG_ATTRS_MAX];
	struct msg msg;

	if (!conn)
		return;
	note_missing(flow, conn, d);
	if (d->error) {
		take_error(flow, conn, d);
		return;
	}
	account_add(ACCOUNT_DATAGRAMS, 1);
	if (is_for_all(d)) {
		account_add(ACCOUNT_DATAGRAMS_UNKNOWN, 1);
		ignore_socket(flow, conn);
	} else if (parse(flow, conn, bytes, bytes.n < d->len, &msg, storage)) {
		if (msg.kind != MSG_NONE)
			take_message(flow, conn, d, &msg);
	} else {
		account_add(ACCOUNT_DATAGRAMS_UNKNOWN, 1);
		if (!conn->protocol && ++conn->detect_tries >= TRIES)
			ignore_socket(flow, conn);
	}
}

/* --- ends ------------------------------------------------------------------------------------- */

void datagram_overdue(struct flow *flow, struct exchange *x, uint64_t now_ns)
{
	const struct msg timeout = {.kind = MSG_ABORT,
				    .initiator = x->initiator,
				    .id = x->id,
				    .failure = SLICE("timeout")};

	if (x->held || now_ns < x->last_ns + ANSWER_TIMEOUT_NS)
		return;
	x->uncertain |= x->start_ns < flow->ring_full_ns; /* the answer may have been lost here */
	x->conn->missing_cnt -= x->uncertain && x->conn->missing_cnt;
	pair_abort(flow, x->conn, &timeout, now_ns);
}

void datagram_let_idle_go(struct flow *flow, uint64_t now_ns)
{
	struct conn *conn = flow->sockets.lru_first;
	uint64_t ring_full_cnt = account_get(ACCOUNT_RING_FULL);

	if (ring_full_cnt != flow->ring_full_cnt)
		flow->ring_full_ns = now_ns;
	flow->ring_full_cnt = ring_full_cnt;
	for (int i = 0; conn && i < SWEEP_SOCKETS_MAX; i++) {
		struct conn *next = conn->lru_next;

		if (conn->last_ns + SOCKET_IDLE_NS > now_ns)
			break;
		if (!conn->held_cnt && !conn->first)
			remove_socket(flow, conn);
		conn = next;
	}
}

void datagram_close_all(struct flow *flow)
{
	for (struct conn *conn = flow->sockets.lru_first; conn; conn = conn->lru_next) {
		count_missing(conn);
		pair_dropped(flow, conn, ACCOUNT_LOST_OPEN);
	}
}

/* --- spans ------------------------------------------------------------------------------------ */

static bool is_any(const uint8_t addr[16])
{
	static const uint8_t any[16];

	return memcmp(addr, any, sizeof(any)) == 0;
}

void datagram_ends(const struct exchange *x, char text[ADDRESS_TEXT_SZ], struct slice *local,
		   struct slice *remote)
{
	const struct record_connection *about = &x->conn->about;

	*remote = SLICE("");
	if (x->remote_port) {
		address_text(x->remote_family == FAMILY_INET6, x->remote_addr, text,
			     ADDRESS_TEXT_SZ);
		*remote = slice_str(text);
	}
	if (is_any(about->local_addr))
		*local = SLICE("");
}
