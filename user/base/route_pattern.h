/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The patterns that a user gives for routes, and the segments of paths that they are matched with.
 *
 * A pattern begins with '/'. Each of its segments is text that a path must have as it is, or "*" or
 * "{name}" for any one segment; the last may be "**" for all that follow. '*', '{' and '}' stand
 * nowhere else. Empty segments, hence doubled and trailing slashes, count for nothing.
 */
#ifndef SONDE_BASE_ROUTE_PATTERN_H
#define SONDE_BASE_ROUTE_PATTERN_H

#include "user/base/slice.h"

#define ROUTE_PATTERN_MAX 512 /* bytes */
#define ROUTE_REST SLICE("**")

/* What is wrong with a pattern, to follow "PATTERN: "; NULL if nothing is. */
const char *route_pattern_error(struct slice pattern);
/* Takes the next segment that is not empty off a path or pattern; false at the end. */
bool route_next_segment(struct slice *path, struct slice *segment);

#endif
