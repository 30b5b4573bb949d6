// SPDX-License-Identifier: Apache-2.0
/*
 * The tables of a profile and how equal entries are found: every entry has a key, its fields as
 * bytes without padding, and every table an open-addressed hash of its entries' keys.
 */
#include "user/model/profile.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "user/base/hash.h"
#include "user/base/utf8.h"

#define PROFILE_MAX_SZ (64u * 1024 * 1024) /* of strings, tables and hashes together */
#define TABLE_FIRST_CNT 64u
#define KEY_WORDS 5

enum table {
	STRINGS,
	MAPPINGS,
	FUNCTIONS,
	LOCATIONS,
	STACKS,
	LINKS,
	RESOURCES,
	TABLE_CNT,
};

struct profile_index {
	struct {
		uint32_t *slots; /* index of the entry, plus 1; 0: free */
		uint32_t cnt;	 /* a power of two */
	} tables[TABLE_CNT];
	uint64_t seed;	  /* names come from traced programs: none shall choose its slot */
	size_t tables_sz; /* of all tables and slots, in bytes */
};

/* Where the key of an entry is built when its fields are not such bytes already. */
struct key {
	uint64_t words[KEY_WORDS];
};

static struct slice key_bytes(const struct key *key, uint32_t words)
{
	return slice_of((const char *)key->words, words * sizeof(key->words[0]));
}

static struct slice mapping_key(struct key *key, const struct profile_mapping *m)
{
	*key = (struct key){{m->start, m->limit, m->file_off, (uint64_t)m->file << 32 | m->build_id,
			     m->file_hash}};
	return key_bytes(key, 5);
}

static struct slice function_key(struct key *key, const struct profile_function *f)
{
	*key = (struct key){{(uint64_t)f->name << 32 | f->system_name, f->file}};
	return key_bytes(key, 2);
}

static struct slice location_key(struct key *key, const struct profile_location *l)
{
	*key = (struct key){{l->address, (uint64_t)l->mapping << 32 | l->function,
			     (uint64_t)l->line << 32 | l->type,
			     (uint64_t)l->inlined << 32 | l->module, l->returns}};
	return key_bytes(key, 5);
}

static struct slice stack_key(const uint32_t *locations, uint32_t cnt)
{
	return slice_of((const char *)locations, cnt * sizeof(*locations));
}

static struct slice link_key(const struct profile_link *link)
{
	return slice_of((const char *)link, sizeof(*link));
}

static struct slice resource_key(struct key *key, const struct resource *resource)
{
	*key = (struct key){{resource ? resource->id : 0}};
	return key_bytes(key, 1);
}

/* The key of entry i; valid as long as *key and until the next entry is added. */
static struct slice entry_key(const struct profile *p, enum table table, uint32_t i,
			      struct key *key)
{
	switch (table) {
	case STRINGS:
		return p->strings.v[i];
	case MAPPINGS:
		return mapping_key(key, &p->mappings.v[i]);
	case FUNCTIONS:
		return function_key(key, &p->functions.v[i]);
	case LOCATIONS:
		return location_key(key, &p->locations.v[i]);
	case STACKS:
		return stack_key(p->stack_locations.v + p->stacks.v[i].first, p->stacks.v[i].cnt);
	case LINKS:
		return link_key(&p->links.v[i]);
	case RESOURCES:
		return resource_key(key, p->resources.v[i]);
	case TABLE_CNT:
		break;
	}
	return SLICE("");
}

/* --- memory ------------------------------------------------------------------------------------ */

static bool may_grow(const struct profile *p, size_t sz)
{
	return sz <= PROFILE_MAX_SZ - p->arena.used_sz - p->index->tables_sz;
}

/* The table with room for n more entries of sz bytes, or NULL: it is as it was. */
static void *reserve(struct profile *p, void *v, uint32_t cnt, uint32_t *cap, uint32_t n, size_t sz)
{
	uint32_t more = *cap / 2 > TABLE_FIRST_CNT ? *cap / 2 : TABLE_FIRST_CNT;

	if (*cap - cnt >= n)
		return v;
	more = more > n ? more : n;
	v = may_grow(p, more * sz) ? reallocarray(v, *cap + more, sz) : NULL;
	if (v) {
		p->index->tables_sz += more * sz;
		*cap += more;
	}
	return v;
}

#define RESERVE(p, table, n)                                                                     \
	({                                                                                       \
		void *v_ =                                                                       \
			reserve(p, (table).v, (table).cnt, &(table).cap, n, sizeof(*(table).v)); \
                                                                                                 \
		if (v_)                                                                          \
			(table).v = v_;                                                          \
		v_ != NULL;                                                                      \
	})

