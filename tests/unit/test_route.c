// SPDX-License-Identifier: Apache-2.0
/* Routes: shapes of segments, patterns, what is learnt, and every bound. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/base/log.h"
#include "user/flow/route.h"
#include "user/flow/route_shape.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))

/* Finds with exact-size copies of the path, so that ASan sees any byte too far. */
static const char *find(struct routes *r, uint64_t service, const char *path)
{
	static char buf[ROUTE_TEXT_MAX + 1];
	size_t n = strlen(path);
	char *exact = malloc(n ? n : 1);
	struct slice route;

	memcpy(exact, path, n);
	route = routes__find(r, service, slice_of(exact, n), buf, ROUTE_TEXT_MAX);
	free(exact);
	if (!route.n)
		return "";
	if (route.p != buf) /* the contract: it is in buf */
		fail_msg("the route of %s is not in buf", path);
	buf[route.n] = '\0';
	return buf;
}

static struct routes *new_routes(size_t max_per_service)
{
	struct routes *r = routes__new(NULL, 0, max_per_service);

	assert_non_null(r);
	return r;
}

static void shapes(void **state)
{
	static const struct {
		const char *segment, *shape;
	} cases[] = {
		{"users", "users"},
		{"v1", "v1"},
		{"v1.2", "v1.2"},
		{"1.1", "1.1"},
		{"index.html", "index.html"},
		{"42", "{id}"},
		{"0", "{id}"},
		{"-7", "{id}"},
		{"1,2,3", "{id}"},
		{"+4915112345678", "{id}"},
		{"555-123-4567", "{id}"},
		{"550e8400-e29b-41d4-a716-446655440000", "{uuid}"},
		{"550E8400-E29B-41D4-A716-446655440000", "{uuid}"},
		{"550e8400-e29b-41d4-a716-44665544000g", "{token}"},
		{"2026-11-20", "{date}"},
		{"2026-11", "{date}"},
		{"2026-11-20T10:00:00Z", "{date}"},
		{"2026-w47", "2026-w47"},
		{"3f2a9c1b", "{hex}"},
		{"0xdeadbeef", "{hex}"},
		{"deadbeef", "deadbeef"},
		{"3f2a9c1", "3f2a9c1"},
		{"507f1f77bcf86cd799439011", "{hex}"},
		{"joe@example.com", "{email}"},
		{"joe.b+x@mail.example.org", "{email}"},
		{"vue@3.2.1", "vue@3.2.1"},
		{"@scope", "@scope"},
		{"01ARZ3NDEKTSV4RRFFQ69G5FAV", "{token}"},
		{"cjld2cjxh0000qzrmn831i7rn", "{token}"},
		{"cus_NffrFeUfNV2Hi3b4", "{token}"},
		{"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N", "{token}"},
		{"GetUserProfileV2Data", "GetUserProfileV2Data"},
		{"my-post-of-2026-11-20", "my-post-of-2026-11-20"},
		{"My-Blog-Post-2026-11", "My-Blog-Post-2026-11"},
		{"a-title-that-goes-on-for-far-too-long", "{text}"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "{text}"},
		{"caf%C3%A9", "{text}"},
		{"caf\xc3\xa9", "{text}"},
		{"a b", "{text}"},
		{"a\033[2J", "{text}"},
		{"{id}", "{text}"},
		{"*", "{text}"},
		{"**", "{text}"},
		{"year=2026", "{text}"},
		{"app.3f2a9c1b.js", "{hash}.js"},
		{"main-3f2a9c1b.css", "{hash}.css"},
		{"index-B4kX9zQw.js", "{hash}.js"},
		{"3f2a9c1b.js", "{hash}.js"},
		{"12345.jpg", "{id}.jpg"},
		{"550e8400-e29b-41d4-a716-446655440000.png", "{uuid}.png"},
		{"2026-11-20.log", "{date}.log"},
		{"jquery-3.6.0.min.js", "jquery-3.6.0.min.js"},
		{"a-title-that-goes-on-for-far-too-long.html", "{text}.html"},
		{".env", ".env"},
		{"page;jsessionid=3f2a9c1b", "page"},
		{";x", "{text}"},
		{".", "."},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		size_t n = strlen(cases[i].segment);
		char *exact = malloc(n), buf[ROUTE_SEGMENT_MAX];
		struct slice shape;

		memcpy(exact, cases[i].segment, n);
		shape = route_segment_shape(slice_of(exact, n), buf);
		if (!slice_eq(shape, slice_str(cases[i].shape)))
			fail_msg("%s: %.*s, not %s", cases[i].segment, (int)shape.n, shape.p,
				 cases[i].shape);
		free(exact);
	}
}

