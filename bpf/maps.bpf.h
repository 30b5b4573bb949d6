/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Maps and settings of all programs. State lives in the socket and in the task, so it dies with
 * them and needs no lookup by key; the hashes here are read only when a connection or process is new.
 */
#ifndef SONDE_BPF_MAPS_H
#define SONDE_BPF_MAPS_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>

#include "include/abi/go.h"
#include "include/abi/record.h"
#include "include/abi/tracer.h"

#define PF_KTHREAD 0x00200000
#define RCV_SHUTDOWN 1
#define MSG_PEEK 0x2
#define MSG_DONTWAIT 0x40
#define MSG_ERRQUEUE 0x2000
/* Changes no length up to COPY_MAX, and shows the verifier that it is bounded. */
#define COPY_MASK (2 * COPY_MAX - 1)
#define DIRECT_MAX 2048	       /* payload of a record that is written straight into the ring */
#define SAMPLE_STACK_ROOM 1024 /* bytes: a power of two above what a stack needs */
#define PYTHON_ROOM (PYTHON_FRAMES_MAX * sizeof(struct python_frame))
#define V8_ROOM (V8_FRAMES_MAX * sizeof(struct v8_frame))

const volatile struct tracer_settings settings = {};
/* What a thread waits for, by the number of its system call. */
const volatile __u8 waits_of_syscalls[SYSCALLS_MAX] = {};

/* Written by user space while running. */
__u32 verdict_generation = 0;
__u32 filter_kinds = 0;	     /* FILTER_ bits: which kinds of target restrict */
__u32 filter_generation = 0; /* changes with the filter: decide about everybody anew */
/* Written by identify_self: sonde's own pid in the initial namespace. */
__u32 self_pid = 0;

/* Some thread has used sendmmsg or recvmmsg: only then their state needs care. */
__u32 mmsg_used = 0;
__u32 tls_used = 0; /* there are probes in TLS libraries */
/* There are names of commands whose TLS is not to be seen. */
__u32 tls_denies = 0;
__u32 go_uses_generation = 0; /* changes with go_exe.use of any */
__u32 go_generation = 0;      /* changes with go_exes; 0: it is empty */
__u32 propagation = 0;	      /* enum propagation */
__u32 hops_in_header = 0;     /* ids go in a header, rather than in a TCP option */
/* Requests whose ids left, and TCP options with ids that came. */
__u64 hops_written = 0, hops_read = 0;
__u32 puma_seen = 0;  /* socket_asked is to be attached */
__u32 hop_denies = 0; /* there are processes whose requests are never to carry ids */

__u32 bursting = 0;	 /* there are processes in burst_pids */
__u32 late_ends_cnt = 0; /* put into late_ends so far */
__u64 asked_ns = 0; /* when the reader was last woken for a stack that could not be unwound yet */

/* Do ids go to other hosts now? */
static __always_inline bool propagates(void)
{
	return settings.propagates && propagation;
}

/* Where the walk of one direction's frames is. */
struct frame_walk {
	__u64 next;	 /* stream offset of the next byte of a header */
	__u32 keep_left; /* bytes of the current frame that are still to be copied */
	__u8 header[FRAME_HEADER_MAX];
	__u8 header_len; /* of a header that is not whole yet */
	__u8 mode;	 /* enum walk_mode */
	__u8 generation;
	__u8 waited;  /* operations since it should begin */
	__u32 serial; /* of its last record */
	__u8 waking;  /* generation for which user space was woken */
	struct begun_frame last_begun;
};

