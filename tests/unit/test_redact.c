// SPDX-License-Identifier: Apache-2.0
/* Redaction of queries and URLs in each mode, and that a full arena hides all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/policy/redact.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))

static const char *const keep_keys[] = {"page", "auth_mode"};

static const struct redact_options options[] = {
	{.url = {.query_values = QUERY_REDACT, .keep_keys = keep_keys, .keep_keys_cnt = 2}},
	{.url = {.query_values = QUERY_KEEP, .keep_keys = keep_keys, .keep_keys_cnt = 2}},
	{.url = {.query_values = QUERY_DROP}},
};
static struct redactor *redactors[CNT(options)];

static int set_up(void **state)
{
	char why[REDACT_WHY_SZ];

	(void)state;
	for (size_t i = 0; i < CNT(options); i++) {
		redactors[i] = redactor__new(&options[i], why);
		assert_non_null(redactors[i]);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < CNT(options); i++)
		redactor__free(redactors[i]);
	return 0;
}

/* What becomes of one attribute; false if it is gone. */
static bool redact(enum query_values mode, struct slice key, struct slice value,
		   struct arena *arena, struct slice *out)
{
	struct attr v[3];
	struct span span = {.attrs = {.v = v, .cap = 3}};

	attrs_add_int(&span.attrs, SLICE("http.response.status_code"), 200);
	attrs_add_str(&span.attrs, key, value);
	attrs_add_str(&span.attrs, SLICE("url.path"), SLICE("/x?token=1"));
	redactor__span(redactors[mode], &span, arena);
	assert_int_equal(span.attrs.v[0].num, 200);
	assert_true(slice_eq(span.attrs.v[span.attrs.cnt - 1].str, SLICE("/x?token=1")));
	*out = span.attrs.v[1].str;
	return span.attrs.cnt == 3;
}

struct redact_case {
	enum query_values mode;
	const char *in, *out;
};

static void check(const char *key, const struct redact_case *cases, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		size_t n = strlen(cases[i].in);
		char *exact = malloc(n ? n : 1);
		struct arena arena;
		struct slice out;
		bool there;

		arena__init(&arena, 1 << 16);
		memcpy(exact, cases[i].in, n);
		there = redact(cases[i].mode, slice_str(key), slice_of(exact, n), &arena, &out);
		if (there != (cases[i].out != NULL))
			fail_msg("%s: dropped or not", cases[i].in);
		if (there && !slice_eq(out, slice_str(cases[i].out)))
			fail_msg("%s: %.*s, not %s", cases[i].in, (int)out.n, out.p, cases[i].out);
		arena__free(&arena);
		free(exact);
	}
}

static void queries_redacted(void **state)
{
	static const struct redact_case cases[] = {
		{QUERY_REDACT, "", ""},
		{QUERY_REDACT, "a=1", "a=REDACTED"},
		{QUERY_REDACT, "a=1&b=2", "a=REDACTED&b=REDACTED"},
		{QUERY_REDACT, "a=1&b", "a=REDACTED&b"},
		{QUERY_REDACT, "a=&b=", "a=&b="},
		{QUERY_REDACT, "&&a=1&", "&&a=REDACTED&"},
		{QUERY_REDACT, "=1", "=REDACTED"},
		{QUERY_REDACT, "a=b=c", "a=REDACTED"},
		{QUERY_REDACT, "a=1;b=2", "a=REDACTED"},
		{QUERY_REDACT, "a=1;b=2&c=3", "a=REDACTED&c=REDACTED"},
		{QUERY_REDACT, "a[0]=x&b%5B1%5d=y&$top=5",
		 "a[0]=REDACTED&b%5B1%5d=REDACTED&$top=REDACTED"},
		{QUERY_REDACT, "page=7&size=20", "page=7&size=REDACTED"},
		{QUERY_REDACT, "PAGE=7", "PAGE=REDACTED"},
		{QUERY_REDACT, "versioning", "versioning"},
		{QUERY_REDACT, "3f2a9c1b", "REDACTED"},
		{QUERY_REDACT, "dGVzdHNlY3JldA==", "REDACTED="},
		{QUERY_REDACT, "averylongwordwithoutanydigits", "REDACTED"},
		{QUERY_REDACT, "joe@example.com", "REDACTED"},
		{QUERY_REDACT, "{\"user\":\"x=y\"}", "REDACTED=REDACTED"},
		{QUERY_REDACT, "%7B%22user%22%3A%22x=1", "REDACTED=REDACTED"},
		{QUERY_REDACT, "a=1#b=2", "a=REDACTED"},
		{QUERY_REDACT, "#secret", ""},
		{QUERY_REDACT,
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1",
		 "REDACTED=REDACTED"},
		{QUERY_DROP, "a=1", NULL},
		{QUERY_DROP, "", NULL},
	};

	(void)state;
	check("url.query", cases, CNT(cases));
}

