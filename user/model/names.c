// SPDX-License-Identifier: Apache-2.0
/* Open addressing over numbers; texts lie in an arena. */
#include "user/model/names.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/arena.h"
#include "user/base/hash.h"
#include "user/base/utf8.h"

#define SLOTS_CNT (4 * NAMES_MAX)
#define NAME_MAX_SZ 128u
#define TEXTS_MAX_SZ (2u * NAMES_MAX * NAME_MAX_SZ)

struct names {
	struct arena arena;
	struct slice v[NAMES_MAX];
	uint16_t slots[SLOTS_CNT]; /* numbers; 0: free */
	uint16_t cnt;
	uint64_t seed;
};

struct names *names__new(void)
{
	struct names *names = calloc(1, sizeof(*names));

	if (!names) {
		errno = ENOMEM;
		return NULL;
	}
	arena__init(&names->arena, TEXTS_MAX_SZ);
	names->seed = hash_seed();
	names->v[NAMES_OTHER] = SLICE("other");
	names->cnt = NAMES_OTHER + 1;
	return names;
}

void names__free(struct names *names)
{
	if (!names)
		return;
	arena__free(&names->arena);
	free(names);
}

uint16_t names__number(struct names *names, struct slice name)
{
	bool failed = false;
	struct slice copy;
	uint64_t at;

	name = utf8_first(name, NAME_MAX_SZ);
	at = hash_bytes(names->seed, name.p, name.n) % SLOTS_CNT;
	for (; names->slots[at]; at = (at + 1) % SLOTS_CNT)
		if (slice_eq(names->v[names->slots[at]], name))
			return names->slots[at];
	if (names->cnt == NAMES_MAX)
		return NAMES_OTHER;
	copy = arena__copy(&names->arena, name, &failed);
	if (failed)
		return NAMES_OTHER;
	names->v[names->cnt] = copy;
	names->slots[at] = names->cnt;
	return names->cnt++;
}

struct slice names__text(const struct names *names, uint16_t number)
{
	return names->v[number];
}
