/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sockets below Go's crypto/tls. Goroutines move between threads, so what a probe has seen is noted by
 * goroutine, and found again in its system calls. Stacks move too, but how deep they are does not change with
 * that.
 */
#ifndef SONDE_BPF_GOROUTINE_H
#define SONDE_BPF_GOROUTINE_H

#include "bpf/go.bpf.h"
#include "bpf/process.bpf.h"
#include "bpf/tls_session.bpf.h"

struct goroutine {
	/* Whose handshake or write it was last seen in; 0: its socket has been seen. */
	__u64 session;
	__u64 depth;  /* of the stack then, in bytes */
	__u64 reader; /* the session that was found to use the carrier */
	__u8 handshake, whole;
	/* What it last received from that began as a record of TLS, and belongs to no session so far. */
	struct tls_carrier carrier;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space: at least TLS_SESSIONS_MIN, where it is used */
	__type(key, struct goroutine_key);
	__type(value, struct goroutine);
} goroutines SEC(".maps") __weak;

static __always_inline __u64 stack_depth(__u64 g, __u64 sp)
{
	__u64 limit;

	if (bpf_probe_read_user(&limit, sizeof(limit), (void *)(g + STACK_LIMIT_AT)) || sp > limit)
		return 0;
	return limit - sp;
}

/* What is noted of a goroutine; a function of its own for the sake of the stack. */
static __noinline struct goroutine *goroutine_get(__u64 g, bool create)
{
	struct goroutine_key key = {.g = g, .pid = bpf_get_current_pid_tgid() >> 32};
	struct goroutine *found = bpf_map_lookup_elem(&goroutines, &key), fresh = {};

	if (found || !create)
		return found;
	bpf_map_update_elem(&goroutines, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&goroutines, &key);
}

/* The goroutine's handshake or write uses this socket. */
static __always_inline void bind_goroutine(struct goroutine *noted, struct connection_state *conn)
{
	struct tls_key key = {.session = noted->session, .pid = bpf_get_current_pid_tgid() >> 32};
	struct tls_session *t = bpf_map_lookup_elem(&tls_sessions, &key);

	noted->session = 0;
	if (!t)
		return;
	bind_session(t, &noted->carrier);
	if (noted->handshake) {
		t->whole = noted->whole;
		t->begun |= noted->carrier.young;
	}
	conn->tls_session = key.session;
	conn->carries = CARRIES_SEEN;
	conn->ignored = false;
}

/* An operation of a socket that belongs to no session so far. */
static __noinline int note_go_session(struct sock *sk, struct connection_state *conn, __u32 of)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	bool send = of & OF_SEND, typed = of & OF_TYPED;
	struct goroutine *noted;
	__u64 g;

	if (!begins_as_tls())
		return 0;
	g = GOROUTINE(regs);
	noted = goroutine_get(g, !send);
	if (!noted || (send && !noted->session))
		return 0;
	if (noted->reader && noted->carrier.cookie == conn->cookie) {
		conn->tls_session = noted->reader;
		conn->carries = CARRIES_SEEN;
		return 0;
	}
	noted->reader = 0;
	note_carrier(&noted->carrier, sk, conn, send, typed);
	if (noted->session && stack_depth(g, PT_REGS_SP(regs)) > noted->depth)
		bind_goroutine(noted, conn);
	return 0;
}

#endif
