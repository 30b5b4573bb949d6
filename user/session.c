// SPDX-License-Identifier: Apache-2.0
/* The loop of the tools, their command, and the signals that end them. */
#include "user/session.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/cli/account_line.h"
#include "user/run.h"

#define POLL_MS 50
#define LINGER_NS 200000000ull	   /* after the command ended, for what is still in the ring */
#define CHILD_END_NS 5000000000ull /* for the command to end when it is asked to */

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

/* --- the session ------------------------------------------------------------------------------ */

int session__start(struct session *s, struct pipeline_options *po)
{
	char **command = s->options->child_argv;
	char why[PIPELINE_WHY_SZ];
	int err = command ? child__fork(&s->child, command) : 0;

	if (err) {
		log_error("cannot start %s: %s", command[0], strerror(-err));
		return -1;
	}
	po->only_pid = (uint64_t)s->child.pid;
	run_signals_catch();
	s->pipeline = pipeline__new(po, why);
	if (!s->pipeline || pipeline__start(s->pipeline, why)) {
		log_error("%s", why);
		return -1;
	}
	if (command)
		log_info("%s %s", s->doing, command[0]);
	else
		log_info("%s; Ctrl-C ends it", s->doing);
	err = command ? child__start(&s->child) : 0;
	if (err)
		log_error("cannot start %s: %s", command[0], strerror(-err));
	return err ? -1 : 0;
}

/* One turn of the loop; true if it is over. */
static bool turn(struct session *s, int *taken)
{
	pipeline__poll(s->pipeline, POLL_MS);
	*taken = run_signals_take();
	return (s->turn && s->turn(s->ctx, *taken)) || *taken & (RUN_STOP | RUN_RELOAD);
}

static void run_until_done(struct session *s)
{
	uint64_t begin_ns = clock_mono_ns(), ended_ns = 0;
	bool with_child = s->child.pid;
	int taken;

	while (!turn(s, &taken)) {
		uint64_t now_ns = clock_mono_ns();

		if (s->options->duration_ns && now_ns - begin_ns >= s->options->duration_ns)
			return;
		if (with_child && !ended_ns && child__ended(&s->child))
			ended_ns = now_ns;
		if (ended_ns && now_ns - ended_ns > LINGER_NS)
			return;
	}
}

/* A command that still runs is asked to end, then made to; what it does meanwhile still counts. */
static void end_child(struct session *s)
{
	uint64_t begin_ns = clock_mono_ns();
	int taken;

	child__signal(&s->child, SIGTERM);
	while (!child__ended(&s->child)) {
		turn(s, &taken);
		if (taken & RUN_STOP || clock_mono_ns() - begin_ns > CHILD_END_NS) {
			log_warn("%s does not end: killing it", s->options->child_argv[0]);
			child__signal(&s->child, SIGKILL);
			child__finish(&s->child);
		}
	}
}

int session__run(struct session *s)
{
	run_until_done(s);
	end_child(s);
	return s->child.status;
}

void session__free(struct session *s)
{
	child__finish(&s->child);
	pipeline__free(s->pipeline);
	s->pipeline = NULL;
}

void session_account(struct pipeline *pipeline, bool json)
{
	struct unknown_row *rows = calloc(UNKNOWN_ROWS_MAX, sizeof(*rows));

	account_line(stderr, json, rows, rows ? pipeline__unknown(pipeline, rows) : 0);
	free(rows);
}

unsigned int terminal_width(void)
{
	struct winsize size;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col
										     : 0;
}

bool session_read_spans(const char *path, struct span_reading *reading)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *in = standard ? stdin : fopen(path, "re");
	int err = in ? span_read(in, reading) : -errno;

	if (in && !standard)
		fclose(in);
	if (err)
		log_error("cannot read %s: %s", path, strerror(-err));
	else if (reading->bad_lines_cnt || reading->bad_spans_cnt)
		log_warn("%s: %llu lines and %llu spans were left out; %s", path,
			 (unsigned long long)reading->bad_lines_cnt,
			 (unsigned long long)reading->bad_spans_cnt, reading->why);
	return !err;
}
