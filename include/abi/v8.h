/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where V8 keeps which JavaScript function a frame runs, as user space has found out for a process, and what the
 * sampler has read of that. The words are V8's: a frame has a JSFunction, which has a SharedFunctionInfo.
 * Pointers to objects are one above their addresses.
 */
#ifndef SONDE_ABI_V8_H
#define SONDE_ABI_V8_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define V8_FRAMES_MAX 127    /* of a sample */
#define V8_PROCESSES_MAX 512 /* that the sampler knows */

/* Of a process. Offsets are in bytes, in objects from their addresses on. */
struct v8_layout {
	__s16 frame_context, frame_function; /* from the frame pointer */
	__u16 map_type;			     /* of an object's map: 16 bits, the object's type */
	__u16 function_type, function_types; /* JSFunctions have one of so many from there on */
	__u16 function_shared;
	__u16 shared_name;
	__u16 reserved;
};

/* Recordings hold it. */
struct v8_frame {
	__u64 shared; /* SharedFunctionInfo; 0: it cannot be read */
	__u64 name;   /* what that had in its field of the name: a String, a ScopeInfo, or none */
	__u8 frame;   /* which of the process's addresses */
	__u8 reserved[7];
};

#endif
