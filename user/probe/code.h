/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine code in an ELF file, function by function. The file is hostile input. One thread per object.
 */
#ifndef SONDE_PROBE_CODE_H
#define SONDE_PROBE_CODE_H

#include "user/base/elf_file.h"
#include "user/probe/site.h"

struct code;

/* A function's bytes, valid until the next is read. */
struct code_function {
	const uint8_t *bytes;
	size_t n; /* at most SITE_CODE_MAX + 1 */
	uint64_t file_off;
};

/* NULL with errno: EINVAL if it is no ELF file. Borrows fd. */
struct code *code__open(int fd);
void code__free(struct code *code);
/* Lives as long as code does. */
struct elf_file *code__elf(struct code *code);

/*
 * Reads the function that begins at address; if its size is 0, it ends where .eh_frame_hdr knows the next
 * to begin. Returns 0, or a negative errno: -ENOENT no code is there, -ENODATA nothing tells where it ends.
 */
int code__read(struct code *code, uint64_t address, uint64_t size, struct code_function *out);

#endif
