// SPDX-License-Identifier: Apache-2.0
/* Reference-counted resources; one allocation holds the struct, its attributes and their bytes. */
#include "user/model/resource.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

static size_t attr_bytes(const struct attr *attr)
{
	size_t sz = attr->key.n;

	if (attr->type == ATTR_STRING)
		sz += attr->str.n;
	if (attr->type == ATTR_STRINGS)
		for (uint32_t i = 0; i < attr->items_cnt; i++)
			sz += attr->items[i].n + sizeof(struct slice);
	return sz;
}

static struct slice put(char **at, struct slice s)
{
	struct slice copy = slice_of(*at, s.n);

	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return copy;
}

struct resource *resource__new(const struct attrs *attrs, uint32_t pid)
{
	static _Atomic uint64_t next_id = 1;
	size_t sz = sizeof(struct resource) + attrs->cnt * sizeof(struct attr);
	struct slice *items;
	struct resource *r;
	char *at;

	for (uint16_t i = 0; i < attrs->cnt; i++)
		sz += attr_bytes(&attrs->v[i]);
	r = calloc(1, sz);
	if (!r) {
		errno = ENOMEM;
		return NULL;
	}
	r->refs = 1;
	r->id = atomic_fetch_add(&next_id, 1);
	r->pid = pid;
	r->attrs =
		(struct attrs){.v = (struct attr *)(r + 1), .cnt = attrs->cnt, .cap = attrs->cnt};
	items = (struct slice *)(r->attrs.v + attrs->cnt);
	at = (char *)items;
	for (uint16_t i = 0; i < attrs->cnt; i++)
		if (attrs->v[i].type == ATTR_STRINGS)
			at += attrs->v[i].items_cnt * sizeof(struct slice);
	for (uint16_t i = 0; i < attrs->cnt; i++) {
		struct attr *to = &r->attrs.v[i];

		*to = attrs->v[i];
		to->key = put(&at, to->key);
		if (to->type == ATTR_STRING)
			to->str = put(&at, to->str);
		if (to->type == ATTR_STRINGS) {
			for (uint32_t k = 0; k < to->items_cnt; k++)
				items[k] = put(&at, attrs->v[i].items[k]);
			to->items = items;
			items += to->items_cnt;
		}
		if (to->type == ATTR_STRING && slice_eq(to->key, SLICE("service.name")))
			r->service_name = to->str;
	}
	r->service_key = slice_hash(r->service_name);
	return r;
}

struct resource *resource__hold(struct resource *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void resource__release(struct resource *r)
{
	if (r && atomic_fetch_sub(&r->refs, 1) == 1)
		free(r);
}
