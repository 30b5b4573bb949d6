/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The records that the BPF programs put into the ring and user space reads. Both sides compile this
 * file, and recordings on disk hold these bytes: values are never renumbered, fields never move.
 *
 * All times are CLOCK_MONOTONIC in ns. Integers are in the machine's byte order, except addresses
 * and ports as noted.
 */
#ifndef SONDE_ABI_RECORD_H
#define SONDE_ABI_RECORD_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#include <stddef.h>
#endif

#include "include/abi/python.h"
#include "include/abi/thread_context.h"
#include "include/abi/unwind.h"
#include "include/abi/v8.h"

#define RECORD_VERSION 2

enum record_kind {
	RECORD_PROCESS = 1,    /* before the first record that names its process_id */
	RECORD_CONNECTION = 2, /* before the first record that names its cookie */
	RECORD_OP = 3,	       /* bytes were sent or received */
	RECORD_TAIL = 4, /* a silent tail made known (see record_op.tail_*), nothing new happened */
	RECORD_END = 5,	 /* a connection, or one direction of it, ended */
	RECORD_EXIT = 6, /* a process ended */
	RECORD_SAMPLE = 7,   /* a thread was found on a CPU, or off it */
	RECORD_FRAMES = 8,   /* bytes were sent or received, and frames walked */
	RECORD_DATAGRAM = 9, /* a datagram was sent or received */
	RECORD_CAUSE = 10,   /* before a RECORD_OP or RECORD_FRAMES: why it was sent */
	RECORD_CONTEXT = 11, /* the ids that a request has on its way between hosts */
	RECORD_TIMES = 12, /* before a RECORD_OP or RECORD_FRAMES: what an answer's time went to */
};

/* Every record begins with this. */
struct record_head {
	__u32 size;  /* of the whole record with its payload, in bytes */
	__u16 kind;  /* enum record_kind */
	__u16 flags; /* by kind */
};

enum record_direction {
	DIRECTION_RECV = 0,
	DIRECTION_SEND = 1,
};

/* record_op.head.flags */
#define OP_SEND 0x0001	    /* else a receive */
#define OP_NO_BUFFER 0x0002 /* splice, sendfile, io_uring: bytes passed that nobody can copy */
/*
 * A server sends: its thread works for the request alone that came with the last turn received, and has not
 * left the CPU since. That is all there is to tell of its time: no record_times does.
 */
#define OP_ON_CPU 0x0004
#define OP_LOOP 0x0008 /* with OP_ON_CPU: as TIMES_LOOP */

/*
 * What a TLS library encrypts for a socket, and decrypts, is a connection of its own, whose cookie is the
 * socket's and this bit. Where its session was seen from the beginning its sequence numbers go on from
 * where the socket's began, so that they agree at both ends; else they are 0.
 */
#define PLAINTEXT_COOKIE (1ull << 63)

/*
 * One send or receive of len bytes at stream offset off, of which the payload (size minus this
 * struct) was copied from its start. Operations whose bytes were not copied make no record of their
 * own; the next record of the connection tells how far the silent tail reached and when.
 */
struct record_op {
	struct record_head head;
	__u64 cookie;  /* the socket's */
	__u64 time_ns; /* receive: when it returned; send: when its last packet left */
	__u64 off;     /* of the first byte in its direction's stream, 0 = first byte seen */
	__u32 len;
	__u32 turn; /* direction changes on this connection so far, from 1 */
	__u32 process_id;
	__u32 tid;
	__u32 seq;	     /* TCP: sequence number of the first byte; else 0 */
	__u32 peer_seq;	     /* TCP: next sequence number of the other direction */
	__u64 tail_off;	     /* where the silent tail ends; 0 = there was none */
	__u64 tail_ns;	     /* when its last byte passed */
	__u8 tail_direction; /* enum record_direction */
	__u8 tail_flags;     /* OP_ON_CPU and OP_LOOP, of its last operation */
	__u8 reserved[2];
	__u32 queued_us; /* receive: how long its first byte waited to be read; 0: not known */
			 /* payload follows */
};

/* Further record_op.head.flags of a RECORD_FRAMES. */
#define FRAMES_WHOLE 0x0010  /* the payload is the beginning of the operation, as in RECORD_OP */
#define FRAMES_BROKEN 0x0020 /* the walk ended before the operation did */
#define FRAMES_BEGINS 0x0040 /* with FRAMES_WHOLE: a frame begins where the operation does */

