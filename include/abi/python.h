/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where CPython keeps the frames of its threads, as user space has found out for a process, and what the
 * sampler has read of them. The words are CPython's: an interpreter has thread states, a thread state has a
 * frame, a frame has a code object.
 */
#ifndef SONDE_ABI_PYTHON_H
#define SONDE_ABI_PYTHON_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define PYTHON_FRAMES_MAX 127	 /* of a sample */
#define PYTHON_THREADS_MAX 1024	 /* searched for the one that runs */
#define PYTHON_PROCESSES_MAX 512 /* that the sampler knows */
#define PYTHON_PLACES_MAX 4096	 /* threads whose state need not be searched */
#define PYTHON_FRAME_SZ 128	 /* above any python_layout.frame_sz */

/* What says that a call of the interpreter's loop, which is a native frame, began with that frame. */
enum python_turn {
	PYTHON_TURN_EACH = 0, /* each did, until 3.10 */
	PYTHON_TURN_FLAG = 1, /* a flag of the frame, 3.11 */
	PYTHON_TURN_SHIM = 2, /* a frame of its own, which runs no code, before it */
};

#define PYTHON_SHIM_OWNER 3 /* FRAME_OWNED_BY_CSTACK, from 3.14 on FRAME_OWNED_BY_INTERPRETER */

/* Of a process. Offsets are in bytes. */
struct python_layout {
	__u64 interpreters; /* address of the pointer to the first one */
	__u64 holder; /* and of that to the thread state that holds the interpreter's lock; 0: not known */
	__u16 interpreter_next, interpreter_threads;
	__u16 thread_next, thread_id, thread_frame;
	__u16 thread_base; /* the pointer to a frame that is no call's, below all others; 0: there is none */
	/* With has_cframe: in what thread_frame points to; and the same of the call of the loop before. */
	__u16 cframe_frame, cframe_back;
	__u16 frame_sz; /* as much of it as has all the fields */
	__u16 frame_back, frame_code, frame_at;
	__u16 frame_turn; /* of the flag, or else of who owns it: a byte */
	__u8 turn;	  /* enum python_turn */
	__u8 has_cframe;
	__u8 at_is_pointer; /* into the code object; else a number */
	__u8 reserved[3];
};

#define PYTHON_LAST 1u /* the call of the loop began with this one */

/* Recordings hold it. */
struct python_frame {
	__u64 code; /* the code object; 0: a frame that runs no code */
	__u32 at; /* of the instruction: bytes from the code object on, or else as 3.8 to 3.10 count */
	__u32 flags; /* PYTHON_ */
};

/* How the Python frames of a sample end. Recordings hold it: never renumbered. */
enum python_end {
	PYTHON_UNKNOWN = 0,    /* the process is not known to run CPython */
	PYTHON_WHOLE = 1,      /* where the thread began */
	PYTHON_DEEP = 2,       /* PYTHON_FRAMES_MAX */
	PYTHON_UNREADABLE = 3, /* paged out, or changed meanwhile */
	PYTHON_NO_THREAD = 4,  /* it is none of the interpreter's */
	PYTHON_SEVERAL = 5,    /* it belongs to several interpreters: which one runs is not known */
};

#endif
