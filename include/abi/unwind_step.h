/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One step of unwinding, from a frame to its caller's, for both sides. Whoever includes this has defined
 *   static bool unwind_load(void *memory, __u64 address, __u64 *value)
 * which reads 8 bytes of the thread's memory.
 */
#ifndef SONDE_ABI_UNWIND_STEP_H
#define SONDE_ABI_UNWIND_STEP_H

#include "include/abi/unwind.h"

#define UNWIND_INLINE static inline __attribute__((always_inline))

/* Where the kernel's struct ucontext, to which rsp points in a signal's trampoline, has the registers. */
#define UNWIND_UCONTEXT_REGISTERS 40

#define UNWIND_PUSH_RBP 0x55
#define UNWIND_MOV_RBP_RSP 0xe58948 /* "mov rbp, rsp" */
#define UNWIND_RET 0xc3

/*
 * Those that no function restores (rax rdx rcx rsi rdi r8-r11). Of a caller's code they are known only if hand-written
 * assembly says that its callees leave them alone, by having its CFA in one. The others may have been restored.
 */
#define UNWIND_UNSAVED 0x0f37

/* The caller's registers, its frame pointer apart, when the CFA is known. */
UNWIND_INLINE void unwind_to_caller(struct unwind_registers *r, __u64 cfa, __u64 rip)
{
	r->v[UNWIND_RSP] = cfa;
	r->v[UNWIND_RIP] = rip;
	r->known = (r->known & (1u << UNWIND_RBP | UNWIND_UNSAVED)) | 1u << UNWIND_RSP |
		   1u << UNWIND_RIP;
	r->exact = 0;
}

/* The kernel's frame of a signal: the interrupted function goes on where it was. */
UNWIND_INLINE enum unwind_end unwind_signal(struct unwind_registers *r, void *memory)
{
	static const __u8 order[UNWIND_REGISTERS] = {8, 9, 10, 11, 12, 13, 14, 15, 5,
						     4, 6, 3,  1,  0,  2,  7,  16};
	__u64 at = r->v[UNWIND_RSP] + UNWIND_UCONTEXT_REGISTERS;

	for (int i = 0; i < UNWIND_REGISTERS; i++)
		if (!unwind_load(memory, at + 8 * i, &r->v[order[i]]))
			return UNWIND_UNREADABLE;
	r->known = (1u << UNWIND_REGISTERS) - 1;
	r->exact = 1;
	r->code = 0;
	return UNWIND_GOES_ON;
}

/* Code that keeps frame pointers, except in a function's first and last instructions. */
UNWIND_INLINE enum unwind_end unwind_frame(struct unwind_registers *r,
					   const struct unwind_rule *rule, void *memory)
{
	__u64 sp = r->v[UNWIND_RSP], fp = r->v[UNWIND_RBP], rip, caller;
	__u8 before = r->code, next = r->code >> 8;

	if (r->exact && !r->code)
		return UNWIND_NO_FRAME;
	if (r->exact && (next == UNWIND_PUSH_RBP || next == UNWIND_RET)) {
		if (!unwind_load(memory, sp, &rip))
			return UNWIND_UNREADABLE;
		unwind_to_caller(r, sp + 8, rip);
		return UNWIND_GOES_ON;
	}
	if (r->exact && before == UNWIND_PUSH_RBP &&
	    (r->code >> 8 & 0xffffff) == UNWIND_MOV_RBP_RSP)
		fp = sp;
	else if (!(r->known & 1u << UNWIND_RBP) || (fp < sp && !rule->cfa_post))
		return UNWIND_NO_FRAME;
	if (!unwind_load(memory, fp, &caller) || !unwind_load(memory, fp + 8, &rip))
		return UNWIND_NO_FRAME;
	r->v[UNWIND_RBP] = caller;
	r->known |= 1u << UNWIND_RBP;
	unwind_to_caller(r, fp + 16, rip);
	return UNWIND_GOES_ON;
}

UNWIND_INLINE enum unwind_end unwind_cfa(const struct unwind_registers *r,
					 const struct unwind_rule *rule, void *memory, __u64 *cfa)
{
	__u8 reg = rule->cfa_reg & 15;

	if (!(r->known & 1u << reg))
		return UNWIND_NO_REGISTER;
	*cfa = r->v[reg] + rule->cfa_off;
	if (rule->cfa == UNWIND_CFA_DEREF) {
		if (!unwind_load(memory, *cfa, cfa))
			return UNWIND_UNREADABLE;
		*cfa += rule->cfa_post;
	}
	if (rule->cfa == UNWIND_CFA_PLT && (r->v[UNWIND_RIP] & 15) >= (__u32)rule->cfa_post)
		*cfa += 8;
	return *cfa > r->v[UNWIND_RSP] ? UNWIND_GOES_ON : UNWIND_STUCK;
}

UNWIND_INLINE enum unwind_end unwind_fp(struct unwind_registers *r, const struct unwind_rule *rule,
					void *memory, __u64 cfa)
{
	__u64 base = rule->fp == UNWIND_FP_AT_FP ? r->v[UNWIND_RBP] : cfa;

	if (rule->fp == UNWIND_FP_LOST ||
	    (rule->fp == UNWIND_FP_AT_FP && !(r->known & 1u << UNWIND_RBP)))
		r->known &= ~(1u << UNWIND_RBP);
	else if (rule->fp != UNWIND_FP_SAME) {
		if (!unwind_load(memory, base + rule->fp_off, &r->v[UNWIND_RBP]))
			return UNWIND_UNREADABLE;
		r->known |= 1u << UNWIND_RBP;
	}
	return UNWIND_GOES_ON;
}

/* Makes r the caller's registers: UNWIND_GOES_ON; or says why that cannot be. */
UNWIND_INLINE enum unwind_end unwind_step(struct unwind_registers *r,
					  const struct unwind_rule *rule, void *memory)
{
	enum unwind_end end;
	__u64 cfa = 0, rip;
	__u8 ra = rule->ra;

	if (rule->cfa == UNWIND_CFA_NONE)
		return UNWIND_NO_ROW;
	if (rule->cfa == UNWIND_CFA_ROOT)
		return UNWIND_ROOT;
	if (rule->cfa == UNWIND_CFA_SIGNAL)
		return unwind_signal(r, memory);
	if (rule->cfa == UNWIND_CFA_FRAME)
		return unwind_frame(r, rule, memory);
	if (rule->cfa < UNWIND_CFA_REGISTER)
		return UNWIND_UNSUPPORTED;
	end = unwind_cfa(r, rule, memory, &cfa);
	if (end != UNWIND_GOES_ON)
		return end;
	if (ra) {
		ra = (ra - 1) & 15;
		if (!(r->known & 1u << ra))
			return UNWIND_NO_REGISTER;
		rip = r->v[ra];
	} else if (!unwind_load(memory, cfa - 8, &rip)) {
		return UNWIND_UNREADABLE;
	}
	end = unwind_fp(r, rule, memory, cfa);
	if (end == UNWIND_GOES_ON)
		unwind_to_caller(r, cfa, rip);
	return end;
}

#endif
