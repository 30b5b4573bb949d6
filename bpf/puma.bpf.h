/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Puma, a server of Ruby: its reactor reads requests and hands them to the threads of a pool. Such a thread
 * serves one after the other and nothing else, and begins each by asking for the state of its connection
 * (TCP_INFO), to see whether the client is still there. So it tells which request it is at.
 */
#ifndef SONDE_BPF_PUMA_H
#define SONDE_BPF_PUMA_H

#include "bpf/connection.bpf.h"

#define LEVEL_TCP 6
#define ASKED_INFO 11
#define PUMA_POOL "puma srv tp "

static __always_inline bool is_in_pool(const char *comm)
{
	for (int i = 0; i < (int)sizeof(PUMA_POOL) - 1; i++)
		if (comm[i] != PUMA_POOL[i])
			return false;
	return true;
}

/* The threads of its pool have names of their own. */
static __always_inline bool in_puma_pool(void)
{
	char comm[PROCESS_COMM_SZ];

	return bpf_get_current_comm(comm, sizeof(comm)) == 0 && is_in_pool(comm);
}

/* Was it begun by its own command? By others its threads tell. A function of its own for the sake of the stack. */
static __noinline bool is_puma(struct task_struct *leader)
{
	char comm[PROCESS_COMM_SZ];

	if (bpf_get_current_comm(comm, sizeof(comm)) == 0 && is_in_pool(comm))
		return true;
	return bpf_probe_read_kernel(comm, sizeof(comm), leader->comm) == 0 && comm[0] == 'p' &&
	       comm[1] == 'u' && comm[2] == 'm' && comm[3] == 'a' && comm[4] == 0;
}

/* The current thread has been looked at, and is traced. The reader, which is woken, attaches socket_asked. */
static __always_inline void note_puma(struct scratch *s, struct task_struct *leader)
{
	if (!puma_seen && is_puma(leader))
		puma_seen = s->wake = true;
}

/*
 * Will the current thread say when it begins to serve what this connection has brought? By TLS it asks for the
 * socket of another connection than the one that is traced; for a unix socket it does not ask.
 */
static __always_inline bool puma_tells(struct sock *sk, const struct connection_state *conn,
				       bool typed)
{
	return settings.puma_tells && puma_seen && !conn->carries &&
	       FIELD(sk, __sk_common.skc_family) != FAMILY_UNIX && in_puma_pool();
}

/* All that was received on the connection and is not answered is what the thread is at. */
static __always_inline void begin_handed(const struct connection_state *conn)
{
	struct task_state *state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0,
							BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!state || conn->role < ROLE_SERVER)
		return;
	state->work.cookie = conn->cookie;
	state->work.len = conn->rx_off < ~0u ? conn->rx_off : ~0u;
	state->work.off = conn->rx_off - state->work.len;
	state->dedicated = CAUSE_UNANSWERED;
	state->handed = true;
	state->answering = false;
}

static __always_inline void note_asked(struct bpf_sockopt *ctx)
{
	const struct connection_state *conn;

	ctx->optlen = 0; /* what is answered stays as it is */
	if (ctx->level != LEVEL_TCP || ctx->optname != ASKED_INFO || !ctx->sk || !in_puma_pool())
		return;
	conn = bpf_sk_storage_get(&connections, ctx->sk, 0, 0);
	if (conn && !conn->carries)
		begin_handed(conn);
}

#endif