static uint32_t table_cnt(const struct profile *p, enum table table)
{
	const uint32_t cnts[TABLE_CNT] = {
		[STRINGS] = p->strings.cnt,	[MAPPINGS] = p->mappings.cnt,
		[FUNCTIONS] = p->functions.cnt, [LOCATIONS] = p->locations.cnt,
		[STACKS] = p->stacks.cnt,	[LINKS] = p->links.cnt,
		[RESOURCES] = p->resources.cnt,
	};

	return cnts[table];
}

/* The slot of the entry with this key, or the free one where it belongs. */
static uint32_t *probe(const struct profile *p, enum table table, struct slice key)
{
	uint32_t mask = p->index->tables[table].cnt - 1;
	uint32_t at = (uint32_t)hash_bytes(p->index->seed, key.p, key.n) & mask;
	struct key other;

	for (;; at = (at + 1) & mask) {
		uint32_t *slot = &p->index->tables[table].slots[at];

		if (!*slot || slice_eq(entry_key(p, table, *slot - 1, &other), key))
			return slot;
	}
}

/* Doubles the slots of a table. */
static bool widen(struct profile *p, enum table table)
{
	uint32_t *old = p->index->tables[table].slots, old_cnt = p->index->tables[table].cnt;
	uint32_t cnt = old_cnt ? old_cnt * 2 : TABLE_FIRST_CNT;
	struct key key;
	uint32_t *slots;

	if (!may_grow(p, (cnt - old_cnt) * sizeof(*slots)))
		return false;
	slots = calloc(cnt, sizeof(*slots));
	if (!slots)
		return false;
	p->index->tables[table].slots = slots;
	p->index->tables[table].cnt = cnt;
	p->index->tables_sz += (cnt - old_cnt) * sizeof(*slots);
	for (uint32_t i = 0; i < table_cnt(p, table); i++)
		*probe(p, table, entry_key(p, table, i, &key)) = i + 1;
	free(old);
	return true;
}

/* The slot of the entry with this key, or one that may be filled; NULL when memory is out. */
static uint32_t *find(struct profile *p, enum table table, struct slice key)
{
	uint32_t slots_cnt = p->index->tables[table].cnt;
	uint32_t *slot = slots_cnt ? probe(p, table, key) : NULL;

	/* Three quarters full at most. */
	if ((slot && *slot) || (table_cnt(p, table) + 1) * 4ull <= slots_cnt * 3ull)
		return slot;
	return widen(p, table) ? probe(p, table, key) : NULL;
}

/* The index of the entry with this key, else of the new entry; 0 when memory is out. */
#define FIND_OR_ADD(p, TABLE, table, key, entry)                \
	({                                                      \
		uint32_t *slot_ = find(p, TABLE, key);          \
                                                                \
		if (slot_ && !*slot_ && RESERVE(p, table, 1)) { \
			(table).v[(table).cnt] = (entry);       \
			*slot_ = ++(table).cnt;                 \
		}                                               \
		!slot_ || !*slot_ ? 0 : *slot_ - 1;             \
	})

/* --- entries ----------------------------------------------------------------------------------- */

static uint32_t find_or_copy(struct profile *p, struct slice text)
{
	uint32_t *slot = find(p, STRINGS, text);
	bool failed = false;
	struct slice copy;

	if (!slot)
		return 0;
	if (*slot)
		return *slot - 1;
	if (!RESERVE(p, p->strings, 1))
		return 0;
	p->arena.max_sz = PROFILE_MAX_SZ - p->index->tables_sz;
	copy = arena__copy(&p->arena, text, &failed);
	if (failed)
		return 0;
	p->strings.v[p->strings.cnt] = copy;
	*slot = ++p->strings.cnt;
	return *slot - 1;
}

uint32_t profile__string(struct profile *p, struct slice text)
{
	size_t n;
	char *clean;
	uint32_t i;

	if (utf8_is_valid(text))
		return find_or_copy(p, text);
	n = utf8_clean_len(text);
	clean = may_grow(p, n) ? malloc(n) : NULL;
	if (!clean)
		return 0;
	utf8_clean(clean, text);
	i = find_or_copy(p, slice_of(clean, n));
	free(clean);
	return i;
}

uint32_t profile__mapping(struct profile *p, const struct profile_mapping *mapping)
{
	struct key key;

	return FIND_OR_ADD(p, MAPPINGS, p->mappings, mapping_key(&key, mapping), *mapping);
}

