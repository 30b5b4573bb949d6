// SPDX-License-Identifier: Apache-2.0
/*
 * Text is held for a moment: a trace waits from its first span on, its spans in a list; when its
 * time has come they are joined to trees and written. All tables have a fixed size, and indices take
 * the place of pointers.
 */
#include "user/cli/trace_view.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/clock.h"
#include "user/cli/columns.h"
#include "user/cli/span_json.h"
#include "user/cli/span_row.h"
#include "user/cli/waterfall.h"

#define NONE 0xffffu
#define BUCKETS_CNT 4096u
#define JSON_FLUSH_SZ (256u << 10)

struct held {
	struct span_id id, parent_id;
	uint64_t end_ns;
	uint16_t next; /* of its trace, or free */
	struct span_row row;
};

struct held_trace {
	struct trace_id id;
	uint64_t since_ns; /* CLOCK_MONOTONIC */
	uint16_t spans;	   /* its list */
	uint16_t spans_cnt;
	bool examined;	       /* it waits for a parent, and has nothing new since that was found */
	uint32_t more_cnt;     /* spans beyond what one trace may have */
	uint16_t next;	       /* in its bucket, or free */
	uint16_t older, newer; /* traces by age */
};

struct trace_view {
	FILE *out;
	enum view_format format;
	int err;
	struct line line;
	unsigned int width; /* of the terminal */
	/* text */
	struct held held[TRACE_VIEW_HELD_MAX];
	struct held_trace traces[TRACE_VIEW_HELD_MAX];
	uint16_t oldest, newest; /* traces */
	uint16_t buckets[BUCKETS_CNT];
	uint16_t free_held, free_trace;
	/* one trace's */
	struct span_node nodes[TRACE_VIEW_SPANS_MAX];
	uint32_t order[TRACE_VIEW_SPANS_MAX];
	struct span_json json;
};

static int flush(struct trace_view *view)
{
	errno = 0;
	if (!view->err && fflush(view->out))
		view->err = -(errno ?: EIO);
	return view->err;
}

/* --- one trace as a tree ---------------------------------------------------------------------- */

static const struct held *held_of(const struct trace_view *view, const struct span_node *node)
{
	return &view->held[node->item];
}

static uint32_t join(struct trace_view *view, const struct held_trace *trace)
{
	uint32_t cnt = 0;

	for (uint16_t index = trace->spans; index != NONE; index = view->held[index].next) {
		const struct held *held = &view->held[index];

		view->nodes[cnt++] = (struct span_node){
			.id = held->id,
			.parent_id = held->parent_id,
			.start_ns = held->row.start_ns,
			.end_ns = held->end_ns,
			.kind = (enum span_kind)held->row.kind,
			.socket = held->row.method == ROW_PARENT_SOCKET,
			.item = index,
		};
	}
	span_tree_join(view->nodes, cnt, view->order);
	return cnt;
}

static void show_bar(struct trace_view *view, const struct span_node *root,
		     const struct span_node *node)
{
	unsigned int columns = waterfall_columns(view->width);
	const struct span_row *row = &held_of(view, node)->row;

	line_widen(&view->line, view->width - columns, view->width);
	waterfall_bar(&view->line, columns, root, node, span_row__style(row));
}

/* One row; marked says whether those on the critical path are. */
static void show_span(struct trace_view *view, uint32_t root, uint32_t index, bool marked)
{
	const struct span_node *nodes = view->nodes, *node = &nodes[index];
	unsigned int columns = waterfall_columns(view->width);
	bool alone = nodes[root].child == SPAN_NODE_NONE;
	char guides[TREE_GUIDES_SZ];

	view->line.width = columns ? view->width - columns - 2 : view->width;
	span_row__show(&held_of(view, node)->row,
		       &(struct span_row_place){
			       .tree = tree_guides(nodes, index, view->line.utf8, guides),
			       .text_width = view->line.width,
			       .marked = marked && node->critical,
			       .late = node->parent != SPAN_NODE_NONE && !node->socket &&
				       node->end_ns > nodes[node->parent].end_ns,
		       },
		       &view->line);
	if (columns && !alone)
		show_bar(view, &nodes[root], node);
	view->err = view->err ?: line__write(&view->line, view->out);
}

