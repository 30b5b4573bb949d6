// SPDX-License-Identifier: Apache-2.0
/* Configuration: every way to write it, every way to get it wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/control/config.h"
#include "user/control/nearest.h"

#define CNT(array) (sizeof(array) / sizeof((array)[0]))

static struct config_errors errors;

/* Loads text, from an allocation of its exact size, as "f.yaml". */
static int load_bytes(struct config *c, const char *text, size_t len)
{
	char *exact = malloc(len ?: 1);
	int err;

	assert_non_null(exact);
	memcpy(exact, text, len);
	errors = (struct config_errors){0};
	assert_int_equal(config__init(c), 0);
	err = config__load_text(c, "f.yaml", slice_of(exact, len), &errors);
	free(exact);
	return err;
}

static int load(struct config *c, const char *text)
{
	return load_bytes(c, text, strlen(text));
}

static const struct {
	const char *text;
	const char *errors[3];
} wrong_yaml[] = {
	{"http:\n  rotes: []\n",
	 {"f.yaml:2:3: unknown setting 'http.rotes', did you mean 'http.routes'?"}},
	{"htp:\n  routes: []\n", {"f.yaml:1:1: unknown setting 'htp', did you mean 'http'?"}},
	{"ring_size: 8MiB\n",
	 {"f.yaml:1:1: unknown setting 'ring_size', did you mean 'capture.ring_size'?"}},
	{"flow:\n  ring_size: 8MiB\n",
	 {"f.yaml:2:3: unknown setting 'flow.ring_size', did you mean "
	  "'capture.ring_size'?"}},
	{"qwertyuiop: {a: [1, {b: 2}]}\nlog: {level: loud}\n",
	 {"f.yaml:1:1: unknown setting 'qwertyuiop'",
	  "f.yaml:2:14: log.level: 'loud' is not one of error, warn, info, debug"}},
	{"capture:\n  ring_size: 8MB\n",
	 {"f.yaml:2:14: capture.ring_size: '8MB' is not a size such as 512KiB or 8MiB"}},
	{"capture:\n  ring_size: 32KiB\n",
	 {"f.yaml:2:14: capture.ring_size: 32KiB is out of range (64KiB to 512MiB)"}},
	{"capture:\n  ring_size: 99999999999999999999\n",
	 {"f.yaml:2:14: capture.ring_size: 99999999999999999999 is out of range (64KiB to "
	  "512MiB)"}},
	{"capture:\n  ring_size: 20000000000GiB\n",
	 {"f.yaml:2:14: capture.ring_size: 20000000000GiB is out of range (64KiB to "
	  "512MiB)"}},
	{"capture:\n  ring_size: 3MiB\n",
	 {"f.yaml:2:14: capture.ring_size: 3MiB is not a power of two"}},
	{"capture:\n  drain_interval: 20\n",
	 {"f.yaml:2:19: capture.drain_interval: '20' is not a duration such as 20ms, 1.5s "
	  "or 10m"}},
	{"capture:\n  drain_interval: 1.s\n",
	 {"f.yaml:2:19: capture.drain_interval: '1.s' is not a duration such as 20ms, 1.5s "
	  "or 10m"}},
	{"capture:\n  drain_interval: 2s\n",
	 {"f.yaml:2:19: capture.drain_interval: 2s is out of range (1ms to 1s)"}},
	{"sampling:\n  probability: 10%\n",
	 {"f.yaml:2:16: sampling.probability: '10%' is not a share such as 0.05 or 1"}},
	{"sampling:\n  probability: 1.1\n",
	 {"f.yaml:2:16: sampling.probability: 1.1 is out of range (0 to 1)"}},
	{"capture:\n  max_connections: -1\n",
	 {"f.yaml:2:20: capture.max_connections: '-1' is not a number"}},
	{"capture:\n  max_connections: ''\n",
	 {"f.yaml:2:20: capture.max_connections: '' is not a number"}},
	{"capture:\n  max_connections: [1]\n",
	 {"f.yaml:2:20: capture.max_connections: expected a number, found a list"}},
	{"targets:\n  ports: 80\n",
	 {"f.yaml:2:10: targets.ports: expected a list of numbers, found text"}},
	{"targets:\n  ports: {a: 1}\n",
	 {"f.yaml:2:10: targets.ports: expected a list of numbers, found a mapping"}},
	{"targets:\n  ports: [80, 0, 65536, x]\n",
	 {"f.yaml:2:15: targets.ports: 0 is out of range (1 to 65535)",
	  "f.yaml:2:18: targets.ports: 65536 is out of range (1 to 65535)",
	  "f.yaml:2:25: targets.ports: 'x' is not a number"}},
	{"targets:\n  names: [a, [b], {c: d}]\n",
	 {"f.yaml:2:14: targets.names: a list holds no further lists or maps",
	  "f.yaml:2:19: targets.names: a list holds no further lists or maps"}},
	{"targets:\n  names: [a, '']\n", {"f.yaml:2:14: targets.names: an item is empty"}},
	{"targets:\n  descendants: maybe\n",
	 {"f.yaml:2:16: targets.descendants: 'maybe' is not true or false"}},
	{"http:\n  routes: [users]\n",
	 {"f.yaml:2:12: http.routes: 'users': a route begins with '/', for example "
	  "/users/{id}"}},
	{"http:\n  routes: ['/a/{b', '/a/x{b}', '/{a}b']\n",
	 {"f.yaml:2:12: http.routes: '/a/{b': a parameter is a whole segment with a name, "
	  "for example /users/{id}",
	  "f.yaml:2:21: http.routes: '/a/x{b}': a parameter is a whole segment with a name, "
	  "for example /users/{id}",
	  "f.yaml:2:32: http.routes: '/{a}b': a parameter is a whole segment with a name, "
	  "for example /users/{id}"}},
	{"http:\n  routes: ['/a/**/b', '/a*']\n",
	 {"f.yaml:2:12: http.routes: '/a/**/b': \"**\" must be the last segment",
	  "f.yaml:2:23: http.routes: '/a*': '*' must be a whole segment"}},
	{"http:\n  capture_request_headers: [\"a b\"]\n",
	 {"f.yaml:2:29: http.capture_request_headers: 'a b': expected the name of a header, for "
	  "example x-request-id"}},
	{"redaction: {patterns: [cards]}\n",
	 {"f.yaml:1:24: redaction.patterns: 'cards': expected card, jwt, bearer, basic or email"}},
	{"redaction: {rules: {}}\n",
	 {"f.yaml:1:20: redaction.rules: expected a list of mappings, found a mapping"}},
	{"redaction: {rules: [a, [b]]}\n",
	 {"f.yaml:1:21: redaction.rules: expected a mapping, found text",
	  "f.yaml:1:24: redaction.rules: expected a mapping, found a list"}},
	{"redaction:\n  rules:\n  - {atribute: a}\n  - {}\n  - {qwerty: {}}\n",
	 {"f.yaml:3:6: redaction.rules: unknown 'atribute', did you mean 'attribute'?",
	  "f.yaml:4:5: redaction.rules: 'attribute' is missing",
	  "f.yaml:5:6: redaction.rules: unknown 'qwerty'"}},
	{"redaction: {rules: [{attribute: a, attribute: b}, {attribute: [a]}]}\n",
	 {"f.yaml:1:36: redaction.rules: 'attribute' is set twice",
	  "f.yaml:1:52: redaction.rules: attribute: expected text, found a list"}},
	{"redaction: {rules: [{attribute: a, pattern: 'x(', action: hide}]}\n",
	 {"f.yaml:1:36: redaction.rules: pattern: 'x(': missing closing parenthesis, at character "
	  "3",
	  "f.yaml:1:51: redaction.rules: action: 'hide' is not one of delete, mask, hash"}},
	{"redaction: {rules: [{attribute: a, action: hash, replacement: b}]}\n",
	 {"f.yaml:1:21: redaction.rules: 'replacement' goes with 'action: mask'"}},
	{"redaction: {rules: [{attribute: \"a\\0\"}]}\n",
	 {"f.yaml:1:22: redaction.rules: attribute: contains a NUL"}},
	{"export:\n  endpoint: localhost:4318\n",
	 {"f.yaml:2:13: export.endpoint: 'localhost:4318': expected a URL that begins with "
	  "http:// or https://"}},
	{"export:\n  endpoint: http:///v1\n",
	 {"f.yaml:2:13: export.endpoint: 'http:///v1': the URL has no host"}},
	{"export:\n  headers: [a]\n",
	 {"f.yaml:2:12: export.headers: expected a mapping of names to texts, found a list"}},
	{"export:\n  headers: {a: [b]}\n",
	 {"f.yaml:2:13: export.headers: expected text, found a list"}},
	{"export:\n  headers: {a: b, a: c}\n", {"f.yaml:2:19: export.headers: 'a' is set twice"}},
	{"export:\n  headers: {a: \"b\\r\\nc: d\"}\n",
	 {"f.yaml:2:13: export.headers: contains a control character or is not UTF-8"}},
	{"control:\n  listen: 9464\n",
	 {"f.yaml:2:11: control.listen: '9464': expected ADDRESS:PORT, for example "
	  "127.0.0.1:9464 or [::1]:9464"}},
	{"control:\n  listen: \"a\\0b\"\n", {"f.yaml:2:11: control.listen: contains a NUL"}},
	{"log:\n  level: info\n  level: warn\n", {"f.yaml:3:3: log.level is set twice"}},
	{"log: {level: info}\nhttp:\nlog: {level: warn}\n",
	 {"f.yaml:3:1: section 'log' appears twice"}},
	{"log: {level: info}\nlog.level: warn\n", {"f.yaml:2:1: log.level is set twice"}},
	{"log: info\n", {"f.yaml:1:6: 'log' is a section: expected settings in it, found text"}},
	{"log: [level]\n",
	 {"f.yaml:1:6: 'log' is a section: expected settings in it, found a list"}},
	{"- log\n", {"f.yaml:1:1: expected sections with settings, found a list"}},
	{"hello\n", {"f.yaml:1:1: expected sections with settings, found text"}},
	{"? [a]\n: b\nlog: {level: no}\n",
	 {"f.yaml:1:3: expected the name of a setting",
	  "f.yaml:3:14: log.level: 'no' is not one of error, warn, info, debug"}},
	{"log:\n\tlevel: info\n", {"f.yaml:2:1: a tab cannot indent: use spaces"}},
	{"log:\n  \tlevel: info\n", {"f.yaml:2:3: a tab cannot indent: use spaces"}},
	{"log: {level: info\n", {"f.yaml:2:1: not valid YAML: did not find expected ',' or '}'"}},
	{"log: \"info\n", {"f.yaml:2:1: not valid YAML: found unexpected end of stream"}},
	{"log:\n  level: info\n bad: x\n",
	 {"f.yaml:3:2: not valid YAML: did not find expected key"}},
	{"log:\n  level: i\x01\n",
	 {"f.yaml:2:11: not valid YAML: control characters are not allowed"}},
	{"log:\n  level: \xff\n", {"f.yaml:2:10: not valid YAML: invalid leading UTF-8 octet"}},
	{"http: &x {routes: []}\n", {"f.yaml:1:7: anchors (&name) are not allowed"}},
	{"http: *x\n", {"f.yaml:1:7: aliases (*name) are not allowed"}},
	{"http: {routes: !!seq []}\n", {"f.yaml:1:16: tags (!name) are not allowed"}},
	{"log: {level: info}\n---\nlog: {level: warn}\n",
	 {"f.yaml:2:1: a second document begins here: only one is allowed"}},
	{"a: [[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]\n",
	 {"f.yaml:1:1: unknown setting 'a'", "f.yaml:1:19: nested too deep"}},
};

