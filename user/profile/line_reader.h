/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DWARF is read by a process of its own. It may want much memory, or come from whoever wrote the
 * profiled program to break its reader, or be cut while it is read; so the reader gets a bound of memory
 * and time, can open nothing and speak to nobody, and what it had is gone when it ends.
 */
#ifndef SONDE_PROFILE_LINE_READER_H
#define SONDE_PROFILE_LINE_READER_H

#include "user/base/slice.h"

enum line_result {
	LINES_DONE,
	LINES_TOO_BIG, /* debug information, or a part of it, is beyond the bounds */
	LINES_LATE,    /* the time was up */
	LINES_FAILED,  /* the reader has failed */
	LINES_NOT_STARTED,
};

struct line_bounds {
	uint64_t time_ns;   /* in all */
	uint64_t memory_sz; /* of a reader; mapped files do not count */
	uint64_t fetch_ns;  /* to wait before that for debug files that are being fetched */
};

/* What is at the i-th address (line_frames.h); valid during the call. */
typedef void (*lines_found_fn)(void *ctx, uint32_t i, struct slice frames);

/*
 * Looks up cnt addresses, ascending, in the ELF file fd until until_ns (clock_mono_ns), with that
 * much memory. Whatever the result: what has been found by then is told.
 */
enum line_result line_reader_run(int fd, const uint64_t *addresses, uint32_t cnt, uint64_t until_ns,
				 uint64_t memory_sz, lines_found_fn found, void *ctx);

#endif
