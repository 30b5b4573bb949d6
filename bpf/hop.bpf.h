/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Ids go with requests from host to host, in a TCP option (include/abi/hop.h); docs/causality.md has the
 * reasons. Or in a header: bpf/header.bpf.h.
 *
 * The end that connects writes the option on the segments in which its turn begins, before they leave:
 * at the latest inside the system call that sends, when the connection holds nothing else that could leave
 * first. Whose ids they are is known by the thread that sends, or its goroutine. What is sent again carries none, so that
 * a connection works whatever its peer, or what is between, makes of such options. The end that accepts
 * remembers what came, by sequence number, until the bytes are read.
 *
 * User space is told of the ids in a RECORD_CONTEXT before the bytes themselves.
 */
#ifndef SONDE_BPF_HOP_H
#define SONDE_BPF_HOP_H

#include "bpf/buffer.bpf.h"
#include "bpf/connection.bpf.h"
#include "bpf/head.bpf.h"
#include "bpf/process.bpf.h"
#include "bpf/work.bpf.h"
#include "include/abi/hop.h"

#define ARRIVALS_MAX 4 /* options remembered of a connection; a power of two */
#define TRACES_MAX 16384

struct hop_ids {
	__u64 trace[2], span; /* as bytes */
	__u64 unsampled;      /* whoever began the trace keeps none of it */
};

/*
 * Ids that came with the segment of that sequence number. They come while what came before is read, so
 * the sum tells an entry that is half written.
 */
struct hop_arrival {
	struct hop_ids ids;
	__u32 seq, sum;
};

/* What a socket knows of options; those that neither write nor get any have none. */
struct hop {
	struct hop_ids ids;
	__u32 seq;	    /* of the segment that has those ids, or is to have them */
	__u8 willing;	    /* options may be written on this connection */
	__u8 test;	    /* it is sonde's own, of its test */
	__u8 set;	    /* seq and ids are */
	__u8 inserted;	    /* in a header, of which the socket hook does not know yet */
	__u32 arrivals_cnt; /* so far */
	struct hop_arrival arrivals[ARRIVALS_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct hop);
} hops SEC(".maps") __weak;

struct hop_trace {
	__u64 trace[2], unsampled;
	__u64 off; /* at which the request's turn began */
};

/* The trace of the request that was last received on a connection, by its cookie, until it is answered. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TRACES_MAX);
	__type(key, __u64);
	__type(value, struct hop_trace);
} request_traces SEC(".maps") __weak;

/* Does the connection's next byte to be sent begin a turn? */
static __always_inline bool turn_begins(const struct connection_state *conn)
{
	return conn->turn == 0 || conn->direction != DIRECTION_SEND;
}

static __always_inline __u64 random_word(void)
{
	return (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32() | 1;
}

static __always_inline __u32 sum_of(const struct hop_arrival *a)
{
	__u64 sum =
		(a->ids.trace[0] * 0x9e3779b97f4a7c15ull + a->ids.trace[1]) * 0xd6e8feb86659fd93ull;

	sum = (sum ^ a->ids.span ^ a->seq) * 0x9e3779b97f4a7c15ull;
	return (__u32)(sum >> 32);
}

/* It is answered, or will not be: what is sent from now on may be for another one. */
static __always_inline void forget_trace(const struct connection_state *conn)
{
	__u64 cookie = conn->cookie;

	if (conn->role >= ROLE_SERVER)
		bpf_map_delete_elem(&request_traces, &cookie);
}

/* --- who sends, and for which request ---------------------------------------------------------- */

/*
 * What the current thread is at, or its goroutine. NULL: that is not known, or is one of the streams of a connection,
 * whose traces are not.
 */
static __always_inline const struct work *work_of_sender(const struct task_state *state)
{
	struct go_work *by_go;

	if (!go_work_get(&by_go))
		return work_of(state);
	return by_go && by_go->work.cookie && !by_go->work.id && !by_go->spent ? &by_go->work
									       : NULL;
}

/*
 * The ids of a request that the current thread sends. False if it is not certain for which request that
 * is: what a process sends that serves requests, and is none of its threads' work, may be anybody's.
 */
static __always_inline bool ids_of_sender(struct hop_ids *ids)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *leader = bpf_task_storage_get(&tasks, task->group_leader, 0, 0);
	struct task_state *state = bpf_task_storage_get(&tasks, task, 0, 0);
	const struct work *work;
	struct hop_trace *served;
	__u64 cookie;

	if (!state) /* its first operation, and others have decided for the process */
		state = leader;
	if (!state || !leader || !state->checked || !state->traced || state->hop_denied ||
	    state->filter_generation != filter_generation)
		return false;
	ids->span = random_word();
	ids->unsampled = false;
	if (!state->work.cookie && !leader->serves) {
		ids->trace[0] = random_word();
		ids->trace[1] = random_word();
		return true;
	}
	work = work_of_sender(state);
	if (!work)
		return false;
	cookie = work->cookie;
	served = bpf_map_lookup_elem(&request_traces, &cookie);
	if (!served || served->off > work->off)
		return false;
	ids->trace[0] = served->trace[0];
	ids->trace[1] = served->trace[1];
	ids->unsampled = served->unsampled;
	return true;
}

