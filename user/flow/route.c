// SPDX-License-Identifier: Apache-2.0
/*
 * Per service a tree whose nodes are segments as they stand in routes; a node where a path ended is
 * a route. A node that has seen too many names beneath it takes new ones as {value}; names that it
 * knew stay, so a path keeps its route for as long as its service is remembered. In front stands a
 * direct-mapped cache from whole paths to routes, which is all that a busy path touches.
 */
#include "user/flow/route.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/log.h"
#include "user/base/route_pattern.h"
#include "user/flow/route_shape.h"

#define CATCH_ALL SLICE("/**")

#define CACHE_CNT 2048u /* a power of two */
#define CACHE_TEXT_SZ 172

#define SETS_CNT 128u
#define WAYS_CNT (ROUTE_SERVICES_MAX / SETS_CNT)

struct cached {
	uint64_t hash;
	uint64_t service_key;
	uint16_t path_len, route_len; /* route_len 0: free */
	char text[CACHE_TEXT_SZ];     /* the path, then its route */
};

struct node {
	uint32_t child, next; /* indices of nodes; 0: none */
	uint8_t names_cnt;    /* children that are literals */
	bool route;
	uint8_t len;
	char text[ROUTE_SEGMENT_MAX];
};

struct service {
	uint64_t key;
	uint64_t used; /* when, in learnings */
	uint32_t root; /* 0: free */
	uint32_t routes_cnt;
};

struct routes {
	struct slice *patterns;
	size_t patterns_cnt;
	size_t max_per_service;
	uint64_t now; /* learnings so far */
	struct cached *cache;
	struct node *nodes;
	uint32_t nodes_cnt; /* ever used; node 0 stands for none */
	uint32_t free_node; /* chained by next */
	struct service services[SETS_CNT][WAYS_CNT];
};

/* --- the user's patterns ---------------------------------------------------------------------- */

static bool matches(struct slice pattern, struct slice path)
{
	struct slice want, have;
	ptrdiff_t semicolon;

	while (route_next_segment(&pattern, &want)) {
		if (slice_eq(want, ROUTE_REST))
			return true;
		if (!route_next_segment(&path, &have))
			return false;
		semicolon = slice_find(have, ';');
		if (semicolon >= 0) /* parameters of the segment */
			have = slice_first(have, (size_t)semicolon);
		if (want.p[0] != '{' && !slice_eq(want, SLICE("*")) && !slice_eq(want, have))
			return false;
	}
	return !route_next_segment(&path, &have);
}

static int copy_patterns(struct routes *r, const char *const *patterns, size_t cnt)
{
	_Static_assert(ROUTE_PATTERN_MAX <= ROUTE_TEXT_MAX, "a pattern is a route");
	r->patterns = calloc(cnt ? cnt : 1, sizeof(*r->patterns));
	if (!r->patterns)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++) {
		const char *wrong = route_pattern_error(slice_str(patterns[i]));
		char *copy;

		if (wrong) {
			log_error("route pattern \"%s\": %s", patterns[i], wrong);
			return -EINVAL;
		}
		copy = strdup(patterns[i]);
		if (!copy)
			return -ENOMEM;
		r->patterns[r->patterns_cnt++] = slice_str(copy);
	}
	return 0;
}

/* --- the trees -------------------------------------------------------------------------------- */

static void free_tree(struct routes *r, uint32_t index)
{
	struct node *node = &r->nodes[index];

	/* As deep as a route has segments. */
	for (uint32_t at = node->child; at;) {
		uint32_t next = r->nodes[at].next;

		free_tree(r, at);
		at = next;
	}
	node->next = r->free_node;
	r->free_node = index;
}

static void forget(struct routes *r, struct service *service)
{
	if (!service->root)
		return;
	free_tree(r, service->root);
	for (size_t i = 0; i < CACHE_CNT; i++)
		if (r->cache[i].service_key == service->key)
			r->cache[i].route_len = 0;
	*service = (struct service){0};
}

/* Makes room at the cost of the service that was longest unused; false if there is none but keep. */
static bool forget_oldest(struct routes *r, const struct service *keep)
{
	struct service *all = &r->services[0][0], *oldest = NULL;

	for (size_t i = 0; i < ROUTE_SERVICES_MAX; i++)
		if (all[i].root && &all[i] != keep && (!oldest || all[i].used < oldest->used))
			oldest = &all[i];
	if (oldest)
		forget(r, oldest);
	return oldest != NULL;
}

/* A cleared node, or 0. */
static uint32_t new_node(struct routes *r, const struct service *owner)
{
	uint32_t index;

	if (!r->free_node && r->nodes_cnt == ROUTE_NODES_MAX && !forget_oldest(r, owner))
		return 0;
	if (!r->free_node)
		return r->nodes_cnt++;
	index = r->free_node;
	r->free_node = r->nodes[index].next;
	r->nodes[index] = (struct node){0};
	return index;
}

static struct service *get_service(struct routes *r, uint64_t key)
{
	struct service *set = r->services[(key ^ key >> 32) % SETS_CNT], *oldest = set;

	for (size_t i = 0; i < WAYS_CNT; i++) {
		if (set[i].root && set[i].key == key) {
			set[i].used = ++r->now;
			return &set[i];
		}
		if (set[i].used < oldest->used)
			oldest = &set[i];
	}
	forget(r, oldest);
	oldest->root = new_node(r, oldest);
	if (!oldest->root)
		return NULL;
	oldest->key = key;
	oldest->used = ++r->now;
	return oldest;
}

static uint32_t find_child(const struct routes *r, uint32_t parent, struct slice text)
{
	uint32_t at = r->nodes[parent].child;

	while (at && !(r->nodes[at].len == text.n && !memcmp(r->nodes[at].text, text.p, text.n)))
		at = r->nodes[at].next;
	return at;
}

