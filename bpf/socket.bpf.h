/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The one body behind every variant of the socket hook: count, time, and copy the head of what
 * was sent or received. It knows turns (runs of operations in one direction) but no protocol.
 *
 * In each turn the first bytes are copied, up to settings.copy_turn, and of each operation at most
 * connection_state.copy_op. Operations of which nothing is copied are silent: they only move the
 * tail, which the connection's next record (or flush_tails) makes known.
 */
#ifndef SONDE_BPF_SOCKET_H
#define SONDE_BPF_SOCKET_H

#include "bpf/buffer.bpf.h"
#include "bpf/connection.bpf.h"
#include "bpf/frames.bpf.h"
#include "bpf/process.bpf.h"
#include "bpf/request.bpf.h"
#include "bpf/work.bpf.h"

#define FIRST_WSTAMP_MAX_AGE_NS 5000000ull
#define UNJUDGED_TURNS 8
#define QUEUED_MAX_NS 3600000000000ull
#define EAGAIN 11
#define ECONNRESET 104
#define EPIPE 32
#define ETIMEDOUT 110

static __always_inline void read_unix_path(struct record_connection *c, struct unix_sock *unix_sk)
{
	struct unix_address *addr = BPF_CORE_READ(unix_sk, addr);
	int len = BPF_CORE_READ(addr, len);

	if (!addr || len <= 2)
		return;
	bpf_probe_read_kernel(c->unix_path, sizeof(c->unix_path) - 1, &addr->name[0].sun_path);
	len -= 2;
	if (len < (int)sizeof(c->unix_path) && len > 0)
		c->unix_path[len & 127] = 0;
	if (c->unix_path[0] == 0)
		c->unix_path[0] = '@';
}

static __always_inline void read_unix(struct record_connection *c, struct sock *sk, bool typed)
{
	struct unix_sock *unix_sk = typed ? bpf_skc_to_unix_sock(sk) : (struct unix_sock *)sk;
	struct sock *peer;

	if (!unix_sk)
		return;
	peer = FIELD(unix_sk, peer);
	read_unix_path(c, unix_sk);
	if (c->unix_path[0]) {
		c->role = ROLE_SERVER_LIKELY;
	} else if (peer) {
		read_unix_path(c, (struct unix_sock *)peer);
		if (c->unix_path[0])
			c->role = ROLE_CLIENT;
	}
	if (peer)
		c->peer_cookie = peer_cookie(peer, typed);
}

static __always_inline bool other_end_is_own(const struct record_connection *c)
{
	struct own_end_key key = {.port = c->remote_port, .family = c->family};

	if (c->family == FAMILY_UNIX)
		return false;
	__builtin_memcpy(key.addr, c->remote_addr, sizeof(key.addr));
	return bpf_map_lookup_elem(&own_ends, &key);
}

static __always_inline bool ports_match(struct sock *sk, bool typed)
{
	bool unix_socket = FIELD(sk, __sk_common.skc_family) == FAMILY_UNIX;
	__u16 local = unix_socket ? 0 : FIELD(sk, __sk_common.skc_num);
	__u16 remote = unix_socket ? 0 : bpf_ntohs(FIELD(sk, __sk_common.skc_dport));

	if (!(filter_kinds & FILTER_PORTS))
		return true;
	return bpf_map_lookup_elem(&filter_ports, &local) ||
	       bpf_map_lookup_elem(&filter_ports, &remote);
}

/* Announces a connection, or decides to ignore it. */
static __noinline void announce_connection(struct scratch *s, struct sock *sk,
					   struct connection_state *conn, bool typed)
{
	struct record_connection *c = &s->connection;

