/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * For which request does a thread send? For the one that it has received, if it serves one after the other.
 * Two kinds of threads do. One waits for its client in a receive that blocks, on a socket that no event loop
 * watches (or one that has handed it to a thread: EPOLLONESHOT): until it receives from a client again all it
 * sends is that request's, wherever it has waited meanwhile. The other waits apart from the receive, by
 * poll(): it was seen to find nothing on a socket, and then something, while no event loop watched that, nor
 * any other that it received from. Such a thread may get its next work from others, so all it sends is that
 * request's until it begins to answer.
 *
 * Of threads that have served several at a time nothing is said any more, and of a request nothing that came
 * by a socket which an event loop watched: what is sent then may be anybody's.
 */
#ifndef SONDE_BPF_WORK_H
#define SONDE_BPF_WORK_H

#include "bpf/connection.bpf.h"
#include "bpf/go_work.bpf.h"

#define EVENTS_ASKED 0x0fffffffu /* of epoll_event.events; the other bits say how to tell of them */

enum watched {
	WATCHED_NOT,
	WATCHED_DISARMED, /* an epoll set has told of it (EPOLLONESHOT), and waits to be asked again */
	WATCHED,
};

/* Does an event loop wait for this socket? Who blocks in a receive does not any more when that returns. */
static __always_inline enum watched watched(struct sock *sk, bool typed)
{
	struct socket_wq *wq = FIELD(sk, sk_wq);
	struct list_head *first = BPF_CORE_READ(wq, wait.head.next);
	struct eppoll_entry *entry = container_of(first, struct eppoll_entry, wait.entry);

	if (first == &wq->wait.head)
		return WATCHED_NOT;
	if (!bpf_core_field_exists(entry->next) || BPF_CORE_READ(first, next) != &wq->wait.head)
		return WATCHED;
	if (BPF_CORE_READ(entry, base, pwqlist) != entry ||
	    BPF_CORE_READ(entry, base, event.events) & EVENTS_ASKED)
		return WATCHED;
	return WATCHED_DISARMED;
}

/* There is nothing to be received. */
static __always_inline void note_wait(struct sock *sk, bool typed)
{
	struct task_state *state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	const struct connection_state *conn;

	if (!state || state->loops)
		return;
	conn = connection_get(sk, false, typed);
	state->waits_for = conn ? conn->cookie : 0;
}

/* A client is received from, and the one before has not been answered. */
static __always_inline bool interleaves(const struct task_state *state,
					const struct connection_state *conn)
{
	return state->work.cookie && !state->answering &&
	       !same_socket(state->work.cookie, conn->cookie);
}

/* A socket was received from. A function of its own for the sake of the stack. */
static __noinline void note_receive(struct sock *sk, const struct connection_state *conn, int flags,
				    bool typed)
{
	struct task_state *state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	bool serves = conn->role >= ROLE_SERVER, blocks = !(flags & MSG_DONTWAIT);
	enum watched by_loop;

	if (!state || state->loops)
		return;
	if (current_go()) { /* its goroutines wait in it in turn */
		state->loops = true;
		return;
	}
	by_loop = watched(sk, typed);
	if (by_loop == WATCHED_NOT && state->waits_for && state->waits_for == conn->cookie)
		state->waits_alone = true;
	state->waits_for = 0;
	if (!serves) {
		state->epolls |= by_loop != WATCHED_NOT;
		return;
	}
	state->loops = interleaves(state, conn);
	state->work.cookie = 0;
	state->dedicated = CAUSE_NONE;
	if (state->loops)
		return;
	if (blocks && by_loop != WATCHED)
		state->dedicated = CAUSE_TASK;
	else if (!blocks && by_loop)
		state->waits_alone = false;
	else if (!blocks && state->waits_alone && !state->epolls)
		state->dedicated = CAUSE_UNANSWERED;
}

