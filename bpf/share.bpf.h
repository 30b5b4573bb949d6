/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Other tracers are told in a pinned map which span a thread works for (offer.bpf.h), until it goes on to something else,
 * which is seen here.
 */
#ifndef SONDE_BPF_SHARE_H
#define SONDE_BPF_SHARE_H

#include "include/abi/thread_context.h"
#include "bpf/maps.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct shared_context);
} shared_contexts SEC(".maps") __weak;

/* This thread goes on to something else. What it works for was changed before. */
static __always_inline void end_sharing(struct task_state *state)
{
	__u64 thread;

	if (!settings.shares_context || !state)
		return;
	__sync_fetch_and_add(&state->shared_changes, 1);
	if (!state->shared)
		return;
	state->shared = false;
	thread = bpf_get_current_pid_tgid();
	bpf_map_delete_elem(&shared_contexts, &thread);
}

/* Something is sent to a client, by this thread. */
static __always_inline void note_who_answers(const struct task_state *state,
					     const struct connection_state *conn)
{
	struct task_state *leader;

	if (!settings.shares_context || !conn->rx_off) /* nobody has asked */
		return;
	leader = bpf_task_storage_get(&tasks, bpf_get_current_task_btf()->group_leader, 0, 0);
	if (!leader)
		return;
	if (state->request_cookie == conn->cookie)
		leader->answers_itself = true;
	else
		leader->answers_others = true;
}

#endif