static void paths(void **state)
{
	static const struct {
		const char *path, *route;
	} cases[] = {
		{"/", "/"},
		{"//", "/"},
		{"/users", "/users"},
		{"/users/", "/users"},
		{"//users//42/", "/users/{id}"},
		{"/users/42/orders/7f3a9b1c", "/users/{id}/orders/{hex}"},
		{"/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/g/h"},
		{"/a/b/c/d/e/f/g/h/i", "/a/b/c/d/e/f/g/h/**"},
		{"/a/b/c/d/e/f/g/h/i/j/k", "/a/b/c/d/e/f/g/h/**"},
		{"", ""},
		{"*", ""},
		{"users", ""},
	};
	struct routes *r = new_routes(100);

	(void)state;
	for (int round = 0; round < 2; round++) /* the second comes from the cache */
		for (size_t i = 0; i < CNT(cases); i++)
			assert_string_equal(find(r, 1, cases[i].path), cases[i].route);
	routes__free(r);
}

static void patterns(void **state)
{
	static const char *const wanted[] = {
		"/users/{name}", "/users/{name}/posts/{post}", "/files/*/raw", "/static/**", "/me",
	};
	static const struct {
		const char *path, *route;
	} cases[] = {
		{"/users/joe", "/users/{name}"},
		{"/users/joe/", "/users/{name}"},
		{"/users/joe;v=1", "/users/{name}"},
		{"/users;v=1/joe", "/users/{name}"},
		{"/users", "/users"},
		{"/users/joe/posts/1", "/users/{name}/posts/{post}"},
		{"/users/joe/likes/1", "/users/joe/likes/{id}"},
		{"/files/x/raw", "/files/*/raw"},
		{"/files/x/y/raw", "/files/x/y/raw"},
		{"/static", "/static/**"},
		{"/static/a/b/c", "/static/**"},
		{"/statics", "/statics"},
		{"/me", "/me"},
		{"/me/42", "/me/{id}"},
	};
	struct routes *r = routes__new(wanted, CNT(wanted), 100);

	(void)state;
	assert_non_null(r);
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < CNT(cases); i++)
			assert_string_equal(find(r, 1, cases[i].path), cases[i].route);
	routes__free(r);
}

static void patterns_wrong(void **state)
{
	static char too_long[ROUTE_TEXT_MAX + 2];
	const char *cases[] = {"",	 "users",  "/a/**/b", "/a/b*", "/{",	"/{}",
			       "/a{id}", "/{id}x", "/{a}{b}", "/a}",   too_long};
	enum log_level level = log_get_level();

	(void)state;
	memset(too_long, '/', sizeof(too_long) - 1);
	log_set_level(LOG_ERROR - 1);
	for (size_t i = 0; i < CNT(cases); i++) {
		errno = 0;
		assert_null(routes__new(&cases[i], 1, 100));
		assert_int_equal(errno, EINVAL);
	}
	log_set_level(level);
}

static void names_become_values(void **state)
{
	struct routes *r = new_routes(1000);
	char path[64];

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/users/joe-%c%c/posts", 'a' + i / 10, 'a' + i % 10);
		assert_string_equal(find(r, 1, path),
				    i < ROUTE_VALUES_MAX ? path : "/users/{value}/posts");
	}
	/* Those known before stay, other places and services are not touched, shapes still count. */
	assert_string_equal(find(r, 1, "/users/joe-aa/posts"), "/users/joe-aa/posts");
	assert_string_equal(find(r, 1, "/users/joe-aa/likes"), "/users/joe-aa/likes");
	assert_string_equal(find(r, 1, "/users/42/posts"), "/users/{id}/posts");
	assert_string_equal(find(r, 1, "/shops/joe-zz"), "/shops/joe-zz");
	assert_string_equal(find(r, 2, "/users/joe-zz/posts"), "/users/joe-zz/posts");
	/* A file with any extension counts as a name. */
	for (int i = 0; i < 30; i++) {
		snprintf(path, sizeof(path), "/img/12345.x%c%c", 'a' + i / 10, 'a' + i % 10);
		find(r, 1, path);
	}
	assert_string_equal(find(r, 1, "/img/12345.zzz"), "/img/{value}");
	routes__free(r);
}

