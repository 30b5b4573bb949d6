// SPDX-License-Identifier: Apache-2.0
/* The pool of exchanges and their copies of messages. */
#include "user/flow/exchange.h"

#include <stdlib.h>

#include "user/base/account.h"

void exchange_pool__init(struct exchange_pool *pool, uint32_t max_cnt)
{
	*pool = (struct exchange_pool){.max_cnt = max_cnt};
}

static void free_more(struct exchange *x)
{
	free(x->more_text);
	if (x->request.v != x->request_attrs)
		free(x->request.v);
	if (x->response.v != x->response_attrs)
		free(x->response.v);
}

void exchange_pool__free(struct exchange_pool *pool)
{
	struct exchange *x, *next;

	for (x = pool->oldest; x; x = next) {
		next = x->newer;
		free_more(x);
		free(x);
	}
	for (x = pool->free; x; x = next) {
		next = x->next;
		free(x);
	}
}

static void append(struct exchange_pool *pool, struct exchange *x)
{
	x->newer = NULL;
	x->older = pool->newest;
	if (pool->newest)
		pool->newest->newer = x;
	else
		pool->oldest = x;
	pool->newest = x;
}

static void unlink_exchange(struct exchange_pool *pool, struct exchange *x)
{
	if (x->older)
		x->older->newer = x->newer;
	else
		pool->oldest = x->newer;
	if (x->newer)
		x->newer->older = x->older;
	else
		pool->newest = x->older;
}

struct exchange *exchange_pool__take(struct exchange_pool *pool)
{
	struct exchange *x = pool->free;

	if (x) {
		pool->free = x->next;
	} else {
		if (pool->allocated_cnt == pool->max_cnt)
			return NULL;
		x = malloc(sizeof(*x));
		if (!x)
			return NULL;
		pool->allocated_cnt++;
	}
	memset(x, 0, offsetof(struct exchange, request_attrs));
	x->more_text = NULL;
	x->text_len = x->more_len = 0;
	x->request = (struct attrs){.v = x->request_attrs, .cap = EXCHANGE_REQUEST_ATTRS};
	x->response = (struct attrs){.v = x->response_attrs, .cap = EXCHANGE_RESPONSE_ATTRS};
	append(pool, x);
	pool->used_cnt++;
	return x;
}

static void leave_parent(struct exchange *x)
{
	if (!x->parent)
		return;
	*x->sibling_link = x->sibling_next;
	if (x->sibling_next)
		x->sibling_next->sibling_link = x->sibling_link;
	x->parent = NULL;
}

void exchange__settle_parent(struct exchange *x)
{
	static const struct span_id none;

	for (const struct exchange *p = x->parent; p && p->left_out; p = p->parent)
		x->parent_id = p->parent_id;
	if (x->parent_method != PARENT_AMBIGUOUS && memcmp(&x->parent_id, &none, sizeof(none)) == 0)
		x->parent_method = PARENT_NONE;
}

void exchange__make_root(struct exchange *x)
{
	leave_parent(x);
	x->parent_method = PARENT_NONE;
	x->parent_id = (struct span_id){{0}};
}

void exchange__disown(struct exchange *x)
{
	while (x->children)
		exchange__make_root(x->children);
}

/* What follows x in the tree below root, parents before children; NULL: nothing does. */
static struct exchange *next_below(const struct exchange *root, const struct exchange *x)
{
	if (x->children)
		return x->children;
	while (x != root && !x->sibling_next)
		x = x->parent;
	return x == root ? NULL : x->sibling_next;
}

void exchange__set_trace(struct exchange *x, const struct trace_id *trace_id, uint8_t flags)
{
	for (struct exchange *y = x; y; y = next_below(x, y)) {
		y->trace_id = *trace_id;
		y->trace_flags = flags;
	}
}

bool exchange__is_fixed(const struct exchange *x)
{
	for (const struct exchange *y = x; y; y = next_below(x, y))
		if (y->sent)
			return true;
	return false;
}

/* All that x belongs to becomes part of the trace of another one. False if it cannot. */
static bool follow_trace(struct exchange *x, const struct exchange *other)
{
	while (x->parent)
		x = x->parent;
	if ((x->parent_method != PARENT_NONE && x->parent_method != PARENT_AMBIGUOUS) || x->told ||
	    exchange__is_fixed(x))
		return false;
	exchange__set_trace(x, &other->trace_id, other->trace_flags);
	return true;
}

bool exchange__adopt(struct exchange *parent, struct exchange *child, enum parent_method method)
{
	struct exchange *root = parent;
	int depth = 1;

	for (; root->parent && root != child; root = root->parent)
		depth++;
	if (root == child)
		return false;
	if (depth >= TRACE_DEPTH_MAX ||
	    (method != PARENT_SOCKET && (root->followers_cnt >= TRACE_SPANS_MAX ||
					 child->start_ns > root->start_ns + TRACE_AGE_MAX_NS))) {
		account_add(ACCOUNT_PARENTS_REFUSED, 1);
		return false;
	}
	if (memcmp(&parent->trace_id, &child->trace_id, sizeof(parent->trace_id)) != 0 &&
	    exchange__is_fixed(child) && !follow_trace(parent, child))
		return false;
	root->followers_cnt += 1 + child->followers_cnt;
	child->parent = parent;
	child->parent_id = parent->span_id;
	child->parent_method = method;
	child->sibling_next = parent->children;
	child->sibling_link = &parent->children;
	if (parent->children)
		parent->children->sibling_link = &child->sibling_next;
	parent->children = child;
	exchange__set_trace(child, &parent->trace_id, parent->trace_flags);
	return true;
}

