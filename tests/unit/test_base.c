// SPDX-License-Identifier: Apache-2.0
/* Slices, arena, attributes, clocks and the account. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/base/account.h"
#include "user/base/arena.h"
#include "user/base/attr.h"
#include "user/base/clock.h"
#include "user/base/slice.h"

/* The same bytes in an allocation of exactly their size, so that ASan sees any overrun. */
static struct slice exact(const char *s)
{
	size_t n = strlen(s);
	char *p = malloc(n ? n : 1);

	assert_non_null(p);
	memcpy(p, s, n);
	return slice_of(p, n);
}

static void drop(struct slice s)
{
	free((char *)s.p);
}

static void test_slice_to_u64(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} cases[] = {
		{"0", true, 0},
		{"007", true, 7},
		{"18446744073709551615", true, UINT64_MAX},
		{"18446744073709551616", false, 0},
		{"99999999999999999999", false, 0},
		{"", false, 0},
		{"-1", false, 0},
		{"+1", false, 0},
		{" 1", false, 0},
		{"1 ", false, 0},
		{"1a", false, 0},
		{"/", false, 0},
		{":", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice s = exact(cases[i].text);
		uint64_t value = 42;

		assert_int_equal(slice_to_u64(s, &value), cases[i].ok);
		assert_int_equal(value, cases[i].ok ? cases[i].value : 42);
		drop(s);
	}
}

static void test_slice_take_hex(void **state)
{
	static const struct {
		const char *text, *rest;
		bool ok;
		uint64_t value;
	} cases[] = {
		{"0", "", true, 0},
		{"7fffFFFFaB-x", "-x", true, 0x7fffffffab},
		{"00000000000000ff ", " ", true, 0xff},
		{"ffffffffffffffff", "", true, UINT64_MAX},
		{"10000000000000000", "10000000000000000", false, 0},
		{"0x10", "x10", true, 0},
		{"", "", false, 0},
		{"g", "g", false, 0},
		{"-1", "-1", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice whole = exact(cases[i].text), s = whole;
		uint64_t value = 42;

		assert_int_equal(slice_take_hex(&s, &value), cases[i].ok);
		assert_int_equal(value, cases[i].ok ? cases[i].value : 42);
		assert_true(slice_eq(s, slice_str(cases[i].rest)));
		drop(whole);
	}
}

static void test_slice_compare(void **state)
{
	static const struct {
		const char *a, *b;
		bool eq, nocase, prefix; /* prefix: a starts with b */
	} cases[] = {
		{"", "", true, true, true},
		{"host", "host", true, true, true},
		{"Host", "hOST", false, true, false},
		{"host", "hos", false, false, true},
		{"host", "", false, false, true},
		{"", "h", false, false, false},
		{"a@", "A`", false, false, false}, /* differ in the case bit, but are no letters */
		{"[", "{", false, false, false},
		{"Content-LENGTH: Z", "cONTENT-length: z", false, true, false},
		{"Content-Length", "Content-Lengti", false, false, false},
		{"x@[`{\xc1Z", "X@[`{\xc1z", false, true, false},
		{"eight@ch", "eight`ch", false, false, false},
		{"eight[ch", "eight{ch", false, false, false},
		{"eight\xc1zz", "eight\xe1zz", false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice a = exact(cases[i].a), b = exact(cases[i].b);

		assert_int_equal(slice_eq(a, b), cases[i].eq);
		assert_int_equal(slice_eq_nocase(a, b), cases[i].nocase);
		assert_int_equal(slice_starts_with(a, b), cases[i].prefix);
		drop(a);
		drop(b);
	}
}

/* Of any length, and with a difference anywhere. */
static void test_slice_nocase(void **state)
{
	static const char text[] = "abcdefghijklmnopqrstuvwxyz",
			  upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	(void)state;
	for (size_t n = 1; n < 26; n++) {
		char *p = malloc(n);

		memcpy(p, upper, n);
		assert_true(slice_eq_nocase(slice_of(p, n), slice_of(text, n)));
		for (size_t at = 0; at < n; at++) {
			p[at] = '!';
			assert_false(slice_eq_nocase(slice_of(p, n), slice_of(text, n)));
			p[at] = upper[at];
		}
		free(p);
	}
}

static void test_slice_cut(void **state)
{
	static const struct {
		const char *text, *trimmed;
	} cases[] = {
		{" \t a b\t ", "a b"}, {"a", "a"}, {" ", ""}, {"", ""}, {"\n", "\n"},
	};
	struct slice s = SLICE("abcdef");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice text = exact(cases[i].text);

		assert_true(slice_eq(slice_trim(text), slice_str(cases[i].trimmed)));
		drop(text);
	}
	assert_true(slice_eq(slice_after(s, 4), SLICE("ef")));
	assert_int_equal(slice_after(s, 7).n, 0);
	assert_true(slice_eq(slice_first(s, 2), SLICE("ab")));
	assert_true(slice_eq(slice_first(s, 9), s));
	assert_int_equal(slice_find(s, 'f'), 5);
	assert_int_equal(slice_find(s, 'g'), -1);
	assert_int_equal(slice_find(SLICE(""), 'a'), -1);
	assert_int_equal(slice_str(NULL).n, 0);
}

static void test_arena_bound(void **state)
{
	enum {
		MAX = 100000
	};
	struct arena a;
	size_t got = 0;
	bool failed = false;
	void *p;

	(void)state;
	arena__init(&a, MAX);
	while ((p = arena__alloc(&a, 1000))) {
		memset(p, 0xaa, 1000);
		assert_int_equal((uintptr_t)p % 8, 0);
		got += 1000;
	}
	assert_in_range(got, MAX * 9 / 10, MAX);
	assert_true(a.used_sz <= MAX);
	assert_int_equal(arena__copy(&a, SLICE(""), &failed).n, 0);
	assert_false(failed);
	assert_null(arena__alloc(&a, SIZE_MAX));
	assert_null(arena__alloc(&a, SIZE_MAX - 6));
	arena__free(&a);
	assert_int_equal(a.used_sz, 0);
}

static void test_arena_copy(void **state)
{
	struct slice big = exact("0123456789"), copy;
	struct arena a;
	bool failed = false;

	(void)state;
	arena__init(&a, 64);
	copy = arena__copy(&a, big, &failed);
	assert_true(slice_eq(copy, big));
	assert_ptr_not_equal(copy.p, big.p);
	drop(big);
	for (int i = 0; i < 10; i++)
		copy = arena__copy(&a, SLICE("0123456789"), &failed);
	assert_true(failed);
	assert_int_equal(copy.n, 0);
	arena__reset(&a);
	failed = false;
	copy = arena__copy(&a, SLICE("again"), &failed);
	assert_false(failed);
	assert_true(slice_eq(copy, SLICE("again")));
	arena__free(&a);
}

static void test_arena_reset_reuses(void **state)
{
	size_t after_first = 0;
	struct arena a;

	(void)state;
	arena__init(&a, 1 << 20);
	arena__reset(&a); /* of nothing */
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 100; i++) {
			char *p = arena__alloc(&a, 5000);

			assert_non_null(p);
			memset(p, round, 5000);
		}
		assert_true(round == 0 || a.used_sz == after_first);
		after_first = a.used_sz;
		arena__reset(&a);
	}
	arena__free(&a);
	arena__free(&a);
}

