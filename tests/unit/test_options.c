// SPDX-License-Identifier: Apache-2.0
/* The command line: what must parse, what must not and why, and what help and config print. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <unistd.h>

#include "user/cli/cmd_config.h"
#include "user/cli/help.h"
#include "user/cli/options.h"

#define CNT(array) (sizeof(array) / sizeof((array)[0]))
#define ARGS_MAX 20

static struct config_errors errors;

/* argv of a line split at single spaces; "''" is an empty word. */
struct line {
	char text[512];
	char *argv[ARGS_MAX + 1];
	int argc;
};

static void split(struct line *line, const char *text)
{
	char *rest = line->text, *word;

	snprintf(line->text, sizeof(line->text), "%s", text);
	line->argc = 0;
	while ((word = strsep(&rest, " "))) {
		assert_true(line->argc < ARGS_MAX);
		if (strcmp(word, "''") == 0)
			*word = '\0';
		line->argv[line->argc++] = word;
	}
	line->argv[line->argc] = NULL;
}

static int parse(struct options *o, struct line *line, const char *text)
{
	split(line, text);
	errors = (struct config_errors){0};
	return options__parse(o, line->argc, line->argv, &errors);
}

static void test_right(void **state)
{
	static const struct {
		const char *line;
		enum command command, topic;
		uint64_t duration_ns;
		bool json, no_color;
		const char *file, *record, *child;
	} cases[] = {
		{.line = "sonde", .command = COMMAND_HELP},
		{.line = "sonde --help", .command = COMMAND_HELP},
		{.line = "sonde -h", .command = COMMAND_HELP},
		{.line = "sonde help", .command = COMMAND_HELP},
		{.line = "sonde help config", .command = COMMAND_HELP},
		{.line = "sonde config --help", .command = COMMAND_HELP},
		{.line = "sonde help trace", .command = COMMAND_HELP, .topic = COMMAND_TRACE},
		{.line = "sonde help config print",
		 .command = COMMAND_HELP,
		 .topic = COMMAND_CONFIG_PRINT},
		{.line = "sonde trace --help", .command = COMMAND_HELP, .topic = COMMAND_TRACE},
		{.line = "sonde config check -h",
		 .command = COMMAND_HELP,
		 .topic = COMMAND_CONFIG_CHECK},
		{.line = "sonde --version", .command = COMMAND_VERSION},
		{.line = "sonde -V", .command = COMMAND_VERSION},
		{.line = "sonde version", .command = COMMAND_VERSION},
		{.line = "sonde trace", .command = COMMAND_TRACE},
		{.line = "sonde trace --duration 1.5",
		 .command = COMMAND_TRACE,
		 .duration_ns = 1500000000},
		{.line = "sonde trace --duration=500ms --json --no-color",
		 .command = COMMAND_TRACE,
		 .duration_ns = 500000000,
		 .json = true,
		 .no_color = true},
		{.line = "sonde trace --record r.ring",
		 .command = COMMAND_TRACE,
		 .record = "r.ring"},
		{.line = "sonde trace --json -- curl --json -p 1",
		 .command = COMMAND_TRACE,
		 .json = true,
		 .child = "curl"},
		{.line = "sonde map --json --duration 2 -- curl x",
		 .command = COMMAND_MAP,
		 .duration_ns = 2000000000,
		 .json = true,
		 .child = "curl"},
		{.line = "sonde map --from f --slowest --svg m.svg", .command = COMMAND_MAP},
		{.line = "sonde map --trace 00ff --json", .command = COMMAND_MAP, .json = true},
		{.line = "sonde explain --route /a --slowest --json --duration 2 -- curl x",
		 .command = COMMAND_EXPLAIN,
		 .duration_ns = 2000000000,
		 .json = true,
		 .child = "curl"},
		{.line = "sonde explain --replay f --trace 00ff", .command = COMMAND_EXPLAIN},
		{.line = "sonde profile --service a --route /a --trace 00",
		 .command = COMMAND_PROFILE},
		{.line = "sonde agent", .command = COMMAND_AGENT},
		{.line = "sonde config check f", .command = COMMAND_CONFIG_CHECK, .file = "f"},
		{.line = "sonde config print", .command = COMMAND_CONFIG_PRINT},
		{.line = "sonde config doc", .command = COMMAND_CONFIG_DOC},
		{.line = "sonde doctor", .command = COMMAND_DOCTOR},
		{.line = "sonde doctor --json", .command = COMMAND_DOCTOR, .json = true},
		{.line = "sonde replay f --json",
		 .command = COMMAND_REPLAY,
		 .file = "f",
		 .json = true},
		{.line = "sonde sites f", .command = COMMAND_SITES, .file = "f"},
		{.line = "sonde replay --json -",
		 .command = COMMAND_REPLAY,
		 .file = "-",
		 .json = true},
	};
	struct options o;
	struct line line;

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		assert_int_equal(parse(&o, &line, cases[i].line), 0);
		assert_int_equal(errors.cnt, 0);
		assert_int_equal(o.command, cases[i].command);
		assert_int_equal(o.topic, cases[i].topic);
		assert_int_equal(o.duration_ns, cases[i].duration_ns);
		assert_int_equal(o.json, cases[i].json);
		assert_int_equal(o.no_color, cases[i].no_color);
		assert_string_equal(o.file ?: "", cases[i].file ?: "");
		assert_string_equal(o.record_file ?: "", cases[i].record ?: "");
		assert_string_equal(o.child_argv ? o.child_argv[0] : "", cases[i].child ?: "");
		options__free(&o);
	}
}