void exchange_pool__put(struct exchange_pool *pool, struct exchange *x)
{
	while (x->children) {
		exchange__settle_parent(x->children);
		leave_parent(x->children);
	}
	leave_parent(x);
	unlink_exchange(pool, x);
	free_more(x);
	x->next = pool->free;
	pool->free = x;
	pool->used_cnt--;
}

struct exchange *exchange_pool__next(struct exchange_pool *pool)
{
	struct exchange *x = pool->oldest;

	unlink_exchange(pool, x);
	append(pool, x);
	return x;
}

/* A copy of s in the exchange's own text; cut to what there is room for. */
static struct slice keep(struct exchange *x, struct slice s)
{
	size_t n = s.n;
	char *to;

	if (s.n <= EXCHANGE_TEXT_SZ - x->text_len) {
		to = x->text + x->text_len;
		x->text_len += (uint32_t)s.n;
	} else {
		if (!x->more_text)
			x->more_text = malloc(EXCHANGE_TEXT_MAX);
		to = x->more_text ? x->more_text + x->more_len : NULL;
		s = slice_first(s, to ? EXCHANGE_TEXT_MAX - x->more_len : 0);
		x->more_len += (uint32_t)s.n;
	}
	x->text_cut |= s.n < n;
	if (s.n)
		memcpy(to, s.p, s.n);
	return slice_of(to, s.n);
}

/* Captured headers are more than the exchange has room for. */
static void make_room(struct attrs *to)
{
	struct attr *v = malloc(MSG_ATTRS_MAX * sizeof(*v));

	if (!v)
		return;
	memcpy(v, to->v, to->cnt * sizeof(*v));
	to->v = v;
	to->cap = MSG_ATTRS_MAX;
}

/* What an earlier part of the message said of the same. */
static struct attr *earlier(const struct attrs *list, uint16_t cnt, struct slice key)
{
	for (uint16_t i = 0; i < cnt; i++)
		if (slice_eq(list->v[i].key, key))
			return &list->v[i];
	return NULL;
}

static void keep_attrs(struct exchange *x, struct attrs *to, const struct attrs *from)
{
	uint16_t earlier_cnt = to->cnt;

	to->dropped_cnt += from->dropped_cnt;
	if (to->cnt + from->cnt > to->cap && to->cap < MSG_ATTRS_MAX)
		make_room(to);
	for (uint16_t i = 0; i < from->cnt; i++) {
		const struct attr *attr = &from->v[i];
		struct attr *copy =
			earlier(to, earlier_cnt, attr->key) ?: attrs_add(to, attr->key, attr->type);

		if (!copy)
			continue;
		copy->type = attr->type;
		copy->plain = attr->plain;
		if (attr->type == ATTR_STRING)
			copy->str = keep(x, attr->str);
		else
			copy->num = attr->num;
	}
}

_Static_assert(TRACE_SAMPLED == SPAN_FLAG_SAMPLED && TRACE_RANDOM == SPAN_FLAG_RANDOM, "W3C's own");

static bool is_linked(const struct exchange *x, const struct span_link *to)
{
	for (uint32_t i = 0; i < x->links_cnt; i++)
		if (memcmp(&x->links[i].trace_id, &to->trace_id, sizeof(to->trace_id)) == 0 &&
		    memcmp(&x->links[i].span_id, &to->span_id, sizeof(to->span_id)) == 0)
			return true;
	return false;
}

static void keep_links(struct exchange *x, const struct msg *msg)
{
	for (unsigned int i = 0; i < msg->links_cnt && x->links_cnt < MSG_LINKS_MAX; i++) {
		const struct trace_parent *from = &msg->links[i];
		struct span_link to = {
			.flags = from->flags | SPAN_FLAG_HAS_IS_REMOTE | SPAN_FLAG_IS_REMOTE,
		};

		memcpy(&to.trace_id, from->trace_id, sizeof(to.trace_id));
		memcpy(&to.span_id, from->span_id, sizeof(to.span_id));
		if (!trace_parent_is_root(from) && !is_linked(x, &to))
			x->links[x->links_cnt++] = to;
	}
}

/* Where a header names a trace and no span in it, a parent in that trace may still be found. */
static void keep_parent(struct exchange *x, const struct msg *msg)
{
	const struct trace_parent *parent = &msg->parent;
	struct slice state;

	x->trace_format = parent->format;
	x->trace_flags = parent->flags;
	memcpy(&x->trace_id, parent->trace_id, sizeof(x->trace_id));
	memcpy(&x->parent_id, parent->span_id, sizeof(x->parent_id));
	if (!trace_parent_is_root(parent))
		x->parent_method = PARENT_HEADER;
	state = tracestate_parse(msg->tracestate);
	x->trace_state = keep(x, state);
	if (x->trace_state.n < state.n) /* a part of one is none */
		x->trace_state = SLICE("");
}

void exchange__keep_request(struct exchange *x, const struct msg *msg)
{
	x->id = msg->id;
	x->tag = msg->tag;
	x->brings_spans = msg->flags & MESSAGE_BRINGS_SPANS;
	keep_attrs(x, &x->request, &msg->attrs);
	keep_links(x, msg);
	if (msg->parent.format)
		keep_parent(x, msg);
}

void exchange__keep_response(struct exchange *x, const struct msg *msg)
{
	x->responded = true;
	keep_attrs(x, &x->response, &msg->attrs);
	keep_links(x, msg);
}

void exchange__keep_part(struct exchange *x, bool of_request, const struct msg *msg)
{
	keep_attrs(x, of_request ? &x->request : &x->response, &msg->attrs);
	keep_links(x, msg);
}