/* A root and all below it, parents before children. */
static void show_tree(struct trace_view *view, uint32_t root)
{
	bool marked = false;

	span_tree_critical(view->nodes, root);
	for (uint32_t at = root; at != SPAN_NODE_NONE; at = span_tree_next(view->nodes, root, at))
		marked |= !view->nodes[at].critical;
	for (uint32_t at = root; at != SPAN_NODE_NONE && !view->err;
	     at = span_tree_next(view->nodes, root, at))
		show_span(view, root, at, marked);
}

static void show_more(struct trace_view *view, uint32_t cnt)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%s %u more span%s of this trace",
			 view->line.utf8 ? "…" : "...", cnt, cnt == 1 ? "" : "s");

	view->line.width = view->width;
	line_styled(&view->line, STYLE_DIM, slice_of(text, (size_t)n));
	view->err = view->err ?: line__write(&view->line, view->out);
}

/* --- what is held ----------------------------------------------------------------------------- */

static uint16_t *bucket_of(struct trace_view *view, const struct trace_id *id)
{
	uint64_t words[2];

	memcpy(words, id->bytes, sizeof(words));
	return &view->buckets[((words[0] ^ words[1]) * 0x9e3779b97f4a7c15u >> 32) % BUCKETS_CNT];
}

static void unlink_trace(struct trace_view *view, const struct held_trace *trace)
{
	if (trace->older == NONE)
		view->oldest = trace->newer;
	else
		view->traces[trace->older].newer = trace->newer;
	if (trace->newer == NONE)
		view->newest = trace->older;
	else
		view->traces[trace->newer].older = trace->older;
}

static void free_trace(struct trace_view *view, uint16_t index)
{
	struct held_trace *trace = &view->traces[index];
	uint16_t *at = bucket_of(view, &trace->id);

	while (*at != index)
		at = &view->traces[*at].next;
	*at = trace->next;
	unlink_trace(view, trace);
	trace->next = view->free_trace;
	view->free_trace = index;
	for (uint16_t span = trace->spans, next; span != NONE; span = next) {
		next = view->held[span].next;
		view->held[span].next = view->free_held;
		view->free_held = span;
	}
}

static void show_trace(struct trace_view *view, uint16_t index)
{
	const struct held_trace *trace = &view->traces[index];
	uint32_t cnt = join(view, trace);

	for (uint32_t i = 0; i < cnt && !view->err; i++)
		if (view->nodes[i].parent == SPAN_NODE_NONE)
			show_tree(view, i);
	if (trace->more_cnt)
		show_more(view, trace->more_cnt);
	free_trace(view, index);
}

/* Is there a parent on this host that has not ended yet? Or it was lost: that cannot be told. */
static bool waits(struct trace_view *view, struct held_trace *trace)
{
	static const struct span_id none;
	uint32_t cnt;

	if (trace->examined)
		return true;
	cnt = join(view, trace);
	for (uint32_t i = 0; i < cnt && !trace->examined; i++) {
		const struct span_node *node = &view->nodes[i];

		trace->examined = node->parent == SPAN_NODE_NONE &&
				  memcmp(&node->parent_id, &none, sizeof(none)) != 0 &&
				  held_of(view, node)->row.method != ROW_PARENT_ELSEWHERE;
	}
	return trace->examined;
}

/* There is always one free: no trace without a span, and no more spans than traces. */
static struct held_trace *get_trace(struct trace_view *view, const struct trace_id *id,
				    uint64_t now_ns)
{
	uint16_t *bucket = bucket_of(view, id), index = *bucket;
	struct held_trace *trace;

	while (index != NONE && memcmp(&view->traces[index].id, id, sizeof(*id)) != 0)
		index = view->traces[index].next;
	if (index != NONE)
		return &view->traces[index];
	index = view->free_trace;
	trace = &view->traces[index];
	view->free_trace = trace->next;
	*trace = (struct held_trace){
		.id = *id,
		.since_ns = now_ns,
		.spans = NONE,
		.next = *bucket,
		.older = view->newest,
		.newer = NONE,
	};
	*bucket = index;
	if (view->newest == NONE)
		view->oldest = index;
	else
		view->traces[view->newest].newer = index;
	view->newest = index;
	return trace;
}

