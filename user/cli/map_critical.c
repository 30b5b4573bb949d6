// SPDX-License-Identifier: Apache-2.0
/* One trace: its tree, and of each span on the critical path how much of the whole is its own. */
#include "user/base/json_writer.h"
#include "user/cli/amount.h"
#include "user/cli/columns.h"
#include "user/cli/map_view.h"
#include "user/cli/waterfall.h"

#define JSON_MAX (8u << 20)
#define ROWS_MAX 1000u
#define DURATION_END 11u
#define SELF_END 22u
#define SHARE_END 31u
#define SERVICE_COLUMN 33u
#define EXCHANGE_COLUMN 51u

static uint64_t duration_of(const struct span_node *node)
{
	return node->end_ns > node->start_ns ? node->end_ns - node->start_ns : 0;
}

static void put_row(struct line *line, const struct graph_trace *trace, uint32_t index)
{
	const struct span_node *node = &trace->nodes[index], *root = &trace->nodes[trace->root];
	const struct graph_span *span = &trace->spans[node->item];
	char buf[AMOUNT_SZ], guides[TREE_GUIDES_SZ];

	line_right(line, amount_duration(duration_of(node), buf), DURATION_END);
	if (node->critical) {
		line_style(line, STYLE_BOLD);
		line_right(line, amount_duration(node->critical_ns, buf), SELF_END);
		line_right(line, amount_share(node->critical_ns, duration_of(root), buf),
			   SHARE_END);
		line_style(line, STYLE_NONE);
	}
	line_pad(line, SERVICE_COLUMN);
	line_text(line, span->service, EXCHANGE_COLUMN - SERVICE_COLUMN - 2);
	line_pad(line, EXCHANGE_COLUMN);
	line_styled(line, STYLE_DIM, tree_guides(trace->nodes, index, line->utf8, guides));
	line_styled(line, span->error ? STYLE_RED : STYLE_NONE, span->name);
}

static int show_row(FILE *out, const struct map_style *style, struct line *line,
		    const struct graph_trace *trace, uint32_t index)
{
	unsigned int columns = waterfall_columns(style->width);
	bool error = trace->spans[trace->nodes[index].item].error;

	line->width = columns ? style->width - columns - 2 : style->width;
	put_row(line, trace, index);
	if (columns) {
		line_widen(line, style->width - columns, style->width);
		waterfall_bar(line, columns, &trace->nodes[trace->root], &trace->nodes[index],
			      error ? STYLE_RED : STYLE_CYAN);
	}
	return line__write(line, out);
}

static int show_title(FILE *out, struct line *line, const struct graph_trace *trace)
{
	const struct span_node *root = &trace->nodes[trace->root];
	const uint8_t *id = trace->spans[root->item].trace_id.bytes;
	char hex[33], buf[AMOUNT_SZ];

	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	line_text(line, SLICE("Trace "), 0);
	line_text(line, slice_of(hex, 32), 0);
	line_text(line, SLICE(" took "), 0);
	line_text(line, amount_duration(duration_of(root), buf), 0);
	return line__write(line, out);
}

int map_critical(FILE *out, const struct map_style *style, const struct service_graph *graph)
{
	const struct graph_trace *trace = &graph->trace;
	struct line line = {
		.width = style->width, .colour = style->colour, .utf8 = locale_is_utf8()};
	uint32_t rows_cnt = 0, more_cnt = 0;
	char text[64];
	int err;

	if (!trace->cnt)
		return 0;
	err = show_title(out, &line, trace);
	line_style(&line, STYLE_BOLD);
	line_right(&line, SLICE("DURATION"), DURATION_END);
	line_right(&line, SLICE("ON PATH"), SELF_END);
	line_right(&line, SLICE("SHARE"), SHARE_END);
	line_pad(&line, SERVICE_COLUMN);
	line_text(&line, SLICE("SERVICE"), 0);
	line_pad(&line, EXCHANGE_COLUMN);
	line_text(&line, SLICE("EXCHANGE"), 0);
	err = err ?: line__write(&line, out);
	for (uint32_t at = trace->root; at != SPAN_NODE_NONE && !err;
	     at = span_tree_next(trace->nodes, trace->root, at)) {
		if (rows_cnt++ < ROWS_MAX)
			err = show_row(out, style, &line, trace, at);
		else
			more_cnt++;
	}
	if (!more_cnt || err)
		return err;
	line_styled(&line, STYLE_DIM,
		    slice_of(text,
			     (size_t)snprintf(text, sizeof(text), "%u more spans", more_cnt)));
	return line__write(&line, out);
}

static void put_json(struct json_writer *j, const struct span_node *node,
		     const struct graph_span *span, uint64_t from_ns)
{
	jw_lit(j, "{\"spanId\":");
	jw_hex(j, node->id.bytes, sizeof(node->id.bytes));
	jw_lit(j, ",\"service\":");
	jw_string(j, span->service);
	jw_lit(j, ",\"name\":");
	jw_string(j, span->name);
	jw_lit(j, ",\"offsetNano\":");
	jw_i64(j, (int64_t)(node->start_ns - from_ns));
	jw_lit(j, ",\"durationNano\":");
	jw_u64(j, duration_of(node));
	jw_lit(j, ",\"critical\":");
	jw_raw(j, node->critical ? SLICE("true") : SLICE("false"));
	jw_lit(j, ",\"onPathNano\":");
	jw_u64(j, node->critical_ns);
	jw_lit(j, "}");
}

int map_critical_json(FILE *out, const struct service_graph *graph)
{
	const struct graph_trace *trace = &graph->trace;
	const struct span_node *root = &trace->nodes[trace->root];
	struct json_writer json;
	int err;

	json_writer__init(&json, JSON_MAX);
	jw_lit(&json, "{\"traceId\":");
	jw_hex(&json, trace->cnt ? trace->spans[root->item].trace_id.bytes : NULL,
	       trace->cnt ? sizeof(struct trace_id) : 0);
	jw_lit(&json, ",\"spans\":[");
	for (uint32_t at = trace->cnt ? trace->root : SPAN_NODE_NONE; at != SPAN_NODE_NONE;
	     at = span_tree_next(trace->nodes, trace->root, at)) {
		if (at != trace->root)
			jw_lit(&json, ",");
		put_json(&json, &trace->nodes[at], &trace->spans[trace->nodes[at].item],
			 root->start_ns);
	}
	jw_lit(&json, "]}\n");
	err = json_writer__write(&json, out);
	json_writer__free(&json);
	return err;
}
