// SPDX-License-Identifier: Apache-2.0
/* What a function passes on to the one that it calls first, as compilers write it and as they do not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/slice.h"
#include "user/probe/follow.h"

struct follow_case {
	const char *what;
	struct slice code;
	bool found;
	struct follow follow;
};

static const struct follow_case cases[] = {
	{"sub, test, js, mov rsp to rcx, movslq, call: SSL_read",
	 SLICE("\x48\x83\xec\x18\x85\xd2\x78\x0b\x48\x89\xe1\x48\x63\xd2\xe8\0\x10\0\0\xc3"),
	 true,
	 {.target = 0x1013, .arguments = {1, 2, 3, 0, 5, 6}}},
	{"call of itself", SLICE("\x48\x83\xec\x08\xe8\xf7\xff\xff\xff\xc3"), false, {0}},
	{"sub, call of what is before it: SSL_read_ex",
	 SLICE("\x48\x83\xec\x08\xe8\xf0\xff\xff\xff\xc3"),
	 true,
	 {.target = -7, .arguments = {1, 2, 3, 4, 5, 6}}},
	{"mov rcx to r8, xor ecx, jmp: SSL_write_ex",
	 SLICE("\x49\x89\xc8\x31\xc9\xe9\0\x10\0\0"),
	 true,
	 {.target = 0x100a, .jumps = true, .arguments = {1, 2, 3, 0, 4, 6}}},
	{"lea of rsp and a number",
	 SLICE("\x48\x8d\x4c\x24\x08\xe8\0\x10\0\0"),
	 true,
	 {.target = 0x100a, .arguments = {1, 2, 3, 0, 5, 6}}},
	{"lea by a frame pointer",
	 SLICE("\x48\x89\xe5\x48\x8d\x4d\xf0\xe8\0\x10\0\0"),
	 true,
	 {.target = 0x100c, .arguments = {1, 2, 3, 0, 5, 6}}},
	{"lea of rsi and a number is not what rsi was",
	 SLICE("\x48\x8d\x76\x08\xe8\0\x10\0\0"),
	 true,
	 {.target = 0x1009, .arguments = {1, 0, 3, 4, 5, 6}}},
	{"lea of two registers",
	 SLICE("\x48\x8d\x0c\x3c\xe8\0\x10\0\0"),
	 true,
	 {.target = 0x1009, .arguments = {1, 2, 3, 0, 5, 6}}},
	{"lea by the place of the code",
	 SLICE("\x48\x8d\x35\0\0\0\0\xe8\0\x10\0\0"),
	 true,
	 {.target = 0x100c, .arguments = {1, 0, 3, 4, 5, 6}}},
	{"half of a pointer",
	 SLICE("\x89\xf6\xe8\0\x10\0\0"),
	 true,
	 {.target = 0x1007, .arguments = {1, 0, 3, 4, 5, 6}}},
	{"half of a length",
	 SLICE("\x89\xd2\xe8\0\x10\0\0"),
	 true,
	 {.target = 0x1007, .arguments = {1, 2, 3, 4, 5, 6}}},
	{"a byte of a length",
	 SLICE("\x88\xca\xe8\0\x10\0\0"),
	 true,
	 {.target = 0x1007, .arguments = {1, 2, 0, 4, 5, 6}}},
	{"a saved argument comes back",
	 SLICE("\x48\x89\xfb\x31\xff\x48\x89\xdf\xe8\0\x10\0\0"),
	 true,
	 {.target = 0x100d, .arguments = {1, 2, 3, 4, 5, 6}}},
	{"add to an argument",
	 SLICE("\x48\x83\xc6\x01\xe8\0\x10\0\0"),
	 true,
	 {.target = 0x1009, .arguments = {1, 0, 3, 4, 5, 6}}},
	{"call through a register", SLICE("\xff\xd0\xe8\0\x10\0\0"), false, {0}},
	{"jump inside", SLICE("\xeb\x01\x90\xe8\0\x10\0\0"), false, {0}},
	{"ret first", SLICE("\xc3\xe8\0\x10\0\0"), false, {0}},
	{"ud2 first", SLICE("\x0f\x0b\xe8\0\x10\0\0"), false, {0}},
	{"no instruction first", SLICE("\x06\xe8\0\x10\0\0"), false, {0}},
	{"nothing", SLICE(""), false, {0}},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct follow_case *c = &cases[i];
		struct follow f = {0};
		bool found = follow_x86((const uint8_t *)c->code.p, c->code.n, &f);

		if (found != c->found || f.target != c->follow.target ||
		    f.jumps != c->follow.jumps ||
		    memcmp(f.arguments, c->follow.arguments, sizeof(f.arguments)) != 0)
			fail_msg("%s: %d, to %ld: %d %d %d %d %d %d", c->what, found, f.target,
				 f.arguments[0], f.arguments[1], f.arguments[2], f.arguments[3],
				 f.arguments[4], f.arguments[5]);
	}
}

/* Cut anywhere: the same call, or none. Only what jumps inside leads elsewhere then. */
static void test_prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t n = 0; n < cases[i].code.n; n++) {
			uint8_t *code = malloc(n + !n);
			struct follow f;

			memcpy(code, cases[i].code.p, n);
			if (follow_x86(code, n, &f) && cases[i].found)
				assert_int_equal(f.target, cases[i].follow.target);
			free(code);
		}
}

