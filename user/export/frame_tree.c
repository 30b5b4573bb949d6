// SPDX-License-Identifier: Apache-2.0
/*
 * The tree is made by sorting: labels get their rank in the alphabet, stacks are sorted by the ranks
 * of their frames, root first, and then each stack shares with the one before it what both begin
 * with. Nothing is looked up.
 */
#include "user/export/frame_tree.h"

#include <errno.h>
#include <stdlib.h>

#include "user/export/frame_label.h"

#define LABELS_MAX_SZ (16u * 1024 * 1024)
#define NODES_MAX (2u * 1024 * 1024)

/* A location's label, and where it stands among all; equal ones have one rank. */
struct ranked {
	struct slice label;
	enum frame_type type;
	uint32_t location;
};

/* One sample's way through the tree: its root, then frames[cnt - 1] down to frames[0]. */
struct path {
	struct slice root;
	const uint32_t *frames; /* ranks */
	uint32_t cnt;
	uint8_t side; /* of FRAME_SIDES */
	uint64_t weight;
};

struct sorting {
	struct ranked *ranked; /* by rank; of equal ones the first is at its rank */
	uint32_t *rank_of;     /* by location */
	uint32_t *frames;   /* profile.stack_locations as ranks, each with what is inlined there */
	uint32_t *first_of; /* by index of stack_locations, and one more: where its frames begin */
	const uint8_t *sides; /* by sample; NULL: all are of the first */
	struct path *paths;   /* then sorted */
	uint32_t paths_cnt;
	uint32_t *open; /* indices of the nodes that the last path went through */
};

static int compare_text(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	int order = compare_text(x->label, y->label);

	return order ? order : (x->type > y->type) - (x->type < y->type);
}

static int compare_paths(const void *a, const void *b)
{
	const struct path *x = a, *y = b;
	uint32_t shorter = x->cnt < y->cnt ? x->cnt : y->cnt;
	int order = compare_text(x->root, y->root);

	for (uint32_t i = 1; !order && i <= shorter; i++) {
		uint32_t fx = x->frames[x->cnt - i], fy = y->frames[y->cnt - i];

		order = (fx > fy) - (fx < fy);
	}
	return order ? order : (x->cnt > y->cnt) - (x->cnt < y->cnt);
}

static bool rank_labels(struct sorting *s, struct frame_tree *tree, const struct profile *p)
{
	uint32_t cnt = p->locations.cnt, rank = 0;
	bool failed = false;

	for (uint32_t i = 0; i < cnt; i++)
		s->ranked[i] = (struct ranked){
			.label = frame_label(p, &p->locations.v[i], &tree->arena, &failed),
			.type = p->locations.v[i].type,
			.location = i,
		};
	qsort(s->ranked, cnt, sizeof(*s->ranked), compare_ranked);
	for (uint32_t i = 0; i < cnt; i++) {
		if (compare_ranked(&s->ranked[rank], &s->ranked[i]) != 0)
			rank = i;
		s->rank_of[s->ranked[i].location] = rank;
	}
	return !failed;
}

/* False when memory is out. */
static bool list_frames(struct sorting *s, const struct profile *p)
{
	uint32_t cnt = p->stack_locations.cnt, n = 0;
	uint32_t frames[PROFILE_INLINED_MAX];

	s->first_of = calloc((size_t)cnt + 1, sizeof(*s->first_of));
	for (uint32_t i = 0; s->first_of && i < cnt; i++) {
		n += profile_frames(p, p->stack_locations.v[i], frames);
		s->first_of[i + 1] = n;
	}
	s->frames = s->first_of ? calloc((size_t)n + 1, sizeof(*s->frames)) : NULL;
	for (uint32_t i = 0; s->frames && i < cnt; i++) {
		uint32_t more = profile_frames(p, p->stack_locations.v[i], frames);

		for (uint32_t k = 0; k < more; k++)
			s->frames[s->first_of[i] + k] = s->rank_of[frames[k]];
	}
	return s->frames;
}