static void test_wrong_yaml(void **state)
{
	struct config c;

	(void)state;
	for (size_t i = 0; i < CNT(wrong_yaml); i++) {
		size_t cnt = 0;

		assert_int_equal(load(&c, wrong_yaml[i].text), -EINVAL);
		while (cnt < CNT(wrong_yaml[i].errors) && wrong_yaml[i].errors[cnt]) {
			assert_string_equal(errors.text[cnt], wrong_yaml[i].errors[cnt]);
			cnt++;
		}
		assert_int_equal(errors.cnt, cnt);
		assert_int_equal(errors.more_cnt, 0);
		config__free(&c);
	}
}

static const char everything[] = "%YAML 1.1\n"
				 "---\n"
				 "targets:\n"
				 "  pids: [1, 4194304]\n"
				 "  names:\n"
				 "  - nginx\n"
				 "  - \"with, comma\"\n"
				 "  executables: [/bin/\xc3\xa9t\xc3\xa9]\n"
				 "  ports: [65535]\n"
				 "  cgroups: [a]\n"
				 "  containers: [b]\n"
				 "  descendants: no\n"
				 "tls:\n"
				 "  enabled: no\n"
				 "  deny: [/opt/*]\n"
				 "  deny_names: [vault]\n"
				 "propagation:\n"
				 "  mode: header\n"
				 "  deny: [/opt/vault]\n"
				 "  deny_names: [vault]\n"
				 "  deny_cgroups: [vault.slice]\n"
				 "  context_map: /sys/fs/bpf/otel/traces_ctx_v1\n"
				 "capture:\n"
				 "  ring_size: 65536\n"
				 "  drain_interval: 1.5ms\n"
				 "  variant: tp_btf\n"
				 "  short_walk: true\n"
				 "  time_account: false\n"
				 "  max_connections: '17'\n"
				 "  copy_first: 1KiB\n"
				 "  copy_turn: 0.5MiB\n"
				 "flow:\n"
				 "  max_exchanges: 16\n"
				 "  exchange_timeout: 0.5m\n"
				 "  idle_timeout: 1s\n"
				 "http:\n"
				 "  routes: [/, '/a/{b}/c']\n"
				 "  max_routes: 1\n"
				 "  query_values: drop\n"
				 "  query_keep: [page]\n"
				 "  capture_request_headers: [X-Request-Id, referer]\n"
				 "  capture_response_headers: [server]\n"
				 "redaction:\n"
				 "  enabled: false\n"
				 "  patterns: []\n"
				 "  rules:\n"
				 "  - attribute: http.*\n"
				 "    pattern: 'a\\d \"b'\n"
				 "    action: hash\n"
				 "  - {attribute: x, replacement: '[\\x]', pattern: ~}\n"
				 "  - {attribute: y, action: delete}\n"
				 "  hash_key: correct horse\n"
				 "resource:\n"
				 "  attributes: {env: 'a \"quoted\" \\', empty: ''}\n"
				 "  node_name: node-7\n"
				 "metrics:\n"
				 "  enabled: false\n"
				 "  interval: 5s\n"
				 "  max_series: 7\n"
				 "sampling:\n"
				 "  probability: 0.25\n"
				 "  slow: 100ms\n"
				 "  wait: 1m\n"
				 "  max_waiting: 1MiB\n"
				 "sdk:\n"
				 "  leave_out: all\n"
				 "profiles:\n"
				 "  enabled: true\n"
				 "  frequency: 97\n"
				 "  off_cpu_frequency: 11\n"
				 "  interval: 2s\n"
				 "  lines: true\n"
				 "  debuginfod: http://d1 http://d2/\n"
				 "  context_map: /sys/fs/bpf/otel/traces_ctx_v1\n"
				 "triggers:\n"
				 "  enabled: true\n"
				 "  margin: 0.2\n"
				 "  floor: 2ms\n"
				 "  warm_up: 2s\n"
				 "  frequency: 499\n"
				 "  duration: 3s\n"
				 "  cool_down: 4s\n"
				 "  at_once: 3\n"
				 "  time_share: 0.5\n"
				 "  max_traces: 6\n"
				 "export:\n"
				 "  endpoint: https://[::1]:4318/base\n"
				 "  headers:\n"
				 "    authorization: Bearer secret\n"
				 "  timeout: 100ms\n"
				 "  compression: none\n"
				 "  certificate: a\n"
				 "  client_certificate: b\n"
				 "  client_key: c\n"
				 "  file: d\n"
				 "  discard: true\n"
				 "  queue_size: 1024\n"
				 "  batch_size: 512\n"
				 "  batch_delay: 10ms\n"
				 "control:\n"
				 "  listen: ''\n"
				 "log:\n"
				 "  level: debug\n";

