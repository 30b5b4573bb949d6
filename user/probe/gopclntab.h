/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table that each program of Go 1.18 or later has of its functions, stripped or not: their names, and where
 * they begin (the runtime's symtab.go). Hostile input; no more is kept of it than what is asked for. Any thread.
 */
#ifndef SONDE_PROBE_GOPCLNTAB_H
#define SONDE_PROBE_GOPCLNTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A function that is asked for by name. */
struct go_function {
	const char *name;
	bool found;
	uint32_t off; /* from where the text of Go begins, which the table does not tell reliably */
	uint32_t size; /* with the padding behind it */
};

/*
 * Looks the cnt functions up in the table that is at off in the file, and size bytes long. 0, or a negative errno:
 * -EINVAL if no such table is there, or it contradicts itself.
 */
int gopclntab_find(int fd, uint64_t off, uint64_t size, struct go_function *functions, size_t cnt);
/* Where in the file something begins that looks as such a table does; false if nothing does. */
bool gopclntab_scan(int fd, uint64_t *off);

#endif
