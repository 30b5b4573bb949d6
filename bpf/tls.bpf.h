/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Plaintext, taken where programs call a TLS library: at a call's entry its arguments are noted in the
 * task; when it returns, the buffer holds what was sent or received. User space chooses the places of the
 * probes, and says with a cookie what each function does (include/abi/tls.h).
 *
 * Of calls inside a call the outermost counts, told by the stack pointer. The plaintext of a session is a
 * connection like any other, with offsets of its own, as soon as it is known which socket carries it
 * (carrier.bpf.h); what passes before that is counted.
 *
 * These programs may be preempted: they work in scratches that are taken and given back.
 */
#ifndef SONDE_BPF_TLS_H
#define SONDE_BPF_TLS_H

#include "bpf/socket.bpf.h"

#define NESTED_MAX (8u << 20) /* bytes of stack; what is further away is another stack */
#define SCRATCH_TRIES 4
#define FILE_SENT_MAX 0x7ffff000u /* bytes, by one call */

_Static_assert(__builtin_offsetof(struct scratch, slot) == SCRATCH_SLOT_AT, "user space writes it");

/* A scratch that nobody works in, of this CPU or of one of the next; NULL: all are taken. */
static __always_inline struct scratch *scratch_take(void)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct scratch *s = NULL;

	for (int i = 0; i < SCRATCH_TRIES; i++) {
		__u32 at = cpu + i < settings.cpus ? cpu + i : i;

		s = scratch_at(2 * settings.cpus + at);
		if (s && __sync_lock_test_and_set(&s->busy, 1ull) == 0)
			return s;
	}
	if (s)
		s->counts.tls_busy++;
	return NULL;
}

static __always_inline void scratch_give(struct scratch *s)
{
	__sync_lock_test_and_set(&s->busy, 0ull);
}

static __always_inline bool is_fresh(const struct tls_session *t)
{
	return t->whole && t->begun && !t->spoiled;
}

static __always_inline void announce_plaintext(struct scratch *s, struct tls_session *t)
{
	struct record_connection *c = &s->connection;

	__builtin_memset(c, 0, sizeof(*c));
	c->head.size = sizeof(*c);
	c->head.kind = RECORD_CONNECTION;
	c->cookie = t->conn.cookie;
	c->time_ns = bpf_ktime_get_ns();
	c->netns_inum = t->carrier.netns_inum;
	c->process_id = t->conn.process_id;
	c->family = t->carrier.family;
	c->role = t->carrier.role;
	c->fresh = is_fresh(t) && t->conn.turn == 0;
	c->local_port = t->carrier.local_port;
	c->remote_port = t->carrier.remote_port;
	__builtin_memcpy(c->local_addr, t->carrier.local_addr, sizeof(c->local_addr));
	__builtin_memcpy(c->remote_addr, t->carrier.remote_addr, sizeof(c->remote_addr));
	t->conn.announced = emit(s, c, sizeof(*c));
}

/* An enum rest_of_op. Verified once. */
__noinline int emit_plaintext(__u32 slot, struct tls_session *t, const struct plaintext *passed,
			      __u32 timed)
{
	struct scratch *s = scratch_at(slot);
	struct user_buffer buffer = {};
	struct op_facts facts = {};
	bool known, send;
	__u32 tx, rx;

	if (!s || !t || !passed)
		return OP_DONE;
	known = is_fresh(t) && t->carrier.tx_seq;
	send = passed->send;
	facts.time_ns = passed->time_ns;
	facts.len = passed->len;
	facts.flags = (send ? OP_SEND : 0) | timed;
	tx = t->carrier.tx_seq + (__u32)t->conn.tx_off;
	rx = t->carrier.rx_seq + (__u32)t->conn.rx_off;
	if (passed->vector_cnt) {
		take_vector(&buffer, passed->buffer, passed->vector_cnt);
	} else {
		buffer.base = passed->buffer;
		buffer.base_len = passed->buffer ? passed->len : 0;
	}
	if (known) {
		facts.seq = send ? tx : rx;
		facts.peer_seq = send ? rx : tx;
	}
	return take_bytes(s, &t->conn, &buffer, &facts, false);
}