static void test_every_setting(void **state)
{
	const struct config_rule *rules;
	struct config c;

	(void)state;
	assert_int_equal(load(&c, everything), 0);
	assert_int_equal(config__check(&c, &errors), 0);
	for (size_t i = 0; i < settings_cnt; i++)
		assert_int_equal(c.source[i], SOURCE_FILE);
	assert_int_equal(c.targets.pids.cnt, 2);
	assert_int_equal(c.targets.pids.v[1], 4194304);
	assert_int_equal(c.targets.names.cnt, 2);
	assert_string_equal(c.targets.names.v[1], "with, comma");
	assert_string_equal(c.targets.executables.v[0], "/bin/\xc3\xa9t\xc3\xa9");
	assert_int_equal(c.targets.ports.v[0], 65535);
	assert_string_equal(c.targets.cgroups.v[0], "a");
	assert_string_equal(c.targets.containers.v[0], "b");
	assert_false(c.targets.descendants);
	assert_int_equal(c.capture.ring_sz, 65536);
	assert_int_equal(c.capture.drain_interval_ns, 1500000);
	assert_int_equal(c.capture.variant, CONFIG_VARIANT_TP_BTF);
	assert_false(c.capture.time_account);
	assert_int_equal(c.capture.max_connections, 17);
	assert_int_equal(c.capture.copy_first_sz, 1024);
	assert_int_equal(c.capture.copy_turn_sz, 524288);
	assert_int_equal(c.flow.max_exchanges, 16);
	assert_int_equal(c.flow.exchange_timeout_ns, 30000000000);
	assert_int_equal(c.flow.idle_timeout_ns, 1000000000);
	assert_string_equal(c.http.routes.v[1], "/a/{b}/c");
	assert_int_equal(c.http.max_routes, 1);
	assert_int_equal(c.http.query_values, CONFIG_QUERY_DROP);
	assert_string_equal(c.http.query_keep.v[0], "page");
	assert_string_equal(c.http.capture_request_headers.v[0], "X-Request-Id");
	assert_string_equal(c.http.capture_response_headers.v[0], "server");
	assert_false(c.redaction.enabled);
	assert_int_equal(c.redaction.patterns.cnt, 0);
	rules = c.redaction.rules.v;
	assert_int_equal(c.redaction.rules.cnt, 3);
	assert_string_equal(rules[0].attribute, "http.*");
	assert_string_equal(rules[0].pattern, "a\\d \"b");
	assert_int_equal(rules[0].action, CONFIG_ACTION_HASH);
	assert_int_equal(rules[1].action, CONFIG_ACTION_MASK);
	assert_string_equal(rules[1].replacement, "[\\x]");
	assert_null(rules[1].pattern);
	assert_int_equal(rules[2].action, CONFIG_ACTION_DELETE);
	assert_string_equal(c.redaction.hash_key, "correct horse");
	assert_int_equal(c.resource.attributes.cnt, 2);
	assert_string_equal(c.resource.attributes.v[1].key, "empty");
	assert_string_equal(c.resource.attributes.v[1].value, "");
	assert_string_equal(c.resource.node_name, "node-7");
	assert_false(c.metrics.enabled);
	assert_int_equal(c.metrics.interval_ns, 5000000000);
	assert_int_equal(c.metrics.max_series, 7);
	assert_true(c.profiles.enabled);
	assert_int_equal(c.profiles.frequency_hz, 97);
	assert_int_equal(c.profiles.interval_ns, 2000000000);
	assert_true(c.profiles.lines);
	assert_true(c.triggers.enabled);
	assert_int_equal(c.triggers.margin, 200000);
	assert_int_equal(c.triggers.floor_ns, 2000000);
	assert_int_equal(c.triggers.warm_up_ns, 2000000000);
	assert_int_equal(c.triggers.frequency_hz, 499);
	assert_int_equal(c.triggers.duration_ns, 3000000000);
	assert_int_equal(c.triggers.cool_down_ns, 4000000000);
	assert_int_equal(c.triggers.at_once, 3);
	assert_int_equal(c.triggers.time_share, 500000);
	assert_int_equal(c.triggers.max_traces, 6);
	assert_int_equal(c.sampling.probability, 250000);
	assert_int_equal(c.sampling.slow_ns, 100000000);
	assert_int_equal(c.sampling.wait_ns, 60000000000);
	assert_int_equal(c.sampling.max_waiting_sz, 1048576);
	assert_int_equal(c.sdk.leave_out, CONFIG_LEAVE_OUT_ALL);
	assert_string_equal(c.export.endpoint, "https://[::1]:4318/base");
	assert_string_equal(c.export.headers.v[0].value, "Bearer secret");
	assert_int_equal(c.export.timeout_ns, 100000000);
	assert_int_equal(c.export.compression, CONFIG_COMPRESSION_NONE);
	assert_string_equal(c.export.client_key, "c");
	assert_true(c.export.discard);
	assert_int_equal(c.export.queue_cnt, 1024);
	assert_int_equal(c.export.batch_cnt, 512);
	assert_int_equal(c.export.batch_delay_ns, 10000000);
	assert_null(c.control.listen);
	assert_int_equal(c.log.level, LOG_DEBUG);
	config__free(&c);
}

