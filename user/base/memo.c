// SPDX-License-Identifier: Apache-2.0
/* A hash table whose entries are also in a list, least recently used first. */
#include "user/base/memo.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/hash.h"

#define BUCKETS 4096u

struct link {
	struct link *prev, *next;
};

struct entry {
	struct link by_use; /* first, so that the one is the other */
	struct entry *bucket_next;
	uint64_t owner, name;
	size_t text_len;
	char text[];
};

struct memo {
	struct entry *buckets[BUCKETS];
	struct link ends; /* of the list: next is the oldest, prev the newest */
	uint64_t seed;
	size_t sz, max_sz;
};

struct memo *memo__new(size_t max_sz)
{
	struct memo *memo = calloc(1, sizeof(*memo));

	if (!memo) {
		errno = ENOMEM;
		return NULL;
	}
	memo->ends.next = memo->ends.prev = &memo->ends;
	memo->seed = hash_seed();
	memo->max_sz = max_sz;
	return memo;
}

static struct entry **find(struct memo *memo, uint64_t owner, uint64_t name)
{
	uint64_t hash = hash_fold(hash_fold(owner ^ memo->seed, 0x9E3779B97F4A7C15u) ^ name,
				  0xD6E8FEB86659FD93u);
	struct entry **at = &memo->buckets[hash % BUCKETS];

	while (*at && ((*at)->owner != owner || (*at)->name != name))
		at = &(*at)->bucket_next;
	return at;
}

static void unlink_entry(struct entry *entry)
{
	entry->by_use.prev->next = entry->by_use.next;
	entry->by_use.next->prev = entry->by_use.prev;
}

static void append(struct memo *memo, struct entry *entry)
{
	struct link *link = &entry->by_use;

	link->prev = memo->ends.prev;
	link->next = &memo->ends;
	link->prev->next = link;
	memo->ends.prev = link;
}

static void drop(struct memo *memo, struct entry **at)
{
	struct entry *entry = *at;

	*at = entry->bucket_next;
	unlink_entry(entry);
	memo->sz -= sizeof(*entry) + entry->text_len;
	free(entry);
}

static void drop_oldest(struct memo *memo)
{
	const struct entry *oldest = (const struct entry *)memo->ends.next;

	drop(memo, find(memo, oldest->owner, oldest->name));
}

void memo__free(struct memo *memo)
{
	if (!memo)
		return;
	while (memo->ends.next != &memo->ends)
		drop_oldest(memo);
	free(memo);
}

void memo__put(struct memo *memo, uint64_t owner, uint64_t name, struct slice text)
{
	struct entry **at, *entry;

	if (!memo)
		return;
	text = slice_first(text, MEMO_TEXT_MAX);
	at = find(memo, owner, name);
	if (*at)
		drop(memo, at);
	entry = malloc(sizeof(*entry) + text.n);
	if (!entry)
		return;
	*entry = (struct entry){.owner = owner, .name = name, .text_len = text.n};
	if (text.n)
		memcpy(entry->text, text.p, text.n);
	memo->sz += sizeof(*entry) + text.n;
	while (memo->sz > memo->max_sz && memo->ends.next != &memo->ends)
		drop_oldest(memo);
	at = find(memo, owner, name);
	entry->bucket_next = *at;
	*at = entry;
	append(memo, entry);
}

bool memo__get(struct memo *memo, uint64_t owner, uint64_t name, struct slice *text)
{
	struct entry *entry = memo ? *find(memo, owner, name) : NULL;

	if (!entry)
		return false;
	unlink_entry(entry);
	append(memo, entry);
	*text = slice_of(entry->text, entry->text_len);
	return true;
}
