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
#define GO_BIRTHPLACES_MAX 8192

/* Code, counted from the probe of GO_BORN. */
struct go_range {
	__s32 off;
	__u32 sz; /* 0: the program has none */
};

/* What is special in goroutines that are created there. They receive for their creator, ... */
enum go_reader {
	GO_READS_AHEAD,	   /* ... which receives itself once it has answered: net/http's server */
	GO_READS_FRAMES,   /* ... and wait until it has seen to each frame: its server of HTTP/2 */
	GO_READS_FRAMES_X, /* the same of golang.org/x/net */
	GO_WAITED, /* They do not, and are for requests that came before: those servers' as well. */
	GO_WAITED_X,
	GO_READERS,
};

/* Where the runtime of that version keeps what; all in bytes from the beginning. */
struct go_exe {
	__u16 goid_at;	     /* in runtime.g; 0: nothing is known of this version */
	__u16 frame_at;	     /* in runtime.g: the frame pointer, while it is not running */
	__u16 current_at;    /* in runtime.m: the goroutine that it runs */
	__u16 receivers_at;  /* in runtime.hchan: the first that waits to receive */
	__u16 birthplace_at; /* in runtime.g: where it was created */
	__u8 tls;	     /* there are probes in crypto/tls */
	__u8 reserved;
	struct go_range readers[GO_READERS];
};

/* The cookie of such a probe: what happens there. */
enum go_call {
	GO_BORN = 1, /* runtime.runqput is called, whose second argument is a new goroutine */
	GO_ROUND_TRIP =
		2, /* net/http's connection, the first argument, is about to send a request */
	GO_WRITE_LOOP = 3, /* its writing goroutine begins */
};

#define GO_WRITE_REQUESTS_AT \
	136 /* in net/http.persistConn: the channel that its writer receives from */

#endif
