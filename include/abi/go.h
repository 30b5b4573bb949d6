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

/* Where the runtime of that version keeps what; all in bytes from the beginning. */
struct go_exe {
	__u16 goid_at;	    /* in runtime.g; 0: nothing is known of this version */
	__u16 receivers_at; /* in runtime.hchan: the first that waits to receive */
	__u16 created_at;   /* in runtime.g: where it was created */
	__u8 tls;	    /* there are probes in crypto/tls */
	__u8 reserved;
	/*
	 * From where the process's code begins, and how long: where net/http's server creates a goroutine that
	 * waits for what the client sends before it is answered. 0: it has none.
	 */
	__u32 ahead_off, ahead_sz;
};

/* The cookie of such a probe: what happens there, and 256 times enum go_part. */
enum go_call {
	GO_ROUND_TRIP =
		1,     /* net/http's connection, the first argument, is about to send a request */
	GO_WRITE_LOOP, /* its writing goroutine begins */
	GO_CREATES, /* a goroutine is created, which begins in the closure that is the argument */
	GO_BEGINS,  /* one begins */
};

/* What a goroutine does for the one that creates it. */
enum go_part {
	GO_READS, /* it receives for that one: net/http's server of HTTP/2 */
	GO_DOES,  /* what that one was asked: a stream's, or a part of a group's */
	GO_ASKS,  /* the same, and sends one request with nobody else's: a client's stream */
};
#define GO_CALL(cookie) ((cookie)&0xff)
#define GO_PART(cookie) ((cookie) >> 8)

#define GO_WRITE_REQUESTS_AT \
	136 /* in net/http.persistConn: the channel that its writer receives from */

#endif
