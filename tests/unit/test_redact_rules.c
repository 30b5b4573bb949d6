// SPDX-License-Identifier: Apache-2.0
/* Rules, attributes known by their key, headers and command lines; and what they are made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>

#include "user/base/account.h"
#include "user/base/hmac.h"
#include "user/base/pattern.h"
#include "user/policy/redact.h"
#include "user/policy/redact_command.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define TEXT_MAX 4096

static struct redactor *redactor_of(const struct redact_rule *rules, size_t cnt)
{
	static const char *const patterns[] = {"card", "email"};
	struct redact_options options = {
		.patterns = patterns,
		.patterns_cnt = CNT(patterns),
		.rules = rules,
		.rules_cnt = cnt,
		.hash_key = SLICE("Jefe"),
	};
	char why[REDACT_WHY_SZ];
	struct redactor *r = redactor__new(&options, why);

	if (!r)
		fail_msg("%s", why);
	return r;
}

/* What becomes of a string: NULL if it is deleted. */
static const char *redact(struct redactor *r, const char *key, const char *value)
{
	static char out[TEXT_MAX];
	struct attr attr = {.key = slice_str(key), .type = ATTR_STRING};
	struct arena arena;
	bool stays;

	arena__init(&arena, 1 << 20);
	attr.str = slice_str(value);
	stays = redactor__attr(r, &attr, &arena);
	snprintf(out, sizeof(out), "%.*s", (int)attr.str.n, attr.str.p);
	arena__free(&arena);
	return stays ? out : NULL;
}

/* --- rules ------------------------------------------------------------------------------------ */

