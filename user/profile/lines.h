/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of the source, and inlined functions, for the native code of a profile that is done. Each file
 * with DWARF is read once for all addresses that the profile has of it; what it says is kept for the profiles that
 * follow. Waits for other processes: not for the capture thread. One thread.
 */
#ifndef SONDE_PROFILE_LINES_H
#define SONDE_PROFILE_LINES_H

#include "user/model/profile.h"
#include "user/profile/line_reader.h"
#include "user/profile/symbols.h"

struct lines;

/* NULL with errno. */
struct lines *lines__new(void);
/* NULL is legal. */
void lines__free(struct lines *l);
/*
 * A copy of a profile in whose locations is what can be known within bounds; what
 * cannot is counted. Where a location's lines are looked up is what symbols call its module. NULL when memory is
 * out: the old one can be used.
 */
struct profile *lines__add(struct lines *l, const struct symbols *symbols,
			   const struct profile *from, const struct line_bounds *bounds);

#endif