static void test_attrs(void **state)
{
	struct slice items[] = {SLICE("x"), SLICE("y")};
	struct attr room[3];
	struct attrs list = {.v = room, .cap = 3};

	(void)state;
	attrs_add_str(&list, SLICE("a"), SLICE("1"));
	attrs_add_int(&list, SLICE("b"), -2);
	attrs_add_strs(&list, SLICE("c"), items, 2);
	attrs_add_str(&list, SLICE("d"), SLICE("4"));
	attrs_add_int(&list, SLICE("e"), 5);
	assert_int_equal(list.cnt, 3);
	assert_int_equal(list.dropped_cnt, 2);
	assert_true(slice_eq(attrs_get(&list, SLICE("a"))->str, SLICE("1")));
	assert_int_equal(attrs_get(&list, SLICE("b"))->num, -2);
	assert_int_equal(attrs_get(&list, SLICE("c"))->items_cnt, 2);
	assert_null(attrs_get(&list, SLICE("d")));
}

static void test_clock(void **state)
{
	uint64_t mono = clock_mono_ns(), real = clock_unix_ns(), offset = clock_unix_offset_ns();
	int64_t error = (int64_t)(mono + offset - real);

	(void)state;
	assert_true(clock_mono_ns() >= mono);
	assert_true(real > 1700000000ull * 1000000000);
	/* mono and real were read apart by little; a preempted test is given 50 ms. */
	assert_true(error > -50000000 && error < 50000000);
}

static void test_account(void **state)
{
	uint64_t spans = account_get(ACCOUNT_SPANS);

	(void)state;
	for (int i = 0; i < ACCOUNT_CNT; i++) {
		const struct account_row *row = &account_rows[i];

		assert_true(row->stem && *row->stem && row->cause && row->help && *row->help);
		for (int j = 0; j < i; j++)
			assert_false(strcmp(row->stem, account_rows[j].stem) == 0 &&
				     strcmp(row->cause, account_rows[j].cause) == 0);
	}
	account_add(ACCOUNT_SPANS, 2);
	account_add(ACCOUNT_SPANS, 3);
	assert_int_equal(account_get(ACCOUNT_SPANS), spans + 5);
	account_set(ACCOUNT_SPANS, 7);
	assert_int_equal(account_get(ACCOUNT_SPANS), 7);
}

static void test_percent_byte(void **state)
{
	static const struct {
		const char *text;
		int byte;
	} cases[] = {
		{"%2C", 0x2C}, {"%fFx", 0xFF}, {"%00", 0},  {"%e2%82", 0xE2}, {"", -1},
		{"%", -1},     {"%2", -1},     {"%2g", -1}, {"%g2", -1},      {"%%20", -1},
		{"2C%", -1},   {"%-1", -1},    {"%+1", -1}, {"% 1", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice text = exact(cases[i].text);

		assert_int_equal(slice_percent_byte(text), cases[i].byte);
		drop(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slice_take_hex), cmocka_unit_test(test_slice_to_u64),
		cmocka_unit_test(test_slice_compare),  cmocka_unit_test(test_slice_nocase),
		cmocka_unit_test(test_slice_cut),      cmocka_unit_test(test_arena_bound),
		cmocka_unit_test(test_arena_copy),     cmocka_unit_test(test_arena_reset_reuses),
		cmocka_unit_test(test_attrs),	       cmocka_unit_test(test_clock),
		cmocka_unit_test(test_account),	       cmocka_unit_test(test_percent_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