/*
 * RECORD_FRAMES is a record_op, its payload, and at the end a frames_end. With FRAMES_WHOLE the payload
 * is the beginning of the operation: user space has yet to agree that frames are where the kernel takes
 * them to be. Without it, the payload is pieces, each a frame_piece and len bytes; what lies between the
 * pieces was walked over and left out.
 */
struct frame_piece {
	__u32 at; /* offset in the operation */
	__u16 len;
	__u16 flags; /* PIECE_ */
};

#define PIECE_START 0x0001 /* its first byte is the first of a frame */
#define PIECE_CUT 0x0002   /* of the frame's remaining bytes none will be copied */

struct frames_end {
	__u64 next_frame; /* stream offset at which the next frame begins; ~0: not known */
	__u32 serial;	  /* of such records in this direction, from 1, those that were lost too */
	__u8 generation;  /* of the walk: counts its beginnings, from 1 */
	__u8 reserved;
	__u16 other_serial; /* of the last in the other direction, its low half */
};

/*
 * One datagram (UDP), sent or received (OP_SEND), or an operation that failed. Tells all that is known of
 * its socket: there is no RECORD_CONNECTION of it, and nobody tells of its end. It has the size of
 * record_op.
 */
struct record_datagram {
	struct record_head head;
	__u64 cookie; /* the socket's */
	__u64 time_ns;
	__u32 len;
	__u32 process_id;
	__u32 tid;
	__u16 family;
	__u16 local_port, remote_port; /* host byte order; 0: not known */
	__u16 error;		       /* positive errno of an operation that failed, else 0 */
	__u8 local_addr[16], remote_addr[16]; /* network order; zero: not known */
	/* Of the socket's datagrams, from 1, with those whose records were lost; 0: not known. */
	__u32 serial;
	/* payload follows */
};

/* record_cause.head.flags: what proves it. */
enum cause_method {
	CAUSE_NONE = 0,
	CAUSE_TASK = 1, /* the thread has received that request, and serves no other meanwhile */
	CAUSE_UNANSWERED = 2, /* the same, until it is answered */
	CAUSE_GOROUTINE =
		3, /* the same of a goroutine, or of one that it has created or sends through */
	CAUSE_STREAM = 4, /* of a goroutine that sends one message, whatever others send there */
};

/*
 * A client sends, and its thread works for the request that is among the bytes which it received on another
 * connection: len bytes from off on are sent because of request_len bytes from request_off on.
 */
struct record_cause {
	struct record_head head;
	__u64 cookie; /* of the sending connection */
	__u64 off;    /* as in record_op */
	__u64 request_cookie, request_off;
	__u32 len, request_len;
	/*
	 * Older recordings end here. id: of what is sent, where that has not begun yet; then off and len are 0.
	 * 0: it has.
	 */
	__u32 id;
	__u32 request_id; /* of the request, where its connection has many at a time; 0: not known */
};

#define RECORD_CAUSE_MIN offsetof(struct record_cause, id)

/* What a thread does, or waits for, while it works for a request. */
enum time_spent {
	TIME_CPU,
	TIME_RUN_QUEUE,	 /* it could run, and had no CPU */
	TIME_SERVERS,	 /* waits for the network until it used a connection to a server */
	TIME_CLIENT,	 /* and until it used the request's own */
	TIME_LOCK,	 /* futexes and file locks */
	TIME_DISK,	 /* input and output of block devices, and what waits for it */
	TIME_PAGE_FAULT, /* whatever the kernel waits for to give memory */
	TIME_SLEEP,	 /* it has asked for that */
	TIME_OTHER,	 /* pipes, children, terminals, the kernel's own locks */
	TIMES_CNT,
};

/* record_times.head.flags */
#define TIMES_LOOP \
	0x0001 /* of a thread that waits by an event loop, and had no other request meanwhile */

/*
 * A thread that works for one request sends to its client, and has worked for it since it received the bytes at
 * off. The times add up to end_ns - begin_ns.
 */
