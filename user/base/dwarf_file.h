/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What DWARF says of code: the functions that were inlined at an address, and lines of the source.
 * Hostile input, read by elfutils' libdw, which may well fail on it, want much memory or never end:
 * see user/profile/line_reader.h for how that is bounded. One thread.
 */
#ifndef SONDE_BASE_DWARF_FILE_H
#define SONDE_BASE_DWARF_FILE_H

#include "user/base/slice.h"

#define DWARF_UNPACKED_MAX_SZ (384ull * 1024 * 1024)
#define SOURCE_FRAMES_MAX 64 /* of one address; those beyond, outermost, are left out */

struct source_frame {
	struct slice
		name; /* as symbol tables have it, if DWARF tells; else the source's; empty: unknown */
	struct slice dir;  /* that file is relative to; empty: it is not, or that is unknown */
	struct slice file; /* empty: unknown */
	uint32_t line;	   /* in that file; of all but the innermost the call's; 0: unknown */
};

/* Frames are innermost first, the last being no inlined function; valid during the call. */
typedef void (*source_found_fn)(void *ctx, uint32_t i, const struct source_frame *frames,
				uint32_t cnt);

enum dwarf_result {
	DWARF_DONE,
	DWARF_TOO_BIG, /* of some addresses: what tells of them is beyond the bounds */
	DWARF_BROKEN,  /* not all units can be read */
};

struct dwarf_file;

typedef __attribute__((noreturn)) void (*no_memory_fn)(void);

/*
 * Maps fd, which must not be cut while it is open. NULL with errno: ENODATA if there is no DWARF, EIO if it cannot be read, EFBIG
 * if it is packed and would take more than DWARF_UNPACKED_MAX_SZ.
 * no_memory is called when memory is out, and must not return; NULL: the program ends then.
 */
struct dwarf_file *dwarf_file__open(int fd, no_memory_fn no_memory);
/* The same in memory. */
struct dwarf_file *dwarf_file__open_bytes(char *bytes, size_t n, no_memory_fn no_memory);
/* NULL is legal. */
void dwarf_file__close(struct dwarf_file *f);
/*
 * Looks up cnt addresses as the file has them, which are in ascending order. Tells each of which something is known once, by
 * its index, in any order.
 */
enum dwarf_result dwarf_file__find(struct dwarf_file *f, const uint64_t *addresses, uint32_t cnt,
				   source_found_fn found, void *ctx);

#endif