struct connection_state {
	__u64 cookie;		 /* the socket's, once announced */
	__u64 tx_off, rx_off;	 /* stream offsets, 0 = first byte seen */
	__u32 tx_seq, rx_seq;	 /* TCP sequence numbers at those offsets */
	__u64 wstamp_ns;	 /* tcp_wstamp_ns after the last send */
	__u64 arrived_ns;	 /* of a server: when what is to be read next came; 0: not known */
	__u64 received_ns;	 /* when it was last received from */
	__u32 received_switches; /* and how often that thread had left the CPU by then */
	__u64 tail_off, tail_ns; /* where the silent tail ends, and when */
	__u32 turn;		 /* direction changes so far; 0: no operation yet */
	__u32 turn_left;	 /* bytes that may still be copied in this turn */
	__u32 last_op, longest_op; /* lengths, in this turn */
	__u32 copy_op, copy_turn;  /* limits in force; 0 before the first operation */
	__u32 verdict_generation;
	/* The thread that used it last, and whether it is traced. */
	__u32 tid, exec_id, process_id, checked_jiffies;
	__u32 filter_generation; /* under which it was ignored, or its thread was found traced */
	__u8 direction;		 /* of the current turn */
	__u8 tail_direction;
	__u8 tail_flags; /* as in record_op */
	__u8 role;
	__u8 fresh;
	__u8 seq_known;
	__u8 announced;
	__u8 ignored;		    /* by a verdict */
	__u8 judged;		    /* a verdict came */
	__u8 several;		    /* requests come before earlier ones are answered */
	__u8 waking;		    /* user space was woken, to give one */
	__u8 own;		    /* sonde's: its other end is not traced */
	__u8 carries;		    /* enum carries */
	__u8 greeted;		    /* bits: 1 << direction, in which no hello of TLS follows */
	__u8 filtered;		    /* by its ports */
	__u8 untraced;		    /* that thread is not to be traced */
	__u8 corked;		    /* UDP: a datagram is being put together */
	__u8 ended;		    /* bits: 1 << enum end_reason already reported */
	__u8 shape;		    /* 1 + index of its frames' shape; 0: turns only */
	__u32 serial;		    /* of its last datagram */
	__u32 polled_by;	    /* the thread that was last seen to wait for it, by poll() */
	__u8 polled;		    /* enum polled: what it waited for */
	__u8 overtaken;		    /* when it last received, a send was still untold */
	__u8 untold;		    /* an account of a request's time may be */
	__u32 unheard_from;	    /* the turn from which on nobody could be told of it; 0: none */
	__u64 tls_session;	    /* the one that it was last seen to carry */
	__u64 receiver;		    /* the goroutine that last received from it; 0: none */
	struct frame_walk walks[2]; /* by enum record_direction */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection_state);
} connections SEC(".maps") __weak;

/* A socket that carries, or may carry, what a TLS library encrypts. */
struct tls_carrier {
	__u64 cookie; /* 0: none */
	__u64 netns_inum;
	__u32 tx_seq, rx_seq; /* where its streams begin; 0: not known */
	__u16 family, local_port, remote_port;
	__u8 role;
	__u8 first;   /* nothing had passed in that direction */
	__u8 young;   /* hardly anything had passed in any */
	__u8 in_call; /* it was used inside the call */
	__u8 local_addr[16], remote_addr[16];
};

/* A call of a TLS library that has not returned; see tls.bpf.h. */
struct tls_call_state {
	__u64 session; /* 0: there is none */
	__u64 bound;   /* the last one whose socket was known */
	__u64 nested;  /* of a call inside the call: another one; 0: none */
	__u64 lost;    /* one that is not known, though its socket was noted; 0: none */
	__u64 buffer, len, count_at;
	__u64 sp;      /* at its entry */
	__u64 sent_ns; /* when its ciphertext left; 0: none did */
	__u64 cookie;
	__u8 used;  /* the thread has called a TLS library */
	__u8 io;    /* the call has used sockets */
	__u8 whole; /* all probes of its file are in place */
	/* The socket that the call used, or that was read from before: */
	struct tls_carrier carrier;
};

/* What has passed on a session. */
struct plaintext {
	__u64 buffer;
	__u64 time_ns;
	__u32 len;
	__u32 vector_cnt; /* struct iovec, at buffer; 0: that is the bytes themselves */
	bool send;
	__u8 reserved[7]; /* kernels before 6.3 want all of it to be set that a function is given */
};

#define BUFFER_WORDS 6 /* a queue of buffers with its limit, as rustls has them */

