// SPDX-License-Identifier: Apache-2.0
/* Trees of spans, whatever ids and times say; critical paths, as tables and by their invariant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/model/span_tree.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))

static struct span_node node_of(uint32_t id, uint32_t parent, uint64_t start, uint64_t end)
{
	struct span_node node = {.start_ns = start, .end_ns = end, .kind = SPAN_CLIENT, .item = id};

	memcpy(node.id.bytes, &id, sizeof(id));
	memcpy(node.parent_id.bytes, &parent, sizeof(parent));
	return node;
}

/* Joins them and finds the critical path of each root. Returns the order, which the caller frees. */
static void join(struct span_node *nodes, uint32_t cnt)
{
	uint32_t *order = calloc(cnt, sizeof(*order));

	assert_non_null(order);
	span_tree_join(nodes, cnt, order);
	free(order);
	for (uint32_t i = 0; i < cnt; i++)
		if (nodes[i].parent == SPAN_NODE_NONE)
			span_tree_critical(nodes, i);
}

/*
 * Each node is in one tree, once; each tree's critical times add up to its root's duration, and
 * no node has more than its own.
 */
static void check(const struct span_node *nodes, uint32_t cnt)
{
	uint32_t seen = 0;

	for (uint32_t root = 0; root < cnt; root++) {
		uint64_t sum = 0;

		if (nodes[root].parent != SPAN_NODE_NONE)
			continue;
		for (uint32_t at = root; at != SPAN_NODE_NONE;
		     at = span_tree_next(nodes, root, at)) {
			const struct span_node *node = &nodes[at];

			assert_true(++seen <= cnt);
			sum += node->critical_ns;
			assert_true(node->critical || !node->critical_ns);
			if (node->end_ns >= node->start_ns)
				assert_true(node->critical_ns <= node->end_ns - node->start_ns);
			if (node->child != SPAN_NODE_NONE)
				assert_true(nodes[node->child].parent == at);
		}
		assert_int_equal(sum, nodes[root].end_ns > nodes[root].start_ns
					      ? nodes[root].end_ns - nodes[root].start_ns
					      : 0);
	}
	assert_int_equal(seen, cnt);
}

static const struct span_node *by_item(const struct span_node *nodes, uint32_t cnt, uint32_t item)
{
	for (uint32_t i = 0; i < cnt; i++)
		if (nodes[i].item == item)
			return &nodes[i];
	fail();
	return NULL;
}

/* id, parent, start, end, and what of it is critical; -1: it is not on the path. */
struct row {
	uint32_t id, parent;
	uint64_t start, end;
	int critical;
	int socket;
};

static void critical_paths(void **state)
{
	static const struct row cases[][6] = {
		/* alone */
		{{1, 0, 10, 110, 100, 0}},
		/* one after the other, and what the parent does between them */
		{{1, 0, 0, 100, 30, 0}, {2, 1, 10, 40, 30, 0}, {3, 1, 50, 90, 40, 0}},
		/* at the same time: the one that ended last, and what ended before that began */
		{{1, 0, 0, 100, 20, 0},
		 {2, 1, 10, 50, -1, 0},
		 {3, 1, 20, 90, 70, 0},
		 {4, 1, 0, 10, 10, 0}},
		/* nested */
		{{1, 0, 0, 100, 20, 0}, {2, 1, 10, 90, 20, 0}, {3, 2, 20, 80, 60, 0}},
		/* nobody waits for what goes on after its parent, nor for what began before it */
		{{1, 0, 10, 100, 70, 0},
		 {2, 1, 50, 120, -1, 0},
		 {3, 1, 5, 20, -1, 0},
		 {4, 1, 30, 50, 20, 0}},
		/* the other end is the same exchange, whatever its clock says */
		{{1, 0, 10, 100, 0, 0}, {2, 1, 5, 105, 30, 1}, {3, 2, 20, 80, 60, 0}},
		/* ends before it begins; begins where the parent ends */
		{{1, 0, 0, 100, 100, 0}, {2, 1, 60, 50, -1, 0}, {3, 1, 100, 100, -1, 0}},
		/* an orphan has a path of its own */
		{{1, 0, 0, 100, 100, 0}, {2, 77, 10, 50, 40, 0}},
	};

	(void)state;
	for (size_t c = 0; c < CNT(cases); c++) {
		struct span_node nodes[6];
		uint32_t cnt = 0;

		for (const struct row *row = cases[c]; cnt < 6 && row[cnt].id; cnt++) {
			nodes[cnt] =
				node_of(row[cnt].id, row[cnt].parent, row[cnt].start, row[cnt].end);
			nodes[cnt].socket = row[cnt].socket != 0;
		}
		join(nodes, cnt);
		check(nodes, cnt);
		for (uint32_t i = 0; i < cnt; i++) {
			const struct row *row = &cases[c][i];
			const struct span_node *node = by_item(nodes, cnt, row->id);

			assert_int_equal(node->critical, row->critical >= 0);
			assert_int_equal(node->critical_ns, row->critical < 0 ? 0 : row->critical);
		}
	}
}

/* Rings, self-parents, shared ids, chains and stars of 10,000. */
static void odd_shapes(void **state)
{
	enum {
		CNT_MAX = 10000
	};
	struct span_node *nodes = calloc(CNT_MAX, sizeof(*nodes));

	(void)state;
	assert_non_null(nodes);
	for (int shape = 0; shape < 6; shape++) {
		for (uint32_t i = 0; i < CNT_MAX; i++) {
			uint32_t parents[] = {i, (i + 1) % CNT_MAX + 1, i + 1,
					      1, (i ^ 1) + 1,		i / 2};

			nodes[i] = node_of(shape == 3 ? 1 + i % 3 : i + 1, parents[shape], i,
					   2 * CNT_MAX - i);
		}
		join(nodes, CNT_MAX);
		check(nodes, CNT_MAX);
	}
	free(nodes);
}

static void random_trees(void **state)
{
	(void)state;
	srand(4711);
	for (int round = 0; round < 3000; round++) {
		struct span_node nodes[24];
		uint32_t cnt = 1 + (uint32_t)rand() % CNT(nodes);

		for (uint32_t i = 0; i < cnt; i++) {
			uint64_t start = (uint64_t)rand() % 40, end = start + (uint64_t)rand() % 40;

			nodes[i] = node_of(1 + (uint32_t)rand() % 24, (uint32_t)rand() % 26, start,
					   rand() % 20 ? end : 0);
			nodes[i].socket = rand() % 3 == 0;
		}
		join(nodes, cnt);
		check(nodes, cnt);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(critical_paths),
		cmocka_unit_test(odd_shapes),
		cmocka_unit_test(random_trees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
