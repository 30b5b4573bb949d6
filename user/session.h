/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tools have in common: a pipeline that runs until Ctrl-C, for a time, or while a command
 * runs. Main thread.
 */
#ifndef SONDE_SESSION_H
#define SONDE_SESSION_H

#include "user/base/child.h"
#include "user/cli/options.h"
#include "user/cli/span_read.h"
#include "user/pipeline.h"

struct session {
	const struct options *options;
	const char *doing; /* "tracing" */
	/* After each turn of the loop, with the signals that came. True ends the session. May be NULL. */
	bool (*turn)(void *ctx, int signals);
	void *ctx;
	/* The rest is the session's: */
	struct pipeline *pipeline; /* until session__free */
	struct child child;
};

/*
 * Forks the command if there is one and starts the pipeline; po->only_pid is set here. 0, or -1 when
 * it has been logged why not. Free it in any case.
 */
int session__start(struct session *s, struct pipeline_options *po);
/* Until it is over; then a command that still runs is ended, and its status is what is returned. */
int session__run(struct session *s);
void session__free(struct session *s);

/* Prints the account on standard error, with what was of no known protocol. */
void session_account(struct pipeline *pipeline, bool json);

/* Columns of the terminal that standard output is; 0 if it is none. */
unsigned int terminal_width(void);

/*
 * Reads spans from that file, or from standard input if it is "-". False, and the reason is in the log, if that
 * cannot be done; what was left out is in the log too.
 */
bool session_read_spans(const char *path, struct span_reading *reading);

#endif
