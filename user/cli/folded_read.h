/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folded stacks, as -o FILE.folded and flamegraph.pl's collapsers write them: "root;function;leaf 12". What the numbers
 * are of no file says.
 */
#ifndef SONDE_CLI_FOLDED_READ_H
#define SONDE_CLI_FOLDED_READ_H

#include <stdio.h>

#include "user/model/profile.h"

#define FOLDED_LINE_MAX (1u << 20)

struct folded_reading {
	uint64_t lines_cnt;	/* that are samples now */
	uint64_t bad_lines_cnt; /* left out: no number, too long, too deep */
	uint64_t first_bad;	/* its number */
};

/*
 * Adds a sample for each line to p, its number as value_ns, the first name as thread_name, the others as frames of what their
 * suffix says. 0, or a negative errno of reading or memory.
 */
int folded_read(FILE *in, struct profile *p, struct folded_reading *reading);

#endif
