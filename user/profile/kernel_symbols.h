/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the kernel's functions, from /proc/kallsyms. One thread. */
#ifndef SONDE_PROFILE_KERNEL_SYMBOLS_H
#define SONDE_PROFILE_KERNEL_SYMBOLS_H

#include "user/base/slice.h"

struct kernel_symbols;

/* Reads nothing yet. proc_root is borrowed. NULL with errno. */
struct kernel_symbols *kernel_symbols__new(const char *proc_root);
void kernel_symbols__free(struct kernel_symbols *k);
/*
 * The name of the function at an address, valid until the next call; empty if there is none, or the
 * kernel hides them, which is logged once. Modules loaded meanwhile are found a little later.
 */
struct slice kernel_symbols__find(struct kernel_symbols *k, uint64_t address);

/* In hexadecimal, empty if it is not known. */
struct slice kernel_symbols__build_id(const struct kernel_symbols *k);

/* The GNU build-id in ELF notes, in hexadecimal, NUL-terminated; empty if there is none. */
#define KERNEL_BUILD_ID_SZ 129
void kernel_notes_parse(struct slice notes, char build_id[KERNEL_BUILD_ID_SZ]);
/* A line of the file: only functions. False if it is something else or malformed. */
bool kernel_symbol_parse(struct slice line, uint64_t *address, struct slice *name);

#endif
