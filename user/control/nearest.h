/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean ...?": the name with the smallest edit distance to what was written. */
#ifndef SONDE_CONTROL_NEAREST_H
#define SONDE_CONTROL_NEAREST_H

#include <stddef.h>

struct nearest {
	const char *word; /* borrowed, as are the names */
	const char *best; /* NULL: nothing is near enough */
	size_t best_distance;
};

/* Looks whether name is nearer to word than the best so far; then answer becomes the best. */
void nearest__try(struct nearest *n, const char *name, const char *answer);

#endif
