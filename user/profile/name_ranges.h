/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of address ranges, as /proc/kallsyms, perf map files and jitdump files give them: filled, sorted, then
 * searched. Bounded; one thread.
 */
#ifndef SONDE_PROFILE_NAME_RANGES_H
#define SONDE_PROFILE_NAME_RANGES_H

#include "user/base/arena.h"

struct name_range {
	uint64_t start, end; /* the address after the last one */
	struct slice name;
	uint32_t order; /* of its being added */
	uint32_t note;	/* the user's own, 0 at first */
};

struct name_ranges {
	struct name_range *v;
	uint32_t cnt, cap, max_cnt;
	struct arena names;
};

/* names_max_sz bounds the bytes of all names together. */
void name_ranges__init(struct name_ranges *r, uint32_t max_cnt, size_t names_max_sz);
void name_ranges__free(struct name_ranges *r);
/* Forgets all ranges, keeps the memory. */
void name_ranges__reset(struct name_ranges *r);
/* Copies the name. size 0: until the next range starts. NULL when there is no room. Valid until the next. */
struct name_range *name_ranges__add(struct name_ranges *r, uint64_t start, uint64_t size,
				    struct slice name);
/* To be called before a search, when some have been added. Of ranges that overlap, the one added last stays. */
void name_ranges__sort(struct name_ranges *r);
/* The range that holds the address, or NULL. */
const struct name_range *name_ranges__find(const struct name_ranges *r, uint64_t address);

#endif
