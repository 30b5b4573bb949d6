/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the nodes of a graph stand in a picture: in layers by the longest way from an entry, ordered
 * within a layer so that few lines cross (Sugiyama's method, with barycentres).
 */
#ifndef SONDE_CLI_MAP_LAYOUT_H
#define SONDE_CLI_MAP_LAYOUT_H

#include "user/model/service_graph.h"

#define LAYOUT_POINTS_MAX 2048 /* nodes, and points that long links pass through */
#define LAYOUT_NONE UINT32_MAX

struct layout_point {
	uint32_t node; /* LAYOUT_NONE: a link passes here */
	uint32_t layer;
	double y; /* of its middle, in rows */
	double wish;
};

/* All edges between two nodes, whatever their protocols. */
struct layout_link {
	uint32_t from, to;	    /* nodes */
	uint32_t first, passes_cnt; /* points on the way, one after the other */
	bool back;		    /* against the direction of the layers, or to itself */
};

struct map_layout {
	struct layout_point points[LAYOUT_POINTS_MAX];
	struct layout_link links[GRAPH_EDGES_MAX];
	uint32_t point_of[GRAPH_NODES_MAX]; /* LAYOUT_NONE: a node without edges */
	uint32_t points_cnt, links_cnt, layers_cnt;
	double rows; /* of the whole picture */
};

/* NULL with errno. For free(). */
struct map_layout *map_layout__new(const struct service_graph *graph);

#endif
