/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sockets below TLS libraries (see tls.bpf.h): which socket does a session use? The one that the thread
 * sends to or receives from inside a call of the library; or, where the program moves the bytes itself, the
 * one that the thread received from before the call. Either time what passes must begin as a TLS record
 * does: a library may use other sockets meanwhile, to ask a directory or to write a log.
 *
 * Of a socket that carries a session nothing is copied but the beginning of its handshake.
 */
#ifndef SONDE_BPF_CARRIER_H
#define SONDE_BPF_CARRIER_H

#include "include/abi/tls.h"
#include "bpf/socket.bpf.h"
#include "bpf/tls_session.bpf.h"

#define TLS_HANDSHAKE_RECORD 22
#define CARRIER_YOUNG 4096 /* bytes that may pass before a connection is secured */

/* The type of the record of TLS that the operation begins with; 0: it does not. */
static __always_inline __u8 begins_as_tls(void)
{
	struct user_buffer buffer = {};
	__u8 head[3];

	find_buffer(&buffer);
	if (buffer.base_len < sizeof(head) ||
	    bpf_probe_read_user(head, sizeof(head), (void *)buffer.base))
		return 0;
	return head[0] >= 20 && head[0] <= 23 && head[1] == 3 && head[2] <= 4 ? head[0] : 0;
}

static __always_inline void note_carrier(struct tls_carrier *c, struct sock *sk,
					 struct connection_state *conn, bool send, bool typed)
{
	__builtin_memset(c, 0, sizeof(*c));
	c->cookie = conn->cookie;
	c->netns_inum = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	c->family = FIELD(sk, __sk_common.skc_family);
	c->role = conn->role;
	if (c->family == FAMILY_UNIX)
		return;
	c->local_port = FIELD(sk, __sk_common.skc_num);
	c->remote_port = bpf_ntohs(FIELD(sk, __sk_common.skc_dport));
	read_addresses(sk, c->family, &c->local_addr, &c->remote_addr, typed);
	if (!conn->fresh)
		return;
	c->first = (send ? conn->tx_off : conn->rx_off) == 0;
	c->young = conn->tx_off + conn->rx_off < CARRIER_YOUNG;
	c->tx_seq = conn->tx_seq - (__u32)conn->tx_off;
	c->rx_seq = conn->rx_seq - (__u32)conn->rx_off;
}

#include "bpf/goroutine.bpf.h"

/* Notes what the operation tells about the session that the thread works on. */
static __always_inline void note_session(struct task_state *state, struct sock *sk,
					 struct connection_state *conn, bool send, bool typed)
{
	bool again;

	/* A thread's first session is read from before its library is called. */
	if (!state || (!state->tls.used && (send || conn->rx_off)))
		return;
	if (state->tls.session) {
		state->tls.io = true;
		/* Another session works inside the call: below this one, on its socket, or on one of its own. */
		if (state->tls.nested && conn->tls_session != state->tls.nested)
			return;
		if (send)
			state->tls.sent_ns = passed_ns(conn, tcp_of(sk, typed), true, typed);
		/* Of too many sessions the kernel forgets those that were not used for longest. */
		again = state->tls.cookie & TLS_COOKIE_APART ||
			(state->tls.lost == state->tls.session &&
			 conn->tls_session == state->tls.session);
		if (again ? conn->carries != CARRIES_SEEN && !begins_as_tls()
			  : conn->tls_session == state->tls.session || !begins_as_tls())
			return;
		conn->tls_session = state->tls.session;
		conn->carries = CARRIES_SEEN;
		conn->ignored = false;
		note_carrier(&state->tls.carrier, sk, conn, send, typed);
		state->tls.carrier.in_call = true;
	} else if (!send && conn->carries != CARRIES_SEEN && begins_as_tls()) {
		note_carrier(&state->tls.carrier, sk, conn, send, typed);
	}
}

/*
 * Can a hello be in what passes now? No more after TLS_HELLO_MAX bytes of that direction, or its first
 * record that is of no handshake.
 */
static __always_inline bool may_greet(struct connection_state *conn, bool send)
{
	__u64 off = send ? conn->tx_off : conn->rx_off;
	__u8 type;

	if (!conn->copy_op || off >= TLS_HELLO_MAX || (conn->greeted & (1 << send)))
		return false;
	type = off ? begins_as_tls() : 0;
	if (type && type != TLS_HANDSHAKE_RECORD)
		conn->greeted |= 1 << send;
	return !(conn->greeted & (1 << send));
}

/* An operation that may be of ciphertext. True if it is, and need not be looked at any further. */
static __noinline bool carry_op(struct task_state *state, struct sock *sk,
				struct connection_state *conn, __u32 len, __u32 of)
{
	const struct go_exe *go = conn->tls_session ? NULL : current_go();
	bool send = of & OF_SEND, typed = of & OF_TYPED;

	if (go && go->tls)
		note_go_session(sk, conn, of);
	note_session(state, sk, conn, send, typed);
	if (!conn->carries || may_greet(conn, send))
		return false;
	if (send) {
		conn->tx_off += len;
		conn->tx_seq += len;
	} else {
		conn->rx_off += len;
		conn->rx_seq += len;
	}
	return true;
}

#endif
