// SPDX-License-Identifier: Apache-2.0
/* Two generations: when the young one is full it becomes the old one, and the old one is forgotten. */
#include "user/base/recent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct recent {
	uint32_t cnt_max, slots; /* twice cnt_max, so that there is always one that is empty */
	uint32_t young_cnt;	 /* with those that were removed */
	uint64_t *young, *old;	 /* open addressing; 0: empty, REMOVED */
};

#define REMOVED 1u

static uint64_t key_of(uint64_t hash)
{
	return hash > REMOVED ? hash : hash + 2;
}

/* The slot that holds the key, or the empty one where it would be. */
static uint64_t *slot_of(const struct recent *recent, uint64_t *table, uint64_t key)
{
	uint32_t at = (uint32_t)(key >> 32) & (recent->slots - 1);

	while (table[at] && table[at] != key)
		at = (at + 1) & (recent->slots - 1);
	return &table[at];
}

struct recent *recent__new(uint32_t cnt)
{
	struct recent *recent = calloc(1, sizeof(*recent));

	if (!recent)
		return NULL;
	recent->cnt_max = cnt;
	recent->slots = cnt * 2;
	recent->young = calloc(recent->slots, sizeof(*recent->young));
	recent->old = calloc(recent->slots, sizeof(*recent->old));
	if (recent->young && recent->old)
		return recent;
	recent__free(recent);
	errno = ENOMEM;
	return NULL;
}

void recent__free(struct recent *recent)
{
	if (!recent)
		return;
	free(recent->young);
	free(recent->old);
	free(recent);
}

static void next_generation(struct recent *recent)
{
	uint64_t *forgotten = recent->old;

	recent->old = recent->young;
	recent->young = forgotten;
	recent->young_cnt = 0;
	memset(recent->young, 0, recent->slots * sizeof(*recent->young));
}

void recent__add(struct recent *recent, uint64_t hash)
{
	uint64_t key = key_of(hash), *slot = slot_of(recent, recent->young, key);

	if (*slot)
		return;
	if (recent->young_cnt == recent->cnt_max) {
		next_generation(recent);
		slot = slot_of(recent, recent->young, key);
	}
	*slot = key;
	recent->young_cnt++;
}

bool recent__has(struct recent *recent, uint64_t hash)
{
	uint64_t key = key_of(hash);

	if (*slot_of(recent, recent->young, key))
		return true;
	if (!*slot_of(recent, recent->old, key))
		return false;
	recent__add(recent, hash);
	return true;
}

void recent__remove(struct recent *recent, uint64_t hash)
{
	uint64_t key = key_of(hash), *slot = slot_of(recent, recent->young, key);

	if (*slot)
		*slot = REMOVED;
	slot = slot_of(recent, recent->old, key);
	if (*slot)
		*slot = REMOVED;
}
