// SPDX-License-Identifier: Apache-2.0
/* Two hash tables with open addressing; when the younger is full or old, it becomes the elder. */
#include "user/policy/trace_set.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/hash.h"

struct generation {
	struct trace_id *slots; /* all zero: free; no trace has that id */
	uint32_t cnt;
};

struct trace_set {
	struct generation young, old;
	uint32_t max_cnt, mask;
	uint64_t period_ns, turned_ns;
	uint64_t seed;
};

static bool is_none(const struct trace_id *id)
{
	static const struct trace_id none;

	return memcmp(id, &none, sizeof(none)) == 0;
}

/* Where it is, or the free slot where it would be. */
static struct trace_id *look_up(const struct trace_set *set, const struct generation *g,
				const struct trace_id *id)
{
	uint32_t i = (uint32_t)hash_bytes(set->seed, id->bytes, sizeof(id->bytes)) & set->mask;

	while (!is_none(&g->slots[i]) && memcmp(&g->slots[i], id, sizeof(*id)) != 0)
		i = (i + 1) & set->mask;
	return &g->slots[i];
}

struct trace_set *trace_set__new(uint32_t max_cnt, uint64_t period_ns)
{
	struct trace_set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	set->max_cnt = max_cnt;
	set->mask = 2 * max_cnt - 1;
	set->period_ns = period_ns;
	set->seed = hash_seed();
	set->young.slots = calloc(2 * (size_t)max_cnt, sizeof(struct trace_id));
	set->old.slots = calloc(2 * (size_t)max_cnt, sizeof(struct trace_id));
	if (set->young.slots && set->old.slots)
		return set;
	trace_set__free(set);
	errno = ENOMEM;
	return NULL;
}

void trace_set__free(struct trace_set *set)
{
	if (!set)
		return;
	free(set->young.slots);
	free(set->old.slots);
	free(set);
}

static void turn(struct trace_set *set, uint64_t now_ns)
{
	struct generation empty = set->old;

	memset(empty.slots, 0, 2 * (size_t)set->max_cnt * sizeof(struct trace_id));
	empty.cnt = 0;
	set->old = set->young;
	set->young = empty;
	set->turned_ns = now_ns;
}

uint32_t trace_set__add(struct trace_set *set, const struct trace_id *id, uint64_t now_ns)
{
	uint32_t forgotten = 0;
	struct trace_id *slot;

	if (is_none(id))
		return 0;
	if (now_ns - set->turned_ns >= set->period_ns)
		turn(set, now_ns);
	slot = look_up(set, &set->young, id);
	if (!is_none(slot))
		return 0;
	if (set->young.cnt == set->max_cnt) {
		forgotten = set->old.cnt;
		turn(set, now_ns);
		slot = look_up(set, &set->young, id);
	}
	*slot = *id;
	set->young.cnt++;
	return forgotten;
}

bool trace_set__has(const struct trace_set *set, const struct trace_id *id)
{
	if (is_none(id))
		return false;
	return (set->young.cnt && !is_none(look_up(set, &set->young, id))) ||
	       (set->old.cnt && !is_none(look_up(set, &set->old, id)));
}