static void routes_bounded(void **state)
{
	struct routes *r = new_routes(50);
	char path[64], known[50][64];
	int catch_all_cnt = 0;

	(void)state;
	for (int i = 0; i < 500; i++) {
		const char *route;

		snprintf(path, sizeof(path), "/p-%c/q-%c", 'a' + i % 15, 'a' + i / 15 % 15);
		route = find(r, 1, path);
		if (i < 50)
			snprintf(known[i], sizeof(known[i]), "%s", route);
		else if (strcmp(route, "/**") == 0)
			catch_all_cnt++;
	}
	assert_int_equal(catch_all_cnt, 2 * (225 - 50));
	for (int i = 0; i < 50; i++) {
		assert_string_equal(known[i], find(r, 1, known[i]));
		assert_string_not_equal(known[i], "/**");
	}
	assert_string_equal(find(r, 1, "/"), "/");
	assert_string_equal(find(r, 2, "/new"), "/new");
	routes__free(r);
}

/* More services than are remembered, then more segments; the newest always works. */
static void services_bounded(void **state)
{
	struct routes *r = new_routes(10000);
	char path[64];

	(void)state;
	for (uint64_t service = 1; service <= 3 * ROUTE_SERVICES_MAX; service++)
		assert_string_equal(find(r, service * 0x9e3779b97f4a7c15u, "/users/1"),
				    "/users/{id}");
	for (uint64_t service = 1; service <= 12; service++) {
		for (int i = 0; i < 20 * 20 * 20; i++) {
			snprintf(path, sizeof(path), "/p-%c/q-%c/r-%c", 'a' + i % 20,
				 'a' + i / 20 % 20, 'a' + i / 400);
			assert_string_equal(find(r, service, path), path);
		}
	}
	routes__free(r);
}

/* One service alone cannot take more than there is. */
static void nodes_bounded(void **state)
{
	struct routes *r = new_routes(1000000);
	bool full = false;
	char path[64];

	(void)state;
	for (int i = 0; i < 20 * 20 * 20 * 20; i++) {
		snprintf(path, sizeof(path), "/p-%c/q-%c/r-%c/s-%c", 'a' + i % 20,
			 'a' + i / 20 % 20, 'a' + i / 400 % 20, 'a' + i / 8000);
		full = strcmp(find(r, 1, path), "/**") == 0;
	}
	assert_true(full);
	assert_string_equal(find(r, 1, "/p-a/q-a/r-a/s-a"), "/p-a/q-a/r-a/s-a");
	assert_string_equal(find(r, 2, "/users/joe"), "/users/joe");
	routes__free(r);
}

static void small_buffer(void **state)
{
	struct routes *r = new_routes(100);
	struct slice path = SLICE("/users/joe");
	char buf[10];

	(void)state;
	for (int round = 0; round < 2; round++) {
		assert_true(slice_eq(routes__find(r, 1, path, buf, 10), path));
		assert_true(slice_eq(routes__find(r, 1, path, buf, 9), SLICE("/**")));
		assert_int_equal(routes__find(r, 1, path, buf, 2).n, 0);
	}
	routes__free(r);
}

/* Paths too long for the cache, and ones that fall on the same place in it. */
static void cache(void **state)
{
	struct routes *r = new_routes(100);
	char path[4000] = "/users/", number[32];

	(void)state;
	memset(path + 7, 'x', sizeof(path) - 8);
	for (int round = 0; round < 3; round++)
		assert_string_equal(find(r, 1, path), "/users/{text}");
	for (int i = 0; i < 20000; i++) {
		snprintf(number, sizeof(number), "/n/%d", i % 5000);
		assert_string_equal(find(r, 1 + i % 3, number), "/n/{id}");
	}
	routes__free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes),
		cmocka_unit_test(paths),
		cmocka_unit_test(patterns),
		cmocka_unit_test(patterns_wrong),
		cmocka_unit_test(names_become_values),
		cmocka_unit_test(routes_bounded),
		cmocka_unit_test(services_bounded),
		cmocka_unit_test(nodes_bounded),
		cmocka_unit_test(small_buffer),
		cmocka_unit_test(cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