static const struct {
	struct redact_rule rule;
	const char *key, *value, *out;
} rules[] = {
	{{"a", NULL, REDACT_MASK, NULL}, "a", "x", "REDACTED"},
	{{"a", NULL, REDACT_MASK, NULL}, "b", "x", "x"},
	{{"a", NULL, REDACT_MASK, NULL}, "aa", "x", "x"},
	{{"a", NULL, REDACT_MASK, NULL}, "a", "", ""},
	{{"a", NULL, REDACT_MASK, "***"}, "a", "x", "***"},
	{{"a", "x+", REDACT_MASK, NULL}, "a", "axxbx", "aREDACTEDbREDACTED"},
	{{"a", "x+", REDACT_MASK, "-"}, "a", "axxbx", "a-b-"},
	{{"a", "^x", REDACT_MASK, "-"}, "a", "xx", "-x"},
	{{"a", "x$", REDACT_MASK, "-"}, "a", "x\nx", "x\n-"},
	{{"a", "x.*", REDACT_MASK, "-"}, "a", "ax\nx", "a-"},
	{{"a", "(?<=id=)\\d+", REDACT_MASK, "-"}, "a", "id=12&no=3", "id=-&no=3"},
	{{"a", "id=\\K\\d+", REDACT_MASK, "-"}, "a", "id=12&no=3", "id=-&no=3"},
	{{"a", "z*", REDACT_MASK, "-"}, "a", "axb", "axb"},
	{{"a", "\xc3\xbc.", REDACT_MASK, "-"}, "a", "m\xc3\xbc\xc3\x9fig", "m-ig"},
	{{"a", ".", REDACT_MASK, "-"}, "a", "\xc3\xbc\xff\xc3\x9f", "-\xff-"},
	{{"a", "(?i)x", REDACT_MASK, "-"}, "a", "xX", "--"},
	{{"a", "jane", REDACT_MASK, "-"}, "a", "j%61ne%2520j%2561ne", "-%2520-"},
	{{"a", "%61", REDACT_MASK, "-"}, "a", "j%61ne", "j-ne"},
	{{"a", "a", REDACT_MASK, "jane@example.com"}, "a", "a", "REDACTED"}, /* then the values */
	{{"a*", NULL, REDACT_MASK, NULL}, "a", "x", "REDACTED"},
	{{"a*", NULL, REDACT_MASK, NULL}, "ba", "x", "x"},
	{{"*", NULL, REDACT_MASK, NULL}, "any.thing", "x", "REDACTED"},
	{{"http.*.header.x-*", NULL, REDACT_MASK, NULL},
	 "http.request.header.x-a",
	 "x",
	 "REDACTED"},
	{{"http.*.header.x-*", NULL, REDACT_MASK, NULL}, "http.request.headers.x-a", "x", "x"},
	{{"*a*b*", NULL, REDACT_MASK, NULL}, "xaabab", "x", "REDACTED"},
	{{"*a*bc", NULL, REDACT_MASK, NULL}, "xaabab", "x", "x"},
	{{"a", NULL, REDACT_DELETE, NULL}, "a", "x", NULL},
	{{"a", NULL, REDACT_DELETE, NULL}, "a", "", NULL},
	{{"a", "x", REDACT_DELETE, NULL}, "a", "axb", NULL},
	{{"a", "x", REDACT_DELETE, NULL}, "a", "ab", "ab"},
	{{"a", "x", REDACT_DELETE, NULL}, "a", "", ""},
	{{"a", NULL, REDACT_HASH, NULL}, "a", "what do ya want for nothing?", "5bdcc146bf60754e"},
	{{"a", "want", REDACT_HASH, NULL}, "a", "want want", "a122a43f48d4cf48 a122a43f48d4cf48"},
	{{"a", "w\\w+", REDACT_HASH, NULL}, "a", "w%61nt", "a122a43f48d4cf48"},
	/* by key first */
	{{"url.query", "\\d", REDACT_MASK, "-"}, "url.query", "a=1&b=2", "a=REDACTED&b=REDACTED"},
	{{"x", NULL, REDACT_MASK, NULL}, "http.request.header.cookie", "a=1", "REDACTED"},
	{{"x", NULL, REDACT_MASK, NULL}, "http.response.header.set-cookie", "a=1", "REDACTED"},
	{{"x", NULL, REDACT_MASK, NULL}, "http.request.header.authorization", "x", "REDACTED"},
	{{"x", NULL, REDACT_MASK, NULL},
	 "http.request.header.proxy-authorization",
	 "x",
	 "REDACTED"},
	{{"x", NULL, REDACT_MASK, NULL}, "http.request.header.x-api-key", "x", "REDACTED"},
	{{"x", NULL, REDACT_MASK, NULL}, "http.request.header.x-csrf-token", "x", "REDACTED"},
	{{"x", NULL, REDACT_MASK, NULL}, "http.request.header.accept", "*/*", "*/*"},
	{{"x", NULL, REDACT_MASK, NULL},
	 "http.request.header.referer",
	 "http://h/a?b=c#d",
	 "http://h/a?b=REDACTED"},
	{{"x", NULL, REDACT_MASK, NULL},
	 "http.response.header.location",
	 "https://u:p@h/a;sid=1#t=2",
	 "https://REDACTED:REDACTED@h/a;sid=REDACTED"},
	{{"x", NULL, REDACT_MASK, NULL},
	 "http.response.header.link",
	 "<http://h/a?b=c>; rel=next",
	 "<http://h/a?b=REDACTED"},
	{{"x", NULL, REDACT_MASK, NULL},
	 "http.request.header.x-text",
	 "a#b;token=c",
	 "a#b;token=c"},
	{{"x", NULL, REDACT_MASK, NULL},
	 "http.response.header.location",
	 "/a?b=c",
	 "/a?b=REDACTED"},
	{{"x", NULL, REDACT_MASK, NULL},
	 "http.request.header.x-text",
	 "why? because=",
	 "why? because="},
	{{"x", NULL, REDACT_MASK, NULL},
	 "process.command",
	 "app --token=1",
	 "app --token=REDACTED"},
};

static void each_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < CNT(rules); i++) {
		struct redactor *r = redactor_of(&rules[i].rule, 1);
		const char *out = redact(r, rules[i].key, rules[i].value);

		if (!out != !rules[i].out || (out && strcmp(out, rules[i].out) != 0))
			fail_msg("rule %zu: %s: %s, not %s", i, rules[i].value, out ?: "deleted",
				 rules[i].out ?: "deleted");
		redactor__free(r);
	}
}

struct told {
	char text[512];
};

