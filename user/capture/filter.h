/* SPDX-License-Identifier: Apache-2.0 */
/* Targets to the keys that the BPF programs look up. */
#ifndef SONDE_CAPTURE_FILTER_H
#define SONDE_CAPTURE_FILTER_H

#include "user/capture/targets.h"

/* File descriptors of the maps. */
struct filter_maps {
	int pids, names, exes, cgroups, ports;
};

/* FILTER_ bits that the targets call for. */
unsigned int filter_bits(const struct targets *targets);
/*
 * Fills the maps; those of a negative descriptor are only checked for. 0, or -1 with a sentence in
 * why.
 */
int filter_fill(const struct targets *targets, const struct filter_maps *maps, char *why,
		size_t why_sz);

/* Fills a map of names of commands, as above. */
int filter_fill_names(const char *const *names, size_t cnt, int map_fd, char *why, size_t why_sz);
void filter_clear_map(int map_fd);
/* Does a process pass the filter in the maps, as far as pids, names and executables go? */
bool filter_may_pass(const struct filter_maps *maps, unsigned int kinds, uint32_t pid);
/* Empties the maps. */
void filter_clear(const struct filter_maps *maps);

/* Where cgroup v2 is mounted; false if it is not. */
bool find_cgroup2(char *path, size_t path_sz);

#endif