struct record_times {
	struct record_head head;
	__u64 cookie; /* of the connection */
	__u64 off;    /* of the request's first byte, as in record_op */
	__u64 begin_ns, end_ns;
	__u64 spent_ns[TIMES_CNT]; /* by enum time_spent */
	__u32 tid;
	__u32 reserved;
};

/* record_end.reason */
enum end_reason {
	END_EOF = 1,	  /* a receive returned 0: the peer will send no more */
	END_SHUTDOWN = 2, /* this end will send no more */
	END_CLOSED = 3,	  /* the connection is gone */
	END_ERROR = 4,	  /* an operation failed; error tells how */
};

/* The last frame of the type frame_shape.begins: where it began, and its header. */
struct begun_frame {
	__u64 off;
	__u8 header[16]; /* the first bytes of it are the shape's header_sz */
};

struct record_end {
	struct record_head head;
	__u64 cookie;
	__u64 time_ns;
	__u64 tail_off;
	__u64 tail_ns;
	__u64 rx_off, tx_off; /* bytes received and sent so far, gaps included */
	__u16 reason;	      /* enum end_reason */
	__u16 error;	      /* positive errno, for END_ERROR */
	__u8 tail_direction;
	__u8 tail_flags;
	__u8 reserved[2];
	/* Of what follows, older recordings have nothing. */
	__u32 turn; /* as in record_op, of the last operation */
	__u32 reserved2;
	struct begun_frame last_begun[2]; /* by enum record_direction; zero: none was walked over */
};

#define RECORD_END_MIN offsetof(struct record_end, turn)

/* How sure the kernel side is of connection.role. */
enum role {
	ROLE_UNKNOWN = 0,
	ROLE_CLIENT = 1,	/* seen to connect */
	ROLE_SERVER = 2,	/* seen to be accepted */
	ROLE_SERVER_LIKELY = 3, /* older than the tracer; it looks accepted */
};

/* Linux's own numbers. */
enum address_family {
	FAMILY_UNIX = 1,
	FAMILY_INET = 2,
	FAMILY_INET6 = 10,
};

struct record_connection {
	struct record_head head;
	__u64 cookie;
	__u64 time_ns;
	__u64 peer_cookie; /* unix sockets: the other end's cookie, else 0 */
	__u64 netns_inum;
	__u32 process_id;
	__u16 family;			      /* enum address_family */
	__u16 local_port, remote_port;	      /* host byte order */
	__u8 role;			      /* enum role */
	__u8 fresh;			      /* 1: seen from its first byte */
	__u8 local_addr[16], remote_addr[16]; /* network order; IPv4 in the first 4 bytes */
	char unix_path[108]; /* of whichever end is bound; '@' first for abstract ones */
	__u8 reserved[4];
};

#define PROCESS_COMM_SZ 16
#define PROCESS_CGROUP_SZ 256 /* half for each name; containerd's have up to 85 characters */
#define PROCESS_EXE_SZ 256

/*
 * A process as it was when it first used a socket (or after exec). The payload is args_len bytes
 * of its arguments, then env_len bytes of its environment, each as the kernel keeps them: strings
 * that end in NUL, possibly cut.
 */
struct record_process {
	struct record_head head;
	__u32 process_id; /* unique within this run: survives pid reuse, changes on exec */
	__u32 pid;	  /* in the initial namespace */
	__u32 ns_pid;	  /* in its own namespace */
	__u32 parent_pid;
	__u32 uid;
	__u32 reserved;
	__u64 start_ns;	 /* CLOCK_BOOTTIME, as field 22 of /proc/PID/stat but in ns */
	__u64 cgroup_id; /* of its cgroup v2 */
	__u64 exe_inode;
	__u32 exe_dev; /* as the kernel has it: major << 20 | minor */
	__u32 args_len;
	__u32 env_len;
	char comm[PROCESS_COMM_SZ];	/* of the thread group leader */
	char exe[PROCESS_EXE_SZ];	/* path inside its mount, may lack leading components */
	char cgroup[PROCESS_CGROUP_SZ]; /* names of the innermost cgroups, "parent/child" */
	__u32 reserved2;
	/* payload follows */
};

struct record_exit {
	struct record_head head;
	__u32 process_id;
	__u32 pid;
	__u64 time_ns;
};

