/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a function passes its work on: some cannot be probed, but only call another one with what they
 * were given, and that one can. Pure; code is hostile input.
 */
#ifndef SONDE_PROBE_FOLLOW_H
#define SONDE_PROBE_FOLLOW_H

#include "user/base/insn.h"

#define ARGUMENTS_MAX 6 /* in registers */

struct follow {
	int64_t target; /* from the calling function's start */
	bool jumps;	/* does not come back: what the other returns is returned */
	/* Of the function that is called: the calling one's first argument (1), its second ...; 0: else */
	uint8_t arguments[ARGUMENTS_MAX];
};

/* The first call or jump elsewhere on the way that takes no branch. False: there is none with a fixed target. */
bool follow_x86(const uint8_t *code, size_t n, struct follow *out);
/* Goes on from *at to the next fixed call or jump elsewhere, and then behind it. False at the end of the code. */
bool follow_next_x86(const uint8_t *code, size_t n, size_t *at, int64_t *target);
/* Is the code that begins there a stub that jumps by what the loader writes to slot, as code is counted? */
bool follow_stub_x86(const uint8_t *code, size_t n, int64_t *slot);

#endif
