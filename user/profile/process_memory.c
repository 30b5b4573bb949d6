// SPDX-License-Identifier: Apache-2.0
/* The memory of a live process. */
#include "user/profile/process_memory.h"

#include <unistd.h>

#define ADDRESS_LIMIT (1ull << 47)

static bool read_memory(void *ctx, uint64_t address, void *to, size_t n)
{
	return address < ADDRESS_LIMIT && n < ADDRESS_LIMIT - address &&
	       pread((int)(intptr_t)ctx, to, n, (off_t)address) == (ssize_t)n;
}

struct process_memory process_memory_of(int memory_fd)
{
	return (struct process_memory){.ctx = (void *)(intptr_t)memory_fd, .read = read_memory};
}