static void tell(void *ctx, const char *what, uint64_t hits)
{
	struct told *told = ctx;
	size_t n = strlen(told->text);

	snprintf(told->text + n, sizeof(told->text) - n, "%s=%llu\n", what,
		 (unsigned long long)hits);
}

/* Each works on what the one before left; a span's own texts have names; numbers become text. */
static void a_span(void **state)
{
	static const struct redact_rule in_order[] = {
		{"*", "a", REDACT_MASK, "b"},
		{"url.path", "b+", REDACT_MASK, "c"},
		{"client.port", NULL, REDACT_HASH, NULL},
		{"server.port", "4", REDACT_MASK, "-"},
		{"gone", NULL, REDACT_DELETE, NULL},
		{"span.*", "x", REDACT_DELETE, NULL},
	};
	struct redactor *r = redactor_of(in_order, CNT(in_order));
	const struct slice items[] = {SLICE("xa"), SLICE("a"), SLICE("jane@example.com")};
	struct span_batch *batch = span_batch__new();
	struct told told = {.text = ""};
	struct resource *resource;
	struct attrs none = {.cnt = 0};
	struct span *span;

	(void)state;
	assert_non_null(batch);
	resource = resource__new(&none, 1);
	span = span_batch__add(batch, 8, resource);
	resource__release(resource);
	span->name = SLICE("GET /x");
	span->trace_state = SLICE("a=1");
	attrs_add_str(&span->attrs, SLICE("url.path"), SLICE("/aab"));
	attrs_add_int(&span->attrs, SLICE("client.port"), 4711);
	attrs_add_int(&span->attrs, SLICE("server.port"), 8080);
	attrs_add_str(&span->attrs, SLICE("gone"), SLICE("1"));
	attrs_add_int(&span->attrs, SLICE("gone"), 1);
	attrs_add_strs(&span->attrs, SLICE("gone"), items, 2);
	attrs_add_strs(&span->attrs, SLICE("list"), items, 3);
	attrs_add_int(&span->attrs, SLICE("number"), INT64_MIN);
	redactor__span(r, span, &batch->arena);
	assert_true(slice_eq(span->name, SLICE("REDACTED")));
	assert_true(slice_eq(span->trace_state, SLICE("b=1")));
	assert_int_equal(span->attrs.cnt, 5);
	assert_true(slice_eq(span->attrs.v[0].str, SLICE("/c")));
	assert_int_equal(span->attrs.v[1].type, ATTR_STRING);
	assert_int_equal(span->attrs.v[1].str.n, REDACT_HASH_DIGITS);
	assert_int_equal(span->attrs.v[2].num, 8080);
	assert_int_equal(span->attrs.v[3].items_cnt, 3);
	assert_true(slice_eq(span->attrs.v[3].items[0], SLICE("xb")));
	assert_true(slice_eq(span->attrs.v[3].items[2], SLICE("REDACTED")));
	assert_int_equal(span->attrs.v[4].num, INT64_MIN);
	assert_true(slice_eq(items[0], SLICE("xa")));
	redactor__hits(r, tell, &told);
	assert_string_equal(told.text, "rule 1 (*)=9\nrule 2 (url.path)=1\nrule 3 (client.port)=1\n"
				       "rule 5 (gone)=4\nrule 6 (span.*)=1\nemail=1\n");
	span_batch__free(batch);
	redactor__free(r);
}

/* Without values and rules, what the key says is redacted all the same. */
static void values_off(void **state)
{
	struct redact_rule rule = {"a", NULL, REDACT_MASK, NULL};
	struct redact_options options = {.values_off = true, .rules = &rule, .rules_cnt = 1};
	char why[REDACT_WHY_SZ];
	struct redactor *r = redactor__new(&options, why);

	(void)state;
	assert_non_null(r);
	assert_string_equal(redact(r, "a", "4111111111111111 a@b.cd"), "4111111111111111 a@b.cd");
	assert_string_equal(redact(r, "url.query", "a=1"), "a=REDACTED");
	assert_string_equal(redact(r, "url.full", "http://a:b@c/"), "http://REDACTED:REDACTED@c/");
	assert_string_equal(redact(r, "text", "//a:b@c/"), "//REDACTED:REDACTED@c/");
	assert_string_equal(redact(r, "http.request.header.cookie", "a"), "REDACTED");
	redactor__free(r);
}

