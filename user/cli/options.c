// SPDX-License-Identifier: Apache-2.0
/*
 * Parsing of the command line. Options come from two tables: the settings that have a flag, and
 * the few that are not settings.
 */
#include "user/cli/options.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/cli/help.h"
#include "user/control/nearest.h"

#define FREQUENCY_DEFAULT 99
#define FREQUENCY_OFF_CPU 49
#define FREQUENCY_MAX 10000

#define ON(command) (1u << COMMAND_##command)
#define CONFIGURED                                                                        \
	(ON(TRACE) | ON(MAP) | ON(EXPLAIN) | ON(PROFILE) | ON(AGENT) | ON(CONFIG_PRINT) | \
	 ON(DOCTOR) | ON(REPLAY) | ON(REDACT))

enum plain {
	PLAIN_CONFIG,
	PLAIN_DURATION,
	PLAIN_FREQUENCY,
	PLAIN_OFF_CPU,
	PLAIN_OUTPUT,
	PLAIN_DIFF,
	PLAIN_SPANS,
	PLAIN_JSON,
	PLAIN_RECORD,
	PLAIN_NO_COLOR,
	PLAIN_DOT,
	PLAIN_SVG,
	PLAIN_FROM,
	PLAIN_REPLAY,
	PLAIN_SLOWEST,
	PLAIN_TRACE,
	PLAIN_SERVICE,
	PLAIN_ROUTE,
	PLAIN_IMPACT,
	PLAIN_ATTRIBUTE,
	PLAIN_EXPLAIN,
	PLAIN_ALL,
	PLAIN_HELP,
};

const struct plain_option plain_options[] = {
	[PLAIN_CONFIG] =
		{
			.flag = "config",
			.letter = 'c',
			.argument = "FILE",
			.help = "Read this configuration file",
			.commands = CONFIGURED,
		},
	[PLAIN_DURATION] =
		{
			.flag = "duration",
			.argument = "S",
			.help = "Stop after this many seconds, or 500ms, 10s, 5m",
			.commands = ON(TRACE) | ON(MAP) | ON(EXPLAIN) | ON(PROFILE),
		},
	[PLAIN_FREQUENCY] =
		{
			.flag = "freq",
			.argument = "HZ",
			.help = "Samples of each CPU in a second (default 99, with --off-cpu 49)",
			.commands = ON(EXPLAIN) | ON(PROFILE),
		},
	[PLAIN_OFF_CPU] =
		{
			.flag = "off-cpu",
			.help = "Show where threads wait, and what for, instead of what uses the CPUs",
			.commands = ON(PROFILE),
		},
	[PLAIN_OUTPUT] =
		{
			.flag = "output",
			.letter = 'o',
			.argument = "FILE",
			.help = "Draw a flame graph (.svg, .html); profile also .folded, .pb.gz, .json",
			.commands = ON(EXPLAIN) | ON(PROFILE),
		},
	[PLAIN_DIFF] =
		{
			.flag = "diff",
			.argument = "BEFORE",
			.help = "Draw what changed since saved stacks (.folded), in AFTER or from now on",
			.commands = ON(PROFILE),
		},
	[PLAIN_SPANS] =
		{
			.flag = "spans",
			.help = "Trace requests too, and say which span a sample belongs to",
			.commands = ON(PROFILE),
		},
	[PLAIN_JSON] =
		{
			.flag = "json",
			.help = "Print JSON instead of text for people",
			.commands = ON(TRACE) | ON(MAP) | ON(EXPLAIN) | ON(PROFILE) | ON(DOCTOR) |
				    ON(REPLAY) | ON(SITES),
		},
	[PLAIN_RECORD] =
		{
			.flag = "record",
			.argument = "FILE",
			.help = "Write what the kernel sends to this file, for sonde replay",
			.commands = ON(TRACE) | ON(MAP) | ON(EXPLAIN),
		},
	[PLAIN_NO_COLOR] =
		{
			.flag = "no-color",
			.help = "Print without colours",
			.commands = ON(TRACE) | ON(MAP) | ON(EXPLAIN) | ON(PROFILE) | ON(DOCTOR) |
				    ON(REPLAY),
		},
	[PLAIN_DOT] =
		{
			.flag = "dot",
			.help = "Print the graph for Graphviz",
			.commands = ON(MAP),
		},
	[PLAIN_SVG] =
		{
			.flag = "svg",
			.argument = "FILE",
			.help = "Draw the graph to this file, too",
			.commands = ON(MAP),
		},
	[PLAIN_FROM] =
		{
			.flag = "from",
			.argument = "FILE",
			.help = "Read what --otlp-file or trace --json wrote; - is standard input",
			.commands = ON(MAP) | ON(EXPLAIN),
		},
	[PLAIN_REPLAY] =
		{
			.flag = "replay",
			.argument = "FILE",
			.help = "Take the requests from a recording that --record wrote; no root",
			.commands = ON(EXPLAIN),
		},
	[PLAIN_SLOWEST] =
		{
			.flag = "slowest",
			.help = "The slowest trace: its critical path, why it was slow",
			.commands = ON(MAP) | ON(EXPLAIN),
		},
	[PLAIN_TRACE] =
		{
			.flag = "trace",
			.argument = "ID",
			.help = "The trace whose ID begins so: its path, its samples, why it was slow",
			.commands = ON(MAP) | ON(EXPLAIN) | ON(PROFILE),
		},
	[PLAIN_SERVICE] =
		{
			.flag = "service",
			.argument = "NAME",
			.help = "Only what belongs to requests that this service serves",
			.commands = ON(EXPLAIN) | ON(PROFILE),
		},
	[PLAIN_ROUTE] =
		{
			.flag = "route",
			.argument = "ROUTE",
			.help = "Only what belongs to requests named so: 'GET /users/{id}', /users/{id}",
			.commands = ON(EXPLAIN) | ON(PROFILE),
		},
	[PLAIN_IMPACT] =
		{
			.flag = "impact",
			.argument = "SERVICE",
			.help = "Print whose requests led to this service instead",
			.commands = ON(MAP),
		},
	[PLAIN_ATTRIBUTE] =
		{
			.flag = "attribute",
			.argument = "KEY",
			.help = "Take lines of text for values of this attribute (default text)",
			.commands = ON(REDACT),
		},
	[PLAIN_EXPLAIN] =
		{
			.flag = "explain",
			.help = "Say at the end what was hit how often, on standard error",
			.commands = ON(REDACT),
		},
	[PLAIN_ALL] =
		{
			.flag = "all",
			.help = "Take every function that has a symbol",
			.commands = ON(SITES),
		},
	[PLAIN_HELP] =
		{
			.flag = "help",
			.letter = 'h',
			.help = "Print this help",
			.commands = ~0u,
		},
};