/* Not a mere placeholder. "{hash}.js" counts as a name: there may be any number of extensions. */
static bool is_name(struct slice text)
{
	return text.p[0] != '*' && !(text.p[0] == '{' && text.p[text.n - 1] == '}');
}

/* The child for a segment, made if there is room for it; 0 if not. */
static uint32_t step(struct routes *r, struct service *service, uint32_t parent, struct slice text)
{
	bool name = is_name(text);
	uint32_t child = find_child(r, parent, text);

	if (!child && name && r->nodes[parent].names_cnt >= ROUTE_VALUES_MAX) {
		text = SLICE("{value}");
		name = false;
		child = find_child(r, parent, text);
	}
	if (child || service->routes_cnt >= r->max_per_service)
		return child;
	child = new_node(r, service);
	if (!child)
		return 0;
	memcpy(r->nodes[child].text, text.p, text.n);
	r->nodes[child].len = (uint8_t)text.n;
	r->nodes[child].next = r->nodes[parent].child;
	r->nodes[parent].child = child;
	r->nodes[parent].names_cnt += name;
	return child;
}

/* Learns a path; the route goes to buf of ROUTE_TEXT_MAX bytes, where any learnt route fits. */
static struct slice learn(struct routes *r, uint64_t service_key, struct slice path, char *buf)
{
	struct service *service;
	struct slice segment;
	char shape[ROUTE_SEGMENT_MAX];
	size_t len = 0, segments_cnt = 0;
	uint32_t at;

	_Static_assert((ROUTE_SEGMENTS_MAX + 1) * (ROUTE_SEGMENT_MAX + 1) <= ROUTE_TEXT_MAX, "");
	service = get_service(r, service_key);
	if (!service)
		return CATCH_ALL;
	for (at = service->root; route_next_segment(&path, &segment); segments_cnt++) {
		bool last = segments_cnt == ROUTE_SEGMENTS_MAX;

		at = step(r, service, at, last ? ROUTE_REST : route_segment_shape(segment, shape));
		if (!at)
			return CATCH_ALL;
		buf[len++] = '/';
		memcpy(buf + len, r->nodes[at].text, r->nodes[at].len);
		len += r->nodes[at].len;
		if (last)
			break;
	}
	if (len == 0)
		return SLICE("/");
	if (!r->nodes[at].route && service->routes_cnt >= r->max_per_service)
		return CATCH_ALL;
	service->routes_cnt += !r->nodes[at].route;
	r->nodes[at].route = true;
	return slice_of(buf, len);
}

/* --- the cache, and all together -------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

static uint64_t hash_path(uint64_t service_key, struct slice path)
{
	uint64_t h = mix(service_key, path.n), word;
	size_t i = 0;

	for (; i + sizeof(word) <= path.n; i += sizeof(word)) {
		memcpy(&word, path.p + i, sizeof(word));
		h = mix(h, word);
	}
	word = 0;
	memcpy(&word, path.p + i, path.n - i);
	return mix(h, word);
}

static struct slice give(struct slice route, char *buf, size_t buf_sz)
{
	if (route.n > buf_sz)
		route = CATCH_ALL;
	if (route.n > buf_sz)
		return SLICE("");
	memcpy(buf, route.p, route.n);
	return slice_of(buf, route.n);
}

static void remember(struct cached *entry, uint64_t hash, uint64_t service_key, struct slice path,
		     struct slice route)
{
	if (path.n + route.n > CACHE_TEXT_SZ)
		return;
	*entry = (struct cached){
		.hash = hash,
		.service_key = service_key,
		.path_len = (uint16_t)path.n,
		.route_len = (uint16_t)route.n,
	};
	memcpy(entry->text, path.p, path.n);
	memcpy(entry->text + path.n, route.p, route.n);
}

struct slice routes__find(struct routes *r, uint64_t service_key, struct slice path, char *buf,
			  size_t buf_sz)
{
	char learnt[ROUTE_TEXT_MAX];
	struct cached *entry;
	struct slice route;
	uint64_t hash;
	size_t i = 0;

	if (path.n == 0 || path.p[0] != '/')
		return SLICE("");
	hash = hash_path(service_key, path);
	entry = &r->cache[hash % CACHE_CNT];
	if (entry->hash == hash && entry->service_key == service_key && entry->route_len &&
	    entry->path_len == path.n && memcmp(entry->text, path.p, path.n) == 0)
		return give(slice_of(entry->text + path.n, entry->route_len), buf, buf_sz);
	while (i < r->patterns_cnt && !matches(r->patterns[i], path))
		i++;
	route = i < r->patterns_cnt ? r->patterns[i] : learn(r, service_key, path, learnt);
	remember(entry, hash, service_key, path, route);
	return give(route, buf, buf_sz);
}

struct routes *routes__new(const char *const *patterns, size_t patterns_cnt, size_t max_per_service)
{
	struct routes *r = calloc(1, sizeof(*r));
	int err = -ENOMEM;

	if (!r)
		goto cleanup;
	r->max_per_service = max_per_service;
	r->nodes_cnt = 1;
	r->nodes = calloc(ROUTE_NODES_MAX, sizeof(*r->nodes));
	r->cache = calloc(CACHE_CNT, sizeof(*r->cache));
	if (!r->nodes || !r->cache)
		goto cleanup;
	err = copy_patterns(r, patterns, patterns_cnt);
cleanup:
	if (!err)
		return r;
	routes__free(r);
	errno = -err;
	return NULL;
}

void routes__free(struct routes *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->patterns_cnt; i++)
		free((char *)r->patterns[i].p);
	free(r->patterns);
	free(r->nodes);
	free(r->cache);
	free(r);
}
