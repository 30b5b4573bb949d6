// SPDX-License-Identifier: Apache-2.0
/* Spans to a graph of services: what is counted, once, and what a request led to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/cli/map_layout.h"
#include "user/cli/map_view.h"
#include "user/model/service_map.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define MS 1000000ull
#define START_NS 1795212000000000000ull

struct plan {
	uint32_t trace, id, parent;
	enum span_kind kind;
	const char *service, *server, *client, *method, *protocol;
	uint64_t at_ms, took_ms;
	bool error;
};

static void add(struct service_map *map, const struct plan *plan, uint64_t now_ns)
{
	struct attr v[8];
	struct resource resource = {.service_name = slice_str(plan->service)};
	struct span span = {.kind = plan->kind,
			    .status = plan->error ? SPAN_STATUS_ERROR : SPAN_STATUS_UNSET,
			    .name = SLICE("x"),
			    .start_ns = START_NS + plan->at_ms * MS,
			    .end_ns = START_NS + (plan->at_ms + plan->took_ms) * MS,
			    .attrs = {.v = v, .cap = CNT(v)},
			    .resource = &resource};

	memcpy(span.trace_id.bytes, &plan->trace, 4);
	memcpy(span.span_id.bytes, &plan->id, 4);
	memcpy(span.parent_id.bytes, &plan->parent, 4);
	attrs_add_str(&span.attrs, SLICE("sonde.parent.method"), slice_str(plan->method));
	if (plan->server) {
		attrs_add_str(&span.attrs, SLICE("server.address"), slice_str(plan->server));
		attrs_add_int(&span.attrs, SLICE("server.port"), 80);
	}
	if (plan->client)
		attrs_add_str(&span.attrs, SLICE("client.address"), slice_str(plan->client));
	if (plan->protocol)
		attrs_add_str(&span.attrs, SLICE("db.system.name"), slice_str(plan->protocol));
	else
		attrs_add_str(&span.attrs, SLICE("http.request.method"), SLICE("GET"));
	service_map__add(map, &span, now_ns);
}

static const struct graph_edge *edge_of(const struct service_graph *graph, const char *from,
					const char *to, const char *protocol)
{
	for (uint32_t i = 0; i < graph->edges_cnt; i++) {
		const struct graph_edge *edge = &graph->edges[i];

		if (slice_eq(graph->nodes[edge->from].name, slice_str(from)) &&
		    slice_eq(graph->nodes[edge->to].name, slice_str(to)) &&
		    slice_eq(edge->protocol, slice_str(protocol)))
			return edge;
	}
	return NULL;
}

static uint32_t node_of(const struct service_graph *graph, const char *name)
{
	for (uint32_t i = 0; i < graph->nodes_cnt; i++)
		if (slice_eq(graph->nodes[i].name, slice_str(name)))
			return i;
	fail();
	return 0;
}

/* outside -> web -> app -> db, which fails, and app -> 10.0.0.9:80; curl -> web; a ping of app's. */
static const struct plan shop[] = {
	{1, 1, 0, SPAN_SERVER, "web", "web", "10.0.0.1", "none", NULL, 0, 100, true},
	{1, 2, 1, SPAN_CLIENT, "web", "app", NULL, "task", NULL, 10, 80, true},
	{1, 3, 2, SPAN_SERVER, "app", "app", "10.0.0.2", "socket", NULL, 11, 78, true},
	{1, 4, 3, SPAN_CLIENT, "app", "db", NULL, "task", "postgresql", 20, 40, true},
	{1, 5, 4, SPAN_SERVER, "db", "db", "10.0.0.3", "socket", "postgresql", 21, 38, true},
	{1, 6, 3, SPAN_CLIENT, "app", "10.0.0.9", NULL, "task", NULL, 60, 10, false},
	{2, 7, 0, SPAN_CLIENT, "curl", "web", NULL, "none", NULL, 200, 10, false},
	{2, 8, 7, SPAN_SERVER, "web", "web", "10.0.0.1", "socket", NULL, 201, 8, false},
	{3, 9, 0, SPAN_CLIENT, "app", "db", NULL, "ambiguous", "postgresql", 300, 2, false},
	{3, 10, 9, SPAN_SERVER, "db", "db", "10.0.0.3", "socket", "postgresql", 300, 1, false},
	/* a header that web2 passes on as it is: all are siblings */
	{4, 11, 99, SPAN_SERVER, "web2", "web2", "10.0.0.1", "header", NULL, 400, 50, false},
	{4, 12, 99, SPAN_CLIENT, "web2", "app2", NULL, "header", NULL, 405, 40, false},
	{4, 13, 99, SPAN_SERVER, "app2", "app2", "10.0.0.2", "header", NULL, 406, 38, false},
};