/* Cut anywhere, a file is accepted or refused with a reason, and nothing leaks. */
static void test_every_prefix(void **state)
{
	struct config c;

	(void)state;
	for (size_t n = 0; n < strlen(everything); n++) {
		int err = load_bytes(&c, everything, n);

		assert_int_equal(err, errors.cnt ? -EINVAL : 0);
		config__free(&c);
	}
}

static void test_defaults(void **state)
{
	static const char *const empty[] = {
		"",
		"\n",
		"# nothing\n",
		"---\n",
		"~\n",
		"log:\n",
		"log: {level: ~}\ncapture:\n",
		"{}",
		"targets:\n  names:\nexport:\n  endpoint: null\n",
	};
	struct config c;

	(void)state;
	for (size_t i = 0; i < CNT(empty); i++) {
		assert_int_equal(load(&c, empty[i]), 0);
		for (size_t j = 0; j < settings_cnt; j++)
			assert_int_equal(c.source[j], SOURCE_DEFAULT);
		assert_int_equal(config__check(&c, &errors), 0);
		assert_int_equal(c.capture.ring_sz, 0);
		assert_int_equal(c.capture.drain_interval_ns, 20000000);
		assert_int_equal(c.flow.exchange_timeout_ns, 60000000000);
		assert_int_equal(c.http.query_values, CONFIG_QUERY_REDACT);
		assert_int_equal(c.log.level, LOG_INFO);
		assert_true(c.targets.descendants);
		assert_int_equal(c.targets.names.cnt, 0);
		assert_null(c.export.endpoint);
		assert_string_equal(c.control.listen, "127.0.0.1:9464");
		config__free(&c);
	}
}

