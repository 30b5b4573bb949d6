// SPDX-License-Identifier: Apache-2.0
/* Samples go from one profile to another, with the entries of the tables that they point to. */
#include "user/model/profile.h"

static uint32_t copy_string(struct profile *to, const struct profile *from, uint32_t i)
{
	return profile__string(to, from->strings.v[i]);
}

static uint32_t copy_location(struct profile *to, const struct profile *from, uint32_t i)
{
	struct profile_location location = from->locations.v[i];
	struct profile_mapping mapping = from->mappings.v[location.mapping];
	struct profile_function function = from->functions.v[location.function];

	mapping.file = copy_string(to, from, mapping.file);
	mapping.build_id = copy_string(to, from, mapping.build_id);
	mapping.file_hash = copy_string(to, from, mapping.file_hash);
	function.name = copy_string(to, from, function.name);
	function.system_name = copy_string(to, from, function.system_name);
	function.file = copy_string(to, from, function.file);
	location.mapping = profile__mapping(to, &mapping);
	location.function = profile__function(to, &function);
	return profile__location(to, &location);
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

bool profile_move_sample(struct profile *to, const struct profile *from,
			 struct profile_sample *sample)
{
	bool linked = sample->link;

	sample->resource = profile__resource(to, from->resources.v[sample->resource]);
	sample->stack = copy_stack(to, from, sample->stack);
	sample->thread_name = copy_string(to, from, sample->thread_name);
	sample->link = linked ? profile__link(to, &from->links.v[sample->link]) : 0;
	return sample->stack && sample->resource && (!linked || sample->link);
}