uint32_t profile__function(struct profile *p, const struct profile_function *function)
{
	struct key key;

	return FIND_OR_ADD(p, FUNCTIONS, p->functions, function_key(&key, function), *function);
}

uint32_t profile__location(struct profile *p, const struct profile_location *location)
{
	struct key key;

	return FIND_OR_ADD(p, LOCATIONS, p->locations, location_key(&key, location), *location);
}

uint32_t profile__stack(struct profile *p, const uint32_t *locations, uint32_t cnt)
{
	struct profile_stack stack = {.first = p->stack_locations.cnt, .cnt = cnt};
	uint32_t next = p->stacks.cnt, i;

	if (cnt && !RESERVE(p, p->stack_locations, cnt))
		return 0;
	i = FIND_OR_ADD(p, STACKS, p->stacks, stack_key(locations, cnt), stack);
	for (uint32_t k = 0; i && i == next && k < cnt; k++)
		p->stack_locations.v[p->stack_locations.cnt++] = locations[k];
	return i;
}

uint32_t profile__link(struct profile *p, const struct profile_link *link)
{
	return FIND_OR_ADD(p, LINKS, p->links, link_key(link), *link);
}

uint32_t profile__resource(struct profile *p, struct resource *resource)
{
	uint32_t next = p->resources.cnt, i;
	struct key key;

	i = FIND_OR_ADD(p, RESOURCES, p->resources, resource_key(&key, resource), resource);
	if (i && i == next)
		resource__hold(resource);
	return i;
}

bool profile__set_burst(struct profile *p, const struct burst *burst)
{
	p->burst = *burst;
	p->burst_type = profile__string(p, SLICE("latency"));
	p->burst_service = profile__string(p, slice_str(burst->service));
	p->burst_route = profile__string(p, slice_str(burst->route));
	return p->burst_type && p->burst_service && p->burst_route;
}

uint32_t profile_frames(const struct profile *p, uint32_t location,
			uint32_t frames[PROFILE_INLINED_MAX])
{
	uint32_t cnt = 0, i;

	for (i = location; cnt < PROFILE_INLINED_MAX && (i || !cnt); i = p->locations.v[i].inlined)
		frames[cnt++] = i;
	for (i = 0; i < cnt / 2; i++) {
		uint32_t outer = frames[i];

		frames[i] = frames[cnt - 1 - i];
		frames[cnt - 1 - i] = outer;
	}
	return cnt;
}

uint64_t profile_weight(const struct profile *p, const struct profile_sample *sample)
{
	return p->off_cpu ? sample->value_ns : 1;
}

int profile__add(struct profile *p, const struct profile_sample *sample)
{
	if (!RESERVE(p, p->samples, 1))
		return -ENOMEM;
	p->samples.v[p->samples.cnt++] = *sample;
	return 0;
}

/* --- lifetime ---------------------------------------------------------------------------------- */

/* Entry 0 of every table. */
static bool add_empty(struct profile *p)
{
	profile__string(p, SLICE(""));
	profile__mapping(p, &(struct profile_mapping){0});
	profile__function(p, &(struct profile_function){0});
	profile__location(p, &(struct profile_location){0});
	profile__stack(p, NULL, 0);
	profile__link(p, &(struct profile_link){0});
	profile__resource(p, NULL);
	for (enum table table = 0; table < TABLE_CNT; table++)
		if (table_cnt(p, table) != 1)
			return false;
	return true;
}

struct profile *profile__new(uint64_t period_ns)
{
	static atomic_uint_fast64_t made_cnt;
	struct profile *p = calloc(1, sizeof(*p));

	if (!p)
		goto no_memory;
	p->number = atomic_fetch_add(&made_cnt, 1) + 1;
	p->period_ns = period_ns;
	arena__init(&p->arena, PROFILE_MAX_SZ);
	p->index = calloc(1, sizeof(*p->index));
	if (p->index) {
		p->index->seed = hash_seed();
		if (add_empty(p))
			return p;
	}
no_memory:
	profile__free(p);
	errno = ENOMEM;
	return NULL;
}

void profile__free(struct profile *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < p->resources.cnt; i++)
		resource__release(p->resources.v[i]);
	for (enum table table = 0; p->index && table < TABLE_CNT; table++)
		free(p->index->tables[table].slots);
	free(p->index);
	free(p->strings.v);
	free(p->mappings.v);
	free(p->functions.v);
	free(p->locations.v);
	free(p->stacks.v);
	free(p->stack_locations.v);
	free(p->links.v);
	free(p->samples.v);
	free(p->resources.v);
	arena__free(&p->arena);
	free(p);
}
