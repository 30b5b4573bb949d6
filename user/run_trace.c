// SPDX-License-Identifier: Apache-2.0
/* `sonde trace` and `sonde replay`: a pipeline whose spans a person, or a script, looks at. */
#include "user/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/cli/trace_view.h"
#include "user/session.h"

#define DELIVER_MS 5000
#define REPLAY_DELIVER_MS 60000

/* --- what is shown ---------------------------------------------------------------------------- */

struct tracing {
	const struct options *options;
	struct trace_view *view; /* NULL: not open yet, or not wanted */
	int view_err;
};

/* Not before there is something to show, or tracing has really begun: it writes a header. */
static void open_view(struct tracing *t)
{
	if (t->view || t->view_err || t->options->config.export.discard)
		return;
	t->view = trace_view__new(stdout, t->options->json ? VIEW_JSON : VIEW_TEXT,
				  options__colour(t->options), terminal_width());
	if (!t->view)
		t->view_err = -errno;
}

static void show(void *ctx, const struct span_batch *batch)
{
	struct tracing *t = ctx;

	open_view(t);
	if (t->view)
		t->view_err = trace_view__add(t->view, batch);
}

/* Has whoever read standard output gone? It would show at the next span only. */
static bool reader_gone(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO};

	return poll(&out, 1, 0) == 1 && out.revents & (POLLERR | POLLHUP);
}

/* Shows what is left and says how it went. code, or a failure. */
static int finish(struct tracing *t, struct pipeline *pipeline, unsigned int deliver_ms, int code)
{
	if (pipeline__stop(pipeline, deliver_ms))
		code = code ?: EXIT_FAILURE;
	if (t->view)
		t->view_err = trace_view__finish(t->view);
	if (t->view_err && t->view_err != -EPIPE) { /* a reader that left has seen enough */
		log_error("cannot write to standard output: %s", strerror(-t->view_err));
		code = code ?: EXIT_FAILURE;
	}
	session_account(pipeline, t->options->json);
	return code;
}

/* --- trace ------------------------------------------------------------------------------------ */

static bool turn(void *ctx, int signals)
{
	struct tracing *t = ctx;

	if (t->view)
		t->view_err = trace_view__tick(t->view, clock_mono_ns());
	if (signals & RUN_RESIZE && t->view)
		trace_view__set_width(t->view, terminal_width());
	return t->view_err || reader_gone();
}

int run_trace(const struct options *options)
{
	struct tracing t = {.options = options};
	struct session session = {
		.options = options,
		.doing = "tracing",
		.turn = turn,
		.ctx = &t,
	};
	struct pipeline_options po = {
		.config = &options->config,
		.record_file = options->record_file,
		.show = options->config.export.discard ? NULL : show,
		.show_ctx = &t,
	};
	int code = EXIT_FAILURE;

	if (session__start(&session, &po) == 0) {
		open_view(&t);
		code = session__run(&session);
		code = finish(&t, session.pipeline, DELIVER_MS, code);
	}
	session__free(&session);
	trace_view__free(t.view);
	return code;
}

/* --- replay ----------------------------------------------------------------------------------- */

int run_replay(const struct options *options)
{
	struct tracing t = {.options = options};
	struct pipeline_options po = {
		.config = &options->config,
		.wait_for_export = true,
		.show = options->config.export.discard ? NULL : show,
		.show_ctx = &t,
	};
	struct pipeline *pipeline;
	char why[PIPELINE_WHY_SZ];
	int code = EXIT_FAILURE;

	signal(SIGPIPE, SIG_IGN);
	pipeline = pipeline__new(&po, why);
	if (!pipeline || pipeline__replay(pipeline, options->file, why))
		log_error("%s", why);
	else
		code = finish(&t, pipeline, REPLAY_DELIVER_MS, EXIT_SUCCESS);
	pipeline__free(pipeline);
	trace_view__free(t.view);
	return code;
}