static void edges(void **state)
{
	static const struct {
		const char *from, *to, *protocol;
		uint64_t cnt, errors_cnt, p50_ms;
	} expected[] = {
		{"outside", "web", "http", 1, 1, 100}, {"web", "app", "http", 1, 1, 80},
		{"app", "db", "postgresql", 2, 1, 2},  {"app", "10.0.0.9:80", "http", 1, 0, 10},
		{"curl", "web", "http", 1, 0, 10},     {"outside", "web2", "http", 1, 0, 50},
		{"web2", "app2", "http", 1, 0, 40},
	};

	(void)state;
	for (int order = 0; order < 2; order++) {
		struct service_map *map = service_map__new(NULL);
		const struct service_graph *graph;

		for (size_t i = 0; i < CNT(shop); i++)
			add(map, &shop[order ? i : CNT(shop) - 1 - i], 0);
		graph = service_map__finish(map, 0);
		assert_int_equal(graph->edges_cnt, CNT(expected));
		assert_int_equal(graph->spans_cnt, CNT(shop));
		assert_int_equal(graph->traces_cnt, 4);
		assert_int_equal(graph->window_ns, 450 * MS);
		for (size_t i = 0; i < CNT(expected); i++) {
			const struct graph_edge *edge = edge_of(
				graph, expected[i].from, expected[i].to, expected[i].protocol);

			assert_non_null(edge);
			assert_int_equal(edge->cnt, expected[i].cnt);
			assert_int_equal(edge->errors_cnt, expected[i].errors_cnt);
			assert_in_range(latency_quantile(edge->latency, 0.5),
					expected[i].p50_ms * MS, expected[i].p50_ms * MS * 33 / 32);
		}
		assert_int_equal(graph->nodes[node_of(graph, "app")].undecided_cnt, 1);
		assert_int_equal(graph->nodes[node_of(graph, "app")].served_cnt, 1);
		assert_int_equal(graph->trace.nodes[graph->trace.root].critical_ns, 20 * MS);
		service_map__free(map);
	}
}

/* By what a request led to: of web's two requests one came to the database. */
static void impact(void **state)
{
	static const struct {
		const char *of, *to;
		uint64_t cnt, all_cnt;
	} expected[] = {
		{"web", "db", 1, 2},	      {"outside", "db", 1, 2}, {"app", "db", 1, 1},
		{"curl", "db", 0, 1},	      {"curl", "web", 1, 1},   {"db", "app", 0, 2},
		{"web", "10.0.0.9:80", 1, 2}, {"web2", "db", 0, 1},
	};
	struct service_map *map = service_map__new(NULL);
	const struct service_graph *graph;

	(void)state;
	for (size_t i = 0; i < CNT(shop); i++)
		add(map, &shop[i], 0);
	graph = service_map__finish(map, 0);
	for (size_t i = 0; i < CNT(expected); i++) {
		uint64_t all_cnt;

		assert_int_equal(service_map__reached(map, node_of(graph, expected[i].of),
						      node_of(graph, expected[i].to), &all_cnt),
				 expected[i].cnt);
		assert_int_equal(all_cnt, expected[i].all_cnt);
	}
	service_map__free(map);
}

/* The trace that was asked for is kept, though others are slower. */
static void wanted(void **state)
{
	struct service_map *map = service_map__new("02000000");
	const struct service_graph *graph;

	(void)state;
	for (size_t i = 0; i < CNT(shop); i++)
		add(map, &shop[i], 0);
	graph = service_map__finish(map, 0);
	assert_int_equal(graph->trace.cnt, 2);
	assert_true(slice_eq(graph->trace.spans[graph->trace.nodes[graph->trace.root].item].service,
			     SLICE("curl")));
	service_map__free(map);
}

/* A trace is looked at when it has been quiet; what comes later is a part of its own. */
static void quiet(void **state)
{
	struct service_map *map = service_map__new(NULL);
	const struct service_graph *graph;

	(void)state;
	add(map, &shop[0], 1);
	service_map__tick(map, SERVICE_MAP_QUIET_NS);
	add(map, &shop[1], 2);
	service_map__tick(map, SERVICE_MAP_QUIET_NS + 1);
	add(map, &shop[2], 3);
	service_map__tick(map, SERVICE_MAP_QUIET_NS + 3);
	add(map, &shop[3], SERVICE_MAP_QUIET_NS + 4);
	graph = service_map__finish(map, 0);
	assert_int_equal(graph->traces_cnt, 1);
	assert_int_equal(graph->parts_cnt, 1);
	assert_non_null(edge_of(graph, "web", "app", "http"));
	assert_non_null(edge_of(graph, "app", "db:80", "postgresql"));
	service_map__free(map);
}

