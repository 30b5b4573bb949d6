// SPDX-License-Identifier: Apache-2.0
/* Sites in functions of x86-64, as compilers write them and as they do not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/slice.h"
#include "user/probe/site.h"

#define RDX REGISTER(2)
#define RSI REGISTER(6)
#define RDI REGISTER(7)
#define ARGUMENTS (RDI | RSI | RDX)

struct site_case {
	const char *what;
	struct slice code;
	struct site_want want;
	enum site_fault fault;
	uint32_t off;
};

static const struct site_case cases[] = {
	{"push", SLICE("\x55\x48\x89\xe5\xc9\xc3"), {.registers = ARGUMENTS}, SITE_FOUND, 0},
	{"push, for a return", SLICE("\x55\xc3"), {.is_return = true}, SITE_FOUND, 0},
	{"push of a high register", SLICE("\x41\x54\xc3"), {0}, SITE_FOUND, 0},
	{"push with a prefix too many", SLICE("\x48\x55\x90\xc3"), {0}, SITE_FOUND, 2},
	{"endbr64, push", SLICE("\xf3\x0f\x1e\xfa\x55\xc3"), {.is_return = true}, SITE_FOUND, 4},
	{"sub rsp, mov, call",
	 SLICE("\x48\x83\xec\x18\x89\xf8\xe8\0\0\0\0\xc3"),
	 {.registers = ARGUMENTS},
	 SITE_FOUND,
	 6},
	{"the same, for a return",
	 SLICE("\x48\x83\xec\x18\x89\xf8\xe8\0\0\0\0\xc3"),
	 {.is_return = true},
	 SITE_STACK_MOVED,
	 0},
	{"movslq edx, rdx",
	 SLICE("\x48\x63\xd2\x55\xc3"),
	 {.registers = ARGUMENTS},
	 SITE_REGISTER_LOST,
	 0},
	{"the same, of which rdx is not wanted",
	 SLICE("\x48\x63\xd2\x55\xc3"),
	 {.registers = RDI | RSI},
	 SITE_FOUND,
	 3},
	{"xor edx, edx", SLICE("\x31\xd2\x55\xc3"), {.registers = RDX}, SITE_REGISTER_LOST, 0},
	{"mul writes rdx", SLICE("\xf7\xe1\x55\xc3"), {.registers = RDX}, SITE_REGISTER_LOST, 0},
	{"xchg rsi, rax", SLICE("\x48\x96\x55\xc3"), {.registers = RSI}, SITE_REGISTER_LOST, 0},
	{"test, je",
	 SLICE("\x48\x85\xff\x74\x01\xc3\xc3"),
	 {.registers = ARGUMENTS},
	 SITE_FOUND,
	 3},
	{"je far", SLICE("\x48\x85\xff\x0f\x84\x01\0\0\0\xc3\xc3"), {0}, SITE_FOUND, 3},
	{"jmp to another function", SLICE("\xe9\0\x10\0\0"), {.is_return = true}, SITE_FOUND, 0},
	{"jmp through memory", SLICE("\xff\x25\0\0\0\0"), {0}, SITE_NONE, 0},
	{"call through a register", SLICE("\xff\xd0\x55\xc3"), {0}, SITE_NONE, 0},
	{"ret", SLICE("\xc3"), {0}, SITE_NONE, 0},
	{"ud2", SLICE("\x0f\x0b\x55"), {0}, SITE_NONE, 0},
	{"nothing", SLICE(""), {0}, SITE_NONE, 0},
	{"nop", SLICE("\x90\xc3"), {.is_return = true}, SITE_FOUND, 0},
	{"long nop, push", SLICE("\x0f\x1f\x44\0\0\x55\xc3"), {0}, SITE_FOUND, 5},
	{"xchg r8, rax is no nop", SLICE("\x49\x90\x55\xc3"), {0}, SITE_FOUND, 2},
	{"push of a number", SLICE("\x6a\0\x55\xc3"), {0}, SITE_FOUND, 2},
	{"no instruction", SLICE("\x06\x55\xc3"), {0}, SITE_UNKNOWN_BYTES, 0},
	{"half an instruction", SLICE("\x48\x83"), {0}, SITE_UNKNOWN_BYTES, 0},
	{"no instruction behind the site", SLICE("\x55\xc3\x06"), {0}, SITE_UNKNOWN_BYTES, 0},
	{"dec, jne to dec", SLICE("\x89\xf8\xff\xc8\x75\xfc\xc3"), {0}, SITE_IN_LOOP, 0},
	{"a later jump to the site", SLICE("\x89\xf8\x55\x5d\x74\xfc\xc3"), {0}, SITE_IN_LOOP, 0},
	{"a later jump behind the site", SLICE("\x55\x90\x74\xfd\xc3"), {0}, SITE_FOUND, 0},
	{"Go: cmp, jbe, push; call, jmp to the start",
	 SLICE("\x49\x3b\x66\x10\x76\x03\x55\x5d\xc3\xe8\0\0\0\0\xeb\xf0"),
	 {.registers = REGISTER(0) | REGISTER(3)},
	 SITE_FOUND,
	 6},
	{"the same with another jump to the start",
	 SLICE("\x49\x3b\x66\x10\x76\x05\x55\x5d\x74\xf6\xc3\xe8\0\0\0\0\xeb\xee"),
	 {0},
	 SITE_IN_LOOP,
	 0},
	{"cmp, jbe to what does not lead to the start",
	 SLICE("\x49\x3b\x66\x10\x76\x03\x55\x5d\xc3\xe8\0\0\0\0\xc3"),
	 {0},
	 SITE_FOUND,
	 4},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct site_case *c = &cases[i];
		struct site site = {0};
		enum site_fault fault =
			site_pick_x86((const uint8_t *)c->code.p, c->code.n, c->want, &site);

		if (fault != c->fault || (fault == SITE_FOUND && site.off != c->off))
			fail_msg("%s: %s, at %u", c->what, site_fault_text(fault), site.off);
	}
}

/* Cut anywhere: another answer at most, and never a site beyond the end. */
static void test_prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t n = 0; n < cases[i].code.n; n++) {
			uint8_t *code = malloc(n + !n);
			struct site site = {0};

			memcpy(code, cases[i].code.p, n);
			if (site_pick_x86(code, n, cases[i].want, &site) == SITE_FOUND)
				assert_true(site.off + site.insn.len <= n);
			free(code);
		}
}

