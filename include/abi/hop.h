/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The TCP option by which a host tells the next one which span a request belongs to: kind 253, the
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

/* What the programs do with such options; user space sets it. */
enum propagation {
	PROPAGATION_OFF = 0,  /* none is written, none is read */
	PROPAGATION_TEST = 1, /* only on sonde's own connections, see user/capture/propagation.c */
	PROPAGATION_ON = 2,
};

#endif