/* What the table promises of itself. */
static void test_table(void **state)
{
	char text[SETTING_NUM_MAX];

	(void)state;
	for (size_t i = 0; i < settings_cnt; i++) {
		const struct setting *row = &settings[i];

		assert_ptr_equal(setting_find(row->path), row);
		assert_int_equal(!row->choices, row->type != SETTING_CHOICE);
		assert_int_equal(!row->flag, !row->commands);
		if (row->flag)
			assert_int_equal(!row->argument, row->type == SETTING_BOOL);
		if (row->type == SETTING_INT || row->type == SETTING_SIZE ||
		    row->type == SETTING_DURATION)
			assert_true(row->max > row->min);
		if (row->zero)
			assert_string_equal(setting_num_text(row, 0, text), row->zero);
		else if (row->type == SETTING_SIZE) /* defaults are written as they are printed */
			assert_string_equal(setting_num_text(row,
							     strtoull(row->fallback, NULL, 10) *
								     (strstr(row->fallback, "MiB")
									      ? 1048576
									      : 1024),
							     text),
					    row->fallback);
	}
	assert_null(setting_find("http"));
	assert_null(setting_find(""));
}

static void test_num_text(void **state)
{
	static const struct {
		const char *path;
		uint64_t num;
		const char *text;
	} cases[] = {
		{"capture.ring_size", 1048576, "1MiB"},	  {"capture.ring_size", 1536, "1536"},
		{"capture.ring_size", 3 * 1024, "3KiB"},  {"capture.ring_size", 0, "auto"},
		{"export.timeout", 90000000000, "90s"},	  {"export.timeout", 120000000000, "2m"},
		{"export.timeout", 1500000000, "1500ms"}, {"export.timeout", 1500001, "1.500001ms"},
		{"export.timeout", 1050000, "1.05ms"},	  {"sampling.probability", 1000000, "1"},
		{"sampling.probability", 1, "0.000001"},  {"sampling.probability", 50000, "0.05"},
		{"sampling.probability", 0, "0"},	  {"http.max_routes", 1048576, "1048576"},
	};
	char text[SETTING_NUM_MAX];

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++)
		assert_string_equal(setting_num_text(setting_find(cases[i].path), cases[i].num,
						     text),
				    cases[i].text);
}

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		bool bare;
		int err;
		uint64_t ns;
	} cases[] = {
		{"1", true, 0, 1000000000},
		{"0.25", true, 0, 250000000},
		{"1.5s", false, 0, 1500000000},
		{"20ms", false, 0, 20000000},
		{"0.000001ms", false, 0, 1},
		{"10m", true, 0, 600000000000},
		{"1", false, -EINVAL, 0},
		{"", true, -EINVAL, 0},
		{".5", true, -EINVAL, 0},
		{"1.", true, -EINVAL, 0},
		{"1.0000001s", false, -EINVAL, 0},
		{"1 s", false, -EINVAL, 0},
		{"-1", true, -EINVAL, 0},
		{"1h", true, -EINVAL, 0},
		{"18446744073709551616ms", false, -ERANGE, 0},
		{"18446744073m", false, -ERANGE, 0},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		uint64_t ns = 0;

		assert_int_equal(duration_parse(cases[i].text, cases[i].bare, &ns), cases[i].err);
		assert_int_equal(cases[i].err ? 0 : ns, cases[i].ns);
	}
}

static void set(struct config *c, const char *path, enum config_source source, const char *text)
{
	assert_int_equal(config__set(c, setting_find(path), source, "x", text, &errors), 0);
}

