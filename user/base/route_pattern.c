// SPDX-License-Identifier: Apache-2.0
/* One grammar for those who read the configuration and those who match paths. */
#include "user/base/route_pattern.h"

bool route_next_segment(struct slice *path, struct slice *segment)
{
	size_t n = 0;

	while (path->n && path->p[0] == '/')
		*path = slice_after(*path, 1);
	while (n < path->n && path->p[n] != '/')
		n++;
	*segment = slice_first(*path, n);
	*path = slice_after(*path, n);
	return n > 0;
}

static bool contains(struct slice s, const char *characters)
{
	for (; *characters; characters++)
		if (slice_find(s, *characters) >= 0)
			return true;
	return false;
}

static const char *segment_error(struct slice segment, bool last)
{
	struct slice name = slice_after(slice_first(segment, segment.n - 1), 1);
	bool parameter = segment.p[0] == '{' && segment.p[segment.n - 1] == '}';

	if (slice_eq(segment, ROUTE_REST))
		return last ? NULL : "\"**\" must be the last segment";
	if (slice_eq(segment, SLICE("*")) || !contains(segment, "*{}"))
		return NULL;
	if (slice_find(segment, '*') >= 0)
		return "'*' must be a whole segment";
	if (!parameter || !name.n || contains(name, "{}"))
		return "a parameter is a whole segment with a name, for example /users/{id}";
	return NULL;
}

const char *route_pattern_error(struct slice pattern)
{
	const char *wrong = NULL;
	struct slice segment, next;
	bool more;

	if (pattern.n == 0 || pattern.p[0] != '/')
		return "a route begins with '/', for example /users/{id}";
	if (pattern.n > ROUTE_PATTERN_MAX)
		return "longer than 512 bytes";
	more = route_next_segment(&pattern, &segment);
	for (; more && !wrong; segment = next) {
		more = route_next_segment(&pattern, &next);
		wrong = segment_error(segment, !more);
	}
	return wrong;
}
