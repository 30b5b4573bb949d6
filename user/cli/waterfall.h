/* SPDX-License-Identifier: Apache-2.0 */
/* Trees of spans on a terminal: the guides in front of a name, and when each span was, as a bar. */
#ifndef SONDE_CLI_WATERFALL_H
#define SONDE_CLI_WATERFALL_H

#include "user/cli/line.h"
#include "user/model/span_tree.h"

#define TREE_GUIDES_SZ 128

/* The guides of a node, composed in buf. Deep levels are not indented any more. */
struct slice tree_guides(const struct span_node *nodes, uint32_t index, bool utf8,
			 char buf[TREE_GUIDES_SZ]);
/* Columns for bars that a terminal of that width has; 0 if it is narrow or none. */
unsigned int waterfall_columns(unsigned int width);
/*
 * The node's time within its root's, in so many columns. Solid on the critical path, light beside it;
 * what lies outside is cut off.
 */
void waterfall_bar(struct line *line, unsigned int columns, const struct span_node *root,
		   const struct span_node *node, const char *style);

#endif