static void test_precedence(void **state)
{
	struct config c;

	(void)state;
	setenv("SONDE_LOG_LEVEL", "warn", 1);
	setenv("SONDE_TARGETS_PORTS", " 80, 443 ,", 1);
	setenv("SONDE_HTTP_MAX_ROUTES", "7", 1);
	setenv("SONDE_CONTROL_LISTEN", "", 1);
	setenv("SONDE_REDACTION_RULES", "[{attribute: a}, {attribute: b, action: delete}]", 1);
	setenv("OTEL_RESOURCE_ATTRIBUTES", "a=1,b = x%2Cy%20z", 1);
	errors = (struct config_errors){0};
	assert_int_equal(config__init(&c), 0);
	/* in any order */
	set(&c, "log.level", SOURCE_FLAG, "debug");
	set(&c, "targets.names", SOURCE_FLAG, "a");
	assert_int_equal(config__load_env(&c, &errors), 0);
	set(&c, "targets.names", SOURCE_FLAG, "b,c");
	assert_int_equal(config__load_text(&c, "f",
					   SLICE("http: {max_routes: 9, query_values: keep}\n"
						 "redaction: {rules: [{attribute: c}]}\n"
						 "targets: {names: [z], ports: [1], pids: [5]}"),
					   &errors),
			 0);
	assert_int_equal(c.redaction.rules.cnt, 2);
	assert_string_equal(((struct config_rule *)c.redaction.rules.v)[1].attribute, "b");
	assert_int_equal(c.log.level, LOG_DEBUG);
	assert_int_equal(c.targets.names.cnt, 3);
	assert_string_equal(c.targets.names.v[2], "c");
	assert_int_equal(c.targets.ports.cnt, 2);
	assert_int_equal(c.targets.ports.v[1], 443);
	assert_int_equal(c.targets.pids.v[0], 5);
	assert_int_equal(c.http.max_routes, 7);
	assert_int_equal(c.http.query_values, CONFIG_QUERY_KEEP);
	assert_null(c.control.listen);
	assert_string_equal(c.resource.attributes.v[1].key, "b");
	assert_string_equal(c.resource.attributes.v[1].value, "x,y z");
	assert_int_equal(c.source[setting_find("http.max_routes") - settings], SOURCE_ENV);
	config__free(&c);

	setenv("SONDE_RESOURCE_ATTRIBUTES", "own=1", 1);
	assert_int_equal(config__init(&c), 0);
	assert_int_equal(config__load_env(&c, &errors), 0);
	assert_int_equal(c.resource.attributes.cnt, 1);
	assert_string_equal(c.resource.attributes.v[0].key, "own");
	config__free(&c);
	clearenv();
}

static void test_wrong_env(void **state)
{
	static const struct {
		const char *name, *text, *error;
	} cases[] = {
		{"SONDE_REDACTION_RULES", "a",
		 "SONDE_REDACTION_RULES:1:1: redaction.rules: expected a list of mappings, found "
		 "text"},
		{"SONDE_REDACTION_RULES", "[{attribute: a,\n pattern: '['}]",
		 "SONDE_REDACTION_RULES:2:2: redaction.rules: pattern: '[': missing terminating ] "
		 "for character class, at character 2"},
		{"SONDE_REDACTION_RULES", "[]\n--- []",
		 "SONDE_REDACTION_RULES:2:1: a second document begins here: only one is allowed"},
		{"SONDE_CAPTURE_RING_SIZE", "",
		 "SONDE_CAPTURE_RING_SIZE: '' is not a size such as 512KiB or 8MiB"},
		{"SONDE_TARGETS_PIDS", "1,two", "SONDE_TARGETS_PIDS: 'two' is not a number"},
		{"SONDE_TARGETS_NAMES", "\x1b[2J",
		 "SONDE_TARGETS_NAMES: contains a control character or is not UTF-8"},
		{"SONDE_EXPORT_FILE", "\xc0\xaf",
		 "SONDE_EXPORT_FILE: contains a control character or is not UTF-8"},
		{"SONDE_EXPORT_FILE", "\xed\xa0\x80",
		 "SONDE_EXPORT_FILE: contains a control character or is not UTF-8"},
		{"SONDE_LOG_LEVEL", "\x1b[2J",
		 "SONDE_LOG_LEVEL: '?[2J' is not one of error, warn, info, debug"},
		{"OTEL_RESOURCE_ATTRIBUTES", "a",
		 "OTEL_RESOURCE_ATTRIBUTES: expected NAME=VALUE,NAME=VALUE..."},
		{"OTEL_RESOURCE_ATTRIBUTES", "a=%4",
		 "OTEL_RESOURCE_ATTRIBUTES: a value has a '%' that two hexadecimal digits do not "
		 "follow"},
		{"OTEL_RESOURCE_ATTRIBUTES", "a=%00",
		 "OTEL_RESOURCE_ATTRIBUTES: a value has a '%' that two hexadecimal digits do not "
		 "follow"},
		{"OTEL_RESOURCE_ATTRIBUTES", "=a", "OTEL_RESOURCE_ATTRIBUTES: a name is empty"},
		{"SONDE_EXPORT_HEADERS", "a=%0d%0ab: c",
		 "SONDE_EXPORT_HEADERS: contains a control character or is not UTF-8"},
	};
	struct config c;

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		setenv(cases[i].name, cases[i].text, 1);
		errors = (struct config_errors){0};
		assert_int_equal(config__init(&c), 0);
		assert_int_equal(config__load_env(&c, &errors), -EINVAL);
		assert_int_equal(errors.cnt, 1);
		assert_string_equal(errors.text[0], cases[i].error);
		config__free(&c);
		clearenv();
	}
}

