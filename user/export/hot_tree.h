/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a tree of frames that tell most, as many as there is room for. */
#ifndef SONDE_EXPORT_HOT_TREE_H
#define SONDE_EXPORT_HOT_TREE_H

#include "user/export/frame_tree.h"
#include "user/model/hot_path.h"

#define HOT_ROWS_MAX 256u

/*
 * The heaviest frames, each below its parent, of siblings the heaviest first; at most rows_max. Frames of which one calls the next
 * for 95 % of the first one's weight are one row. Of less than 1 % of all there is none. Labels
 * are the tree's. How many there are, or -ENOMEM.
 */
int hot_tree_pick(const struct frame_tree *tree, struct hot_path *rows, uint32_t rows_max);

#endif
