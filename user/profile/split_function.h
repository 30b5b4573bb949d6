/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compilers put the parts of a function that they believe to be seldom run elsewhere (NAME.cold). Where a file has no
 * symbols of them they are found by the function's jumps: into the middle of what .eh_frame lists as another one. x86-64.
 */
#ifndef SONDE_PROFILE_SPLIT_FUNCTION_H
#define SONDE_PROFILE_SPLIT_FUNCTION_H

#include "user/base/elf_file.h"

#define SPLIT_PARTS_MAX 4

struct split_function {
	struct {
		uint64_t start, limit;
	} parts[SPLIT_PARTS_MAX]; /* the others: not the one that has its name */
	uint32_t cnt;
};

/* Of a function that is there in the file. */
void split_function__read(struct split_function *s, struct elf_file *elf, int fd,
			  const struct elf_function *function);
bool split_function__has(const struct split_function *s, uint64_t address);

#endif
