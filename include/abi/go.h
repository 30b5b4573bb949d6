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
#define GO_GIVEN_MAX 8192

/* Code, counted from the probe of GO_BORN. */
struct go_range {
	__s32 off;
	__u32 sz; /* 0: the program has none */
};

/* Functions that create goroutines of which something is known. */
enum go_birthplace {
	/* They receive for their creator: net/http's server, of HTTP/2 as well. */
	GO_READS_AHEAD,
	GO_READS_FRAMES,
	GO_READS_FRAMES_X, /* the same of golang.org/x/net, as all of _X */
	GO_READS_LAST = GO_READS_FRAMES_X,
	/* They do what their creator was asked: a stream of HTTP/2, or a part of a group's. */
	GO_SERVES,
	GO_SERVES_X,
	GO_SERVES_OLD,
	GO_SERVES_OLD_X,
	GO_GROUP,
	GO_GROUP_TRY,
	GO_WAIT_GROUP,
	/* The same, and send one request, with nobody else's: a client's stream of HTTP/2. */
	GO_ASKS,
	GO_ASKS_FIRST = GO_ASKS,
	GO_ASKS_X,
	GO_ASKS_OLD,
	GO_ASKS_OLD_X,
	GO_BIRTHPLACES,
};

/* Where the runtime of that version keeps what; all in bytes from the beginning. */
struct go_exe {
	__u16 goid_at;	     /* in runtime.g; 0: nothing is known of this version */
	__u16 current_at;    /* in runtime.m: the goroutine that it runs */
	__u16 receivers_at;  /* in runtime.hchan: the first that waits to receive */
	__u16 birthplace_at; /* in runtime.g: where it was created */
	__u8 tls;	     /* there are probes in crypto/tls */
	__u8 reserved;
	struct go_range births[GO_BIRTHPLACES];
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
