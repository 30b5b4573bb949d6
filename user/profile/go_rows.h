/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind rows of Go's own code, which call frame information leaves out: the table that every program of Go 1.18 or
 * later has of its functions, stripped or not, tells how large their frames are at each instruction. Hostile input.
 */
#ifndef SONDE_PROFILE_GO_ROWS_H
#define SONDE_PROFILE_GO_ROWS_H

#include "user/base/slice.h"
#include "user/profile/unwind_table.h"

/* Where the text of Go is, and a place in it whose bytes prove so. */
struct go_text {
	uint64_t exit_off; /* of runtime.goexit in the text */
	uint64_t header;   /* what the table's header says; 0: nothing */
};

/* Is this such a table, and whole enough? Then out is filled. */
bool go_table_check(struct slice table, struct go_text *out);
/* The rows of its functions, the text being at that address. 0, -EINVAL or -ENOMEM. */
int go_rows_take(struct unwind_rows *rows, struct slice table, uint64_t text,
		 struct unwind_rules *rules);

#endif
