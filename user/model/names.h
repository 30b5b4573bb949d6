/* SPDX-License-Identifier: Apache-2.0 */
/* Names as small numbers: a bounded table that forgets nothing. One thread. */
#ifndef SONDE_MODEL_NAMES_H
#define SONDE_MODEL_NAMES_H

#include "user/base/slice.h"

#define NAMES_MAX 4096u
#define NAMES_NONE 0u  /* no name */
#define NAMES_OTHER 1u /* all that are beyond */

struct names;

/* NULL with errno. */
struct names *names__new(void);
/* NULL is legal. */
void names__free(struct names *names);
/* The number of a name, of which the first 128 bytes matter. NAMES_OTHER when there is no room. */
uint16_t names__number(struct names *names, struct slice name);
/* Valid until names__free, and the same pointer for the same number. */
struct slice names__text(const struct names *names, uint16_t number);

#endif