static void test_check(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"export: {client_key: a}", "export.client_certificate and export.client_key need "
					    "each other: set both or none"},
		{"export: {queue_size: 512, batch_size: 513}",
		 "export.batch_size (513) is greater than export.queue_size (512)"},
		{"http: {capture_request_headers: [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q]}",
		 "http.capture_request_headers has more than 16 names"},
		{"triggers: {enabled: yes}", "triggers.enabled needs profiles.enabled"},
		{"profiles: {enabled: yes, frequency: 99}\ntriggers: {enabled: yes}",
		 "triggers.frequency (99) is not greater than profiles.frequency (99)"},
		{"capture: {copy_turn: 4KiB}", "capture.copy_first (8192 bytes) is greater than "
					       "capture.copy_turn (4096 bytes)"},
	};
	struct config c;

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		assert_int_equal(load(&c, cases[i].text), 0);
		assert_int_equal(config__check(&c, &errors), -EINVAL);
		assert_int_equal(errors.cnt, 1);
		assert_string_equal(errors.text[0], cases[i].error);
		config__free(&c);
	}
}

static void test_limits(void **state)
{
	size_t sz = CONFIG_FILE_MAX + 1;
	char *text = malloc(sz + 1), expected[600];
	struct config c;
	size_t n;

	(void)state;
	assert_non_null(text);
	memset(text, '#', sz);
	assert_int_equal(load_bytes(&c, text, sz), -EINVAL);
	assert_string_equal(errors.text[0], "f.yaml: larger than 1048576 bytes");
	config__free(&c);
	assert_int_equal(load_bytes(&c, text, sz - 1), 0);
	config__free(&c);

	/* only so many errors are told */
	for (n = 0; n < 4000; n += 8)
		memcpy(text + n, "qqqqq:1\n", 8);
	for (size_t i = 0; i < 500; i++)
		snprintf(text + i * 8, 9, "q%03zu: 1\n", i);
	assert_int_equal(load_bytes(&c, text, 4000), -EINVAL);
	assert_int_equal(errors.cnt, CONFIG_ERRORS_MAX);
	assert_int_equal(errors.more_cnt, 1);
	config__free(&c);

	/* list items */
	n = (size_t)snprintf(text, sz, "targets:\n  ports: [1");
	for (size_t i = 0; i < CONFIG_ITEMS_MAX; i++)
		n += (size_t)snprintf(text + n, sz - n, ", 2");
	n += (size_t)snprintf(text + n, sz - n, "]\n");
	assert_int_equal(load_bytes(&c, text, n), -EINVAL);
	snprintf(expected, sizeof(expected), "f.yaml:2:%d: targets.ports: more than %d items",
		 11 + 3 * CONFIG_ITEMS_MAX, CONFIG_ITEMS_MAX);
	assert_string_equal(errors.text[0], expected);
	config__free(&c);

	/* text */
	n = (size_t)snprintf(text, sz, "export:\n  file: ");
	memset(text + n, 'a', CONFIG_TEXT_MAX + 1);
	assert_int_equal(load_bytes(&c, text, n + CONFIG_TEXT_MAX), 0);
	assert_int_equal(strlen(c.export.file), CONFIG_TEXT_MAX);
	config__free(&c);
	assert_int_equal(load_bytes(&c, text, n + CONFIG_TEXT_MAX + 1), -EINVAL);
	assert_string_equal(errors.text[0], "f.yaml:2:9: export.file: longer than 4096 bytes");
	config__free(&c);
	free(text);
}

static void test_file(void **state)
{
	char dir[] = "/tmp/sonde-config-XXXXXX", path[64], expected[160];
	struct config c;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/f", dir);
	assert_int_equal(config__init(&c), 0);
	errors = (struct config_errors){0};
	assert_int_equal(config__load_file(&c, path, &errors), -EINVAL);
	snprintf(expected, sizeof(expected), "%s: cannot be read: No such file or directory", path);
	assert_string_equal(errors.text[0], expected);
	assert_int_equal(config__load_file(&c, dir, &errors), -EINVAL);
	snprintf(expected, sizeof(expected), "%s: cannot be read: Is a directory", dir);
	assert_string_equal(errors.text[1], expected);
	assert_int_equal(config__load_file(&c, "/dev/zero", &errors), -EINVAL);
	assert_string_equal(errors.text[2], "/dev/zero: larger than 1048576 bytes");
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "log: {level: warn}\n", 19), 19);
	close(fd);
	assert_int_equal(config__load_file(&c, path, &errors), 0);
	assert_int_equal(c.log.level, LOG_WARN);
	config__free(&c);
	unlink(path);
	rmdir(dir);
}

