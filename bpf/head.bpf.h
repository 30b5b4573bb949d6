/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The head of an HTTP/1 request, byte by byte: where its first line ends, whether it ends at all, and which of
 * its headers name the sender's span (the formats that user/protocols/trace_headers.c reads).
 */
#ifndef SONDE_BPF_HEAD_H
#define SONDE_BPF_HEAD_H

#include "bpf/buffer.bpf.h"

#define HEAD_READ_MAX 4096 /* bytes of a request received in which its traceparent is looked for */
#define TRACEPARENT_LEN 55 /* of its value */

enum head_part {
	HEAD_FIRST_LINE,
	HEAD_NAME,
	HEAD_VALUE,
	HEAD_END, /* of the empty line, all but the line feed */
};

struct head_scan {
	__u64 last; /* the last eight bytes of the first line, or of a name in lower case */
	__u32 name_len;
	__u32 line_end;	   /* behind the first line; 0: it does not end, or is of no HTTP/1 */
	__u32 traceparent; /* where the value of that header begins; 0: there was none */
	__u8 part;
	__u8 names_span; /* one of its headers does */
	__u8 whole;
};

#define WORD8(a, b, c, d, e, f, g, h)                                                \
	((__u64)(a) << 56 | (__u64)(b) << 48 | (__u64)(c) << 40 | (__u64)(d) << 32 | \
	 (__u64)(e) << 24 | (__u64)(f) << 16 | (__u64)(g) << 8 | (__u64)(h))

/* Do these bytes begin a request to which a header may be added? */
static __always_inline bool begins_request(const __u8 first[4])
{
	__u64 word = WORD8(0, 0, 0, 0, first[0], first[1], first[2], first[3]);

	return word == WORD8(0, 0, 0, 0, 'G', 'E', 'T', ' ') ||
	       word == WORD8(0, 0, 0, 0, 'P', 'O', 'S', 'T') ||
	       word == WORD8(0, 0, 0, 0, 'P', 'U', 'T', ' ') ||
	       word == WORD8(0, 0, 0, 0, 'H', 'E', 'A', 'D') ||
	       word == WORD8(0, 0, 0, 0, 'D', 'E', 'L', 'E') ||
	       word == WORD8(0, 0, 0, 0, 'P', 'A', 'T', 'C') ||
	       word == WORD8(0, 0, 0, 0, 'O', 'P', 'T', 'I');
}

/* A name is complete, and a colon is at that place. */
static __always_inline void take_name(struct head_scan *h, __u32 at)
{
	if (h->last == WORD8('c', 'e', 'p', 'a', 'r', 'e', 'n', 't') && h->name_len == 11) {
		h->traceparent = at + 1;
		h->names_span = true;
	} else if (h->last == WORD8('t', 'r', 'a', 'c', 'e', '-', 'i', 'd')) {
		/* uber-trace-id, x-amzn-trace-id, x-datadog-trace-id */
		h->names_span |= h->name_len == 13 || h->name_len == 15 || h->name_len == 18;
	} else if (h->last == WORD8('-', 't', 'r', 'a', 'c', 'e', 'i', 'd')) {
		h->names_span |= h->name_len == 12; /* x-b3-traceid */
	} else if (h->last == WORD8(0, 0, 0, 0, 0, 0, 'b', '3')) {
		h->names_span = true;
	}
}

static __always_inline void begin_name(struct head_scan *h)
{
	h->part = HEAD_NAME;
	h->last = h->name_len = 0;
}

/* The next byte of a head. True: no more is needed, it is whole or it is not one. */
static __always_inline bool take_head_byte(struct head_scan *h, __u32 at, __u8 c)
{
	switch (h->part) {
	case HEAD_FIRST_LINE:
		h->last = h->last << 8 | c;
		if (c != '\n')
			return false;
		if (h->last != WORD8('T', 'P', '/', '1', '.', '1', '\r', '\n') &&
		    h->last != WORD8('T', 'P', '/', '1', '.', '0', '\r', '\n'))
			return true;
		h->line_end = at + 1;
		begin_name(h);
		return false;
	case HEAD_NAME:
		if (c == '\r' && h->name_len == 0) {
			h->part = HEAD_END;
		} else if (c == '\n') {
			return true;
		} else if (c == ':') {
			take_name(h, at);
			h->part = HEAD_VALUE;
		} else if (c != ' ' && c != '\t') {
			h->last = h->last << 8 | (c >= 'A' && c <= 'Z' ? c | 0x20 : c);
			h->name_len++;
		}
		return false;
	case HEAD_VALUE:
		if (c == '\n')
			begin_name(h);
		return false;
	}
	h->whole = c == '\n';
	return true;
}

