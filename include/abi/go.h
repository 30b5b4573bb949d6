/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What user space tells the BPF programs of an executable of Go, and of the probes in it that tell who works for
 * whom. Shared by both sides of one build only, never on disk.
 */
#ifndef SONDE_ABI_GO_H
#define SONDE_ABI_GO_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define GO_EXES_MAX 1024
#define GOROUTINES_MAX 65536 /* that work for somebody */
#define GO_PENDING_MAX 8192  /* that are about to begin */
#define GO_WRITERS_MAX 1024  /* that have not sent anything yet */

/* For whom a process works matters only if it serves, and asks others. */
enum go_use {
	GO_USE_UNKNOWN,
	GO_USE_ONE, /* one that does only one of both has hit GO_HITS_MAX probes */
	GO_USE_BOTH,
};
#define GO_HITS_MAX 1000

/* Where the runtime of that version keeps what; all in bytes from the beginning. */
struct go_exe {
	__u16 goid_at;	    /* in runtime.g; 0: nothing is known of this version */
	__u16 receivers_at; /* in runtime.hchan: the first that waits to receive */
	__u16 created_at;   /* in runtime.g: where it was created */
	__u8 tls;	    /* there are probes in crypto/tls */
	__u8 use;	    /* enum go_use, as the BPF programs find it */
	/*
	 * From where the process's code begins, and how long: where net/http's server creates a goroutine that
	 * waits for what the client sends before it is answered. 0: it has none.
	 */
	__u32 ahead_off, ahead_sz;
};

/* The cookie of such a probe: what happens there, and 256 times enum go_part. */
enum go_call {
	/* net/http's connection, the first argument, is about to send a request. */
	GO_ROUND_TRIP = 1,
	GO_WRITE_LOOP, /* its writing goroutine begins */
	GO_BEGINS,     /* a goroutine begins in its closure */
	/* A server of HTTP/2 takes a stream's headers, from the frame that is an argument, ... */
	GO_STREAM,
	GO_GIVES, /* ... gives the stream, the first argument, to a goroutine, ... */
	GO_TAKES, /* ... which takes it: the fourth argument */
	/* What follows happens at a call, and the arguments are that one's; all else at the entry. */
	GO_AT_CALL,
	/* A goroutine is created, which begins in the closure that is the argument. */
	GO_CREATES = GO_AT_CALL,
	/* gRPC's client queues the header fields of a stream, in the fourth argument, ... */
	GO_QUEUES,
	/* ... and its writer encodes them, the fourth argument, as the stream that is the second. */
	GO_WRITES,
};

/* What a goroutine does for the one that creates it. */
enum go_part {
	GO_READS, /* it receives for that one: net/http's server of HTTP/2 */
	GO_DOES,  /* what that one was asked: a stream's, or a part of a group's */
	GO_ASKS,  /* the same, and sends one request with nobody else's: a client's stream */
	GO_GOES_ON, /* it receives from the connection that its creator has received from: gRPC's server */
};
#define GO_CALL(cookie) ((cookie)&0xff)
#define GO_PART(cookie) ((cookie) >> 8)

#define GO_WRITE_REQUESTS_AT \
	136 /* in net/http.persistConn: the channel that its writer receives from */
#define GO_HEADER_FIELDS_AT 8 /* in what gRPC's client queues */

#endif
