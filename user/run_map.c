// SPDX-License-Identifier: Apache-2.0
/* `sonde map`: spans, live or from a file, become one graph that is shown at the end. */
#include "user/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/cli/map_view.h"
#include "user/model/service_map.h"
#include "user/session.h"

#define DELIVER_MS 5000

struct mapping {
	const struct options *options;
	struct service_map *map;
	FILE *svg; /* NULL: not wanted */
};

/* --- what is shown ---------------------------------------------------------------------------- */

static uint64_t reached(const void *ctx, uint32_t of, uint32_t to, uint64_t *all_cnt)
{
	return service_map__reached(ctx, of, to, all_cnt);
}

static int print(const struct mapping *m, const struct service_graph *graph)
{
	const struct options *o = m->options;
	struct map_style style = {.colour = options__colour(o), .width = terminal_width()};

	if (o->impact)
		return o->json ? map_impact_json(stdout, graph, o->impact, reached, m->map)
			       : map_impact(stdout, &style, graph, o->impact, reached, m->map);
	if (o->slowest || o->trace_id)
		return o->json ? map_critical_json(stdout, graph)
			       : map_critical(stdout, &style, graph);
	if (o->dot)
		return map_dot(stdout, graph);
	return o->json ? map_json(stdout, graph) : map_text(stdout, &style, graph);
}

/* code, or a failure. */
static int report(const struct mapping *m, uint64_t window_ns, int code)
{
	const struct service_graph *graph = service_map__finish(m->map, window_ns);
	const struct options *o = m->options;
	int err;

	if (!graph->edges_cnt)
		log_warn("no call was seen");
	if (o->trace_id && !graph->trace.cnt && graph->edges_cnt) {
		log_error("no trace begins with %s", o->trace_id);
		code = code ?: EXIT_FAILURE;
	}
	err = print(m, graph);
	if (err == -ENOENT)
		log_error("no service is called %s; sonde map lists those that were seen",
			  o->impact);
	else if (err && err != -EPIPE)
		log_error("cannot write to standard output: %s", strerror(-err));
	if (err && err != -EPIPE)
		code = code ?: EXIT_FAILURE;
	err = m->svg ? map_svg(m->svg, graph) : 0;
	if (err) {
		log_error("cannot write %s: %s", o->svg_file, strerror(-err));
		return code ?: EXIT_FAILURE;
	}
	if (m->svg)
		log_info("wrote %s", o->svg_file);
	return code;
}

/* --- from a file ------------------------------------------------------------------------------ */

static void take(void *ctx, const struct span *span)
{
	struct mapping *m = ctx;

	service_map__add(m->map, span, 0);
}

static int read_spans(struct mapping *m)
{
	const char *path = m->options->from_file;
	struct span_reading reading = {.take = take, .ctx = m};

	if (!session_read_spans(path, &reading))
		return EXIT_FAILURE;
	if (!reading.spans_cnt) {
		log_error("%s has no spans: it is for files that --otlp-file or sonde trace --json "
			  "wrote",
			  path);
		return EXIT_FAILURE;
	}
	return report(m, 0, EXIT_SUCCESS);
}

/* --- live ------------------------------------------------------------------------------------- */

static void show(void *ctx, const struct span_batch *batch)
{
	struct mapping *m = ctx;
	uint64_t now_ns = clock_mono_ns();

	for (uint32_t i = 0; i < batch->cnt; i++)
		service_map__add(m->map, &batch->spans[i], now_ns);
}

static bool turn(void *ctx, int signals)
{
	struct mapping *m = ctx;

	(void)signals;
	service_map__tick(m->map, clock_mono_ns());
	return false;
}

static int map_live(struct mapping *m)
{
	struct session session = {
		.options = m->options, .doing = "mapping", .turn = turn, .ctx = m};
	struct pipeline_options po = {
		.config = &m->options->config,
		.record_file = m->options->record_file,
		.show = show,
		.show_ctx = m,
	};
	int code = EXIT_FAILURE;

	if (session__start(&session, &po) == 0) {
		uint64_t begin_ns = clock_mono_ns(), window_ns;

		code = session__run(&session);
		window_ns = clock_mono_ns() - begin_ns;
		if (pipeline__stop(session.pipeline, DELIVER_MS))
			code = code ?: EXIT_FAILURE;
		code = report(m, window_ns, code);
		session_account(session.pipeline, m->options->json);
	}
	session__free(&session);
	return code;
}

/* Now rather than after minutes of tracing. */
static int open_svg(struct mapping *m)
{
	const char *path = m->options->svg_file;

	m->svg = path ? fopen(path, "we") : NULL;
	if (!path || m->svg)
		return 0;
	log_error("cannot write %s: %s", path, strerror(errno));
	return -1;
}

int run_map(const struct options *options)
{
	struct mapping m = {.options = options, .map = service_map__new(options->trace_id)};
	int code = EXIT_FAILURE;

	if (!m.map)
		log_error("cannot make a map: out of memory");
	else if (open_svg(&m) == 0)
		code = options->from_file ? read_spans(&m) : map_live(&m);
	service_map__free(m.map);
	if (m.svg)
		fclose(m.svg);
	return code;
}
