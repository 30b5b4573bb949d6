// SPDX-License-Identifier: Apache-2.0
/* OpenTelemetry's environment variables: what each sets, which one wins, what is ignored. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/export/otel_env.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define VARS_MAX 3

static const struct var {
	const char *name, *value;
} * current;

static char *get(const char *name)
{
	for (size_t i = 0; i < VARS_MAX && current[i].name; i++)
		if (strcmp(current[i].name, name) == 0)
			return (char *)current[i].value;
	return NULL;
}

/* The options as text, so that a row of the table can say all that must come out. */
static char *describe(const struct exporter_options *o, enum signal signal)
{
	const struct otlp_endpoint *to = &o->endpoints[signal];
	char *text;
	size_t sz;
	FILE *f = open_memstream(&text, &sz);

	fprintf(f, "%s%s gzip=%d timeout=%u", o->disabled ? "disabled " : "",
		to->url ? to->url : "-", to->gzip_level, to->timeout_ms);
	fprintf(f, " delay=%u up=%u queue=%u batch=%u", o->schedule_delay_ms, o->retry_give_up_ms,
		o->queue_max_spans, o->batch_max_spans);
	if (o->metric_interval_ms != 60000)
		fprintf(f, " interval=%u", o->metric_interval_ms);
	fprintf(f, "%s%s%s%s%s%s", to->ca_file ? " ca=" : "", to->ca_file ? to->ca_file : "",
		to->client_cert ? " cert=" : "", to->client_cert ? to->client_cert : "",
		to->client_key ? " key=" : "", to->client_key ? to->client_key : "");
	for (size_t i = 0; i < to->headers_cnt; i++)
		fprintf(f, " [%s]", to->headers[i]);
	fclose(f);
	return text;
}

#define E "OTEL_EXPORTER_OTLP_"
#define T "OTEL_EXPORTER_OTLP_TRACES_"
#define M "OTEL_EXPORTER_OTLP_METRICS_"
#define TAIL " delay=1000 up=300000 queue=16384 batch=8192"
#define NOTHING "- gzip=1 timeout=10000" TAIL