static void test_long_way(void **state)
{
	uint8_t code[200];
	struct follow f;

	(void)state;
	memset(code, 0x90, sizeof(code));
	memcpy(code + 190, "\xe8\0\x10\0\0", 5);
	assert_false(follow_x86(code, sizeof(code), &f));
	memcpy(code + 50, "\xe8\0\x10\0\0", 5);
	assert_true(follow_x86(code, sizeof(code), &f));
}

static void test_next(void **state)
{
	/* call; nop; je elsewhere; jmp inside; jmp elsewhere; no instruction; call */
	static const uint8_t code[] = "\xe8\0\x10\0\0\x90\x0f\x84\0\x10\0\0\xeb\xf8\xe9\0\x20\0\0"
				      "\x06\xe8\0\x10\0\0";
	int64_t target;
	size_t at = 0;

	(void)state;
	assert_true(follow_next_x86(code, sizeof(code) - 1, &at, &target));
	assert_int_equal(at, 5);
	assert_int_equal(target, 0x1005);
	assert_true(follow_next_x86(code, sizeof(code) - 1, &at, &target));
	assert_int_equal(target, 0x2013);
	assert_false(follow_next_x86(code, sizeof(code) - 1, &at, &target));
}

static void test_stubs(void **state)
{
	static const struct {
		struct slice code;
		bool found;
	} stubs[] = {
		{SLICE("\xff\x25\0\x10\0\0"), true},
		{SLICE("\xf3\x0f\x1e\xfa\xf2\xff\x25\0\x10\0\0\x0f\x1f\x44\0\0"), true},
		{SLICE("\xff\x24\x25\0\x10\0\0"), false}, /* by an address that is not relative */
		{SLICE("\xff\xe0"), false},
		{SLICE("\xff\x15\0\x10\0\0"), false}, /* call */
		{SLICE("\xe8\0\x10\0\0\xff\x25\0\x10\0\0"), false},
		{SLICE("\xc3\xff\x25\0\x10\0\0"), false},
		{SLICE("\x90\x90\x90\xff\x25\0\x10\0\0"), false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(stubs) / sizeof(stubs[0]); i++) {
		int64_t slot = 0;
		const uint8_t *code = (const uint8_t *)stubs[i].code.p;

		assert_int_equal(follow_stub_x86(code, stubs[i].code.n, &slot), stubs[i].found);
		if (stubs[i].found)
			assert_int_equal(slot, 0x1000 + (code[0] == 0xff ? 6 : 11));
		for (size_t n = 0; n < stubs[i].code.n; n++)
			if (follow_stub_x86(code, n, &slot))
				assert_true(stubs[i].found && n >= 6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),	 cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_long_way), cmocka_unit_test(test_next),
		cmocka_unit_test(test_stubs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
