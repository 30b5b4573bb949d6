/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * For which request does a thread send? For the one that it has received, if it serves one after the other:
 * it waits for its client in a receive that blocks, on a socket that no event loop watches. Until it
 * receives from a client again, or the request is answered (which user space sees), all it sends is that
 * request's, wherever it has waited meanwhile.
 *
 * Of threads that serve several at a time nothing is said here: what they send may be anybody's.
 */
#ifndef SONDE_BPF_WORK_H
#define SONDE_BPF_WORK_H

#include "bpf/connection.bpf.h"

/* Does an event loop wait for this socket? Who blocks in a receive does not any more when that returns. */
static __always_inline bool is_watched(struct sock *sk, bool typed)
{
	struct socket_wq *wq = FIELD(sk, sk_wq);

	return BPF_CORE_READ(wq, wait.head.next) != &wq->wait.head;
}

/* A socket was received from, by any end. */
static __always_inline void note_receive(struct sock *sk, const struct connection_state *conn,
					 int flags, bool typed)
{
	struct task_state *state;

	if (conn->role < ROLE_SERVER)
		return;
	state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	if (!state)
		return;
	state->work.cookie = 0;
	state->dedicated = !(flags & MSG_DONTWAIT) && !is_watched(sk, typed);
}

/* len bytes were received from a client, by the thread that was last seen to receive. */
static __always_inline void begin_work(const struct connection_state *conn, __u32 len)
{
	struct task_state *state;

	if (conn->role < ROLE_SERVER)
		return;
	state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	if (!state || !state->dedicated)
		return;
	state->work.cookie = conn->cookie;
	state->work.off = conn->rx_off - len;
	state->work.len = len;
}

/* May a message begin in what is sent next? Only that needs a cause. */
static __always_inline bool may_begin(const struct connection_state *conn)
{
	return conn->turn == 0 || conn->direction != DIRECTION_SEND || conn->shape ||
	       conn->copy_turn == ENDLESS_TURN;
}

/* len bytes are about to be sent to a server: says why, if that is known. */
static __always_inline void tell_cause(struct scratch *s, const struct connection_state *conn,
				       __u32 len)
{
	struct task_state *state;
	struct record_cause *c;

	if (conn->role != ROLE_CLIENT || !may_begin(conn))
		return;
	state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	if (!state || !state->work.cookie)
		return;
	c = bpf_ringbuf_reserve(&records, sizeof(*c), 0);
	if (!c) {
		s->counts.ring_full++;
		return;
	}
	c->head.size = sizeof(*c);
	c->head.kind = RECORD_CAUSE;
	c->head.flags = CAUSE_TASK;
	c->cookie = conn->cookie;
	c->off = conn->tx_off;
	c->request_cookie = state->work.cookie;
	c->request_off = state->work.off;
	c->len = len;
	c->request_len = state->work.len;
	bpf_ringbuf_submit(c, BPF_RB_NO_WAKEUP);
}

/* A process begins in a thread's work, and is part of it. */
static __always_inline void inherit_work(struct task_struct *parent, struct task_struct *child)
{
	struct task_state *of_parent = bpf_task_storage_get(&tasks, parent, 0, 0), *of_child;

	if (!of_parent || !of_parent->work.cookie || parent->tgid == child->tgid)
		return;
	of_child = bpf_task_storage_get(&tasks, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (of_child)
		of_child->work = of_parent->work;
}

#endif