/* What the calls of a session that is used from apart leave to the next one; see apart.bpf.h. */
struct tls_apart {
	__u64 begun[BUFFER_WORDS]; /* what is unread, as the read that is under way began */
	__u64 left[BUFFER_WORDS];  /* and as the last one left it ... */
	__u64 left_by;		   /* ... of this socket's plaintext */
	__u64 fed;		   /* the part of a session that was last fed ... */
	__u64 carrier;		   /* ... from this socket: its cookie, as the plaintext's */
	bool unread;		   /* nothing of any session was read since */
	/* What was written last and is not known to be sent: */
	__u64 written_by; /* a part of its session; 0: there is none */
	struct plaintext written;
	__u64 head; /* its first bytes */
};

/* Of a request that is being served: what was last received of it. */
struct work {
	__u64 cookie; /* of its connection; 0: there is none */
	__u64 off;
	__u32 len;
	__u32 id; /* of its stream; 0: not known, or it has none */
};

/* What the time of a thread's request went to so far; see times.bpf.h. */
struct time_account {
	__u64 cookie, off; /* the request; cookie 0: there is none */
	__u64 begin_ns;
	__u64 since_ns; /* when the thread became what it is */
	__u64 spent_ns[WAITS_CNT];
	/* As it was when something was last sent to the client. */
	__u64 answered_ns, answered_spent_ns[TIMES_CNT];
	__u32 switches; /* how often the thread had left the CPU at begin_ns */
	__u8 untold;	/* and no record has told it */
	__u8 state;	/* enum time_spent, WAIT_NETWORK or WAIT_POLLED */
	__u8 loop;	/* see TIMES_LOOP */
};

struct task_state {
	__u32 process_id;	 /* 0: not yet looked at */
	__u32 exec_id;		 /* of the image that process_id stands for */
	__u32 checked_jiffies;	 /* when traced was last decided */
	__u32 filter_generation; /* and under which filter */
	__u64 mmsg_vec;		 /* array of the sendmmsg/recvmmsg in progress */
	__u32 mmsg_next;	 /* index of its next message */
	__u32 mmsg_len;
	__u64 op_sk; /* between entry and return, where these are two hooks: the socket */
	__u32 op_flags;
	__u8 op_send;
	__u8 checked; /* traced was decided at all */
	__u8 traced;
	__u8 announced;	 /* leader only: its process record was written */
	__u8 sealed;	 /* what it says over TLS is not to be seen */
	__u8 hop_denied; /* its requests are never to carry ids */
	__u8 serves;	 /* leader only: it has received requests while propagation was on */
	/* Kept by request.bpf.h, while profiling or telling times only: */
	__u8 answered;	     /* this thread has sent something back to that request */
	__u8 distrust;	     /* requests still to be served in order before keys are given again */
	__u8 shares_loop;    /* leader only: several threads serve sockets that do not block */
	__u32 loop_tid;	     /* leader only: the thread that does */
	__u32 go_generation; /* leader only: of go_exes, when is_go was decided */
	struct go_exe
		go;    /* leader only: of its executable; goid_at 0, and no tls: it is none of Go */
	__u32 go_hits; /* leader only: of probes that tell for whom it works, before it did both of */
	__u8 go_uses;			   /* leader only: GO_AS_SERVER, GO_AS_CLIENT */
	__u64 request_cookie, request_off; /* key of the request last received; 0: none */
	/* Kept by work.bpf.h: */
	struct work work; /* the thread is at it */
	__u64 waits_for;  /* the connection that had nothing for it */
	__u8 waits_alone; /* it has waited for a socket that no event loop watches */
	__u8 epolls; /* it has waited for a server along with others, perhaps by an event loop of its own */
	__u8 loops;	/* it has served several requests at a time */
	__u8 of_go;	/* it is of a program of Go: goroutines work, not threads */
	__u8 dedicated; /* enum cause_method: to the client that it last received from */
	__u8 handed; /* its work was received by another thread, and it has told that it is at it */
	__u8 answering; /* it has sent something back */
	/* Kept by share.bpf.h: */
	__u8 shared;	     /* others are told what it works for */
	__u8 answers_itself; /* leader only: a thread has answered the request that it had received */
	__u8 answers_others;	   /* leader only: or one that another had received */
	__u32 shared_changes;	   /* its additions are barriers */
	struct time_account times; /* kept by times.bpf.h */
	struct tls_call_state tls;
	struct tls_apart apart;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_state);
} tasks SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 * 1024 * 1024);
} records SEC(".maps") __weak;

