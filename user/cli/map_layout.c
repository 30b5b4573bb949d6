// SPDX-License-Identifier: Apache-2.0
/* Small graphs: clarity before speed. Rings are cut where a search from the entries comes back. */
#include "user/cli/map_layout.h"

#include <errno.h>
#include <stdlib.h>

#define SWEEPS 12
#define PASS_ROWS 0.5 /* that a passing link needs */

enum colour {
	UNSEEN,
	OPEN,
	DONE,
};

struct search {
	struct map_layout *layout;
	uint8_t colour[GRAPH_NODES_MAX];
	uint32_t order[GRAPH_NODES_MAX], order_cnt; /* done, last first: callers before called */
	uint32_t layer[GRAPH_NODES_MAX];
};

static void collect_links(struct map_layout *l, const struct service_graph *graph)
{
	for (uint32_t i = 0; i < graph->edges_cnt; i++) {
		const struct graph_edge *edge = &graph->edges[i];
		uint32_t k = 0;

		while (k < l->links_cnt &&
		       (l->links[k].from != edge->from || l->links[k].to != edge->to))
			k++;
		if (k < l->links_cnt)
			continue;
		l->links[l->links_cnt++] = (struct layout_link){
			.from = edge->from, .to = edge->to, .back = edge->from == edge->to};
	}
}

static void search_from(struct search *s, uint32_t start)
{
	struct frame {
		uint32_t node, next;
	} stack[GRAPH_NODES_MAX];
	uint32_t depth = 1;

	stack[0] = (struct frame){.node = start};
	s->colour[start] = OPEN;
	while (depth) {
		struct frame *frame = &stack[depth - 1];
		struct layout_link *link = &s->layout->links[frame->next];

		if (frame->next++ == s->layout->links_cnt) {
			s->colour[frame->node] = DONE;
			s->order[s->order_cnt++] = frame->node;
			depth--;
		} else if (link->from != frame->node || link->back) {
			continue;
		} else if (s->colour[link->to] == OPEN) {
			link->back = true;
		} else if (s->colour[link->to] == UNSEEN) {
			s->colour[link->to] = OPEN;
			stack[depth++] = (struct frame){.node = link->to};
		}
	}
}

/* Entries first, so that rings are cut where they come back to where they were entered. */
static void search(struct search *s, uint32_t nodes_cnt)
{
	for (int any = 0; any < 2; any++)
		for (uint32_t node = 0; node < nodes_cnt; node++) {
			bool calls = false, called = false;

			for (uint32_t i = 0; i < s->layout->links_cnt; i++) {
				calls |= s->layout->links[i].from == node;
				called |= s->layout->links[i].to == node &&
					  s->layout->links[i].from != node;
			}
			if (s->colour[node] == UNSEEN && calls && (any || !called))
				search_from(s, node);
		}
}

static uint32_t add_point(struct map_layout *l, uint32_t node, uint32_t layer)
{
	l->points[l->points_cnt] = (struct layout_point){.node = node, .layer = layer};
	if (layer >= l->layers_cnt)
		l->layers_cnt = layer + 1;
	return l->points_cnt++;
}

static void set_layers(struct search *s)
{
	struct map_layout *l = s->layout;

	for (uint32_t i = s->order_cnt; i-- > 0;)
		for (uint32_t k = 0; k < l->links_cnt; k++) {
			const struct layout_link *link = &l->links[k];

			if (link->from == s->order[i] && !link->back &&
			    s->layer[link->to] <= s->layer[link->from])
				s->layer[link->to] = s->layer[link->from] + 1;
		}
	for (uint32_t i = s->order_cnt; i-- > 0;)
		l->point_of[s->order[i]] = add_point(l, s->order[i], s->layer[s->order[i]]);
	for (uint32_t k = 0; k < l->links_cnt; k++) {
		struct layout_link *link = &l->links[k];
		uint32_t from = s->layer[link->from], to = s->layer[link->to];

		if (link->back || l->points_cnt + (to - from) > LAYOUT_POINTS_MAX)
			continue;
		link->first = l->points_cnt;
		for (uint32_t layer = from + 1; layer < to; layer++, link->passes_cnt++)
			add_point(l, LAYOUT_NONE, layer);
	}
}

