/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of the CPU sampler: a perf event on each CPU that runs the sampling program. */
#ifndef SONDE_CAPTURE_SAMPLER_H
#define SONDE_CAPTURE_SAMPLER_H

#include <stdint.h>

struct bpf_program;
struct sampler;

/*
 * Samples every CPU that is online now, hz times in each second that it is not idle. program is
 * loaded and outlives the sampler. NULL with errno.
 */
struct sampler *sampler__new(const struct bpf_program *program, int possible_cpus, uint32_t hz);
/* Ends sampling. NULL is legal. */
void sampler__free(struct sampler *sampler);

#endif
