// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The programs: thin entries, named after their hooks, around the bodies in the headers beside
 * this file. Variants of one probe share a body; user space loads the one that this kernel takes.
 */
#include "bpf/fexit.bpf.h"
#include "bpf/kprobe.bpf.h"
#include "bpf/off_cpu.bpf.h"
#include "bpf/offer.bpf.h"
#include "bpf/sample.bpf.h"
#include "bpf/socket.bpf.h"
#include "bpf/tls.bpf.h"
#include "bpf/go_tls.bpf.h"

#define TAIL_MIN_AGE_NS 20000000ull

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Variant 1 of the socket hook. */

SEC("tp_btf/sock_send_length")
int BPF_PROG(sock_send_length, struct sock *sk, int ret, int flags)
{
	return socket_op(sk, ret, flags, true, true);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(sock_recv_length, struct sock *sk, int ret, int flags)
{
	return socket_op(sk, ret, flags, false, true);
}

/* Comes in soft interrupts, for each arrival. */
SEC("tp_btf/sk_data_ready")
int BPF_PROG(sk_data_ready, struct sock *sk)
{
	note_poll(sk);
	if (settings.timing)
		begin_queue(sk);
	return 0;
}

static __always_inline void note_established(struct sock *sk, int oldstate)
{
	struct connection_state *conn = connection_get(sk, true, !settings.by_address);
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	if (!conn || !tcp)
		return;
	conn->role = oldstate == BPF_TCP_SYN_SENT ? ROLE_CLIENT : ROLE_SERVER;
	conn->fresh = true;
	conn->tx_seq = tcp->write_seq;
	conn->rx_seq = tcp->copied_seq;
	conn->seq_known = 3;
}

/*
 * An end that has said its last word, and has yet to read the answer: it will see the end there. It may be reading now,
 * what came meanwhile is looked at when it lets go of the socket: the record of that comes later. What it has read of TLS
 * may still wait in its library.
 */
static __always_inline bool yet_to_read(struct sock *sk, const struct connection_state *conn,
					int oldstate)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	if (oldstate != BPF_TCP_FIN_WAIT1 && oldstate != BPF_TCP_FIN_WAIT2 &&
	    oldstate != BPF_TCP_CLOSING && oldstate != BPF_TCP_LAST_ACK)
		return false;
	if (conn && conn->carries == CARRIES_SEEN && sk->sk_socket &&
	    !(conn->ended & (1 << END_EOF)))
		return true;
	if (!tcp)
		return false;
	if (conn && conn->seq_known & (1 << DIRECTION_RECV) && sk->sk_socket &&
	    bytes_read_until(sk, tcp, true) != conn->rx_seq)
		return true;
	return sk->sk_receive_queue.qlen && bytes_unread(sk, tcp);
}

static __always_inline void note_closing(struct sock *sk, int oldstate, int newstate)
{
	struct scratch *s = scratch_get();
	struct connection_state *conn = connection_get(sk, false, !settings.by_address);

	if (newstate == BPF_TCP_CLOSE && yet_to_read(sk, conn, oldstate))
		return;
	if (conn)
		end_work(bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0), conn);
	if (conn && conn->carries == CARRIES_SEEN)
		close_apart(conn->cookie);
	if (conn && propagates())
		forget_trace(conn);
	if (conn && s)
		emit_end(s, conn, bpf_ktime_get_ns(),
			 newstate == BPF_TCP_CLOSE ? END_CLOSED : END_SHUTDOWN, 0);
	if (settings.by_address && newstate == BPF_TCP_CLOSE && !sk->sk_socket)
		forget_address(sk);
}

/*
 * Roles and ends of TCP connections. Runs in whatever context the state changes, often a soft
 * interrupt: the current task means nothing here.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(inet_sock_set_state, struct sock *sk, int oldstate, int newstate)
{
	if (sk->sk_protocol != 6)
		return 0;
	/* What begins here or, at a server, is born established, has nothing of its address's past. */
	if (settings.by_address && (newstate == BPF_TCP_SYN_SENT || oldstate == BPF_TCP_SYN_RECV))
		forget_address(sk);
	if (propagates() && !settings.by_address && newstate == BPF_TCP_SYN_SENT)
		note_connecting(sk);
	if (newstate == BPF_TCP_ESTABLISHED)
		note_established(sk, oldstate);
	else if (newstate == BPF_TCP_CLOSE || newstate == BPF_TCP_FIN_WAIT1 ||
		 newstate == BPF_TCP_LAST_ACK)
		note_closing(sk, oldstate, newstate);
	return 0;
}

/* Attached while there is a Puma. */
SEC("cgroup/getsockopt")
int socket_asked(struct bpf_sockopt *ctx)
{
	note_asked(ctx);
	return 1;
}

/* Attached only while ids go with requests. */
SEC("sockops")
int carry_ids(struct bpf_sock_ops *ctx)
{
	return hop_event(ctx);
}

/* Attached to opening_sockets, only while ids go in headers. */
SEC("sk_msg")
int insert_header(struct sk_msg_md *msg)
{
	return header_message(msg);
}

/* Runs on each CPU by its software clock; see user/capture/sampler.c. */
SEC("perf_event")
int sample_cpu(struct bpf_perf_event_data *ctx)
{
	return take_sample(ctx);
}

/* Looks at each thread, when user space reads it; see user/capture/off_cpu.c. */
SEC("iter.s/task")
int sample_waiting(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	barrier_var(
		task); /* else it is read again, and may be NULL for all that the verifier knows */
	return task ? look_at(task) : 0;
}

/* Looks at one thread, when user space reads it; see user/capture/context_share.c. */
SEC("iter/task")
int share_context(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	barrier_var(task);
	if (task)
		take_offer(task);
	return 0;
}

/* While requests have accounts of their time. */

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	time_switch(preempt, prev, next);
	return 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(sched_waking, struct task_struct *task)
{
	time_waking(task);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(sched_process_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 pid = parent->tgid, child_pid = child->tgid;
	__u8 yes = 1;

	inherit_work(parent, child);
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

	if (settings.shares_context)
		end_sharing(bpf_task_storage_get(&tasks, task, 0, 0));
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

static __always_inline int flush_tail(struct connection_state *conn)
{
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
	op.tail_flags = conn->tail_flags;
	if (bpf_ringbuf_output(&records, &op, sizeof(op), BPF_RB_NO_WAKEUP) == 0)
		conn->tail_off = 0;
	return 0;
}

/* Makes silent tails known that no later operation has. Run by user space while it waits for one. */
SEC("iter/bpf_sk_storage_map")
int flush_tails(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	return flush_tail(ctx->value);
}

/* The same where the state is kept by address. */
SEC("iter/bpf_map_elem")
int flush_tails_by_address(struct bpf_iter__bpf_map_elem *ctx)
{
	return flush_tail(ctx->value);
}

/* Run once by user space: sonde's pid as the kernel knows it, whatever namespace sonde is in. */
SEC("raw_tp")
int identify_self(void *ctx)
{
	self_pid = bpf_get_current_pid_tgid() >> 32;
	return 0;
}
