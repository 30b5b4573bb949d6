// SPDX-License-Identifier: Apache-2.0
/* A linear walk: no branch is taken, and what is met on the way decides. */
#include "user/probe/follow.h"

#define REGISTERS_CNT 16
#define WAY_MAX 64 /* instructions */
#define STUB_MAX 3
#define LENGTH 3 /* the argument that is a number */

/* rdi, rsi, rdx, rcx, r8, r9 */
static const uint8_t argument_registers[ARGUMENTS_MAX] = {7, 6, 2, 1, 8, 9};

static void run(const struct insn *in, uint8_t values[REGISTERS_CNT])
{
	/* A length may lose its upper half, which is no more than its sign; a pointer may not. */
	bool kept = in->copies && (!in->narrow || values[in->from] == LENGTH);
	uint8_t copied = kept ? values[in->from] : 0;

	for (int i = 0; i < REGISTERS_CNT; i++)
		if (in->writes & REGISTER(i))
			values[i] = copied;
}

/* To elsewhere? */
static bool is_fixed(const struct insn *in, size_t n)
{
	return (in->kind == INSN_CALL || in->kind == INSN_JUMP) && in->has_target &&
	       !(in->target >= 0 && (uint64_t)in->target < n);
}

bool follow_x86(const uint8_t *code, size_t n, struct follow *out)
{
	uint8_t values[REGISTERS_CNT] = {0};
	struct insn in;
	size_t at = 0;

	for (uint8_t i = 0; i < ARGUMENTS_MAX; i++)
		values[argument_registers[i]] = i + 1;
	for (int i = 0; i < WAY_MAX; i++, at += in.len) {
		if (at >= n || !insn_decode_x86(code + at, n - at, at, &in))
			return false;
		if (in.kind == INSN_CALL || in.kind == INSN_JUMP)
			break;
		if (in.kind == INSN_RETURN || in.kind == INSN_STOP)
			return false;
		run(&in, values);
	}
	if (!is_fixed(&in, n))
		return false;
	*out = (struct follow){.target = in.target, .jumps = in.kind == INSN_JUMP};
	for (int i = 0; i < ARGUMENTS_MAX; i++)
		out->arguments[i] = values[argument_registers[i]];
	return true;
}

bool follow_next_x86(const uint8_t *code, size_t n, size_t *at, int64_t *target)
{
	struct insn in;

	while (*at < n && insn_decode_x86(code + *at, n - *at, *at, &in)) {
		*at += in.len;
		*target = in.target;
		if (is_fixed(&in, n))
			return true;
	}
	return false;
}

bool follow_stub_x86(const uint8_t *code, size_t n, int64_t *slot)
{
	struct insn in;
	size_t at = 0;

	for (int i = 0; i < STUB_MAX; i++, at += in.len) {
		if (at >= n || !insn_decode_x86(code + at, n - at, at, &in))
			return false;
		if (in.has_slot) {
			*slot = in.slot;
			return true;
		}
		if (in.kind != INSN_NOP && in.kind != INSN_OTHER)
			return false;
	}
	return false;
}
