// SPDX-License-Identifier: Apache-2.0
/* A block ends at an eighth of a column and begins at a half: Unicode has no others to begin with. */
#include "user/cli/waterfall.h"

#define DEPTH_MAX 12 /* levels that are indented */
#define GUIDE_SZ 8   /* bytes of a level's guide, at most */

_Static_assert(DEPTH_MAX *GUIDE_SZ <= TREE_GUIDES_SZ, "guides fit");

struct slice tree_guides(const struct span_node *nodes, uint32_t index, bool utf8,
			 char buf[TREE_GUIDES_SZ])
{
	static const struct {
		struct slice own, own_last, above, above_last;
	} styles[] = {
		{.own = SLICE("|- "),
		 .own_last = SLICE("`- "),
		 .above = SLICE("|  "),
		 .above_last = SLICE("   ")},
		{.own = SLICE("├─ "),
		 .own_last = SLICE("└─ "),
		 .above = SLICE("│  "),
		 .above_last = SLICE("   ")},
	};
	char *at = buf + TREE_GUIDES_SZ;
	size_t depth = 0;

	for (; nodes[index].parent != SPAN_NODE_NONE && depth < DEPTH_MAX;
	     index = nodes[index].parent) {
		bool last = nodes[index].sibling == SPAN_NODE_NONE;
		struct slice s = last ? styles[utf8].own_last : styles[utf8].own;

		if (depth++)
			s = last ? styles[utf8].above_last : styles[utf8].above;
		at -= s.n;
		memcpy(at, s.p, s.n);
	}
	return slice_of(at, (size_t)(buf + TREE_GUIDES_SZ - at));
}

unsigned int waterfall_columns(unsigned int width)
{
	return width >= 160 ? 32 : width >= 120 ? 24 : width >= 100 ? 16 : 0;
}

/* Where a moment lies, in eighths of a column. */
static unsigned int eighths_of(const struct span_node *root, uint64_t ns, unsigned int columns)
{
	uint64_t whole_ns = root->end_ns > root->start_ns ? root->end_ns - root->start_ns : 1;
	uint64_t at_ns = ns > root->start_ns ? ns - root->start_ns : 0;

	if (at_ns >= whole_ns)
		return columns * 8;
	return (unsigned int)((double)at_ns / (double)whole_ns * columns * 8);
}

/* A column of which what lies in [from, to) of its eighths is covered. */
static struct slice block_of(unsigned int from, unsigned int to, bool solid, bool utf8)
{
	static const char *const ends[] = {"▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};

	if (from >= to)
		return SLICE(" ");
	if (!utf8)
		return solid ? SLICE("#") : SLICE("-");
	if (!solid)
		return SLICE("░");
	if (from >= 4)
		return SLICE("▐");
	return slice_str(ends[to - 1]);
}

void waterfall_bar(struct line *line, unsigned int columns, const struct span_node *root,
		   const struct span_node *node, const char *style)
{
	unsigned int from = eighths_of(root, node->start_ns, columns);
	unsigned int to = eighths_of(root, node->end_ns, columns);

	if (from >= columns * 8)
		from = columns * 8 - 1;
	if (to <= from)
		to = from + 1; /* however short, it is seen */
	line_style(line, style);
	for (unsigned int column = 0; column * 8 < to; column++) {
		unsigned int begin = column * 8, end = begin + 8;

		line_text(line,
			  block_of(from > begin ? from - begin : 0, (to < end ? to : end) - begin,
				   node->critical, line->utf8),
			  0);
	}
	line_style(line, STYLE_NONE);
}
