// SPDX-License-Identifier: Apache-2.0
#include "user/probe/follow.h"

#define REGISTERS_CNT 16
#define RSP 4
#define WAY_MAX 64 /* instructions */

/* rdi, rsi, rdx, rcx, r8, r9 */
static const uint8_t argument_registers[ARGUMENTS_MAX] = {7, 6, 2, 1, 8, 9};

static void run(const struct insn *in, int values[REGISTERS_CNT])
{
	int copied = FOLLOW_OTHER;

	if (in->copies) {
		copied = values[in->from];
		/* A length may lose its upper half, which is no more than its sign; a pointer may not. */
		if (in->narrow && copied != 3)
			copied = FOLLOW_OTHER;
		if (in->displaced && copied != FOLLOW_LOCAL)
			copied = FOLLOW_OTHER;
	}
	for (int i = 0; i < REGISTERS_CNT; i++)
		if (in->writes & REGISTER(i) && i != RSP)
			values[i] = copied;
}

bool follow_x86(const uint8_t *code, size_t n, struct follow *out)
{
	int values[REGISTERS_CNT] = {[RSP] = FOLLOW_LOCAL};
	struct insn in;
	size_t at = 0;

	for (int i = 0; i < ARGUMENTS_MAX; i++)
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
	if ((in.kind != INSN_CALL && in.kind != INSN_JUMP) || !in.has_target ||
	    (in.target >= 0 && (uint64_t)in.target < n))
		return false;
	*out = (struct follow){.target = in.target, .jumps = in.kind == INSN_JUMP};
	for (int i = 0; i < ARGUMENTS_MAX; i++)
		out->arguments[i] = values[argument_registers[i]];
	return true;
}
