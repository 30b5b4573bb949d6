// SPDX-License-Identifier: Apache-2.0
/*
 * A graph as trees: from each entry, calls by rate; what a service calls stands where it is first
 * met, and "(above)" says so where it is met again. Each edge has one line.
 */
#include <errno.h>
#include <stdlib.h>

#include "user/cli/amount.h"
#include "user/cli/columns.h"
#include "user/cli/map_view.h"

#define DEPTH_MAX 16 /* levels that are indented */
#define NONE UINT32_MAX
#define PROTOCOL_COLUMNS 13u
#define NAME_COLUMNS 34u
#define NAME_COLUMNS_NARROW 26u

enum number {
	NUMBER_COUNT,
	NUMBER_RATE,
	NUMBER_ERRORS,
	NUMBER_P50,
	NUMBER_P95,
	NUMBER_P99,
	NUMBER_SENT,
	NUMBER_RECEIVED,
	NUMBERS_CNT,
};

/* Where a terminal is narrow, those with the lowest worth are left out. */
static const struct {
	const char *name;
	unsigned int columns, worth;
} numbers[] = {
	[NUMBER_COUNT] = {"REQUESTS", 8, 3}, [NUMBER_RATE] = {"REQ/S", 8, 8},
	[NUMBER_ERRORS] = {"ERRORS", 9, 7},  [NUMBER_P50] = {"P50", 10, 5},
	[NUMBER_P95] = {"P95", 10, 6},	     [NUMBER_P99] = {"P99", 10, 4},
	[NUMBER_SENT] = {"SENT", 9, 2},	     [NUMBER_RECEIVED] = {"RECEIVED", 10, 1},
};

struct frame {
	uint32_t node, next; /* index in order */
};

struct walk {
	FILE *out;
	const struct service_graph *graph;
	struct line line;
	int err;
	unsigned int protocol_column;
	unsigned int ends[NUMBERS_CNT];	 /* columns; 0: left out */
	uint32_t order[GRAPH_EDGES_MAX]; /* edges by caller, then by rate */
	uint32_t first[GRAPH_NODES_MAX + 1];
	uint64_t begun[GRAPH_NODES_MAX]; /* calls */
	bool called[GRAPH_NODES_MAX], shown[GRAPH_NODES_MAX];
	struct frame stack[GRAPH_NODES_MAX + 1];
	uint32_t depth;
};

static int by_rate(const void *a, const void *b, void *arg)
{
	const struct service_graph *graph = arg;
	const struct graph_edge *x = &graph->edges[*(const uint32_t *)a],
				*y = &graph->edges[*(const uint32_t *)b];

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	if (x->cnt != y->cnt)
		return x->cnt > y->cnt ? -1 : 1;
	return x->to < y->to ? -1 : x->to > y->to;
}

static void prepare(struct walk *w)
{
	const struct service_graph *graph = w->graph;

	for (uint32_t i = 0; i < graph->edges_cnt; i++) {
		const struct graph_edge *edge = &graph->edges[i];

		w->order[i] = i;
		w->begun[edge->from] += edge->cnt;
		w->called[edge->to] |= edge->from != edge->to;
	}
	qsort_r(w->order, graph->edges_cnt, sizeof(*w->order), by_rate, (void *)graph);
	for (uint32_t node = 0, i = 0; node <= graph->nodes_cnt; node++) {
		while (i < graph->edges_cnt && graph->edges[w->order[i]].from < node)
			i++;
		w->first[node] = i;
	}
}

static const char *node_style(const struct graph_node *node)
{
	return node->kind == GRAPH_SERVICE ? STYLE_BOLD : STYLE_DIM;
}

