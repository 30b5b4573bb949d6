// SPDX-License-Identifier: Apache-2.0
/* The seed of hash tables. */
#include "user/base/hash.h"

#include <sys/random.h>

#include "user/base/clock.h"

uint64_t hash_seed(void)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = clock_mono_ns();
	return seed;
}