	__builtin_memset(c, 0, sizeof(*c));
	c->head.size = sizeof(*c);
	c->head.kind = RECORD_CONNECTION;
	c->cookie = conn->cookie = socket_cookie(sk, conn, typed);
	c->time_ns = bpf_ktime_get_ns();
	c->netns_inum = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	c->process_id = conn->process_id;
	c->family = FIELD(sk, __sk_common.skc_family);
	c->role = conn->role;
	c->fresh = conn->fresh;
	if (c->family == FAMILY_UNIX) {
		read_unix(c, sk, typed);
	} else {
		c->local_port = FIELD(sk, __sk_common.skc_num);
		c->remote_port = bpf_ntohs(FIELD(sk, __sk_common.skc_dport));
		read_addresses(sk, c->family, &c->local_addr, &c->remote_addr, typed);
		if (c->role == ROLE_UNKNOWN && was_accepted(sk, c->family))
			c->role = ROLE_SERVER_LIKELY;
	}
	conn->role = c->role;
	conn->filtered = !ports_match(sk, typed);
	conn->own = other_end_is_own(c);
	if (conn->filtered || conn->own)
		return;
	if (conn->copy_op == 0) {
		conn->copy_op = settings.copy_first;
		conn->copy_turn = settings.copy_turn;
	}
	conn->announced = emit(s, c, sizeof(*c));
	if (conn->announced)
		conn->unheard_from = 0;
	else if (!conn->unheard_from)
		conn->unheard_from = conn->turn + 1;
}

static __always_inline void judge_walk(struct frame_walk *walk, __u8 agreed, __u8 again)
{
	if (agreed == walk->generation && walk->mode == WALK_TENTATIVE)
		walk->mode = WALK_AGREED;
	if (again == walk->generation)
		walk->mode = WALK_NONE;
}

static __always_inline void take_shape(struct connection_state *conn, const struct verdict *verdict)
{
	if (conn->shape != verdict->shape) {
		conn->shape = verdict->shape;
		conn->walks[0].mode = conn->walks[1].mode = WALK_NONE;
	}
	judge_walk(&conn->walks[0], verdict->agreed[0], verdict->again[0]);
	judge_walk(&conn->walks[1], verdict->agreed[1], verdict->again[1]);
}

/* Bytes that a turn may copy: more until user space, which is woken, has said what it wants of it. */
static __always_inline __u32 turn_max(const struct connection_state *conn)
{
	return conn->judged ? conn->copy_turn : UNJUDGED_TURNS * conn->copy_turn;
}

/* The turn in progress, which may go on for ever, has a limit from here on that it might have had before. */
static __always_inline void change_turn(struct connection_state *conn, __u32 copy_turn)
{
	__u32 copied = turn_max(conn) - conn->turn_left;

	conn->turn_left = copy_turn > copied ? copy_turn - copied : 0;
	conn->copy_turn = copy_turn;
}

static __always_inline void take_verdict(struct connection_state *conn, struct sock *sk, bool typed)
{
	__u32 generation = verdict_generation;
	__u64 cookie;
	struct verdict *verdict;

	if (conn->verdict_generation == generation)
		return;
	conn->verdict_generation = generation;
	cookie = socket_cookie(sk, conn, typed);
	verdict = bpf_map_lookup_elem(&verdicts, &cookie);
	if (!verdict)
		return;
	conn->copy_op = verdict->copy_op;
	change_turn(conn, verdict->copy_turn);
	conn->judged = true;
	conn->ignored = verdict->ignore;
	conn->several = verdict->several;
	if (conn->carries < verdict->carries)
		conn->carries = verdict->carries;
	take_shape(conn, verdict);
	if (verdict->forget) {
		conn->announced = conn->fresh = conn->judged = conn->waking = false;
		conn->walks[0].serial = conn->walks[1].serial = 0;
	}
	bpf_map_delete_elem(&verdicts, &cookie);
}

/* A stream socket of a family that is traced. */
static __always_inline bool is_traced_kind(struct sock *sk, bool typed)
{
	int family = FIELD(sk, __sk_common.skc_family);

	return FIELD(sk, sk_type) == 1 /* SOCK_STREAM */ &&
	       ((family == FAMILY_UNIX) ||
		((family == FAMILY_INET || family == FAMILY_INET6) && FIELD(sk, sk_protocol) == 6));
}

/*
 * A connection is gone that nobody was told of: how often it was asked is all that is known, and that each exchange is
 * two turns. Where it carried a session of TLS, that one counts.
 */
static __always_inline void count_unheard(struct scratch *s, struct connection_state *conn)
{
	if (conn->unheard_from && !conn->tls_session)
		s->counts.unheard += (conn->turn + 2 - conn->unheard_from) / 2;
	conn->unheard_from = 0;
}

