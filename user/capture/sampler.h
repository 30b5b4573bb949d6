/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of the CPU sampler: a perf event on each CPU that runs the sampling program. */
#ifndef SONDE_CAPTURE_SAMPLER_H
#define SONDE_CAPTURE_SAMPLER_H

#include <stdint.h>

struct bpf_map;
struct bpf_program;
struct sampler;

/*
 * Call it before the first sample. A sample of a thread not seen before takes storage twice, for it and for its
 * process, where the kernel can only hand out what the CPU has ready: one piece at first, and the sample were lost.
 */
void sampler_warm_storage(const struct bpf_map *tasks, int possible_cpus);

/*
 * Samples every CPU that is online now, hz times in each second that it is not idle. program is
 * loaded and outlives the sampler; it can tell by the cookie which of several clocks has run it. NULL with errno:
 * of a cookie other than 0 perhaps EOPNOTSUPP, before 5.15.
 */
struct sampler *sampler__new(const struct bpf_program *program, int possible_cpus, uint32_t hz,
			     uint64_t cookie);
/* Ends sampling. NULL is legal. */
void sampler__free(struct sampler *sampler);

#endif
