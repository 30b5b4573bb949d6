/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded set of hashes that forgets those that were not asked for in a long time. What is taken
 * for a member by chance is one in 2^64 / size. One thread at a time.
 */
#ifndef SONDE_BASE_RECENT_H
#define SONDE_BASE_RECENT_H

#include <stdbool.h>
#include <stdint.h>

struct recent;

/* Remembers the last cnt at least, and twice as many at most. cnt is a power of two. NULL with errno. */
struct recent *recent__new(uint32_t cnt);
/* NULL is legal. */
void recent__free(struct recent *recent);
void recent__add(struct recent *recent, uint64_t hash);
/* Asking keeps it remembered. */
bool recent__has(struct recent *recent, uint64_t hash);
void recent__remove(struct recent *recent, uint64_t hash);

#endif
