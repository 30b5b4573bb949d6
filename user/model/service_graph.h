/* SPDX-License-Identifier: Apache-2.0 */
/* Who calls whom: services and the calls between them, as plain data. */
#ifndef SONDE_MODEL_SERVICE_GRAPH_H
#define SONDE_MODEL_SERVICE_GRAPH_H

#include "user/base/slice.h"
#include "user/model/latency.h"
#include "user/model/span_tree.h"

#define GRAPH_NODES_MAX 256
#define GRAPH_EDGES_MAX 1024

enum graph_node_kind {
	GRAPH_OUTSIDE, /* all clients that were not seen: node 0 */
	GRAPH_OTHER,   /* what was beyond GRAPH_NODES_MAX: node 1 */
	GRAPH_SERVICE, /* seen on this host, by service.name */
	GRAPH_PEER,    /* called, and not seen, by server.address:port */
};

struct graph_node {
	enum graph_node_kind kind;
	struct slice name;
	uint64_t served_cnt; /* requests that it was asked */
	uint64_t begun_cnt;  /* calls that it made for no request */
	/* Of these, such as may have been for one: which could not be told. */
	uint64_t undecided_cnt;
};

struct graph_edge {
	uint32_t from, to; /* nodes */
	struct slice protocol;
	uint64_t cnt, errors_cnt;
	uint64_t request_sz, response_sz; /* bytes of bodies, as far as they are known */
	bool sizes;			  /* any are */
	struct latency *latency;	  /* as the caller saw it, where it was seen */
};

struct graph_span {
	struct trace_id trace_id;
	struct slice service, name;
	bool error;
};

/* One tree of a trace. */
struct graph_trace {
	uint32_t cnt; /* 0: there is none */
	uint32_t root;
	const struct span_node *nodes; /* joined; item: index in spans */
	const struct graph_span *spans;
};

struct service_graph {
	const struct graph_node *nodes;
	const struct graph_edge *edges;
	uint32_t nodes_cnt, edges_cnt;
	uint64_t spans_cnt, traces_cnt;
	uint64_t beyond_cnt;	  /* spans beyond what a trace may have, left out */
	uint64_t uncounted_cnt;	  /* calls between more pairs than GRAPH_EDGES_MAX */
	uint64_t parts_cnt;	  /* traces that went on after they had been counted */
	uint64_t window_ns;	  /* what rates are taken over */
	struct graph_trace trace; /* the slowest, or the one that was asked for */
};

/* How often a second. */
static inline double graph_rate(const struct service_graph *graph, uint64_t cnt)
{
	return graph->window_ns ? (double)cnt * 1e9 / (double)graph->window_ns : 0;
}

#endif
