/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which V8 a file is, and where that keeps its objects: x86-64, without compressed pointers, as in Node.js. Most of it
 * the file says itself, in the constants that it exports for debuggers. One thread.
 */
#ifndef SONDE_PROFILE_V8_LAYOUT_H
#define SONDE_PROFILE_V8_LAYOUT_H

#include "include/abi/v8.h"
#include "user/base/elf_file.h"
#include "user/profile/process_memory.h"

enum v8_symbol {
	V8_VERSION_MAJOR,
	V8_VERSION_MINOR,
	V8_FUNCTION_SHARED,
	V8_MAP_TYPE,
	V8_FUNCTION_TYPE,
	V8_SHARED_TYPE,
	V8_SCOPE_TYPE,
	V8_SCRIPT_TYPE,
	V8_ODDBALL_TYPE,
	V8_SCOPE_FIRST,
	V8_FRAME_CONTEXT,
	V8_FRAME_FUNCTION,
	V8_SYMBOLS_CNT,
};

/* What a file exports, at its own addresses. 0: nothing of that name. */
struct v8_symbols {
	uint64_t at[V8_SYMBOLS_CNT];
};

/* Offsets in its objects, in bytes, and the types of these. */
struct v8_heap_layout {
	uint16_t map_type;
	uint16_t shared_type, scope_type, script_type, oddball_type;
	uint16_t shared_name, shared_script;
	uint16_t scope_first;	   /* of a ScopeInfo's words, that of the first local variable */
	uint16_t scope_module;	   /* the kind of a module's scope */
	bool scope_has_smi_flags;  /* else a number of 32 bits */
	bool scope_has_span_first; /* where it is in the source stands before the variables */
};

enum v8_state {
	V8_NONE, /* not looked at, or none */
	V8_KNOWN,
	V8_FOREIGN, /* a version that is not known, or not as it should be */
};

void v8_symbols__read(struct v8_symbols *symbols, struct elf_file *elf);
/* Of a process in whose memory the file's addresses are that much higher. Fills both when V8_KNOWN. */
enum v8_state v8_layout__find(const struct v8_symbols *symbols, uint64_t load,
			      const struct process_memory *memory, struct v8_layout *layout,
			      struct v8_heap_layout *heap);

#endif
