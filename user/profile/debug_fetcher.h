/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetches debug files that are not on this host from debuginfod servers, by build-id, in a thread of its own. By elfutils'
 * client, which is loaded when there is something to fetch only: it keeps what it has fetched on disk, and knows for a
 * while what there was not (debuginfod_find_debuginfo(3)).
 */
#ifndef SONDE_PROFILE_DEBUG_FETCHER_H
#define SONDE_PROFILE_DEBUG_FETCHER_H

#include "user/base/slice.h"

struct debug_fetcher;

enum debug_fetch {
	DEBUG_FETCH_AWAITED,
	DEBUG_FETCH_DONE,
	DEBUG_FETCH_FAILED, /* or the servers do not have it */
};

/* urls: of the servers, with spaces between. NULL with errno, of which ENOPKG is that the client is not installed. */
struct debug_fetcher *debug_fetcher__new(const char *urls);
/* Gives up what is being fetched. NULL is legal. */
void debug_fetcher__free(struct debug_fetcher *f);

/*
 * Has the debug file of a build-id (hexadecimal) fetched, unless that has been asked for before. Once DONE, *fd is the caller's,
 * and asking again fetches again. name is the program's, for the log.
 */
enum debug_fetch debug_fetcher__ask(struct debug_fetcher *f, const char *build_id,
				    struct slice name, int *fd);
/* Waits until all that was asked for has been fetched, or cannot be now, not longer than until_ns (clock_mono_ns). */
void debug_fetcher__await(struct debug_fetcher *f, uint64_t until_ns);

#endif
