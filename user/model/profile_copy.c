// SPDX-License-Identifier: Apache-2.0
/* Samples go from one profile to another, with the entries of the tables that they point to. */
#include "user/model/profile.h"

#include <stdlib.h>

static uint32_t copy_string(struct profile *to, const struct profile *from, uint32_t i)
{
	return profile__string(to, from->strings.v[i]);
}

/* Makes a location of `from` one of `to`, but for what is inlined there. */
static void move_location(struct profile *to, const struct profile *from,
			  struct profile_location *location)
{
	struct profile_mapping mapping = from->mappings.v[location->mapping];
	struct profile_function function = from->functions.v[location->function];

	mapping.file = copy_string(to, from, mapping.file);
	mapping.build_id = copy_string(to, from, mapping.build_id);
	mapping.file_hash = copy_string(to, from, mapping.file_hash);
	function.name = copy_string(to, from, function.name);
	function.system_name = copy_string(to, from, function.system_name);
	function.file = copy_string(to, from, function.file);
	location->mapping = profile__mapping(to, &mapping);
	location->function = profile__function(to, &function);
}

/* The innermost function is added first. */
static uint32_t copy_location(struct profile *to, const struct profile *from, uint32_t i)
{
	uint32_t frames[PROFILE_INLINED_MAX];
	uint32_t cnt = profile_frames(from, i, frames), added = 0;

	for (uint32_t k = 0; k < cnt && (added || !k); k++) {
		struct profile_location location = from->locations.v[frames[k]];

		move_location(to, from, &location);
		location.inlined = added;
		added = profile__location(to, &location);
	}
	return added;
}

static uint32_t copy_stack(struct profile *to, const struct profile *from, uint32_t i)
{
	struct profile_stack stack = from->stacks.v[i];
	uint32_t locations[PROFILE_FRAMES_MAX];

	for (uint32_t k = 0; k < stack.cnt; k++) {
		locations[k] = copy_location(to, from, from->stack_locations.v[stack.first + k]);
		if (!locations[k])
			return 0;
	}
	return profile__stack(to, locations, stack.cnt);
}

static uint32_t copy_link(struct profile *to, const struct profile *from, uint32_t link)
{
	return link ? profile__link(to, &from->links.v[link]) : 0;
}

bool profile_move_sample(struct profile *to, const struct profile *from,
			 struct profile_sample *sample)
{
	bool linked = sample->link, published = sample->published;

	sample->resource = profile__resource(to, from->resources.v[sample->resource]);
	sample->stack = copy_stack(to, from, sample->stack);
	sample->thread_name = copy_string(to, from, sample->thread_name);
	sample->link = copy_link(to, from, sample->link);
	sample->published = copy_link(to, from, sample->published);
	return sample->stack && sample->resource && (!linked || sample->link) &&
	       (!published || sample->published);
}

struct copying {
	struct profile *to;
	const struct profile *from;
	uint32_t *locations,
		*stacks; /* by index of the old one: index of the new one; 0: not yet */
	profile_location_fn add;
	void *ctx;
};

static uint32_t relocate(struct copying *c, uint32_t i)
{
	struct profile_location location = c->from->locations.v[i];

	if (!c->locations[i]) {
		move_location(c->to, c->from, &location);
		c->locations[i] = c->add(c->ctx, c->to, i, &location);
	}
	return c->locations[i];
}

static uint32_t relocate_stack(struct copying *c, uint32_t i)
{
	const struct profile_stack *stack = &c->from->stacks.v[i];
	uint32_t locations[PROFILE_FRAMES_MAX];

	if (c->stacks[i])
		return c->stacks[i];
	for (uint32_t k = 0; k < stack->cnt; k++) {
		locations[k] = relocate(c, c->from->stack_locations.v[stack->first + k]);
		if (!locations[k])
			return 0;
	}
	c->stacks[i] = profile__stack(c->to, locations, stack->cnt);
	return c->stacks[i];
}

static bool relocate_samples(struct copying *c)
{
	const struct profile *from = c->from;

	for (uint32_t i = 0; i < from->samples.cnt; i++) {
		struct profile_sample sample = from->samples.v[i];
		bool linked = sample.link, owned = sample.resource, published = sample.published;

		sample.stack = relocate_stack(c, sample.stack);
		sample.resource =
			owned ? profile__resource(c->to, from->resources.v[sample.resource]) : 0;
		sample.thread_name = copy_string(c->to, from, sample.thread_name);
		sample.link = copy_link(c->to, from, sample.link);
		sample.published = copy_link(c->to, from, sample.published);
		if (!sample.stack || (owned && !sample.resource) || (linked && !sample.link) ||
		    (published && !sample.published) || profile__add(c->to, &sample))
			return false;
	}
	return true;
}

struct profile *profile__relocate(const struct profile *from, profile_location_fn add, void *ctx)
{
	struct copying c = {
		.to = profile__new(from->period_ns),
		.from = from,
		.locations = calloc(from->locations.cnt, sizeof(*c.locations)),
		.stacks = calloc(from->stacks.cnt, sizeof(*c.stacks)),
		.add = add,
		.ctx = ctx,
	};
	bool ok = c.to && c.locations && c.stacks;

	if (ok) {
		c.to->start_ns = from->start_ns;
		c.to->end_ns = from->end_ns;
		c.to->off_cpu = from->off_cpu;
		ok = (!from->burst.number || profile__set_burst(c.to, &from->burst)) &&
		     relocate_samples(&c);
	}
	free(c.locations);
	free(c.stacks);
	if (ok)
		return c.to;
	profile__free(c.to);
	return NULL;
}
