// SPDX-License-Identifier: Apache-2.0
/*
 * Code objects are kept by address, and looked at again when that was not done for CHECK_NS: another may be
 * there by then.
 */
#include "user/profile/python.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define ENTRIES_MAX 8192u
#define ARENA_MAX_SZ (8u << 20)
#define CHECK_NS 100000000ull
#define REFUSALS_MAX 20
#define ADDRESS_LIMIT (1ull << 47)

struct python_entry {
	uint64_t address; /* 0: free */
	uint64_t checked_ns;
	struct python_code code;
};

void python__init(struct python *python)
{
	*python = (struct python){.memory_fd = -1};
	arena__init(&python->arena, ARENA_MAX_SZ);
}

void python__free(struct python *python)
{
	if (python->memory_fd >= 0)
		close(python->memory_fd);
	free(python->entries);
	arena__free(&python->arena);
	python__init(python);
}

static bool read_memory(void *ctx, uint64_t address, void *to, size_t n)
{
	const struct python *python = ctx;

	return address < ADDRESS_LIMIT && n < ADDRESS_LIMIT - address &&
	       pread(python->memory_fd, to, n, (off_t)address) == (ssize_t)n;
}

static struct process_memory memory_of(struct python *python)
{
	return (struct process_memory){.ctx = python, .read = read_memory};
}

bool python__meet(struct python *python, int proc_dir_fd, const struct python_symbols *symbols,
		  uint64_t load)
{
	struct process_memory memory = memory_of(python);

	if (!symbols->runtime || python->state == PYTHON_KNOWN ||
	    (python->state == PYTHON_FOREIGN && python->refusals >= REFUSALS_MAX))
		return false;
	if (python->memory_fd < 0 && proc_dir_fd >= 0)
		python->memory_fd = openat(proc_dir_fd, "mem", O_RDONLY | O_CLOEXEC);
	if (python->memory_fd < 0)
		return false;
	python->state = python_layout__find(symbols, load, &memory, &python->layout, &python->code);
	python->refusals += python->state == PYTHON_FOREIGN;
	return python->state == PYTHON_KNOWN;
}

/* --- code objects ----------------------------------------------------------------------------- */

static struct python_entry *entry_at(const struct python *python, uint64_t address)
{
	uint32_t mask = python->entries_cap - 1;
	uint32_t at = (uint32_t)((address * 0x9e3779b97f4a7c15ull) >> 32) & mask;

	while (python->entries[at].address && python->entries[at].address != address)
		at = (at + 1) & mask;
	return &python->entries[at];
}

/* Forgets all: what is still sampled comes again. */
static void clear(struct python *python)
{
	memset(python->entries, 0, python->entries_cap * sizeof(*python->entries));
	python->entries_cnt = 0;
	arena__reset(&python->arena);
}

static bool make_room(struct python *python)
{
	struct python_entry *old = python->entries;
	uint32_t old_cap = python->entries_cap, cap = old_cap ? old_cap * 2 : 128;

	if (python->entries_cnt * 4u < old_cap * 3u)
		return true;
	if (cap > ENTRIES_MAX) {
		clear(python);
		return true;
	}
	python->entries = calloc(cap, sizeof(*python->entries));
	if (!python->entries) {
		python->entries = old;
		return false;
	}
	python->entries_cap = cap;
	for (uint32_t i = 0; i < old_cap; i++)
		if (old[i].address)
			*entry_at(python, old[i].address) = old[i];
	free(old);
	return true;
}

static bool is_same(const struct python_code_key *a, const struct python_code_key *b)
{
	return a->name == b->name && a->file == b->file && a->lines == b->lines &&
	       a->first_line == b->first_line;
}

/* Its memory is gone with it: what was read before is all there is. */
static bool has_ended(struct python *python)
{
	char byte;

	return !read_memory(python, python->layout.interpreters, &byte, 1);
}

static bool learn(struct python *python, struct python_entry *entry,
		  const struct python_code_key *key, uint64_t address, uint64_t now_ns)
{
	struct process_memory memory = memory_of(python);
	struct python_code code;

	if (!python_code_read(&python->code, &memory, key, &python->arena, &code))
		return false;
	python->entries_cnt += !entry->address;
	*entry = (struct python_entry){.address = address, .checked_ns = now_ns, .code = code};
	return true;
}

const struct python_code *python__code(struct python *python, uint64_t address, uint64_t now_ns)
{
	struct process_memory memory = memory_of(python);
	struct python_code_key key;
	struct python_entry *entry;

	if (!address || python->state != PYTHON_KNOWN || !make_room(python))
		return NULL;
	entry = entry_at(python, address);
	if (entry->address && now_ns < entry->checked_ns + CHECK_NS)
		return &entry->code;
	if (!python_code_key(&python->code, &memory, address, &key))
		return entry->address && has_ended(python) ? &entry->code : NULL;
	if (entry->address && is_same(&key, &entry->code.key)) {
		entry->checked_ns = now_ns;
		return &entry->code;
	}
	if (learn(python, entry, &key, address, now_ns))
		return &entry->code;
	if (python->arena.used_sz <= ARENA_MAX_SZ / 2)
		return NULL;
	clear(python);
	entry = entry_at(python, address);
	return learn(python, entry, &key, address, now_ns) ? &entry->code : NULL;
}
