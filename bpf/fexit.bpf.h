/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Variant 2 of the socket hook, for kernels without its tracepoints: the end of what TCP, unix
 * and UDP sockets do behind every way to send and to receive.
 */
#ifndef SONDE_BPF_FEXIT_H
#define SONDE_BPF_FEXIT_H

#include "bpf/socket.bpf.h"

SEC("fexit/tcp_sendmsg")
int BPF_PROG(tcp_send_exit, struct sock *sk, struct msghdr *msg, size_t len, int ret)
{
	return socket_op(sk, ret, 0, true, true);
}

/* tcp_recvmsg and its kin. Until 5.18 there is an argument more, before the flags. */
static __always_inline int inet_recv(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];

	if (settings.recv_nonblock)
		return socket_op(sk, (int)ctx[6], (int)ctx[4] | (ctx[3] ? MSG_DONTWAIT : 0), false,
				 true);
	return socket_op(sk, (int)ctx[5], (int)ctx[3], false, true);
}

SEC("fexit/tcp_recvmsg")
int tcp_recv_exit(__u64 *ctx)
{
	return inet_recv(ctx);
}

/* sendfile and splice, until 6.4. */
SEC("fexit/tcp_sendpage")
int BPF_PROG(tcp_sendpage_exit, struct sock *sk, struct page *page, int offset, size_t len,
	     int flags, int ret)
{
	return socket_op(sk, ret, 0, true, true);
}

SEC("fexit/unix_stream_sendmsg")
int BPF_PROG(unix_send_exit, struct socket *socket, struct msghdr *msg, size_t len, int ret)
{
	return socket_op(socket->sk, ret, 0, true, true);
}

SEC("fexit/unix_stream_recvmsg")
int BPF_PROG(unix_recv_exit, struct socket *socket, struct msghdr *msg, size_t len, int flags,
	     int ret)
{
	return socket_op(socket->sk, ret, flags, false, true);
}

SEC("fexit/unix_stream_sendpage")
int BPF_PROG(unix_sendpage_exit, struct socket *socket, struct page *page, int offset, size_t len,
	     int flags, int ret)
{
	return socket_op(socket->sk, ret, 0, true, true);
}

/* Of an IPv6 socket that sends to an IPv4 address, udpv6_sendmsg calls this, and tells itself. */
SEC("fexit/udp_sendmsg")
int BPF_PROG(udp_send_exit, struct sock *sk, struct msghdr *msg, size_t len, int ret)
{
	if (sk->__sk_common.skc_family == FAMILY_INET6)
		return 0;
	return socket_op(sk, ret, 0, true, true);
}

SEC("fexit/udpv6_sendmsg")
int BPF_PROG(udp6_send_exit, struct sock *sk, struct msghdr *msg, size_t len, int ret)
{
	return socket_op(sk, ret, 0, true, true);
}

SEC("fexit/udp_recvmsg")
int udp_recv_exit(__u64 *ctx)
{
	return inet_recv(ctx);
}

SEC("fexit/udpv6_recvmsg")
int udp6_recv_exit(__u64 *ctx)
{
	return inet_recv(ctx);
}

#endif