static void test_settings(void **state)
{
	struct options o;
	struct line line;

	(void)state;
	assert_int_equal(parse(&o, &line,
			       "sonde trace -p 1 -p2 --pid=3 --pid 4,5 -n nginx --name=redis "
			       "--port 80 --exe /bin/a --cgroup b --container c"),
			 0);
	assert_int_equal(o.config.targets.pids.cnt, 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(o.config.targets.pids.v[i], i + 1);
	assert_int_equal(o.config.targets.names.cnt, 2);
	assert_string_equal(o.config.targets.names.v[1], "redis");
	assert_int_equal(o.config.targets.ports.v[0], 80);
	assert_string_equal(o.config.targets.executables.v[0], "/bin/a");
	assert_string_equal(o.config.targets.cgroups.v[0], "b");
	assert_string_equal(o.config.targets.containers.v[0], "c");
	assert_true(o.config.targets.descendants);
	options__free(&o);

	assert_int_equal(parse(&o, &line,
			       "sonde trace --otlp-file a --export http://h:4318 --log-level debug "
			       "--no-descendants --discard -- x y"),
			 0);
	assert_string_equal(o.config.export.file, "a");
	assert_string_equal(o.config.export.endpoint, "http://h:4318");
	assert_int_equal(o.config.log.level, LOG_DEBUG);
	assert_false(o.config.targets.descendants);
	assert_true(o.config.export.discard);
	assert_string_equal(o.child_argv[1], "y");
	assert_null(o.child_argv[2]);
	options__free(&o);

	assert_int_equal(parse(&o, &line, "sonde trace --descendants=false --descendants"), 0);
	assert_true(o.config.targets.descendants);
	options__free(&o);
	assert_int_equal(parse(&o, &line, "sonde replay f --otlp-file g --export=https://h"), 0);
	assert_string_equal(o.config.export.file, "g");
	options__free(&o);
	assert_int_equal(parse(&o, &line, "sonde config print --port 80"), 0);
	assert_int_equal(o.config.targets.ports.v[0], 80);
	options__free(&o);
}

static void test_sites(void **state)
{
	struct options o;
	struct line line;

	(void)state;
	assert_int_equal(parse(&o, &line, "sonde sites f read --json write"), 0);
	assert_string_equal(o.file, "f");
	assert_int_equal(o.functions_cnt, 2);
	assert_string_equal(o.functions[0], "read");
	assert_string_equal(o.functions[1], "write");
	assert_true(o.json && !o.all);
	options__free(&o);
	assert_int_equal(parse(&o, &line, "sonde sites --all f"), 0);
	assert_true(o.all);
	assert_int_equal(o.functions_cnt, 0);
	options__free(&o);
}

static void test_profile(void **state)
{
	static const struct {
		const char *line;
		uint32_t frequency_hz;
		enum profile_output output;
		bool spans;
	} cases[] = {
		{"sonde profile", 99, PROFILE_OUTPUT_NONE, false},
		{"sonde profile --freq 1", 1, PROFILE_OUTPUT_NONE, false},
		{"sonde profile --freq=10000 --spans", 10000, PROFILE_OUTPUT_NONE, true},
		{"sonde profile -o a.svg", 99, PROFILE_OUTPUT_SVG, false},
		{"sonde profile -o/x/a.b.folded -p 1", 99, PROFILE_OUTPUT_FOLDED, false},
		{"sonde profile -o a.json", 99, PROFILE_OUTPUT_FIREFOX, false},
		{"sonde profile -o a.svg --diff b.folded", 99, PROFILE_OUTPUT_SVG, false},
		{"sonde profile -o a.html", 99, PROFILE_OUTPUT_HTML, false},
		{"sonde profile --output a.pb.gz -- ls", 99, PROFILE_OUTPUT_PPROF, false},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct options o;
		struct line line;

		if (parse(&o, &line, cases[i].line))
			fail_msg("%s: %s", cases[i].line, errors.text[0]);
		assert_int_equal(o.command, COMMAND_PROFILE);
		assert_int_equal(o.frequency_hz, cases[i].frequency_hz);
		assert_int_equal(o.output, cases[i].output);
		assert_int_equal(o.output_file != NULL, o.output != PROFILE_OUTPUT_NONE);
		assert_int_equal(o.spans, cases[i].spans);
		options__free(&o);
	}
}

static void test_wrong(void **state)
{
	static const struct {
		const char *line, *error;
	} cases[] = {
		{"sonde trcae", "unknown command 'trcae', did you mean 'trace'?"},
		{"sonde xyzzy", "unknown command 'xyzzy'"},
		{"sonde ''", "unknown command ''"},
		{"sonde --json", "unknown option '--json'; options follow the command: sonde trace "
				 "--json"},
		{"sonde config", "'sonde config' needs to know what: check FILE, or print"},
		{"sonde config chek f", "'sonde config' needs to know what: check FILE, or print"},
		{"sonde map --slowest --impact db",
		 "--slowest, --trace and --impact exclude each other"},
		{"sonde map --dot --json",
		 "--dot is another form of the graph: without --json, --slowest, --trace and "
		 "--impact"},
		{"sonde map --from f -- curl",
		 "--from reads spans: without a command, --record and --duration"},
		{"sonde map --trace 00FF",
		 "--trace: '00FF' does not begin a trace ID in hex digits"},
		{"sonde trace --dot", "--dot is not an option of 'sonde trace'"},
		{"sonde help xyzzy", "no help about 'xyzzy'; 'sonde --help' lists the commands"},
		{"sonde trace --prot 80", "unknown option '--prot', did you mean '--port'?"},
		{"sonde trace --prot=80", "unknown option '--prot', did you mean '--port'?"},
		{"sonde trace --xyzzy", "unknown option '--xyzzy'"},
		{"sonde trace --discrd", "unknown option '--discrd'"},
		{"sonde trace -x", "unknown option '-x'"},
		{"sonde trace --no-port", "unknown option '--no-port'"},
		{"sonde replay f --record g", "--record is not an option of 'sonde replay'"},
		{"sonde agent -p 1", "-p is not an option of 'sonde agent'"},
		{"sonde version --json", "--json is not an option of 'sonde version'"},
		{"sonde trace --port", "--port needs a value: --port N"},
		{"sonde trace -p", "-p needs a value: -p PID"},
		{"sonde trace --port=", "--port: the value is empty"},
		{"sonde trace -n ''", "-n: the value is empty"},
		{"sonde trace --port -- curl", "--port: '--' is not a number"},
		{"sonde trace --port 99999", "--port: 99999 is out of range (1 to 65535)"},
		{"sonde trace -p1x", "-p: '1x' is not a number"},
		{"sonde trace --export h", "--export: 'h': expected a URL that begins with http:// "
					   "or https://"},
		{"sonde trace --log-level loud", "--log-level: 'loud' is not one of error, warn, "
						 "info, debug"},
		{"sonde trace --json=yes", "--json takes no value"},
		{"sonde trace --no-descendants=yes", "--no-descendants takes no value"},
		{"sonde trace --descendants=maybe", "--descendants: 'maybe' is not true or false"},
		{"sonde trace --duration soon", "--duration: 'soon' is not a time such as 30, 1.5 "
						"or 5m"},
		{"sonde trace --duration 0", "--duration: '0' is not a time such as 30, 1.5 or 5m"},
		{"sonde trace --duration -1", "--duration: '-1' is not a time such as 30, 1.5 or "
					      "5m"},
		{"sonde trace curl",
		 "unexpected 'curl': to run a command and watch it write 'sonde "
		 "trace -- curl'"},
		{"sonde trace --", "no command after '--'"},
		{"sonde replay f -- curl",
		 "'--' and a command are for 'sonde trace', 'profile', 'map' and 'explain' only"},
		{"sonde profile curl", "unexpected 'curl': to run a command and watch it write "
				       "'sonde profile -- curl'"},
		{"sonde profile --port 80", "--port is not an option of 'sonde profile'"},
		{"sonde profile -o x.png",
		 "--output: 'x.png' ends in none of .svg, .html, .folded, .pb.gz, .json"},
		{"sonde profile -o .svg",
		 "--output: '.svg' ends in none of .svg, .html, .folded, .pb.gz, .json"},
		{"sonde explain -o x.json", "--output: 'x.json' ends in none of .svg, .html"},
		{"sonde explain -o x.svg --replay f",
		 "--output draws samples, and --from and --replay have none"},
		{"sonde explain -o x.svg --from f",
		 "--output draws samples, and --from and --replay have none"},
		{"sonde profile --freq 0", "--freq: '0' is not a number from 1 to 10000"},
		{"sonde profile --freq 10001", "--freq: '10001' is not a number from 1 to 10000"},
		{"sonde profile --freq x", "--freq: 'x' is not a number from 1 to 10000"},
		{"sonde trace --route /a", "--route is not an option of 'sonde trace'"},
		{"sonde explain --replay f --from g",
		 "--replay reads a recording: without a command, --from, --record and --duration"},
		{"sonde profile --trace xyz",
		 "--trace: 'xyz' does not begin a trace ID in hex digits"},
		{"sonde trace --freq 9", "--freq is not an option of 'sonde trace'"},
		{"sonde replay", "'sonde replay' needs a FILE"},
		{"sonde replay a b", "unexpected 'b'"},
		{"sonde sites", "'sonde sites' needs a FILE"},
		{"sonde sites --all f g", "--all and names of functions exclude each other"},
		{"sonde replay --all f", "--all is not an option of 'sonde replay'"},
		{"sonde config check", "'sonde config check' needs a FILE"},
		{"sonde version now", "unexpected 'now'"},
		{"sonde agent -c /nonexistent/f",
		 "/nonexistent/f: cannot be read: No such file or directory"},
	};
	struct options o;
	struct line line;

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		assert_int_equal(parse(&o, &line, cases[i].line), -EINVAL);
		assert_string_equal(errors.text[0], cases[i].error);
		assert_int_equal(errors.cnt, 1);
		options__free(&o);
	}
}

