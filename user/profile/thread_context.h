/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the threads of a process publish the spans that they work for (OTEP 4947): in a thread-local variable of a name
 * that is fixed, in whichever file of the process its SDK is. One thread.
 */
#ifndef SONDE_PROFILE_THREAD_CONTEXT_H
#define SONDE_PROFILE_THREAD_CONTEXT_H

#include "include/abi/thread_context.h"
#include "user/profile/mappings.h"

struct thread_context_search {
	bool known;
	bool declared;	       /* the process says that its threads publish */
	uint64_t published_ns; /* of what it said last */
	uint64_t next_ns, gap_ns;
};

/*
 * Looks for it now and then, since the SDK may begin at any time: true once it has been found, and place says where. open
 * gives a descriptor of a mapping's file, or a negative errno.
 */
bool thread_context__find(struct thread_context_search *search, int proc_dir_fd,
			  const struct mappings *mappings,
			  int (*open)(void *ctx, const struct mapping *mapping), void *ctx,
			  uint64_t now_ns, struct thread_context_place *place);

#endif
