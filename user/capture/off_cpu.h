/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of the sampler of what is off the CPUs: a thread that has an iterator look at all threads. */
#ifndef SONDE_CAPTURE_OFF_CPU_H
#define SONDE_CAPTURE_OFF_CPU_H

#include <stddef.h>
#include <stdint.h>

#include "include/abi/tracer.h"

struct bpf_program;
struct off_cpu_sampler;

/*
 * Looks hz times a second, at uneven intervals, at the threads of these processes, or of all if there are none. It
 * looks less often where that would take more than 1 % of a CPU at 49 Hz, and at others as much more or less. program is loaded and outlives it, as do its pass and
 * pids. NULL with errno.
 */
struct off_cpu_sampler *off_cpu__new(const struct bpf_program *program, struct off_cpu_pass *pass,
				     const uint64_t *pids, size_t pids_cnt, uint32_t hz);
/* Looks a last time, so that all that is known has been told, and frees. NULL is legal. */
void off_cpu__free(struct off_cpu_sampler *o);

#endif
