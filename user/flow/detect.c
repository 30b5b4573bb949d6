// SPDX-License-Identifier: Apache-2.0
/*
 * Which protocol a connection speaks. Looked for at the beginning of turns, in the middle of old
 * connections too; after several turns without an answer the connection is given up as unknown.
 *
 * Neither ports nor the order of parsers decide. One protocol alone must be certain of the bytes of one
 * sender, or be the only one that finds those of both likely; until then they wait. Where it is not
 * known which end is the client, both are tried.
 */
#include "user/flow/internal.h"

#include "user/protocols/tls_record.h"

#define TRIES_FRESH 8
#define TRIES_OLD 64

static enum sender sender_if(enum role role, bool send)
{
	return (role == ROLE_CLIENT) == send ? FROM_CLIENT : FROM_SERVER;
}

static bool is_certain(enum role role)
{
	return role == ROLE_CLIENT || role == ROLE_SERVER;
}

/* What the parsers say, as bits in the order of their registration. */
struct opinion {
	uint64_t certain, likely, possible; /* each includes the one before it */
};

static struct opinion ask_all(enum sender sender, struct slice bytes)
{
	struct opinion all = {0};
	uint64_t bit = 1;

	FOR_EACH_PROTOCOL (protocol) {
		enum detect answer = protocol->detect(sender, bytes);

		all.certain |= answer == DETECT_YES ? bit : 0;
		all.likely |= answer >= DETECT_LIKELY ? bit : 0;
		all.possible |= answer != DETECT_NO ? bit : 0;
		bit <<= 1;
	}
	return all;
}

/* The protocol of the only bit, or NULL. */
static const struct protocol *only_one(uint64_t bits)
{
	FOR_EACH_PROTOCOL (protocol) {
		if (bits == 1)
			return protocol;
		if (bits & 1)
			return NULL;
		bits >>= 1;
	}
	return NULL;
}

/* The server's end, as far as known: of two ports, clients have the higher one. */
static bool serves(const struct conn *conn)
{
	if (conn->role == ROLE_UNKNOWN)
		return conn->about.local_port < conn->about.remote_port;
	return conn->role != ROLE_CLIENT;
}

static void tell_unknown(struct flow *flow, struct conn *conn)
{
	struct unknown unknown = {
		.process_id = conn->process_id ?: conn->about.process_id,
		.serves = serves(conn),
		.received_sz = conn->unknown_bytes[0],
		.sent_sz = conn->unknown_bytes[1],
		.label = conn->label.n ? conn->label : SLICE("unknown"),
	};

	unknown.port = unknown.serves ? conn->about.local_port : conn->about.remote_port;
	account_add(ACCOUNT_CONNECTIONS_UNKNOWN, 1);
	account_add(ACCOUNT_UNPARSED_BYTES, unknown.received_sz + unknown.sent_sz);
	if (flow->options.unknown)
		flow->options.unknown(flow->options.ctx, &unknown);
}

void detect_unknown(struct flow *flow, struct conn *conn)
{
	if (!conn->protocol && !conn->unknown &&
	    (conn->sealed || conn->unknown_bytes[0] + conn->unknown_bytes[1]))
		tell_unknown(flow, conn);
}

void detect_give_up(struct flow *flow, struct conn *conn)
{
	struct verdict ignore = {.ignore = 1};

	tell_unknown(flow, conn);
	conn->unknown = true;
	flow->options.verdict(flow->options.ctx, conn->about.cookie, &ignore);
}

void detect_seal(struct flow *flow, struct conn *conn, enum carries carries)
{
	struct verdict sealed = {.carries = carries};

	if (carries == CARRIES_UNSEEN) { /* the rest of the handshake's first messages is wanted */
		sealed.copy_op = TLS_HELLO_MAX;
		sealed.copy_turn = 2 * TLS_HELLO_MAX;
	}
	conn->label = SLICE("tls");
	conn->sealed = true;
	conn->unknown = carries == CARRIES_SEEN; /* it is not, and nobody needs to be told */
	flow->options.verdict(flow->options.ctx, conn->about.cookie, &sealed);
}

/* What waits in the stream is no beginning of a message. */
static void forget(struct stream *stream)
{
	stream->head_len = 0;
	stream->started = false;
}

static void forget_direction(struct conn *conn, struct stream *stream, bool send)
{
	forget(stream);
	for (int role = 0; role < 2; role++)
		conn->likely[role][send] = conn->possible[role][send] = 0;
}

static bool accept_as(struct flow *flow, struct conn *conn, const struct protocol *protocol,
		      enum role role, uint32_t turn)
{
	if (conn_table__set_protocol(&flow->conns, conn, protocol)) {
		account_add(ACCOUNT_LOST_MEMORY, 1);
		detect_give_up(flow, conn);
		return false;
	}
	if (!is_certain(conn->role) && role == ROLE_CLIENT) {
		/* What waits was put where a server's end has it. */
		struct stream from_client = conn->streams[FROM_SERVER];

		conn->streams[FROM_SERVER] = conn->streams[FROM_CLIENT];
		conn->streams[FROM_CLIENT] = from_client;
	}
	conn->role = role;
	conn->asked = (conn->about.fresh && turn == 2) || conn->streams[FROM_CLIENT].forgotten
			      ? ASKED_UNSEEN
			      : ASKED_BEFORE;
	conn->streams[FROM_CLIENT].lost = conn->streams[FROM_SERVER].lost = false;
	for (int sender = FROM_CLIENT; conn->about.fresh && turn <= 2 && sender <= FROM_SERVER;
	     sender++)
		conn->streams[sender].from_start = true;
	pair_begin_copying(flow, conn);
	return true;
}

