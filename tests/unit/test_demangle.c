// SPDX-License-Identifier: Apache-2.0
/* user/base/demangle: C++ and both of Rust's manglings, and symbols made to hurt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/base/demangle.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))

static const struct {
	const char *symbol, *name; /* "": not mangled */
} names[] = {
	{"main", ""},
	{"", ""},
	{"_", ""},
	{"_Z", ""},
	{"_R", ""},
	{"_ZN", ""},
	{"_Zxx", ""},
	{"_Rust", ""},
	{"_ZN3foo3barEv", "foo::bar"},
	{"_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector<int, std::allocator<int> >::push_back"},
	{"_ZN12_GLOBAL__N_14workEd", "(anonymous namespace)::work"},
	{"_ZNK4Calc3addEii.part.0", "Calc::add"},
	/* Rust, legacy: the hash goes. */
	{"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"},
	{"_ZN49_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$Drop$GT$4drop17h0123456789abcdefE",
	 "<alloc::vec::Vec<T> as Drop>::drop"},
	/* Rust, v0. */
	{"_RNvC6_123foo3bar", "123foo::bar"},
	{"_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar"},
};

static void test_names(void **state)
{
	char buf[DEMANGLED_MAX];

	(void)state;
	for (size_t i = 0; i < CNT(names); i++) {
		struct slice name = demangle(names[i].symbol, buf);

		if (!slice_eq(name, slice_str(names[i].name)))
			fail_msg("%s: %.*s", names[i].symbol, (int)name.n, name.p);
	}
}

/* Every prefix, from an allocation of its size. */
static void test_prefixes(void **state)
{
	char buf[DEMANGLED_MAX];

	(void)state;
	for (size_t i = 0; i < CNT(names); i++)
		for (size_t n = 0; n < strlen(names[i].symbol); n++) {
			char *exact = strndup(names[i].symbol, n);

			demangle(exact, buf);
			free(exact);
		}
}

/* Each pair doubles the name: 2^60 letters, of which the first ones are taken. */
static void test_growth(void **state)
{
	char symbol[2048], buf[DEMANGLED_MAX];
	struct slice name;
	size_t n;

	(void)state;
	n = (size_t)snprintf(symbol, sizeof(symbol), "_Z1fI1aI");
	for (int i = 0; i < 60; i++) {
		static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
		char ref[8] = "";

		if (i >= 36)
			snprintf(ref, sizeof(ref), "%c", digits[i / 36 - 1]);
		n += (size_t)snprintf(symbol + n, sizeof(symbol) - n, i ? "1bIS%s%c_S%s%c_E" : "%s",
				      i ? ref : "S_S_E", digits[i % 36], ref, digits[i % 36]);
	}
	snprintf(symbol + n, sizeof(symbol) - n, "EEvv");
	name = demangle(symbol, buf);
	assert_in_range(name.n, 0, DEMANGLED_MAX);
}

/* Longer than the buffer: cut, and it says so. Longer than is looked at: left alone. */
static void test_length(void **state)
{
	char symbol[MANGLED_MAX + 64], buf[DEMANGLED_MAX];
	struct slice name;

	(void)state;
	snprintf(symbol, sizeof(symbol), "_ZN3000%03000d3barEv", 7);
	memset(symbol + 7, 'x', 3000);
	name = demangle(symbol, buf);
	assert_int_equal(name.n, DEMANGLED_MAX);
	assert_memory_equal(name.p, "xxx", 3);
	assert_memory_equal(name.p + name.n - 3, "...", 3);
	snprintf(symbol, sizeof(symbol), "_ZN4100%04100d3barEv", 7);
	memset(symbol + 7, 'x', 4100);
	assert_int_equal(demangle(symbol, buf).n, 0);
}

/* Deep rather than long. */
static void test_depth(void **state)
{
	char symbol[MANGLED_MAX + 1], buf[DEMANGLED_MAX];
	static const char *const units[] = {"P", "1aI", "N", "K", "DpT_", "L", "X", "F", "S_I"};
	static const char *const loops[] = {"_RB_", "_RB_RC00", "_RNvB_1a", "_RIB_E"};

	(void)state;
	for (size_t i = 0; i < CNT(loops); i++)
		assert_in_range(demangle(loops[i], buf).n, 0, DEMANGLED_MAX);
	for (size_t i = 0; i < CNT(units); i++) {
		size_t n = 3, len = strlen(units[i]);

		memcpy(symbol, "_Z1", 3);
		symbol[n++] = 'f';
		while (n + len < sizeof(symbol)) {
			memcpy(symbol + n, units[i], len);
			n += len;
		}
		symbol[n] = 0;
		assert_in_range(demangle(symbol, buf).n, 0, DEMANGLED_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),  cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_growth), cmocka_unit_test(test_length),
		cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