static void queries_kept(void **state)
{
	static const struct redact_case cases[] = {
		{QUERY_KEEP, "a=1&b&c=", "a=1&b&c="},
		{QUERY_KEEP, "q=a+b%20c=d", "q=a+b%20c=d"},
		{QUERY_KEEP, "X-Amz-Signature=1&x=2", "X-Amz-Signature=REDACTED&x=2"},
		{QUERY_KEEP, "X-Amz-Credential=1", "X-Amz-Credential=REDACTED"},
		{QUERY_KEEP, "X-Amz-Security-Token=1", "X-Amz-Security-Token=REDACTED"},
		{QUERY_KEEP, "AWSAccessKeyId=1", "AWSAccessKeyId=REDACTED"},
		{QUERY_KEEP, "Signature=1&X-Goog-Signature=2",
		 "Signature=REDACTED&X-Goog-Signature=REDACTED"},
		{QUERY_KEEP, "sig=1", "sig=REDACTED"},
		{QUERY_KEEP, "SIG=1", "SIG=1"},
		{QUERY_KEEP, "%73ig=1", "%73ig=REDACTED"},
		{QUERY_KEEP, "token=1&access_token=2&Refresh-Token=3",
		 "token=REDACTED&access_token=REDACTED&Refresh-Token=REDACTED"},
		{QUERY_KEEP, "PASSWORD=1&passwd=2&pwd=3",
		 "PASSWORD=REDACTED&passwd=REDACTED&pwd=REDACTED"},
		{QUERY_KEEP, "api_key=1&apiKey=2&api-key=3&key=4",
		 "api_key=REDACTED&apiKey=REDACTED&api-key=REDACTED&key=REDACTED"},
		{QUERY_KEEP, "client_secret=1&oauth=2&JSESSIONID=3&jwt=4",
		 "client_secret=REDACTED&oauth=REDACTED&JSESSIONID=REDACTED&jwt=REDACTED"},
		{QUERY_KEEP, "pass%77ord=1&t%6Fken=2", "pass%77ord=REDACTED&t%6Fken=REDACTED"},
		{QUERY_KEEP, "user[password]=1", "user[password]=REDACTED"},
		{QUERY_KEEP, "a=1;token=2", "a=1;token=REDACTED"},
		{QUERY_KEEP, "token=1%00&x=2", "token=REDACTED&x=2"},
		{QUERY_KEEP, "a%00token=1", "a%00token=REDACTED"},
		{QUERY_KEEP, "auth_mode=1&keyboard=2", "auth_mode=1&keyboard=2"},
		{QUERY_KEEP, "a=1#token", "a=1"},
	};

	(void)state;
	check("url.query", cases, CNT(cases));
}

static void urls(void **state)
{
	static const struct redact_case cases[] = {
		{QUERY_REDACT, "http://a/b", "http://a/b"},
		{QUERY_REDACT, "http://a/b@c:d", "http://a/b@c:d"},
		{QUERY_REDACT, "http://a/b?c=d", "http://a/b?c=REDACTED"},
		{QUERY_REDACT, "http://a/b?", "http://a/b?"},
		{QUERY_REDACT, "http://a/b?c=d#e", "http://a/b?c=REDACTED"},
		{QUERY_REDACT, "http://a/b#e?c=d", "http://a/b"},
		{QUERY_REDACT, "http://joe:pw@a:8080/b", "http://REDACTED:REDACTED@a:8080/b"},
		{QUERY_REDACT, "http://joe@a", "http://REDACTED:REDACTED@a"},
		{QUERY_REDACT, "http://x@y@a?b=c", "http://REDACTED:REDACTED@a?b=REDACTED"},
		{QUERY_REDACT, "//joe:pw@a/b", "//REDACTED:REDACTED@a/b"},
		{QUERY_REDACT, "joe:pw@a:80", "REDACTED:REDACTED@a:80"},
		{QUERY_REDACT, "/a/b?c=d@e", "/a/b?c=REDACTED"},
		{QUERY_REDACT, "", ""},
		{QUERY_KEEP, "http://joe:pw@a/b?c=d&token=1",
		 "http://REDACTED:REDACTED@a/b?c=d&token=REDACTED"},
		{QUERY_DROP, "http://a/b?c=d#e", "http://a/b"},
		{QUERY_DROP, "http://joe:pw@a/b?c=d", "http://REDACTED:REDACTED@a/b"},
	};

	(void)state;
	check("url.full", cases, CNT(cases));
}

