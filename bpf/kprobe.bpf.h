/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Variant 3 of the socket hook, for kernels without trampolines: entry and return of the functions
 * of variant 2. The entry leaves the arguments in the task; one program serves every return. User
 * space attaches them (user/capture/kprobes.c).
 */
#ifndef SONDE_BPF_KPROBE_H
#define SONDE_BPF_KPROBE_H

#include "bpf/socket.bpf.h"

static __always_inline int note_entry(struct sock *sk, int flags, bool send)
{
	struct task_state *state = task_state(bpf_get_current_task_btf());
	struct scratch *s = scratch_get();

	if (!s)
		return 0;
	if (!state) {
		s->counts.no_storage++;
		return 0;
	}
	if (state->op_sk) /* of an entry that has not returned, as far as this program was told */
		s->counts.unreturned++;
	state->op_sk = (__u64)sk;
	state->op_flags = flags;
	state->op_send = send;
	return 0;
}

SEC("kprobe")
int BPF_KPROBE(tcp_send_entry, struct sock *sk)
{
	return note_entry(sk, 0, true);
}

SEC("kprobe")
int BPF_KPROBE(tcp_recv_entry, struct sock *sk, void *msg, size_t len, int arg4, int arg5)
{
	int flags = settings.recv_nonblock ? arg5 | (arg4 ? MSG_DONTWAIT : 0) : arg4;

	return note_entry(sk, flags, false);
}

SEC("kprobe")
int BPF_KPROBE(unix_send_entry, struct socket *socket)
{
	return note_entry(BPF_CORE_READ(socket, sk), 0, true);
}

SEC("kprobe")
int BPF_KPROBE(unix_recv_entry, struct socket *socket, void *msg, size_t len, int flags)
{
	return note_entry(BPF_CORE_READ(socket, sk), flags, false);
}

/* What udpv6_sendmsg calls for an IPv4 address is still its operation. */
SEC("kprobe")
int BPF_KPROBE(udp_send_entry, struct sock *sk)
{
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == FAMILY_INET6)
		return 0;
	return note_entry(sk, 0, true);
}

SEC("kprobe")
int BPF_KPROBE(udp_destroy_entry, struct sock *sk)
{
	forget_address(sk);
	return 0;
}

/* The socket goes, and its address will be another's. TCP tells that by its states. */
SEC("kprobe")
int BPF_KPROBE(unix_release_entry, struct socket *socket)
{
	forget_address(BPF_CORE_READ(socket, sk));
	return 0;
}

SEC("kretprobe")
int BPF_KRETPROBE(socket_return, int ret)
{
	struct task_state *state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	struct sock *sk;

	if (!state || !state->op_sk)
		return 0;
	sk = (struct sock *)state->op_sk;
	state->op_sk = 0;
	return socket_op(sk, ret, state->op_flags, state->op_send, false);
}

#endif
