// SPDX-License-Identifier: Apache-2.0
/* Batches of spans: one arena each. */
#include "user/model/span.h"

#include <errno.h>
#include <stdlib.h>

#define BATCH_BYTES_MAX (2u * 1024 * 1024)

bool trace_id_begins(const struct trace_id *id, const char *digits)
{
	char hex[2 * sizeof(id->bytes) + 1];

	for (size_t i = 0; i < sizeof(id->bytes); i++) {
		hex[2 * i] = "0123456789abcdef"[id->bytes[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[id->bytes[i] & 15];
	}
	hex[sizeof(hex) - 1] = '\0';
	return strncmp(hex, digits, strlen(digits)) == 0;
}

struct span_batch *span_batch__new(void)
{
	struct span_batch *b = malloc(sizeof(*b));

	if (!b) {
		errno = ENOMEM;
		return NULL;
	}
	b->next = NULL;
	b->since_ns = 0;
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

bool span__reserve_attrs(struct span *span, struct arena *arena, uint16_t more)
{
	struct attrs *attrs = &span->attrs;
	struct attr *v;

	if (attrs->cap - attrs->cnt >= more)
		return true;
	if (attrs->cnt > UINT16_MAX - more)
		return false;
	v = arena__alloc(arena, (size_t)(attrs->cnt + more) * sizeof(*v));
	if (!v)
		return false;
	memcpy(v, attrs->v, attrs->cnt * sizeof(*v));
	attrs->v = v;
	attrs->cap = (uint16_t)(attrs->cnt + more);
	return true;
}

bool span__set_links(struct span *span, struct arena *arena, const struct span_link *links,
		     uint32_t links_cnt)
{
	if (!links_cnt)
		return true;
	span->links = arena__alloc(arena, links_cnt * sizeof(*links));
	if (!span->links)
		return false;
	memcpy(span->links, links, links_cnt * sizeof(*links));
	span->links_cnt = links_cnt;
	return true;
}

uint32_t span_batch__leave_out(struct span_batch *b)
{
	uint32_t kept_cnt = 0, left_out_cnt;

	for (uint32_t i = 0; i < b->cnt; i++) {
		if (b->spans[i].left_out)
			resource__release(b->spans[i].resource);
		else if (kept_cnt++ != i)
			b->spans[kept_cnt - 1] = b->spans[i];
	}
	left_out_cnt = b->cnt - kept_cnt;
	b->cnt = kept_cnt;
	return left_out_cnt;
}

static void copy_value(struct span_batch *b, struct attr *attr, bool *failed)
{
	struct slice *items;

	if (attr->type == ATTR_STRING)
		attr->str = arena__copy(&b->arena, attr->str, failed);
	if (attr->type != ATTR_STRINGS)
		return;
	items = arena__alloc(&b->arena, attr->items_cnt * sizeof(*items));
	*failed |= !items;
	for (uint32_t i = 0; items && i < attr->items_cnt; i++)
		items[i] = arena__copy(&b->arena, attr->items[i], failed);
	attr->items = items;
}

struct span *span_batch__copy(struct span_batch *b, const struct span *span)
{
	struct span *copy = span_batch__add(b, span->attrs.cnt, span->resource);
	bool failed = false;
	struct attr *v;

	if (!copy)
		return NULL;
	v = copy->attrs.v;
	*copy = *span;
	copy->attrs.v = v;
	copy->attrs.cap = span->attrs.cnt;
	for (uint16_t i = 0; i < span->attrs.cnt; i++) {
		v[i] = span->attrs.v[i];
		copy_value(b, &v[i], &failed);
	}
	copy->name = arena__copy(&b->arena, span->name, &failed);
	copy->trace_state = arena__copy(&b->arena, span->trace_state, &failed);
	copy->links = NULL;
	copy->links_cnt = 0;
	failed |= !span__set_links(copy, &b->arena, span->links, span->links_cnt);
	if (!failed)
		return copy;
	resource__release(copy->resource);
	b->cnt--;
	return NULL;
}
