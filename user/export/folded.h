/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folded stacks, the text that flamegraph.pl and its kin read: a line per stack, its frames from the
 * root to the leaf joined by ';', then how many samples had it.
 */
#ifndef SONDE_EXPORT_FOLDED_H
#define SONDE_EXPORT_FOLDED_H

#include <stdio.h>

#include "user/model/profile.h"

/*
 * The first frame is the service, or else the thread's name. As is usual, "_[k]" ends the names of
 * kernel frames and "_[j]" those of jitted code, ';' in a name becomes ':', and control characters
 * become spaces. The lines are sorted. 0, -ENOMEM, or the negative errno of writing.
 */
int folded_write(const struct profile *p, FILE *out);

#endif
