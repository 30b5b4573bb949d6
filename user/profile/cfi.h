/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call frame information: how to get from a function's frame to its caller's, for each of its instructions.
 * .eh_frame ("Linux Standard Base Core Specification", 10.6) and .debug_frame ("DWARF 5", 6.4), of x86-64.
 * Pure functions of hostile bytes; what they cannot follow becomes UNWIND_CFA_UNSUPPORTED.
 */
#ifndef SONDE_PROFILE_CFI_H
#define SONDE_PROFILE_CFI_H

#include "include/abi/unwind.h"
#include "user/base/slice.h"

struct cfi_section {
	struct slice bytes;
	uint64_t address; /* of the first byte, as the file wants it */
	bool debug;	  /* it is .debug_frame */
};

/* A function, or a part of one, of which a section tells. */
struct cfi_function {
	uint64_t start, limit;
	size_t at; /* of its entry in the section */
};

struct cfi_index {
	struct cfi_function *v; /* by start; none overlaps the next one */
	size_t cnt, cap;
};

/* Lists the functions; the caller frees index->v. -ENOMEM, or 0: what is malformed ends the list. */
int cfi_index(const struct cfi_section *section, struct cfi_index *index);
/*
 * Calls row for each change within one of them, by address; the first is at its start. Stops when
 * that returns false.
 */
void cfi_rows(const struct cfi_section *section, const struct cfi_function *function,
	      bool (*row)(void *ctx, uint64_t address, const struct unwind_rule *rule), void *ctx);

#endif
