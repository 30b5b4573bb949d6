/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects spans to a graph of services. Spans are held until their trace has had no news for a
 * while, then it is looked at as a whole: the two ends of a call are one edge, and a request of a
 * service reached all that its spans lead to. One thread.
 */
#ifndef SONDE_MODEL_SERVICE_MAP_H
#define SONDE_MODEL_SERVICE_MAP_H

#include "user/model/service_graph.h"

/* Spans held; then the trace that was quiet for longest is looked at early. */
#define SERVICE_MAP_HELD_MAX 32768u
/* Spans of one trace; the rest is counted. */
#define SERVICE_MAP_SPANS_MAX 4096u
/* A trace without news for so long, or as old as that, is looked at. */
#define SERVICE_MAP_QUIET_NS 10000000000ull
#define SERVICE_MAP_AGE_NS 60000000000ull

struct service_map;

/* trace_id is what the kept trace's begins with, in lower-case hex; NULL: the slowest. NULL with errno. */
struct service_map *service_map__new(const char *trace_id);
/* NULL is legal. */
void service_map__free(struct service_map *map);
/* Copies what it needs; now_ns: CLOCK_MONOTONIC. */
void service_map__add(struct service_map *map, const struct span *span, uint64_t now_ns);
/* Looks at traces that have gone quiet by now. */
void service_map__tick(struct service_map *map, uint64_t now_ns);
/*
 * Looks at all that is left. window_ns is what rates are taken over; 0: from the first span's start
 * to the last one's end. The graph is valid until the next call.
 */
const struct service_graph *service_map__finish(struct service_map *map, uint64_t window_ns);
/*
 * Of the requests of node `of` (those that it served, or if none, began), how many led to node `to`.
 * *all_cnt: requests in all.
 */
uint64_t service_map__reached(const struct service_map *map, uint32_t of, uint32_t to,
			      uint64_t *all_cnt);

#endif
