/* SPDX-License-Identifier: Apache-2.0 */
/* The executable mappings of one process, from /proc/PID/maps (proc(5)). One thread. */
#ifndef SONDE_PROFILE_MAPPINGS_H
#define SONDE_PROFILE_MAPPINGS_H

#include "include/abi/unwind.h"
#include "user/base/arena.h"

struct mapping {
	uint64_t start, limit; /* addresses in the process */
	uint64_t file_off;     /* of start */
	uint64_t inode;	       /* 0: no file */
	struct slice path; /* as the kernel writes it; "" or "[vdso]" and the like without file */
	/* For whoever looks the file up; kept over a new reading as long as the mapping is the same. */
	uint32_t module;
	bool tried;
	struct {
		uint64_t bias;
		uint32_t table, kind; /* as in unwind_mapping */
	} unwind;
};

struct mappings {
	uint64_t number; /* of this reading of them, of all that were ever read here; 0: never */
	struct mapping *v;
	uint32_t cnt, cap;
	struct arena paths;
};

void mappings__init(struct mappings *m);
void mappings__free(struct mappings *m);
/*
 * Reads anew. 0, or a negative errno: -ESRCH when the process has ended; then the old ones stay.
 * proc_dir_fd is from procfs_open.
 */
int mappings__read(struct mappings *m, int proc_dir_fd);
/* Takes the text of such a file instead. 0 or -ENOMEM. */
int mappings__parse(struct mappings *m, struct slice text);
/* The one that holds the address, or NULL. Valid until the next reading. */
struct mapping *mappings__find(struct mappings *m, uint64_t address);

#endif
