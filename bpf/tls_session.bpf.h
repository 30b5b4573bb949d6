/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Sessions of TLS libraries, and the sockets that carry them; see tls.bpf.h. */
#ifndef SONDE_BPF_TLS_SESSION_H
#define SONDE_BPF_TLS_SESSION_H

#include "include/abi/tls.h"
#include "bpf/maps.bpf.h"

struct tls_key {
	__u64 session;
	__u32 pid;
	__u32 reserved;
};

struct tls_session {
	struct connection_state conn; /* of the plaintext */
	struct tls_carrier carrier;
	/* It is seen from its beginning, if all of: */
	__u8 whole;   /* at its first call all probes were in place */
	__u8 begun;   /* that was a handshake, or the socket was fresh */
	__u8 spoiled; /* not: plaintext passed before the socket was known */
	__u8 closing; /* its socket is; kept where sessions go by sockets, see apart.bpf.h */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space: at least TLS_SESSIONS_MIN, where it is used */
	__type(key, struct tls_key);
	__type(value, struct tls_session);
} tls_sessions SEC(".maps") __weak;

/* By the number in the cookie: all probes of that file are in place. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TLS_FILES_MAX);
	__type(key, __u32);
	__type(value, __u8);
} tls_files SEC(".maps") __weak;

static const struct tls_session blank_session;

static __noinline struct tls_session *session_new(struct tls_key *key, bool whole, bool begun)
{
	long known = bpf_map_update_elem(&tls_sessions, key, &blank_session, BPF_NOEXIST);
	struct tls_session *t = bpf_map_lookup_elem(&tls_sessions, key);

	if (t && !known) {
		t->whole = whole;
		t->begun = begun;
	}
	return t;
}

/* Ties the session to the socket that was seen. */
static __always_inline void bind_session(struct tls_session *t, const struct tls_carrier *carrier)
{
	if (t->carrier.cookie == carrier->cookie)
		return;
	if (t->carrier.cookie) { /* what had this address before is no more */
		__builtin_memset(&t->conn, 0, sizeof(t->conn));
		t->begun = t->spoiled = false;
	}
	t->carrier = *carrier;
	t->begun = carrier->first || (t->begun && carrier->young);
	t->conn.cookie = carrier->cookie | PLAINTEXT_COOKIE;
	t->conn.role = carrier->role;
	t->conn.copy_op = COPY_MAX; /* no record of TLS is longer */
	t->conn.copy_turn = settings.copy_turn;
}

#endif