/* --- within layers ---------------------------------------------------------------------------- */

static int by_wish(const void *a, const void *b)
{
	const struct layout_point *const *x = a, *const *y = b;

	if ((*x)->wish != (*y)->wish)
		return (*x)->wish < (*y)->wish ? -1 : 1;
	return *x < *y ? -1 : *x > *y;
}

static double rows_of(const struct layout_point *point)
{
	return point->node == LAYOUT_NONE ? PASS_ROWS : 1;
}

/* The points of a link, from one end to the other. */
static uint32_t point_at(const struct map_layout *l, const struct layout_link *link, uint32_t i)
{
	if (i == 0)
		return l->point_of[link->from];
	return i <= link->passes_cnt ? link->first + i - 1 : l->point_of[link->to];
}

/* Each point of a layer wishes to be where what it is linked to on one side is, on average. */
static void wish(struct map_layout *l, uint32_t layer, int side)
{
	double sum[LAYOUT_POINTS_MAX] = {0};
	uint32_t cnt[LAYOUT_POINTS_MAX] = {0};

	for (uint32_t k = 0; k < l->links_cnt; k++) {
		const struct layout_link *link = &l->links[k];

		for (uint32_t i = 0; i <= link->passes_cnt && !link->back; i++) {
			uint32_t left = point_at(l, link, i), right = point_at(l, link, i + 1);
			uint32_t here = side < 0 ? right : left, there = side < 0 ? left : right;

			if (l->points[here].layer != layer)
				continue;
			sum[here] += l->points[there].y;
			cnt[here]++;
		}
	}
	for (uint32_t i = 0; i < l->points_cnt; i++)
		if (l->points[i].layer == layer)
			l->points[i].wish = cnt[i] ? sum[i] / cnt[i] : l->points[i].y;
}

/* Sorts a layer by wishes and sets its points as near to them as they fit. */
static void place(struct map_layout *l, uint32_t layer)
{
	struct layout_point *points[LAYOUT_POINTS_MAX];
	double bottom = -1e9, off = 0;
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < l->points_cnt; i++)
		if (l->points[i].layer == layer)
			points[cnt++] = &l->points[i];
	qsort(points, cnt, sizeof(*points), by_wish);
	for (uint32_t i = 0; i < cnt; i++) {
		double half = rows_of(points[i]) / 2;

		points[i]->y = points[i]->wish > bottom + half ? points[i]->wish : bottom + half;
		bottom = points[i]->y + half;
		off += (points[i]->y - points[i]->wish) / cnt;
	}
	for (uint32_t i = 0; i < cnt; i++)
		points[i]->y -= off;
}

static void order(struct map_layout *l)
{
	double top = 1e9, bottom = -1e9;

	for (uint32_t i = 0; i < l->points_cnt; i++)
		l->points[i].wish = i;
	for (uint32_t layer = 0; layer < l->layers_cnt; layer++)
		place(l, layer);
	for (int sweep = 0; sweep < SWEEPS; sweep++)
		for (uint32_t i = 0; i < l->layers_cnt; i++) {
			uint32_t layer = sweep % 2 ? l->layers_cnt - 1 - i : i;

			wish(l, layer, sweep % 2 ? 1 : -1);
			place(l, layer);
		}
	for (uint32_t i = 0; i < l->points_cnt; i++) {
		double half = rows_of(&l->points[i]) / 2;

		top = l->points[i].y - half < top ? l->points[i].y - half : top;
		bottom = l->points[i].y + half > bottom ? l->points[i].y + half : bottom;
	}
	for (uint32_t i = 0; i < l->points_cnt; i++)
		l->points[i].y -= top;
	l->rows = l->points_cnt ? bottom - top : 0;
}

struct map_layout *map_layout__new(const struct service_graph *graph)
{
	struct map_layout *l = calloc(1, sizeof(*l));
	struct search s = {.layout = l};

	if (!l) {
		errno = ENOMEM;
		return NULL;
	}
	memset(l->point_of, 0xff, sizeof(l->point_of));
	collect_links(l, graph);
	search(&s, graph->nodes_cnt);
	set_layers(&s);
	order(l);
	return l;
}
