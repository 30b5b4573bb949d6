// SPDX-License-Identifier: Apache-2.0
/* One compressor for all messages; its buffer grows to what the longest one needs. */
#include "user/export/gzip.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>

struct gzip {
	struct libdeflate_compressor *compressor;
	char *buf;
	size_t cap;
};

struct gzip *gzip__new(int level)
{
	struct gzip *g = calloc(1, sizeof(*g));

	if (g)
		g->compressor = libdeflate_alloc_compressor(level);
	if (g && g->compressor)
		return g;
	free(g);
	errno = ENOMEM;
	return NULL;
}

void gzip__free(struct gzip *g)
{
	if (!g)
		return;
	libdeflate_free_compressor(g->compressor);
	free(g->buf);
	free(g);
}

int gzip__pack(struct gzip *g, struct slice body, struct slice *packed)
{
	size_t bound = libdeflate_gzip_compress_bound(g->compressor, body.n);

	if (bound > g->cap) {
		free(g->buf);
		g->buf = malloc(bound);
		g->cap = g->buf ? bound : 0;
		if (!g->buf)
			return -ENOMEM;
	}
	*packed = slice_of(g->buf,
			   libdeflate_gzip_compress(g->compressor, body.p, body.n, g->buf, g->cap));
	return packed->n ? 0 : -ENOMEM;
}
