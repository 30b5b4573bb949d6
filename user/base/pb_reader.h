/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the fields of a protobuf message (the wire format of protobuf.dev/programming-guides/encoding), one level at
 * a time. For messages of strangers: no recursion, no memory, which the library's unpacking takes as the sender likes.
 */
#ifndef SONDE_BASE_PB_READER_H
#define SONDE_BASE_PB_READER_H

#include "user/base/slice.h"

enum pb_type {
	PB_VARINT = 0,
	PB_FIXED64 = 1,
	PB_BYTES = 2, /* a string or a message as well */
	PB_FIXED32 = 5,
};

struct pb_field {
	uint32_t number;
	enum pb_type type;
	uint64_t value;	    /* of any type but PB_BYTES */
	struct slice bytes; /* of PB_BYTES; points into the message */
};

/* Takes the next field. False at the end, where rest is empty, and where the message is malformed, where it is not. */
bool pb_next(struct slice *rest, struct pb_field *out);

#endif
