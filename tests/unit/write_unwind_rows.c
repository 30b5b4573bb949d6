// SPDX-License-Identifier: Apache-2.0
/*
 * usage: write_unwind_rows FILE
 * The rows of a file's unwind table, for the tests that compare them with what other readers find there:
 * "address rule", where the rule is none, unsupported, root, signal, frame, or "CFA rbp". Each row is also looked
 * up as the sampler does.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/profile/unwind_table.h"

static const char *const registers[] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
					"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

static void print(uint64_t address, const struct unwind_rule *rule)
{
	static const char *const words[] = {"none", "unsupported", "root", "signal", "frame"};

	printf("%" PRIx64 " ", address);
	if (rule->cfa <= UNWIND_CFA_FRAME) {
		puts(words[rule->cfa]);
		return;
	}
	if (rule->cfa == UNWIND_CFA_REGISTER)
		printf("%s%+d ", registers[rule->cfa_reg], rule->cfa_off);
	else
		printf("exp ");
	if (rule->fp == UNWIND_FP_AT_CFA)
		printf("c%+d", rule->fp_off);
	else
		printf("%s", rule->fp == UNWIND_FP_SAME ? "u" : "exp");
	printf("%s\n", rule->ra ? " ra" : "");
}

int main(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	struct elf_file *elf = fd < 0 ? NULL : elf_file__open(fd);
	struct unwind_rules *rules = unwind_rules__new();
	const struct unwind_rule *all;
	struct unwind_block *blocks;
	struct unwind_rows rows;
	uint32_t cnt;

	if (!elf || !rules || unwind_rows__read(&rows, elf, fd, rules))
		return EXIT_FAILURE;
	cnt = unwind_rows__blocks(&rows);
	blocks = calloc(cnt, sizeof(*blocks));
	if (!cnt || !blocks)
		return EXIT_FAILURE;
	unwind_rows__write(&rows, blocks);
	unwind_rules__from(rules, 0, &all);
	for (size_t i = 0; i < rows.cnt; i++) {
		uint64_t address = rows.v[i] >> 16, off = address - unwind_rows_base(&rows);
		uint64_t next = i + 1 < rows.cnt ? rows.v[i + 1] >> 16 : rows.limit;

		if (unwind_table_find(blocks, cnt, off) != (uint16_t)rows.v[i] ||
		    (next > address && unwind_table_find(blocks, cnt, off + (next - address) - 1) !=
					       (uint16_t)rows.v[i])) {
			fprintf(stderr, "%" PRIx64 " is not found\n", address);
			return EXIT_FAILURE;
		}
		print(address, &all[(uint16_t)rows.v[i]]);
	}
	fprintf(stderr, "%zu rows, %" PRIu32 " rules, %" PRIu32 " blocks\n", rows.cnt,
		unwind_rules__from(rules, 0, &all), cnt);
	free(blocks);
	free(rows.v);
	unwind_rules__free(rules);
	elf_file__close(elf);
	return EXIT_SUCCESS;
}