/* record_context.head.flags: one of these. */
#define CONTEXT_SENT 0x0001	/* by this end, with the request: its span has both ids */
#define CONTEXT_RECEIVED 0x0002 /* with the request: its span is the child of that one */
#define CONTEXT_GIVEN 0x0003	/* here, to a request that came with none: span_id is zero */

/*
 * The ids of the request whose first byte has that sequence number. Comes before the record of the
 * operation which that byte is in.
 */
struct record_context {
	struct record_head head;
	__u64 cookie; /* the socket's */
	__u32 seq;
	__u32 inserted; /* bytes of a header, as if before that one: the request has begun so much earlier */
	__u8 trace_id[16];
	__u8 span_id[8];
};

#define SAMPLE_STACK_MAX 127 /* addresses of one kind; the kernel's own default limit */

/* record_sample.head.flags */
#define SAMPLE_INTERLEAVED 0x0001 /* the thread works on several requests in turn: no request key */
#define SAMPLE_COPIED 0x0002	  /* a sample_copy follows all frames */
#define SAMPLE_GOROUTINE 0x0004	  /* the request key is a goroutine's, whatever thread runs it */
#define SAMPLE_SAME \
	0x0008 /* more of the time that the thread's last one was of: no addresses, no key */

#define SAMPLE_V8 0x0010 /* the process runs V8, and the sampler has looked for its functions */

/* In an address of the process: it is where the frame goes on, and no return address. The leaf's always is. */
#define SAMPLE_EXACT (1ull << 63)

#define BURSTS_MAX 4	       /* services that are sampled faster at once */
#define BURST_PROCESSES_MAX 64 /* of each; further ones are sampled as usual */

#define SAMPLE_COPY_MAX 24576 /* bytes of the stack */

/* Why a thread is on no CPU. */
enum off_cpu {
	OFF_CPU_NOT = 0,
	OFF_CPU_RUN_QUEUE = 1,	/* it could run */
	OFF_CPU_LOCK = 2,	/* futexes and file locks */
	OFF_CPU_DISK = 3,	/* input and output of block devices, and what waits for it */
	OFF_CPU_NETWORK = 4,	/* a socket */
	OFF_CPU_POLL = 5,	/* any of several files, by poll() and its like */
	OFF_CPU_PAGE_FAULT = 6, /* whatever the kernel waits for to give memory */
	OFF_CPU_SLEEP = 7,	/* it has asked for that */
	OFF_CPU_STOPPED = 8,	/* by a signal, or a debugger */
	OFF_CPU_OTHER = 9,	/* pipes, children, terminals, the kernel's own locks */
	OFF_CPUS_CNT,
};

/*
 * A thread that a CPU was running when its sampling clock ticked; or one that was on none when it was looked
 * at, which stands for off_cpu_ns of that. The payload is kernel_cnt
 * addresses in the kernel, then user_cnt in the process, 64 bits each, both from the leaf to the
 * root: those in the kernel as frame pointers tell, those in the process as user_end says. Then python_cnt
 * python_frames, in the same order; then v8_cnt v8_frames, in the same order.
 */
struct record_sample {
	struct record_head head;
	__u64 time_ns;
	__u64 request_cookie; /* of the connection whose request the thread, or goroutine, works for; 0: none */
	__u64 request_off; /* stream offset at which that request's turn began */
	__u64 start_ns;	   /* of the process, as record_process has it */
	__u32 process_id;  /* 0: a kernel thread, or never announced */
	__u32 pid, tid;	   /* in the initial namespace */
	__u32 cpu;	   /* ~0: none */
	__u16 kernel_cnt, user_cnt;
	char comm[PROCESS_COMM_SZ]; /* of the thread */
	__u16 user_end;		    /* enum unwind_end */
	__u8 python_cnt;
	__u8 python_end; /* enum python_end */
	__u64 off_cpu_ns;
	__u16 off_cpu; /* enum off_cpu */
	__u16 burst;   /* of those that the faster clock took, its number; 0: the usual clock did */
	__u8 v8_cnt;
	__u8 reserved[3];
	struct thread_context context; /* of the thread */
				       /* payload follows */
};

/* For user space to unwind: the leaf's registers, and len bytes of the stack, from UNWIND_RED_ZONE below its stack pointer on. */
struct sample_copy {
	struct unwind_registers registers;
	__u64 len; /* a multiple of 8 */
};

#endif
