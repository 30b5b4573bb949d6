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
	account_add(ACCOUNT_CONNECTIONS_UNKNOWN, 1);
	account_add(ACCOUNT_UNPARSED_BYTES, conn->unknown_bytes);
	flow->options.verdict(flow->options.ctx, conn->about.cookie, &ignore);
}

static bool is_certain(enum role role)
{
	return role == ROLE_CLIENT || role == ROLE_SERVER;
}

static bool accept_as(struct conn *conn, const struct protocol *protocol, enum role role)
{
	conn->protocol = protocol;
	conn->role = role;
	return true;
}

bool detect_protocol(struct flow *flow, struct conn *conn, struct slice bytes,
		     const struct record_op *op)
{
	enum role role = is_certain(conn->role) ? conn->role : ROLE_SERVER;
	bool send = op->head.flags & OP_SEND, more = false;
	struct stream *stream = &conn->streams[sender_if(role, send)];
	const struct protocol *protocol;
	size_t new_len = bytes.n;

	conn->unknown_bytes += op->len;
	if ((op->turn == conn->turn && !stream->head_len) || !bytes.n)
		return false;
	if (!stream->head_len)
		stream_mark_head(stream, op, bytes.p);
	if (stream->head_len) {
		if (!stream_stash(stream, bytes))
			return false;
		bytes = slice_of(stream->head, stream->head_len);
	}
	protocol = ask_all(sender_if(role, send), bytes, &more);
	if (protocol) {
		/* The stash keeps what came before; the stream takes the new bytes itself. */
		if (stream->head_len)
			stream->head_len -= (uint32_t)new_len;
		return accept_as(conn, protocol, role);
	}
	if (!is_certain(conn->role)) {
		bool ignored;

		stream->head_len = 0;
		protocol = ask_all(sender_if(ROLE_CLIENT, send), bytes, &ignored);
		if (protocol)
			return accept_as(conn, protocol, ROLE_CLIENT);
	} else if (more && (stream->head_len || stream_stash(stream, bytes))) {
		return false;
	}
	stream->head_len = 0;
	if (++conn->detect_tries >= (conn->about.fresh ? TRIES_FRESH : TRIES_OLD))
		give_up(flow, conn);
	return false;
}