const size_t plain_options_cnt = sizeof(plain_options) / sizeof(plain_options[0]);

/* What a word of the command line names: a setting, or a plain option, or neither. */
struct match {
	const struct setting *row;
	const struct plain_option *plain;
	bool negated; /* --no-NAME of a setting that is true or false */
};

struct parser {
	struct options *o;
	struct config_errors *errors;
	int at; /* index in argv of the next word */
};

#define wrong(p, ...) (config_errors__add((p)->errors, __VA_ARGS__), -EINVAL)

/* The long options that begin with flag_len bytes of flag, whatever command they are for. */
static struct match find_long(struct slice flag)
{
	struct slice positive = slice_after(flag, 3);
	bool no = slice_starts_with(flag, SLICE("no-"));

	for (size_t i = 0; i < plain_options_cnt; i++)
		if (slice_eq(flag, slice_str(plain_options[i].flag)))
			return (struct match){.plain = &plain_options[i]};
	for (size_t i = 0; i < settings_cnt; i++) {
		const struct setting *row = &settings[i];

		if (!row->flag)
			continue;
		if (slice_eq(flag, slice_str(row->flag)))
			return (struct match){.row = row};
		if (no && row->type == SETTING_BOOL && slice_eq(positive, slice_str(row->flag)))
			return (struct match){.row = row, .negated = true};
	}
	return (struct match){0};
}

static struct match find_short(char letter)
{
	for (size_t i = 0; i < plain_options_cnt; i++)
		if (plain_options[i].letter == letter)
			return (struct match){.plain = &plain_options[i]};
	for (size_t i = 0; i < settings_cnt; i++)
		if (settings[i].letter == letter)
			return (struct match){.row = &settings[i]};
	return (struct match){0};
}

static bool accepts(enum command command, const struct match *match)
{
	unsigned int commands = match->row ? match->row->commands : match->plain->commands;

	return commands & 1u << command;
}