/* --- the trace that a received request is of ------------------------------------------------------ */

struct head_read {
	struct head_scan scan;
	__u32 slot;
};

static long read_on(__u64 at, struct head_read *r)
{
	struct scratch *s = scratch_at(r->slot);

	if (!s || at >= HEAD_READ_MAX)
		return 1;
	return take_head_byte(&r->scan, at, s->payload[at]) || r->scan.traceparent;
}

static __always_inline __u32 hex_value(__u32 c)
{
	return c - '0' < 10 ? c - '0' : c - 'a' < 6 ? c - 'a' + 10 : 0xffff;
}

/* The byte that these two digits are; else more than a byte holds. Verified once: see process_matches. */
__noinline int hex_byte(__u32 high, __u32 low)
{
	return hex_value(high) << 4 | hex_value(low);
}

/* Bytes of two digits each. False if one is none. */
static __always_inline bool read_hex(__u8 *to, const __u8 *from, int cnt)
{
	__u32 bits = 0;

	for (int i = 0; i < cnt; i++) {
		__u32 byte = hex_byte(from[2 * i], from[2 * i + 1]);

		bits |= byte;
		to[i] = byte;
	}
	return bits < 256;
}

/* The value of a traceparent: its trace, and what it says of sampling. */
static __always_inline bool read_traceparent(const __u8 *value, __u64 trace[2], __u8 *flags)
{
	__u8 span[8];

	if (value[0] != '0' || value[1] != '0' || value[2] != '-' || value[35] != '-' ||
	    value[52] != '-' || value[TRACEPARENT_LEN] != '\r')
		return false;
	return read_hex((__u8 *)trace, value + 3, 16) && read_hex(span, value + 36, 8) &&
	       read_hex(flags, value + 53, 1) && (trace[0] | trace[1]);
}

/* Copies the beginning of what was received to the scratch; returns how much. */
static __always_inline __u32 copy_head(struct scratch *s, __u32 len)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	struct user_buffer buffer = {};
	__u64 n = len < HEAD_READ_MAX ? len : HEAD_READ_MAX;
	__u8 first[4];

	if (SYSCALL_NR(regs) == NR_RECVMMSG) /* whose buffers may be looked for but once */
		return 0;
	find_buffer(&buffer);
	if (bpf_probe_read_user(first, sizeof(first), (void *)buffer.base) ||
	    !begins_request(first))
		return 0;
	if (buffer.iov_cnt)
		return copy_vector(s->slot, buffer.iov, buffer.iov_cnt, n);
	barrier_var(n); /* 6.1 wants to see its bound here */
	if (n > HEAD_READ_MAX || bpf_probe_read_user(s->payload, n, (void *)buffer.base))
		return 0;
	return n;
}

/* The trace that the request says it is of, whose first len bytes were received now. */
static __noinline int trace_of_head(struct scratch *s, __u32 len, __u64 trace[2], __u8 *flags)
{
	struct head_read r = {.slot = s->slot};
	__u32 n = len < 16 ? 0 : copy_head(s, len), at;

	if (n == 0 || n > HEAD_READ_MAX)
		return false;
	bpf_loop(n, read_on, &r, 0);
	at = r.scan.traceparent;
	if (!at || at >= HEAD_READ_MAX)
		return false;
	at += s->payload[at] == ' ';
	if (at + TRACEPARENT_LEN >= n)
		return false;
	return read_traceparent((__u8 *)&s->payload[at & (2 * HEAD_READ_MAX - 1)], trace, flags);
}

#endif
