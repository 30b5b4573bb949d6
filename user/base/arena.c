// SPDX-License-Identifier: Apache-2.0
/* Bump allocator: chunks of 32 KiB (or as large as one allocation needs) in a list. */
#include "user/base/arena.h"

#include <stdlib.h>

#define CHUNK_SZ (32u * 1024)

struct arena_chunk {
	struct arena_chunk *next;
	size_t cap, used;
	_Alignas(16) char bytes[];
};

void arena__init(struct arena *a, size_t max_sz)
{
	*a = (struct arena){.max_sz = max_sz};
}

/* The next chunk with room: one that a reset left behind, else a new one. */
static struct arena_chunk *grow(struct arena *a, size_t sz)
{
	size_t cap = sz > CHUNK_SZ ? sz : CHUNK_SZ;
	struct arena_chunk *chunk = a->current ? a->current->next : NULL;

	for (; chunk; chunk = chunk->next) {
		a->current = chunk;
		chunk->used = 0;
		if (chunk->cap >= sz)
			return chunk;
	}
	if (a->used_sz + cap > a->max_sz)
		cap = a->max_sz > a->used_sz ? a->max_sz - a->used_sz : 0;
	if (cap < sz)
		return NULL;
	chunk = malloc(sizeof(*chunk) + cap);
	if (!chunk)
		return NULL;
	*chunk = (struct arena_chunk){.cap = cap};
	a->used_sz += cap;
	if (a->current)
		a->current->next = chunk;
	else
		a->first = chunk;
	a->current = chunk;
	return chunk;
}

void *arena__alloc(struct arena *a, size_t sz)
{
	struct arena_chunk *chunk = a->current;
	void *p;

	if (sz > a->max_sz)
		return NULL;
	sz = (sz + 7) & ~(size_t)7;
	if (!chunk || chunk->cap - chunk->used < sz)
		chunk = grow(a, sz);
	if (!chunk)
		return NULL;
	p = chunk->bytes + chunk->used;
	chunk->used += sz;
	return p;
}

struct slice arena__copy(struct arena *a, struct slice s, bool *failed)
{
	char *p;

	if (s.n == 0)
		return SLICE("");
	p = arena__alloc(a, s.n);
	if (!p) {
		*failed = true;
		return SLICE("");
	}
	memcpy(p, s.p, s.n);
	return slice_of(p, s.n);
}

void arena__reset(struct arena *a)
{
	a->current = a->first;
	if (a->first)
		a->first->used = 0;
}

void arena__free(struct arena *a)
{
	struct arena_chunk *chunk = a->first;

	while (chunk) {
		struct arena_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
	arena__init(a, a->max_sz);
}
