// SPDX-License-Identifier: Apache-2.0
/* JSON lines through redaction: what is an attribute, what is copied, what is no JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/policy/redact_json.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))

static struct redactor *redactor;

static int set_up(void **state)
{
	static const struct redact_rule rules[] = {
		{"gone", NULL, REDACT_DELETE, NULL},
		{"hidden", "x", REDACT_MASK, "-"},
		{"number", "2", REDACT_MASK, "-"},
		{"span.name", "secret", REDACT_MASK, NULL},
	};
	static const char *const patterns[] = {"email", "card"};
	struct redact_options options = {
		.patterns = patterns, .patterns_cnt = 2, .rules = rules, .rules_cnt = CNT(rules)};
	char why[REDACT_WHY_SZ];

	(void)state;
	redactor = redactor__new(&options, why);
	return !redactor;
}

static int tear_down(void **state)
{
	(void)state;
	redactor__free(redactor);
	return 0;
}

/* False, or the redacted text in out. */
static bool redact(struct slice in, char *out, size_t out_sz)
{
	char *exact = malloc(in.n ?: 1);
	struct json_writer json;
	struct arena arena;
	bool good;

	assert_non_null(exact);
	if (in.n)
		memcpy(exact, in.p, in.n);
	arena__init(&arena, 1 << 20);
	json_writer__init(&json, 1 << 20);
	good = redact_json(redactor, slice_of(exact, in.n), &json, &arena);
	snprintf(out, out_sz, "%.*s", good ? (int)json.len : 0, json.buf ?: "");
	json_writer__free(&json);
	arena__free(&arena);
	free(exact);
	return good;
}

static const struct {
	const char *in, *out; /* NULL: the same */
} cases[] = {
	{"{}", NULL},
	{" { } ", "{}"},
	{"{\"a\":\"b\"}", NULL},
	{"{ \"a\" : \"jane@example.com\" , \"b\" : [ 1 , 2.50e+1 ] }",
	 "{\"a\":\"REDACTED\",\"b\":[1,2.50e+1]}"},
	{"{\"a\":[\"x\",\"jane@example.com\"],\"b\":[]}", "{\"a\":[\"x\",\"REDACTED\"],\"b\":[]}"},
	{"{\"a\":\"jane\\u0040example.com\"}", "{\"a\":\"REDACTED\"}"},
	{"{\"a\":\"\\ud83d\\ude00 \\ud83d \\u00fc\\/\\\"\\\\\\n\\u0000\"}",
	 "{\"a\":\"\xf0\x9f\x98\x80 \xef\xbf\xbd \xc3\xbc/\\\"\\\\\\n\\u0000\"}"},
	{"{\"url.query\":\"a=1\",\"http.request.header.cookie\":[\"a\",\"b\"]}",
	 "{\"url.query\":\"a=REDACTED\",\"http.request.header.cookie\":[\"REDACTED\",\"REDACTED\"]}"},
	{"{\"process.command_args\":[\"a\",\"--password\",\"b\"]}",
	 "{\"process.command_args\":[\"a\",\"--password\",\"REDACTED\"]}"},
	{"{\"gone\":1,\"a\":2,\"gone\":\"x\"}", "{\"a\":2}"},
	{"{\"gone\":1}", "{}"},
	{"{\"a\":1,\"gone\":[\"x\"],\"b\":2}", "{\"a\":1,\"b\":2}"},
	{"{\"a\":{\"gone\":1,\"hidden\":\"x\"}}", "{\"a\":{\"hidden\":\"-\"}}"},
	{"{\"gone\":[1,\"x\",null]}", "{\"gone\":[null]}"},
	{"{\"number\":123,\"b\":[{\"number\":[2,-2]}]}",
	 "{\"number\":\"1-3\",\"b\":[{\"number\":[\"-\",\"--\"]}]}"},
	{"{\"number\":-9223372036854775807,\"number\":99999999999999999992,\"number\":2.0}",
	 "{\"number\":\"-9--337-036854775807\",\"number\":99999999999999999992,\"number\":2.0}"},
	{"{\"a\":true,\"b\":false,\"c\":null,\"d\":-0,\"e\":0.1E-2}", NULL},
	{"{\"name\":\"secret x\"}", NULL},
	{"{\"traceId\":\"4111111111111111\",\"name\":\"secret jane@example.com\","
	 "\"kind\":\"x\",\"links\":[{\"hidden\":\"x\"}],\"attributes\":{\"hidden\":\"x\","
	 "\"name\":\"secret\"},\"resource\":{\"a\":\"4111111111111111\"}}",
	 "{\"traceId\":\"4111111111111111\",\"name\":\"REDACTED REDACTED\","
	 "\"kind\":\"x\",\"links\":[{\"hidden\":\"x\"}],\"attributes\":{\"hidden\":\"-\","
	 "\"name\":\"secret\"},\"resource\":{\"a\":\"REDACTED\"}}"},
};

