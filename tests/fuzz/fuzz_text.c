// SPDX-License-Identifier: Apache-2.0
/*
 * Text from the wire on its way into a span and onto a screen: routes, trace context, redaction,
 * JSON, the live view, maps of files. The first byte chooses; the rest is the text.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "tests/fuzz/check.h"
#include "user/base/json_writer.h"
#include "user/base/utf8.h"
#include "user/cli/columns.h"
#include "user/cli/folded_read.h"
#include "user/cli/map_view.h"
#include "user/cli/span_read.h"
#include "user/cli/trace_view.h"
#include "user/export/folded.h"
#include "user/flow/route.h"
#include "user/flow/trace_context.h"
#include "user/model/service_map.h"
#include "user/policy/consistent.h"
#include "user/policy/redact.h"
#include "user/protocols/trace_headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* Takes what stands before the next separator. */
static struct slice take(struct slice *text, char separator)
{
	ptrdiff_t at = slice_find(*text, separator);
	struct slice part = at < 0 ? *text : slice_first(*text, (size_t)at);

	*text = slice_after(*text, part.n + (at >= 0));
	return part;
}

/* --- routes: the first line may be a pattern, each other line is a path ------------------------ */

static void check_route(struct slice path, struct slice route)
{
	size_t segments_cnt = 0;

	CHECK((route.n == 0) == (path.n == 0 || path.p[0] != '/'));
	CHECK(route.n == 0 || route.p[0] == '/');
	while (route.n) {
		struct slice segment = take(&route, '/');

		CHECK(segment.n <= 32);
		segments_cnt += segment.n > 0;
		for (size_t i = 0; i < segment.n; i++)
			CHECK(segment.p[i] > 0x20 && segment.p[i] < 0x7f && segment.p[i] != '%');
	}
	CHECK(segments_cnt <= ROUTE_SEGMENTS_MAX + 1);
}

static void fuzz_routes(struct slice text)
{
	char pattern_text[64], first[ROUTE_TEXT_MAX], again[ROUTE_TEXT_MAX];
	const char *pattern = pattern_text;
	bool with_pattern = slice_starts_with(text, SLICE("/"));
	struct slice line = take(&text, '\n');
	struct routes *r;

	snprintf(pattern_text, sizeof(pattern_text), "%.*s", (int)line.n, line.p);
	r = routes__new(&pattern, with_pattern, 5);
	if (!r)
		return;
	while (text.n) {
		struct slice path = take(&text, '\n');
		struct slice route = routes__find(r, path.n % 3, path, first, sizeof(first));

		if (!with_pattern || !slice_eq(route, slice_str(pattern)))
			check_route(path, route);
		CHECK(slice_eq(route, routes__find(r, path.n % 3, path, again, sizeof(again))));
	}
	routes__free(r);
}

/* --- trace context ---------------------------------------------------------------------------- */

/* What the sampler writes is valid again, and decides the same. */
static void check_sampled(struct slice before)
{
	struct span span = {.trace_state = before};
	uint64_t randomness = randomness_of(&span);
	char text[TRACESTATE_SZ];
	struct slice after = tracestate_with_th(before, SLICE("e666"), text);

	CHECK(slice_starts_with(after, SLICE("ot=th:e666")));
	CHECK(slice_eq(tracestate_parse(after), after));
	span.trace_state = after;
	CHECK(randomness < THRESHOLD_NEVER);
	CHECK(before.n > 200 || randomness_of(&span) == randomness);
}

static void fuzz_trace_context(struct slice text)
{
	struct slice header = take(&text, '\n');
	struct slice kept = tracestate_parse(text);
	struct trace_parent parent = traceparent_read(header);

	CHECK(kept.n <= TRACESTATE_MAX && kept.n <= text.n);
	CHECK(kept.n == 0 || (kept.p >= text.p && kept.p + kept.n <= text.p + text.n));
	CHECK(slice_eq(tracestate_parse(kept), kept));
	check_sampled(kept);
	if (parent.format != TRACE_W3C)
		return;
	header = slice_trim(header);
	for (size_t i = 0; i < 16; i++) {
		char hex[3];

		snprintf(hex, sizeof(hex), "%02x", parent.trace_id[i]);
		CHECK(memcmp(hex, header.p + 3 + 2 * i, 2) == 0);
	}
}

