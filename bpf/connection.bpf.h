/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * How a program looks at a socket, and where it keeps what it knows of the connection.
 *
 * Most hooks hand the socket over as a typed pointer: fields are loaded directly, the state lives in
 * the socket, and the kernel numbers sockets. In kprobes a socket is an address and no more: fields
 * are read by a helper, the state lives in a hash by address, and sockets are numbered here.
 * "typed" says which; it is constant where a function is inlined, and so costs nothing.
 */
#ifndef SONDE_BPF_CONNECTION_H
#define SONDE_BPF_CONNECTION_H

#include "bpf/maps.bpf.h"

/* A field of a kernel structure; for use where "typed" is known. */
#define FIELD(from, field)                                              \
	(typed ? (from)->field : ({                                     \
		typeof((from)->field) value_;                           \
		bpf_core_read(&value_, sizeof(value_), &(from)->field); \
		value_;                                                 \
	}))

/* The addresses of an Internet socket's two ends; those of IPv4 take the first 4 bytes. */
static __always_inline void read_addresses(struct sock *sk, __u16 family, __u8 (*local)[16],
					   __u8 (*remote)[16], bool typed)
{
	if (family == FAMILY_INET) {
		*(__u32 *)local = FIELD(sk, __sk_common.skc_rcv_saddr);
		*(__u32 *)remote = FIELD(sk, __sk_common.skc_daddr);
	} else {
		BPF_CORE_READ_INTO(local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(remote, sk, __sk_common.skc_v6_daddr);
	}
}

/*
 * What accepting leaves behind and connecting does not: where multicast would be sent, which is the
 * interface that the connection's first packet came from. (An accepted socket does not inherit the
 * mark of a bound port, and clients may bind theirs.)
 */
static __always_inline bool was_accepted(struct sock *sk, __u16 family)
{
	struct inet_sock *inet = (struct inet_sock *)sk;

	if (BPF_CORE_READ(inet, mc_index))
		return true;
	return family == FAMILY_INET6 && bpf_core_field_exists(inet->pinet6) &&
	       BPF_CORE_READ(inet, pinet6, mcast_oif);
}

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space: more, where it is used */
	__type(key, __u64);	/* address of the struct sock */
	__type(value, struct connection_state);
} address_connections SEC(".maps") __weak;

/* An address is used again: whoever sees a socket begin or end calls this. */
static __always_inline void forget_address(struct sock *sk)
{
	bpf_map_delete_elem(&address_connections, &sk);
}

static const struct connection_state blank_connection;

/*
 * A new state gets its number at once, and is none before: the two ends of a unix socket may both be the first to
 * look at one of them. Drawn by lot, since nothing can count here that interrupts itself. A function of its own
 * for the sake of the stack.
 */
static __noinline struct connection_state *connection_at(struct sock *sk, bool create)
{
	struct connection_state *conn = bpf_map_lookup_elem(&address_connections, &sk);
	__u64 number;

	if (!conn && create) {
		number = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
		if (bpf_map_update_elem(&address_connections, &sk, &blank_connection, BPF_NOEXIST))
			number = 0;
		conn = bpf_map_lookup_elem(&address_connections, &sk);
		if (conn)
			__sync_fetch_and_add(&conn->cookie, number & ~PLAINTEXT_COOKIE);
	}
	return conn && conn->cookie ? conn : NULL;
}

static __always_inline struct connection_state *connection_get(struct sock *sk, bool create,
							       bool typed)
{
	struct connection_state *conn;

	if (!typed)
		return connection_at(sk, create);
	/* Sockets that nobody traces have no storage: to see that takes a load, the helper is several calls. */
	if (!create && bpf_core_field_exists(sk->sk_bpf_storage) && !sk->sk_bpf_storage)
		return NULL;
	conn = bpf_sk_storage_get(&connections, sk, 0, create ? BPF_SK_STORAGE_GET_F_CREATE : 0);
	if (!conn && create) /* another CPU was first to make it */
		conn = bpf_sk_storage_get(&connections, sk, 0, 0);
	return conn;
}

/* The number of a socket; conn is its state. */
static __always_inline __u64 socket_cookie(struct sock *sk, struct connection_state *conn,
					   bool typed)
{
	return typed ? bpf_get_socket_cookie(sk) : conn->cookie;
}

/* The same for the other end of a unix socket, of which nothing may be known yet. */
static __always_inline __u64 peer_cookie(struct sock *peer, bool typed)
{
	struct connection_state *conn = typed ? NULL : connection_at(peer, true);

	return typed || conn ? socket_cookie(peer, conn, typed) : 0;
}

#endif
