/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sessions of a library that leaves sockets to the program (rustls): one call takes ciphertext from a
 * socket, another gives decrypted bytes; one takes bytes to encrypt, another gives ciphertext to a socket.
 * Each has another part of the session in its first argument, and a session may move in memory.
 *
 * Which socket a call belongs to is told by the call that used one: the same thread's, right before what is
 * read, right after what is written, on a part that is so near that it is of the same session. What is read
 * later, of what one call has decrypted, is found by its part, or, if the session has moved since then, as
 * the first of a session that was fed just now, or by the heap that its queue owns, which is where the last
 * read has left it. So the session of the plaintext goes by its socket's cookie.
 */
#ifndef SONDE_BPF_APART_H
#define SONDE_BPF_APART_H

#include "bpf/tls.bpf.h"

#define SESSION_SZ_MAX 2048 /* bytes between two parts of a session */
#define RECORD_SZ_MAX 16384 /* of plaintext; more is no length */
#define ADDRESS_MIN 65536   /* less is no address, and neither is as much as ... */
#define ADDRESS_END (1ull << 63)
#define BORROWED (1ull << 63) /* the tag of what is not owned; else it is a capacity */

/* The plaintext's cookie of the socket that a part's session uses. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space: at least TLS_SESSIONS_MIN, where it is used */
	__type(key, struct tls_key);
	__type(value, __u64);
} tls_parts SEC(".maps") __weak;

static __always_inline void copy_queue(__u64 words[BUFFER_WORDS], __u64 part)
{
	if (bpf_probe_read_user(words, BUFFER_WORDS * sizeof(words[0]), (void *)part))
		__builtin_memset(words, 0, BUFFER_WORDS * sizeof(words[0]));
}

/* Where the call's bytes are, unless that is in its arguments. */
static __always_inline void begin_apart(struct tls_call_state *call, struct tls_apart *apart)
{
	__u64 words[3] = {}; /* what they are is told by their values alone */

	if (call->cookie & TLS_COOKIE_BORROWED) {
		bpf_probe_read_user(&call->session, sizeof(call->session), (void *)call->session);
		copy_queue(apart->begun, call->session);
	}
	if (call->cookie & TLS_COOKIE_PAYLOAD) {
		bpf_probe_read_user(words, sizeof(words), (void *)call->buffer);
		call->buffer = words[1];
		call->len = words[2];
		if (words[1] < ADDRESS_MIN || words[2] > RECORD_SZ_MAX ||
		    (words[0] != BORROWED && words[0] < words[2]))
			call->buffer = 0;
	}
}

static __always_inline bool is_near(__u64 a, __u64 b)
{
	return a - b + SESSION_SZ_MAX < 2ull * SESSION_SZ_MAX;
}

static __always_inline struct tls_session *session_on(__u64 carrier)
{
	struct tls_key key = {.session = carrier};

	return carrier ? bpf_map_lookup_elem(&tls_sessions, &key) : NULL;
}

/* The socket is closing: where its session was, another one may be soon. */
static __always_inline void close_apart(__u64 cookie)
{
	struct tls_session *t = session_on(cookie | PLAINTEXT_COOKIE);

	if (t)
		t->closing = true;
}

static __always_inline void note_part(__u64 part, __u64 carrier)
{
	struct tls_key key = {.session = part, .pid = bpf_get_current_pid_tgid() >> 32};
	__u64 *known = bpf_map_lookup_elem(&tls_parts, &key);

	if (!known || *known != carrier)
		bpf_map_update_elem(&tls_parts, &key, &carrier, BPF_ANY);
}

static __always_inline __u64 recall_part(__u64 part)
{
	struct tls_key key = {.session = part, .pid = bpf_get_current_pid_tgid() >> 32};
	__u64 *known = bpf_map_lookup_elem(&tls_parts, &key);

	return known ? *known : 0;
}

/* The queue that is read is the one that was left, wherever it is now: no two own the same heap. */
static __always_inline bool is_queue_left(const struct tls_apart *apart)
{
	bool owns = false;

	for (int i = 0; i < BUFFER_WORDS; i++) {
		if (apart->begun[i] != apart->left[i])
			return false;
		owns |= apart->begun[i] >= ADDRESS_MIN && apart->begun[i] < ADDRESS_END;
	}
	return owns;
}

/* The socket of what is read. */
static __always_inline __u64 socket_of_read(const struct tls_apart *apart, __u64 part)
{
	struct tls_session *known, *fed;
	__u64 carrier;

	if (is_near(part, apart->fed))
		return apart->carrier;
	if (apart->left_by && is_queue_left(apart))
		return apart->left_by;
	carrier = recall_part(part);
	known = session_on(carrier);
	if (known && !known->closing)
		return carrier;
	fed = apart->unread ? session_on(apart->carrier) : NULL;
	return fed && !fed->conn.rx_off ? apart->carrier : carrier;
}