/* Lets the bytes wait for more. False if none will come, or there is no room. */
static bool wait_for_more(struct flow *flow, struct conn *conn, struct stream *stream,
			  struct slice bytes, const struct record_op *op)
{
	if (op->head.size - sizeof(*op) < op->len ||
	    (!stream->head_len && !stream_stash(flow, conn, stream, bytes)))
		return false;
	stream->started = true;
	stream->next_off = op->off + op->len;
	return true;
}

/*
 * What was found if this end is the server, and if it is the client. Where it is the
 * same from both ends, what the kernel thinks decides.
 */
static const struct protocol *choose(const struct conn *conn, const struct protocol *found[2],
				     enum role *role)
{
	bool client = found[1] && (!found[0] || conn->role != ROLE_SERVER_LIKELY);

	if (found[0] && found[1] && found[0] != found[1])
		return NULL;
	*role = client ? ROLE_CLIENT : ROLE_SERVER;
	return found[client];
}

/* Notes what is thought of the bytes of this direction, and tells what follows from that of both. */
static const struct protocol *decide(struct conn *conn, struct slice bytes, bool send,
				     enum role *role)
{
	enum role roles[] = {ROLE_SERVER, ROLE_CLIENT};
	const struct protocol *certain[2] = {NULL}, *likely[2] = {NULL};

	for (int i = 0; i < 2; i++) {
		struct opinion opinion;

		if (is_certain(conn->role) && conn->role != roles[i])
			continue;
		opinion = ask_all(sender_if(roles[i], send), bytes);
		conn->likely[i][send] = opinion.likely;
		conn->possible[i][send] = opinion.possible;
		certain[i] = only_one(opinion.certain);
		likely[i] = only_one(conn->likely[i][0] & conn->likely[i][1]);
	}
	return choose(conn, certain, role) ?: choose(conn, likely, role);
}

/* What waited in the other direction, if this protocol's, came first. */
static bool take_over(struct flow *flow, struct conn *conn, const struct protocol *protocol,
		      enum role role, const struct record_op *op, uint32_t turn, uint32_t waited)
{
	bool send = op->head.flags & OP_SEND;
	bool other_too =
		conn->likely[role == ROLE_CLIENT][!send] & 1ull << protocol_index(protocol);
	enum sender sender = sender_if(role, send);
	struct stream *stream, *other;

	if (!accept_as(flow, conn, protocol, role, turn))
		return false;
	stream = &conn->streams[sender];
	other = &conn->streams[!sender];
	stream->head_len = waited; /* the stream takes the new bytes itself */
	if (!other_too)
		forget(other);
	if (other->head_len) {
		if (sender == FROM_SERVER)
			conn->found_off = other->head_off + other->head_len;
		stream_resume(flow, conn, !sender);
	}
	if (stream->head_len && conn->protocol)
		stream_resume(flow, conn, sender);
	return conn->protocol; /* what waited may have led to another one */
}

/* Not found yet: waits for more of the turn or of the other sender, but not for ever. */
static void keep_looking(struct flow *flow, struct conn *conn, struct stream *stream,
			 struct slice view, struct slice bytes, const struct record_op *op,
			 bool first_of_turn)
{
	bool send = op->head.flags & OP_SEND, likely = false, possible = false, last_try;
	enum detect tls = view.n ? tls_detect(view) : DETECT_NO;

	for (int i = 0; i < 2; i++) {
		likely |= conn->likely[i][send] &&
			  (!conn->possible[i][!send] ||
			   (conn->likely[i][send] & conn->possible[i][!send]));
		possible |= conn->possible[i][send];
	}
	conn->detect_tries += first_of_turn;
	last_try = conn->detect_tries >= (conn->about.fresh ? TRIES_FRESH : TRIES_OLD);
	if (!last_try && (possible || tls == DETECT_MORE) &&
	    wait_for_more(flow, conn, stream, bytes, op))
		return;
	if (!last_try && likely) { /* what it was is lost, but not what it told */
		forget(stream);
		stream->forgotten = true;
		return;
	}
	if (!possible && tls == DETECT_YES) {
		detect_seal(flow, conn, CARRIES_UNSEEN);
		stream->head_len = (uint32_t)(view.n - bytes.n); /* of what waited */
		handshake_take(flow, conn, stream, bytes, op);
		return;
	}
	forget_direction(conn, stream, send);
	if (last_try)
		detect_give_up(flow, conn);
}

bool detect_protocol(struct flow *flow, struct conn *conn, struct slice bytes,
		     const struct record_op *op, uint32_t turn)
{
	enum role role = is_certain(conn->role) ? conn->role : ROLE_SERVER;
	bool send = op->head.flags & OP_SEND;
	struct stream *stream = &conn->streams[sender_if(role, send)];
	const struct protocol *protocol = NULL;
	struct origin origin = origin_of(conn, op);
	struct slice view = SLICE("");
	uint32_t waited;

	conn->unknown_bytes[send] += op->len;
	if (conn->sealed) {
		handshake_take(flow, conn, stream, bytes, op);
		return false;
	}
	if (op->off != stream->next_off || turn != stream->turn)
		forget_direction(conn, stream, send);
	waited = stream->head_len;
	stream->turn = turn;
	if (!bytes.n || (turn == conn->turn && !waited))
		return false;
	if (!waited)
		stream_mark_head(stream, &origin, bytes.p);
	if (waited && !stream_stash(flow, conn, stream, bytes))
		forget_direction(conn, stream, send);
	else
		view = waited ? slice_of(stream->head, stream->head_len) : bytes;
	if (view.n)
		protocol = decide(conn, view, send, &role);
	if (protocol)
		return take_over(flow, conn, protocol, role, op, turn, waited);
	keep_looking(flow, conn, stream, view, bytes, op, !waited);
	return false;
}