static void put_guides(struct walk *w)
{
	bool utf8 = w->line.utf8;

	for (uint32_t d = 0; d < w->depth && d < DEPTH_MAX; d++) {
		const struct frame *frame = &w->stack[d];
		bool last = frame->next == w->first[frame->node + 1];
		const char *guide;

		if (d + 1 == w->depth)
			guide = last ? (utf8 ? "└─ " : "`- ") : (utf8 ? "├─ " : "|- ");
		else
			guide = last ? "   " : (utf8 ? "│  " : "|  ");
		line_styled(&w->line, STYLE_DIM, slice_str(guide));
	}
}

static struct slice number_of(const struct walk *w, const struct graph_edge *edge,
			      enum number number, char buf[AMOUNT_SZ])
{
	switch (number) {
	case NUMBER_COUNT:
		return slice_of(buf, (size_t)snprintf(buf, AMOUNT_SZ, "%llu",
						      (unsigned long long)edge->cnt));
	case NUMBER_RATE:
		return amount_rate(graph_rate(w->graph, edge->cnt), buf);
	case NUMBER_ERRORS:
		return amount_share(edge->errors_cnt, edge->cnt, buf);
	case NUMBER_P50:
		return amount_duration(latency_quantile(edge->latency, 0.5), buf);
	case NUMBER_P95:
		return amount_duration(latency_quantile(edge->latency, 0.95), buf);
	case NUMBER_P99:
		return amount_duration(latency_quantile(edge->latency, 0.99), buf);
	case NUMBER_SENT:
		return edge->sizes ? amount_bytes(edge->request_sz, buf) : SLICE("");
	case NUMBER_RECEIVED:
		return edge->sizes ? amount_bytes(edge->response_sz, buf) : SLICE("");
	case NUMBERS_CNT:
		break;
	}
	return SLICE("");
}

static void put_numbers(struct walk *w, const struct graph_edge *edge)
{
	struct line *line = &w->line;
	char buf[AMOUNT_SZ];

	line_pad(line, w->protocol_column);
	line_text(line, edge->protocol, PROTOCOL_COLUMNS - 1);
	for (enum number i = 0; i < NUMBERS_CNT; i++) {
		struct slice text = number_of(w, edge, i, buf);
		bool failed = i == NUMBER_ERRORS && edge->errors_cnt;

		if (!w->ends[i] || !text.n)
			continue;
		line_style(line, failed ? STYLE_RED : STYLE_NONE);
		line_right(line, text, w->ends[i]);
		line_style(line, STYLE_NONE);
	}
}

static void put_edge(struct walk *w, const struct graph_edge *edge)
{
	const struct graph_node *to = &w->graph->nodes[edge->to];
	bool again = w->shown[edge->to] && w->first[edge->to] < w->first[edge->to + 1];
	unsigned int room;

	put_guides(w);
	room = w->protocol_column - (again ? 10 : 2);
	line_style(&w->line, node_style(to));
	line_text(&w->line, to->name, w->line.columns + 4 < room ? room - w->line.columns : 4);
	line_style(&w->line, STYLE_NONE);
	if (again)
		line_styled(&w->line, STYLE_DIM, SLICE(" (above)"));
	put_numbers(w, edge);
	w->err = w->err ?: line__write(&w->line, w->out);
}

static void show_from(struct walk *w, uint32_t entry)
{
	const struct graph_node *node = &w->graph->nodes[entry];

	line_styled(&w->line, node_style(node), node->name);
	w->err = w->err ?: line__write(&w->line, w->out);
	w->shown[entry] = true;
	w->stack[0] = (struct frame){.node = entry, .next = w->first[entry]};
	w->depth = 1;
	while (w->depth && !w->err) {
		struct frame *frame = &w->stack[w->depth - 1];
		const struct graph_edge *edge;
		bool first;

		if (frame->next == w->first[frame->node + 1]) {
			w->depth--;
			continue;
		}
		edge = &w->graph->edges[w->order[frame->next++]];
		first = !w->shown[edge->to];
		put_edge(w, edge);
		w->shown[edge->to] = true;
		if (first)
			w->stack[w->depth++] =
				(struct frame){.node = edge->to, .next = w->first[edge->to]};
	}
}

