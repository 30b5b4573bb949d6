/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The shape of a protocol's frames, as the kernel needs it to walk them without knowing the protocol:
 * a header of fixed size that holds the frame's length. Shared by both sides of one build only.
 */
#ifndef SONDE_ABI_SHAPE_H
#define SONDE_ABI_SHAPE_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define FRAME_HEADER_MAX 16u
#define FRAME_SHAPES_MAX 32u
#define OPENING_LEN 8u

/* frame_shape.flags */
#define SHAPE_LITTLE_ENDIAN 0x01 /* the length; else big endian */

/*
 * A frame of a kind in kept is copied up to keep bytes, header included; of a kind in kept_more up to
 * keep_more. Of other frames nothing is copied, except of the first frame of each turn (keep). A kind
 * that cannot be seen, because an operation ends with the header, is taken for one in kept_more.
 */
struct frame_shape {
	__u8 header_sz; /* bytes that must be there to know length and type */
	__u8 length_at; /* where in them the length begins */
	__u8 length_sz; /* its bytes, 1 to 4 */
	__u8 type_at;	/* the byte that tells the kind, or one behind the header */
	__u8 flags;	/* SHAPE_ */
	/* If not 0: a byte of the header that must be 0 for kept_more to hold; else kept decides. */
	__u8 zero_at;
	__u8 begins;	  /* if not 0: the type that begins a message, see record_end.last_begun */
	__u8 padding_at;  /* if not 0: a byte of the header that tells how many more bytes follow */
	__s32 length_add; /* length + this = bytes of the whole frame */
	__u32 length_max; /* of a whole frame; what is longer is no frame */
	__u16 keep, keep_more;
	__u64 kept[4], kept_more[4]; /* one bit for each value of the type's byte */
	/* If not empty: what no connection of another protocol begins with; frames follow at once. */
	__u8 opening[OPENING_LEN];
};

#endif
