/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a process that runs CPython: where it keeps its frames, and which functions these have run.
 * That is read when a sample asks for it, so a code object that is gone by then has no name. One thread.
 */
#ifndef SONDE_PROFILE_PYTHON_H
#define SONDE_PROFILE_PYTHON_H

#include "user/profile/object_table.h"
#include "user/profile/python_layout.h"

struct python {
	enum python_state state;
	int memory_fd;	   /* -1: not open */
	uint32_t refusals; /* how often it was not as it should be */
	struct python_layout layout;
	struct python_code_layout code;
	struct object_table codes;
};

void python__init(struct python *python);
void python__free(struct python *python);
/*
 * The process has mapped a file that exports this, load above the file's own addresses. True if its layout has
 * become known by that. proc_dir_fd is from procfs_open.
 */
bool python__meet(struct python *python, int proc_dir_fd, const struct python_symbols *symbols,
		  uint64_t load);
/* The code object at that address, valid until the next call; NULL if it cannot be read. */
const struct python_code *python__code(struct python *python, uint64_t address, uint64_t now_ns);

#endif