/* More spans, traces, services, names and pairs than there is room for: all are accounted for. */
static void bounds(void **state)
{
	static const struct {
		uint32_t spans_cnt, traces, services;
	} cases[] = {{100000, 100000, 1}, {100000, 1, 1}, {20000, 20000, 6000}, {20000, 7, 40}};

	(void)state;
	for (size_t c = 0; c < CNT(cases); c++) {
		struct service_map *map = service_map__new(NULL);
		const struct service_graph *graph;
		uint64_t calls = 0;

		for (uint32_t i = 0; i < cases[c].spans_cnt; i++) {
			char service[16], server[16];

			snprintf(service, sizeof(service), "s%u", i % cases[c].services);
			snprintf(server, sizeof(server), "p%u", i % 37);
			add(map,
			    &(struct plan){.trace = i % cases[c].traces + 1,
					   .id = i + 1,
					   .kind = SPAN_CLIENT,
					   .service = service,
					   .server = server,
					   .method = "none",
					   .took_ms = i % 100},
			    0);
		}
		graph = service_map__finish(map, 0);
		for (uint32_t i = 0; i < graph->edges_cnt; i++)
			calls += graph->edges[i].cnt;
		assert_int_equal(calls + graph->uncounted_cnt, graph->spans_cnt);
		assert_int_equal(graph->spans_cnt + graph->beyond_cnt, cases[c].spans_cnt);
		assert_int_equal(graph->beyond_cnt > 0, cases[c].traces == 1);
		assert_in_range(graph->nodes_cnt, 3, GRAPH_NODES_MAX);
		assert_in_range(graph->edges_cnt, 1, GRAPH_EDGES_MAX);
		service_map__free(map);
	}
}

static void quantiles(void **state)
{
	struct latency *latency = calloc(1, sizeof(*latency));

	(void)state;
	assert_int_equal(latency_quantile(latency, 0.5), 0);
	for (uint64_t ns = 1; ns < UINT64_MAX / 3; ns += ns / 2 + 1) {
		memset(latency, 0, sizeof(*latency));
		latency_add(latency, ns);
		assert_int_equal(latency_quantile(latency, 0.5), ns);
		latency_add(latency, UINT64_MAX);
		if (ns < 1ull << 39) /* an upper bound, at most 1/32 above */
			assert_in_range(latency_quantile(latency, 0.5), ns, ns + ns / 32);
		assert_int_equal(latency_quantile(latency, 0.99), UINT64_MAX);
	}
	memset(latency, 0, sizeof(*latency));
	for (uint64_t i = 1; i <= 1000; i++)
		latency_add(latency, i * 1000);
	assert_in_range(latency_quantile(latency, 0.5), 500000, 516000);
	assert_in_range(latency_quantile(latency, 0.95), 950000, 980000);
	assert_in_range(latency_quantile(latency, 0.99), 990000, 1000000);
	assert_int_equal(latency_quantile(latency, 1), 1000000);
	free(latency);
}

/* --- pictures --------------------------------------------------------------------------------- */

/* A random graph, with rings, loops and names that try to break out. */
static uint32_t fill_graph(struct service_graph *graph, struct graph_node *nodes,
			   struct graph_edge *edges_out, uint32_t nodes_cnt, uint32_t edges_cnt)
{
	static struct latency latency;
	static const char *const names[] = {"a\"];x[label=\"",
					    "<script>alert(1)</script>",
					    "b\\",
					    "\xff\xfe\x01",
					    "&amp;",
					    "日本語",
					    ""};

	latency_add(&latency, 1234567);
	for (uint32_t i = 0; i < nodes_cnt; i++)
		nodes[i] = (struct graph_node){.kind = i % 4, .name = slice_str(names[i % 7])};
	for (uint32_t i = 0; i < edges_cnt; i++)
		edges_out[i] = (struct graph_edge){.from = (uint32_t)rand() % nodes_cnt,
						   .to = (uint32_t)rand() % nodes_cnt,
						   .protocol = slice_str(names[i % 6]),
						   .cnt = 1 + (uint32_t)rand() % 100,
						   .errors_cnt = i % 3 == 0,
						   .latency = &latency};
	*graph = (struct service_graph){.nodes = nodes,
					.edges = edges_out,
					.nodes_cnt = nodes_cnt,
					.edges_cnt = edges_cnt,
					.window_ns = 1000000000};
	return edges_cnt;
}

