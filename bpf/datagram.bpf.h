/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Datagrams: one record for each, with its head and all that is known of its two ends. Included where
 * socket.bpf.h has what it shares.
 *
 * Where a socket is not connected, the other end of what it sends is named by the system call. Who
 * sent what it receives has not reached the user's memory yet when the hook runs: not known. A corked
 * socket's operations are pieces of a datagram, of which nothing is told. What the kernel splits or
 * merges (GSO, GRO) is one operation here; a parser does not take it for a datagram.
 */
#ifndef SONDE_BPF_DATAGRAM_H
#define SONDE_BPF_DATAGRAM_H

#define DATAGRAM_COPY_MAX 1232u /* what EDNS deems safe to send in one */
#define EHOSTUNREACH 113
#define ECONNREFUSED 111

_Static_assert(sizeof(struct record_datagram) == sizeof(struct record_op),
	       "both are put together in the same place, before the payload");

struct sockaddr_arg {
	__u16 family, port;
	__u32 inet_addr; /* or flow information */
	__u8 inet6_addr[16];
	__u32 scope;
};

static __always_inline bool is_udp(struct sock *sk, bool typed)
{
	int family = FIELD(sk, __sk_common.skc_family);

	return FIELD(sk, sk_type) == 2 /* SOCK_DGRAM */ && FIELD(sk, sk_protocol) == 17 &&
	       (family == FAMILY_INET || family == FAMILY_INET6);
}

static __always_inline void read_ends(struct record_datagram *d, struct sock *sk, bool typed)
{
	d->family = FIELD(sk, __sk_common.skc_family);
	d->local_port = FIELD(sk, __sk_common.skc_num);
	d->remote_port = bpf_ntohs(FIELD(sk, __sk_common.skc_dport));
	__builtin_memset(d->local_addr, 0, sizeof(d->local_addr) + sizeof(d->remote_addr));
	read_addresses(sk, d->family, &d->local_addr, &d->remote_addr, typed);
}

/* The other end as the sender named it, which counts more than what the socket is connected to. */
static __always_inline void read_name(struct record_datagram *d, __u64 name)
{
	struct sockaddr_arg addr = {};

	if (!name || bpf_probe_read_user(&addr, 8, (void *)name))
		return;
	if (addr.family == FAMILY_INET6) {
		if (d->family != FAMILY_INET6 ||
		    bpf_probe_read_user(&d->remote_addr, 16, (void *)(name + 8)))
			return;
	} else if (addr.family == FAMILY_INET && d->family == FAMILY_INET6) {
		__builtin_memset(d->remote_addr, 0, 10);
		d->remote_addr[10] = d->remote_addr[11] = 0xff;
		*(__u32 *)(d->remote_addr + 12) = addr.inet_addr;
	} else if (addr.family == FAMILY_INET) {
		*(__u32 *)d->remote_addr = addr.inet_addr;
	} else {
		return;
	}
	d->remote_port = bpf_ntohs(addr.port);
}

/*
 * Of a socket that is not connected only what it sends tells the other port; once that is wanted, so is
 * all on this socket.
 */
static __always_inline bool is_filtered(struct connection_state *conn,
					const struct record_datagram *d)
{
	__u16 local = d->local_port, remote = d->remote_port; /* 6.1 takes no keys from the ring */

	if (conn->filtered && (bpf_map_lookup_elem(&filter_ports, &local) ||
			       bpf_map_lookup_elem(&filter_ports, &remote)))
		conn->filtered = false;
	return conn->filtered;
}

/* Is this a piece of a datagram that is put together by several calls? */
static __always_inline bool is_piece(struct connection_state *conn, struct sock *sk, bool send)
{
	bool was = conn->corked;

	if (!send)
		return false;
	conn->corked = BPF_CORE_READ((struct udp_sock *)sk, pending) != 0;
	return was || conn->corked;
}

static __always_inline void emit_datagram(struct scratch *s, struct sock *sk,
					  struct connection_state *conn, int ret, bool send,
					  bool typed)
{
	struct user_buffer buffer = {};
	__u64 want = ret > 0 ? ret : 0, copied = 0;
	struct record_datagram *d;
	bool direct;

	if (ret > 0)
		find_buffer(&buffer);
	if (!buffer.iov_cnt && want > buffer.base_len)
		want = buffer.base_len;
	if (want > DATAGRAM_COPY_MAX) /* last, so that 6.1 knows it below */
		want = DATAGRAM_COPY_MAX;
	direct = want <= buffer.base_len;
	d = (struct record_datagram *)begin_op(s, direct, &buffer, want, &copied);
	if (!d) {
		conn->serial += !conn->filtered;
		return;
	}
	d->head.size = sizeof(*d) + copied;
	d->head.kind = RECORD_DATAGRAM;
	d->head.flags = send ? OP_SEND : 0;
	d->cookie = conn->cookie;
	d->time_ns = bpf_ktime_get_ns();
	d->len = ret > 0 ? ret : 0;
	d->process_id = conn->process_id;
	d->tid = conn->tid;
	d->error = ret < 0 ? -ret : 0;
	read_ends(d, sk, typed);
	if (send)
		read_name(d, buffer.name);
	if (!is_filtered(conn, d)) {
		if (want && !copied)
			s->counts.unreadable++;
		d->serial = ++conn->serial;
		end_op(s, direct, (struct record_op *)d, copied);
	} else if (direct) {
		bpf_ringbuf_discard(d, BPF_RB_NO_WAKEUP);
	}
}

static __noinline int datagram_op(struct sock *sk, int ret, int flags, bool send, bool typed)
{
	struct connection_state *conn = connection_get(sk, false, typed);
	struct scratch *s = scratch_get();

	if (!s || (conn && conn->ignored) || ret == 0)
		return 0;
	if (ret < 0)
		forget_mmsg();
	if (ret < 0 && ret != -ECONNREFUSED && ret != -EHOSTUNREACH)
		return 0;
	conn = traced_connection(s, sk, conn, typed);
	if (!conn)
		return 0;
	if (!conn->cookie)
		conn->cookie = socket_cookie(sk, conn, typed);
	take_verdict(conn, sk, typed);
	if (!conn->ignored && !is_piece(conn, sk, send))
		emit_datagram(s, sk, conn, ret, send, typed);
	return 0;
}

#endif
