// SPDX-License-Identifier: Apache-2.0
/* A sorted array without overlaps. */
#include "user/profile/name_ranges.h"

#include <stdlib.h>

#define FIRST_CNT 256u

void name_ranges__init(struct name_ranges *r, uint32_t max_cnt, size_t names_max_sz)
{
	*r = (struct name_ranges){.max_cnt = max_cnt};
	arena__init(&r->names, names_max_sz);
}

void name_ranges__free(struct name_ranges *r)
{
	free(r->v);
	arena__free(&r->names);
	r->v = NULL;
	r->cnt = r->cap = 0;
}

void name_ranges__reset(struct name_ranges *r)
{
	r->cnt = 0;
	arena__reset(&r->names);
}

static bool grow(struct name_ranges *r)
{
	uint32_t cap = r->cap ? r->cap + r->cap / 2 : FIRST_CNT;
	struct name_range *grown;

	if (r->cnt >= r->max_cnt)
		return false;
	if (r->cnt < r->cap)
		return true;
	grown = reallocarray(r->v, cap, sizeof(*r->v));
	if (!grown)
		return false;
	r->v = grown;
	r->cap = cap;
	return true;
}

struct name_range *name_ranges__add(struct name_ranges *r, uint64_t start, uint64_t size,
				    struct slice name)
{
	uint64_t end = start + size;
	bool failed = false;

	if (!grow(r))
		return NULL;
	if (end < start)
		end = UINT64_MAX;
	r->v[r->cnt] = (struct name_range){
		.start = start,
		.end = end,
		.name = arena__copy(&r->names, name, &failed),
		.order = r->cnt + 1,
	};
	if (failed)
		return NULL;
	return &r->v[r->cnt++];
}

static int compare(const void *a, const void *b)
{
	const struct name_range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void name_ranges__sort(struct name_ranges *r)
{
	uint32_t kept = 0;

	if (r->cnt)
		qsort(r->v, r->cnt, sizeof(*r->v), compare);
	for (uint32_t i = 0; i < r->cnt; i++) {
		struct name_range range = r->v[i];

		if (range.end == range.start)
			range.end = i + 1 < r->cnt ? r->v[i + 1].start : UINT64_MAX;
		if (range.end == range.start) /* of several names without size the last one */
			continue;
		while (kept && r->v[kept - 1].end > range.start &&
		       r->v[kept - 1].order < range.order)
			kept--;
		if (!kept || r->v[kept - 1].end <= range.start)
			r->v[kept++] = range;
	}
	for (uint32_t i = 0; i < kept; i++)
		r->v[i].order = 0; /* older than all that are still to come */
	r->cnt = kept;
}

const struct name_range *name_ranges__find(const struct name_ranges *r, uint64_t address)
{
	uint32_t first = 0, cnt = r->cnt;

	while (cnt) {
		uint32_t half = cnt / 2;

		if (r->v[first + half].start <= address) {
			first += half + 1;
			cnt -= half + 1;
		} else {
			cnt = half;
		}
	}
	return first && address < r->v[first - 1].end ? &r->v[first - 1] : NULL;
}
