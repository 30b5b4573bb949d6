/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to trace. Targets of one kind are alternatives; a process or connection must pass every kind
 * that is given. None at all: everything.
 */
#ifndef SONDE_CAPTURE_TARGETS_H
#define SONDE_CAPTURE_TARGETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed for the duration of capture__new. */
struct targets {
	const uint64_t *pids;
	size_t pids_cnt;
	const char *const *names; /* of commands, as in /proc/PID/comm */
	size_t names_cnt;
	const char *const *exes; /* paths */
	size_t exes_cnt;
	const uint64_t *ports;
	size_t ports_cnt;
	const char *const *cgroups; /* paths, absolute or below the cgroup2 mount */
	size_t cgroups_cnt;
	const char *const *containers; /* ids, or at least 6 digits of them */
	size_t containers_cnt;
	bool descendants; /* children of pids too */
};

#endif
