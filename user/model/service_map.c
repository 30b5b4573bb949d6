// SPDX-License-Identifier: Apache-2.0
/*
 * What a span says is taken when it comes, names as numbers. A trace is joined to trees when it is
 * over: then each span is the end of one call, and what it leads to is a set of nodes, as bits.
 */
#include "user/model/service_map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/base/hash.h"
#include "user/base/recent.h"
#include "user/model/call.h"
#include "user/model/names.h"

#define NONE UINT32_MAX
#define BUCKETS_CNT 8192u
#define EDGE_SLOTS 4096u
#define RECENT_CNT 65536u
#define WORDS (GRAPH_NODES_MAX / 64)
#define OUTSIDE 0u
#define OTHER 1u

struct held {
	struct span_id id, parent_id;
	uint64_t start_ns, end_ns;
	struct call call;
	uint32_t next; /* of its trace, or free */
};

struct held_trace {
	struct trace_id id;
	uint64_t since_ns, news_ns;
	uint32_t spans, spans_cnt;
	uint32_t next;		 /* in its bucket, or free */
	uint32_t quieter, newer; /* traces by their last news */
};

/* The nodes that a request led to. */
struct reach {
	uint64_t words[WORDS];
};

struct service_map {
	struct names *names;
	struct recent *seen;
	uint64_t seed, seen_seed;
	const char *wanted;
	struct held held[SERVICE_MAP_HELD_MAX];
	struct held_trace traces[SERVICE_MAP_HELD_MAX];
	uint32_t free_held, free_trace, quietest, newest;
	uint32_t buckets[BUCKETS_CNT];
	/* one trace's */
	struct span_node nodes[SERVICE_MAP_SPANS_MAX];
	uint32_t order[SERVICE_MAP_SPANS_MAX];
	struct reach reach[SERVICE_MAP_SPANS_MAX];
	bool answered[SERVICE_MAP_SPANS_MAX];
	/* the graph */
	struct graph_node graph_nodes[GRAPH_NODES_MAX];
	struct graph_edge edges[GRAPH_EDGES_MAX];
	uint32_t edge_slots[EDGE_SLOTS];
	uint16_t node_of[2][NAMES_MAX]; /* by kind and name: services, peers; 0: none yet */
	uint32_t served[GRAPH_NODES_MAX][GRAPH_NODES_MAX]; /* requests of one that led to another */
	uint32_t begun[GRAPH_NODES_MAX][GRAPH_NODES_MAX];
	uint64_t first_ns, last_ns;
	struct service_graph graph;
	/* the trace that is kept */
	uint64_t kept_ns;
	struct span_node kept[SERVICE_MAP_SPANS_MAX];
	struct graph_span kept_spans[SERVICE_MAP_SPANS_MAX];
	struct call kept_calls[SERVICE_MAP_SPANS_MAX];
};

/* --- nodes and edges -------------------------------------------------------------------------- */

static uint32_t node_of(struct service_map *map, enum graph_node_kind kind, uint16_t name)
{
	uint16_t *slot = &map->node_of[kind == GRAPH_PEER][name];
	uint32_t index = *slot;

	if (index)
		return index;
	index = map->graph.nodes_cnt;
	if (index == GRAPH_NODES_MAX || name == NAMES_OTHER)
		return OTHER;
	*slot = (uint16_t)index;
	map->graph_nodes[index] =
		(struct graph_node){.kind = kind, .name = names__text(map->names, name)};
	map->graph.nodes_cnt++;
	return index;
}

