// SPDX-License-Identifier: Apache-2.0
/* `sonde trace` and `sonde replay`: a pipeline whose spans a person, or a script, looks at. */
#include "user/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "user/base/child.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/cli/account_line.h"
#include "user/cli/trace_view.h"
#include "user/pipeline.h"

#define POLL_MS 20
#define LINGER_NS 200000000ull	   /* after the command ended, for what is still in the ring */
#define CHILD_END_NS 5000000000ull /* for the command to end when it is asked to */
#define DELIVER_MS 5000
#define REPLAY_DELIVER_MS 60000

/* --- signals ---------------------------------------------------------------------------------- */

static volatile sig_atomic_t signals;

static void note_signal(int signal)
{
	int bit = signal == SIGHUP ? RUN_RELOAD : signal == SIGWINCH ? RUN_RESIZE : RUN_STOP;

	__atomic_fetch_or(&signals, bit, __ATOMIC_RELAXED);
}

void run_signals_catch(void)
{
	struct sigaction action = {.sa_handler = note_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGWINCH, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int run_signals_take(void)
{
	return __atomic_exchange_n(&signals, 0, __ATOMIC_RELAXED);
}

/* --- what is shown ---------------------------------------------------------------------------- */

struct tracing {
	const struct options *options;
	struct pipeline *pipeline;
	struct trace_view *view; /* NULL: not open yet, or not wanted */
	int view_err;
	struct child child;
};

static unsigned int terminal_width(void)
{
	struct winsize size;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col
										     : 0;
}

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
static int finish(struct tracing *t, unsigned int deliver_ms, int code)
{
	if (pipeline__stop(t->pipeline, deliver_ms))
		code = code ?: EXIT_FAILURE;
	if (t->view)
		t->view_err = trace_view__finish(t->view);
	if (t->view_err && t->view_err != -EPIPE) { /* a reader that left has seen enough */
		log_error("cannot write to standard output: %s", strerror(-t->view_err));
		code = code ?: EXIT_FAILURE;
	}
	account_line(stderr, t->options->json);
	return code;
}

/* --- trace ------------------------------------------------------------------------------------ */

/* One turn of the loop; the signals that came, as bits of enum run_signal. */
static int step(struct tracing *t)
{
	int taken;

	pipeline__poll(t->pipeline, POLL_MS);
	if (t->view)
		t->view_err = trace_view__tick(t->view, clock_mono_ns());
	taken = run_signals_take();
	if (taken & RUN_RESIZE && t->view)
		trace_view__set_width(t->view, terminal_width());
	return taken;
}

static void trace_until_done(struct tracing *t)
{
	uint64_t begin_ns = clock_mono_ns(), ended_ns = 0;
	bool with_child = t->child.pid;

	for (;;) {
		uint64_t now_ns;

		if (step(t) & (RUN_STOP | RUN_RELOAD) || t->view_err || reader_gone())
			return;
		now_ns = clock_mono_ns();
		if (t->options->duration_ns && now_ns - begin_ns >= t->options->duration_ns)
			return;
		if (with_child && !ended_ns && child__ended(&t->child))
			ended_ns = now_ns;
		if (ended_ns && now_ns - ended_ns > LINGER_NS)
			return;
	}
}

/* A command that still runs is asked to end, then made to; what it does meanwhile is traced. */
static void end_child(struct tracing *t)
{
	uint64_t begin_ns = clock_mono_ns();

	child__signal(&t->child, SIGTERM);
	while (!child__ended(&t->child)) {
		if (step(t) & RUN_STOP || clock_mono_ns() - begin_ns > CHILD_END_NS) {
			log_warn("%s does not end: killing it", t->options->child_argv[0]);
			child__signal(&t->child, SIGKILL);
			child__finish(&t->child);
		}
	}
}

/* 0, or -1 when it has been logged why not. */
static int start_tracing(struct tracing *t, const struct pipeline_options *po)
{
	char why[PIPELINE_WHY_SZ];
	int err;

	t->pipeline = pipeline__new(po, why);
	if (!t->pipeline || pipeline__start(t->pipeline, why)) {
		log_error("%s", why);
		return -1;
	}
	if (t->child.pid)
		log_info("tracing %s", t->options->child_argv[0]);
	else
		log_info("tracing; Ctrl-C ends it");
	open_view(t);
	err = t->child.pid ? child__start(&t->child) : 0;
	if (err)
		log_error("cannot start %s: %s", t->options->child_argv[0], strerror(-err));
	return err;
}

int run_trace(const struct options *options)
{
	struct tracing t = {.options = options};
	struct pipeline_options po = {
		.config = &options->config,
		.record_file = options->record_file,
		.show = options->config.export.discard ? NULL : show,
		.show_ctx = &t,
	};
	int err, code = EXIT_FAILURE;

	if (options->child_argv) {
		err = child__fork(&t.child, options->child_argv);
		if (err) {
			log_error("cannot start %s: %s", options->child_argv[0], strerror(-err));
			return EXIT_FAILURE;
		}
		po.only_pid = (uint64_t)t.child.pid;
	}
	run_signals_catch();
	if (start_tracing(&t, &po) == 0) {
		trace_until_done(&t);
		end_child(&t);
		code = finish(&t, DELIVER_MS, t.child.status);
	}
	child__finish(&t.child);
	pipeline__free(t.pipeline);
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
	char why[PIPELINE_WHY_SZ];
	int code = EXIT_FAILURE;

	signal(SIGPIPE, SIG_IGN);
	t.pipeline = pipeline__new(&po, why);
	if (!t.pipeline || pipeline__replay(t.pipeline, options->file, why))
		log_error("%s", why);
	else
		code = finish(&t, REPLAY_DELIVER_MS, EXIT_SUCCESS);
	pipeline__free(t.pipeline);
	trace_view__free(t.view);
	return code;
}