/* A function of its own for the sake of the stack. */
static __noinline int take_apart(struct scratch *s, struct task_state *state, __u64 carrier,
				 const struct plaintext *passed)
{
	struct tls_session *t = session_on(carrier);

	if (!t) {
		s->counts.tls_unbound += !(filter_kinds & FILTER_PORTS);
		return 0;
	}
	t->conn.process_id = state->process_id;
	t->conn.tid = (__u32)bpf_get_current_pid_tgid();
	take_verdict(&t->conn, NULL, false);
	take_plaintext(s, state, t, passed);
	return 0;
}

static __always_inline __u64 head_of(const struct plaintext *passed)
{
	struct user_buffer buffer = {.base = passed->buffer};
	__u64 head = 0;

	if (passed->vector_cnt)
		take_vector(&buffer, passed->buffer, passed->vector_cnt);
	bpf_probe_read_user(&head, passed->len < sizeof(head) ? 1 : sizeof(head),
			    (void *)buffer.base);
	return head;
}

/* Plaintext that has passed, and the socket that it belongs to; 0: not known. */
struct apart_taken {
	struct plaintext passed; /* len 0: none */
	__u64 carrier;
};

/* What was written is being sent: by carrier, or by the socket that is known. */
static __always_inline void take_written(struct tls_apart *apart, __u64 carrier,
					 struct apart_taken *out)
{
	if (!apart->written_by)
		return;
	if (carrier)
		note_part(apart->written_by, carrier);
	else
		carrier = recall_part(apart->written_by);
	if (head_of(&apart->written) != apart->head) /* it is not there any more */
		carrier = 0;
	out->passed = apart->written;
	out->carrier = carrier;
	apart->written_by = 0;
}

/* The socket that the call has used, by its plaintext's cookie; 0: none. Its session is known from now on. */
static __always_inline __u64 socket_of_call(struct tls_call_state *call)
{
	struct tls_key key = {.session = call->carrier.cookie | PLAINTEXT_COOKIE};
	struct tls_session *t;

	if (!call->carrier.cookie || !call->carrier.in_call)
		return 0;
	t = bpf_map_lookup_elem(&tls_sessions, &key) ?: session_new(&key, call->whole, false);
	if (!t)
		return 0;
	bind_session(t, &call->carrier);
	call->carrier.cookie = 0;
	return key.session;
}

static __always_inline void end_read(struct task_state *state, const struct plaintext *passed,
				     struct apart_taken *out)
{
	struct tls_apart *apart = &state->apart;
	__u64 part = state->tls.session;
	struct tls_session *fed;

	out->carrier = socket_of_read(apart, part);
	fed = out->carrier ? NULL : session_on(apart->carrier);
	if (fed) /* it may be what was read, and then something of it is missed */
		fed->spoiled = true;
	out->passed = *passed;
	out->passed.time_ns = bpf_ktime_get_ns();
	apart->unread = false;
	apart->left_by = out->carrier;
	if (state->tls.cookie & TLS_COOKIE_BORROWED)
		copy_queue(apart->left, part);
	if (out->carrier)
		note_part(part, out->carrier);
}

/* It waits for the call that sends it; what has waited so far is taken. */
static __always_inline void end_write(struct task_state *state, const struct plaintext *passed,
				      struct apart_taken *out)
{
	struct tls_apart *apart = &state->apart;

	take_written(apart, 0, out);
	apart->written_by = state->tls.session;
	apart->written = *passed;
	apart->written.time_ns = bpf_ktime_get_ns();
	apart->head = head_of(passed);
}

static __always_inline void end_apart(struct scratch *s, struct task_state *state, __u64 ret,
				      __u64 second)
{
	struct tls_call_state *call = &state->tls;
	struct tls_apart *apart = &state->apart;
	__u32 kind = TLS_COOKIE_CALL(call->cookie);
	struct plaintext passed = {
		.buffer = call->buffer,
		.len = call->len,
		.send = kind == TLS_WRITE,
	};
	__u64 carrier = socket_of_call(call);
	struct apart_taken taken = {};

	if (call->cookie & TLS_COOKIE_VECTOR)
		passed.vector_cnt = call->len;
	if (TLS_COOKIE_ANSWER(call->cookie) == TLS_ANSWER_RESULT)
		passed.len = ret == 0 && (passed.vector_cnt || second <= call->len) ? second : 0;
	if (kind == TLS_FEED && carrier) {
		apart->fed = call->session;
		apart->carrier = carrier;
		apart->unread = true;
	} else if (kind == TLS_DRAIN && is_near(call->session, apart->written_by)) {
		if (call->sent_ns)
			apart->written.time_ns = call->sent_ns;
		take_written(apart, carrier, &taken);
	} else if (kind == TLS_READ && !passed.buffer) {
		s->counts.unreadable++;
	} else if (kind == TLS_READ && passed.len) {
		end_read(state, &passed, &taken);
	} else if (kind == TLS_WRITE && passed.len) {
		end_write(state, &passed, &taken);
	}
	if (taken.passed.len)
		take_apart(s, state, taken.carrier, &taken.passed);
}

#endif