/* It finds room in the ring, or among the late ones: without its end a connection's losses would not be counted. */
static __always_inline bool write_end(struct scratch *s, struct record_end *e)
{
	if (write_record(s, e, sizeof(*e)))
		return true;
	if (e->reason == END_CLOSED && bpf_map_push_elem(&late_ends, e, BPF_ANY) == 0) {
		__sync_fetch_and_add(&late_ends_cnt, 1);
		return true;
	}
	s->counts.ring_full++;
	return false;
}

/* May interrupt a hook that puts a record together in the scratch: has its own. */
static __noinline void emit_end(struct scratch *s, struct connection_state *conn, __u64 now,
				enum end_reason reason, __u16 error)
{
	struct record_end e = {};

	if (!conn->announced && reason == END_CLOSED)
		count_unheard(s, conn);
	if (!conn->announced || conn->ignored || (conn->ended & (1 << reason)))
		return;
	e.head.size = sizeof(e);
	e.head.kind = RECORD_END;
	e.cookie = conn->cookie;
	e.time_ns = now;
	e.tail_off = conn->tail_off;
	e.tail_ns = conn->tail_ns;
	e.tail_direction = conn->tail_direction;
	e.tail_flags = conn->tail_flags;
	e.rx_off = conn->rx_off;
	e.tx_off = conn->tx_off;
	e.reason = reason;
	e.error = error;
	e.turn = conn->turn;
	e.last_begun[0] = conn->walks[0].last_begun;
	e.last_begun[1] = conn->walks[1].last_begun;
	if (write_end(s, &e)) {
		conn->ended |= 1 << reason;
		conn->tail_off = 0;
	}
}

/* The sequence number after the last byte read. A FIN that was read along with it counts as one. */
static __always_inline __u32 bytes_read_until(struct sock *sk, struct tcp_sock *tcp, bool typed)
{
	__u32 seq = FIELD(tcp, copied_seq);

	if ((FIELD(sk, __sk_common.skc_flags) & (1 << SOCK_DONE)) && seq == FIELD(tcp, rcv_nxt))
		seq--;
	return seq;
}

/* Bytes that came and were not read; a FIN is none. */
static __always_inline __u32 bytes_unread(struct sock *sk, struct tcp_sock *tcp)
{
	__u32 unread = tcp->rcv_nxt - tcp->copied_seq;

	return unread && (sk->__sk_common.skc_flags & (1 << SOCK_DONE)) ? unread - 1 : unread;
}

/*
 * Brings the stream offset to where TCP's own sequence numbers say this operation began, so that
 * bytes which passed unseen (splice on some kernels) become a gap. Returns that first sequence
 * number.
 */
static __always_inline __u32 sync_offset(struct connection_state *conn, __u32 until, __u32 len,
					 bool send)
{
	__u32 begin = until - len;

	if (!(conn->seq_known & (1 << send)))
		conn->seq_known |= 1 << send;
	else if (send)
		conn->tx_off += (__s64)(__s32)(begin - conn->tx_seq);
	else
		conn->rx_off += (__s64)(__s32)(begin - conn->rx_seq);
	if (send)
		conn->tx_seq = until;
	else
		conn->rx_seq = until;
	return begin;
}

/*
 * When an operation passed. For a send over TCP that is when its last packet left, and costs no
 * reading of the clock; a packet that is still queued leaves no later than now.
 */
static __always_inline __u64 passed_ns(struct connection_state *conn, struct tcp_sock *tcp,
				       bool send, bool typed)
{
	__u64 now, wstamp, last = conn->wstamp_ns;

	if (!tcp || !send)
		return bpf_ktime_get_ns();
	wstamp = FIELD(tcp, tcp_wstamp_ns);
	conn->wstamp_ns = wstamp;
	if (last && wstamp != last)
		return wstamp;
	now = bpf_ktime_get_ns();
	if (wstamp == last || now - wstamp > FIRST_WSTAMP_MAX_AGE_NS)
		return now;
	return wstamp;
}