static void test_too_long(void **state)
{
	uint8_t *code = malloc(SITE_CODE_MAX + 1);
	struct site site;

	(void)state;
	memset(code, 0x90, SITE_CODE_MAX + 1);
	assert_int_equal(site_pick_x86(code, SITE_CODE_MAX, (struct site_want){0}, &site),
			 SITE_FOUND);
	assert_int_equal(site_pick_x86(code, SITE_CODE_MAX + 1, (struct site_want){0}, &site),
			 SITE_TOO_LONG);
	free(code);
}

/* --- Go --------------------------------------------------------------------------------------- */

#define RAX REGISTER(0)
#define RBX REGISTER(3)

static const struct entry_case {
	const char *what;
	struct slice code;
	enum site_fault fault;
	uint32_t off;
} entries[] = {
	{"cmp, jbe",
	 SLICE("\x49\x3b\x66\x10\x76\x09\x55\x5d\xc3\x90\x90\x90\x90\x90\x90\xe8\0\0\0\0\xeb\xea"),
	 SITE_FOUND, 4},
	{"lea, cmp, jbe far",
	 SLICE("\x4c\x8d\xa4\x24\xa8\xfe\xff\xff\x4d\x3b\x66\x10\x0f\x86\x03\0\0\0\x55\x5d\xc3"
	       "\xe8\0\0\0\0\xeb\xe4"),
	 SITE_FOUND, 12},
	{"lea near, cmp, jbe",
	 SLICE("\x4c\x8d\x64\x24\xb0\x4d\x3b\x66\x10\x76\x06\x55\x5d\xc3\x90\x90\x90\xe8\0\0\0\0\xeb\xe8"),
	 SITE_FOUND, 9},
	{"lea, cmp of the wrong register",
	 SLICE("\x4c\x8d\x64\x24\xb0\x49\x3b\x66\x10\x76\x06\x55\x5d\xc3\x90\x90\x90\xe8\0\0\0\0\xeb\xe8"),
	 SITE_NOT_GO, 0},
	{"ja",
	 SLICE("\x49\x3b\x66\x10\x77\x09\x55\x5d\xc3\x90\x90\x90\x90\x90\x90\xe8\0\0\0\0\xeb\xea"),
	 SITE_NOT_GO, 0},
	{"jbe to what does not lead to the start",
	 SLICE("\x49\x3b\x66\x10\x76\x09\x55\x5d\xc3\x90\x90\x90\x90\x90\x90\xe8\0\0\0\0\xc3\xc3"),
	 SITE_NOT_GO, 0},
	{"another jump to the start",
	 SLICE("\x49\x3b\x66\x10\x76\x09\x55\x5d\x74\xf6\xc3\x90\x90\x90\x90\xe8\0\0\0\0\xeb\xea"),
	 SITE_IN_LOOP, 0},
	{"C", SLICE("\x55\x48\x89\xe5\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\xc3"),
	 SITE_NOT_GO, 0},
};

/* push rbp; mov; sub rsp, 16; mov rax to where rsp is 32 below: its home; call. */
#define FRAME "\x55\x48\x89\xe5\x48\x83\xec\x10\x48\x89\x44\x24\x20\xe8\0\x01\0\0"
#define FRAME_TARGET (18 + 256)