static const struct {
	struct var vars[VARS_MAX];
	const char *want;
} cases[] = {
	{{{0}}, NOTHING},
	{{{E "ENDPOINT", ""}, {T "ENDPOINT", ""}, {E "TIMEOUT", ""}}, NOTHING},
	/* endpoint: a base, or the whole */
	{{{E "ENDPOINT", "http://gw:4318"}}, "http://gw:4318/v1/traces gzip=1 timeout=10000" TAIL},
	{{{E "ENDPOINT", "https://gw/"}}, "https://gw/v1/traces gzip=1 timeout=10000" TAIL},
	{{{E "ENDPOINT", "http://gw/a/b"}}, "http://gw/a/b/v1/traces gzip=1 timeout=10000" TAIL},
	{{{T "ENDPOINT", "http://gw:4318"}}, "http://gw:4318 gzip=1 timeout=10000" TAIL},
	{{{T "ENDPOINT", "http://a/x"}, {E "ENDPOINT", "http://b"}},
	 "http://a/x gzip=1 timeout=10000" TAIL},
	{{{T "ENDPOINT", ""}, {E "ENDPOINT", "http://b"}},
	 "http://b/v1/traces gzip=1 timeout=10000" TAIL},
	{{{T "ENDPOINT", "gw:4317"}, {E "ENDPOINT", "http://b"}},
	 "http://b/v1/traces gzip=1 timeout=10000" TAIL},
	{{{E "ENDPOINT", "localhost:4317"}}, NOTHING},
	{{{E "ENDPOINT", "grpc://gw"}}, NOTHING},
	/* protocol: nothing to choose */
	{{{E "PROTOCOL", "http/protobuf"}}, NOTHING},
	{{{E "PROTOCOL", "grpc"}}, NOTHING},
	/* headers */
	{{{E "HEADERS", "a=b"}}, NOTHING " [a: b]"},
	{{{E "HEADERS", "a=b,c=d=e , f = g ,,"}}, NOTHING " [a: b] [c: d=e] [f: g]"},
	{{{E "HEADERS", "authorization=Basic%20eA%3d%3D"}}, NOTHING " [authorization: Basic eA==]"},
	{{{T "HEADERS", "a=1"}, {E "HEADERS", "b=2"}}, NOTHING " [a: 1]"},
	{{{E "HEADERS", "a="}}, NOTHING " [a: ]"},
	{{{E "HEADERS", "a"}}, NOTHING},
	{{{E "HEADERS", "=b"}}, NOTHING},
	{{{E "HEADERS", "a=b,c"}}, NOTHING},
	{{{E "HEADERS", "a=b%"}}, NOTHING},
	{{{E "HEADERS", "a=b%0"}}, NOTHING},
	{{{E "HEADERS", "a=%zz"}}, NOTHING},
	{{{E "HEADERS", "a=b%0d%0aX-Injected: 1"}}, NOTHING},
	{{{E "HEADERS", "a=b\r\nX-Injected: 1"}}, NOTHING},
	{{{E "HEADERS", "a=%00"}}, NOTHING},
	{{{E "HEADERS", "a:b=c"}}, NOTHING},
	{{{E "HEADERS", "a b=c"}}, NOTHING},
	/* numbers */
	{{{E "TIMEOUT", "5000"}}, "- gzip=1 timeout=5000" TAIL},
	{{{T "TIMEOUT", "7"}, {E "TIMEOUT", "5000"}}, "- gzip=1 timeout=7" TAIL},
	{{{T "TIMEOUT", "x"}, {E "TIMEOUT", "5000"}}, "- gzip=1 timeout=5000" TAIL},
	{{{E "TIMEOUT", "0"}}, "- gzip=1 timeout=0" TAIL},
	{{{E "TIMEOUT", "10s"}}, NOTHING},
	{{{E "TIMEOUT", "-1"}}, NOTHING},
	{{{E "TIMEOUT", "99999999999999999999"}}, NOTHING},
	{{{E "TIMEOUT", "4294967296"}}, NOTHING},
	/* compression */
	{{{E "COMPRESSION", "none"}}, "- gzip=0 timeout=10000" TAIL},
	{{{E "COMPRESSION", "gzip"}}, NOTHING},
	{{{T "COMPRESSION", "gzip"}, {E "COMPRESSION", "none"}}, NOTHING},
	{{{E "COMPRESSION", "zstd"}}, NOTHING},
	/* certificates */
	{{{E "CERTIFICATE", "/ca"}, {T "CLIENT_KEY", "/k"}, {E "CLIENT_CERTIFICATE", "/c"}},
	 NOTHING " ca=/ca cert=/c key=/k"},
	/* general */
	{{{"OTEL_SDK_DISABLED", "TRUE"}}, "disabled " NOTHING},
	{{{"OTEL_SDK_DISABLED", "false"}}, NOTHING},
	{{{"OTEL_SDK_DISABLED", "1"}}, NOTHING},
	{{{"OTEL_BSP_SCHEDULE_DELAY", "50"}, {"OTEL_BSP_EXPORT_TIMEOUT", "30000"}},
	 "- gzip=1 timeout=10000 delay=50 up=30000 queue=16384 batch=8192"},
	{{{"OTEL_BSP_MAX_QUEUE_SIZE", "2048"}, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512"}},
	 "- gzip=1 timeout=10000 delay=1000 up=300000 queue=2048 batch=512"},
	{{{"OTEL_METRIC_EXPORT_INTERVAL", "5000"}}, NOTHING " interval=5000"},
	{{{"OTEL_METRIC_EXPORT_INTERVAL", "999"}}, NOTHING},
	{{{"OTEL_BSP_MAX_QUEUE_SIZE", "100"}},
	 "- gzip=1 timeout=10000 delay=1000 up=300000 queue=100 batch=100"},
	{{{"OTEL_BSP_MAX_QUEUE_SIZE", "0"}, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0"}}, NOTHING},
	{{{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2000000000"}}, NOTHING},
};

/* Each signal has its own; the others take what is general. */
static const struct {
	struct var vars[VARS_MAX];
	enum signal signal;
	const char *want;
} signal_cases[] = {
	{{{E "ENDPOINT", "http://gw/a/"}, {T "ENDPOINT", "http://t"}},
	 SIGNAL_METRICS,
	 "http://gw/a/v1/metrics gzip=1 timeout=10000" TAIL},
	{{{E "ENDPOINT", "http://gw"}},
	 SIGNAL_PROFILES,
	 "http://gw/v1development/profiles gzip=1 timeout=10000" TAIL},
	{{{M "ENDPOINT", "http://m/x"}, {M "HEADERS", "a=b"}, {E "TIMEOUT", "5"}},
	 SIGNAL_METRICS,
	 "http://m/x gzip=1 timeout=5" TAIL " [a: b]"},
	{{{M "ENDPOINT", "http://m/x"}, {M "COMPRESSION", "none"}, {M "CERTIFICATE", "/ca"}},
	 SIGNAL_TRACES,
	 NOTHING},
	{{{"OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT", "http://p"}},
	 SIGNAL_PROFILES,
	 "http://p gzip=1 timeout=10000" TAIL},
};

static void check(const struct var *vars, enum signal signal, const char *want)
{
	struct exporter_options o;
	struct arena arena;
	char *text;

	exporter_options__init(&o);
	arena__init(&arena, 65536);
	current = vars;
	assert_int_equal(otel_env_read(&o, &arena, get), 0);
	text = describe(&o, signal);
	if (strcmp(text, want) != 0)
		fail_msg("%s=%s:\n  got  %s\n  want %s", vars[0].name, vars[0].value, text, want);
	free(text);
	arena__free(&arena);
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(cases); i++)
		check(cases[i].vars, SIGNAL_TRACES, cases[i].want);
	for (size_t i = 0; i < LEN(signal_cases); i++)
		check(signal_cases[i].vars, signal_cases[i].signal, signal_cases[i].want);
}

/* What the environment does not say stays as it was. */
static void test_keeps_the_rest(void **state)
{
	static const struct var none[VARS_MAX];
	struct exporter_options o, before;
	struct arena arena;

	(void)state;
	exporter_options__init(&o);
	arena__init(&arena, 4096);
	o.endpoints[SIGNAL_TRACES].url = "http://from-the-file/";
	o.endpoints[SIGNAL_TRACES].gzip_level = 6;
	o.endpoints[SIGNAL_METRICS].timeout_ms = 77;
	before = o;
	current = none;
	assert_int_equal(otel_env_read(&o, &arena, get), 0);
	assert_memory_equal(&o, &before, sizeof(o));
	arena__free(&arena);
}

static void test_arena_full(void **state)
{
	static const struct var rows[][VARS_MAX] = {
		{{E "ENDPOINT", "http://gw"}},
		{{E "HEADERS", "a=b"}},
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		struct exporter_options o;
		struct arena arena;

		exporter_options__init(&o);
		arena__init(&arena, 8);
		current = rows[i];
		assert_int_equal(otel_env_read(&o, &arena, get), -ENOMEM);
		arena__free(&arena);
	}
}

static void test_too_many_headers(void **state)
{
	char value[65 * 4 + 1] = "";
	struct var vars[VARS_MAX] = {{E "HEADERS", value}};
	struct exporter_options o;
	struct arena arena;

	(void)state;
	for (size_t i = 0; i < 65; i++)
		memcpy(value + 4 * i, "a=b,", 5);
	exporter_options__init(&o);
	arena__init(&arena, 65536);
	current = vars;
	assert_int_equal(otel_env_read(&o, &arena, get), 0);
	assert_int_equal(o.endpoints[SIGNAL_TRACES].headers_cnt, 0);
	value[64 * 4] = '\0';
	assert_int_equal(otel_env_read(&o, &arena, get), 0);
	assert_int_equal(o.endpoints[SIGNAL_TRACES].headers_cnt, 64);
	arena__free(&arena);
}

/* A warning names the variable; the value of the headers, a secret, it does not. */
static void test_warnings(void **state)
{
	struct var vars[VARS_MAX] = {{E "HEADERS", "authorization=hunter2%"},
				     {E "TIMEOUT", "soon"}};
	char text[2048], path[] = "/tmp/sonde-test-XXXXXX";
	int fd = mkstemp(path), saved = dup(STDERR_FILENO);
	struct exporter_options o;
	struct arena arena;
	ssize_t n;

	(void)state;
	assert_true(fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	exporter_options__init(&o);
	arena__init(&arena, 65536);
	current = vars;
	assert_int_equal(otel_env_read(&o, &arena, get), 0);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, E "HEADERS=...: "));
	assert_non_null(strstr(text, E "TIMEOUT=soon: "));
	assert_null(strstr(strstr(text, E "TIMEOUT") + 1, E "TIMEOUT")); /* said once */
	assert_null(strstr(text, "hunter2"));
	close(fd);
	unlink(path);
	arena__free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),	   cmocka_unit_test(test_keeps_the_rest),
		cmocka_unit_test(test_arena_full), cmocka_unit_test(test_too_many_headers),
		cmocka_unit_test(test_warnings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