static void wrong_rule(void **state)
{
	struct redact_rule rule = {"a", "x(", REDACT_MASK, NULL};
	struct redact_options options = {.rules = &rule, .rules_cnt = 1};
	char why[REDACT_WHY_SZ];

	(void)state;
	assert_null(redactor__new(&options, why));
	assert_string_equal(why, "missing closing parenthesis, at character 3");
	redactor__free(NULL);
}

/* A pattern that would take for ever hides all of the value. */
static void hard_patterns(void **state)
{
	static const char *const patterns[] = {
		"(a+)+$",   "(*NO_JIT)(a+)+$", "(a|a)*[^a]",
		"(a|aa)+$", "(?:(a*)*)*[^a]",  "(*NO_JIT)(a|a)*[^a]",
	};
	char text[2000];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 2] = '\n';
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < CNT(patterns); i++) {
		struct redact_rule rule = {"a", patterns[i], REDACT_MASK, "-"};
		uint64_t before = account_get(ACCOUNT_REDACT_ALL);
		struct redactor *r = redactor_of(&rule, 1);
		const char *out = redact(r, "a", text);

		if (strcmp(out, "REDACTED") != 0 && strcmp(out, "-") != 0)
			fail_msg("%s: %.20s...", patterns[i], out);
		if (strcmp(out, "REDACTED") == 0)
			assert_int_equal(account_get(ACCOUNT_REDACT_ALL), before + 1);
		redactor__free(r);
	}
}

/* --- command lines ---------------------------------------------------------------------------- */

static void command_lines(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"", ""},
		{"app", "app"},
		{"app --port 80", "app --port 80"},
		{"app --password hunter2 x", "app --password REDACTED x"},
		{"app --password  hunter2", "app --password  REDACTED"},
		{"app --db-password=hunter2 x", "app --db-password=REDACTED x"},
		{"app -token hunter2", "app -token REDACTED"},
		{"app --token -v hunter2", "app --token -v hunter2"},
		{"app --token", "app --token"},
		{"app --token=", "app --token="},
		{"API_KEY=1 app", "API_KEY=REDACTED app"},
		{"curl -H Authorization: Bearer", "curl -H Authorization: REDACTED"},
		{"curl -H x-api-key: 1", "curl -H x-api-key: REDACTED"},
		{"app http://h/?token=1", "app http://h/?token=1"},
		{"app /etc/token:/x", "app /etc/token:/x"},
		{"app -pSECRET", "app -pSECRET"},
		{"token=1", "token=REDACTED"},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct slice in = slice_str(cases[i].in), out, again;
		struct arena arena, none;

		arena__init(&arena, 1 << 16);
		arena__init(&none, 0);
		out = redact_command_line(in, &arena);
		if (!slice_eq(out, slice_str(cases[i].out)))
			fail_msg("%s: %.*s", cases[i].in, (int)out.n, out.p);
		again = redact_command_line(out, &arena);
		assert_true(slice_eq(out, again));
		out = redact_command_line(in, &none);
		assert_true(out.p == in.p || slice_eq(out, SLICE("REDACTED")));
		arena__free(&arena);
	}
}

