// SPDX-License-Identifier: Apache-2.0
/* Batches of spans: one arena each. */
#include "user/model/span.h"

#include <errno.h>
#include <stdlib.h>

#define BATCH_BYTES_MAX (2u * 1024 * 1024)

struct span_batch *span_batch__new(void)
{
	struct span_batch *b = malloc(sizeof(*b));

	if (!b) {
		errno = ENOMEM;
		return NULL;
	}
	b->next = NULL;
	b->cnt = 0;
	arena__init(&b->arena, BATCH_BYTES_MAX);
	return b;
}

void span_batch__reset(struct span_batch *b)
{
	for (uint32_t i = 0; i < b->cnt; i++)
		resource__release(b->spans[i].resource);
	b->cnt = 0;
	arena__reset(&b->arena);
}

void span_batch__free(struct span_batch *b)
{
	if (!b)
		return;
	span_batch__reset(b);
	arena__free(&b->arena);
	free(b);
}

struct span *span_batch__add(struct span_batch *b, uint16_t attrs_cap, struct resource *resource)
{
	struct span *span;
	struct attr *v;

	if (b->cnt == SPAN_BATCH_MAX)
		return NULL;
	v = arena__alloc(&b->arena, attrs_cap * sizeof(*v));
	if (!v)
		return NULL;
	span = &b->spans[b->cnt++];
	memset(span, 0, sizeof(*span));
	span->attrs = (struct attrs){.v = v, .cap = attrs_cap};
	span->resource = resource__hold(resource);
	return span;
}
