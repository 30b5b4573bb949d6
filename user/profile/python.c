// SPDX-License-Identifier: Apache-2.0
/* Code objects are kept by address: another may be there by now. */
#include "user/profile/python.h"

#include <fcntl.h>
#include <unistd.h>

#define REFUSALS_MAX 20

struct python_entry {
	struct object_entry object;
	struct python_code code;
};

void python__init(struct python *python)
{
	*python = (struct python){.memory_fd = -1};
	object_table__init(&python->codes, sizeof(struct python_entry));
}

void python__free(struct python *python)
{
	if (python->memory_fd >= 0)
		close(python->memory_fd);
	object_table__free(&python->codes);
	python__init(python);
}

bool python__meet(struct python *python, int proc_dir_fd, const struct python_symbols *symbols,
		  uint64_t load)
{
	struct process_memory memory;

	if (!symbols->runtime || python->state == PYTHON_KNOWN || python->refusals >= REFUSALS_MAX)
		return false;
	if (python->memory_fd < 0 && proc_dir_fd >= 0)
		python->memory_fd = openat(proc_dir_fd, "mem", O_RDONLY | O_CLOEXEC);
	if (python->memory_fd < 0) {
		python->refusals++;
		return false;
	}
	memory = process_memory_of(python->memory_fd);
	python->state = python_layout__find(symbols, load, &memory, &python->layout, &python->code);
	python->refusals += python->state == PYTHON_FOREIGN;
	return python->state == PYTHON_KNOWN;
}

/* --- code objects ----------------------------------------------------------------------------- */

static bool is_same(const struct python_code_key *a, const struct python_code_key *b)
{
	return a->name == b->name && a->file == b->file && a->lines == b->lines &&
	       a->first_line == b->first_line;
}

/* Its memory is gone with it: what was read before is all there is. */
static bool has_ended(const struct python *python)
{
	struct process_memory memory = process_memory_of(python->memory_fd);
	char byte;

	return !memory.read(memory.ctx, python->layout.interpreters, &byte, 1);
}

static bool learn(struct python *python, struct python_entry *entry,
		  const struct python_code_key *key, uint64_t address, uint64_t now_ns)
{
	struct process_memory memory = process_memory_of(python->memory_fd);
	struct python_code code;

	if (!python_code_read(&python->code, &memory, key, &python->codes.arena, &code))
		return false;
	object_table__keep(&python->codes, entry, address, now_ns);
	entry->code = code;
	return true;
}

const struct python_code *python__code(struct python *python, uint64_t address, uint64_t now_ns)
{
	struct process_memory memory = process_memory_of(python->memory_fd);
	struct python_code_key key;
	struct python_entry *entry;

	if (!address || python->state != PYTHON_KNOWN)
		return NULL;
	entry = object_table__at(&python->codes, address);
	if (!entry || object_entry__is_fresh(entry, now_ns))
		return entry ? &entry->code : NULL;
	if (!python_code_key(&python->code, &memory, address, &key))
		return entry->object.address && has_ended(python) ? &entry->code : NULL;
	if (entry->object.address && is_same(&key, &entry->code.key)) {
		entry->object.checked_ns = now_ns;
		return &entry->code;
	}
	if (learn(python, entry, &key, address, now_ns))
		return &entry->code;
	if (!object_table__make_room(&python->codes))
		return NULL;
	entry = object_table__at(&python->codes, address);
	return learn(python, entry, &key, address, now_ns) ? &entry->code : NULL;
}