static void objects(void **state)
{
	char out[1024];

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		const char *in = cases[i].in, *want = cases[i].out ?: in;

		if (!redact(slice_str(in), out, sizeof(out)) || strcmp(out, want) != 0)
			fail_msg("%s: %s, not %s", in, out, want);
		for (size_t n = 0; n + 1 < strlen(in); n++)
			assert_false(redact(slice_of(in, n), out, sizeof(out)));
	}
}

static void no_objects(void **state)
{
	static const char *const texts[] = {
		"",
		"x",
		"[]",
		"\"a\"",
		"1",
		"{",
		"{]",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{,\"a\":1}",
		"{a:1}",
		"{\"a\":01}",
		"{\"a\":1.}",
		"{\"a\":.5}",
		"{\"a\":1e}",
		"{\"a\":+1}",
		"{\"a\":tru}",
		"{\"a\":truely}",
		"{\"a\":[1,]}",
		"{\"a\":[1}",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\u12\"}",
		"{\"a\":\"\\u12g4\"}",
		"{\"a\":\"\n\"}",
		"{\"a\":\"b}",
		"{\"a\":\"b\\\"}",
		"{} x",
		"{}{}",
		"{\"a\":1 2}",
		"{\"a\":[\"b\" \"c\"]}",
	};
	char deep[300], out[1024];
	size_t n;

	(void)state;
	for (size_t i = 0; i < CNT(texts); i++)
		if (redact(slice_str(texts[i]), out, sizeof(out)))
			fail_msg("%s: %s", texts[i], out);
	assert_false(redact(slice_of("{\"a\":1}\0", 8), out, sizeof(out)));
	for (int depth = REDACT_JSON_DEPTH_MAX - 1; depth <= REDACT_JSON_DEPTH_MAX; depth++) {
		n = (size_t)snprintf(deep, sizeof(deep), "{\"a\":");
		memset(deep + n, '[', (size_t)depth);
		deep[n + (size_t)depth] = '1';
		memset(deep + n + depth + 1, ']', (size_t)depth);
		deep[n + 2 * (size_t)depth + 1] = '}';
		n += 2 * (size_t)depth + 2;
		assert_int_equal(redact(slice_of(deep, n), out, sizeof(out)),
				 depth < REDACT_JSON_DEPTH_MAX);
	}
}

/* Without room it says so. */
static void no_room(void **state)
{
	const struct slice text = SLICE("{\"a\":[\"jane@example.com\",\"b\\n\"]}");
	struct json_writer json;
	struct arena arena;

	(void)state;
	arena__init(&arena, 0);
	json_writer__init(&json, 1 << 10);
	assert_false(redact_json(redactor, text, &json, &arena));
	json_writer__free(&json);
	arena__free(&arena);
	arena__init(&arena, 1 << 16);
	json_writer__init(&json, 10);
	assert_false(redact_json(redactor, text, &json, &arena));
	json_writer__free(&json);
	arena__free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects),
		cmocka_unit_test(no_objects),
		cmocka_unit_test(no_room),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
