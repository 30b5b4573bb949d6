/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which request does a thread work for? Kept in task storage, so that a sample of the thread can name it,
 * and it can be told what its time went to: {socket cookie, stream offset of the turn in which the request came}.
 *
 * The answer must be right or absent. It is right for a thread that serves one request after the
 * other. A thread that begins another before it has answered the one it had, or sends on a
 * connection of another, interleaves them: it gets no key until it has served many in order again.
 * Sockets that do not block are served by event loops, but for those that a thread waits for by itself
 * (work.bpf.h); where several threads of a process run such a loop, its tasks may move between them, and none
 * of them gets a key. The rest is user space's to see: the thread that received a request must be the one that
 * answered it.
 */
#ifndef SONDE_BPF_REQUEST_H
#define SONDE_BPF_REQUEST_H

#include "bpf/work.bpf.h"

#define DISTRUST_REQUESTS 32

/* Is this thread one of several of its process that serve sockets which do not block? */
static __always_inline bool shares_loop(struct task_struct *task)
{
	struct task_state *leader = bpf_task_storage_get(&tasks, task->group_leader, 0, 0);

	if (!leader)
		return true;
	if (!leader->loop_tid)
		leader->loop_tid = task->pid;
	if (leader->loop_tid != task->pid)
		leader->shares_loop = true;
	return leader->shares_loop;
}

/* A request's first bytes came. */
static __always_inline void begin_request(struct task_state *state,
					  const struct connection_state *conn, __u64 off,
					  bool nonblocking)
{
	if ((nonblocking && !state->dedicated && shares_loop(bpf_get_current_task_btf())) ||
	    (state->request_cookie && state->request_cookie != conn->cookie && !state->answered))
		state->distrust = DISTRUST_REQUESTS;
	else if (state->distrust)
		state->distrust--;
	state->request_cookie = conn->cookie;
	state->request_off = off;
	state->answered = false;
	end_sharing(state);
	if (settings.timing)
		begin_times(state, state->dedicated && is_proven(state), conn, off);
}

/* Something was sent to a client. */
static __always_inline void answer_request(struct task_state *state,
					   const struct connection_state *conn)
{
	note_who_answers(state, conn);
	if (!state->request_cookie)
		return;
	if (state->request_cookie == conn->cookie) {
		state->answered = true;
		if (state->dedicated == CAUSE_UNANSWERED)
			end_sharing(state);
	} else {
		state->distrust = DISTRUST_REQUESTS;
		state->times.cookie = 0;
		end_sharing(state);
	}
}

/*
 * After an operation of len bytes; turn is what conn->turn was before it. A function of its own for the sake of
 * the stack.
 */
static __noinline int note_request(struct task_state *state, const struct connection_state *conn,
				   __u32 turn, __u32 len, bool nonblocking)
{
	bool serves = conn->role >= ROLE_SERVER, send = conn->direction == DIRECTION_SEND;

	end_network_wait(&state->times, serves, send);
	if (serves && send)
		answer_request(state, conn);
	else if (serves && conn->turn != turn)
		begin_request(state, conn, conn->rx_off - len, nonblocking);
	return 0;
}

static __always_inline bool notes_requests(void)
{
	return settings.profiling || settings.timing || settings.shares_context;
}

#endif
