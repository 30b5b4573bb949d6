// SPDX-License-Identifier: Apache-2.0
/* Decodes the function, and looks up where its jumps lead to. */
#include "user/profile/split_function.h"

#include <stdlib.h>
#include <unistd.h>

#include "user/base/insn.h"
#include "user/profile/cfi.h"
#include "user/profile/unwind_table.h"

#define CODE_MAX_SZ (1u << 20)

static int compare(const void *key, const void *element)
{
	const struct cfi_function *function = element;
	uint64_t address = *(const uint64_t *)key;

	return address < function->start ? -1 : address >= function->limit;
}

static const struct cfi_function *function_at(const struct cfi_index *index, uint64_t address)
{
	return index->cnt ? bsearch(&address, index->v, index->cnt, sizeof(*index->v), compare)
			  : NULL;
}

static void add_part(struct split_function *s, const struct cfi_function *part)
{
	if (s->cnt == SPLIT_PARTS_MAX || split_function__has(s, part->start))
		return;
	s->parts[s->cnt].start = part->start;
	s->parts[s->cnt++].limit = part->limit;
}

/* Who jumps to a function's beginning may call it for the last time; nobody else goes to its middle. */
static void follow_jumps(struct split_function *s, const struct cfi_index *index,
			 const uint8_t *code, size_t n, uint64_t start)
{
	struct insn insn;

	for (size_t at = 0; at < n; at += insn.len) {
		const struct cfi_function *to;

		if (!insn_decode_x86(code + at, n - at, start + at, &insn))
			return;
		if (!insn.has_target || (insn.kind != INSN_JUMP && insn.kind != INSN_BRANCH) ||
		    (uint64_t)insn.target - start < n)
			continue;
		to = function_at(index, (uint64_t)insn.target);
		if (to && to->start != (uint64_t)insn.target)
			add_part(s, to);
	}
}

static size_t read_code(uint8_t *code, struct elf_file *elf, int fd,
			const struct elf_function *function)
{
	struct elf_segment segments[SEGMENTS_MAX];
	uint32_t cnt = elf_file__segments(elf, segments);

	for (uint32_t i = 0; i < cnt; i++) {
		uint64_t off = function->address - segments[i].address;
		ssize_t got;

		if (function->address < segments[i].address || off >= segments[i].size)
			continue;
		got = pread(fd, code, function->size, (off_t)(segments[i].file_off + off));
		return got > 0 ? (size_t)got : 0;
	}
	return 0;
}

void split_function__read(struct split_function *s, struct elf_file *elf, int fd,
			  const struct elf_function *function)
{
	struct cfi_section section;
	struct cfi_index index;
	uint8_t *code;

	s->cnt = 0;
	if (!function->address || !function->size || function->size > CODE_MAX_SZ ||
	    strcmp(elf_file__machine(elf), "x86-64") != 0 ||
	    unwind_section__read(&section, elf, fd) != 0)
		return;
	code = malloc(function->size);
	if (code && cfi_index(&section, &index) == 0) {
		size_t n = read_code(code, elf, fd, function);

		follow_jumps(s, &index, code, n, function->address);
		free(index.v);
	}
	free(code);
	free((char *)section.bytes.p);
}

bool split_function__has(const struct split_function *s, uint64_t address)
{
	for (uint32_t i = 0; i < s->cnt; i++)
		if (address >= s->parts[i].start && address < s->parts[i].limit)
			return true;
	return false;
}