static void arguments(void **state)
{
	static const struct {
		struct slice in[3], out[3];
	} cases[] = {
		{{SLICE("app"), SLICE("--port"), SLICE("80")},
		 {SLICE("app"), SLICE("--port"), SLICE("80")}},
		{{SLICE("--password"), SLICE("a b"), SLICE("c")},
		 {SLICE("--password"), SLICE("REDACTED"), SLICE("c")}},
		{{SLICE("--token=a b"), SLICE("c"), SLICE("")},
		 {SLICE("--token=REDACTED"), SLICE("c"), SLICE("")}},
		{{SLICE("-H"), SLICE("X-Api-Key: 1"), SLICE("u")},
		 {SLICE("-H"), SLICE("X-Api-Key:REDACTED"), SLICE("u")}},
		{{SLICE("--secret"), SLICE("--token"), SLICE("x")},
		 {SLICE("--secret"), SLICE("--token"), SLICE("REDACTED")}},
	};
	struct arena arena;

	(void)state;
	arena__init(&arena, 1 << 16);
	for (size_t i = 0; i < CNT(cases); i++) {
		struct slice items[3];

		memcpy(items, cases[i].in, sizeof(items));
		redact_arguments(items, 3, &arena);
		for (size_t k = 0; k < 3; k++)
			if (!slice_eq(items[k], cases[i].out[k]))
				fail_msg("%zu: %.*s", i, (int)items[k].n, items[k].p);
	}
	arena__free(&arena);
}

/* --- patterns and hashes ---------------------------------------------------------------------- */

static void find(void **state)
{
	struct text_range found;
	char why[PATTERN_WHY_SZ];
	struct pattern *p = pattern__new("b+", PATTERN_BYTES, why);

	(void)state;
	assert_non_null(p);
	assert_int_equal(pattern__find(p, SLICE("abbab"), 0, &found), 1);
	assert_int_equal(found.begin, 1);
	assert_int_equal(found.end, 3);
	assert_int_equal(pattern__find(p, SLICE("abbab"), found.end, &found), 1);
	assert_int_equal(found.begin, 4);
	assert_int_equal(pattern__find(p, SLICE("abbab"), found.end, &found), 0);
	assert_int_equal(pattern__find(p, SLICE(""), 0, &found), 0);
	assert_int_equal(pattern__find(p, slice_of("\0b", 2), 0, &found), 1);
	pattern__free(p);
	p = pattern__new("(?=ab\\K)a?", PATTERN_TEXT, why); /* would end before it begins */
	if (p)
		assert_int_equal(pattern__find(p, SLICE("ab"), 0, &found), -E2BIG);
	pattern__free(p);
	p = pattern__new("(b)(a)", PATTERN_TEXT, why);
	assert_int_equal(pattern__find(p, SLICE("abba"), 0, &found), 1);
	assert_int_equal(found.begin, 2);
	assert_int_equal(found.end, 4);
	pattern__free(p);
}

static void wrong_patterns(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"a[", "missing terminating ] for character class, at character 3"},
		{"*", "quantifier does not follow a repeatable item, at character 1"},
		{"\\C", "using \\C is disabled by the application, at character 3"},
		{"((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((("
		 "(((((((((((((((((((((((((((((((((((((((((((((",
		 "parentheses are too deeply nested, at character 102"},
	};
	char why[PATTERN_WHY_SZ];

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct pattern *p = pattern__new(cases[i].text, PATTERN_TEXT, why);

		assert_null(p);
		assert_string_equal(why, cases[i].why);
	}
	assert_null(pattern__new("(?:(?:(?:a{1000}){1000}){1000})", PATTERN_TEXT, why));
}

/* RFC 4231, test cases 2 and 3. */
static void hmac(void **state)
{
	static const uint8_t second[] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
					 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
					 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
					 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
	static const uint8_t third[] = {0x77, 0x3e, 0xa9, 0x1e, 0x36, 0x80, 0x0e, 0x46};
	char key[20], text[50];
	uint8_t out[HMAC_SZ];

	(void)state;
	assert_true(hmac_sha256(SLICE("Jefe"), SLICE("what do ya want for nothing?"), out));
	assert_memory_equal(out, second, sizeof(second));
	memset(key, 0xaa, sizeof(key));
	memset(text, 0xdd, sizeof(text));
	assert_true(hmac_sha256(slice_of(key, 20), slice_of(text, 50), out));
	assert_memory_equal(out, third, sizeof(third));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule),	  cmocka_unit_test(a_span),
		cmocka_unit_test(values_off),	  cmocka_unit_test(wrong_rule),
		cmocka_unit_test(hard_patterns),  cmocka_unit_test(command_lines),
		cmocka_unit_test(arguments),	  cmocka_unit_test(find),
		cmocka_unit_test(wrong_patterns), cmocka_unit_test(hmac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