static void hold(struct trace_view *view, const struct span *span, uint64_t now_ns)
{
	struct held_trace *trace;
	struct held *held;
	uint16_t index;

	if (view->free_held == NONE)
		show_trace(view, view->oldest);
	trace = get_trace(view, &span->trace_id, now_ns);
	if (trace->spans_cnt == TRACE_VIEW_SPANS_MAX) {
		trace->more_cnt++;
		return;
	}
	index = view->free_held;
	held = &view->held[index];
	view->free_held = held->next;
	held->id = span->span_id;
	held->parent_id = span->parent_id;
	held->end_ns = span->end_ns;
	held->next = trace->spans;
	trace->spans = index;
	trace->spans_cnt++;
	trace->examined = false;
	span_row__fill(&held->row, span);
}

static void free_all(struct trace_view *view)
{
	memset(view->buckets, 0xff, sizeof(view->buckets));
	view->oldest = view->newest = NONE;
	for (unsigned int i = 0; i < TRACE_VIEW_HELD_MAX; i++) {
		uint16_t next = i + 1 < TRACE_VIEW_HELD_MAX ? (uint16_t)(i + 1) : NONE;

		view->held[i].next = view->traces[i].next = next;
	}
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void write_json(struct trace_view *view)
{
	struct json_writer *json = &view->json.out;

	view->err = view->err ?: json_writer__write(json, view->out);
	json_writer__reset(json);
}

static void add_json(struct trace_view *view, const struct span_batch *batch)
{
	for (uint32_t i = 0; i < batch->cnt; i++) {
		span_json__put(&view->json, &batch->spans[i]);
		if (view->json.out.len >= JSON_FLUSH_SZ)
			write_json(view);
	}
	if (view->json.out.len)
		write_json(view);
}

/* --- all together ----------------------------------------------------------------------------- */

static void show_header(struct trace_view *view)
{
	unsigned int columns = waterfall_columns(view->width);

	view->line.width = columns ? view->width - columns - 2 : view->width;
	span_row__show_header(view->line.width, &view->line);
	if (columns) {
		line_widen(&view->line, view->width - columns, view->width);
		line_styled(&view->line, STYLE_BOLD, SLICE("WATERFALL"));
	}
	view->err = line__write(&view->line, view->out);
	flush(view);
}

struct trace_view *trace_view__new(FILE *out, enum view_format format, bool colour,
				   unsigned int width)
{
	struct trace_view *view = calloc(1, sizeof(*view));

	if (!view) {
		errno = ENOMEM;
		return NULL;
	}
	view->out = out;
	view->format = format;
	view->width = width;
	view->line.width = width;
	view->line.colour = colour;
	view->line.utf8 = locale_is_utf8();
	span_json__init(&view->json);
	if (format == VIEW_TEXT) {
		free_all(view);
		show_header(view);
	}
	return view;
}

void trace_view__free(struct trace_view *view)
{
	if (!view)
		return;
	span_json__free(&view->json);
	free(view);
}

void trace_view__set_width(struct trace_view *view, unsigned int width)
{
	view->width = width;
}

int trace_view__add(struct trace_view *view, const struct span_batch *batch)
{
	uint64_t now_ns = clock_mono_ns();

	if (view->err)
		return view->err;
	if (view->format == VIEW_JSON) {
		add_json(view, batch);
		return flush(view);
	}
	for (uint32_t i = 0; i < batch->cnt; i++)
		hold(view, &batch->spans[i], now_ns);
	return view->err;
}

int trace_view__tick(struct trace_view *view, uint64_t now_ns)
{
	uint16_t newer;

	if (view->err || view->format == VIEW_JSON)
		return view->err;
	for (uint16_t index = view->oldest; index != NONE && !view->err; index = newer) {
		struct held_trace *trace = &view->traces[index];
		uint64_t age_ns = now_ns > trace->since_ns ? now_ns - trace->since_ns : 0;

		newer = trace->newer;
		if (age_ns < TRACE_VIEW_HOLD_NS)
			break;
		if (age_ns >= TRACE_VIEW_WAIT_NS || !waits(view, trace))
			show_trace(view, index);
	}
	return flush(view);
}

int trace_view__finish(struct trace_view *view)
{
	while (view->format == VIEW_TEXT && view->oldest != NONE && !view->err)
		show_trace(view, view->oldest);
	return flush(view);
}
