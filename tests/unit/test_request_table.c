// SPDX-License-Identifier: Apache-2.0
/* user/model/request_table: whose samples are whose, and what is left of a profile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/model/request_table.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))

static struct profile *profile;
static struct resource *resource;

static int set_up(void **state)
{
	struct attr attr = {.key = SLICE("service.name"), .type = ATTR_STRING, .str = SLICE("app")};
	struct attrs attrs = {.v = &attr, .cnt = 1, .cap = 1};

	(void)state;
	profile = profile__new(10000000);
	resource = resource__new(&attrs, 42);
	return profile && resource ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	profile__free(profile);
	assert_int_equal(resource->refs, 1);
	resource__release(resource);
	return 0;
}

static struct trace_id trace_of(uint32_t number)
{
	struct trace_id id = {.bytes = {0xab, 0xcd}};

	id.bytes[2] = (uint8_t)number;
	return id;
}

static struct span_id span_of(uint32_t number)
{
	struct span_id id;

	memset(&id, 0x11, sizeof(id));
	memcpy(&id, &number, sizeof(number));
	return id;
}

static void serve(struct request_table *table, uint32_t number, const char *name, const char *route,
		  enum span_kind kind)
{
	struct attr attr = {
		.key = SLICE("http.route"), .type = ATTR_STRING, .str = slice_str(route)};
	struct span span = {
		.trace_id = trace_of(number),
		.span_id = span_of(number),
		.kind = kind,
		.name = slice_str(name),
		.attrs = {.v = &attr, .cnt = route != NULL, .cap = 1},
		.resource = resource,
	};

	request_table__add(table, &span);
}

/* cnt samples in a function, linked to that span; 0: to none. */
static void sample(const char *function_name, uint32_t number, uint32_t cnt)
{
	struct profile_function function = {
		.name = profile__string(profile, slice_str(function_name))};
	struct profile_location location = {.function = profile__function(profile, &function)};
	uint32_t at = profile__location(profile, &location);
	struct profile_link link = {.trace_id = trace_of(number), .span_id = span_of(number)};
	struct profile_sample made = {
		.resource = profile__resource(profile, resource),
		.stack = profile__stack(profile, &at, 1),
		.link = number ? profile__link(profile, &link) : 0,
	};

	for (uint32_t i = 0; i < cnt; i++)
		assert_int_equal(profile__add(profile, &made), 0);
}

/* Requests 1 to 4, of which 4 is a client's, 5 is not known; 9 samples in all. */
static void fill(struct request_table *table)
{
	serve(table, 1, "GET /a/{id}", "/a/{id}", SPAN_SERVER);
	serve(table, 2, "GET /b", "/b", SPAN_SERVER);
	serve(table, 3, "SELECT payments", NULL, SPAN_SERVER);
	serve(table, 4, "GET /a/{id}", "/a/{id}", SPAN_CLIENT);
	sample("a", 1, 3);
	sample("b", 2, 2);
	sample("select", 3, 1);
	sample("client", 4, 1);
	sample("unknown", 5, 1);
	sample("idle", 0, 1);
}

static void test_keep(void **state)
{
	static const struct {
		struct request_filter filter;
		uint32_t kept, others;
		const char *function; /* of what is kept; NULL: several, or none */
	} cases[] = {
		{{.route = "GET /a/{id}"}, 3, 3, "a"},
		{{.route = "/a/{id}"}, 3, 3, "a"},
		{{.route = "/a"}, 0, 6, NULL},
		{{.route = "SELECT payments"}, 1, 5, "select"},
		{{.service = "app"}, 6, 0, NULL},
		{{.service = "ap"}, 0, 6, NULL},
		{{.service = "app", .route = "/b"}, 2, 4, "b"},
		{{.trace_id = "abcd02"}, 2, 4, "b"},
		{{.trace_id = "abcd"}, 6, 0, NULL},
		{{.trace_id = "abcd02", .route = "/a/{id}"}, 0, 6, NULL},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct request_table *table = request_table__new(&cases[i].filter);
		struct request_shares shares;
		struct profile *kept;

		profile__free(profile);
		profile = profile__new(10000000);
		fill(table);
		kept = request_table__keep(table, profile, &shares);
		assert_non_null(kept);
		assert_true(shares.filtered);
		assert_int_equal(kept->samples.cnt, cases[i].kept);
		assert_int_equal(shares.others_cnt, cases[i].others);
		assert_int_equal(shares.unknown_cnt, 2);
		assert_int_equal(shares.none_cnt, 1);
		if (cases[i].function) {
			assert_int_equal(kept->functions.cnt, 2);
			assert_true(slice_eq(kept->strings.v[kept->functions.v[1].name],
					     slice_str(cases[i].function)));
			assert_int_equal(kept->links.cnt, 2);
		}
		request_shares__free(&shares);
		profile__free(kept);
		request_table__free(table);
	}
}

static void test_rows(void **state)
{
	static const struct request_filter all;
	struct request_table *table = request_table__new(&all);
	struct request_shares shares;

	(void)state;
	fill(table);
	assert_false(request_table__filters(table));
	assert_int_equal(request_table__shares(table, profile, &shares), 0);
	assert_false(shares.filtered);
	assert_int_equal(shares.rows_cnt, 3);
	assert_true(slice_eq(shares.rows[0].name, SLICE("GET /a/{id}")));
	assert_true(slice_eq(shares.rows[0].service, SLICE("app")));
	assert_int_equal(shares.rows[0].samples_cnt, 3);
	assert_int_equal(shares.rows[1].samples_cnt, 2);
	assert_int_equal(shares.rows[2].samples_cnt, 1);
	request_shares__free(&shares);
	request_table__free(table);
}

/* The table grows, finds all, and stops at its maximum. */
static void test_many(void **state)
{
	static const struct request_filter all;
	struct request_table *table = request_table__new(&all);
	struct request_shares shares;

	(void)state;
	for (uint32_t i = 1; i <= REQUESTS_MAX + 5; i++)
		serve(table, i, "GET /", NULL, SPAN_SERVER);
	serve(table, 7, "GET /", NULL, SPAN_SERVER);
	sample("f", 1, 1);
	sample("f", REQUESTS_MAX, 1);
	sample("f", REQUESTS_MAX + 1, 1);
	assert_int_equal(request_table__shares(table, profile, &shares), 0);
	assert_int_equal(shares.rows[0].samples_cnt, 2);
	assert_int_equal(shares.unknown_cnt, 1);
	request_shares__free(&shares);
	request_table__free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_keep, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
