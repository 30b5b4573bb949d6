// SPDX-License-Identifier: Apache-2.0
/*
 * From the root on, always the heaviest of the frames whose parent has been taken: then the parents of what is taken are,
 * too, since none is lighter than its children.
 */
#include "user/export/hot_tree.h"

#include <errno.h>
#include <stdlib.h>

#define LEAST 0.01
#define CHAIN 0.95
#define NONE UINT32_MAX

/* Frames of the tree from first down to last. */
struct chain {
	uint32_t first, last, between;
	uint32_t parent; /* taken; NONE: none */
	bool taken;
};

struct picking {
	const struct frame_tree *tree;
	struct chain *chains; /* whose parents are taken */
	uint32_t cnt, cap;
	uint32_t taken[HOT_ROWS_MAX]; /* chains, the heaviest first */
	uint32_t taken_cnt;
	struct hot_path *rows;
	uint32_t rows_cnt;
};

/* The node behind that one and all below it. */
static uint32_t after(const struct frame_tree *tree, uint32_t node)
{
	uint32_t i = node + 1;

	while (i < tree->cnt && tree->v[i].depth > tree->v[node].depth)
		i++;
	return i;
}

static uint32_t heaviest_child(const struct frame_tree *tree, uint32_t node)
{
	uint32_t best = NONE, end = after(tree, node);

	for (uint32_t i = node + 1; i < end; i = after(tree, i))
		if (best == NONE || tree->v[i].total > tree->v[best].total)
			best = i;
	return best;
}

static struct chain chain_from(const struct frame_tree *tree, uint32_t first, uint32_t parent)
{
	struct chain chain = {.first = first, .last = first, .parent = parent};
	double least = CHAIN * (double)tree->v[first].total;
	uint32_t length = 1, next;

	/* The first row says whose stacks they are. */
	while (tree->v[first].depth > 1 && (next = heaviest_child(tree, chain.last)) != NONE &&
	       (double)tree->v[next].total >= least) {
		chain.last = next;
		length++;
	}
	chain.between = length > 2 ? length - 2 : 0;
	return chain;
}

/* What the chain's last frame calls. */
static bool open_children(struct picking *p, uint32_t node, uint32_t parent)
{
	const struct frame_tree *tree = p->tree;
	double least = LEAST * (double)tree->v[0].total;
	uint32_t end = after(tree, node);

	for (uint32_t i = node + 1; i < end; i = after(tree, i)) {
		if ((double)tree->v[i].total < least)
			continue;
		if (p->cnt == p->cap) {
			uint32_t cap = p->cap ? p->cap * 2 : 64;
			struct chain *v = reallocarray(p->chains, cap, sizeof(*v));

			if (!v)
				return false;
			p->chains = v;
			p->cap = cap;
		}
		p->chains[p->cnt++] = chain_from(tree, i, parent);
	}
	return true;
}

static uint32_t heaviest(const struct picking *p)
{
	const struct frame_node *v = p->tree->v;
	uint32_t best = NONE;

	for (uint32_t i = 0; i < p->cnt; i++)
		if (!p->chains[i].taken &&
		    (best == NONE || v[p->chains[i].last].total > v[p->chains[best].last].total))
			best = i;
	return best;
}

/* The rows below that chain, which are in order of weight among themselves. */
static void emit(struct picking *p, uint32_t parent, uint32_t depth)
{
	for (uint32_t i = 0; i < p->taken_cnt; i++) {
		const struct chain *chain = &p->chains[p->taken[i]];
		const struct frame_node *last = &p->tree->v[chain->last];

		if (chain->parent != parent)
			continue;
		p->rows[p->rows_cnt++] = (struct hot_path){
			.first = p->tree->v[chain->first].label,
			.last = last->label,
			.between = chain->between,
			.depth = depth,
			.type = last->type,
			.self = last->self,
			.total = last->total,
		};
		emit(p, p->taken[i], depth + 1);
	}
}

int hot_tree_pick(const struct frame_tree *tree, struct hot_path *rows, uint32_t rows_max)
{
	struct picking p = {.tree = tree, .rows = rows};
	bool ok = !tree->v[0].total || open_children(&p, 0, NONE);
	uint32_t best;

	rows_max = rows_max < HOT_ROWS_MAX ? rows_max : HOT_ROWS_MAX;
	while (ok && p.chains && p.taken_cnt < rows_max && (best = heaviest(&p)) != NONE) {
		p.chains[best].taken = true;
		p.taken[p.taken_cnt++] = best;
		ok = open_children(&p, p.chains[best].last, best);
	}
	if (ok && p.chains)
		emit(&p, NONE, 0);
	free(p.chains);
	return ok ? (int)p.rows_cnt : -ENOMEM;
}
