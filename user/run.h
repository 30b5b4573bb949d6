/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that run a pipeline. Each returns the program's exit code. */
#ifndef SONDE_RUN_H
#define SONDE_RUN_H

#include "user/cli/options.h"

#define EXIT_USAGE 2

/* `sonde trace`: live spans until interrupted, for a time, or while a command runs. */
int run_trace(const struct options *options);
/* `sonde map`: who calls whom, live or from a file of spans. */
int run_map(const struct options *options);
/* `sonde explain`: what slow requests do that typical ones do not. */
int run_explain(const struct options *options);
/* `sonde profile`: where CPU time goes, for as long. */
int run_profile(const struct options *options);
/* `sonde replay`: the spans of a recording. */
int run_replay(const struct options *options);
/* `sonde agent`: the daemon. options is changed by reloads. */
int run_agent(struct options *options);

/* `sonde redact`: lines from standard input, redacted. */
int run_redact(const struct options *options);

/* `sonde sites`: where the functions of a file are probed. */
int run_sites(const struct options *options);

/* Signals, noted by handlers that the run functions install. */
enum run_signal {
	RUN_STOP = 1,	/* SIGINT, SIGTERM */
	RUN_RELOAD = 2, /* SIGHUP */
	RUN_RESIZE = 4, /* SIGWINCH */
};

void run_signals_catch(void);
/* Signals since the last call, as bits of enum run_signal. */
int run_signals_take(void);

#endif