/*
 * Is the current thread inside a system call that sends on this socket, with nobody else's bytes in
 * between? It owns the socket, which a packet's arrival does not; and nobody waits for room.
 */
static __always_inline bool is_sending(struct tcp_sock *tcp)
{
	struct sock *sk = (struct sock *)tcp;
	struct pt_regs *regs;

	if (!sk->sk_lock.owned || sk->sk_write_pending)
		return false;
	regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	switch (SYSCALL_NR(regs)) {
	case NR_WRITE:
	case NR_WRITEV:
	case NR_SENDTO:
	case NR_SENDMSG:
	case NR_PWRITEV2:
		return true;
	}
	return false;
}

/* --- in the socket hook ------------------------------------------------------------------------ */

static __always_inline void tell_context(struct scratch *s, struct connection_state *conn,
					 __u16 what, __u32 seq, const struct hop_ids *ids,
					 __u32 inserted)
{
	struct record_context c = {
		.head.size = sizeof(c),
		.head.kind = RECORD_CONTEXT,
		.head.flags = what,
		.cookie = conn->cookie,
		.seq = seq,
		.inserted = inserted,
	};

	__builtin_memcpy(c.trace_id, ids->trace, sizeof(c.trace_id));
	__builtin_memcpy(c.span_id, &ids->span, sizeof(c.span_id));
	emit(s, &c, sizeof(c));
}

/* What begins at seq is sent, or waits to be: if it has no ids yet, it may still get them. */
static __noinline int hop_sent(struct scratch *s, struct connection_state *conn, struct hop *hop,
			       __u32 seq)
{
	if (!hop->set || hop->seq != seq) {
		hop->set = false;
		if (!ids_of_sender(&hop->ids))
			return 0;
		hop->seq = seq;
		hop->set = true;
	}
	tell_context(s, conn, CONTEXT_SENT, seq, &hop->ids, 0);
	return 0;
}

/* Tells of all ids that came with these bytes; those of the first byte become ids. False if it has none. */
static __always_inline bool hop_arrived(struct scratch *s, struct connection_state *conn,
					const struct hop *hop, __u32 seq, __u32 len,
					struct hop_ids *ids)
{
	bool found = false;

	for (int i = 0; i < ARRIVALS_MAX; i++) {
		struct hop_arrival a = hop->arrivals[i];

		if (!a.ids.span || a.seq - seq >= len || sum_of(&a) != a.sum)
			continue;
		tell_context(s, conn, CONTEXT_RECEIVED, a.seq, &a.ids, 0);
		if (a.seq != seq)
			continue;
		*ids = a.ids;
		found = true;
	}
	return found;
}

/*
 * A request's turn begins: its trace is the one that it names, or that came with it, or else a new one.
 * Where several may be under way it is not known whose turn it is.
 */
static __always_inline void begin_trace(struct scratch *s, struct connection_state *conn,
					struct hop_ids *ids, bool arrived, __u32 seq, __u32 len,
					__u64 off)
{
	struct hop_trace served = {.off = off};
	__u64 cookie = conn->cookie;
	__u8 flags = 1;

	forget_trace(conn);
	if (conn->several)
		return;
	if (trace_of_head(s, len, served.trace, &flags)) {
		served.unsampled = !(flags & 1);
		bpf_map_update_elem(&request_traces, &cookie, &served, BPF_ANY);
		return;
	}
	if (!arrived) {
		ids->trace[0] = random_word();
		ids->trace[1] = random_word();
		tell_context(s, conn, CONTEXT_GIVEN, seq, ids, 0);
	}
	served.trace[0] = ids->trace[0];
	served.trace[1] = ids->trace[1];
	bpf_map_update_elem(&request_traces, &cookie, &served, BPF_ANY);
}

