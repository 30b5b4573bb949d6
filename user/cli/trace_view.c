// SPDX-License-Identifier: Apache-2.0
/*
 * Text is held for a moment: a trace waits in a queue from its first span on, its spans in a list;
 * when its time has come they are joined to a tree and written. All tables have a fixed size, and
 * indices take the place of pointers.
 */
#include "user/cli/trace_view.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/clock.h"
#include "user/cli/columns.h"
#include "user/cli/span_json.h"
#include "user/cli/span_row.h"

#define NONE 0xffffu
#define BUCKETS_CNT 4096u
#define DEPTH_MAX 12 /* levels that are indented */
#define BRANCH_COLUMNS 3
#define BRANCH_SZ 8 /* bytes of a level's branch, at most */
#define JSON_FLUSH_SZ (256u << 10)

struct held {
	struct span_id id, parent_id;
	uint16_t next; /* of its trace, or free */
	uint16_t parent, child, sibling;
	uint16_t mark;
	struct span_row row;
};

struct held_trace {
	struct trace_id id;
	uint64_t since_ns; /* CLOCK_MONOTONIC */
	uint16_t spans;	   /* its list */
	uint16_t spans_cnt;
	uint16_t next; /* in its bucket, or free */
};

struct trace_view {
	FILE *out;
	enum view_format format;
	int err;
	struct line line;
	/* text */
	struct held held[TRACE_VIEW_HELD_MAX];
	struct held_trace traces[TRACE_VIEW_HELD_MAX];
	uint16_t queue[TRACE_VIEW_HELD_MAX]; /* traces by age */
	unsigned int queue_first, queue_cnt;
	uint16_t buckets[BUCKETS_CNT];
	uint16_t free_held, free_trace;
	uint16_t by_start[TRACE_VIEW_HELD_MAX], by_id[TRACE_VIEW_HELD_MAX]; /* one trace's */
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

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* By start; a client before the server that answers it. */
static int compare_start(const void *a, const void *b, void *arg)
{
	const struct held *held = arg, *x = &held[*(const uint16_t *)a],
			  *y = &held[*(const uint16_t *)b];

	return compare(x->row.start_ns, y->row.start_ns) ?: compare(y->row.kind, x->row.kind);
}

static int compare_id(const void *a, const void *b, void *arg)
{
	const struct held *held = arg;

	return memcmp(&held[*(const uint16_t *)a].id, &held[*(const uint16_t *)b].id,
		      sizeof(struct span_id));
}

static uint16_t find_span(const struct trace_view *view, size_t cnt, struct span_id id)
{
	size_t low = 0, high = cnt;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = memcmp(&view->held[view->by_id[middle]].id, &id, sizeof(id));

		if (order == 0)
			return view->by_id[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NONE;
}

/* Ids come from the wire too: whoever is its own ancestor is made a root. */
static void cut_cycles(struct trace_view *view, size_t cnt)
{
	struct held *held = view->held;

	for (size_t i = 0; i < cnt; i++) {
		uint16_t start = view->by_start[i], at = start, last = NONE;

		while (at != NONE && held[at].mark == NONE) {
			held[at].mark = start;
			last = at;
			at = held[at].parent;
		}
		if (at != NONE && last != NONE && held[at].mark == start)
			held[last].parent = NONE;
	}
}

/* Sets parent, child and sibling of the cnt spans in by_start. */
static void join(struct trace_view *view, size_t cnt)
{
	struct held *held = view->held;

	memcpy(view->by_id, view->by_start, cnt * sizeof(*view->by_id));
	qsort_r(view->by_start, cnt, sizeof(*view->by_start), compare_start, held);
	qsort_r(view->by_id, cnt, sizeof(*view->by_id), compare_id, held);
	for (size_t i = 0; i < cnt; i++) {
		struct held *span = &held[view->by_start[i]];

		span->parent = find_span(view, cnt, span->parent_id);
		span->child = span->sibling = span->mark = NONE;
	}
	cut_cycles(view, cnt);
	for (size_t i = cnt; i-- > 0;) {
		uint16_t index = view->by_start[i], parent = held[index].parent;

		if (parent == NONE)
			continue;
		held[index].sibling = held[parent].child;
		held[parent].child = index;
	}
}

static struct slice branches(const struct trace_view *view, uint16_t index, char *buf)
{
	static const struct {
		struct slice own, own_last, above, above_last;
	} styles[] = {
		{.own = SLICE("|- "),
		 .own_last = SLICE("`- "),
		 .above = SLICE("|  "),
		 .above_last = SLICE("   ")},
		{.own = SLICE("├─ "),
		 .own_last = SLICE("└─ "),
		 .above = SLICE("│  "),
		 .above_last = SLICE("   ")},
	};
	const struct held *held = view->held;
	char *at = buf + DEPTH_MAX * BRANCH_SZ;
	size_t depth = 0;

	for (; held[index].parent != NONE && depth < DEPTH_MAX; index = held[index].parent) {
		bool last = held[index].sibling == NONE;
		struct slice s =
			last ? styles[view->line.utf8].own_last : styles[view->line.utf8].own;

		if (depth++)
			s = last ? styles[view->line.utf8].above_last
				 : styles[view->line.utf8].above;
		at -= s.n;
		memcpy(at, s.p, s.n);
	}
	return slice_of(at, (size_t)(buf + DEPTH_MAX * BRANCH_SZ - at));
}

static void show_span(struct trace_view *view, uint16_t index)
{
	char buf[DEPTH_MAX * BRANCH_SZ];

	span_row__show(&view->held[index].row, branches(view, index, buf), &view->line);
	view->err = view->err ?: line__write(&view->line, view->out);
}

/* A root and all below it, parents before children. */
static void show_tree(struct trace_view *view, uint16_t root)
{
	const struct held *held = view->held;
	uint16_t at = root;

	for (;;) {
		show_span(view, at);
		if (held[at].child != NONE) {
			at = held[at].child;
			continue;
		}
		while (at != root && held[at].sibling == NONE)
			at = held[at].parent;
		if (at == root)
			return;
		at = held[at].sibling;
	}
}

/* --- what is held ----------------------------------------------------------------------------- */

static uint16_t *bucket_of(struct trace_view *view, const struct trace_id *id)
{
	uint64_t words[2];

	memcpy(words, id->bytes, sizeof(words));
	return &view->buckets[((words[0] ^ words[1]) * 0x9e3779b97f4a7c15u >> 32) % BUCKETS_CNT];
}

static void free_trace(struct trace_view *view, uint16_t index)
{
	struct held_trace *trace = &view->traces[index];
	uint16_t *at = bucket_of(view, &trace->id);

	while (*at != index)
		at = &view->traces[*at].next;
	*at = trace->next;
	trace->next = view->free_trace;
	view->free_trace = index;
	for (uint16_t span = trace->spans, next; span != NONE; span = next) {
		next = view->held[span].next;
		view->held[span].next = view->free_held;
		view->free_held = span;
	}
}

static void show_oldest(struct trace_view *view)
{
	uint16_t index = view->queue[view->queue_first];
	size_t cnt = 0;

	view->queue_first = (view->queue_first + 1) % TRACE_VIEW_HELD_MAX;
	view->queue_cnt--;
	for (uint16_t span = view->traces[index].spans; span != NONE; span = view->held[span].next)
		view->by_start[cnt++] = span;
	join(view, cnt);
	for (size_t i = 0; i < cnt; i++)
		if (view->held[view->by_start[i]].parent == NONE)
			show_tree(view, view->by_start[i]);
	free_trace(view, index);
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
	*trace = (struct held_trace){.id = *id, .since_ns = now_ns, .spans = NONE, .next = *bucket};
	*bucket = index;
	view->queue[(view->queue_first + view->queue_cnt++) % TRACE_VIEW_HELD_MAX] = index;
	return trace;
}

static void hold(struct trace_view *view, const struct span *span, uint64_t now_ns)
{
	struct held_trace *trace;
	struct held *held;
	uint16_t index;

	if (view->free_held == NONE)
		show_oldest(view);
	index = view->free_held;
	held = &view->held[index];
	view->free_held = held->next;
	trace = get_trace(view, &span->trace_id, now_ns);
	held->id = span->span_id;
	held->parent_id = span->parent_id;
	held->next = trace->spans;
	trace->spans = index;
	span_row__fill(&held->row, span);
}

static void free_all(struct trace_view *view)
{
	memset(view->buckets, 0xff, sizeof(view->buckets));
	for (unsigned int i = 0; i < TRACE_VIEW_HELD_MAX; i++) {
		uint16_t next = i + 1 < TRACE_VIEW_HELD_MAX ? (uint16_t)(i + 1) : NONE;

		view->held[i].next = view->traces[i].next = next;
	}
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void write_json(struct trace_view *view)
{
	struct json_writer *json = &view->json.out;

	errno = 0;
	if (json->failed)
		view->err = view->err ?: -ENOMEM;
	else if (!view->err && fwrite(json->buf, 1, json->len, view->out) != json->len)
		view->err = -(errno ?: EIO);
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
	view->line.width = width;
	view->line.colour = colour;
	view->line.utf8 = locale_is_utf8();
	span_json__init(&view->json);
	if (format == VIEW_TEXT) {
		free_all(view);
		span_row__show_header(&view->line);
		view->err = line__write(&view->line, out);
		flush(view);
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
	view->line.width = width;
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
	if (view->err || !view->queue_cnt)
		return view->err;
	while (view->queue_cnt && !view->err) {
		uint64_t since_ns = view->traces[view->queue[view->queue_first]].since_ns;

		if (since_ns > now_ns || now_ns - since_ns < TRACE_VIEW_HOLD_NS)
			break;
		show_oldest(view);
	}
	return flush(view);
}

int trace_view__finish(struct trace_view *view)
{
	while (view->queue_cnt && !view->err)
		show_oldest(view);
	return flush(view);
}