/* NULL when there are too many, or there is no memory. */
static struct graph_edge *edge_of(struct service_map *map, uint32_t from, uint32_t to,
				  uint16_t protocol)
{
	uint32_t key[3] = {from, to, protocol};
	uint32_t at = (uint32_t)hash_bytes(map->seed, key, sizeof(key)) % EDGE_SLOTS;
	struct slice name = names__text(map->names, protocol);
	struct latency *latency;
	struct graph_edge *edge;

	for (; map->edge_slots[at]; at = (at + 1) % EDGE_SLOTS) {
		edge = &map->edges[map->edge_slots[at] - 1];
		if (edge->from == from && edge->to == to && edge->protocol.p == name.p)
			return edge;
	}
	if (map->graph.edges_cnt == GRAPH_EDGES_MAX)
		return NULL;
	latency = calloc(1, sizeof(*latency));
	if (!latency)
		return NULL;
	edge = &map->edges[map->graph.edges_cnt];
	map->edge_slots[at] = ++map->graph.edges_cnt;
	*edge = (struct graph_edge){.from = from, .to = to, .protocol = name, .latency = latency};
	return edge;
}

/* One call, as node (and call) tell it. */
static void count_call(struct service_map *map, uint32_t from, uint32_t to,
		       const struct span_node *node, const struct call *call)
{
	struct graph_edge *edge = edge_of(map, from, to, call->protocol);

	if (!edge) {
		map->graph.uncounted_cnt++;
		return;
	}
	edge->cnt++;
	edge->errors_cnt += call->error;
	latency_add(edge->latency,
		    node->end_ns > node->start_ns ? node->end_ns - node->start_ns : 0);
	edge->sizes |= call->request_sz >= 0 || call->response_sz >= 0;
	edge->request_sz += call->request_sz > 0 ? (uint64_t)call->request_sz : 0;
	edge->response_sz += call->response_sz > 0 ? (uint64_t)call->response_sz : 0;
}

/* --- one trace -------------------------------------------------------------------------------- */

static const struct call *call_of(const struct service_map *map, uint32_t index)
{
	return &map->held[map->nodes[index].item].call;
}

static uint32_t service_of(struct service_map *map, uint32_t index)
{
	return node_of(map, GRAPH_SERVICE, call_of(map, index)->service);
}

/* Is it its parent's other end? */
static bool is_answer(const struct service_map *map, uint32_t index)
{
	uint32_t parent = map->nodes[index].parent;

	if (parent == NONE)
		return false;
	return map->nodes[index].socket ||
	       (call_receives(call_of(map, index)) && call_makes(call_of(map, parent)));
}

/* Whom an end speaks to whose other end was not seen: of a server, nothing tells its client. */
static uint32_t peer_of(struct service_map *map, const struct call *call)
{
	return call->serves || call->server == NAMES_NONE ? OUTSIDE
							  : node_of(map, GRAPH_PEER, call->server);
}

/*
 * A program that passes traceparent on as it is makes siblings of both ends of its call. They are
 * the two ends if the header and the server agree, and one was while the other was.
 */
static bool are_two_ends(const struct service_map *map, const struct span_node *client,
			 const struct span_node *server)
{
	const struct call *c = &map->held[client->item].call, *s = &map->held[server->item].call;

	return c->header && s->header && call_makes(c) && call_receives(s) &&
	       c->server == s->server && c->protocol == s->protocol && c->server != NAMES_NONE &&
	       memcmp(&client->parent_id, &server->parent_id, sizeof(client->parent_id)) == 0 &&
	       client->start_ns <= server->start_ns && server->end_ns <= client->end_ns;
}

static void adopt_siblings(struct service_map *map, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		struct span_node *client = &map->nodes[i];

		if (!map->held[client->item].call.header)
			continue;
		for (uint32_t k = 0; k < cnt; k++) {
			struct span_node *server = &map->nodes[k];

			if (server->socket || !are_two_ends(map, client, server))
				continue;
			server->parent_id = client->id;
			server->socket = true;
			break;
		}
	}
}

static void add_reached(struct service_map *map, uint32_t index, uint32_t node)
{
	map->reach[index].words[node / 64] |= 1ull << node % 64;
}

static void count_reached(const struct reach *reach, uint32_t *row)
{
	for (uint32_t i = 0; i < GRAPH_NODES_MAX; i++)
		row[i] += reach->words[i / 64] >> i % 64 & 1;
}

