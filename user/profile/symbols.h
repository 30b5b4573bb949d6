/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files with code, and the names of their functions: ELF's .symtab, of the file or of its separate
 * debug file, else .dynsym and the symbols of .gnu_debugdata. Files are hostile, and may change or be
 * cut while they are open: nothing of them is mapped. A bounded cache, used by one thread.
 */
#ifndef SONDE_PROFILE_SYMBOLS_H
#define SONDE_PROFILE_SYMBOLS_H

#include <sys/types.h>

#include "user/base/elf_file.h"
#include "user/profile/debug_fetcher.h"
#include "user/profile/python_layout.h"
#include "user/profile/v8_layout.h"

#define MODULES_MAX 256

struct symbols;

struct function_name {
	struct slice name;	  /* for people; empty: no symbol */
	struct slice system_name; /* as in the symbol table; empty: the same */
};

/* NULL with errno. */
struct symbols *symbols__new(void);
/*
 * From now on debug files that are on no disk here are fetched, until the symbols are freed. Those of a module come later, if
 * they do; names and lines are there from then on. NULL: no more.
 */
void symbols__fetch_by(struct symbols *s, struct debug_fetcher *fetcher);
/* From now on files with DWARF are kept open, and debug files are looked for if a file has none itself. */
void symbols__want_lines(struct symbols *s);
void symbols__free(struct symbols *s);

/*
 * The number of the module that is in that file, read if need be; never 0; another file gets another.
 * Takes over fd. proc_dir_fd (from procfs_open) and path tell where its debug file may be. Negative
 * errno if it is no ELF file or memory is out.
 */
ssize_t symbols__open(struct symbols *s, int fd, int proc_dir_fd, struct slice path);
/* Is the module still in the cache? All below give nothing for one that is not. */
bool symbols__has(const struct symbols *s, uint32_t module);
/* The code segment that holds an offset of the file, or NULL. Valid until the next open. */
const struct elf_segment *symbols__segment(const struct symbols *s, uint32_t module,
					   uint64_t file_off);
/* The file that has its DWARF, if wanted; -1: none, or not yet. Valid until the next open. */
int symbols__lines_fd(const struct symbols *s, uint32_t module);
/* Is a debug file that may have it being fetched? */
bool symbols__lines_awaited(const struct symbols *s, uint32_t module);
/* Waits so long for the debug files that are being fetched, and takes what has come. */
void symbols__await(struct symbols *s, uint64_t wait_ns);
/* In hexadecimal; empty if it has none. Valid until the next open. */
struct slice symbols__build_id(const struct symbols *s, uint32_t module);
/* What it exports as CPython does; NULL if it is none. Valid until the next open. */
const struct python_symbols *symbols__python(const struct symbols *s, uint32_t module);
/* The same of V8. */
const struct v8_symbols *symbols__v8(const struct symbols *s, uint32_t module);
/* The function at an address as the file has it. Valid until the next call. */
struct function_name symbols__find(struct symbols *s, uint32_t module, uint64_t address);

#endif