/*
 * Bytes of this operation that may be copied; starts a new turn when the direction changes. What
 * follows a short operation may be another message, whatever the turn has cost so far: a server
 * that answers early reads the rest of a body and the next request in one turn.
 */
static __always_inline __u32 copy_budget(struct connection_state *conn, __u32 len, bool send)
{
	__u32 budget = len;

	if (conn->turn == 0 || conn->direction != send) {
		conn->turn++;
		conn->direction = send;
		conn->turn_left = turn_max(conn);
		conn->longest_op = 0;
	}
	if (budget > conn->copy_op)
		budget = conn->copy_op;
	if (budget > conn->turn_left && conn->last_op >= conn->longest_op)
		budget = conn->turn_left;
	conn->last_op = len;
	if (len > conn->longest_op)
		conn->longest_op = len;
	return budget;
}

/* n bytes of the turn's operations were copied. */
static __always_inline void note_copied(struct scratch *s, struct connection_state *conn, __u32 n)
{
	if (conn->copy_turn != ENDLESS_TURN)
		conn->turn_left -= n < conn->turn_left ? n : conn->turn_left;
	if (!conn->judged && !conn->waking &&
	    conn->turn_left < (UNJUDGED_TURNS - 1) * conn->copy_turn)
		conn->waking = s->wake = true;
}

struct op_facts {
	__u64 time_ns, off;
	__u32 len, seq, peer_seq;
	__u32 queued_us;
	__u16 flags;
};

/*
 * Room for the payload of a record that is written where it stays. Few sizes, since the verifier
 * wants constants; what is larger is put together in the scratch first.
 */
static __always_inline __u64 direct_room(__u64 want)
{
	return want <= 64    ? 64
	       : want <= 128 ? 128
	       : want <= 256 ? 256
	       : want <= 512 ? 512
			     : DIRECT_MAX;
}

/*
 * Copies want bytes of the buffer into a new record. Returns the record with its payload's size in
 * copied; NULL when the ring is full.
 */
static __always_inline struct record_op *begin_op(struct scratch *s, bool direct,
						  const struct user_buffer *buffer, __u64 want,
						  __u64 *copied)
{
	struct record_op *op;
	int got;

	*copied = 0;
	if (direct) {
		op = bpf_ringbuf_reserve(&records, sizeof(*op) + direct_room(want), 0);
		barrier_var(want); /* 6.1 wants to see its bound here */
		if (!op)
			s->counts.ring_full++;
		else if (want && want <= DIRECT_MAX &&
			 bpf_probe_read_user(op + 1, want, (void *)buffer->base) == 0)
			*copied = want;
		return op;
	}
	if (buffer->iov_cnt) {
		got = copy_vector(s->slot, buffer->iov, buffer->iov_cnt, want);
		*copied = got > 0 ? (__u64)got & COPY_MASK : 0;
	} else {
		barrier_var(want); /* the same */
		if (want <= COPY_MAX &&
		    bpf_probe_read_user(s->payload, want, (void *)buffer->base) == 0)
			*copied = want;
	}
	return &s->op;
}

static __always_inline bool end_op(struct scratch *s, bool direct, struct record_op *op,
				   __u64 copied)
{
	if (!direct) {
		barrier_var(copied); /* else the mask is left out, which old verifiers need */
		return emit(s, &s->op, sizeof(*op) + (copied & COPY_MASK));
	}
	bpf_ringbuf_submit(op, wakeup_flags(s));
	return true;
}

/* What a record of an operation says besides its payload. */
static __always_inline void fill_op(struct record_op *op, const struct connection_state *conn,
				    const struct op_facts *facts, __u16 kind, __u64 copied)
{
	op->head.size = sizeof(*op) + copied;
	op->head.kind = kind;
	op->head.flags = facts->flags;
	op->cookie = conn->cookie;
	op->time_ns = facts->time_ns;
	op->off = facts->off;
	op->len = facts->len;
	op->turn = conn->turn;
	op->process_id = conn->process_id;
	op->tid = conn->tid;
	op->seq = facts->seq;
	op->peer_seq = facts->peer_seq;
	op->tail_off = conn->tail_off;
	op->tail_ns = conn->tail_ns;
	op->tail_direction = conn->tail_direction;
	op->tail_flags = conn->tail_flags;
	__builtin_memset(op->reserved, 0, sizeof(op->reserved));
	op->queued_us = facts->queued_us;
}

