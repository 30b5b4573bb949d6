/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The site of every function of an ELF file, or why it has none: for people who wonder, and for tests that
 * compare with another disassembler. The file is hostile input. Any thread.
 */
#ifndef SONDE_PROBE_SITE_LIST_H
#define SONDE_PROBE_SITE_LIST_H

#include "user/probe/site.h"

enum site_probe {
	SITE_ENTRY,  /* with the first three arguments in their registers */
	SITE_RETURN, /* the same, with the return address at the top of the stack */
	SITE_PROBE_CNT,
};

struct listed_site {
	enum site_fault fault;
	struct site site; /* if it is SITE_FOUND */
};

struct listed_function {
	const char *name; /* until the call returns */
	uint64_t
		address; /* as the file has it; 0: of those that are named, it has no such function */
	uint64_t file_off;
	bool readable; /* else there are no sites: its code is not in the file, or has no known end */
	struct listed_site sites[SITE_PROBE_CNT];
};

typedef void (*site_list_tell)(void *ctx, const struct listed_function *function);

/*
 * Tells of each function that has a symbol, or of the cnt that are named. 0, or a negative errno: -EINVAL no
 * ELF file, -ENOTSUP it is for another machine than x86-64, -ENOENT it has no symbols.
 */
int site_list_all(int fd, site_list_tell tell, void *ctx);
int site_list_named(int fd, const char *const *names, size_t cnt, site_list_tell tell, void *ctx);

#endif
