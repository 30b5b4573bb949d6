// SPDX-License-Identifier: Apache-2.0
/* Fills memory, and ends: the kernel is at both for some time, at the end for a process that has no memory any more. */
#include <sys/mman.h>

#define FILLED_SZ (64 << 20)

int main(void)
{
	return mmap(0, FILLED_SZ, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED;
}
