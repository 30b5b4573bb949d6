// SPDX-License-Identifier: Apache-2.0
/* Grouping by a counting sort: number the resources through a hash table, then place the spans. */
#include "user/export/span_groups.h"

#include <errno.h>
#include <stdlib.h>

int span_groups__init(struct span_groups *g, uint32_t spans_max)
{
	uint32_t slots_cnt = 2;

	while (slots_cnt < 2 * spans_max)
		slots_cnt *= 2;
	*g = (struct span_groups){.cap = spans_max, .mask = slots_cnt - 1};
	g->v = calloc(spans_max, sizeof(*g->v));
	g->sorted = calloc(spans_max, sizeof(*g->sorted));
	g->group_of = calloc(spans_max, sizeof(*g->group_of));
	g->slots = calloc(slots_cnt, sizeof(*g->slots));
	if (g->v && g->sorted && g->group_of && g->slots)
		return 0;
	span_groups__free(g);
	return -ENOMEM;
}

void span_groups__free(struct span_groups *g)
{
	free(g->v);
	free(g->sorted);
	free(g->group_of);
	free(g->slots);
	*g = (struct span_groups){0};
}

static uint32_t find_group(struct span_groups *g, const struct resource *resource)
{
	uint32_t i = (uint32_t)((resource->id * 0x9E3779B97F4A7C15u) >> 32) & g->mask;

	for (; g->slots[i]; i = (i + 1) & g->mask)
		if (g->v[g->slots[i] - 1].resource == resource)
			return g->slots[i] - 1;
	g->v[g->cnt] = (struct span_group){.resource = resource};
	g->slots[i] = ++g->cnt;
	return g->cnt - 1;
}

void span_groups__set(struct span_groups *g, const struct span *const *spans, uint32_t cnt)
{
	const struct span **at = g->sorted;
	uint32_t last = 0;

	memset(g->slots, 0, (g->mask + 1) * sizeof(*g->slots));
	g->cnt = 0;
	g->spans_cnt = cnt;
	for (uint32_t i = 0; i < cnt; i++) { /* neighbours mostly share their resource */
		if (!g->cnt || g->v[last].resource != spans[i]->resource)
			last = find_group(g, spans[i]->resource);
		g->group_of[i] = last;
		g->v[last].cnt++;
	}
	for (uint32_t i = 0; i < g->cnt; i++) {
		g->v[i].spans = at;
		at += g->v[i].cnt;
		g->v[i].cnt = 0;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		struct span_group *group = &g->v[g->group_of[i]];

		g->sorted[(size_t)(group->spans - g->sorted) + group->cnt++] = spans[i];
	}
}