/* Ends of connections that found no room in the ring. User space takes them from here once it has read what came before. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, LATE_ENDS_MAX);
	__type(value, struct record_end);
} late_ends SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FRAME_SHAPES_MAX);
	__type(key, __u32);
	__type(value, struct frame_shape);
} frame_shapes SEC(".maps") __weak;

/* By frame_shape.opening: connection_state.shape. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FRAME_SHAPES_MAX);
	__type(key, __u64);
	__type(value, __u8);
} openings SEC(".maps") __weak;

/* A buffer in one piece, or a vector of them (iov_cnt > 0) with its first piece. */
struct user_buffer {
	__u64 base, base_len;
	__u64 iov, iov_cnt;
	__u64 name; /* of the other end: an address in user memory, or 0 */
};

/* An operation whose frames are walked; see frames.bpf.h. */
struct frames_work {
	struct user_buffer buffer;
	struct frame_walk walk;
	__u64 base, base_left;	  /* the buffer, from where the walk is */
	__u64 iov, iov_left;	  /* pieces of it that follow */
	__u32 take_to, take_left; /* of take_frames */
	__u64 want;		  /* bytes of the operation that may be copied */
	__u64 off;		  /* of the operation in its stream */
	__u32 seq, len;
	__u32 pos, record_pos; /* how far the walk is, and where the record in progress began */
	__u32 out;	       /* bytes of payload so far */
	__u32 whole; /* bytes that were copied as they are, since nobody agreed to the walk */
	__u32 serial, other_serial, shape;
	__u8 bits;  /* WALK_ */
	__u8 dry;   /* only find the next frame: nothing is copied */
	__u8 first; /* the next frame is the first of its turn */
	__u8 broken;
	__u8 wanted; /* a frame of it is kept */
};

/* A stack that is being unwound; see unwind.bpf.h. */
struct stack_walk {
	struct unwind_registers registers;
	struct unwind_mapping mapping; /* of the last frame */
	struct unwind_pages pages;     /* of the process, now */
	__u32 process_id;
	__u32 at;    /* in the scratch's stacks, where the next address goes */
	__u32 cnt;   /* of addresses */
	__u32 end;   /* enum unwind_end */
	__u32 found; /* where a search is */
	__u32 v8;    /* the frames of V8 are wanted: */
	__u32 v8_cnt;
	__u32 reserved;
	__u64 v8_notes[V8_FRAMES_MAX +
		       1]; /* frame pointers, and above V8_NOTE_SHIFT which address */
};

/* Python frames that are being read; see python.bpf.h. */
struct python_walk {
	struct python_layout layout;
	__u64 self; /* what the thread calls itself */
	__u64 interpreter, thread, frame;
	__u64 base; /* the thread's own frame, which ends the others; 0: nothing does */
	__u64 below; /* the frame that this call of the loop was made from; 0: not known, or looked at */
	__u32 cnt; /* of frames */
	__u32 end; /* enum python_end */
	__u32 at;  /* where the first one is */
	__u32 reserved;
	__u64 lone;		     /* there is one interpreter */
	__u8 bytes[PYTHON_FRAME_SZ]; /* of a frame */
};

/*
 * Where a large record is put together. Twice the payload so that the verifier sees every copy fit. The
 * sampler interrupts the other hooks, so it has its own.
 */
struct scratch {
	struct tracer_counts counts;
	__u64 busy;	   /* of the TLS programs', which may be preempted: somebody works in it */
	__u32 slot;	   /* its index; user space sets it */
	__u32 since_query; /* records since the ring's fill level was looked at */
	__u32 ring_busy;   /* it was above settings.busy_at */
	__u32 wake;	   /* the reader shall be, by the next record */
	__u32 processes;   /* process ids given out from here */
	union {
		struct {
			struct record_op op;
			char payload[2 * COPY_MAX];
		};
		struct {
			struct record_process process;
			char process_payload[2 * COPY_MAX];
		};
		struct record_connection connection;
		struct record_exit exit;
		struct {
			struct record_sample sample;
			char stacks[2 * SAMPLE_STACK_ROOM + PYTHON_ROOM + V8_ROOM +
				    sizeof(struct sample_copy) + SAMPLE_COPY_MAX];
		};
	};
	char path[2 * PROCESS_EXE_SZ];
	struct frames_work work;
	struct stack_walk unwind;
	struct python_walk python;
	struct v8_layout v8;
};

