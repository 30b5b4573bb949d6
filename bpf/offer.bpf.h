/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The ids of a span come to be in user space, once the request has been parsed; its thread may be at something else by
 * then. So it is here that it is seen whether the thread is still at that request, and others may be told.
 *
 * What is told cannot be taken back: only what threads are at that serve one request after the other (work.bpf.h), in a
 * process whose threads were seen to answer what they have received, and never what another one has.
 */
#ifndef SONDE_BPF_OFFER_H
#define SONDE_BPF_OFFER_H

#include "bpf/request.bpf.h"

/* Written by user space before it runs share_context, and read after that. */
struct context_offer context_offer = {};

static __always_inline bool is_at_offered(const struct task_state *state)
{
	return state->request_cookie == context_offer.request_cookie &&
	       state->request_off == context_offer.request_off && !state->answered &&
	       !state->distrust && same_socket(state->work.cookie, state->request_cookie) &&
	       is_proven(state);
}

/*
 * While the thread may run on. Either it sees that it is shared when it goes on, or it is seen here to have gone on.
 */
static __always_inline bool share(struct task_state *state, __u64 thread)
{
	bool at;

	state->shared = true;
	__sync_fetch_and_add(&state->shared_changes, 1);
	at = is_at_offered(state) &&
	     !bpf_map_update_elem(&shared_contexts, &thread, &context_offer.context, BPF_ANY);
	__sync_fetch_and_add(&state->shared_changes, 1);
	if (at && is_at_offered(state))
		return true;
	state->shared = false;
	if (at)
		bpf_map_delete_elem(&shared_contexts, &thread);
	return false;
}

static __always_inline void take_offer(struct task_struct *task)
{
	__u64 thread = (__u64)task->tgid << 32 | (__u32)task->pid;
	struct task_state *state, *leader;

	if ((__u32)task->pid != context_offer.tid)
		return;
	state = bpf_task_storage_get(&tasks, task, 0, 0);
	leader = bpf_task_storage_get(&tasks, task->group_leader, 0, 0);
	if (state && leader && leader->answers_itself && !leader->answers_others &&
	    share(state, thread))
		context_offer.thread = thread;
}

#endif