static __always_inline void emit_copy(struct scratch *s, struct connection_state *conn,
				      const struct user_buffer *buffer,
				      const struct op_facts *facts, __u64 want)
{
	bool direct = want <= DIRECT_MAX && want <= buffer->base_len;
	struct record_op *op;
	__u64 copied;

	tell_times_apart(conn);
	if (!has_room_for_op(s))
		return;
	op = begin_op(s, direct, buffer, want, &copied);
	if (!op)
		return;
	if (want && copied == 0)
		s->counts.unreadable++;
	note_copied(s, conn, copied);
	fill_op(op, conn, facts, RECORD_OP, copied);
	if (end_op(s, direct, op, copied))
		conn->tail_off = 0;
}

/* What is still to be done with an operation, from what is in the scratch. */
enum rest_of_op {
	OP_DONE,
	OP_TO_WALK,  /* its frames */
	OP_TO_SPLIT, /* it is to be copied to several records */
};

/* Writes the next part of the operation that the scratch describes. True if another one may follow. */
__noinline int split_off(__u32 slot, struct connection_state *conn)
{
	struct scratch *s = scratch_at(slot);
	__u32 n, rest;

	if (!s || !conn || !s->work.want)
		return false;
	if (!has_room_for_op(s)) {
		s->op.len = 0; /* so is what is left of it */
		return false;
	}
	n = s->work.want < PIECE_MAX ? s->work.want : PIECE_MAX;
	rest = s->op.len;
	if (!take_frames(s, 0, n)) {
		s->counts.unreadable++;
		return false;
	}
	barrier_var(n); /* 6.1 wants to see its bound below */
	if (n > PIECE_MAX)
		return false;
	s->work.want -= n;
	if (s->work.want)
		s->op.len = n;
	s->op.head.size = sizeof(s->op) + n;
	if (emit(s, &s->op, sizeof(s->op) + n))
		conn->tail_off = s->op.tail_off = 0;
	note_copied(s, conn, n);
	s->op.off += s->op.len;
	if (s->op.seq)
		s->op.seq += s->op.len;
	s->op.len = rest - s->op.len;
	return true;
}

/* Writes the operation that the scratch describes as several, of which the last has what is not copied. */
static __noinline int split_op(struct scratch *s, struct connection_state *conn)
{
	tell_times_apart(conn);
	rewind_buffer(&s->work);
	for (int i = 0; i < COPY_PARTS_MAX / PIECE_MAX; i++)
		if (!split_off(s->slot, conn))
			break;
	if (s->op.len) {
		s->op.head.size = sizeof(s->op);
		if (emit(s, &s->op, sizeof(s->op)))
			conn->tail_off = 0;
	}
	return 0;
}

/*
 * What some connections begin with tells their frames' shape at once: however long user space takes to find
 * out too, none is missed meanwhile.
 */
static __noinline int know_opening(struct connection_state *conn, const struct user_buffer *buffer)
{
	__u64 opening = 0;
	__u8 *shape;

	if (buffer->base_len < OPENING_LEN ||
	    bpf_probe_read_user(&opening, sizeof(opening), (void *)buffer->base))
		return 0;
	shape = bpf_map_lookup_elem(&openings, &opening);
	if (shape)
		conn->shape = *shape;
	return 0;
}

/* Bytes have come for a server, in whatever context. */
static __always_inline void begin_queue(struct sock *sk)
{
	struct connection_state *conn;

	if (sk->sk_type != 1 /* SOCK_STREAM */)
		return;
	conn = connection_get(sk, false, !settings.by_address);
	if (conn && conn->role >= ROLE_SERVER && !conn->arrived_ns)
		conn->arrived_ns = bpf_ktime_get_ns();
}

/* What came first has been read now: how long it waited, in us, of which less than one is one. */
static __always_inline __u32 end_queue(struct connection_state *conn, __u64 now)
{
	__u64 arrived_ns = conn->arrived_ns;

	conn->arrived_ns = 0;
	if (!arrived_ns || now < arrived_ns || now - arrived_ns > QUEUED_MAX_NS)
		return 0;
	return (__u32)((now - arrived_ns) / 1000) + 1;
}