static size_t count(const char *text, const char *what)
{
	size_t cnt = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		cnt++;
	return cnt;
}

static void check_layout(const struct service_graph *graph)
{
	struct map_layout *l = map_layout__new(graph);

	for (uint32_t k = 0; k < l->links_cnt; k++) {
		const struct layout_link *link = &l->links[k];

		assert_true(l->point_of[link->from] < l->points_cnt);
		assert_true(l->point_of[link->to] < l->points_cnt);
		if (!link->back) /* from left to right */
			assert_true(l->points[l->point_of[link->from]].layer <
				    l->points[l->point_of[link->to]].layer);
	}
	for (uint32_t i = 0; i < l->points_cnt; i++) {
		assert_true(l->points[i].y >= 0 && l->points[i].y <= l->rows);
		for (uint32_t k = 0; k < i; k++) /* nodes do not overlap */
			if (l->points[i].layer == l->points[k].layer &&
			    l->points[i].node != LAYOUT_NONE && l->points[k].node != LAYOUT_NONE)
				assert_true(l->points[i].y - l->points[k].y > 0.99 ||
					    l->points[k].y - l->points[i].y > 0.99);
	}
	free(l);
}

static void pictures(void **state)
{
	static const struct {
		uint32_t nodes, edges;
	} cases[] = {{2, 0}, {3, 2}, {7, 20}, {40, 60}, {GRAPH_NODES_MAX, GRAPH_EDGES_MAX}};
	static struct graph_node nodes[GRAPH_NODES_MAX];
	static struct graph_edge edge[GRAPH_EDGES_MAX];
	struct service_graph graph;

	(void)state;
	srand(7);
	for (size_t c = 0; c < CNT(cases); c++) {
		char *text = NULL;
		size_t text_sz;
		FILE *out;

		fill_graph(&graph, nodes, edge, cases[c].nodes, cases[c].edges);
		check_layout(&graph);
		out = open_memstream(&text, &text_sz);
		assert_int_equal(map_svg(out, &graph), 0);
		assert_null(strstr(text, "<script"));
		assert_int_equal(count(text, "<g>"), count(text, "</g>"));
		fflush(out);
		fclose(out);
		free(text);
		out = open_memstream(&text, &text_sz);
		assert_int_equal(map_text(out, &(struct map_style){0}, &graph), 0);
		fflush(out);
		/* each edge has its line */
		assert_int_equal(count(text, "1.23 ms"), 3 * cases[c].edges);
		fclose(out);
		free(text);
		out = open_memstream(&text, &text_sz);
		assert_int_equal(map_dot(out, &graph), 0);
		fflush(out);
		assert_int_equal(count(text, "penwidth"), cases[c].edges);
		assert_null(strstr(text, "a\"];x["));
		fclose(out);
		free(text);
	}
}

static void text(void **state)
{
	struct service_map *map = service_map__new(NULL);
	const struct service_graph *graph;
	char *said = NULL;
	size_t said_sz;
	FILE *out;

	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	for (size_t i = 0; i < CNT(shop); i++)
		add(map, &shop[i], 0);
	graph = service_map__finish(map, 1000000000);
	out = open_memstream(&said, &said_sz);
	assert_int_equal(map_text(out, &(struct map_style){.width = 84}, graph), 0);
	fflush(out);
	assert_string_equal(
		said,
		"SERVICE                   PROTOCOL        REQ/S   ERRORS       P50       P95\n"
		"outside\n"
		"├─ web                    http             1.00    100 %    100 ms    100 ms\n"
		"│  └─ app                 http             1.00    100 %   80.0 ms   80.0 ms\n"
		"│     ├─ db               postgresql       2.00   50.0 %   2.03 ms   40.0 ms\n"
		"│     └─ 10.0.0.9:80      http             1.00      0 %   10.0 ms   10.0 ms\n"
		"└─ web2                   http             1.00      0 %   50.0 ms   50.0 ms\n"
		"   └─ app2                http             1.00      0 %   40.0 ms   40.0 ms\n"
		"curl\n"
		"└─ web (above)            http             1.00      0 %   10.0 ms   10.0 ms\n"
		"1 call of app may have been for a request of its own: which one is undecided\n");
	fclose(out);
	free(said);
	service_map__free(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges),    cmocka_unit_test(impact), cmocka_unit_test(wanted),
		cmocka_unit_test(quiet),    cmocka_unit_test(bounds), cmocka_unit_test(quantiles),
		cmocka_unit_test(pictures), cmocka_unit_test(text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
