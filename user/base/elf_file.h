/* SPDX-License-Identifier: Apache-2.0 */
/* What is wanted of an ELF file (elf(5)): code, symbols, identity. Hostile input. One thread per file. */
#ifndef SONDE_BASE_ELF_FILE_H
#define SONDE_BASE_ELF_FILE_H

#include <stdbool.h>

#include "user/base/slice.h"

#define SEGMENTS_MAX 8
#define BUILD_ID_MAX 64	       /* bytes */
#define SYMBOLS_MAX (1u << 20) /* of one file */

/* A part of the file that is loaded as code. */
struct elf_segment {
	uint64_t address; /* where the file wants it */
	uint64_t size;
	uint64_t file_off;
};

/* A function; its name is read when it is asked for. */
struct elf_symbol {
	uint64_t address;
	uint32_t size;
	uint32_t name : 29;   /* offset in the names of its table */
	uint32_t unsized : 1; /* by its symbol; size is a guess */
	uint32_t rank : 2;    /* of several at one address the lowest is the one to show */
};

/* A function that is asked for by name. */
struct elf_function {
	const char *name;
	uint64_t address; /* 0: it is not there */
	uint64_t size;	  /* 0: unknown */
};

/* Where names are: in the file, or in memory. */
struct elf_names {
	uint64_t file_off, size;
	char *memory; /* owned, from the first name on; NULL: in the file */
};

struct elf_table {
	struct elf_symbol *v; /* by address, one for each */
	uint32_t cnt, cap;
	struct elf_names names;
};

/* What the loader writes for a thread-local variable (ELF Handling For Thread-Local Storage). */
enum thread_local_slot {
	THREAD_LOCAL_NO_SLOT,
	THREAD_LOCAL_OFFSET, /* its offset from the thread pointer */
	THREAD_LOCAL_MODULE, /* the number of the file's module, and the offset in its block */
	THREAD_LOCAL_DESCRIPTOR, /* a function and its argument: the offset from the thread pointer, or the address of such a pair */
};

/* A thread-local variable that a file has a symbol of. */
struct elf_thread_local {
	uint64_t offset;	  /* in the file's block */
	uint64_t block_sz, align; /* of the block */
	bool of_program;	  /* not of a library */
	enum thread_local_slot slot_kind;
	uint64_t slot; /* its address in the file */
};

struct elf_file;

/* Borrows fd, or the bytes. NULL if it is no ELF file. */
struct elf_file *elf_file__open(int fd);
struct elf_file *elf_file__open_bytes(char *bytes, size_t n);
void elf_file__close(struct elf_file *elf);

/* The machine that its code is for: "x86-64" only for 64-bit code of that. */
const char *elf_file__machine(struct elf_file *elf);
/* Where the program begins; 0 if it is none. */
uint64_t elf_file__entry(struct elf_file *elf);
/* Fills out with the code segments; returns how many. */
uint32_t elf_file__segments(struct elf_file *elf, struct elf_segment out[SEGMENTS_MAX]);
/* The part of the file that .eh_frame_hdr is in. False if there is none. */
bool elf_file__unwind_table(struct elf_file *elf, struct elf_segment *out);
/* The part of the file that the section of that name is; its bytes are as they were. False if there is none. */
bool elf_file__section(struct elf_file *elf, const char *name, struct elf_segment *out);
/* Has it DWARF? */
bool elf_file__has_dwarf(struct elf_file *elf);
/* Has the file section headers at all? */
bool elf_file__has_sections(struct elf_file *elf);
/* Returns the length, 0 if there is none. */
size_t elf_file__build_id(struct elf_file *elf, uint8_t out[BUILD_ID_MAX]);
/* The file name in .gnu_debuglink, valid while the file is open; empty if there is none. */
struct slice elf_file__debug_link(struct elf_file *elf);
/* Has it .symtab (dynamic: .dynsym) with functions? Then 0, and table is filled; the caller frees. */
int elf_file__symbols(struct elf_file *elf, bool dynamic, struct elf_table *table);
/* The same of the packed ELF file in .gnu_debugdata, that some distributions leave in executables. */
int elf_file__packed_symbols(struct elf_file *elf, struct elf_table *table);
/* Fills in the addresses and sizes of those of the cnt functions that the file has symbols of, in any table. */
void elf_file__find(struct elf_file *elf, struct elf_function *functions, size_t cnt);
/* The same of all that .dynsym has, variables too. */
void elf_file__exported(struct elf_file *elf, struct elf_function *symbols, size_t cnt);
/* False if the file has no thread-local variable of that name. x86-64. */
bool elf_file__thread_local(struct elf_file *elf, const char *name, struct elf_thread_local *out);
/* The name of the function whose address the loader writes to address; NULL if there is none. While open. */
const char *elf_file__slot_name(struct elf_file *elf, uint64_t address);

#endif