/* A file in /tmp with that text; its path goes to path. */
static void make_file(char path[32], const char *text)
{
	int fd;

	snprintf(path, 32, "/tmp/sonde-options-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Flags win over the environment, that over the file; and a reload parses it all again. */
static void test_sources(void **state)
{
	char path[32], text[128];
	struct options o, again;
	struct line line;

	(void)state;
	make_file(path, "log: {level: error}\nhttp: {max_routes: 5}\nflow: {max_exchanges: 99}\n");
	setenv("SONDE_LOG_LEVEL", "warn", 1);
	setenv("SONDE_HTTP_MAX_ROUTES", "6", 1);
	snprintf(text, sizeof(text), "sonde agent --log-level debug --config=%s", path);
	assert_int_equal(parse(&o, &line, text), 0);
	assert_string_equal(o.config_file, path);
	assert_int_equal(o.config.log.level, LOG_DEBUG);
	assert_int_equal(o.config.http.max_routes, 6);
	assert_int_equal(o.config.flow.max_exchanges, 99);
	assert_int_equal(options__parse(&again, o.argc, o.argv, &errors), 0);
	assert_int_equal(again.config.flow.max_exchanges, 99);
	options__free(&again);
	unlink(path);
	assert_int_equal(options__parse(&again, o.argc, o.argv, &errors), -EINVAL);
	options__free(&again);
	options__free(&o);

	setenv("SONDE_EXPORT_BATCH_SIZE", "8193", 1);
	setenv("SONDE_EXPORT_QUEUE_SIZE", "8192", 1);
	assert_int_equal(parse(&o, &line, "sonde trace"), -EINVAL);
	assert_string_equal(errors.text[0], "export.batch_size (8193) is greater than "
					    "export.queue_size (8192)");
	options__free(&o);
	clearenv();
}

/* Memory streams for a command's output. */
struct output {
	FILE *out, *err;
	char *out_text, *err_text;
	size_t out_len, err_len;
	int code;
};

static void run_config(struct output *run, const char *text)
{
	struct options o;
	struct line line;

	*run = (struct output){0};
	run->out = open_memstream(&run->out_text, &run->out_len);
	run->err = open_memstream(&run->err_text, &run->err_len);
	assert_true(run->out && run->err);
	assert_int_equal(parse(&o, &line, text), 0);
	run->code = cmd_config(&o, run->out, run->err);
	options__free(&o);
	assert_int_equal(fclose(run->out) | fclose(run->err), 0);
}

static void output_free(struct output *run)
{
	free(run->out_text);
	free(run->err_text);
}

static void test_config_check(void **state)
{
	char path[32], text[128], expected[256];
	struct output run;

	(void)state;
	run_config(&run, "sonde config check deploy/sonde.yaml");
	assert_int_equal(run.code, 0);
	assert_string_equal(run.out_text, "deploy/sonde.yaml: ok\n");
	assert_string_equal(run.err_text, "");
	output_free(&run);

	make_file(path, "log: {level: loud}\nexport: {client_key: a}\nlgo: 1\n");
	snprintf(text, sizeof(text), "sonde config check %s", path);
	run_config(&run, text);
	snprintf(expected, sizeof(expected),
		 "%s:1:14: log.level: 'loud' is not one of error, warn, info, debug\n"
		 "%s:3:1: unknown setting 'lgo', did you mean 'log'?\n",
		 path, path);
	assert_int_equal(run.code, 1);
	assert_string_equal(run.err_text, expected);
	assert_string_equal(run.out_text, "");
	output_free(&run);
	unlink(path);
}

static void test_config_doc(void **state)
{
	struct output run;

	(void)state;
	run_config(&run, "sonde config doc");
	assert_int_equal(run.code, 0);
	assert_non_null(strstr(run.out_text,
			       "| `ports` | Trace connections whose local or remote port is this | "
			       "list of numbers, 1 to 65535 | none | `SONDE_TARGETS_PORTS` | "
			       "`--port` | reload |\n"));
	assert_non_null(strstr(run.out_text, "| size or `auto`, 64KiB to 512MiB | `auto` | "
					     "`SONDE_CAPTURE_RING_SIZE` |  | restart |\n"));
	assert_non_null(strstr(run.out_text, "`-p`, `--pid`"));
	assert_non_null(strstr(run.out_text, "`SONDE_HTTP_QUERY_KEEP` |  | reload |\n"));
	assert_int_equal(strncmp(run.out_text, "# Configuration\n", 16), 0);
	for (size_t i = 0; i < settings_cnt; i++) {
		char env[SETTING_ENV_MAX + 2], name[SETTING_ENV_MAX];

		snprintf(env, sizeof(env), "`%s`", setting_env(&settings[i], name));
		assert_int_equal(!strstr(run.out_text, env), settings[i].hidden);
	}
	output_free(&run);
}

static void test_config_print(void **state)
{
	struct output run;

	(void)state;
	run_config(&run, "sonde config print -c /dev/null --port 80");
	assert_int_equal(run.code, 0);
	assert_non_null(strstr(run.out_text, "\n  ports: [80]                           # flag\n"));
	output_free(&run);
}

static char *help_text(enum command topic)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	help_print(topic, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* Lines fit a terminal of 100 columns; every option that a command takes is told. */
static void test_help(void **state)
{
	(void)state;
	for (int topic = COMMAND_NONE; topic <= COMMAND_HELP; topic++) {
		char *text = help_text((enum command)topic), flag[64];

		for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
			assert_in_range(strcspn(line, "\n"), 0, 100);
		if (topic != COMMAND_NONE)
			assert_non_null(strstr(text, help_command_name((enum command)topic)));
		for (size_t i = 0; i < settings_cnt; i++) {
			bool told = !settings[i].hidden && settings[i].commands & 1u << topic;

			if (!settings[i].flag)
				continue;
			snprintf(flag, sizeof(flag), "%s%s ",
				 settings[i].type == SETTING_BOOL ? "--[no-]" : "--",
				 settings[i].flag);
			if (topic == COMMAND_TRACE || topic == COMMAND_REPLAY)
				assert_int_equal(strstr(strstr(text, "\nOptions:"), flag) != NULL,
						 told);
		}
		free(text);
	}
}

static void test_help_trace(void **state)
{
	char *text = help_text(COMMAND_TRACE);

	(void)state;
	assert_non_null(strstr(text, "Usage: sonde trace [OPTIONS] [-- COMMAND ARGS...]\n"));
	assert_non_null(strstr(
		text, "\n  -p, --pid PID             Watch these processes; may be repeated\n"));
	assert_non_null(strstr(text, "\nExamples:\n  sonde trace -p"));
	assert_null(strstr(text, "discard"));
	free(text);
	text = help_text(COMMAND_NONE);
	assert_non_null(strstr(text, "\n  config check  "));
	assert_null(strstr(text, "config doc"));
	assert_non_null(strstr(text, "\nExamples:\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),	     cmocka_unit_test(test_settings),
		cmocka_unit_test(test_profile),	     cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_sites),	     cmocka_unit_test(test_sources),
		cmocka_unit_test(test_config_check), cmocka_unit_test(test_config_doc),
		cmocka_unit_test(test_config_print), cmocka_unit_test(test_help),
		cmocka_unit_test(test_help_trace),
	};

	clearenv();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