static __always_inline void take_plaintext(struct scratch *s, struct task_state *state,
					   struct tls_session *t, const struct plaintext *passed)
{
	__u32 turn = t->conn.turn, timed = 0;

	if (!t->conn.announced)
		announce_plaintext(s, t);
	if (t->conn.ignored)
		return;
	if (passed->send)
		timed = tell_send(s, state, &t->conn, passed->len);
	finish_op(s, &t->conn, (enum rest_of_op)emit_plaintext(s->slot, t, passed, timed));
	if (!passed->send)
		begin_work(state, &t->conn, passed->len);
	if (notes_requests())
		note_request(state, &t->conn, turn, passed->len, true);
}

/* The socket that the call tells its session to use; NULL: it tells nothing. */
static __always_inline const struct tls_carrier *carrier_of(const struct tls_call_state *call,
							    const struct tls_session *t)
{
	__u32 kind = TLS_COOKIE_CALL(call->cookie);

	if (!call->carrier.cookie)
		return NULL;
	if (call->carrier.in_call)
		return &call->carrier;
	/* Who writes first may do so on an old session, whatever was read from before. */
	if (call->io || (t ? t->carrier.cookie : kind == TLS_WRITE))
		return NULL;
	return &call->carrier;
}

/* What a call that has returned has passed; 0: nothing, or it cannot be told. */
static __always_inline __u32 bytes_passed(const struct tls_call_state *call, long ret)
{
	__u32 kind = TLS_COOKIE_CALL(call->cookie), answer = TLS_COOKIE_ANSWER(call->cookie);
	__u64 count = 0;

	if ((int)ret <= 0 || (kind != TLS_READ && kind != TLS_WRITE))
		return 0;
	if (answer == TLS_ANSWER_COUNT)
		count = (int)ret;
	else if (bpf_probe_read_user(&count, sizeof(count), (void *)call->count_at))
		return 0;
	return count <= call->len ? count : 0;
}

static __always_inline void take_return(struct scratch *s, struct task_state *state,
					struct tls_session *t, const struct tls_call_state *call,
					long ret)
{
	__u32 kind = TLS_COOKIE_CALL(call->cookie);
	struct plaintext passed = {
		.buffer = call->buffer,
		.len = bytes_passed(call, ret),
		.send = kind == TLS_WRITE,
		.time_ns = kind == TLS_WRITE && call->sent_ns ? call->sent_ns : bpf_ktime_get_ns(),
	};

	take_verdict(&t->conn, NULL, false);
	if (passed.len) {
		take_plaintext(s, state, t, &passed);
	} else if (kind == TLS_SHUTDOWN) {
		emit_end(s, &t->conn, bpf_ktime_get_ns(), END_SHUTDOWN, 0);
	} else if (kind == TLS_READ && ret == 0 && call->len &&
		   TLS_COOKIE_ANSWER(call->cookie) == TLS_ANSWER_COUNT) {
		emit_end(s, &t->conn, bpf_ktime_get_ns(), END_EOF, 0);
	}
}

static __always_inline void end_call(struct scratch *s, struct task_state *state, long ret)
{
	struct tls_call_state *call = &state->tls;
	struct tls_key key = {.session = call->session, .pid = bpf_get_current_pid_tgid() >> 32};
	__u32 kind = TLS_COOKIE_CALL(call->cookie);
	struct tls_session *t = bpf_map_lookup_elem(&tls_sessions, &key);
	const struct tls_carrier *carrier = carrier_of(call, t);

	if (!t)
		t = session_new(&key, call->whole, kind == TLS_HANDSHAKE);
	if (!t) {
		s->counts.tls_unbound++;
		return;
	}
	if (carrier)
		bind_session(t, carrier);
	call->carrier.cookie = 0;
	call->lost = t->carrier.cookie ? 0 : key.session;
	if (!t->carrier.cookie) {
		if (bytes_passed(call, ret)) {
			t->spoiled = true;
			s->counts.tls_unbound += !(filter_kinds & FILTER_PORTS);
		}
		return;
	}
	call->bound = key.session;
	t->conn.process_id = state->process_id;
	t->conn.tid = (__u32)bpf_get_current_pid_tgid();
	take_return(s, state, t, call, ret);
}

#include "bpf/apart.bpf.h"