/* The caller frees. */
static char *print(const struct config *c)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	config__print(c, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_print(void **state)
{
	struct config c, again;
	struct config_changes changes;
	char *text;

	(void)state;
	assert_int_equal(load(&c, everything), 0);
	set(&c, "log.level", SOURCE_FLAG, "warn");
	set(&c, "http.max_routes", SOURCE_ENV, "3");
	text = print(&c);
	assert_non_null(strstr(text, "\n  level: warn                           # flag\n"));
	assert_non_null(strstr(text, "\n  max_routes: 3                         # env\n"));
	assert_non_null(strstr(text, "\n  ring_size: 64KiB                      # file\n"));
	assert_non_null(strstr(text, "\n  names: [\"nginx\", \"with, comma\"]       # file\n"));
	assert_non_null(strstr(text, "headers: {\"authorization\": \"***\"}"));
	assert_null(strstr(text, "secret"));
	assert_null(strstr(text, "correct horse"));
	assert_non_null(strstr(text, "rules: [{attribute: \"http.*\", pattern: \"a\\\\d \\\"b\", "
				     "action: hash}, {attribute: \"x\", action: mask, "
				     "replacement: \"[\\\\x]\"}, {attribute: \"y\", "
				     "action: delete}]"));
	/* it loads again, and says the same but for the secret */
	assert_int_equal(load(&again, text), 0);
	free(text);
	config__reload(&again, &c, &changes);
	assert_int_equal(changes.applied_cnt, 0);
	assert_int_equal(changes.restart_cnt, 2);
	assert_string_equal(changes.restart[0]->path, "redaction.hash_key");
	assert_string_equal(changes.restart[1]->path, "export.headers");
	config__free(&again);
	config__free(&c);

	assert_int_equal(config__init(&c), 0);
	text = print(&c);
	assert_non_null(strstr(text, "\n  pids: []                              # default\n"));
	assert_null(strstr(text, "discard"));
	free(text);
	config__free(&c);
}

/* Those, and only those, that run_agent.c's reload and pipeline__reconfigure take over. */
static void test_reloadable(void **state)
{
	static const char *const paths[] = {
		"targets.pids",
		"targets.names",
		"targets.executables",
		"targets.ports",
		"targets.cgroups",
		"targets.containers",
		"targets.descendants",
		"http.query_values",
		"http.query_keep",
		"redaction.enabled",
		"redaction.patterns",
		"redaction.rules",
		"sampling.probability",
		"sampling.slow",
		"log.level",
		"tls.enabled",
		"tls.deny",
		"tls.deny_names",
		"propagation.mode",
		"propagation.deny",
		"propagation.deny_names",
		"propagation.deny_cgroups",
	};
	size_t cnt = 0;

	(void)state;
	for (size_t i = 0; i < settings_cnt; i++)
		cnt += settings[i].reloadable;
	assert_int_equal(cnt, sizeof(paths) / sizeof(paths[0]));
	for (size_t i = 0; i < cnt; i++)
		assert_true(setting_find(paths[i])->reloadable);
}

static void test_reload(void **state)
{
	struct config running, fresh;
	struct config_changes changes;

	(void)state;
	assert_int_equal(load(&running, "http: {query_keep: [a]}\nlog: {level: debug}\n"
					"redaction: {rules: [{attribute: a}]}"),
			 0);
	assert_int_equal(load(&fresh, "http: {query_keep: [b, c], routes: [/]}\n"
				      "redaction: {rules: [{attribute: a, action: hash}]}\n"
				      "capture: {ring_size: 1MiB}\n"),
			 0);
	config__reload(&running, &fresh, &changes);
	assert_int_equal(changes.applied_cnt, 3);
	assert_string_equal(changes.applied[0]->path, "http.query_keep");
	assert_string_equal(changes.applied[1]->path, "redaction.rules");
	assert_string_equal(changes.applied[2]->path, "log.level");
	assert_int_equal(changes.restart_cnt, 2);
	assert_string_equal(changes.restart[0]->path, "capture.ring_size");
	assert_string_equal(changes.restart[1]->path, "http.routes");
	assert_int_equal(running.http.query_keep.cnt, 2);
	assert_string_equal(running.http.query_keep.v[0], "b");
	assert_int_equal(running.log.level, LOG_INFO);
	assert_int_equal(running.source[setting_find("log.level") - settings], SOURCE_DEFAULT);
	assert_int_equal(running.capture.ring_sz, 0);
	assert_int_equal(running.http.routes.cnt, 0);
	assert_string_equal(fresh.http.query_keep.v[0], "a");
	config__free(&running);
	config__free(&fresh);
}

/* The example as it is, and with every setting in it switched on. */
static void test_example(void **state)
{
	FILE *in = fopen("deploy/sonde.yaml", "re");
	char text[16384], *out = text;
	struct config c;
	size_t len;

	(void)state;
	if (!in)
		fail_msg("deploy/sonde.yaml: run this from the top of the repository");
	len = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[len] = '\0';
	assert_int_equal(load_bytes(&c, text, len), 0);
	for (size_t i = 0; i < settings_cnt; i++)
		assert_int_equal(c.source[i], SOURCE_DEFAULT);
	config__free(&c);

	for (const char *p = text; *p; p++) {
		if (*p == '#' && (p == text || p[-1] == '\n') && strncmp(p, "#  ", 3) == 0 &&
		    strncmp(p, "#   ", 4) != 0)
			continue;
		*out++ = *p;
	}
	assert_int_equal(load_bytes(&c, text, (size_t)(out - text)), 0);
	assert_int_equal(config__check(&c, &errors), 0);
	for (size_t i = 0; i < settings_cnt; i++)
		if (!settings[i].hidden)
			assert_int_equal(c.source[i], SOURCE_FILE);
	config__free(&c);
}

static void test_nearest(void **state)
{
	static const struct {
		const char *word, *name;
		bool near;
	} cases[] = {
		{"rotes", "routes", true},   {"prot", "port", true},
		{"trcae", "trace", true},    {"trace", "trace", true},
		{"names", "name", true},     {"abc", "xyz", false},
		{"p", "q", false},	     {"ab", "abc", false},
		{"record", "replay", false}, {"", "", true},
		{"recrd", "record", true},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct nearest nearest = {.word = cases[i].word};

		nearest__try(&nearest, cases[i].name, "it");
		assert_int_equal(nearest.best != NULL, cases[i].near);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	      cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_setting), cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_wrong_yaml),    cmocka_unit_test(test_num_text),
		cmocka_unit_test(test_duration),      cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_wrong_env),     cmocka_unit_test(test_check),
		cmocka_unit_test(test_limits),	      cmocka_unit_test(test_file),
		cmocka_unit_test(test_print),	      cmocka_unit_test(test_reload),
		cmocka_unit_test(test_reloadable),    cmocka_unit_test(test_example),
		cmocka_unit_test(test_nearest),
	};

	clearenv();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