/* What needs no change keeps its bytes and takes no memory. */
static void nothing_to_do(void **state)
{
	static const struct slice value = SLICE("http://a/b/c");
	struct arena arena;
	struct slice out;

	(void)state;
	arena__init(&arena, 0);
	assert_true(redact(QUERY_REDACT, SLICE("url.full"), value, &arena, &out));
	assert_ptr_equal(out.p, value.p);
	assert_true(redact(QUERY_REDACT, SLICE("url.queries"), value, &arena, &out));
	assert_ptr_equal(out.p, value.p);
	assert_int_equal(arena.used_sz, 0);
}

/* Parameters of a path, in the path, in the URL and in what gRPC takes for no method. */
static void paths(void **state)
{
	static const struct redact_case cases[] = {
		{QUERY_REDACT, "/a/b", "/a/b"},
		{QUERY_REDACT, "/a;v=1/b;c", "/a;v=1/b;c"},
		{QUERY_REDACT, "/a;jsessionid=0A1B", "/a;jsessionid=REDACTED"},
		{QUERY_REDACT, "/a;JSESSIONID=1;v=2;token=3/b;sid=",
		 "/a;JSESSIONID=REDACTED;v=2;"
		 "token=REDACTED/b;sid="},
		{QUERY_REDACT, ";", ";"},
		{QUERY_REDACT, ";;key=1;;", ";;key=REDACTED;;"},
		{QUERY_REDACT, "/;=1", "/;=1"},
	};

	(void)state;
	check("url.path", cases, CNT(cases));
	check("url.full", cases, CNT(cases));
	check("rpc.method_original", cases, CNT(cases));
}

static void arena_full(void **state)
{
	struct arena arena;
	struct slice out;

	(void)state;
	arena__init(&arena, 16);
	assert_true(redact(QUERY_REDACT, SLICE("url.query"), SLICE("a=1"), &arena, &out));
	assert_true(slice_eq(out, SLICE("REDACTED")));
	assert_true(redact(QUERY_KEEP, SLICE("url.query"), SLICE("a=1"), &arena, &out));
	assert_true(slice_eq(out, SLICE("REDACTED")));
	assert_true(redact(QUERY_REDACT, SLICE("url.full"), SLICE("http://a?b=1"), &arena, &out));
	assert_true(slice_eq(out, SLICE("REDACTED")));
	assert_true(redact(QUERY_DROP, SLICE("url.full"), SLICE("http://u:p@a"), &arena, &out));
	assert_true(slice_eq(out, SLICE("REDACTED")));
}

/* The longest that text can become: every parameter one byte. */
static void growth(void **state)
{
	static const struct slice units[] = {SLICE("1&"), SLICE("=1&"), SLICE("%=%&"), SLICE("1;")};
	char in[4096];

	(void)state;
	for (size_t u = 0; u < CNT(units); u++) {
		struct arena arena;
		struct slice out;
		size_t n = 0;

		while (n + units[u].n <= 2000) {
			memcpy(in + n, units[u].p, units[u].n);
			n += units[u].n;
		}
		arena__init(&arena, 1 << 20);
		for (int mode = QUERY_REDACT; mode <= QUERY_KEEP; mode++) {
			assert_true(redact((enum query_values)mode, SLICE("url.query"),
					   slice_of(in, n), &arena, &out));
			assert_false(mode == QUERY_REDACT && slice_find(out, '1') >= 0);
		}
		arena__free(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queries_redacted),
		cmocka_unit_test(queries_kept),
		cmocka_unit_test(urls),
		cmocka_unit_test(paths),
		cmocka_unit_test(nothing_to_do),
		cmocka_unit_test(arena_full),
		cmocka_unit_test(growth),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
