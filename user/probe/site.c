// SPDX-License-Identifier: Apache-2.0
/* Linear walks over the code, from its first instruction. */
#include "user/probe/site.h"

#include <string.h>

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

/* --- Go --------------------------------------------------------------------------------------- */

static bool is_jbe(const uint8_t *code, size_t len)
{
	return (len == 2 && code[0] == 0x76) || (len == 6 && code[0] == 0x0f && code[1] == 0x86);
}

/* An optional lea of what the stack will be to r12, a comparison with its guard, jbe. */
bool site_is_go_start_x86(const uint8_t code[SITE_GO_START_SZ])
{
	static const uint8_t near[] = {0x4c, 0x8d, 0x64, 0x24}, far[] = {0x4c, 0x8d, 0xa4, 0x24};
	static const uint8_t compare[] = {0x3b, 0x66, 0x10};
	size_t lea = memcmp(code, near, sizeof(near)) == 0 ? sizeof(near) + 1
		     : memcmp(code, far, sizeof(far)) == 0 ? sizeof(far) + 4
							   : 0;
	const uint8_t *at = code + lea;

	return at[0] == (lea ? 0x4d : 0x49) && memcmp(at + 1, compare, sizeof(compare)) == 0 &&
	       (is_jbe(at + 4, 2) || is_jbe(at + 4, 6));
}

enum site_fault site_pick_go_entry_x86(const uint8_t *code, size_t n, struct site *out)
{
	int64_t known;
	struct insn in;

	if (n > SITE_CODE_MAX)
		return SITE_TOO_LONG;
	if (n < SITE_GO_START_SZ || !site_is_go_start_x86(code))
		return SITE_NOT_GO;
	for (size_t at = 0; at < n; at += in.len) {
		if (!insn_decode_x86(code + at, n - at, at, &in))
			return SITE_UNKNOWN_BYTES;
		if (in.kind != INSN_BRANCH)
			continue;
		if (!leads_to_start(code, n, in.target, &known))
			break;
		*out = (struct site){.off = (uint32_t)at, .insn = in};
		return check_jumps(code, n, out->off, known);
	}
	return SITE_NOT_GO;
}

static uint32_t little_endian(const uint8_t *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

/* What sub takes from the stack pointer; 0: it is no such instruction. */
static uint32_t frame_size(const uint8_t *code, size_t len)
{
	if (len < 4 || code[0] != 0x48 || code[2] != 0xec)
		return 0;
	return code[1] == 0x83 && len == 4   ? code[3]
	       : code[1] == 0x81 && len == 7 ? little_endian(code + 3)
					     : 0;
}

/* How far above the stack pointer the instruction stores rax; 0: it does not. */
static uint32_t stored_at(const uint8_t *code, size_t len)
{
	if (len < 5 || code[0] != 0x48 || code[1] != 0x89 || code[3] != 0x24)
		return 0;
	return code[2] == 0x44 && len == 5   ? code[4]
	       : code[2] == 0x84 && len == 8 ? little_endian(code + 4)
					     : 0;
}

/* The call of target; 0: there is none, or not one. slot: 0 if the argument is not kept before. */
static size_t find_call(const uint8_t *code, size_t n, int64_t target, uint32_t *slot)
{
	uint32_t frame = 0, home = sizeof(uint64_t);
	size_t call = 0;
	struct insn in;

	*slot = 0;
	for (size_t at = 0; at < n && insn_decode_x86(code + at, n - at, at, &in); at += in.len) {
		if (!frame) {
			home += in.kind == INSN_PUSH ? sizeof(uint64_t) : 0;
			frame = frame_size(code + at, in.len);
		}
		if (!call && frame && stored_at(code + at, in.len) == home + frame)
			*slot = home + frame;
		if (in.kind != INSN_CALL || !in.has_target || in.target != target)
			continue;
		if (call)
			return 0;
		call = at;
	}
	return call;
}

/* Does anything jump behind the call, and no further than to the site? */
static enum site_fault check_detours(const uint8_t *code, size_t n, size_t call, size_t site)
{
	struct insn in;

	for (size_t at = 0; at < n; at += in.len) {
		if (!insn_decode_x86(code + at, n - at, at, &in))
			return SITE_UNKNOWN_BYTES;
		if (in.has_target && in.target > (int64_t)call && in.target <= (int64_t)site)
			return SITE_IN_LOOP;
	}
	return SITE_FOUND;
}

enum site_fault site_pick_go_call_x86(const uint8_t *code, size_t n, int64_t target,
				      uint32_t registers, struct site *out, uint32_t *slot)
{
	size_t call;
	struct insn in;

	if (n > SITE_CODE_MAX)
		return SITE_TOO_LONG;
	call = find_call(code, n, target, slot);
	if (!call)
		return SITE_NO_CALL;
	if (!*slot || *slot > UINT16_MAX)
		return SITE_NO_SLOT;
	for (size_t at = call; at < n; at += in.len) {
		if (!insn_decode_x86(code + at, n - at, at, &in))
			return SITE_UNKNOWN_BYTES;
		if (at == call)
			continue;
		if (in.emulated) {
			*out = (struct site){.off = (uint32_t)at, .insn = in};
			return check_detours(code, n, call, at);
		}
		if (!goes_on(in.kind))
			return SITE_NONE;
		if (in.writes & registers || in.moves_stack)
			return SITE_REGISTER_LOST;
	}
	return SITE_NONE;
}

enum site_fault site_pick_call_x86(const uint8_t *code, size_t n, int64_t target, struct site *out)
{
	enum site_fault fault = SITE_NO_CALL;
	struct insn in;

	if (n > SITE_CODE_MAX)
		return SITE_TOO_LONG;
	for (size_t at = 0; at < n; at += in.len) {
		if (!insn_decode_x86(code + at, n - at, at, &in))
			return SITE_UNKNOWN_BYTES;
		if (in.kind != INSN_CALL || !in.has_target || in.target != target)
			continue;
		if (fault == SITE_FOUND || !in.emulated)
			return SITE_NO_CALL;
		*out = (struct site){.off = (uint32_t)at, .insn = in};
		fault = SITE_FOUND;
	}
	return fault;
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
		[SITE_NOT_GO] = "it does not begin as functions of Go do",
		[SITE_NO_CALL] = "it does not call what it should, or more than once",
		[SITE_NO_SLOT] = "its first argument is not kept on the stack",
	};

	return texts[fault];
}
