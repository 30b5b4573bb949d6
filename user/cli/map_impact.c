// SPDX-License-Identifier: Apache-2.0
/* Whose requests led to a service, by traces: a caller of a caller counts if its request got there. */
#include <errno.h>
#include <stdlib.h>

#include "user/base/json_writer.h"
#include "user/cli/amount.h"
#include "user/cli/columns.h"
#include "user/cli/map_view.h"

#define JSON_MAX (1u << 20)
#define NONE UINT32_MAX

/* A service before a peer of that name. */
static uint32_t find(const struct service_graph *graph, const char *name)
{
	uint32_t found = NONE;

	for (uint32_t i = 0; i < graph->nodes_cnt; i++)
		if (slice_eq(graph->nodes[i].name, slice_str(name)) &&
		    graph->nodes[i].kind >= GRAPH_SERVICE && found == NONE)
			found = i;
	return found;
}

struct affected {
	uint32_t node;
	uint64_t cnt, all_cnt;
};

static int by_share(const void *a, const void *b)
{
	const struct affected *x = a, *y = b;
	double p = (double)x->cnt / (double)x->all_cnt, q = (double)y->cnt / (double)y->all_cnt;

	if (p != q)
		return p > q ? -1 : 1;
	return x->cnt > y->cnt ? -1 : x->cnt < y->cnt;
}

static uint32_t collect(const struct service_graph *graph, uint32_t target, map_reached_fn reached,
			const void *ctx, struct affected *v)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < graph->nodes_cnt; i++) {
		struct affected a = {.node = i};

		a.cnt = reached(ctx, i, target, &a.all_cnt);
		if (i != target && a.cnt)
			v[cnt++] = a;
	}
	qsort(v, cnt, sizeof(*v), by_share);
	return cnt;
}

static int show_row(FILE *out, struct line *line, struct slice name, uint64_t cnt, uint64_t all_cnt)
{
	char number[32], share[AMOUNT_SZ];

	line_text(line, name, 32);
	line_right(line,
		   slice_of(number, (size_t)snprintf(number, sizeof(number), "%llu",
						     (unsigned long long)all_cnt)),
		   44);
	line_right(line,
		   slice_of(number, (size_t)snprintf(number, sizeof(number), "%llu",
						     (unsigned long long)cnt)),
		   54);
	line_right(line, amount_share(cnt, all_cnt, share), 63);
	return line__write(line, out);
}

int map_impact(FILE *out, const struct map_style *style, const struct service_graph *graph,
	       const char *name, map_reached_fn reached, const void *ctx)
{
	struct line line = {
		.width = style->width, .colour = style->colour, .utf8 = locale_is_utf8()};
	struct affected v[GRAPH_NODES_MAX];
	uint32_t target = find(graph, name), cnt;
	int err;

	if (target == NONE)
		return -ENOENT;
	cnt = collect(graph, target, reached, ctx, v);
	line_text(&line, SLICE("If "), 0);
	line_styled(&line, STYLE_BOLD, graph->nodes[target].name);
	line_text(&line,
		  cnt ? SLICE(" fails, so do requests of")
		      : SLICE(" fails, no request of others does"),
		  0);
	err = line__write(&line, out);
	if (!cnt)
		return err;
	line_style(&line, STYLE_BOLD);
	line_text(&line, SLICE("SERVICE"), 0);
	line_right(&line, SLICE("REQUESTS"), 44);
	line_right(&line, SLICE("AFFECTED"), 54);
	line_right(&line, SLICE("SHARE"), 63);
	err = err ?: line__write(&line, out);
	for (uint32_t i = 0; i < cnt && !err; i++)
		err = show_row(out, &line, graph->nodes[v[i].node].name, v[i].cnt, v[i].all_cnt);
	for (uint32_t i = 0; i < graph->nodes_cnt && !err; i++) {
		char text[320];
		const struct graph_node *node = &graph->nodes[i];

		if (!node->undecided_cnt)
			continue;
		line_styled(
			&line, STYLE_DIM,
			slice_of(
				text,
				(size_t)snprintf(
					text, sizeof(text),
					"%llu calls of %.*s are not in this: which request they were for is undecided",
					(unsigned long long)node->undecided_cnt, (int)node->name.n,
					node->name.p)));
		err = line__write(&line, out);
	}
	return err;
}

int map_impact_json(FILE *out, const struct service_graph *graph, const char *name,
		    map_reached_fn reached, const void *ctx)
{
	struct affected v[GRAPH_NODES_MAX];
	uint32_t target = find(graph, name), cnt;
	struct json_writer json;
	int err;

	if (target == NONE)
		return -ENOENT;
	cnt = collect(graph, target, reached, ctx, v);
	json_writer__init(&json, JSON_MAX);
	jw_lit(&json, "{\"service\":");
	jw_string(&json, graph->nodes[target].name);
	jw_lit(&json, ",\"affected\":[");
	for (uint32_t i = 0; i < cnt; i++) {
		jw_raw(&json, i ? SLICE(",{\"name\":") : SLICE("{\"name\":"));
		jw_string(&json, graph->nodes[v[i].node].name);
		jw_lit(&json, ",\"requests\":");
		jw_u64(&json, v[i].all_cnt);
		jw_lit(&json, ",\"affected\":");
		jw_u64(&json, v[i].cnt);
		jw_lit(&json, "}");
	}
	jw_lit(&json, "]}\n");
	err = json_writer__write(&json, out);
	json_writer__free(&json);
	return err;
}
