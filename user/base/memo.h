/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts that were seen once and are referred to later by a name, such as prepared statements. Bounded
 * in bytes: what was not used for longest is forgotten, and whoever asks must live with that. One
 * thread at a time.
 */
#ifndef SONDE_BASE_MEMO_H
#define SONDE_BASE_MEMO_H

#include "user/base/slice.h"

#define MEMO_TEXT_MAX 4096 /* of a text; longer ones are cut */

struct memo;

/* Holds texts of at most max_sz bytes together. NULL with errno. */
struct memo *memo__new(size_t max_sz);
/* NULL is legal. */
void memo__free(struct memo *memo);
/* Keeps a copy under {owner, name}; replaces what was there. A name may be a slice_hash. memo may be NULL. */
void memo__put(struct memo *memo, uint64_t owner, uint64_t name, struct slice text);
/* Valid until the next put. False if nothing (or nothing any more) has that name; memo may be NULL. */
bool memo__get(struct memo *memo, uint64_t owner, uint64_t name, struct slice *text);

#endif
