/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `sonde map` prints. Each writes all and returns 0 or a negative errno. Names come from the
 * wire: none can break out of where it stands.
 */
#ifndef SONDE_CLI_MAP_VIEW_H
#define SONDE_CLI_MAP_VIEW_H

#include "user/cli/line.h"
#include "user/model/service_graph.h"

/* How text is written; lines are cut to width if it is not 0. */
struct map_style {
	bool colour;
	unsigned int width;
};

/* Of the requests of node `of`, how many led to node `to`, as service_map__reached has it. */
typedef uint64_t (*map_reached_fn)(const void *ctx, uint32_t of, uint32_t to, uint64_t *all_cnt);

/* The calls, as trees from where they begin. */
int map_text(FILE *out, const struct map_style *style, const struct service_graph *graph);
/* An object: seconds, spans, traces, nodes, edges. */
int map_json(FILE *out, const struct service_graph *graph);
/* A Graphviz digraph. */
int map_dot(FILE *out, const struct service_graph *graph);
/* A picture (SVG 1.1) without script or outside references. */
int map_svg(FILE *out, const struct service_graph *graph);
/* Which spans of the kept trace its duration is made of. */
int map_critical(FILE *out, const struct map_style *style, const struct service_graph *graph);
/* The same as JSON. */
int map_critical_json(FILE *out, const struct service_graph *graph);
/* Whose requests led to the node of that name. -ENOENT if there is none. */
int map_impact(FILE *out, const struct map_style *style, const struct service_graph *graph,
	       const char *name, map_reached_fn reached, const void *ctx);
/* The same as JSON. */
int map_impact_json(FILE *out, const struct service_graph *graph, const char *name,
		    map_reached_fn reached, const void *ctx);

#endif
