// SPDX-License-Identifier: Apache-2.0
/* One deflater, reset for each message; its buffer grows to what the longest one needs. */
#include "user/export/gzip.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW_BITS (15 + 16) /* zlib's way to ask for gzip's header */
#define MEMORY_LEVEL 8

struct gzip {
	z_stream deflater;
	char *buf;
	size_t cap;
};

struct gzip *gzip__new(int level)
{
	struct gzip *g = calloc(1, sizeof(*g));

	if (g && deflateInit2(&g->deflater, level, Z_DEFLATED, GZIP_WINDOW_BITS, MEMORY_LEVEL,
			      Z_DEFAULT_STRATEGY) == Z_OK)
		return g;
	free(g);
	errno = ENOMEM;
	return NULL;
}

void gzip__free(struct gzip *g)
{
	if (!g)
		return;
	deflateEnd(&g->deflater);
	free(g->buf);
	free(g);
}

int gzip__pack(struct gzip *g, struct slice body, struct slice *packed)
{
	size_t bound;

	deflateReset(&g->deflater);
	bound = deflateBound(&g->deflater, body.n);
	if (bound > g->cap) {
		free(g->buf);
		g->buf = malloc(bound);
		g->cap = g->buf ? bound : 0;
		if (!g->buf)
			return -ENOMEM;
	}
	g->deflater.next_in = (Bytef *)body.p;
	g->deflater.avail_in = (uInt)body.n;
	g->deflater.next_out = (Bytef *)g->buf;
	g->deflater.avail_out = (uInt)g->cap;
	if (deflate(&g->deflater, Z_FINISH) != Z_STREAM_END)
		return -ENOMEM;
	*packed = slice_of(g->buf, g->deflater.total_out);
	return 0;
}