/*
 * One per CPU, then one per CPU for the sampler, then one per CPU for TLS, and one for what is off the CPUs, in a
 * plain array: the values of a per-CPU array end at 32 KiB.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* user space: SCRATCHES of the possible CPUs */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, VERDICTS_MAX);
	__type(key, __u64);
	__type(value, struct verdict);
} verdicts SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, struct own_end_key);
	__type(value, __u8);
} own_ends SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u8);
} filter_pids SEC(".maps") __weak;

/* Processes that the faster clock samples, and the usual one does not: the number of their burst. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* user space: room for all bursts, if there may be any */
	__type(key, __u32);
	__type(value, __u16);
} burst_pids SEC(".maps") __weak;

/* Sets of commands, executables and cgroups: who is wanted, and who is denied something. */
struct name_set {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FILTER_NAMES_MAX);
	__type(key, struct name_key);
	__type(value, __u8);
};

struct exe_set {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct exe_key);
	__type(value, __u8);
};

struct cgroup_set {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u8);
};

struct name_set filter_names SEC(".maps") __weak;
struct name_set tls_denied_names SEC(".maps") __weak;
struct name_set hop_denied_names SEC(".maps") __weak;
struct exe_set filter_exes SEC(".maps") __weak;
struct exe_set hop_denied_exes SEC(".maps") __weak;
struct cgroup_set filter_cgroups SEC(".maps") __weak;
struct cgroup_set hop_denied_cgroups SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u16);
	__type(value, __u8);
} filter_ports SEC(".maps") __weak;

static __always_inline struct scratch *scratch_at(__u32 slot)
{
	return bpf_map_lookup_elem(&scratches, &slot);
}

static __always_inline struct scratch *scratch_get(void)
{
	return scratch_at(bpf_get_smp_processor_id());
}

/*
 * Flags of a record's end. It never wakes the reader by default: that one drains by timer, and is
 * woken only when the ring fills, or a connection copies much that perhaps nobody wants. The level is
 * looked at once in 32 records.
 */
static __always_inline __u64 wakeup_flags(struct scratch *s)
{
	__u64 level;

	if (s->wake) {
		s->wake = false;
		return BPF_RB_FORCE_WAKEUP;
	}
	if (++s->since_query < 32)
		return BPF_RB_NO_WAKEUP;
	s->since_query = 0;
	level = bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA);
	s->ring_busy = level > settings.busy_at;
	return level > settings.wakeup_at ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/*
 * The last part of the ring is not for operations and what goes with them, which come again and again, but for what
 * comes once: the ends of connections say how much was missed, and all of it is counted.
 */
static __always_inline bool has_room_for_op(struct scratch *s)
{
	if (s->ring_busy && bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) > settings.full_at) {
		s->counts.ring_full++;
		return false;
	}
	return true;
}

/* Room for a record of a fixed size that goes with an operation; NULL if there is none, which is counted. */
static __always_inline void *reserve_for_op(struct scratch *s, __u64 size)
{
	void *record;

	if (!s || !has_room_for_op(s))
		return NULL;
	record = bpf_ringbuf_reserve(&records, size, 0);
	if (!record)
		s->counts.ring_full++;
	return record;
}

/* Writes a finished record; false if it does not fit the ring, which the caller counts. */
static __always_inline bool write_record(struct scratch *s, void *record, __u64 size)
{
	return bpf_ringbuf_output(&records, record, size, wakeup_flags(s)) == 0;
}

static __always_inline bool emit(struct scratch *s, void *record, __u64 size)
{
	if (write_record(s, record, size))
		return true;
	s->counts.ring_full++;
	return false;
}

#endif
