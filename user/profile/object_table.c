// SPDX-License-Identifier: Apache-2.0
/* Objects by their address. */
#include "user/profile/object_table.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES_MIN 128u
#define ENTRIES_MAX 8192u
#define ARENA_MAX_SZ (8u << 20)
#define CHECK_NS 100000000ull

void object_table__init(struct object_table *table, size_t entry_sz)
{
	*table = (struct object_table){.entry_sz = entry_sz};
	arena__init(&table->arena, ARENA_MAX_SZ);
}

void object_table__free(struct object_table *table)
{
	free(table->entries);
	arena__free(&table->arena);
	object_table__init(table, table->entry_sz);
}

static struct object_entry *find(const struct object_table *table, uint64_t address)
{
	uint32_t mask = table->cap - 1;
	uint32_t at = (uint32_t)((address * 0x9e3779b97f4a7c15ull) >> 32) & mask;
	struct object_entry *entry;

	for (;; at = (at + 1) & mask) {
		entry = (void *)(table->entries + at * table->entry_sz);
		if (!entry->address || entry->address == address)
			return entry;
	}
}

static void clear(struct object_table *table)
{
	memset(table->entries, 0, table->cap * table->entry_sz);
	table->cnt = 0;
	arena__reset(&table->arena);
}

static bool grow(struct object_table *table)
{
	struct object_table larger = *table;

	larger.cap = table->cap ? 2 * table->cap : ENTRIES_MIN;
	if (larger.cap > ENTRIES_MAX) {
		clear(table);
		return true;
	}
	larger.entries = calloc(larger.cap, table->entry_sz);
	if (!larger.entries)
		return false;
	for (uint32_t i = 0; i < table->cap; i++) {
		struct object_entry *old = (void *)(table->entries + i * table->entry_sz);

		if (old->address)
			memcpy(find(&larger, old->address), old, table->entry_sz);
	}
	free(table->entries);
	*table = larger;
	return true;
}

void *object_table__at(struct object_table *table, uint64_t address)
{
	if (table->cnt * 4u >= table->cap * 3u && !grow(table))
		return NULL;
	return find(table, address);
}

void object_table__keep(struct object_table *table, void *entry, uint64_t address, uint64_t now_ns)
{
	struct object_entry *object = entry;

	table->cnt += !object->address;
	*object = (struct object_entry){.address = address, .checked_ns = now_ns};
}

bool object_table__make_room(struct object_table *table)
{
	if (table->arena.used_sz <= ARENA_MAX_SZ / 2)
		return false;
	clear(table);
	return true;
}

bool object_entry__is_fresh(const void *entry, uint64_t now_ns)
{
	const struct object_entry *object = entry;

	return object->address && now_ns < object->checked_ns + CHECK_NS;
}
