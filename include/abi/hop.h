/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The TCP option, or the header, by which a host tells the next one which span a request belongs to: kind 253, the
 * experiment's id (RFC 6994), and the ids that a traceparent header has. It rides on the segments in which
 * the request's first bytes leave. Other hosts read it: nothing here is ever changed.
 */
#ifndef SONDE_ABI_HOP_H
#define SONDE_ABI_HOP_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define HOP_OPTION_KIND 253
#define HOP_OPTION_EXID 0x536f /* in network order on the wire */

struct hop_option {
	__u8 kind;
	__u8 len;
	__u8 exid[2];
	__u8 trace_id[16]; /* as bytes, in the order in which traceparent has them */
	__u8 span_id[8];   /* of the client's span; neither id is all zero */
};

/* The same as a header, which is put behind the first line of a request of HTTP/1. */
#define HOP_HEADER_NAME "traceparent: 00-"
struct hop_header {
	char name[sizeof(HOP_HEADER_NAME) - 1];
	char trace_id[32];
	char dash;
	char span_id[16];
	char end[5]; /* the flags, and the end of the line */
};

/* What the programs do with ids; user space sets it. */
enum propagation {
	PROPAGATION_OFF = 0,  /* none are written, none are read */
	PROPAGATION_TEST = 1, /* only on sonde's own connections, see user/capture/propagation.c */
	PROPAGATION_ON = 2,
};

#endif
