/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of one path segment: a name that may stand for itself, or a kind of value. */
#ifndef SONDE_FLOW_ROUTE_SHAPE_H
#define SONDE_FLOW_ROUTE_SHAPE_H

#include "user/base/slice.h"

#define ROUTE_SEGMENT_MAX 32 /* bytes of a segment that may stand for itself, and of a shape */

/*
 * "{id}", "{uuid}", "{date}", "{hex}", "{email}", "{token}", "{text}", or such a one with a file
 * extension, "{hash}.js"; or the segment itself, if it may stand for itself: then it has at most
 * ROUTE_SEGMENT_MAX plain ASCII characters, and neither braces nor asterisks. The result is a part
 * of segment, of buf (ROUTE_SEGMENT_MAX bytes) or static. What follows a ';' is not looked at.
 */
struct slice route_segment_shape(struct slice segment, char *buf);

#endif