#define OF_SEND 1
#define OF_TYPED 2 /* OP_TIMED are bits of it, too */

/*
 * Takes the bytes of an operation: copies what is wanted of them, or leaves to the scratch what is still to
 * be done. May it be silent if nothing is copied?
 */
static __always_inline enum rest_of_op take_bytes(struct scratch *s, struct connection_state *conn,
						  const struct user_buffer *buffer,
						  struct op_facts *facts, bool may_be_silent)
{
	bool send = facts->flags & OP_SEND, found = buffer->iov_cnt || buffer->base_len, silent;
	__u32 turn = conn->turn, len = facts->len;
	__u64 want;

	facts->off = send ? conn->tx_off : conn->rx_off;
	if (send) {
		conn->tx_off += len;
	} else {
		conn->rx_off += len;
		conn->received_ns = facts->time_ns;
		conn->received_switches = switches_so_far();
	}
	facts->flags |= found ? 0 : OP_NO_BUFFER;
	want = copy_budget(conn, len, send);
	if (!found)
		want = 0;
	silent = may_be_silent && turn == conn->turn;
	if (conn->shape || want > COPY_MAX) {
		fill_op(&s->op, conn, facts, conn->shape ? RECORD_FRAMES : RECORD_OP, 0);
		s->work.buffer = *buffer;
		s->work.want = want;
		s->work.bits = (send ? WALK_SEND : 0) | (turn != conn->turn ? WALK_NEW_TURN : 0) |
			       (silent ? WALK_MAY_BE_SILENT : 0);
		return conn->shape ? OP_TO_WALK : OP_TO_SPLIT;
	}
	if (want == 0 && silent) {
		conn->tail_off = facts->off + len;
		conn->tail_ns = facts->time_ns;
		conn->tail_direction = send;
		conn->tail_flags = facts->flags & OP_TIMED;
	} else {
		emit_copy(s, conn, buffer, facts, want);
		if (facts->off == 0)
			know_opening(conn, buffer);
	}
	return OP_DONE;
}

static __always_inline void finish_op(struct scratch *s, struct connection_state *conn,
				      enum rest_of_op rest)
{
	if (rest == OP_TO_WALK)
		note_copied(s, conn, walk_op(s, conn));
	else if (rest == OP_TO_SPLIT)
		split_op(s, conn);
}

static __always_inline struct tcp_sock *tcp_of(struct sock *sk, bool typed)
{
	if (FIELD(sk, __sk_common.skc_family) == FAMILY_UNIX)
		return NULL;
	return typed ? bpf_skc_to_tcp_sock(sk) : (struct tcp_sock *)sk;
}

/* A function of its own, as is what is to be done then, for the sake of the stack. */
static __noinline enum rest_of_op emit_op(struct scratch *s, struct sock *sk,
					  struct connection_state *conn, __u32 len, __u32 of)
{
	bool send = of & OF_SEND, typed = of & OF_TYPED;
	struct tcp_sock *tcp = tcp_of(sk, typed);
	struct op_facts facts = {
		.time_ns = passed_ns(conn, tcp, send, typed),
		.len = len,
		.flags = (send ? OP_SEND : 0) | (of & OP_TIMED),
	};
	struct user_buffer buffer = {};

	if (tcp) {
		facts.seq =
			sync_offset(conn,
				    send ? FIELD(tcp, write_seq) : bytes_read_until(sk, tcp, typed),
				    len, send);
		facts.peer_seq = send ? FIELD(tcp, copied_seq) : FIELD(tcp, write_seq);
	}
	if (!send) {
		facts.queued_us = end_queue(conn, facts.time_ns);
		conn->overtaken = facts.peer_seq != conn->tx_seq;
	}
	find_buffer(&buffer);
	return take_bytes(s, conn, &buffer, &facts, tcp);
}

/*
 * Is the current task to be traced on this connection? The answer is kept with the connection for
 * as long as the same thread uses it, so that the usual operation needs no task storage.
 */
