// SPDX-License-Identifier: Apache-2.0
/* Linear walks over the code, from its first instruction. */
#include "user/probe/site.h"

/* Is what follows the next to run? */
static bool goes_on(enum insn_kind kind)
{
	return kind == INSN_OTHER || kind == INSN_NOP || kind == INSN_PUSH;
}

/*
 * Go's functions begin with a branch to where the stack is grown, and that ends in a jump to the function's
 * start: what follows the branch is run once for each call, the branch itself twice now and then.
 */
static bool leads_to_start(const uint8_t *code, size_t n, int64_t at, int64_t *jump)
{
	struct insn in;

	while (at > 0 && (uint64_t)at < n &&
	       insn_decode_x86(code + at, n - (size_t)at, (uint64_t)at, &in)) {
		if (in.kind == INSN_JUMP && in.has_target && in.target == 0) {
			*jump = at;
			return true;
		}
		if (!goes_on(in.kind) && in.kind != INSN_CALL)
			return false;
		at += in.len;
	}
	return false;
}

/*
 * Does anything jump to the site or before it? known is a jump that is known to and may (-1: none). Padding
 * behind the last instruction is not looked at.
 */
static enum site_fault check_jumps(const uint8_t *code, size_t n, uint32_t off, int64_t known)
{
	struct insn in;

	for (size_t at = 0; at < n; at += in.len) {
		if (!insn_decode_x86(code + at, n - at, at, &in))
			return SITE_UNKNOWN_BYTES;
		if ((in.kind == INSN_JUMP || in.kind == INSN_BRANCH) && in.has_target &&
		    in.target >= 0 && in.target <= off && (int64_t)at != known)
			return SITE_IN_LOOP;
	}
	return SITE_FOUND;
}

enum site_fault site_pick_x86(const uint8_t *code, size_t n, struct site_want want,
			      struct site *out)
{
	int64_t known = -1;
	struct insn in;

	if (n > SITE_CODE_MAX)
		return SITE_TOO_LONG;
	for (size_t at = 0; at < n; at += in.len) {
		if (!insn_decode_x86(code + at, n - at, at, &in))
			return SITE_UNKNOWN_BYTES;
		if (in.kind == INSN_BRANCH && in.has_target && known < 0 &&
		    leads_to_start(code, n, in.target, &known))
			continue;
		if (in.emulated) {
			*out = (struct site){.off = (uint32_t)at, .insn = in};
			return check_jumps(code, n, out->off, known);
		}
		if (!goes_on(in.kind))
			return SITE_NONE;
		if (want.is_return && in.moves_stack)
			return SITE_STACK_MOVED;
		if (in.writes & want.registers)
			return SITE_REGISTER_LOST;
	}
	return SITE_NONE;
}

const char *site_fault_text(enum site_fault fault)
{
	static const char *const texts[SITE_FAULT_CNT] = {
		[SITE_FOUND] = "found",
		[SITE_UNKNOWN_BYTES] = "bytes that are no instruction",
		[SITE_REGISTER_LOST] = "an argument is written over first",
		[SITE_STACK_MOVED] = "the stack moves first",
		[SITE_NONE] = "no instruction that the kernel emulates",
		[SITE_IN_LOOP] = "it would be hit more than once",
		[SITE_TOO_LONG] = "the function is too long",
	};

	return texts[fault];
}