/* --- redaction: mode, key, arena size, then the value ------------------------------------------ */

static struct slice redact(enum query_values mode, bool url, struct slice value,
			   struct arena *arena)
{
	static const char *const keep_keys[] = {"page"};
	static struct redactor *redactors[3];
	struct redact_options options = {
		.url = {.query_values = mode, .keep_keys = keep_keys, .keep_keys_cnt = 1}};
	char why[REDACT_WHY_SZ];
	struct attr attr;
	struct span span = {.attrs = {.v = &attr, .cap = 1}};

	attrs_add_str(&span.attrs, url ? SLICE("url.full") : SLICE("url.query"), value);
	if (!redactors[mode])
		redactors[mode] = redactor__new(&options, why);
	CHECK(redactors[mode]);
	redactor__span(redactors[mode], &span, arena);
	CHECK((span.attrs.cnt == 0) == (mode == QUERY_DROP && !url));
	return span.attrs.cnt ? attr.str : SLICE("");
}

static void check_query(struct slice query)
{
	while (query.n) {
		struct slice value = take(&query, '&'), key = take(&value, '=');

		CHECK(key.n <= 64);
		CHECK(value.n == 0 || slice_eq(value, SLICE("REDACTED")) ||
		      slice_eq(key, SLICE("page")) || slice_find(value, '=') == 0);
	}
}