/* The calls of a trace, and what each span leads to by itself. */
static void count_calls(struct service_map *map, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		if (is_answer(map, i))
			map->answered[map->nodes[i].parent] = true;
	for (uint32_t i = 0; i < cnt; i++) {
		const struct span_node *node = &map->nodes[i];
		const struct call *call = call_of(map, i);
		uint32_t service = service_of(map, i);
		uint32_t peer = peer_of(map, call);

		add_reached(map, i, service);
		if (is_answer(map, i))
			count_call(map, service_of(map, node->parent), service,
				   &map->nodes[node->parent], call_of(map, node->parent));
		else if (call_receives(call))
			count_call(map, peer, service, node, call);
		else if (call_makes(call) && !map->answered[i]) {
			add_reached(map, i, peer);
			count_call(map, service, peer, node, call);
		}
	}
}

/* Requests, and what they led to. */
static void count_requests(struct service_map *map, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		const struct call *call = call_of(map, i);
		struct graph_node *node = &map->graph_nodes[service_of(map, i)];
		uint32_t index = (uint32_t)(node - map->graph_nodes);

		if (call_receives(call)) {
			node->served_cnt++;
			count_reached(&map->reach[i], map->served[index]);
			if (is_answer(map, i) || peer_of(map, call) != OUTSIDE)
				continue;
			map->graph_nodes[OUTSIDE].begun_cnt++;
			count_reached(&map->reach[i], map->begun[OUTSIDE]);
		} else if (map->nodes[i].parent == NONE) {
			node->begun_cnt++;
			node->undecided_cnt += call->undecided;
			count_reached(&map->reach[i], map->begun[index]);
		}
	}
}

/* Passes what spans lead to on to their parents, from the leaves up. */
static void gather_reach(struct service_map *map, uint32_t cnt)
{
	uint32_t n = 0;

	for (uint32_t root = 0; root < cnt; root++)
		if (map->nodes[root].parent == NONE)
			for (uint32_t at = root; at != NONE;
			     at = span_tree_next(map->nodes, root, at))
				map->order[n++] = at;
	while (n-- > 0) {
		uint32_t at = map->order[n], parent = map->nodes[at].parent;

		for (uint32_t w = 0; w < WORDS && parent != NONE; w++)
			map->reach[parent].words[w] |= map->reach[at].words[w];
	}
}

static bool is_wanted(const struct service_map *map, const struct trace_id *id)
{
	char hex[2 * sizeof(id->bytes) + 1];

	if (!map->wanted)
		return true;
	for (size_t i = 0; i < sizeof(id->bytes); i++)
		snprintf(hex + 2 * i, 3, "%02x", id->bytes[i]);
	return strncmp(hex, map->wanted, strlen(map->wanted)) == 0;
}

/* The tree that took longest, of all traces or of the wanted one, is kept. */
static void keep_slowest(struct service_map *map, const struct held_trace *trace, uint32_t cnt)
{
	uint64_t most_ns = map->graph.trace.cnt ? map->kept_ns : 0;
	uint32_t slowest = NONE;

	for (uint32_t i = 0; i < cnt; i++) {
		const struct span_node *node = &map->nodes[i];
		uint64_t ns = node->end_ns > node->start_ns ? node->end_ns - node->start_ns : 0;

		if (node->parent == NONE && ns >= most_ns) {
			most_ns = ns;
			slowest = i;
		}
	}
	if (slowest == NONE || !is_wanted(map, &trace->id))
		return;
	map->kept_ns = most_ns;
	map->graph.trace.cnt = cnt;
	map->graph.trace.root = slowest;
	for (uint32_t i = 0; i < cnt; i++) {
		map->kept[i] = map->nodes[i];
		map->kept[i].item = i;
		map->kept_calls[i] = *call_of(map, i);
		map->kept_spans[i].trace_id = trace->id;
	}
}

static void unlink_trace(struct service_map *map, const struct held_trace *trace)
{
	if (trace->quieter == NONE)
		map->quietest = trace->newer;
	else
		map->traces[trace->quieter].newer = trace->newer;
	if (trace->newer == NONE)
		map->newest = trace->quieter;
	else
		map->traces[trace->newer].quieter = trace->quieter;
}