static int unknown_option(struct parser *p, const char *name)
{
	struct nearest nearest = {.word = name};
	enum command command = p->o->command;

	for (size_t i = 0; i < plain_options_cnt; i++)
		if (accepts(command, &(struct match){.plain = &plain_options[i]}))
			nearest__try(&nearest, plain_options[i].flag, plain_options[i].flag);
	for (size_t i = 0; i < settings_cnt; i++) {
		const struct setting *row = &settings[i];

		if (row->flag && !row->hidden && accepts(command, &(struct match){.row = row}))
			nearest__try(&nearest, row->flag, row->flag);
	}
	if (nearest.best)
		return wrong(p, "unknown option '--%s', did you mean '--%s'?", name, nearest.best);
	return wrong(p, "unknown option '--%s'", name);
}

/* By the file's suffix. */
static enum profile_output output_of(const char *file)
{
	static const char *const suffixes[] = {
		[PROFILE_OUTPUT_SVG] = ".svg",	     [PROFILE_OUTPUT_HTML] = ".html",
		[PROFILE_OUTPUT_FOLDED] = ".folded", [PROFILE_OUTPUT_PPROF] = ".pb.gz",
		[PROFILE_OUTPUT_FIREFOX] = ".json",
	};

	for (int i = PROFILE_OUTPUT_SVG; i <= PROFILE_OUTPUT_FIREFOX; i++) {
		size_t n = strlen(suffixes[i]), len = strlen(file);

		if (len > n && strcmp(file + len - n, suffixes[i]) == 0)
			return (enum profile_output)i;
	}
	return PROFILE_OUTPUT_NONE;
}

static bool is_picture(enum profile_output output)
{
	return output == PROFILE_OUTPUT_SVG || output == PROFILE_OUTPUT_HTML;
}

static int set_plain(struct parser *p, const struct plain_option *plain, const char *value)
{
	struct options *o = p->o;
	uint64_t number;

	switch ((enum plain)(plain - plain_options)) {
	case PLAIN_CONFIG:
		o->config_file = value;
		break;
	case PLAIN_DURATION:
		if (duration_parse(value, true, &o->duration_ns) < 0 || !o->duration_ns)
			return wrong(p, "--duration: '%.64s' is not a time such as 30, 1.5 or 5m",
				     value);
		break;
	case PLAIN_FREQUENCY:
		if (!slice_to_u64(slice_str(value), &number) || !number || number > FREQUENCY_MAX)
			return wrong(p, "--freq: '%.64s' is not a number from 1 to %d", value,
				     FREQUENCY_MAX);
		o->frequency_hz = (uint32_t)number;
		break;
	case PLAIN_OFF_CPU:
		o->off_cpu = true;
		break;
	case PLAIN_OUTPUT:
		o->output_file = value;
		o->output = output_of(value);
		if (o->command == COMMAND_EXPLAIN && !is_picture(o->output))
			return wrong(p, "--output: '%.64s' ends in none of .svg, .html", value);
		if (!o->output)
			return wrong(p,
				     "--output: '%.64s' ends in none of .svg, .html, .folded, "
				     ".pb.gz, .json",
				     value);
		break;
	case PLAIN_DIFF:
		o->diff_file = value;
		break;
	case PLAIN_SPANS:
		o->spans = true;
		break;
	case PLAIN_JSON:
		o->json = true;
		break;
	case PLAIN_RECORD:
		o->record_file = value;
		break;
	case PLAIN_NO_COLOR:
		o->no_color = true;
		break;
	case PLAIN_DOT:
		o->dot = true;
		break;
	case PLAIN_SVG:
		o->svg_file = value;
		break;
	case PLAIN_FROM:
		o->from_file = value;
		break;
	case PLAIN_REPLAY:
		o->replay_file = value;
		break;
	case PLAIN_SLOWEST:
		o->slowest = true;
		break;
	case PLAIN_TRACE:
		if (value[strspn(value, "0123456789abcdef")] || strlen(value) > 32)
			return wrong(p, "--trace: '%.64s' does not begin a trace ID in hex digits",
				     value);
		o->trace_id = value;
		break;
	case PLAIN_SERVICE:
		o->service = value;
		break;
	case PLAIN_ROUTE:
		o->route = value;
		break;
	case PLAIN_IMPACT:
		o->impact = value;
		break;
	case PLAIN_ATTRIBUTE:
		o->attribute = value;
		break;
	case PLAIN_EXPLAIN:
		o->explain = true;
		break;
	case PLAIN_ALL:
		o->all = true;
		break;
	case PLAIN_HELP:
		o->topic = o->command;
		o->command = COMMAND_HELP;
		break;
	}
	return 0;
}

