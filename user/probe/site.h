/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in a function a probe may sit: on the first instruction that the kernel emulates, as long as all
 * that run before it leave alone what the probe is to see. A site is hit once for each call. Pure.
 */
#ifndef SONDE_PROBE_SITE_H
#define SONDE_PROBE_SITE_H

#include "user/probe/insn.h"

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
	SITE_FAULT_CNT,
};

struct site {
	uint32_t off; /* from the function's start */
	struct insn insn;
};

/* code: all n bytes of the function. */
enum site_fault site_pick_x86(const uint8_t *code, size_t n, struct site_want want,
			      struct site *out);
/* In a few words, for people. */
const char *site_fault_text(enum site_fault fault);

#endif
