/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All stacks of a profile as one tree of frames, from the roots up: stacks that begin alike share
 * their frames as far as those bear the same label and are of the same type.
 */
#ifndef SONDE_EXPORT_FRAME_TREE_H
#define SONDE_EXPORT_FRAME_TREE_H

#include "user/model/profile.h"

struct frame_node {
	struct slice label;
	enum frame_type type; /* FRAME_NONE at depth 0 and 1 */
	uint32_t depth;	      /* 0: all; 1: sample_root_label; then the stack */
	uint64_t self, total; /* weight of the samples that end here; of those and all above */
	uint64_t other_self, other_total; /* the same of the other side, if there are two */
};

struct frame_tree {
	/* A parent stands before its children, those in order of label and type. At least one. */
	struct frame_node *v;
	uint32_t cnt, cap;
	uint32_t depth_max;
	struct arena arena; /* of some labels; the others are the profile's */
};

#define FRAME_SIDES 2

/* Borrows p for the life of the tree. The order says nothing of the samples' order. -ENOMEM. */
int frame_tree__init(struct frame_tree *tree, const struct profile *p);
/* sides: by sample 0 or 1 (the other one), else it is left out. */
int frame_tree__init_sides(struct frame_tree *tree, const struct profile *p, const uint8_t *sides);
void frame_tree__free(struct frame_tree *tree);

#endif
