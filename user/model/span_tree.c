// SPDX-License-Identifier: Apache-2.0
/* No recursion: a hostile trace may be one chain as long as its bound. */
#include "user/model/span_tree.h"

#include <stdlib.h>

#define NONE SPAN_NODE_NONE

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* By start; a client before the server that answers it, and else the longer one. */
static int compare_start(const void *a, const void *b)
{
	const struct span_node *x = a, *y = b;

	return compare(x->start_ns, y->start_ns) ?: compare(y->kind, x->kind)
	       ?: compare(y->end_ns, x->end_ns) ?: memcmp(&x->id, &y->id, sizeof(x->id));
}

static int compare_id(const void *a, const void *b, void *arg)
{
	const struct span_node *nodes = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return memcmp(&nodes[x].id, &nodes[y].id, sizeof(nodes->id)) ?: compare(x, y);
}

static int compare_end(const void *a, const void *b, void *arg)
{
	const struct span_node *nodes = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return compare(nodes[x].end_ns, nodes[y].end_ns) ?: compare(x, y);
}

/* The first of that id in order, which is by id; ids of zero are nobody's. */
static uint32_t find(const struct span_node *nodes, const uint32_t *order, uint32_t cnt,
		     const struct span_id *id)
{
	static const struct span_id none;
	uint32_t low = 0, high = cnt;

	if (memcmp(id, &none, sizeof(none)) == 0)
		return NONE;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (memcmp(&nodes[order[middle]].id, id, sizeof(*id)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < cnt && memcmp(&nodes[order[low]].id, id, sizeof(*id)) == 0 ? order[low] : NONE;
}

/* Whoever is its own ancestor is made a root. */
static void cut_cycles(struct span_node *nodes, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t at = i, last = NONE;

		while (at != NONE && nodes[at].mark == NONE) {
			nodes[at].mark = i;
			last = at;
			at = nodes[at].parent;
		}
		if (at != NONE && last != NONE && nodes[at].mark == i)
			nodes[last].parent = NONE;
	}
}

void span_tree_join(struct span_node *nodes, uint32_t cnt, uint32_t *order)
{
	qsort(nodes, cnt, sizeof(*nodes), compare_start);
	for (uint32_t i = 0; i < cnt; i++)
		order[i] = i;
	qsort_r(order, cnt, sizeof(*order), compare_id, nodes);
	for (uint32_t i = 0; i < cnt; i++) {
		struct span_node *node = &nodes[i];

		node->parent = find(nodes, order, cnt, &node->parent_id);
		node->child = node->sibling = node->late_child = node->late_sibling = NONE;
		node->mark = NONE;
		node->critical = false;
		node->critical_ns = 0;
	}
	cut_cycles(nodes, cnt);
	qsort_r(order, cnt, sizeof(*order), compare_end, nodes);
	for (uint32_t i = cnt; i-- > 0;) {
		struct span_node *parent = &nodes[nodes[i].parent == NONE ? i : nodes[i].parent];

		if (nodes[i].parent == NONE)
			continue;
		nodes[i].sibling = parent->child;
		parent->child = i;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		struct span_node *node = &nodes[order[i]];

		if (node->parent == NONE)
			continue;
		node->late_sibling = nodes[node->parent].late_child;
		nodes[node->parent].late_child = order[i];
	}
}

/*
 * Did the span wait for that child, of what is not yet accounted for? The other end may be a little
 * outside, by its clock.
 */
static bool waited_for(const struct span_node *node, const struct span_node *child)
{
	if (child->start_ns > child->end_ns || child->start_ns >= node->until_ns ||
	    child->end_ns < node->from_ns)
		return false;
	return child->socket ||
	       (child->start_ns >= node->start_ns && child->end_ns <= node->until_ns);
}

/* The child that ended last before until_ns; those passed over are done with. */
static uint32_t take_child(struct span_node *nodes, struct span_node *node)
{
	uint32_t index = node->late_child;

	while (index != NONE && !waited_for(node, &nodes[index]))
		index = nodes[index].late_sibling;
	node->late_child = index == NONE ? NONE : nodes[index].late_sibling;
	return index;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void span_tree_critical(struct span_node *nodes, uint32_t root)
{
	struct span_node *node = &nodes[root];

	node->critical = true;
	node->from_ns = node->start_ns;
	node->until_ns = node->end_ns > node->start_ns ? node->end_ns : node->start_ns;
	for (;;) {
		uint32_t index = take_child(nodes, node);
		struct span_node *child = &nodes[index == NONE ? root : index];

		if (index == NONE) { /* what is left is its own */
			node->critical_ns += node->until_ns - node->from_ns;
			if (node == &nodes[root])
				return;
			node = &nodes[node->parent];
			continue;
		}
		child->critical = true;
		child->from_ns = child->start_ns > node->from_ns ? child->start_ns : node->from_ns;
		child->until_ns = smaller(child->end_ns, node->until_ns);
		node->critical_ns += node->until_ns - child->until_ns;
		node->until_ns = child->from_ns;
		node = child;
	}
}

uint32_t span_tree_next(const struct span_node *nodes, uint32_t root, uint32_t at)
{
	if (nodes[at].child != NONE)
		return nodes[at].child;
	while (at != root && nodes[at].sibling == NONE)
		at = nodes[at].parent;
	return at == root ? NONE : nodes[at].sibling;
}
