// SPDX-License-Identifier: Apache-2.0
/* A graph for programs: JSON, and the language of Graphviz. */
#include "user/base/json_writer.h"
#include "user/base/utf8.h"
#include "user/cli/amount.h"
#include "user/cli/map_view.h"

#define TEXT_MAX (8u << 20)

static int write_out(FILE *out, struct json_writer *json)
{
	int err = json_writer__write(json, out);

	json_writer__free(json);
	return err;
}

static bool is_used(const struct service_graph *graph, uint32_t node)
{
	for (uint32_t i = 0; i < graph->edges_cnt; i++)
		if (graph->edges[i].from == node || graph->edges[i].to == node)
			return true;
	return false;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void put_number(struct json_writer *j, struct slice member, uint64_t number)
{
	jw_raw(j, member);
	jw_u64(j, number);
}

static void put_node(struct json_writer *j, const struct graph_node *node)
{
	static const struct slice kinds[] = {
		[GRAPH_OUTSIDE] = SLICE("outside"),
		[GRAPH_OTHER] = SLICE("other"),
		[GRAPH_SERVICE] = SLICE("service"),
		[GRAPH_PEER] = SLICE("peer"),
	};

	jw_lit(j, "{\"name\":");
	jw_string(j, node->name);
	jw_lit(j, ",\"kind\":\"");
	jw_raw(j, kinds[node->kind]);
	put_number(j, SLICE("\",\"served\":"), node->served_cnt);
	put_number(j, SLICE(",\"begun\":"), node->begun_cnt);
	put_number(j, SLICE(",\"undecided\":"), node->undecided_cnt);
	jw_lit(j, "}");
}

static void put_edge(struct json_writer *j, const struct service_graph *graph,
		     const struct graph_edge *edge)
{
	jw_lit(j, "{\"from\":");
	jw_string(j, graph->nodes[edge->from].name);
	jw_lit(j, ",\"to\":");
	jw_string(j, graph->nodes[edge->to].name);
	jw_lit(j, ",\"protocol\":");
	jw_string(j, edge->protocol);
	put_number(j, SLICE(",\"requests\":"), edge->cnt);
	put_number(j, SLICE(",\"errors\":"), edge->errors_cnt);
	jw_lit(j, ",\"rate\":");
	jw_double(j, graph_rate(graph, edge->cnt));
	put_number(j, SLICE(",\"p50Nano\":"), latency_quantile(edge->latency, 0.5));
	put_number(j, SLICE(",\"p95Nano\":"), latency_quantile(edge->latency, 0.95));
	put_number(j, SLICE(",\"p99Nano\":"), latency_quantile(edge->latency, 0.99));
	if (edge->sizes) {
		put_number(j, SLICE(",\"requestBytes\":"), edge->request_sz);
		put_number(j, SLICE(",\"responseBytes\":"), edge->response_sz);
	}
	jw_lit(j, "}");
}

int map_json(FILE *out, const struct service_graph *graph)
{
	struct json_writer json;
	bool any = false;

	json_writer__init(&json, TEXT_MAX);
	jw_lit(&json, "{\"seconds\":");
	jw_double(&json, (double)graph->window_ns / 1e9);
	put_number(&json, SLICE(",\"spans\":"), graph->spans_cnt);
	put_number(&json, SLICE(",\"traces\":"), graph->traces_cnt);
	put_number(&json, SLICE(",\"tracesInParts\":"), graph->parts_cnt);
	put_number(&json, SLICE(",\"spansLeftOut\":"), graph->beyond_cnt);
	put_number(&json, SLICE(",\"callsLeftOut\":"), graph->uncounted_cnt);
	jw_lit(&json, ",\"nodes\":[");
	for (uint32_t i = 0; i < graph->nodes_cnt; i++) {
		if (!is_used(graph, i))
			continue;
		if (any)
			jw_lit(&json, ",");
		any = true;
		put_node(&json, &graph->nodes[i]);
	}
	jw_lit(&json, "],\"edges\":[");
	for (uint32_t i = 0; i < graph->edges_cnt; i++) {
		if (i)
			jw_lit(&json, ",");
		put_edge(&json, graph, &graph->edges[i]);
	}
	jw_lit(&json, "]}\n");
	return write_out(out, &json);
}

/* --- Graphviz --------------------------------------------------------------------------------- */

/* Inside of a quoted string: no quote ends it, no escape does anything. */
static void put_quoted(struct json_writer *j, struct slice s)
{
	while (s.n) {
		int32_t code;
		size_t n = utf8_decode(s, &code);

		if (code == '"' || code == '\\')
			jw_lit(j, "\\");
		if (code < 0)
			jw_lit(j, UTF8_REPLACEMENT);
		else if (utf8_is_control(code))
			jw_lit(j, " ");
		else
			jw_raw(j, slice_first(s, n));
		s = slice_after(s, n);
	}
}

static void put_dot_edge(struct json_writer *j, const struct service_graph *graph,
			 const struct graph_edge *edge, double most)
{
	char text[128], rate[AMOUNT_SZ], p95[AMOUNT_SZ], errors[AMOUNT_SZ];
	struct slice r = amount_rate(graph_rate(graph, edge->cnt), rate);
	struct slice p = amount_duration(latency_quantile(edge->latency, 0.95), p95);
	struct slice e = amount_share(edge->errors_cnt, edge->cnt, errors);
	int n = snprintf(text, sizeof(text), "\tn%u -> n%u [penwidth=%.1f%s, label=\"", edge->from,
			 edge->to, 1 + 4 * (double)edge->cnt / most,
			 edge->errors_cnt ? ", color=red" : "");

	jw_raw(j, slice_of(text, (size_t)n));
	put_quoted(j, edge->protocol);
	n = snprintf(text, sizeof(text), " %.*s/s\\np95 %.*s%s%.*s%s\"];\n", (int)r.n, r.p,
		     (int)p.n, p.p, edge->errors_cnt ? ", " : "", edge->errors_cnt ? (int)e.n : 0,
		     e.p, edge->errors_cnt ? " errors" : "");
	jw_raw(j, slice_of(text, (size_t)n));
}

int map_dot(FILE *out, const struct service_graph *graph)
{
	struct json_writer json;
	uint64_t most = 1;
	char text[64];

	json_writer__init(&json, TEXT_MAX);
	jw_lit(&json, "digraph services {\n\trankdir=LR;\n\tnode [shape=box, style=rounded];\n");
	for (uint32_t i = 0; i < graph->nodes_cnt; i++) {
		if (!is_used(graph, i))
			continue;
		jw_raw(&json,
		       slice_of(text, (size_t)snprintf(text, sizeof(text), "\tn%u [label=\"", i)));
		put_quoted(&json, graph->nodes[i].name);
		jw_raw(&json, graph->nodes[i].kind == GRAPH_SERVICE
				      ? SLICE("\"];\n")
				      : SLICE("\", style=\"rounded,dashed\"];\n"));
	}
	for (uint32_t i = 0; i < graph->edges_cnt; i++)
		if (graph->edges[i].cnt > most)
			most = graph->edges[i].cnt;
	for (uint32_t i = 0; i < graph->edges_cnt; i++)
		put_dot_edge(&json, graph, &graph->edges[i], (double)most);
	jw_lit(&json, "}\n");
	return write_out(out, &json);
}
