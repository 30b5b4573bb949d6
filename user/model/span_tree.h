/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spans of one trace as trees, and what of a tree its end had to wait for. Ids come from the
 * wire too: a span may be its own ancestor, have another's id, or a parent that is not there.
 */
#ifndef SONDE_MODEL_SPAN_TREE_H
#define SONDE_MODEL_SPAN_TREE_H

#include "user/model/span.h"

#define SPAN_NODE_NONE UINT32_MAX

struct span_node {
	struct span_id id, parent_id;
	uint64_t start_ns, end_ns;
	enum span_kind kind;
	bool socket;   /* it is the other end of its parent */
	uint32_t item; /* the caller's: what it stands for */
	/* Below: indices of nodes, or SPAN_NODE_NONE; filled in by span_tree_join. */
	uint32_t parent, child, sibling;   /* children by start */
	uint32_t late_child, late_sibling; /* the same, the last to end first */
	bool critical;			   /* on the critical path */
	uint64_t critical_ns;		   /* of it, what the span itself took */
	uint64_t from_ns, until_ns;	   /* not yet accounted for */
	uint32_t mark;
};

/*
 * Finds parents and children of the nodes and orders them all by start, parents that start with
 * their children first. order has room for cnt indices.
 */
void span_tree_join(struct span_node *nodes, uint32_t cnt, uint32_t *order);
/*
 * Says which spans below root its duration is made of: going back from its end, always into the
 * child that ended last. A child that outlives its parent was not waited for, unless it is the
 * parent's other end. The critical_ns of all nodes of the tree add up to the root's duration.
 */
void span_tree_critical(struct span_node *nodes, uint32_t root);
/* The next node of root's tree, parents before children; SPAN_NODE_NONE after the last. */
uint32_t span_tree_next(const struct span_node *nodes, uint32_t root, uint32_t at);

#endif
