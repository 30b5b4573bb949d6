// SPDX-License-Identifier: Apache-2.0
/* Commands: name, usage, what they are for, examples. */
#include "user/cli/help.h"

#include "user/cli/options.h"
#include "user/control/nearest.h"

#define FLAG_COLUMN 28

struct command_row {
	const char *name; /* one word, or two */
	const char *usage;
	const char *summary;  /* one line */
	const char *text;     /* more of it, or NULL */
	const char *examples; /* lines, or NULL */
	bool hidden;
};

static const struct command_row commands[] = {
	[COMMAND_TRACE] =
		{
			.name = "trace",
			.usage = "[OPTIONS] [-- COMMAND ARGS...]",
			.summary = "Show the requests that programs serve and make",
			.text = "Watches the chosen processes, or runs COMMAND and watches it. With "
				"no choice it\n"
				"watches every process. Needs root.\n"
				"Stops at Ctrl-C, at the end of COMMAND, or after --duration.\n",
			.examples =
				"  sonde trace -p 4242                      # one process and its "
				"children\n"
				"  sonde trace -n nginx --port 8080         # by name and port\n"
				"  sonde trace --json -- python3 app.py     # run it and print JSON "
				"lines\n"
				"  sonde trace -n api --duration 30 --export http://localhost:4318\n",
		},
	[COMMAND_MAP] =
		{
			.name = "map",
			.usage = "[OPTIONS] [-- COMMAND ARGS...]",
			.summary = "Show which services call which, how often and how fast",
			.text = "Watches as `sonde trace` does and prints the graph of services at "
				"the end: each call\n"
				"with its protocol, rate, share of errors and latencies as its "
				"caller saw them. \"outside\"\n"
				"are clients that were not seen; a server that was not seen stands "
				"by address and port.\n"
				"--slowest says where the time of a trace went; --impact SERVICE "
				"whose requests fail\n"
				"with it, by traces. Stops at Ctrl-C, at the end of COMMAND, or "
				"after --duration.\n",
			.examples =
				"  sonde map --duration 30                  # everything on this "
				"machine\n"
				"  sonde map -n nginx -n app --duration 10 --svg map.svg\n"
				"  sonde map --slowest -- ./load-test       # the critical path of "
				"the slowest trace\n"
				"  sonde trace --otlp-file spans.jsonl; sonde map --from spans.jsonl "
				"--impact postgres\n"
				"  sonde map --from spans.jsonl --dot | dot -Tpng > map.png\n",
		},
	[COMMAND_EXPLAIN] =
		{
			.name = "explain",
			.usage = "[OPTIONS] [-- COMMAND ARGS...]",
			.summary = "Say what slow requests do that typical ones do not",
			.text = "Watches as `sonde trace` does, takes CPU samples, and at the end "
				"compares the slow\n"
				"requests of a route (from p99, p95, p90 or p85 on, as there are enough) "
				"with those around\n"
				"the median: how much of the extra time is in which calls, and in "
				"what the server\n"
				"did itself. Without --route it takes the one with most extra time. "
				"Needs root, but\n"
				"not for --replay and --from. -o draws the samples' stacks of both "
				"as one flame graph:\n"
				"red is what slow requests have more of.\n"
				"Stops at Ctrl-C, at the end of COMMAND, or after --duration.\n",
			.examples = "  sonde explain -n api -n postgres --duration 60\n"
				    "  sonde explain -n api --duration 60 --freq 499 -o diff.svg\n"
				    "  sonde explain --route 'POST /pay' --duration 60 --freq 499\n"
				    "  sonde explain --slowest --json -- ./load-test\n"
				    "  sonde trace --record all.ring --duration 60; sonde explain "
				    "--replay all.ring\n"
				    "  sonde explain --from spans.jsonl --trace 4bf92f35\n",
		},
	[COMMAND_PROFILE] =
		{
			.name = "profile",
			.usage = "[OPTIONS] [-- COMMAND ARGS...]",
			.summary = "Show which functions use the CPUs",
			.text = "Samples the stacks of the chosen processes, or runs COMMAND and "
				"samples that. With\n"
				"no choice it samples everything, the kernel's threads too. Needs "
				"root.\n"
				"--service, --route and --trace trace requests, too, and leave out "
				"samples that were not\n"
				"taken while such a request was worked for; how many these are is "
				"said.\n"
				"With --off-cpu it looks at the threads that wait, and says how long "
				"and what for:\n"
				"[lock], [disk], [network], [poll] (any of several files), [sleep], "
				"[page fault],\n"
				"[run queue] (for a CPU), [stopped], [other wait].\n"
				"--diff BEFORE [AFTER] draws two profiles as one flame graph: red is "
				"what is more than\n"
				"before. Both are folded stacks; their numbers are samples, with "
				"--off-cpu ns.\n"
				"On a terminal, without -o, --json, --export and COMMAND, the busiest "
				"functions and the\n"
				"hottest stacks are shown while it runs: q ends it, t changes what is "
				"shown.\n"
				"Stops at Ctrl-C, at the end of COMMAND, or after --duration.\n",
			.examples =
				"  sonde profile                                # what uses the "
				"CPUs just now\n"
				"  sonde profile -p 4242 --duration 10          # the busiest "
				"functions of a process\n"
				"  sonde profile -n nginx --duration 30 -o nginx.svg   # a flame "
				"graph\n"
				"  sonde profile -n api --route 'GET /users/{id}' --duration 60 -o "
				"users.svg\n"
				"  sonde profile -o build.pb.gz -- make         # for pprof\n"
				"  sonde profile -o build.json -- make          # for "
				"https://profiler.firefox.com\n"
				"  sonde profile --diff before.folded after.folded -o diff.svg   # "
				"needs no root\n"
				"  sonde profile -n nginx --off-cpu --duration 10   # where it "
				"waits\n"
				"  sonde profile -n api --spans --duration 60 --export "
				"http://localhost:4318\n",
		},
	[COMMAND_AGENT] =
		{
			.name = "agent",
			.usage = "[OPTIONS]",
			.summary = "Run in the background of a host and export what is seen",
			.text = "Reads -c FILE, or " CONFIG_FILE_DEFAULT " if that exists. SIGHUP "
				"reads it again;\n"
				"SIGTERM sends what is left and stops.\n",
			.examples = "  sonde agent -c /etc/sonde/sonde.yaml\n"
				    "  SONDE_EXPORT_ENDPOINT=http://gateway:4318 sonde agent\n",
		},
	[COMMAND_CONFIG_CHECK] =
		{
			.name = "config check",
			.usage = "FILE",
			.summary = "Say what is wrong with a configuration file",
			.examples = "  sonde config check sonde.yaml && systemctl reload sonde\n",
		},
	[COMMAND_CONFIG_PRINT] =
		{
			.name = "config print",
			.usage = "[OPTIONS]",
			.summary = "Print every setting with its value and where that came from",
			.examples = "  sonde config print -c sonde.yaml\n"
				    "  SONDE_LOG_LEVEL=debug sonde config print\n",
		},
	[COMMAND_CONFIG_DOC] =
		{
			.name = "config doc",
			.usage = "",
			.summary = "Print the manual of all settings as Markdown",
			.hidden = true,
		},
	[COMMAND_DOCTOR] =
		{
			.name = "doctor",
			.usage = "[OPTIONS]",
			.summary = "Say what this kernel and these permissions allow",
			.examples = "  sonde doctor\n"
				    "  sonde doctor --json\n",
		},
	[COMMAND_REPLAY] =
		{
			.name = "replay",
			.usage = "FILE [OPTIONS]",
			.summary = "Show the requests in a recording; needs no root",
			.examples = "  sonde trace -n nginx --record nginx.ring\n"
				    "  sonde replay nginx.ring --json\n"
				    "  sonde replay nginx.ring --otlp-file spans.jsonl\n",
		},
	[COMMAND_REDACT] =
		{
			.name = "redact",
			.usage = "[OPTIONS] < LINES",
			.summary = "Show what redaction makes of lines from standard input",
			.text = "A line is a span as `sonde trace --json` prints it, a JSON object "
				"of attributes, or\n"
				"text. The configuration's rules apply as they do to spans.\n",
			.examples = "  echo 'mail jane@example.com' | sonde redact --explain\n"
				    "  echo '/users?token=1' | sonde redact --attribute url.full\n"
				    "  sonde redact -c sonde.yaml < spans.jsonl\n",
		},
	[COMMAND_SITES] =
		{
			.name = "sites",
			.usage = "[OPTIONS] FILE [FUNCTION...]",
			.summary = "Show where the functions of a program or library are probed",
			.text = "Without FUNCTION: those of the TLS library in FILE, where plaintext "
				"is seen. A probe\n"
				"sits on an instruction that the kernel emulates, so that the "
				"program is not slowed\n"
				"by single steps; a function that has none at a fit place is not "
				"probed.\n"
				"Needs no root. Exit status: 0 all have a site, 3 some have none or "
				"there is no such\n"
				"function, 1 FILE cannot be read.\n",
			.examples = "  sonde sites /usr/lib/x86_64-linux-gnu/libssl.so.3\n"
				    "  sonde sites $(command -v node)\n"
				    "  sonde sites /usr/lib/x86_64-linux-gnu/libc.so.6 read write\n"
				    "  sonde sites --all --json ./server | tail -1\n",
		},
	[COMMAND_VERSION] =
		{
			.name = "version",
			.usage = "",
			.summary = "Print the version",
		},
	[COMMAND_HELP] =
		{
			.name = "help",
			.usage = "[COMMAND]",
			.summary = "Print help about a command",
		},
};

