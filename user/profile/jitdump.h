/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jitdump files: where a JIT compiler tells, as it goes on, which function it put where (the kernel tree's
 * tools/perf/Documentation/jitdump-specification.txt). The compiler has the file's first page mapped as code, by which it is
 * found. Written by the profiled program: hostile. One thread.
 */
#ifndef SONDE_PROFILE_JITDUMP_H
#define SONDE_PROFILE_JITDUMP_H

#include "user/profile/name_ranges.h"

struct jit_place;

/* The code in it is read by nobody here, only what stands before that. */
struct jitdump {
	struct name_ranges names; /* their notes are the numbers of places */
	struct jit_place *places; /* in the source; those of number 0: none */
	uint32_t places_cnt, places_cap;
	uint64_t place_of; /* whose code's place was told last */
	uint32_t place;	   /* and its number */
	int fd;		   /* -1: none has been found */
	uint64_t
		read_to; /* in the file, where the next record is; UINT64_MAX: what is there is none */
	uint64_t looked_ns; /* CLOCK_MONOTONIC, when there was last a look; 0: never */
};

/* name is empty if nothing is known. */
struct jit_function {
	struct slice name, file; /* valid until the next call */
	uint32_t line;		 /* that it begins in; 0: not known */
};

void jitdump__init(struct jitdump *dump);
void jitdump__free(struct jitdump *dump);
/* Is a mapped file of this path one, by its name? */
bool jitdump_is_named(struct slice path);
/* Is it due to look for the file, of which none is known? */
bool jitdump__wants_file(struct jitdump *dump, uint64_t now_ns);
/* Takes over fd, unless the file does not belong to the process's user or root. proc_dir_fd is from procfs_open. */
void jitdump__open(struct jitdump *dump, int fd, int proc_dir_fd);
/* The function at an address in the process. Reads what has been written since when that is due. */
struct jit_function jitdump__find(struct jitdump *dump, uint64_t address, uint64_t now_ns);

#endif
