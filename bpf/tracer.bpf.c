// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The programs: thin entries, named after their hooks, around the bodies in the headers beside
 * this file. Variants of one probe share a body; user space loads the one that this kernel takes.
 */
#include "bpf/socket.bpf.h"

#define TAIL_MIN_AGE_NS 20000000ull

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Variant 1 of the socket probe. */

SEC("tp_btf/sock_send_length")
int BPF_PROG(sock_send_length, struct sock *sk, int ret, int flags)
{
	return socket_op(sk, ret, flags, true);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(sock_recv_length, struct sock *sk, int ret, int flags)
{
	return socket_op(sk, ret, flags, false);
}

/*
 * Roles and ends of TCP connections. Runs in whatever context the state changes, often a soft
 * interrupt: the current task means nothing here.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(inet_sock_set_state, struct sock *sk, int oldstate, int newstate)
{
	struct connection_state *conn;
	struct tcp_sock *tcp;
	struct scratch *s;

	if (sk->sk_protocol != 6)
		return 0;
	if (newstate == BPF_TCP_ESTABLISHED) {
		conn = bpf_sk_storage_get(&connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		tcp = bpf_skc_to_tcp_sock(sk);
		if (!conn || !tcp)
			return 0;
		conn->role = oldstate == BPF_TCP_SYN_SENT ? ROLE_CLIENT : ROLE_SERVER;
		conn->fresh = true;
		conn->tx_seq = tcp->write_seq;
		conn->rx_seq = tcp->copied_seq;
		conn->seq_known = 3;
		return 0;
	}
	if (newstate != BPF_TCP_CLOSE && newstate != BPF_TCP_FIN_WAIT1 &&
	    newstate != BPF_TCP_LAST_ACK)
		return 0;
	/* An end that has yet to read what came before is not through: it will see the end there. */
	tcp = bpf_skc_to_tcp_sock(sk);
	if (newstate == BPF_TCP_CLOSE && tcp && sk->sk_receive_queue.qlen && bytes_unread(sk, tcp))
		return 0;
	conn = bpf_sk_storage_get(&connections, sk, 0, 0);
	s = scratch_get();
	if (conn && s)
		emit_end(s, conn, bpf_ktime_get_ns(),
			 newstate == BPF_TCP_CLOSE ? END_CLOSED : END_SHUTDOWN, 0);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(sched_process_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 pid = parent->tgid, child_pid = child->tgid;
	__u8 yes = 1;

	if (!(filter_kinds & FILTER_PIDS) || !(filter_kinds & FILTER_DESCENDANTS) ||
	    pid == child_pid)
		return 0;
	if (bpf_map_lookup_elem(&filter_pids, &pid))
		bpf_map_update_elem(&filter_pids, &child_pid, &yes, BPF_ANY);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(sched_process_exit, struct task_struct *task)
{
	__u32 pid = task->tgid;
	struct task_state *state;
	struct scratch *s;

	if (task->signal->live.counter != 0)
		return 0;
	if (filter_kinds & FILTER_PIDS)
		bpf_map_delete_elem(&filter_pids, &pid);
	state = bpf_task_storage_get(&tasks, task->group_leader, 0, 0);
	s = scratch_get();
	if (!state || !s || !state->announced)
		return 0;
	s->exit.head.size = sizeof(s->exit);
	s->exit.head.kind = RECORD_EXIT;
	s->exit.head.flags = 0;
	s->exit.process_id = state->process_id;
	s->exit.pid = pid;
	s->exit.time_ns = bpf_ktime_get_ns();
	emit(s, &s->exit, sizeof(s->exit));
	return 0;
}

/* Makes silent tails known that no later operation has. Run by user space while it waits for one. */
SEC("iter/bpf_sk_storage_map")
int flush_tails(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct connection_state *conn = ctx->value;
	struct record_op op = {};

	if (!conn || !conn->tail_off || conn->ignored)
		return 0;
	if (bpf_ktime_get_ns() - conn->tail_ns < TAIL_MIN_AGE_NS)
		return 0;
	op.head.size = sizeof(op);
	op.head.kind = RECORD_TAIL;
	op.cookie = conn->cookie;
	op.time_ns = conn->tail_ns;
	op.turn = conn->turn;
	op.tail_off = conn->tail_off;
	op.tail_ns = conn->tail_ns;
	op.tail_direction = conn->tail_direction;
	if (bpf_ringbuf_output(&records, &op, sizeof(op), BPF_RB_NO_WAKEUP) == 0)
		conn->tail_off = 0;
	return 0;
}

/* Run once by user space: sonde's pid as the kernel knows it, whatever namespace sonde is in. */
SEC("raw_tp")
int identify_self(void *ctx)
{
	self_pid = bpf_get_current_pid_tgid() >> 32;
	return 0;
}