#define COMMANDS_CNT (sizeof(commands) / sizeof(commands[0]))

static const char overview_examples[] =
	"  sudo sonde trace -n nginx                # requests of a running program\n"
	"  sudo sonde trace -- ./server             # run a program and watch it\n"
	"  sudo sonde trace --port 5432 --json      # whatever speaks on a port\n"
	"  sudo sonde map --duration 30             # who calls whom, how fast\n"
	"  sudo sonde explain --duration 60         # why slow requests are slow\n"
	"  sudo sonde profile -n nginx -o out.svg   # where its CPU time goes\n"
	"  sudo sonde agent -c /etc/sonde/sonde.yaml\n";

const char *help_command_name(enum command command)
{
	return commands[command].name ?: "";
}

enum command help_command_find(int argc, char **argv, int *words_cnt)
{
	char two[64];

	if (argc < 1)
		return COMMAND_NONE;
	snprintf(two, sizeof(two), "%s %s", argv[0], argc > 1 ? argv[1] : "");
	for (size_t i = COMMAND_NONE + 1; i < COMMANDS_CNT; i++) {
		*words_cnt = strchr(commands[i].name, ' ') ? 2 : 1;
		if (strcmp(commands[i].name, *words_cnt == 2 ? two : argv[0]) == 0)
			return (enum command)i;
	}
	return COMMAND_NONE;
}

