// SPDX-License-Identifier: Apache-2.0
/* The grammar of route patterns, as the configuration and the matching of paths both have it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/base/route_pattern.h"
#include "user/control/config.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define BEGIN "begins with '/'"
#define LAST "must be the last segment"
#define WHOLE "'*' must be a whole segment"
#define PARAMETER "a parameter is a whole segment"

static const struct {
	const char *pattern;
	const char *wrong; /* part of the message; NULL: valid */
} cases[] = {
	{"/", NULL},	       {"//", NULL},	       {"/users", NULL},
	{"/users/", NULL},     {"/users//{id}", NULL}, {"/{a}/{b}", NULL},
	{"/*/x", NULL},	       {"/**", NULL},	       {"/static/**", NULL},
	{"/static/**/", NULL}, {"/a-b.c;d=~", NULL},   {"", BEGIN},
	{"users/{id}", BEGIN}, {"*", BEGIN},	       {"/a/**/b", LAST},
	{"/**/**", LAST},      {"/a*", WHOLE},	       {"/*a", WHOLE},
	{"/***", WHOLE},       {"/{*}", WHOLE},	       {"/{", PARAMETER},
	{"/}", PARAMETER},     {"/{}", PARAMETER},     {"/a{id}", PARAMETER},
	{"/{id}x", PARAMETER}, {"/{a}{b}", PARAMETER}, {"/{a{b}", PARAMETER},
	{"/{a}}", PARAMETER},  {"/a}", PARAMETER},     {"/{a/b}", PARAMETER},
};

static void check(const char *text, const char *got, const char *wanted)
{
	if (!wanted && got)
		fail_msg("%s: %s", text, got);
	if (wanted && (!got || !strstr(got, wanted)))
		fail_msg("%s: %s", text, got ? got : "no error");
}

/* From allocations of exact size; then the same by the setting. */
static void grammar(void **state)
{
	const struct setting *row = setting_find("http.routes");

	(void)state;
	assert_non_null(row);
	for (size_t i = 0; i < CNT(cases); i++) {
		size_t n = strlen(cases[i].pattern);
		char *exact = malloc(n ? n : 1);

		memcpy(exact, cases[i].pattern, n);
		check(cases[i].pattern, route_pattern_error(slice_of(exact, n)), cases[i].wrong);
		check(cases[i].pattern, row->check(cases[i].pattern), cases[i].wrong);
		free(exact);
	}
}

static void length(void **state)
{
	static char text[ROUTE_PATTERN_MAX + 1];

	(void)state;
	memset(text, '/', sizeof(text));
	assert_null(route_pattern_error(slice_of(text, ROUTE_PATTERN_MAX)));
	check("513 bytes", route_pattern_error(slice_of(text, sizeof(text))), "longer than 512");
}

static void segments(void **state)
{
	struct slice path = SLICE("//users/4 2///x/"), segment;

	(void)state;
	assert_true(route_next_segment(&path, &segment) && slice_eq(segment, SLICE("users")));
	assert_true(route_next_segment(&path, &segment) && slice_eq(segment, SLICE("4 2")));
	assert_true(route_next_segment(&path, &segment) && slice_eq(segment, SLICE("x")));
	assert_false(route_next_segment(&path, &segment));
	assert_int_equal(path.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grammar),
		cmocka_unit_test(length),
		cmocka_unit_test(segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
