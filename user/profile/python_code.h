/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPython's code objects, read from a process's memory: which function a frame runs, and which line. The memory
 * is hostile, and changes while it is read. One thread.
 */
#ifndef SONDE_PROFILE_PYTHON_CODE_H
#define SONDE_PROFILE_PYTHON_CODE_H

#include "user/base/arena.h"
#include "user/profile/process_memory.h"

#define PYTHON_NAME_MAX 1024 /* bytes of a name or path; a longer one is cut */
#define PYTHON_LINES_MAX 65536u

/* How the lines of a code object are written. */
enum python_lines {
	PYTHON_LINES_LNOTAB,   /* until 3.9: Objects/lnotab_notes.txt */
	PYTHON_LINES_RANGES,   /* 3.10: PEP 626 */
	PYTHON_LINES_POSITIONS /* from 3.11 on: Objects/locations.md */
};

/* Offsets in its objects, in bytes. */
struct python_code_layout {
	uint64_t type; /* address of PyCode_Type; 0: not known */
	uint16_t size; /* as much as has all below, at most 256 */
	uint16_t name, qualified_name /* 0: none */, file, first_line, lines;
	uint16_t instructions;	 /* 0: a frame's place is a number of them, or bytes */
	uint16_t unit;		 /* bytes for one in such a number */
	uint16_t ascii, compact; /* where the characters of the two kinds of strings are */
	enum python_lines kind;
};

/* What makes two readings the same: the object may be freed, and another be there. */
struct python_code_key {
	uint64_t name, file, lines;
	uint32_t first_line;
};

struct python_code {
	struct python_code_key key;
	struct slice name, file, lines; /* in the arena */
	bool is_shim;			/* the interpreter's own, which no source has */
};

/* False: there is no code object. */
bool python_code_key(const struct python_code_layout *layout, const struct process_memory *memory,
		     uint64_t address, struct python_code_key *key);
/* Reads the one that has that key. False when it cannot be read, or the arena is full. */
bool python_code_read(const struct python_code_layout *layout, const struct process_memory *memory,
		      const struct python_code_key *key, struct arena *arena,
		      struct python_code *code);
/* The line of an instruction, as python_frame.at has it; 0: it has none. */
uint32_t python_code_line(const struct python_code_layout *layout, const struct python_code *code,
			  uint32_t at);

#endif
