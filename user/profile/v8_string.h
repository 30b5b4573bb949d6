/* SPDX-License-Identifier: Apache-2.0 */
/* V8's strings, read from a process's memory. One thread. */
#ifndef SONDE_PROFILE_V8_STRING_H
#define SONDE_PROFILE_V8_STRING_H

#include "user/base/arena.h"
#include "user/profile/v8_layout.h"

#define V8_NAME_MAX 1024 /* bytes of a name or path; a longer one is cut */

/* A heap as it is in a process. Pointers to objects are one above their addresses. */
struct v8_heap {
	struct v8_heap_layout layout;
	struct process_memory memory;
};

/* Where the characters of a string are. */
struct v8_text {
	uint64_t address;
	uint32_t cnt;
	uint8_t width; /* bytes of one */
};

bool v8_read_word(const struct v8_heap *heap, uint64_t address, uint64_t *v);
/* The type of an object; false: it is none. */
bool v8_type_of(const struct v8_heap *heap, uint64_t object, uint16_t *type);
/* A small integer; false: it is none. */
bool v8_take_smi(uint64_t word, int32_t *v);
/* False: it is no string, or its characters are not in one piece. */
bool v8_text_of(const struct v8_heap *heap, uint64_t string, struct v8_text *text);
/* A copy of the string in UTF-8. False: it cannot be read, or the arena is full. */
bool v8_string_read(const struct v8_heap *heap, uint64_t string, struct arena *arena,
		    struct slice *out);

#endif
