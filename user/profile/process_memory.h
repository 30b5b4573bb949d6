/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of a process, which is hostile, and changes while it is read. */
#ifndef SONDE_PROFILE_PROCESS_MEMORY_H
#define SONDE_PROFILE_PROCESS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process_memory {
	void *ctx;
	/* All n bytes, or false. */
	bool (*read)(void *ctx, uint64_t address, void *to, size_t n);
};

/* By /proc/PID/mem, which stays the caller's. */
struct process_memory process_memory_of(int memory_fd);

#endif
