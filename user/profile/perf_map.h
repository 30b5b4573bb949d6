/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Perf map files: where a JIT compiler tells which function it put where (the kernel tree's
 * tools/perf/Documentation/jit-interface.txt). Written by the profiled program: hostile. One thread.
 */
#ifndef SONDE_PROFILE_PERF_MAP_H
#define SONDE_PROFILE_PERF_MAP_H

#include "user/profile/name_ranges.h"

#define PERF_MAP_MAX_SZ (32u * 1024 * 1024) /* of a file; of a longer one the beginning is read */

struct perf_map {
	struct name_ranges names;
	uint64_t size, mtime_ns; /* of the file as it was read */
	uint64_t looked_ns;	 /* CLOCK_MONOTONIC, when the file was last looked at; 0: never */
};

void perf_map__init(struct perf_map *map);
void perf_map__free(struct perf_map *map);
/*
 * The name at an address in the process, valid until the next call; empty if there is none. Reads
 * the file, which must belong to the process's user or root, when it is due. proc_dir_fd is from
 * procfs_open.
 */
struct slice perf_map__find(struct perf_map *map, int proc_dir_fd, uint64_t address);

/* Takes the text of such a file; lines that are none are left out. */
void perf_map__parse(struct perf_map *map, struct slice text);

#endif