/* len bytes were received from a client, by the thread that was last seen to receive. */
static __always_inline void begin_work(struct connection_state *conn, __u32 len)
{
	struct task_state *state;

	if (conn->role < ROLE_SERVER || go_begin_work(conn, len))
		return;
	state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	if (!state || !state->dedicated)
		return;
	state->work.cookie = conn->cookie;
	state->work.off = conn->rx_off - len;
	state->work.len = len;
	state->answering = false;
}

/* The connection has ended: who serves another now does not do so meanwhile. */
static __always_inline void end_work(const struct connection_state *conn)
{
	struct task_state *state;

	if (conn->role < ROLE_SERVER)
		return;
	go_end_work(conn);
	state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	if (state && same_socket(state->work.cookie, conn->cookie))
		state->work.cookie = 0;
}

/* Something is sent to a client. */
static __always_inline void note_answer(const struct connection_state *conn)
{
	struct task_state *state;

	if (conn->role < ROLE_SERVER)
		return;
	state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	if (state && same_socket(state->work.cookie, conn->cookie))
		state->answering = true;
}

/* What the thread is at; NULL: that is not known. */
static __always_inline const struct work *work_of(const struct task_state *state)
{
	if (!state->work.cookie || (state->answering && state->dedicated == CAUSE_UNANSWERED))
		return NULL;
	return &state->work;
}

/* May a message begin in what is sent next? Only that needs a cause. */
static __always_inline bool may_begin(const struct connection_state *conn)
{
	return conn->turn == 0 || conn->direction != DIRECTION_SEND || conn->shape ||
	       conn->copy_turn == ENDLESS_TURN;
}

struct current_work {
	struct work of;
	enum cause_method method;
};

/* For a message that begins now. False: what the thread works for is not known. */
static __always_inline bool current_work(struct current_work *out)
{
	const struct task_state *state;
	const struct work *work;
	struct go_work *by_go;

	if (go_work_get(&by_go)) {
		if (!by_go || !by_go->work.cookie || by_go->spent)
			return false;
		by_go->spent = by_go->once;
		out->of = by_go->work;
		out->method = by_go->alone ? CAUSE_STREAM : CAUSE_GOROUTINE;
		return true;
	}
	state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	work = state ? work_of(state) : NULL;
	if (!work)
		return false;
	out->of = *work;
	out->method = state->dedicated;
	return true;
}

/*
 * len bytes are about to be sent: says why, if they are sent to a server and that is known. A function of its
 * own for the sake of the stack.
 */
static __noinline int tell_cause(struct scratch *s, const struct connection_state *conn, __u32 len)
{
	struct record_cause *c;
	struct current_work work;

	if (conn->role >= ROLE_SERVER || !may_begin(conn) || !current_work(&work))
		return 0;
	c = bpf_ringbuf_reserve(&records, sizeof(*c), 0);
	if (!c) {
		s->counts.ring_full++;
		return 0;
	}
	c->head.size = sizeof(*c);
	c->head.kind = RECORD_CAUSE;
	c->head.flags = work.method;
	c->cookie = conn->cookie;
	c->off = conn->tx_off;
	c->request_cookie = work.of.cookie;
	c->request_off = work.of.off;
	c->len = len;
	c->request_len = work.of.len;
	bpf_ringbuf_submit(c, BPF_RB_NO_WAKEUP);
	return 0;
}

/* A process begins in a thread's work, and is part of it. */
static __always_inline void inherit_work(struct task_struct *parent, struct task_struct *child)
{
	struct task_state *of_parent = bpf_task_storage_get(&tasks, parent, 0, 0), *of_child;

	if (!of_parent || !of_parent->work.cookie || parent->tgid == child->tgid)
		return;
	of_child = bpf_task_storage_get(&tasks, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (of_child) {
		of_child->work = of_parent->work;
		of_child->dedicated = of_parent->dedicated;
		of_child->answering = of_parent->answering;
	}
}

#endif
