/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bump allocator with a hard maximum. What it hands out lives until arena__reset or arena__free.
 * One thread at a time.
 */
#ifndef SONDE_BASE_ARENA_H
#define SONDE_BASE_ARENA_H

#include "user/base/slice.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *first; /* chunks are kept over a reset */
	struct arena_chunk *current;
	size_t used_sz;
	size_t max_sz;
};

/* max_sz bounds the sum of all chunks, in bytes. */
void arena__init(struct arena *a, size_t max_sz);
/* 8-byte aligned memory, not cleared; NULL when the maximum is reached or memory is out. */
void *arena__alloc(struct arena *a, size_t sz);
/* A copy of s; sets *failed (never clears it) and returns the empty slice when there is no room. */
struct slice arena__copy(struct arena *a, struct slice s, bool *failed);
/* Forgets all allocations, keeps the memory for the next ones. */
void arena__reset(struct arena *a);
void arena__free(struct arena *a);

#endif
