/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The span that a thread works for, as its program's own SDK publishes it in the thread's memory (OTEP 4947), and where
 * that is, as user space has found out for a process.
 */
#ifndef SONDE_ABI_THREAD_CONTEXT_H
#define SONDE_ABI_THREAD_CONTEXT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define THREAD_CONTEXT_PROCESSES_MAX 512 /* that the sampler knows */

/* Of a process: where each thread has its pointer to what it publishes. */
struct thread_context_place {
	__s64 offset; /* in the module's block of thread-local storage, or else from the thread pointer */
	__u64 module; /* as the loader numbers them; 0: none */
};

/* The first bytes of what a thread publishes, as they stand in its memory. */
struct thread_context {
	__u8 trace_id[16], span_id[8];
	__u8 valid; /* 1: it is */
	__u8 reserved[7];
};

/* The same as one tracer tells others, in a pinned map, by thread. */
struct shared_context {
	__u8 trace_id[16], span_id[8];
};

/*
 * What user space asks share_context to tell others: a thread works for that span, if it still does for that request, and
 * without doubt.
 */
struct context_offer {
	__u64 request_cookie, request_off; /* as record_sample has them */
	__u32 tid;			   /* in the initial namespace */
	__u32 reserved;
	struct shared_context context;
	__u64 thread; /* the answer: it is told, of that process and thread as the map has them; 0: it is not */
};

#define THREAD_CONTEXT_SZ 25 /* of those bytes; what follows is the publisher's */

#endif
