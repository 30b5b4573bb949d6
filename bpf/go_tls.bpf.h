/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Plaintext of Go's crypto/tls, taken where a record is about to be encrypted and where one has been decrypted.
 * A handshake tells which socket a session uses; see goroutine.bpf.h. One that is older than sonde is told by
 * what its goroutine received from before it decrypted.
 */
#ifndef SONDE_BPF_GO_TLS_H
#define SONDE_BPF_GO_TLS_H

#include "bpf/tls.bpf.h"

#define TLS_ALERT 21
#define TLS_PLAINTEXT 23
#define CLOSE_NOTIFY 0

/* A record of a session. */
struct go_record {
	__u64 session, g, sp;
	struct plaintext passed;
	__u8 type;
};

static __always_inline bool all_in_place(struct pt_regs *ctx)
{
	__u32 file = TLS_COOKIE_FILE(bpf_get_attach_cookie(ctx));
	__u8 *whole = bpf_map_lookup_elem(&tls_files, &file);

	return whole && *whole;
}

/* A handshake begins: of a new session, perhaps where there was one before, or of an old one once more. */
static __always_inline int begin_handshake(struct pt_regs *ctx)
{
	struct tls_key key = {.session = GO_1(ctx), .pid = bpf_get_current_pid_tgid() >> 32};
	struct goroutine *noted = goroutine_get(GOROUTINE(ctx), true);
	bool whole = all_in_place(ctx);

	if (!noted)
		return 0;
	if (!bpf_map_lookup_elem(&tls_sessions, &key))
		session_new(&key, whole, true);
	noted->session = key.session;
	noted->depth = stack_depth(GOROUTINE(ctx), PT_REGS_SP(ctx));
	noted->handshake = true;
	noted->whole = whole;
	return 0;
}

/* Its socket is not known: is it the one that the goroutine received from, or will it be seen at once? */
static __always_inline void search_carrier(struct tls_session *t, const struct go_record *r)
{
	struct goroutine *noted = goroutine_get(r->g, r->passed.send);

	if (!noted)
		return;
	if (r->passed.send) {
		noted->session = r->session;
		noted->depth = stack_depth(r->g, r->sp);
		noted->handshake = false;
	} else if (noted->carrier.cookie && !noted->reader) {
		bind_session(t, &noted->carrier);
		noted->reader = r->session;
	}
}

static __always_inline void take_alert(struct scratch *s, struct tls_session *t,
				       const struct go_record *r)
{
	__u8 alert[2];

	if (r->passed.len == sizeof(alert) &&
	    !bpf_probe_read_user(alert, sizeof(alert), (void *)r->passed.buffer) &&
	    alert[1] == CLOSE_NOTIFY)
		emit_end(s, &t->conn, r->passed.time_ns, r->passed.send ? END_SHUTDOWN : END_EOF,
			 0);
}

static __noinline int take_record(struct scratch *s, struct task_state *state,
				  const struct go_record *r)
{
	struct tls_key key = {.session = r->session, .pid = bpf_get_current_pid_tgid() >> 32};
	struct tls_session *t = bpf_map_lookup_elem(&tls_sessions, &key);

	if (!t && r->type == TLS_PLAINTEXT)
		t = session_new(&key, false, false);
	if (!t)
		return 0;
	if (!t->carrier.cookie)
		search_carrier(t, r);
	if (!t->carrier.cookie) {
		if (r->type == TLS_PLAINTEXT) {
			t->spoiled = true;
			s->counts.tls_unbound += !(filter_kinds & FILTER_PORTS);
		}
		return 0;
	}
	t->conn.process_id = state->process_id;
	t->conn.tid = (__u32)bpf_get_current_pid_tgid();
	take_verdict(&t->conn, NULL, false);
	if (r->type == TLS_ALERT)
		take_alert(s, t, r);
	else
		take_plaintext(s, state, t, &r->passed);
	return 0;
}

static __always_inline int pass_record(struct task_state *state, struct go_record *r)
{
	struct scratch *s;

	if ((r->type != TLS_PLAINTEXT && r->type != TLS_ALERT) || !r->passed.len)
		return 0;
	s = scratch_take();
	if (!s) {
		spoil(r->session);
		return 0;
	}
	r->passed.time_ns = bpf_ktime_get_ns();
	if (current_task_state(s, bpf_jiffies64()) && sees_tls(state))
		take_record(s, state, r);
	scratch_give(s);
	return 0;
}

static __always_inline int before_write(struct pt_regs *ctx, struct task_state *state)
{
	struct go_record r = {
		.session = GO_1(ctx),
		.type = GO_2(ctx),
		.passed = {.buffer = GO_3(ctx), .len = GO_4(ctx), .send = true},
		.g = GOROUTINE(ctx),
		.sp = PT_REGS_SP(ctx),
	};

	return pass_record(state, &r);
}

static __always_inline int after_read(struct pt_regs *ctx, struct task_state *state)
{
	__u64 slot = PT_REGS_SP(ctx) + TLS_COOKIE_SLOT(bpf_get_attach_cookie(ctx));
	struct go_record r = {
		.passed = {.buffer = GO_1(ctx), .len = GO_2(ctx)},
		.type = GO_4(ctx),
		.g = GOROUTINE(ctx),
		.sp = PT_REGS_SP(ctx),
	};

	if (GO_5(ctx) || bpf_probe_read_user(&r.session, sizeof(r.session), (void *)slot))
		return 0;
	return pass_record(state, &r);
}

SEC("uprobe")
int tls_go(struct pt_regs *ctx)
{
	struct task_state *state = task_state(bpf_get_current_task_btf());
	__u32 kind = TLS_COOKIE_CALL(bpf_get_attach_cookie(ctx));

	if (!state || (state->checked && !sees_tls(state)))
		return 0;
	if (kind == TLS_GO_READ)
		return after_read(ctx, state);
	if (GO_GROWS(ctx))
		return 0;
	if (kind == TLS_GO_WRITE)
		return before_write(ctx, state);
	if (kind == TLS_GO_HANDSHAKE)
		return begin_handshake(ctx);
	return end_session(GO_1(ctx));
}

#endif
