/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a function passes its work on: some cannot be probed, but only call another one with what they
 * were given, and that one can. Pure; code is hostile input.
 */
#ifndef SONDE_PROBE_FOLLOW_H
#define SONDE_PROBE_FOLLOW_H

#include "user/probe/insn.h"

#define ARGUMENTS_MAX 6 /* in registers */

/* What an argument of the function that is called is. */
#define FOLLOW_OTHER 0
#define FOLLOW_LOCAL \
	(-1) /* an address in the calling function's frame; else: 1 its first argument ... */

struct follow {
	int64_t target; /* from the calling function's start, as code is counted */
	bool jumps;	/* does not come back: what the other returns is returned */
	int arguments[ARGUMENTS_MAX];
};

/* The first call or jump elsewhere on the way that takes no branch. False: there is none with a fixed target. */
bool follow_x86(const uint8_t *code, size_t n, struct follow *out);

#endif
