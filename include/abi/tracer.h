/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What user space tells the BPF programs: settings, filter keys, verdicts; and the counters that
 * they keep. Shared by both sides of one build only, never on disk.
 */
#ifndef SONDE_ABI_TRACER_H
#define SONDE_ABI_TRACER_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#include "include/abi/record.h"
#include "include/abi/shape.h"

#define COPY_MAX 16384u		       /* bytes that one record may copy */
#define COPY_PARTS_MAX (16 * COPY_MAX) /* that one operation may, in several records */
#define ENDLESS_TURN 0xffffffffu       /* verdict.copy_turn: however many in a turn */
#define TLS_HELLO_MAX \
	2048u	       /* bytes of each direction of a TLS connection, among which its hellos are */
#define ARGS_MAX 1024u /* bytes of a process's arguments in its record */
#define ENV_MAX 8192u  /* bytes of its environment */
#define FILTER_NAMES_MAX 64
#define SCRATCHES_PER_CPU 3 /* for sockets, the sampler, TLS */
#define SCRATCHES(cpus) \
	(SCRATCHES_PER_CPU * (cpus) + 1) /* the last one is for what is off the CPUs */
#define VERDICTS_MAX 16384
#define LATE_ENDS_MAX 4096
#define TLS_SESSIONS_MIN 16384
#define TLS_FILES_MAX 1024
#define SYSCALLS_MAX 512

/* What a thread waits for in a system call: enum time_spent, or: */
enum syscall_wait {
	WAIT_NETWORK = TIMES_CNT, /* whose, is known by what it uses then */
	WAIT_POLLED,		  /* the same, but it may be for something else */
	WAITS_CNT,
	WAIT_FILE = WAITS_CNT, /* that depends on the file in the first argument */
	WAIT_POLL1,	       /* WAIT_POLLED, but it sleeps if the first argument is 0 */
	WAIT_POLL2,	       /* or if the second is */
};

/* Kinds of target that restrict; a process must pass each kind. */
#define FILTER_PIDS 0x01u
#define FILTER_NAMES 0x02u
#define FILTER_EXES 0x04u
#define FILTER_CGROUPS 0x08u
#define FILTER_PORTS 0x10u
#define FILTER_DESCENDANTS 0x20u /* children of filtered pids are followed */
#define FILTER_PROCESSES (FILTER_PIDS | FILTER_NAMES | FILTER_EXES | FILTER_CGROUPS)

struct tracer_settings {
	__u32 copy_first;    /* bytes copied per operation until a verdict comes */
	__u32 copy_turn;     /* bytes copied at most per turn, until a verdict comes */
	__u32 cpus;	     /* possible CPUs */
	__u32 wakeup_at;     /* bytes waiting in the ring at which the reader is woken */
	__u32 busy_at;	     /* at which the level is looked at before each operation */
	__u32 full_at;	     /* at which operations find no room any more */
	__u8 by_address;     /* state of connections is kept by address, not in the socket */
	__u8 recv_nonblock;  /* tcp_recvmsg has an argument more, as until 5.18 */
	__u8 profiling;	     /* threads remember the request that they work for */
	__u8 short_walk;     /* frames are walked without bpf_loop, whether there is one or not */
	__u8 blind_to_polls; /* nothing tells what threads wait for by poll() */
	__u8 timing;	     /* threads remember what their request's time went to */
	__u8 puma_tells;     /* threads of Puma which request they begin */
	__u8 propagates;     /* ids may go to other hosts; else the kernel need not verify how */
	__u8 shared_context; /* another tracer may say what threads work for */
	__u8 shares_context; /* and others may be told */
	__u8 bursts;	     /* there may be a faster clock for some processes */
	__u8 unwinding; /* by tables, where there is bpf_loop; else by the kernel's frame pointers */
};

struct exe_key {
	__u64 inode;
	__u32 dev; /* as record_process.exe_dev */
	__u32 reserved;
};

struct name_key {
	char comm[16]; /* NUL padded */
};

/* The local end of a connection that sonde itself made: its other end is not traced. */
struct own_end_key {
	__u8 addr[16]; /* network order, IPv4 in the first 4 bytes */
	__u16 port;    /* host byte order */
	__u16 family;
};

/* What passes on a connection is ciphertext: nothing of it is copied, but its end is told. */
enum carries {
	CARRIES_UNSEEN = 1, /* of which the plaintext was not seen so far */
	CARRIES_SEEN = 2,
};

/* Per connection, by cookie; moves into the socket's storage at its next event. */
struct verdict {
	__u32 copy_op;	 /* bytes copied per operation, at most COPY_MAX */
	__u32 copy_turn; /* bytes copied per turn */
	__u8 ignore;	 /* 1: no more records of this connection */
	__u8 forget;	 /* 1: announce it again at its next event */
	__u8 carries;	 /* enum carries */
	__u8 shape;	 /* 1 + index of its frames' shape; 0: none is known */
	/* By enum record_direction, the generation of a walk of frames that was found ... */
	__u8 agreed[2]; /* right: from now on only the pieces are wanted; 0: none */
	__u8 again[2];	/* wrong: to be begun anew; 0: none */
	__u8 several;	/* 1: requests come before earlier ones are answered */
	__u8 reserved[3];
};

/* What a look at all threads that wait is to know, and has found. */
struct off_cpu_pass {
	__u64 interval_ns; /* since the one before */
	__u64 begin_ns;
	__u64 threads; /* that were looked at so far, in all passes ... */
	__u64 stacks;  /* ... and stacks that were walked */
	__u32 last;    /* nothing is to be put off */
	__u32 reserved;
};

/* Kept by the BPF programs, per CPU. */
struct tracer_counts {
	__u64 ring_full;    /* records that could not be written */
	__u64 unreadable;   /* operations whose buffer could not be read */
	__u64 no_storage;   /* operations without socket or task storage */
	__u64 unreturned;   /* operations whose return was not reported */
	__u64 tls_unbound;  /* operations of TLS sessions whose socket was not known */
	__u64 tls_busy;	    /* and those that found no room to work in */
	__u64 samples_full; /* samples that could not be written: ring full */
	__u64 samples_busy; /* samples that found the task's storage in use or out of memory */
	__u64 unheard; /* requests of connections that ended before anything could be said of them */
};

/* In each of the programs' scratches the counts stand first; behind them, this far, its own number. */
#define SCRATCH_SLOT_AT (sizeof(struct tracer_counts) + sizeof(__u64))

#endif