static void link_newest(struct service_map *map, uint32_t index)
{
	struct held_trace *trace = &map->traces[index];

	trace->quieter = map->newest;
	trace->newer = NONE;
	if (map->newest == NONE)
		map->quietest = index;
	else
		map->traces[map->newest].newer = index;
	map->newest = index;
}

static uint32_t *bucket_of(struct service_map *map, const struct trace_id *id)
{
	return &map->buckets[hash_bytes(map->seed, id, sizeof(*id)) % BUCKETS_CNT];
}

static void free_trace(struct service_map *map, uint32_t index)
{
	struct held_trace *trace = &map->traces[index];
	uint32_t *at = bucket_of(map, &trace->id);

	while (*at != index)
		at = &map->traces[*at].next;
	*at = trace->next;
	unlink_trace(map, trace);
	trace->next = map->free_trace;
	map->free_trace = index;
	for (uint32_t span = trace->spans, next; span != NONE; span = next) {
		next = map->held[span].next;
		map->held[span].next = map->free_held;
		map->free_held = span;
	}
}

static void look_at(struct service_map *map, uint32_t index)
{
	const struct held_trace *trace = &map->traces[index];
	uint64_t hash = hash_bytes(map->seed, &trace->id, sizeof(trace->id));
	uint32_t cnt = 0;

	for (uint32_t at = trace->spans; at != NONE; at = map->held[at].next) {
		const struct held *held = &map->held[at];

		map->nodes[cnt++] = (struct span_node){
			.id = held->id,
			.parent_id = held->parent_id,
			.start_ns = held->start_ns,
			.end_ns = held->end_ns,
			.kind = (enum span_kind)held->call.kind,
			.socket = held->call.socket,
			.item = at,
		};
	}
	memset(map->reach, 0, cnt * sizeof(*map->reach));
	memset(map->answered, 0, cnt * sizeof(*map->answered));
	adopt_siblings(map, cnt);
	span_tree_join(map->nodes, cnt, map->order);
	count_calls(map, cnt);
	gather_reach(map, cnt);
	count_requests(map, cnt);
	keep_slowest(map, trace, cnt);
	if (recent__has(map->seen, hash))
		map->graph.parts_cnt++;
	else
		map->graph.traces_cnt++;
	recent__add(map->seen, hash);
	free_trace(map, index);
}

/* --- all together ----------------------------------------------------------------------------- */

struct service_map *service_map__new(const char *trace_id)
{
	struct service_map *map = calloc(1, sizeof(*map));

	if (!map)
		return NULL;
	map->names = names__new();
	map->seen = recent__new(RECENT_CNT);
	if (!map->names || !map->seen) {
		service_map__free(map);
		errno = ENOMEM;
		return NULL;
	}
	map->wanted = trace_id;
	map->seed = hash_seed();
	map->quietest = map->newest = NONE;
	memset(map->buckets, 0xff, sizeof(map->buckets));
	for (uint32_t i = 0; i < SERVICE_MAP_HELD_MAX; i++)
		map->held[i].next = map->traces[i].next =
			i + 1 < SERVICE_MAP_HELD_MAX ? i + 1 : NONE;
	map->graph_nodes[OUTSIDE] =
		(struct graph_node){.kind = GRAPH_OUTSIDE, .name = SLICE("outside")};
	map->graph_nodes[OTHER] = (struct graph_node){.kind = GRAPH_OTHER, .name = SLICE("other")};
	map->graph.nodes_cnt = 2;
	map->first_ns = UINT64_MAX;
	return map;
}

void service_map__free(struct service_map *map)
{
	if (!map)
		return;
	for (uint32_t i = 0; i < map->graph.edges_cnt; i++)
		free(map->edges[i].latency);
	names__free(map->names);
	recent__free(map->seen);
	free(map);
}

static uint32_t find_trace(struct service_map *map, const struct trace_id *id)
{
	uint32_t index = *bucket_of(map, id);

	while (index != NONE && memcmp(&map->traces[index].id, id, sizeof(*id)) != 0)
		index = map->traces[index].next;
	return index;
}

