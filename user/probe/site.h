/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in a function a probe may sit: on the first instruction that the kernel emulates, as long as all
 * that run before it leave alone what the probe is to see. A site is hit once for each call. Pure.
 */
#ifndef SONDE_PROBE_SITE_H
#define SONDE_PROBE_SITE_H

#include "user/base/insn.h"

#define SITE_CODE_MAX 65536u /* bytes of a function that are looked at; longer ones get no site */

struct site_want {
	uint32_t registers; /* that hold what is to be read: REGISTER()s */
	bool is_return; /* the return address must be at the top of the stack, for a return probe */
};

enum site_fault {
	SITE_FOUND,
	SITE_UNKNOWN_BYTES, /* which do not decode */
	SITE_REGISTER_LOST, /* a register is written over before an instruction that is emulated */
	SITE_STACK_MOVED,   /* the same for the return address */
	SITE_NONE,	    /* the function ends before */
	SITE_IN_LOOP,	    /* it might be hit more than once */
	SITE_TOO_LONG,
	SITE_NOT_GO,  /* it does not begin as functions of Go do */
	SITE_NO_CALL, /* what it should call it does not, or more than once */
	SITE_NO_SLOT, /* its first argument is not kept on the stack */
	SITE_FAULT_CNT,
};

struct site {
	uint32_t off; /* from the function's start */
	struct insn insn;
};

/* code: all n bytes of the function. */
enum site_fault site_pick_x86(const uint8_t *code, size_t n, struct site_want want,
			      struct site *out);

/*
 * At the entry of a function of Go: on the branch that leads to where the stack is grown. Nothing has been
 * written over there; it is taken if the carry or zero flag is set, and then comes round once more.
 */
enum site_fault site_pick_go_entry_x86(const uint8_t *code, size_t n, struct site *out);
/*
 * In a function of Go, behind its only call of what begins at target (from the function's start): on the first
 * instruction that the kernel emulates, as long as the registers hold what the call answers. slot: how far above
 * the stack pointer the function's first argument is kept.
 */
enum site_fault site_pick_go_call_x86(const uint8_t *code, size_t n, int64_t target,
				      uint32_t registers, struct site *out, uint32_t *slot);
/* On the only call of what begins at target (from the function's start). It may be hit more than once, or never. */
enum site_fault site_pick_call_x86(const uint8_t *code, size_t n, int64_t target, struct site *out);
/* Do these bytes begin as a function of Go does, whose stack may have to grow? */
#define SITE_GO_START_SZ 18u
bool site_is_go_start_x86(const uint8_t code[SITE_GO_START_SZ]);
/* In a few words, for people. */
const char *site_fault_text(enum site_fault fault);

#endif