/* name is as it was written, with its dashes; attached is NULL or the value behind '=' or -x. */
static int apply(struct parser *p, const struct match *match, const char *name,
		 const char *attached)
{
	const char *argument = match->row ? match->row->argument : match->plain->argument;
	const char *value = attached;

	if (!accepts(p->o->command, match))
		return wrong(p, "%s is not an option of 'sonde %s'", name,
			     help_command_name(p->o->command));
	if (!argument && attached && !(match->row && !match->negated))
		return wrong(p, "%s takes no value", name);
	if (argument && !value) {
		if (p->at == p->o->argc)
			return wrong(p, "%s needs a value: %s %s", name, name, argument);
		value = p->o->argv[p->at++];
	}
	if (argument && !*value)
		return wrong(p, "%s: the value is empty", name);
	if (match->plain)
		return set_plain(p, match->plain, value);
	if (!argument && !value)
		value = match->negated ? "false" : "true";
	return config__set(&p->o->config, match->row, SOURCE_FLAG, name, value, p->errors);
}

static int parse_long(struct parser *p, const char *word)
{
	size_t len = strcspn(word, "=");
	char name[64];
	struct match match = find_long(slice_of(word + 2, len - 2));

	snprintf(name, sizeof(name), "%.*s", (int)len, word);
	if (!match.row && !match.plain)
		return unknown_option(p, name + 2);
	return apply(p, &match, name, word[len] ? word + len + 1 : NULL);
}

static int parse_short(struct parser *p, const char *word)
{
	struct match match = find_short(word[1]);
	char name[3] = {'-', word[1]};

	if (!match.row && !match.plain)
		return wrong(p, "unknown option '-%c'", word[1]);
	return apply(p, &match, name, word[2] ? word + 2 : NULL);
}

static bool takes_command(enum command command)
{
	return command == COMMAND_TRACE || command == COMMAND_MAP || command == COMMAND_EXPLAIN ||
	       command == COMMAND_PROFILE;
}

static bool wants_file(enum command command)
{
	return command == COMMAND_CONFIG_CHECK || command == COMMAND_REPLAY ||
	       command == COMMAND_SITES;
}

static int add_function(struct parser *p, const char *word)
{
	struct options *o = p->o;

	if (!o->functions)
		o->functions = calloc((size_t)o->argc, sizeof(*o->functions));
	if (!o->functions)
		return wrong(p, "out of memory");
	o->functions[o->functions_cnt++] = word;
	return 0;
}

static int parse_operand(struct parser *p, const char *word)
{
	struct options *o = p->o;

	if ((wants_file(o->command) || o->diff_file) && !o->file) {
		o->file = word;
		return 0;
	}
	if (o->command == COMMAND_SITES)
		return add_function(p, word);
	if (takes_command(o->command))
		return wrong(p,
			     "unexpected '%.64s': to run a command and watch it write 'sonde %s "
			     "-- %.64s'",
			     word, help_command_name(o->command), word);
	return wrong(p, "unexpected '%.64s'", word);
}

