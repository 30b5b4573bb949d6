/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a process that runs V8: where it keeps its objects, and which functions its frames have run. That is
 * read when a sample asks for it, so a function that has moved by then has no name. One thread.
 */
#ifndef SONDE_PROFILE_V8_H
#define SONDE_PROFILE_V8_H

#include "user/profile/object_table.h"
#include "user/profile/v8_function.h"

struct v8_scripts;

struct v8 {
	enum v8_state state;
	int memory_fd; /* -1: not open */
	uint32_t refusals;
	struct v8_layout layout;
	struct v8_heap heap;
	uint64_t constant; /* where something always is */
	struct object_table functions;
	struct v8_scripts *scripts;
	uint64_t sources_cnt, sources_ns; /* characters read of them since then */
};

void v8__init(struct v8 *v8);
void v8__free(struct v8 *v8);
/*
 * The process has mapped a file that exports this, load above the file's own addresses. True if its layout has
 * become known by that. proc_dir_fd is from procfs_open.
 */
bool v8__meet(struct v8 *v8, int proc_dir_fd, const struct v8_symbols *symbols, uint64_t load);
/* The function of a frame, valid until the next call; NULL if it is not there as the sampler has seen it. */
const struct v8_function *v8__function(struct v8 *v8, const struct v8_frame *frame,
				       uint64_t now_ns);
/*
 * The instruction there, in code that V8 has made, has its function's frame in the frame pointer: it is behind what a
 * function begins with, and before what it ends with. False, too, if that cannot be read.
 */
bool v8__has_frame(struct v8 *v8, uint64_t at);

#endif
