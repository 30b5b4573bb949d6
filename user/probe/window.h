/* SPDX-License-Identifier: Apache-2.0 */
/* A file read through a window that follows what is asked for: little memory, few system calls. One thread. */
#ifndef SONDE_PROBE_WINDOW_H
#define SONDE_PROBE_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#define WINDOW_SZ 65536u

struct window {
	int fd;
	uint64_t off;
	size_t n;
	uint8_t bytes[WINDOW_SZ];
};

/* Borrows fd. NULL with errno. */
struct window *window__new(int fd);
void window__free(struct window *w);
/*
 * The bytes from off on, valid until the next call: at least n, at most WINDOW_SZ, unless the file ends before.
 * Returns how many.
 */
size_t window__read(struct window *w, uint64_t off, size_t n, const uint8_t **bytes);

#endif