static int parse_word(struct parser *p)
{
	struct options *o = p->o;
	const char *word = o->argv[p->at++];

	if (strcmp(word, "--") == 0) {
		if (!takes_command(o->command))
			return wrong(p, "'--' and a command are for 'sonde trace', 'profile', "
					"'map' and 'explain' only");
		if (p->at == o->argc)
			return wrong(p, "no command after '--'");
		o->child_argv = &o->argv[p->at];
		p->at = o->argc;
		return 0;
	}
	if (word[0] == '-' && word[1] == '-')
		return parse_long(p, word);
	if (word[0] == '-' && word[1])
		return parse_short(p, word);
	return parse_operand(p, word);
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* "help [COMMAND]"; of the first word of two-word commands the overview. */
static int parse_topic(struct parser *p)
{
	struct options *o = p->o;
	int words;

	o->command = COMMAND_HELP;
	if (p->at == o->argc)
		return 0;
	o->topic = help_command_find(o->argc - p->at, o->argv + p->at, &words);
	if (o->topic == COMMAND_NONE && strcmp(o->argv[p->at], "config") != 0)
		return wrong(p, "no help about '%.64s'; 'sonde --help' lists the commands",
			     o->argv[p->at]);
	return 0;
}

static int unknown_command(struct parser *p, const char *word)
{
	const char *best = help_command_nearest(word);

	if (strcmp(word, "config") == 0)
		return wrong(p, "'sonde config' needs to know what: check FILE, or print");
	if (word[0] == '-')
		return wrong(p,
			     "unknown option '%.64s'; options follow the command: sonde trace "
			     "%.64s",
			     word, word);
	if (best)
		return wrong(p, "unknown command '%.64s', did you mean '%s'?", word, best);
	return wrong(p, "unknown command '%.64s'", word);
}

static int parse_command(struct parser *p)
{
	struct options *o = p->o;
	const char *word = o->argc > 1 ? o->argv[1] : "help";
	int words = 1;

	p->at = o->argc < 2 ? o->argc : 2;
	if (is_help(word) || strcmp(word, "help") == 0)
		return parse_topic(p);
	if (strcmp(word, "config") == 0 && o->argc > 2 && is_help(o->argv[2])) {
		o->command = COMMAND_HELP;
		return 0;
	}
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
		o->command = COMMAND_VERSION;
	else
		o->command = help_command_find(o->argc - 1, o->argv + 1, &words);
	p->at = 1 + words;
	return o->command == COMMAND_NONE ? unknown_command(p, word) : 0;
}

/* What must be there when all words are read. */
static int check_complete(struct parser *p)
{
	const struct options *o = p->o;

	if (!o->file && wants_file(o->command))
		return wrong(p, "'sonde %s' needs a FILE", help_command_name(o->command));
	if (o->all && o->functions_cnt)
		return wrong(p, "--all and names of functions exclude each other");
	if (o->slowest + !!o->trace_id + !!o->impact > 1)
		return wrong(p, "--slowest, --trace and --impact exclude each other");
	if (o->dot && (o->json || o->slowest || o->trace_id || o->impact))
		return wrong(p, "--dot is another form of the graph: without --json, --slowest, "
				"--trace and --impact");
	if (o->from_file && (o->child_argv || o->record_file || o->duration_ns))
		return wrong(p, "--from reads spans: without a command, --record and --duration");
	if (o->replay_file && (o->child_argv || o->record_file || o->duration_ns || o->from_file))
		return wrong(p,
			     "--replay reads a recording: without a command, --from, --record and "
			     "--duration");
	if (o->diff_file && !is_picture(o->output))
		return wrong(p, "--diff draws a picture: -o FILE.svg or .html");
	if (o->diff_file && o->file && (o->child_argv || o->duration_ns || o->json))
		return wrong(p, "--diff of two files takes no profile: without a command, "
				"--duration and --json");
	if (o->command == COMMAND_EXPLAIN && o->output_file && (o->from_file || o->replay_file))
		return wrong(p, "--output draws samples, and --from and --replay have none");
	return 0;
}

static int parse_words(struct parser *p)
{
	int err = parse_command(p);

	while (!err && p->at < p->o->argc && p->o->command != COMMAND_HELP)
		err = parse_word(p);
	return err ?: check_complete(p);
}

static int load_config(struct options *o, struct config_errors *errors)
{
	bool for_agent = o->command == COMMAND_AGENT || o->command == COMMAND_CONFIG_PRINT;
	int err = config__load_env(&o->config, errors);

	if (!o->config_file && for_agent && access(CONFIG_FILE_DEFAULT, F_OK) == 0)
		o->config_file = CONFIG_FILE_DEFAULT;
	if (o->config_file && config__load_file(&o->config, o->config_file, errors) < 0)
		err = -EINVAL;
	return err ?: config__check(&o->config, errors);
}

int options__parse(struct options *o, int argc, char **argv, struct config_errors *errors)
{
	struct parser parser = {.o = o, .errors = errors};
	int err;

	*o = (struct options){.argc = argc, .argv = argv};
	if (config__init(&o->config) < 0)
		return wrong(&parser, "out of memory");
	err = parse_words(&parser);
	if (!o->frequency_hz)
		o->frequency_hz = o->off_cpu ? FREQUENCY_OFF_CPU : FREQUENCY_DEFAULT;
	if (!err && CONFIGURED & 1u << o->command)
		err = load_config(o, errors);
	return err;
}

void options__free(struct options *o)
{
	config__free(&o->config);
	free(o->functions);
}

bool options__colour(const struct options *o)
{
	return isatty(STDOUT_FILENO) && !o->no_color && !getenv("NO_COLOR");
}