/* len bytes were received, the last one before until. */
static __noinline int hop_received(struct scratch *s, struct sock *sk,
				   struct connection_state *conn, __u32 until, __u32 len)
{
	struct hop *hop = bpf_sk_storage_get(&hops, sk, 0, 0);
	struct hop_ids ids = {};
	__u32 seq = until - len;
	__u64 off = conn->rx_off;
	bool arrived = hop && hop_arrived(s, conn, hop, seq, len, &ids);

	if (conn->seq_known & (1 << DIRECTION_RECV))
		off += (__s64)(__s32)(seq - conn->rx_seq);
	if (conn->turn == 0 || conn->direction != DIRECTION_RECV)
		begin_trace(s, conn, &ids, arrived, seq, len, off);
	return 0;
}

static __always_inline void ask_for(struct bpf_sock_ops *ctx, __u32 flag)
{
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | flag);
}

#include "bpf/header.bpf.h"

/* A process that receives requests, on whatever connection, sends on behalf of them. */
static __always_inline void note_serving(const struct connection_state *conn)
{
	struct task_state *leader;

	if (conn->role < ROLE_SERVER)
		return;
	leader = bpf_task_storage_get(&tasks, bpf_get_current_task_btf()->group_leader, 0, 0);
	if (leader)
		leader->serves = true;
}

/* Before the record of an operation of len bytes, while propagation is on. */
static __always_inline void hop_op(struct scratch *s, struct sock *sk,
				   struct connection_state *conn, __u32 len, bool send, bool typed)
{
	struct tcp_sock *tcp;
	struct hop *hop;

	if (!typed || sk->__sk_common.skc_family == FAMILY_UNIX || conn->carries)
		return;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return;
	if (conn->role >= ROLE_SERVER && send) {
		if (turn_begins(conn))
			forget_trace(conn);
	} else if (conn->role >= ROLE_SERVER) {
		hop_received(s, sk, conn, bytes_read_until(sk, tcp, typed), len);
	} else if (hops_in_header) {
		if (conn->role == ROLE_CLIENT && send && conn->turn == 0)
			header_sent(s, sk, conn);
	} else if (conn->role == ROLE_CLIENT && send && turn_begins(conn)) {
		hop = bpf_sk_storage_get(&hops, sk, 0, 0);
		if (hop && hop->willing)
			hop_sent(s, conn, hop, tcp->write_seq - len);
	}
}

/* --- as connections are made ------------------------------------------------------------------- */

/* In the thread that connects. */
static __always_inline void note_connecting(struct sock *sk)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool test = propagation == PROPAGATION_TEST;
	struct task_state *state;
	struct scratch *s;
	struct hop *hop;

	if (test && task->tgid != self_pid)
		return;
	if (!test) {
		s = scratch_get();
		state = s ? current_task_state(s, bpf_jiffies64()) : NULL;
		if (!state || !state->traced || state->hop_denied)
			return;
	}
	hop = bpf_sk_storage_get(&hops, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!hop)
		return;
	hop->test = test;
	hop->set = hop->inserted = false;
	hop->willing = true;
}

/* --- as segments leave and come ---------------------------------------------------------------- */

static __always_inline struct hop *hop_of(struct bpf_sock_ops *ctx, bool create)
{
	struct bpf_sock *sk = ctx->sk;

	return sk ? bpf_sk_storage_get(&hops, sk, 0, create ? BPF_SK_STORAGE_GET_F_CREATE : 0)
		  : NULL;
}

/* Is the next new segment to have ids? Finds them, if so. */
static __always_inline bool next_has_ids(struct hop *hop, struct connection_state *conn,
					 struct tcp_sock *tcp)
{
	__u32 next = tcp->snd_nxt;

	if (hop->set && hop->seq == next)
		return true;
	if (!turn_begins(conn) || !(conn->seq_known & (1 << DIRECTION_SEND)) ||
	    conn->tx_seq != next)
		return false;
	if (hop->test) {
		hop->ids.span = random_word();
		hop->ids.trace[0] = hop->ids.trace[1] = random_word();
	} else if (conn->carries || !is_sending(tcp) || !ids_of_sender(&hop->ids)) {
		return false;
	}
	hop->seq = next;
	hop->set = true;
	return true;
}

/*
 * How long will the options be? Asked for each segment, and where it is decided how much data they
 * hold: that must not be more than there is room for beside an option that may be needed.
 */
