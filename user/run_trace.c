// SPDX-License-Identifier: Apache-2.0
/* `sonde trace` and `sonde replay`: a pipeline whose spans a person, or a script, looks at. */
#include "user/run.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/cli/account_line.h"
#include "user/cli/trace_view.h"
#include "user/pipeline.h"

#define POLL_MS 20
#define LINGER_NS 200000000ull /* after the command ended, for what is still in the ring */
#define DELIVER_MS 5000
#define EXIT_NOT_STARTED 127

static volatile sig_atomic_t signals;

static void note_signal(int signal)
{
	if (signal == SIGHUP)
		signals |= RUN_RELOAD;
	else if (signal == SIGWINCH)
		signals |= RUN_RESIZE;
	else
		signals |= RUN_STOP;
}

void run_signals_catch(void)
{
	struct sigaction action = {.sa_handler = note_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGWINCH, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

int run_signals_take(void)
{
	int taken = signals;

	signals = 0;
	return taken;
}

/* A command that waits for its start, so that it is traced from its first byte. */
struct child {
	pid_t pid;
	int start_fd;
	int status; /* exit code, once ended */
	bool ended;
	uint64_t ended_ns;
};

static int child_fork(struct child *child, char **argv)
{
	int fds[2];
	char go;

	if (pipe(fds))
		return -errno;
	child->pid = fork();
	if (child->pid < 0)
		return -errno;
	if (child->pid > 0) {
		close(fds[0]);
		child->start_fd = fds[1];
		return 0;
	}
	close(fds[1]);
	if (read(fds[0], &go, 1) != 1)
		_exit(EXIT_NOT_STARTED); /* sonde gave up */
	close(fds[0]);
	execvp(argv[0], argv);
	log_error("cannot run %s: %s", argv[0], strerror(errno));
	_exit(EXIT_NOT_STARTED);
}

static void child_start(struct child *child)
{
	if (child->start_fd > 0) {
		if (write(child->start_fd, "g", 1) != 1)
			log_error("cannot start the command: %s", strerror(errno));
		close(child->start_fd);
	}
	child->start_fd = -1;
}

static void child_watch(struct child *child)
{
	int status;

	if (child->pid <= 0 || child->ended || waitpid(child->pid, &status, WNOHANG) != child->pid)
		return;
	child->ended = true;
	child->ended_ns = clock_mono_ns();
	child->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static unsigned int terminal_width(void)
{
	struct winsize size;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col
										     : 0;
}

/* ctx is the address of the view's pointer: the view opens when tracing has really begun. */
static void show(void *ctx, const struct span_batch *batch)
{
	struct trace_view **view = ctx;

	if (*view)
		trace_view__add(*view, batch);
}

static struct trace_view *open_view(const struct options *options)
{
	bool colour = isatty(STDOUT_FILENO) && !options->no_color && !getenv("NO_COLOR");

	setlocale(LC_CTYPE, "");
	return trace_view__new(stdout, options->json ? VIEW_JSON : VIEW_TEXT, colour,
			       terminal_width());
}

static void trace_until_done(const struct options *options, struct pipeline *pipeline,
			     struct trace_view *view, struct child *child)
{
	uint64_t begin_ns = clock_mono_ns();
	int view_err = 0;

	while (!view_err) {
		uint64_t now_ns;
		int taken;

		pipeline__poll(pipeline, POLL_MS);
		now_ns = clock_mono_ns();
		view_err = trace_view__tick(view, now_ns);
		taken = run_signals_take();
		if (taken & RUN_RESIZE)
			trace_view__set_width(view, terminal_width());
		child_watch(child);
		if (taken & (RUN_STOP | RUN_RELOAD))
			break;
		if (options->duration_ns && now_ns - begin_ns >= options->duration_ns)
			break;
		if (child->ended && now_ns - child->ended_ns > LINGER_NS)
			break;
	}
}

/* Without a command of its own, sonde's success; else the command's. A command that still runs is ended. */
static int child_finish(struct child *child)
{
	int status;

	if (child->pid <= 0)
		return EXIT_SUCCESS;
	if (!child->ended) {
		kill(child->pid, SIGTERM);
		if (waitpid(child->pid, &status, 0) == child->pid)
			child->status =
				WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	return child->status;
}

int run_trace(const struct options *options)
{
	struct trace_view *view = NULL;
	struct child child = {.start_fd = -1};
	struct pipeline_options po = {
		.config = &options->config,
		.record_file = options->record_file,
		.show = options->config.export.discard ? NULL : show,
		.show_ctx = &view,
	};
	struct pipeline *pipeline;
	char why[PIPELINE_WHY_SZ];
	int code = EXIT_FAILURE;

	if (options->child_argv && child_fork(&child, options->child_argv) == 0)
		po.only_pid = (uint64_t)child.pid;
	run_signals_catch();
	pipeline = pipeline__new(&po, why);
	if (!pipeline || pipeline__start(pipeline, why)) {
		log_error("%s", why);
		if (child.start_fd > 0)
			close(child.start_fd);
		if (child.pid > 0)
			waitpid(child.pid, NULL, 0);
		goto cleanup;
	}
	if (options->child_argv)
		log_info("tracing %s", options->child_argv[0]);
	else
		log_info("tracing; Ctrl-C ends it");
	view = open_view(options);
	if (!view)
		goto cleanup;
	child_start(&child);
	trace_until_done(options, pipeline, view, &child);
	code = child_finish(&child);
	pipeline__stop(pipeline, DELIVER_MS);
	trace_view__finish(view);
	account_line(stderr, options->json);
cleanup:
	pipeline__free(pipeline);
	trace_view__free(view);
	return code;
}

int run_replay(const struct options *options)
{
	struct trace_view *view = options->config.export.discard ? NULL : open_view(options);
	struct pipeline_options po = {
		.config = &options->config,
		.show = view ? show : NULL,
		.show_ctx = &view,
	};
	char why[PIPELINE_WHY_SZ];
	struct pipeline *pipeline = pipeline__new(&po, why);
	int code = EXIT_FAILURE;

	run_signals_catch();
	if (!pipeline || pipeline__replay(pipeline, options->file, why)) {
		log_error("%s", why);
		goto cleanup;
	}
	pipeline__stop(pipeline, DELIVER_MS);
	if (view)
		trace_view__finish(view);
	account_line(stderr, options->json);
	code = EXIT_SUCCESS;
cleanup:
	pipeline__free(pipeline);
	trace_view__free(view);
	return code;
}
