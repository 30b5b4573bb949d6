// SPDX-License-Identifier: Apache-2.0
/* The names of frames. */
#include "user/export/frame_label.h"

static struct slice base_name(struct slice path)
{
	for (size_t i = path.n; i-- > 0;)
		if (path.p[i] == '/')
			return slice_after(path, i + 1);
	return path;
}

/* "FILE:NAME" */
static struct slice join(struct arena *arena, struct slice file, struct slice name, bool *failed)
{
	char *label = arena__alloc(arena, file.n + 1 + name.n);

	if (!label) {
		*failed = true;
		return name;
	}
	memcpy(label, file.p, file.n);
	label[file.n] = ':';
	memcpy(label + file.n + 1, name.p, name.n);
	return slice_of(label, file.n + 1 + name.n);
}

struct slice frame_label(const struct profile *p, const struct profile_location *location,
			 struct arena *arena, bool *failed)
{
	struct slice name = p->strings.v[p->functions.v[location->function].name];
	struct slice file = base_name(p->strings.v[p->mappings.v[location->mapping].file]);
	struct slice source = base_name(p->strings.v[p->functions.v[location->function].file]);
	char *label;

	if (name.n && (location->type == FRAME_CPYTHON || location->type == FRAME_V8JS) && source.n)
		return join(arena, source, name, failed);
	if (name.n)
		return name;
	if (!file.n)
		return SLICE(FRAME_UNKNOWN);
	if (file.p[0] == '[') /* "[kernel]", "[vdso]" */
		return file;
	label = arena__alloc(arena, file.n + 2);
	if (!label) {
		*failed = true;
		return file;
	}
	label[0] = '[';
	memcpy(label + 1, file.p, file.n);
	label[file.n + 1] = ']';
	return slice_of(label, file.n + 2);
}

struct slice sample_root_label(const struct profile *p, const struct profile_sample *sample)
{
	const struct resource *resource = p->resources.v[sample->resource];
	struct slice thread = p->strings.v[sample->thread_name];

	if (resource && resource->service_name.n)
		return resource->service_name;
	return thread.n ? thread : SLICE(FRAME_UNKNOWN);
}