static __always_inline bool is_traced(struct scratch *s, struct sock *sk,
				      struct connection_state *conn, bool typed)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 jiffies = bpf_jiffies64();
	struct task_state *state;

	if (conn && conn->tid == task->pid && conn->exec_id == task->self_exec_id &&
	    conn->filter_generation == filter_generation &&
	    jiffies - conn->checked_jiffies < RECHECK_JIFFIES)
		return !conn->untraced;
	state = current_task_state(s, jiffies);
	if (!state) /* not now: as before, and asked again the next time */
		return conn && !conn->untraced;
	if (!conn)
		return state->traced;
	conn->tid = task->pid;
	conn->exec_id = task->self_exec_id;
	conn->checked_jiffies = jiffies;
	if (conn->filter_generation != filter_generation)
		conn->filtered = !ports_match(sk, typed);
	conn->filter_generation = filter_generation;
	conn->untraced = !state->traced;
	if (state->traced)
		conn->process_id = state->process_id;
	return state->traced;
}

/* The state of a connection, made if there is none, if the current task is to be traced on it; else NULL. */
static __always_inline struct connection_state *
traced_connection(struct scratch *s, struct sock *sk, struct connection_state *conn, bool typed)
{
	if (!is_traced(s, sk, conn, typed))
		return NULL;
	if (conn)
		return conn;
	conn = connection_get(sk, true, typed);
	if (conn)
		is_traced(s, sk, conn, typed);
	else
		s->counts.no_storage++;
	return conn;
}

#include "bpf/datagram.bpf.h"
#include "bpf/carrier.bpf.h"
#include "bpf/hop.bpf.h"

static __always_inline int socket_op(struct sock *sk, int ret, int flags, bool send, bool typed)
{
	struct connection_state *conn;
	struct task_state *state;
	struct scratch *s;
	__u32 turn, of;

	if (ret == -EAGAIN) {
		if (sk && !send && settings.blind_to_polls)
			note_wait(sk, typed);
		return forget_mmsg();
	}
	if (!sk || (flags & (MSG_PEEK | MSG_ERRQUEUE)))
		return 0;
	if (!is_traced_kind(sk, typed))
		return is_udp(sk, typed) ? datagram_op(sk, ret, flags, send, typed) : 0;
	s = scratch_get();
	if (!s)
		return 0;
	conn = connection_get(sk, false, typed);
	if (conn && (conn->own || (conn->ignored && !tls_used) ||
		     (conn->filtered && conn->filter_generation == filter_generation)))
		return 0;
	conn = traced_connection(s, sk, conn, typed);
	if (!conn)
		return 0;
	take_verdict(conn, sk, typed);
	if (!conn->announced)
		announce_connection(s, sk, conn, typed);
	if (conn->own || conn->filtered)
		return 0;
	of = (send ? OF_SEND : 0) | (typed ? OF_TYPED : 0);
	state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	if (ret <= 0) {
		end_work(state, conn);
	} else if (send) {
		note_answer(state, conn);
	} else {
		note_receive(state, sk, conn, flags, typed);
		if (propagates())
			note_serving(conn);
	}
	if (ret > 0 && (tls_used || conn->carries) && carry_op(state, sk, conn, ret, of))
		return 0;
	if (conn->ignored)
		return 0;
	turn = conn->turn;
	if (ret > 0) {
		if (propagates())
			hop_op(s, sk, conn, ret, send, typed);
		if (send)
			of |= tell_send(s, state, conn, ret);
		finish_op(s, conn, emit_op(s, sk, conn, ret, of));
		if (!send)
			begin_work(state, conn, ret);
		if (state && notes_requests())
			note_request(state, conn, turn, ret, flags & MSG_DONTWAIT);
	} else if (ret == 0 && !send && (FIELD(sk, sk_shutdown) & RCV_SHUTDOWN)) {
		emit_end(s, conn, bpf_ktime_get_ns(), END_EOF, 0);
	} else if (ret == -ECONNRESET || ret == -EPIPE || ret == -ETIMEDOUT) {
		emit_end(s, conn, bpf_ktime_get_ns(), END_ERROR, -ret);
	}
	return 0;
}

#endif
