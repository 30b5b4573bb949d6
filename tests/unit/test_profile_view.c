// SPDX-License-Identifier: Apache-2.0
/* What `sonde profile` shows: shares, what is counted once, what is unknown, hostile names. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jansson.h>

#include "user/cli/profile_view.h"

static struct profile *profile;
static struct resource *resource;
static const struct request_shares *shares; /* NULL: nothing was traced */

static int set_up(void **state)
{
	struct attr attr = {.key = SLICE("service.name"), .type = ATTR_STRING, .str = SLICE("app")};
	struct attrs attrs = {.v = &attr, .cnt = 1, .cap = 1};

	(void)state;
	unsetenv("LC_ALL");
	setenv("LANG", "C.UTF-8", 1);
	profile = profile__new(10000000);
	profile->start_ns = 1000000000;
	profile->end_ns = 3000000000;
	resource = resource__new(&attrs, 42);
	return profile && resource ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	profile__free(profile);
	resource__release(resource);
	return 0;
}

static uint32_t location(const char *name, const char *file, uint64_t address)
{
	struct profile_mapping mapping = {.limit = 1,
					  .file = profile__string(profile, slice_str(file))};
	struct profile_function function = {.name = profile__string(profile, slice_str(name))};

	return profile__location(
		profile, &(struct profile_location){
				 .address = address,
				 .mapping = profile__mapping(profile, &mapping),
				 .function = *name ? profile__function(profile, &function) : 0,
				 .type = FRAME_NATIVE,
			 });
}

static void add(uint32_t cnt, const uint32_t *locations, uint32_t depth, uint32_t link)
{
	struct profile_sample sample = {
		.time_ns = 2000000000,
		.resource = profile__resource(profile, resource),
		.stack = profile__stack(profile, locations, depth),
		.link = link,
	};

	for (uint32_t i = 0; i < cnt; i++)
		assert_int_equal(profile__add(profile, &sample), 0);
}

static char *view(enum view_format format, unsigned int width)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	assert_int_equal(profile_view(out, format, false, width, profile, shares), 0);
	fclose(out);
	return text;
}

/* main calls spin; spin calls itself; some of spin is in two places; the rest has no name. */
static void make_samples(void)
{
	uint32_t spin = location("spin", "/bin/app", 1), again = location("spin", "/bin/app", 2);
	uint32_t top = location("main", "/bin/app", 3), unknown = location("", "/lib/x.so", 4);
	struct profile_link link = {.span_id = {{1}}};

	add(60, (uint32_t[]){spin, again, top}, 3, profile__link(profile, &link));
	add(20, (uint32_t[]){again, top}, 2, 0);
	add(20, (uint32_t[]){unknown}, 1, 0);
}

static void test_text(void **state)
{
	char *text;

	(void)state;
	make_samples();
	text = view(VIEW_TEXT, 0);
	assert_string_equal(text, "100 samples in 2.0 s: 1.00 s of CPU time\n\n"
				  "  SELF   TOTAL  FUNCTION FILE\n"
				  " 80.0%   80.0%  spin     app\n"
				  " 20.0%   20.0%  ?        x.so\n"
				  "  0.0%   80.0%  main     app\n");
	free(text);
}

static void test_json(void **state)
{
	json_t *whole, *functions, *process;
	char *text;

	(void)state;
	make_samples();
	text = view(VIEW_JSON, 0);
	whole = json_loads(text, 0, NULL);
	assert_non_null(whole);
	assert_int_equal(json_integer_value(json_object_get(whole, "samples")), 100);
	assert_int_equal(json_integer_value(json_object_get(whole, "linked")), 60);
	assert_int_equal(json_integer_value(json_object_get(whole, "periodNanos")), 10000000);
	assert_int_equal(json_integer_value(json_object_get(whole, "durationNanos")), 2000000000);
	functions = json_object_get(whole, "functions");
	assert_int_equal(json_array_size(functions), 3);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(functions, 2), "name")), "main");
	process = json_array_get(json_object_get(whole, "processes"), 0);
	assert_string_equal(json_string_value(json_object_get(process, "name")), "app");
	assert_int_equal(json_integer_value(json_object_get(process, "pid")), 42);
	json_decref(whole);
	free(text);
}

/* Nothing at all; and names that would move the cursor. */
static void test_odd(void **state)
{
	uint32_t evil;
	char *text = view(VIEW_TEXT, 0);

	(void)state;
	assert_string_equal(text, "");
	free(text);
	text = view(VIEW_JSON, 0);
	assert_non_null(strstr(text, "\"functions\":[]"));
	free(text);
	evil = location("a\033[2Jb\n", "/x/\033[31mfile", 1);
	add(1, &evil, 1, 0);
	text = view(VIEW_TEXT, 0);
	assert_null(strchr(text, '\033'));
	free(text);
	setenv("LANG", "C", 1); /* columns are bytes */
	for (unsigned int width = 1; width < 40; width++) {
		text = view(VIEW_TEXT, width);
		for (char *line = text; *line; line += strcspn(line, "\n") + 1)
			assert_true(strcspn(line, "\n") <= width);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_odd, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
