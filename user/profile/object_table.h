/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was read of the objects of another process's interpreter, by their address. An object may be gone and another
 * one in its place, so each says when it was last looked at. When the table is full all is forgotten: what is still
 * sampled comes again. One thread.
 */
#ifndef SONDE_PROFILE_OBJECT_TABLE_H
#define SONDE_PROFILE_OBJECT_TABLE_H

#include "user/base/arena.h"

/* What every entry begins with. */
struct object_entry {
	uint64_t address; /* 0: free */
	uint64_t checked_ns;
};

struct object_table {
	char *entries; /* open addressing; a power of two of them */
	size_t entry_sz;
	uint32_t cnt, cap;
	struct arena arena; /* of what they hold */
};

/* entry_sz: of a struct that begins with a struct object_entry. */
void object_table__init(struct object_table *table, size_t entry_sz);
void object_table__free(struct object_table *table);
/* The object's entry, or a free one for it; valid until the next call. NULL with errno. */
void *object_table__at(struct object_table *table, uint64_t address);
/* An entry that was free or has had another object is this one's now. */
void object_table__keep(struct object_table *table, void *entry, uint64_t address, uint64_t now_ns);
/* Forgets all where the arena is the reason that nothing more can be kept. False: it is not. */
bool object_table__make_room(struct object_table *table);
/* It is there, and was looked at a moment ago. */
bool object_entry__is_fresh(const void *entry, uint64_t now_ns);

#endif
