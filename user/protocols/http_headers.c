// SPDX-License-Identifier: Apache-2.0
/* The table of wanted headers, and how headers pass through a message's attributes. */
#include "user/protocols/http_headers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct slice prefixes[] = {
	[FROM_CLIENT] = SLICE("http.request.header."),
	[FROM_SERVER] = SLICE("http.response.header."),
};

/* The attribute's key; the name in lower case is its end. */
static char *make_key(enum sender sender, const char *name)
{
	size_t sz = prefixes[sender].n + strlen(name) + 1;
	char *key = malloc(sz);

	if (!key)
		return NULL;
	snprintf(key, sz, "%s%s", prefixes[sender].p, name);
	for (char *p = key; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
	return key;
}

int wanted_headers__init(struct wanted_headers *w, enum sender sender, const char *const *names,
			 size_t names_cnt)
{
	size_t cnt = names_cnt < HTTP_HEADERS_MAX ? names_cnt : HTTP_HEADERS_MAX;

	*w = (struct wanted_headers){.v = calloc(cnt ?: 1, sizeof(*w->v))};
	if (!w->v)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++) {
		char *key = make_key(sender, names[i]);

		if (!key)
			return -ENOMEM;
		w->v[w->cnt++] = (struct wanted_header){
			.key = slice_str(key),
			.name = slice_after(slice_str(key), prefixes[sender].n),
		};
	}
	return 0;
}

void wanted_headers__free(struct wanted_headers *w)
{
	for (size_t i = 0; i < w->cnt; i++)
		free((char *)w->v[i].key.p);
	free(w->v);
	*w = (struct wanted_headers){.cnt = 0};
}

void http_headers__begin(struct http_headers *h, const struct wanted_headers *wanted)
{
	h->wanted = wanted && wanted->cnt ? wanted : NULL;
	h->cnt = h->dropped_cnt = 0;
}

static const struct wanted_header *find(const struct http_headers *h, struct slice name)
{
	for (size_t i = 0; h->wanted && i < h->wanted->cnt; i++)
		if (slice_eq_nocase(name, h->wanted->v[i].name))
			return &h->wanted->v[i];
	return NULL;
}

bool http_headers__wants(const struct http_headers *h, struct slice name)
{
	return find(h, name);
}

void http_headers__take(struct http_headers *h, struct slice name, struct slice value)
{
	const struct wanted_header *wanted = find(h, name);

	if (!wanted)
		return;
	if (h->cnt == HTTP_HEADERS_MAX) {
		h->dropped_cnt++;
		return;
	}
	h->v[h->cnt].key = wanted->key;
	h->v[h->cnt++].value = value;
}

void http_headers__add(const struct http_headers *h, struct attrs *attrs)
{
	for (size_t i = 0; i < h->cnt; i++)
		attrs_add_str(attrs, h->v[i].key, h->v[i].value);
	attrs->dropped_cnt += (uint16_t)h->dropped_cnt;
}

static bool is_header(const struct attr *attr)
{
	return slice_starts_with(attr->key, prefixes[FROM_CLIENT]) ||
	       slice_starts_with(attr->key, prefixes[FROM_SERVER]);
}

/* All values of the key, from that attribute on; empty when there is no room for them. */
static struct slice *gather(const struct attrs *message, uint16_t first, struct description *out,
			    uint32_t *cnt)
{
	struct slice *items = out->items + out->items_cnt;

	*cnt = 0;
	for (uint16_t i = first; i < message->cnt; i++) {
		if (!slice_eq(message->v[i].key, message->v[first].key))
			continue;
		if (out->items_cnt == DESCRIPTION_ITEMS_MAX)
			break;
		out->items[out->items_cnt++] = message->v[i].str;
		++*cnt;
	}
	return items;
}

void http_headers__describe(const struct attrs *message, struct description *out)
{
	out->attrs.dropped_cnt += message->dropped_cnt;
	for (uint16_t i = 0; i < message->cnt; i++) {
		const struct attr *attr = &message->v[i];
		const struct slice *items;
		uint32_t cnt;

		if (!is_header(attr) || attrs_get(&out->attrs, attr->key))
			continue;
		items = gather(message, i, out, &cnt);
		if (cnt)
			attrs_add_strs(&out->attrs, attr->key, items, cnt);
	}
}
