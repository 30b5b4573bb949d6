// SPDX-License-Identifier: Apache-2.0
/* Reads ahead, so that what is looked at byte by byte does not cost a system call each time. */
#include "user/probe/window.h"

#include <stdlib.h>
#include <unistd.h>

struct window *window__new(int fd)
{
	struct window *w = malloc(sizeof(*w));

	if (w) {
		w->fd = fd;
		w->n = 0;
	}
	return w;
}

void window__free(struct window *w)
{
	free(w);
}

size_t window__read(struct window *w, uint64_t off, size_t n, const uint8_t **bytes)
{
	ssize_t got;

	if (off >= w->off && off - w->off <= w->n && n <= w->n - (off - w->off)) {
		*bytes = w->bytes + (off - w->off);
		return w->n - (off - w->off);
	}
	got = off <= INT64_MAX ? pread(w->fd, w->bytes, WINDOW_SZ, (off_t)off) : 0;
	w->off = off;
	w->n = got > 0 ? (size_t)got : 0;
	*bytes = w->bytes;
	return w->n;
}
