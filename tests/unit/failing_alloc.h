/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation that fails when told. Stands before the sanitizer's allocator, so one file of a test
 * program may include it. The C library's own allocations fail alike.
 */
#ifndef SONDE_TESTS_FAILING_ALLOC_H
#define SONDE_TESTS_FAILING_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* So many allocations less one succeed, and none after them. Below 0 all do. */
static long allocations_left = -1;

void *__interceptor_malloc(size_t n);
void *__interceptor_calloc(size_t n, size_t sz);
void *__interceptor_reallocarray(void *p, size_t n, size_t sz);

static bool out_of_memory(void)
{
	if (allocations_left > 0)
		allocations_left--;
	return allocations_left == 0;
}

void *malloc(size_t n)
{
	return out_of_memory() ? NULL : __interceptor_malloc(n);
}

void *calloc(size_t n, size_t sz)
{
	return out_of_memory() ? NULL : __interceptor_calloc(n, sz);
}

void *reallocarray(void *p, size_t n, size_t sz)
{
	return out_of_memory() ? NULL : __interceptor_reallocarray(p, n, sz);
}

#endif