/* There is always one free: no trace without a span, and no more spans than traces. */
static uint32_t new_trace(struct service_map *map, const struct trace_id *id, uint64_t now_ns)
{
	uint32_t *bucket = bucket_of(map, id), index = map->free_trace;
	struct held_trace *trace = &map->traces[index];

	map->free_trace = trace->next;
	*trace = (struct held_trace){
		.id = *id, .since_ns = now_ns, .news_ns = now_ns, .spans = NONE, .next = *bucket};
	*bucket = index;
	link_newest(map, index);
	return index;
}

static uint32_t trace_for(struct service_map *map, const struct trace_id *id, uint64_t now_ns)
{
	uint32_t index = find_trace(map, id);

	if (index != NONE && now_ns > map->traces[index].since_ns &&
	    now_ns - map->traces[index].since_ns > SERVICE_MAP_AGE_NS) {
		look_at(map, index);
		index = NONE;
	}
	return index == NONE ? new_trace(map, id, now_ns) : index;
}

void service_map__add(struct service_map *map, const struct span *span, uint64_t now_ns)
{
	struct held_trace *trace;
	uint32_t index, at;
	struct held *held;

	if (map->free_held == NONE)
		look_at(map, map->quietest);
	index = trace_for(map, &span->trace_id, now_ns);
	trace = &map->traces[index];
	trace->news_ns = now_ns;
	unlink_trace(map, trace);
	link_newest(map, index);
	if (trace->spans_cnt == SERVICE_MAP_SPANS_MAX) {
		map->graph.beyond_cnt++;
		return;
	}
	at = map->free_held;
	held = &map->held[at];
	map->free_held = held->next;
	held->id = span->span_id;
	held->parent_id = span->parent_id;
	held->start_ns = span->start_ns;
	held->end_ns = span->end_ns;
	held->next = trace->spans;
	call_fill(&held->call, span, map->names);
	trace->spans = at;
	trace->spans_cnt++;
	map->graph.spans_cnt++;
	if (span->start_ns < map->first_ns)
		map->first_ns = span->start_ns;
	if (span->end_ns > map->last_ns)
		map->last_ns = span->end_ns;
}

void service_map__tick(struct service_map *map, uint64_t now_ns)
{
	while (map->quietest != NONE) {
		uint64_t news_ns = map->traces[map->quietest].news_ns;

		if (news_ns > now_ns || now_ns - news_ns < SERVICE_MAP_QUIET_NS)
			break;
		look_at(map, map->quietest);
	}
}

static void describe_kept(struct service_map *map)
{
	for (uint32_t i = 0; i < map->graph.trace.cnt; i++) {
		const struct call *call = &map->kept_calls[i];

		map->kept_spans[i].service = names__text(map->names, call->service);
		map->kept_spans[i].name = slice_of(call->name, call->name_len);
		map->kept_spans[i].error = call->error;
	}
	if (map->graph.trace.cnt)
		span_tree_critical(map->kept, map->graph.trace.root);
	map->graph.trace.nodes = map->kept;
	map->graph.trace.spans = map->kept_spans;
}

const struct service_graph *service_map__finish(struct service_map *map, uint64_t window_ns)
{
	while (map->quietest != NONE)
		look_at(map, map->quietest);
	if (!window_ns && map->last_ns > map->first_ns)
		window_ns = map->last_ns - map->first_ns;
	map->graph.window_ns = window_ns;
	map->graph.nodes = map->graph_nodes;
	map->graph.edges = map->edges;
	describe_kept(map);
	return &map->graph;
}

uint64_t service_map__reached(const struct service_map *map, uint32_t of, uint32_t to,
			      uint64_t *all_cnt)
{
	const struct graph_node *node = &map->graph_nodes[of];

	*all_cnt = node->served_cnt ?: node->begun_cnt;
	return node->served_cnt ? map->served[of][to] : map->begun[of][to];
}
