// SPDX-License-Identifier: Apache-2.0
/* Each address has one place, by its hash. */
#include "user/profile/location_memo.h"

static uint32_t place_of(const struct location_key *key)
{
	uint64_t hash = (key->address ^ key->mappings << 40 ^ key->profile << 52) + key->returns;

	return (uint32_t)(hash * 0x9e3779b97f4a7c15ull >> 32) & (LOCATION_MEMO_CNT - 1);
}

uint32_t location_memo__find(const struct location_memo *memo, const struct location_key *key)
{
	const struct remembered *known = &memo->v[place_of(key)];

	return known->key.address == key->address && known->key.mappings == key->mappings &&
			       known->key.profile == key->profile &&
			       known->key.returns == key->returns
		       ? known->location
		       : 0;
}

void location_memo__put(struct location_memo *memo, const struct location_key *key,
			uint32_t location)
{
	if (location)
		memo->v[place_of(key)] = (struct remembered){.key = *key, .location = location};
}