const char *help_command_nearest(const char *word)
{
	struct nearest nearest = {.word = word};

	for (size_t i = COMMAND_NONE + 1; i < COMMANDS_CNT; i++)
		if (!commands[i].hidden)
			nearest__try(&nearest, commands[i].name, commands[i].name);
	return nearest.best;
}

static void print_option(char letter, const char *flag, bool negatable, const char *argument,
			 const char *help, FILE *out)
{
	int len = letter ? fprintf(out, "  -%c, ", letter) : fprintf(out, "      ");

	len += fprintf(out, "--%s%s%s%s", negatable ? "[no-]" : "", flag, argument ? " " : "",
		       argument ?: "");
	fprintf(out, "%*s%s", len < FLAG_COLUMN ? FLAG_COLUMN - len : 1, "", help);
}

static void print_setting(const struct setting *row, FILE *out)
{
	bool many = row->type == SETTING_TEXTS || row->type == SETTING_INTS;

	print_option(row->letter, row->flag, row->type == SETTING_BOOL, row->argument, row->help,
		     out);
	for (size_t i = 0; row->choices && row->choices[i]; i++)
		fprintf(out, "%s%s", i ? ", " : ": ", row->choices[i]);
	if (many)
		fprintf(out, "; may be repeated");
	else if (*row->fallback)
		fprintf(out, " (default %s)", row->fallback);
	fprintf(out, "\n");
}

static void print_options(enum command command, FILE *out)
{
	fprintf(out, "\nOptions:\n");
	for (size_t i = 0; i < settings_cnt; i++)
		if (settings[i].flag && !settings[i].hidden && settings[i].commands & 1u << command)
			print_setting(&settings[i], out);
	for (size_t i = 0; i < plain_options_cnt; i++) {
		const struct plain_option *plain = &plain_options[i];

		if (!(plain->commands & 1u << command))
			continue;
		print_option(plain->letter, plain->flag, false, plain->argument, plain->help, out);
		fprintf(out, "\n");
	}
}

static void print_command(enum command topic, FILE *out)
{
	const struct command_row *row = &commands[topic];

	fprintf(out, "Usage: sonde %s%s%s\n\n%s.\n", row->name, *row->usage ? " " : "", row->usage,
		row->summary);
	if (row->text)
		fprintf(out, "\n%s", row->text);
	if (topic != COMMAND_VERSION && topic != COMMAND_HELP)
		print_options(topic, out);
	if (row->examples)
		fprintf(out, "\nExamples:\n%s", row->examples);
}

static void print_overview(FILE *out)
{
	fprintf(out,
		"sonde watches programs from inside the kernel and shows their requests as\n"
		"OpenTelemetry spans, and what they use the CPUs for. The programs need no change and no restart.\n\n"
		"Usage: sonde COMMAND [OPTIONS]\n\nCommands:\n");
	for (size_t i = COMMAND_NONE + 1; i < COMMANDS_CNT; i++)
		if (!commands[i].hidden)
			fprintf(out, "  %-14s%s\n", commands[i].name, commands[i].summary);
	fprintf(out, "\n'sonde COMMAND --help' lists the options. Every setting can also be given "
		     "in a file\n(-c) or as a variable: SONDE_TARGETS_PORTS=80,443.\n");
	fprintf(out, "\nExamples:\n%s", overview_examples);
}

void help_print(enum command topic, FILE *out)
{
	if (topic == COMMAND_NONE)
		print_overview(out);
	else
		print_command(topic, out);
}