/* Forgets a session, and says that it has ended. */
static __always_inline int end_session(__u64 session)
{
	struct tls_key key = {.session = session, .pid = bpf_get_current_pid_tgid() >> 32};
	struct tls_session *t = bpf_map_lookup_elem(&tls_sessions, &key);
	struct scratch *s = t ? scratch_take() : NULL;

	if (!t)
		return 0;
	if (s) {
		emit_end(s, &t->conn, bpf_ktime_get_ns(), END_CLOSED, 0);
		scratch_give(s);
	}
	bpf_map_delete_elem(&tls_sessions, &key);
	return 0;
}

/* Something of it was missed: it counts no more as seen from its beginning. */
static __always_inline void spoil(__u64 session)
{
	struct tls_key key = {.session = session, .pid = bpf_get_current_pid_tgid() >> 32};
	struct tls_session *t = bpf_map_lookup_elem(&tls_sessions, &key);

	if (t)
		t->spoiled = true;
}

SEC("uprobe")
int tls_enter(struct pt_regs *ctx)
{
	struct task_state *state = task_state(bpf_get_current_task_btf());
	__u64 cookie = bpf_get_attach_cookie(ctx), sp = PT_REGS_SP(ctx);
	__u32 file = TLS_COOKIE_FILE(cookie);
	struct tls_call_state *call;
	__u8 *whole;

	if (!state || (state->checked && !sees_tls(state)))
		return 0;
	if (TLS_COOKIE_CALL(cookie) == TLS_FREE)
		return end_session(PT_REGS_PARM1(ctx));
	call = &state->tls;
	if (call->session && sp < call->sp && call->sp - sp < NESTED_MAX) {
		if (PT_REGS_PARM1(ctx) != call->session)
			call->nested = PT_REGS_PARM1(ctx);
		return 0;
	}
	whole = bpf_map_lookup_elem(&tls_files, &file);
	call->whole = whole && *whole;
	call->used = true;
	call->session = PT_REGS_PARM1(ctx);
	call->buffer = PT_REGS_PARM2(ctx);
	call->len = PT_REGS_PARM3(ctx);
	call->count_at = PT_REGS_PARM4(ctx);
	/* Else an argument would be chosen by a computed offset, which no verifier takes. */
	barrier_var(call);
	if (TLS_COOKIE_ANSWER(cookie) == TLS_ANSWER_FLAG_4)
		call->count_at = PT_REGS_PARM5(ctx);
	if (cookie & TLS_COOKIE_BUFFER_NEXT) {
		call->buffer = PT_REGS_PARM3(ctx);
		barrier_var(call);
		call->len = PT_REGS_PARM4(ctx);
	}
	call->sp = sp;
	call->sent_ns = call->nested = 0;
	call->io = false;
	call->cookie = cookie;
	if (TLS_COOKIE_CALL(cookie) == TLS_SEND_FILE) {
		call->cookie += TLS_WRITE - TLS_SEND_FILE;
		call->buffer = 0;
		call->len = FILE_SENT_MAX;
	}
	if (cookie & TLS_COOKIE_APART)
		begin_apart(call, &state->apart);
	return 0;
}

/* Half of all reads find nothing to read. */
static __always_inline bool learns_nothing(const struct tls_call_state *call)
{
	return call->session == call->bound && !call->carrier.cookie &&
	       TLS_COOKIE_CALL(call->cookie) == TLS_READ;
}

SEC("uretprobe")
int tls_leave(struct pt_regs *ctx)
{
	struct task_state *state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	struct scratch *s;

	if (!state || !state->tls.session || PT_REGS_SP(ctx) != state->tls.sp + sizeof(__u64))
		return 0;
	if ((int)PT_REGS_RC(ctx) < 0 && learns_nothing(&state->tls)) {
		state->tls.session = 0;
		return 0;
	}
	s = scratch_take();
	if (!s) {
		spoil(state->tls.session);
	} else {
		if (current_task_state(s, bpf_jiffies64()) && sees_tls(state)) {
			if (state->tls.cookie & TLS_COOKIE_APART)
				end_apart(s, state, PT_REGS_RC(ctx), PT_REGS_PARM3(ctx));
			else
				end_call(s, state, PT_REGS_RC(ctx));
		}
		scratch_give(s);
	}
	state->tls.session = 0;
	return 0;
}

#endif
