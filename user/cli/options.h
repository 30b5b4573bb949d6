/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, and with it the configuration that the command works under. */
#ifndef SONDE_CLI_OPTIONS_H
#define SONDE_CLI_OPTIONS_H

#include "user/control/config.h"

/* Read by `agent` and `config print` without -c, if it exists. */
#define CONFIG_FILE_DEFAULT "/etc/sonde/sonde.yaml"

/* What `profile` and `explain` write. */
enum profile_output {
	PROFILE_OUTPUT_NONE, /* to the terminal */
	PROFILE_OUTPUT_SVG,
	PROFILE_OUTPUT_HTML,
	PROFILE_OUTPUT_FOLDED,
	PROFILE_OUTPUT_PPROF,
	PROFILE_OUTPUT_FIREFOX,
};

/* Strings are borrowed from argv. Usable and to be freed in any case. */
struct options {
	enum command command;
	enum command topic;	 /* COMMAND_HELP: of what; COMMAND_NONE for the overview */
	struct config config;	 /* for the commands that run or show it; else the defaults */
	const char *config_file; /* that was read; NULL for none */
	const char *file; /* operand of `config check`, `replay`, `sites` and `profile --diff` */
	const char **functions; /* the operands of `sites` that follow; NULL: none */
	size_t functions_cnt;
	const char *record_file; /* NULL: do not record */
	const char *diff_file;	 /* `profile`: what was before; NULL: nothing is compared */
	const char *output_file; /* of `profile` and `explain`; NULL: none */
	enum profile_output output;
	const char *attribute; /* of redact's plain lines; NULL: the usual name */
	uint64_t duration_ns;  /* 0: until interrupted */
	uint32_t frequency_hz; /* of `profile` */
	bool json, no_color, explain;
	/* `map`; NULL: not wanted */
	const char *from_file, *svg_file, *trace_id, *impact;
	const char *service, *route; /* `profile`, `explain`: only of these; NULL: of all */
	const char *replay_file;     /* `explain`; NULL: live */
	bool dot, slowest;
	bool all;	   /* `sites`: of every function */
	bool spans;	   /* `profile` traces too */
	bool off_cpu;	   /* `profile` looks at what waits */
	char **child_argv; /* after "--", ends in NULL; NULL if there was none */
	int argc;
	char **argv;
};

/*
 * Parses and loads: flags, environment, file. 0, or -EINVAL with what is wrong in errors. To
 * reload, parse options->argc and argv again into other options.
 */
int options__parse(struct options *o, int argc, char **argv, struct config_errors *errors);
void options__free(struct options *o);
/* May standard output be coloured? */
bool options__colour(const struct options *o);

/* An option of the command line that is not a setting. */
struct plain_option {
	const char *flag, *argument, *help;
	char letter;
	unsigned int commands; /* 1 << enum command */
};

extern const struct plain_option plain_options[];
extern const size_t plain_options_cnt;

#endif