static const struct call_case {
	const char *what;
	struct slice code;
	enum site_fault fault;
	uint32_t off, slot;
} calls[] = {
	{"test, jne", SLICE(FRAME "\x48\x85\xf6\x75\x01\xc3\xc3"), SITE_FOUND, 21, 32},
	{"nop", SLICE(FRAME "\x90\xc3"), SITE_FOUND, 18, 32},
	{"an old frame, of a large function",
	 SLICE("\x48\x81\xec\x80\x03\0\0\x48\x89\x84\x24\x88\x03\0\0\xe8\xfe\0\0\0\x90\xc3"),
	 SITE_FOUND, 20, 0x388},
	{"an answer is written over", SLICE(FRAME "\x48\x31\xc0\x75\x01\xc3\xc3"),
	 SITE_REGISTER_LOST, 0, 0},
	{"a jump to behind the call", SLICE(FRAME "\x48\x85\xf6\x75\xfb\xc3"), SITE_IN_LOOP, 0, 0},
	{"two calls", SLICE(FRAME "\x90\xe8\xfa\0\0\0\xc3"), SITE_NO_CALL, 0, 0},
	{"no call", SLICE("\x55\x90\x90\xc3"), SITE_NO_CALL, 0, 0},
	{"its argument is stored elsewhere",
	 SLICE("\x55\x48\x89\xe5\x48\x83\xec\x10\x48\x89\x44\x24\x18\xe8\0\x01\0\0\x90\xc3"),
	 SITE_NO_SLOT, 0, 0},
	{"return", SLICE(FRAME "\xc3"), SITE_NONE, 0, 0},
};

static void try_entry(const struct entry_case *c, const uint8_t *code, size_t n)
{
	struct site site = {0};
	enum site_fault fault = site_pick_go_entry_x86(code, n, &site);

	if (n == c->code.n && (fault != c->fault || (fault == SITE_FOUND && site.off != c->off)))
		fail_msg("%s: %s, at %u", c->what, site_fault_text(fault), site.off);
	assert_true(fault != SITE_FOUND || site.off + site.insn.len <= n);
}

static void try_call(const struct call_case *c, const uint8_t *code, size_t n)
{
	struct site site = {0};
	uint32_t slot = 0;
	enum site_fault fault =
		site_pick_go_call_x86(code, n, FRAME_TARGET, RAX | RBX | RSI | RDI, &site, &slot);

	if (n == c->code.n &&
	    (fault != c->fault || (fault == SITE_FOUND && (site.off != c->off || slot != c->slot))))
		fail_msg("%s: %s, at %u, slot %u", c->what, site_fault_text(fault), site.off, slot);
	assert_true(fault != SITE_FOUND || site.off + site.insn.len <= n);
}

/* Each as it is, and cut anywhere. */
static void test_go(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		for (size_t n = 0; n <= entries[i].code.n; n++) {
			uint8_t *code = malloc(n + !n);

			memcpy(code, entries[i].code.p, n);
			try_entry(&entries[i], code, n);
			free(code);
		}
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		for (size_t n = 0; n <= calls[i].code.n; n++) {
			uint8_t *code = malloc(n + !n);

			memcpy(code, calls[i].code.p, n);
			try_call(&calls[i], code, n);
			free(code);
		}
}

struct only_call_case {
	const char *what;
	struct slice code;
	int64_t target;
	enum site_fault fault;
	uint32_t off;
};

static const struct only_call_case only_call_cases[] = {
	{"the only call", SLICE("\x48\x89\xc3\xe8\x10\0\0\0\xc3"), 0x18, SITE_FOUND, 3},
	{"behind one of another", SLICE("\xe8\x20\0\0\0\xe8\x10\0\0\0\xc3"), 0x1a, SITE_FOUND, 5},
	{"of another only", SLICE("\xe8\x20\0\0\0\xc3"), 0x1a, SITE_NO_CALL, 0},
	{"two of them", SLICE("\xe8\x10\0\0\0\xe8\x0b\0\0\0\xc3"), 0x15, SITE_NO_CALL, 0},
	{"a jump there", SLICE("\xe9\x10\0\0\0\xc3"), 0x15, SITE_NO_CALL, 0},
	{"bytes that are none", SLICE("\x06\xe8\x10\0\0\0"), 0x16, SITE_UNKNOWN_BYTES, 0},
	{"backwards", SLICE("\x90\xe8\xf0\xff\xff\xff\xc3"), -10, SITE_FOUND, 1},
};

static void test_only_calls(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(only_call_cases) / sizeof(only_call_cases[0]); i++) {
		const struct only_call_case *c = &only_call_cases[i];
		struct site site;
		enum site_fault fault =
			site_pick_call_x86((const uint8_t *)c->code.p, c->code.n, c->target, &site);

		if (fault != c->fault || (fault == SITE_FOUND && site.off != c->off))
			fail_msg("%s: %s", c->what, site_fault_text(fault));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_calls), cmocka_unit_test(test_cases),
		cmocka_unit_test(test_prefixes),   cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
