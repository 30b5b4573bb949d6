// SPDX-License-Identifier: Apache-2.0
/*
 * Which protocol a connection speaks. Looked for at the beginning of turns, in the middle of old
 * connections too; after several turns without an answer the connection is given up as unknown.
 */
#include "user/flow/internal.h"

#define TRIES_FRESH 8
#define TRIES_OLD 64

static enum sender sender_if(enum role role, bool send)
{
	return (role == ROLE_CLIENT) == send ? FROM_CLIENT : FROM_SERVER;
}

/* The first protocol that takes the bytes as that sender's; *more if one might with more bytes. */
static const struct protocol *ask_all(enum sender sender, struct slice bytes, bool *more)
{
	FOR_EACH_PROTOCOL (protocol) {
		enum detect answer = protocol->detect(sender, bytes);

		if (answer == DETECT_YES)
			return protocol;
		if (answer == DETECT_MORE)
			*more = true;
	}
	return NULL;
}

static void give_up(struct flow *flow, struct conn *conn)
{
	struct verdict ignore = {.ignore = 1};

	conn->unknown = true;
	flow->options.verdict(flow->options.ctx, conn->about.cookie, &ignore);
}

static bool is_certain(enum role role)
{
	return role == ROLE_CLIENT || role == ROLE_SERVER;
}

/* What waits in the stream is no beginning of a message. */
static void forget(struct stream *stream)
{
	stream->head_len = 0;
	stream->started = false;
}

static bool accept_as(struct flow *flow, struct conn *conn, const struct protocol *protocol,
		      enum role role, uint32_t turn)
{
	if (conn_table__set_protocol(&flow->conns, conn, protocol)) {
		account_add(ACCOUNT_LOST_MEMORY, 1);
		give_up(flow, conn);
		return false;
	}
	if (!is_certain(conn->role) && role == ROLE_CLIENT) {
		/* What waits was put where a server's end has it. */
		struct stream from_client = conn->streams[FROM_SERVER];

		conn->streams[FROM_SERVER] = conn->streams[FROM_CLIENT];
		conn->streams[FROM_CLIENT] = from_client;
	}
	conn->role = role;
	conn->asked = conn->about.fresh && turn == 2 ? ASKED_UNSEEN : ASKED_BEFORE;
	conn->streams[FROM_CLIENT].lost = conn->streams[FROM_SERVER].lost = false;
	return true;
}

/* Lets the bytes wait for more. False if none will come, or there is no room. */
static bool wait_for_more(struct stream *stream, struct slice bytes, const struct record_op *op)
{
	if (op->head.size - sizeof(*op) < op->len ||
	    (!stream->head_len && !stream_stash(stream, bytes)))
		return false;
	stream->started = true;
	stream->next_off = op->off + op->len;
	return true;
}

bool detect_protocol(struct flow *flow, struct conn *conn, struct slice bytes,
		     const struct record_op *op)
{
	enum role role = is_certain(conn->role) ? conn->role : ROLE_SERVER;
	bool send = op->head.flags & OP_SEND, more = false;
	struct stream *stream = &conn->streams[sender_if(role, send)];
	uint32_t waited;
	const struct protocol *protocol = NULL;

	conn->unknown_bytes += op->len;
	if (op->off != stream->next_off || op->turn != stream->turn)
		forget(stream);
	waited = stream->head_len;
	stream->turn = op->turn;
	if (!bytes.n || (op->turn == conn->turn && !waited))
		return false;
	if (!waited)
		stream_mark_head(stream, op, bytes.p);
	if (!waited || stream_stash(stream, bytes)) {
		if (waited)
			bytes = slice_of(stream->head, stream->head_len);
		protocol = ask_all(sender_if(role, send), bytes, &more);
		if (!protocol && !is_certain(conn->role)) {
			role = ROLE_CLIENT;
			protocol = ask_all(sender_if(role, send), bytes, &more);
		}
	}
	if (protocol) {
		/* The stash keeps what came before; the stream takes the new bytes itself. */
		stream->head_len = waited;
		forget(&conn->streams[stream == conn->streams]);
		return accept_as(flow, conn, protocol, role, op->turn);
	}
	if (more && wait_for_more(stream, bytes, op))
		return false;
	forget(stream);
	if (++conn->detect_tries >= (conn->about.fresh ? TRIES_FRESH : TRIES_OLD))
		give_up(flow, conn);
	return false;
}