/* Where to go on: what nobody calls, what comes from outside first; then what is left, in rings. */
static uint32_t next_entry(const struct walk *w)
{
	for (int called = 0; called < 2; called++) {
		uint32_t best = NONE;

		for (uint32_t i = 0; i < w->graph->nodes_cnt; i++)
			if (!w->shown[i] && w->begun[i] && w->called[i] <= called &&
			    (best == NONE || (best && w->begun[i] > w->begun[best])))
				best = i;
		if (best != NONE)
			return best;
	}
	return NONE;
}

/* Which numbers have room. */
static void lay_out(struct walk *w)
{
	unsigned int width = w->line.width, name = NAME_COLUMNS, all = name + PROTOCOL_COLUMNS;
	unsigned int least = 0, at;

	for (int i = 0; i < NUMBERS_CNT; i++)
		all += numbers[i].columns;
	for (; width && all > width && least < NUMBERS_CNT; least++) {
		for (int i = 0; i < NUMBERS_CNT; i++)
			all -= numbers[i].worth == least + 1 ? numbers[i].columns : 0;
		if (least == 2) { /* sizes are gone already */
			name = NAME_COLUMNS_NARROW;
			all -= NAME_COLUMNS - NAME_COLUMNS_NARROW;
		}
	}
	w->protocol_column = name;
	at = name + PROTOCOL_COLUMNS;
	for (int i = 0; i < NUMBERS_CNT; i++)
		if (numbers[i].worth > least)
			w->ends[i] = at += numbers[i].columns;
}

static void show_header(struct walk *w)
{
	struct line *line = &w->line;

	line_style(line, STYLE_BOLD);
	line_text(line, SLICE("SERVICE"), 0);
	line_pad(line, w->protocol_column);
	line_text(line, SLICE("PROTOCOL"), 0);
	for (int i = 0; i < NUMBERS_CNT; i++)
		if (w->ends[i])
			line_right(line, slice_str(numbers[i].name), w->ends[i]);
	w->err = line__write(line, w->out);
}

static void remark(struct walk *w, const char *format, uint64_t cnt, struct slice name)
{
	char text[320];
	int n = snprintf(text, sizeof(text), format, (unsigned long long)cnt, cnt == 1 ? "" : "s",
			 (int)name.n, name.p);

	line_styled(&w->line, STYLE_DIM, slice_of(text, (size_t)n));
	w->err = w->err ?: line__write(&w->line, w->out);
}

/* What is not in the numbers, or not as it seems. */
static void show_remarks(struct walk *w)
{
	const struct service_graph *graph = w->graph;

	for (uint32_t i = 0; i < graph->nodes_cnt; i++)
		if (graph->nodes[i].undecided_cnt)
			remark(w,
			       "%llu call%s of %.*s may have been for a request of its own: which one is undecided",
			       graph->nodes[i].undecided_cnt, graph->nodes[i].name);
	if (graph->parts_cnt)
		remark(w, "%llu trace%s went on later: counted in parts", graph->parts_cnt,
		       SLICE(""));
	if (graph->beyond_cnt)
		remark(w, "%llu span%s left out, of traces with too many", graph->beyond_cnt,
		       SLICE(""));
	if (graph->uncounted_cnt)
		remark(w, "%llu call%s left out, between too many pairs", graph->uncounted_cnt,
		       SLICE(""));
}

int map_text(FILE *out, const struct map_style *style, const struct service_graph *graph)
{
	struct walk *w = calloc(1, sizeof(*w));
	uint32_t entry;
	int err;

	if (!w)
		return -ENOMEM;
	w->out = out;
	w->graph = graph;
	w->line = (struct line){
		.width = style->width, .colour = style->colour, .utf8 = locale_is_utf8()};
	prepare(w);
	lay_out(w);
	show_header(w);
	while (!w->err && (entry = next_entry(w)) != NONE)
		show_from(w, entry);
	show_remarks(w);
	err = w->err;
	free(w);
	return err;
}
