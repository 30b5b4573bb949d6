/* SPDX-License-Identifier: Apache-2.0 */
/* A profile that is shown on the terminal while it grows. Main thread, but for profile_live__take. */
#ifndef SONDE_PROFILE_LIVE_H
#define SONDE_PROFILE_LIVE_H

#include "user/cli/options.h"
#include "user/model/profile.h"
#include "user/model/request_table.h"

#define PROFILE_LIVE_INTERVAL_NS 1000000000u

struct profile_live;

/*
 * Is the profile to be shown while it grows? On a terminal, unless it is to go elsewhere, too, or a command has the
 * terminal.
 */
bool profile_live_wanted(const struct options *options);
/* requests: borrowed; NULL if nothing is traced. NULL with errno. */
struct profile_live *profile_live__new(const struct options *options,
				       struct request_table *requests);
/* NULL is legal. Leaves the terminal. */
void profile_live__free(struct profile_live *live);
/* Takes over one profile more; any thread. */
void profile_live__take(struct profile_live *live, struct profile *profile);
/* Draws when it is time to; true when the user has seen enough. */
bool profile_live__turn(struct profile_live *live, int signals);
/* Leaves the terminal. */
void profile_live__close(struct profile_live *live);
/* All that has come as one profile, the caller's now; NULL: nothing has. *missing: samples that found no room. */
struct profile *profile_live__end(struct profile_live *live, uint64_t *missing);

#endif
