/* SPDX-License-Identifier: Apache-2.0 */
/*
 * V8's functions, read from a process's memory: what a SharedFunctionInfo is called, in which script it is, and from which
 * line on. One thread.
 */
#ifndef SONDE_PROFILE_V8_FUNCTION_H
#define SONDE_PROFILE_V8_FUNCTION_H

#include "user/profile/v8_string.h"

#define V8_SOURCE_MAX (8u << 20) /* characters of a script of which lines are counted */
#define V8_LINES_MAX (1u << 20)	 /* and so many lines of it */

/* What makes two readings the same: objects move, and others come where they were. */
struct v8_function_key {
	uint64_t name;	 /* the field that a v8_frame has, too */
	uint64_t script; /* 0: V8's own, which no source has */
	uint64_t own_name, guessed_name;
	uint32_t start, end; /* in the source */
	bool has_span;
};

struct v8_function {
	struct v8_function_key key;
	struct slice name, file; /* in the arena */
	uint32_t line;		 /* that it begins in; 0: not known */
};

/* The ends of a script's lines. */
struct v8_lines {
	uint64_t script, source; /* 0: free */
	uint32_t cnt;		 /* of the source's characters */
	uint32_t *ends, ends_cnt, ends_cap;
	bool failed; /* they could not be read, or are too many */
};

/* False: there is no such function, or it is not there as the sampler has seen it. */
bool v8_function_key(const struct v8_heap *heap, uint64_t shared, uint64_t name,
		     struct v8_function_key *key);
/* Reads the one that has that key, its line apart. False when it cannot be read, or the arena is full. */
bool v8_function_read(const struct v8_heap *heap, const struct v8_function_key *key,
		      struct arena *arena, struct v8_function *function);
/*
 * The line, from 1 on, of a place in a script; 0: not known. lines is what is known of some script. What had to be read
 * for it of the source is added to *read_cnt, in characters.
 */
uint32_t v8_line_of(const struct v8_heap *heap, uint64_t script, uint32_t at,
		    struct v8_lines *lines, uint64_t *read_cnt);
void v8_lines__free(struct v8_lines *lines);

#endif