/* The paths of the samples in order; returns how many frames the longest has. */
static uint32_t sort_paths(struct sorting *s, const struct profile *p)
{
	uint32_t longest = 0;

	for (uint32_t i = 0; i < p->samples.cnt; i++) {
		const struct profile_sample *sample = &p->samples.v[i];
		const struct profile_stack *stack = &p->stacks.v[sample->stack];
		uint8_t side = s->sides ? s->sides[i] : 0;
		struct path *path;

		if (side >= FRAME_SIDES)
			continue;
		path = &s->paths[s->paths_cnt++];
		*path = (struct path){
			.root = sample_root_label(p, sample),
			.frames = s->frames + s->first_of[stack->first],
			.cnt = s->first_of[stack->first + stack->cnt] - s->first_of[stack->first],
			.side = side,
			.weight = profile_weight(p, sample),
		};
		longest = path->cnt > longest ? path->cnt : longest;
	}
	qsort(s->paths, s->paths_cnt, sizeof(*s->paths), compare_paths);
	return longest;
}

/* How many nodes below the root of all both go through. */
static uint32_t shared_depth(const struct path *a, const struct path *b)
{
	uint32_t shorter = a->cnt < b->cnt ? a->cnt : b->cnt, i = 0;

	if (!slice_eq(a->root, b->root))
		return 0;
	while (i < shorter && a->frames[a->cnt - 1 - i] == b->frames[b->cnt - 1 - i])
		i++;
	return i + 1;
}

static bool add_node(struct frame_tree *tree, const struct frame_node *node)
{
	if (tree->cnt == tree->cap) {
		uint32_t cap = tree->cap ? tree->cap * 2 : 1024;
		struct frame_node *v =
			cap <= NODES_MAX ? reallocarray(tree->v, cap, sizeof(*v)) : NULL;

		if (!v)
			return false;
		tree->v = v;
		tree->cap = cap;
	}
	tree->v[tree->cnt++] = *node;
	if (node->depth > tree->depth_max)
		tree->depth_max = node->depth;
	return true;
}

/* Counts a path in; it shares its nodes with the one before down to depth `shared`. */
static bool add_path(struct frame_tree *tree, struct sorting *s, const struct path *path,
		     uint32_t shared)
{
	for (uint32_t depth = shared + 1; depth <= path->cnt + 1; depth++) {
		struct frame_node node = {.label = path->root, .depth = depth};

		if (depth > 1) {
			const struct ranked *frame =
				&s->ranked[path->frames[path->cnt + 1 - depth]];

			node.label = frame->label;
			node.type = frame->type;
		}
		s->open[depth] = tree->cnt;
		if (!add_node(tree, &node))
			return false;
	}
	for (uint32_t depth = 0; depth <= path->cnt + 1; depth++)
		*(path->side ? &tree->v[s->open[depth]].other_total
			     : &tree->v[s->open[depth]].total) += path->weight;
	*(path->side ? &tree->v[s->open[path->cnt + 1]].other_self
		     : &tree->v[s->open[path->cnt + 1]].self) += path->weight;
	return true;
}

static bool build(struct frame_tree *tree, struct sorting *s, const struct profile *p)
{
	if (!rank_labels(s, tree, p) || !list_frames(s, p))
		return false;
	s->open = calloc(sort_paths(s, p) + 2, sizeof(*s->open));
	if (!s->open || !add_node(tree, &(struct frame_node){.label = SLICE("all")}))
		return false;
	for (uint32_t i = 0; i < s->paths_cnt; i++)
		if (!add_path(tree, s, &s->paths[i],
			      i ? shared_depth(&s->paths[i - 1], &s->paths[i]) : 0))
			return false;
	return true;
}

int frame_tree__init_sides(struct frame_tree *tree, const struct profile *p, const uint8_t *sides)
{
	struct sorting s = {
		.ranked = calloc(p->locations.cnt, sizeof(*s.ranked)),
		.rank_of = calloc(p->locations.cnt, sizeof(*s.rank_of)),
		.paths = calloc(p->samples.cnt + 1, sizeof(*s.paths)),
		.sides = sides,
	};
	bool ok;

	*tree = (struct frame_tree){0};
	arena__init(&tree->arena, LABELS_MAX_SZ);
	ok = s.ranked && s.rank_of && s.paths && build(tree, &s, p);
	free(s.ranked);
	free(s.rank_of);
	free(s.frames);
	free(s.first_of);
	free(s.paths);
	free(s.open);
	if (!ok)
		frame_tree__free(tree);
	return ok ? 0 : -ENOMEM;
}

int frame_tree__init(struct frame_tree *tree, const struct profile *p)
{
	return frame_tree__init_sides(tree, p, NULL);
}

void frame_tree__free(struct frame_tree *tree)
{
	arena__free(&tree->arena);
	free(tree->v);
	*tree = (struct frame_tree){0};
}