static __always_inline void hop_reserve(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct connection_state *conn;
	struct tcp_sock *tcp;
	struct hop *hop;
	bool needed;

	if (!sk)
		return;
	hop = bpf_sk_storage_get(&hops, sk, 0, 0);
	conn = bpf_sk_storage_get(&connections, sk, 0, 0);
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!hop || !conn || !tcp || !hop->willing)
		return;
	if (ctx->args[0] == BPF_WRITE_HDR_TCP_CURRENT_MSS)
		needed = (hop->set && (__s32)(hop->seq - tcp->snd_nxt) >= 0) ||
			 (turn_begins(conn) && conn->tx_seq == tcp->snd_nxt);
	else
		needed = ctx->skb_len && next_has_ids(hop, conn, tcp);
	if (needed)
		bpf_reserve_hdr_opt(ctx, sizeof(struct hop_option), 0);
}

/* The sequence number of the segment; false if its header is not to be seen. */
static __always_inline bool segment_seq(struct bpf_sock_ops *ctx, __u32 *seq)
{
	struct tcphdr *header = ctx->skb_data;

	if ((void *)(header + 1) > ctx->skb_data_end)
		return false;
	*seq = bpf_ntohl(header->seq);
	return true;
}

static __always_inline void begin_option(struct hop_option *option, __u8 len)
{
	option->kind = HOP_OPTION_KIND;
	option->len = len;
	option->exid[0] = HOP_OPTION_EXID >> 8;
	option->exid[1] = HOP_OPTION_EXID & 0xff;
}

/* Room that is not used is filled with options that do nothing. */
static __always_inline void hop_write(struct bpf_sock_ops *ctx)
{
	struct hop *hop = hop_of(ctx, false);
	struct hop_option option;
	__u32 seq;

	if (!hop || !hop->set || !segment_seq(ctx, &seq) || seq != hop->seq)
		return;
	begin_option(&option, sizeof(option));
	__builtin_memcpy(option.trace_id, hop->ids.trace, sizeof(option.trace_id));
	__builtin_memcpy(option.span_id, &hop->ids.span, sizeof(option.span_id));
	if (bpf_store_hdr_opt(ctx, &option, sizeof(option), 0) == 0)
		__sync_fetch_and_add(&hops_written, 1);
}

/*
 * Where one write makes several segments each has the option: the ids belong to the first of them, which
 * may not be the first to come.
 */
static __always_inline void note_arrival(struct hop *hop, __u32 seq, const struct hop_ids *ids)
{
	struct hop_arrival *a;

	for (int i = 0; i < ARRIVALS_MAX; i++) {
		a = &hop->arrivals[i];
		if (a->ids.span != ids->span || a->ids.trace[0] != ids->trace[0] ||
		    a->ids.trace[1] != ids->trace[1])
			continue;
		if ((__s32)(seq - a->seq) < 0) {
			a->seq = seq;
			a->sum = sum_of(a);
		}
		return;
	}
	a = &hop->arrivals[hop->arrivals_cnt++ & (ARRIVALS_MAX - 1)];
	a->ids = *ids;
	a->seq = seq;
	a->sum = sum_of(a);
}

static __always_inline void hop_read(struct bpf_sock_ops *ctx)
{
	struct hop_option option = {};
	struct hop_ids ids;
	struct hop *hop;
	__u32 seq;

	begin_option(&option, 4);
	if (bpf_load_hdr_opt(ctx, &option, sizeof(option), 0) != sizeof(option) ||
	    !segment_seq(ctx, &seq))
		return;
	__builtin_memcpy(ids.trace, option.trace_id, sizeof(option.trace_id));
	__builtin_memcpy(&ids.span, option.span_id, sizeof(option.span_id));
	if (!ids.span || !(ids.trace[0] | ids.trace[1]))
		return;
	hop = hop_of(ctx, true);
	if (!hop)
		return;
	note_arrival(hop, seq, &ids);
	__sync_fetch_and_add(&hops_read, 1);
}

static __always_inline int hop_event(struct bpf_sock_ops *ctx)
{
	struct hop *hop;

	if (!propagates())
		return 1;
	switch (ctx->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		hop = hop_of(ctx, false);
		if (hop && hop->willing && hops_in_header)
			watch_opening(ctx, hop);
		else if (hop && hop->willing)
			ask_for(ctx, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		ask_for(ctx, BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG);
		hop_read(ctx); /* data may come with the last segment of the handshake */
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		if (hops_in_header)
			end_opening(ctx);
		else
			hop_reserve(ctx);
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		hop_write(ctx);
		break;
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		hop_read(ctx);
		break;
	}
	return 1;
}

#endif
