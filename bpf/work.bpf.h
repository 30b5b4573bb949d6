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
 * Of threads that have served several at a time, or waited for a client and others at once, nothing is said any
 * more, and of a request nothing that came by a socket which an event loop watched: what is sent then may be
 * anybody's.
 */
#ifndef SONDE_BPF_WORK_H
#define SONDE_BPF_WORK_H

#include "bpf/go_work.bpf.h"
#include "bpf/share.bpf.h"
#include "bpf/times.bpf.h"
#include "bpf/wait.bpf.h"

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

static __always_inline void forget_work(struct task_state *state)
{
	state->work.cookie = 0;
	state->dedicated = CAUSE_NONE;
	state->handed = false;
}

/* The thread serves several at a time. */
static __always_inline void give_up(struct task_state *state)
{
	state->loops = true;
	forget_work(state);
	end_sharing(state);
}

/* A client is received from, and the one before has not been answered. */
static __always_inline bool interleaves(const struct task_state *state,
					const struct connection_state *conn)
{
	return state->work.cookie && !state->answering &&
	       !same_socket(state->work.cookie, conn->cookie);
}

/* A socket was received from. A function of its own for the sake of the stack. */
static __noinline void note_receive(struct task_state *state, struct sock *sk,
				    const struct connection_state *conn, int flags, bool typed)
{
	bool blocks = !(flags & MSG_DONTWAIT), found;
	enum polled by_poll = polled(conn);
	enum watched by_loop;

	if (!state)
		return;
	if (conn->role >= ROLE_SERVER && puma_tells(sk, conn, typed)) {
		forget_work(state);
		end_sharing(state);
		return;
	}
	if (state->loops)
		return;
	if (current_go()) { /* its goroutines wait in it in turn */
		state->of_go = true;
		give_up(state);
		return;
	}
	by_loop = watched(sk, typed);
	found = settings.blind_to_polls ? state->waits_for && state->waits_for == conn->cookie
					: by_poll == POLLED_ALONE;
	state->waits_alone |= found && by_loop == WATCHED_NOT;
	state->waits_for = 0;
	if (conn->role < ROLE_SERVER) {
		state->epolls |= by_loop != WATCHED_NOT || by_poll > POLLED_ALONE;
		if (by_poll == POLLED_SERVING)
			give_up(state);
		return;
	}
	if (by_poll > POLLED_ALONE || interleaves(state, conn)) {
		give_up(state);
		return;
	}
	forget_work(state);
	if (blocks && by_loop != WATCHED)
		state->dedicated = CAUSE_TASK;
	else if (!blocks && !by_loop)
		state->dedicated = CAUSE_UNANSWERED;
	else if (!blocks)
		state->waits_alone = false;
}

/* len bytes were received from a client, by the thread that was last seen to receive. */
static __always_inline void begin_work(struct task_state *state, struct connection_state *conn,
				       __u32 len)
{
	if (conn->role < ROLE_SERVER || go_begin_work(conn, len) || !state || !state->dedicated)
		return;
	state->work.cookie = conn->cookie;
	state->work.off = conn->rx_off - len;
	state->work.len = len;
	state->work.id = 0;
	state->answering = false;
}

/* The connection has ended: who serves another now does not do so meanwhile. */
static __always_inline void end_work(struct task_state *state, const struct connection_state *conn)
{
	if (conn->role < ROLE_SERVER)
		return;
	go_end_work(conn);
	if (state && same_socket(state->work.cookie, conn->cookie)) {
		state->work.cookie = 0;
		end_sharing(state);
	}
	if (state && same_socket(state->times.cookie, conn->cookie))
		state->times.cookie = 0;
}

/* Something is sent to a client. */
static __always_inline void note_answer(struct task_state *state,
					const struct connection_state *conn)
{
	if (state && conn->role >= ROLE_SERVER && same_socket(state->work.cookie, conn->cookie))
		state->answering = true;
}

/* Is the thread certain to be at what it last received, or was handed? */
static __always_inline bool is_proven(const struct task_state *state)
{
	return state->dedicated != CAUSE_UNANSWERED ||
	       (!state->answering && (state->handed || (state->waits_alone && !state->epolls)));
}

/* What the thread is at; NULL: that is not known. */
static __always_inline const struct work *work_of(const struct task_state *state)
{
	return state->work.cookie && is_proven(state) ? &state->work : NULL;
}

/*
 * May a message begin in what is sent next? Only that needs a cause. Where an answer overtook the end of the call that
 * asked, the next question is sent in the same turn.
 */
static __always_inline bool may_begin(const struct connection_state *conn)
{
	return conn->turn == 0 || conn->direction != DIRECTION_SEND || conn->overtaken ||
	       conn->shape || conn->copy_turn == ENDLESS_TURN;
}

struct current_work {
	struct work of;
	enum cause_method method;
};

/*
 * For a message that begins now on that connection. False: what the thread works for is not known, or was told
 * before.
 */
static __always_inline bool current_work(const struct task_state *state,
					 const struct connection_state *conn,
					 struct current_work *out)
{
	const struct work *work;
	struct go_work *by_go;

	if (go_work_get(&by_go)) {
		if (by_go && by_go->sends)
			note_sender(by_go, conn->cookie);
		if (!by_go || !by_go->work.cookie || by_go->spent)
			return false;
		by_go->spent = by_go->once;
		out->of = by_go->work;
		out->method = by_go->alone ? CAUSE_STREAM : CAUSE_GOROUTINE;
		return true;
	}
	work = state ? work_of(state) : NULL;
	if (!work)
		return false;
	out->of = *work;
	out->method = state->dedicated;
	return true;
}

/*
 * len bytes are about to be sent to a server: says why, if that is known. A function of its own for the sake
 * of the stack.
 */
static __noinline int tell_cause(struct scratch *s, const struct task_state *state,
				 const struct connection_state *conn, __u32 len)
{
	struct record_cause *c;
	struct current_work work;

	if (!may_begin(conn) || !current_work(state, conn, &work))
		return 0;
	c = reserve_for_op(s, sizeof(*c));
	if (!c)
		return 0;
	c->head.size = sizeof(*c);
	c->head.kind = RECORD_CAUSE;
	c->head.flags = work.method;
	c->cookie = conn->cookie;
	c->off = conn->tx_off;
	c->request_cookie = work.of.cookie;
	c->request_off = work.of.off;
	c->len = len;
	c->request_len = work.of.len;
	c->id = 0;
	c->request_id = work.of.id;
	bpf_ringbuf_submit(c, BPF_RB_NO_WAKEUP);
	return 0;
}

/* len bytes are about to be sent. Returns what the operation's flags are to say of time. */
static __always_inline __u32 tell_send(struct scratch *s, struct task_state *state,
				       struct connection_state *conn, __u32 len)
{
	if (conn->role < ROLE_SERVER)
		tell_cause(s, state, conn, len);
	else if (settings.timing && state)
		return note_times(state, conn) & OP_TIMED;
	return 0;
}

/* A process begins in a thread's work, and is part of it. */
static __always_inline void inherit_work(struct task_struct *parent, struct task_struct *child)
{
	struct task_state *of_parent = bpf_task_storage_get(&tasks, parent, 0, 0), *of_child;

	if (!of_parent || parent->tgid == child->tgid || !work_of(of_parent))
		return;
	of_child = bpf_task_storage_get(&tasks, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (of_child) {
		of_child->work = of_parent->work;
		of_child->dedicated = of_parent->dedicated;
		of_child->answering = of_parent->answering;
		of_child->waits_alone = of_parent->waits_alone;
		of_child->handed = of_parent->handed;
	}
}

#endif