static void fuzz_redaction(struct slice text)
{
	enum query_values mode;
	struct slice once, twice;
	struct arena arena, small;
	bool url;

	if (text.n < 2)
		return;
	mode = (enum query_values)((unsigned char)text.p[0] % 3);
	url = text.p[0] & 0x40;
	arena__init(&arena, 1 << 20);
	arena__init(&small, (unsigned char)text.p[1]);
	text = slice_after(text, 2);
	once = redact(mode, url, text, &arena);
	CHECK(slice_find(once, '#') < 0);
	twice = redact(mode, url, once, &arena);
	CHECK(slice_eq(once, twice));
	if (url) {
		struct slice rest = once;

		take(&rest, '?');
		CHECK(mode != QUERY_DROP || rest.n == 0);
		if (mode == QUERY_REDACT)
			check_query(rest);
	} else if (mode == QUERY_REDACT) {
		check_query(once);
	}
	twice = redact(mode, url, text, &small);
	CHECK(slice_eq(twice, once) || slice_eq(twice, SLICE("REDACTED")));
	arena__free(&arena);
	arena__free(&small);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void fuzz_json(struct slice text)
{
	struct json_writer j;
	json_t *value;

	json_writer__init(&j, 1 << 20);
	jw_string(&j, text);
	CHECK(!j.failed);
	value = json_loadb(j.buf, j.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	CHECK(json_is_string(value));
	json_decref(value);
	json_writer__free(&j);
}

/* --- the live view: each line a span, its first bytes ids and kind ------------------------------ */

static void add_span(struct span_batch *batch, struct slice text)
{
	struct attr name = {.key = SLICE("service.name"), .type = ATTR_STRING};
	struct attrs attrs = {.v = &name, .cnt = 1, .cap = 1};
	struct resource *resource;
	struct span *span;

	if (text.n < 8)
		return;
	name.str = slice_first(slice_after(text, 8), 20);
	resource = resource__new(&attrs, 1);
	CHECK(resource);
	span = span_batch__add(batch, 4, resource);
	resource__release(resource);
	if (!span)
		return;
	span->trace_id.bytes[0] = (uint8_t)text.p[0] & 1;
	span->span_id.bytes[0] = (uint8_t)text.p[1];
	span->parent_id.bytes[0] = (uint8_t)text.p[2];
	span->kind = (enum span_kind)((unsigned char)text.p[3] % 5 + 1);
	span->start_ns = (unsigned char)text.p[4];
	memcpy(&span->end_ns, text.p, 8);
	span->name = slice_after(text, 8);
	attrs_add_str(&span->attrs, SLICE("url.full"), span->name);
	attrs_add_int(&span->attrs, SLICE("http.response.body.size"), (int64_t)span->end_ns);
	attrs_add_str(&span->attrs, SLICE("error.type"), span->name);
}

/* Whole characters, none of which is for the terminal. Returns how many lines there are. */
static size_t check_screen(struct slice text, unsigned int width)
{
	size_t lines_cnt = 0;

	for (; text.n; lines_cnt++) {
		struct slice line = take(&text, '\n');
		unsigned int columns = 0;

		while (line.n) {
			int32_t code;
			size_t n = utf8_decode(line, &code);

			CHECK(columns_of(code) >= 0);
			columns += (unsigned int)columns_of(code);
			line = slice_after(line, n);
		}
		CHECK(!width || columns <= width);
	}
	return lines_cnt;
}

static void fuzz_view(struct slice text)
{
	unsigned int width = text.n ? (unsigned char)text.p[0] : 0;
	struct span_batch *batch = span_batch__new();
	struct trace_view *view;
	char *screen;
	size_t screen_sz;
	FILE *out = open_memstream(&screen, &screen_sz);

	CHECK(batch && out);
	setenv("LC_ALL", width & 1 ? "C" : "C.UTF-8", 1);
	text = slice_after(text, 1);
	while (text.n)
		add_span(batch, take(&text, '\n'));
	view = trace_view__new(out, VIEW_TEXT, false, width);
	CHECK(view && trace_view__add(view, batch) == 0 && trace_view__finish(view) == 0);
	CHECK(check_screen(slice_of(screen, screen_sz), width) == batch->cnt + 1);
	trace_view__free(view);
	fclose(out);
	free(screen);
	span_batch__free(batch);
}

/* --- maps: after a byte, the width, what a file of spans holds ----------------------------------- */

static void map_span(void *ctx, const struct span *span)
{
	service_map__add(ctx, span, 0);
}

static uint64_t reached(const void *map, uint32_t of, uint32_t to, uint64_t *all_cnt)
{
	uint64_t cnt = service_map__reached(map, of, to, all_cnt);

	CHECK(cnt <= *all_cnt);
	return cnt;
}

static void check_graph(const struct service_graph *graph, const struct span_reading *reading)
{
	const struct graph_trace *trace = &graph->trace;
	uint64_t critical_ns = 0;

	CHECK(graph->spans_cnt == reading->spans_cnt);
	for (uint32_t i = 0; i < graph->edges_cnt; i++)
		CHECK(graph->edges[i].from < graph->nodes_cnt &&
		      graph->edges[i].to < graph->nodes_cnt &&
		      graph->edges[i].errors_cnt <= graph->edges[i].cnt);
	for (uint32_t at = trace->cnt ? trace->root : SPAN_NODE_NONE; at != SPAN_NODE_NONE;
	     at = span_tree_next(trace->nodes, trace->root, at))
		critical_ns += trace->nodes[at].critical_ns;
	if (trace->cnt && trace->nodes[trace->root].end_ns > trace->nodes[trace->root].start_ns)
		critical_ns -=
			trace->nodes[trace->root].end_ns - trace->nodes[trace->root].start_ns;
	CHECK(critical_ns == 0);
}

static void check_json(struct slice text)
{
	json_t *value = json_loadb(text.p, text.n, JSON_ALLOW_NUL, NULL);

	CHECK(value);
	json_decref(value);
}

/* Each way to show the map, one after the other. */
static void show_map(const struct service_graph *graph, const struct service_map *map,
		     unsigned int width)
{
	const struct map_style style = {.width = width};

	for (int view = 0; view < 7; view++) {
		bool json = view<3, screen = view> 4;
		char *shown;
		size_t n;
		FILE *out = open_memstream(&shown, &n);
		int err = view == 0   ? map_json(out, graph)
			  : view == 1 ? map_critical_json(out, graph)
			  : view == 2 ? map_impact_json(out, graph, "shop", reached, map)
			  : view == 3 ? map_dot(out, graph)
			  : view == 4 ? map_svg(out, graph)
			  : view == 5 ? map_text(out, &style, graph)
				      : map_critical(out, &style, graph);

		fclose(out);
		CHECK(!err || (view == 2 && err == -ENOENT));
		CHECK(utf8_is_valid(slice_of(shown, n)));
		if (json && !err)
			check_json(slice_of(shown, n));
		if (screen)
			check_screen(slice_of(shown, n), width);
		free(shown);
	}
}

static void fuzz_map(struct slice text)
{
	unsigned int width = text.n ? (unsigned char)text.p[0] : 0;
	struct service_map *map = service_map__new(width & 2 ? "0" : NULL);
	struct span_reading reading = {.take = map_span, .ctx = map};
	const struct service_graph *graph;
	FILE *in;

	text = slice_after(text, 1);
	in = fmemopen((void *)text.p, text.n ?: 1, "r");
	CHECK(map && in);
	setenv("LC_ALL", width & 1 ? "C" : "C.UTF-8", 1);
	CHECK(span_read(in, &reading) == 0);
	check_screen(slice_str(reading.why), 0);
	graph = service_map__finish(map, 0);
	check_graph(graph, &reading);
	show_map(graph, map, width);
	fclose(in);
	service_map__free(map);
}

/* --- folded stacks: what was read reads back ---------------------------------------------------- */

#define FOLDED 'B' /* chooses this */

static char *folded_again(struct slice text, struct folded_reading *reading, uint64_t *sum)
{
	struct profile *p = profile__new(1);
	FILE *in = fmemopen((void *)text.p, text.n ?: 1, "r"), *out;
	char *written = NULL;
	size_t n = 0;

	CHECK(p && in);
	CHECK(folded_read(in, p, reading) == 0);
	CHECK(p->samples.cnt == reading->lines_cnt);
	fclose(in);
	*sum = 0;
	for (size_t i = 0; i < p->samples.cnt; i++)
		*sum += p->samples.v[i].value_ns;
	p->off_cpu = true; /* samples have values */
	out = open_memstream(&written, &n);
	CHECK(out && folded_write(p, out) == 0);
	fclose(out);
	profile__free(p);
	return written;
}

/* Names are sorted before their control characters become spaces: what was read once is in its order the second time. */
static void fuzz_folded(struct slice text)
{
	struct folded_reading reading;
	uint64_t sum, sum_again;
	char *once = folded_again(text, &reading, &sum), *twice, *thrice;

	CHECK(!reading.bad_lines_cnt == !reading.first_bad);
	twice = folded_again(slice_str(once), &reading, &sum_again);
	CHECK(!*once || !reading.bad_lines_cnt);
	CHECK(sum_again == sum);
	thrice = folded_again(slice_str(twice), &reading, &sum_again);
	CHECK(sum_again == sum && strcmp(twice, thrice) == 0);
	free(once);
	free(twice);
	free(thrice);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static void (*const targets[])(struct slice) = {
		fuzz_routes, fuzz_trace_context, fuzz_redaction, fuzz_json, fuzz_view, fuzz_map,
	};

	if (len && bytes[0] == FOLDED)
		fuzz_folded(slice_of((const char *)bytes + 1, len - 1));
	else if (len)
		targets[bytes[0] % (sizeof(targets) / sizeof(*targets))](
			slice_of((const char *)bytes + 1, len - 1));
	return 0;
}
