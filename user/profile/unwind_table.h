/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for the unwinder (include/abi/unwind.h) from the call frame information of files, and the rules
 * that they share. Files are hostile, and may change or be cut while they are open.
 */
#ifndef SONDE_PROFILE_UNWIND_TABLE_H
#define SONDE_PROFILE_UNWIND_TABLE_H

#include "include/abi/unwind.h"
#include "user/base/elf_file.h"

#define UNWIND_BLOCKS_MAX 2048u /* of all tables: 32 MiB */

/* All the rules, each once; those of enum unwind_rule_index first. */
struct unwind_rules;

/* NULL with errno. */
struct unwind_rules *unwind_rules__new(void);
void unwind_rules__free(struct unwind_rules *rules);
/* Those from first on; returns how many. Valid until the next one is added. */
uint32_t unwind_rules__from(const struct unwind_rules *rules, uint32_t first,
			    const struct unwind_rule **out);

/* The rows of one file. */
struct unwind_rows {
	uint64_t *v; /* address << 16 | rule, by address */
	size_t cnt, cap;
	uint64_t limit; /* where the last one ends */
};

/* The address of the first page, from which a table's offsets count. */
static inline uint64_t unwind_rows_base(const struct unwind_rows *rows)
{
	return rows->cnt ? rows->v[0] >> 16 & ~((1ull << UNWIND_PAGE_SHIFT) - 1) : 0;
}

/* Reads a file's; the caller frees rows->v. 0; -ENOENT: it has none; or another negative errno. */
int unwind_rows__read(struct unwind_rows *rows, struct elf_file *elf, int fd,
		      struct unwind_rules *rules);
struct cfi_section;
/* Reads a file's .eh_frame; the caller frees section->bytes.p. 0; -ENOENT: it has none; or -ENOMEM. */
int unwind_section__read(struct cfi_section *section, struct elf_file *elf, int fd);
/* Those of call frame information. 0 or -ENOMEM. */
int unwind_rows__take(struct unwind_rows *rows, const struct cfi_section *section,
		      struct unwind_rules *rules);
/* One more, behind all others. 0; -EINVAL: it is not; or -ENOMEM. */
int unwind_rows__add(struct unwind_rows *rows, uint64_t address, const struct unwind_rule *rule,
		     struct unwind_rules *rules);
/*
 * The rule for the code from start on, up to the next function and no more than size bytes, if nothing is said
 * of it. 0 or -ENOMEM.
 */
int unwind_rows__fill(struct unwind_rows *rows, uint64_t start, uint64_t size,
		      const struct unwind_rule *rule, struct unwind_rules *rules);
/* How many blocks they take as a table; 0: none, or too many. */
uint32_t unwind_rows__blocks(const struct unwind_rows *rows);
/* Writes the table into so many blocks, which are clear. */
void unwind_rows__write(const struct unwind_rows *rows, struct unwind_block *blocks);
/* The rule at an offset from the table's first page, as the sampler finds it. */
uint16_t unwind_table_find(const struct unwind_block *blocks, uint32_t blocks_cnt, uint64_t off);

#endif
