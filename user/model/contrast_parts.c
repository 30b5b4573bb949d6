// SPDX-License-Identifier: Apache-2.0
/*
 * Of a server's span the time on its critical path is its own and that of the calls that it waited for. Its own
 * time is what its account says it did, if the whole span is on the path. The account counts waits for servers
 * as such; where these are longer than the calls seen, the rest is CONTRAST_UNSEEN, and where they are
 * shorter, something was done during a call, and is in two parts: that is taken off again as CONTRAST_TWICE.
 * So the parts of a request add up to its time, whatever spans and accounts say.
 */
#include "user/model/contrast_parts.h"

#include <errno.h>
#include <stdlib.h>

#define NONE SPAN_NODE_NONE
#define DEPTH_MAX 16u
#define WHOLE_PERCENT 98 /* on the path, of a span whose account is believed for it */

struct dividing {
	struct contrast_parts *p;
	const struct span_node *nodes;
	enum contrast_side side;
	int err;
};

static const struct contrast_span *span_of(const struct dividing *d, uint32_t at)
{
	return &d->p->spans[d->nodes[at].item];
}

/* On the critical path: what the node and all below it took. */
static uint64_t path_ns(const struct dividing *d, uint32_t at)
{
	uint64_t sum_ns = 0;

	for (uint32_t i = at; i != NONE; i = span_tree_next(d->nodes, at, i))
		sum_ns += d->nodes[i].critical_ns;
	return sum_ns;
}

/* NONE when there is no room: then it is in CONTRAST_INSIDE. */
static uint32_t part_of(struct contrast_parts *p, uint32_t parent, enum contrast_kind kind,
			uint16_t service, uint16_t name)
{
	if (parent == NONE)
		return NONE;
	for (uint32_t i = 1; i < p->cnt; i++)
		if (p->parts[i].parent == parent && p->parts[i].kind == kind &&
		    p->service[i] == service && p->name[i] == name)
			return i;
	if (p->cnt == CONTRAST_PARTS_MAX)
		return NONE;
	p->service[p->cnt] = service;
	p->name[p->cnt] = name;
	p->parts[p->cnt] = (struct contrast_part){
		.parent = parent,
		.depth = p->parts[parent].depth + 1,
		.kind = kind,
		.service = names__text(p->names, service),
		.name = names__text(p->names, name),
	};
	return p->cnt++;
}

static void spend(struct dividing *d, uint32_t parent, enum contrast_kind kind, int64_t ns)
{
	uint32_t at = ns ? part_of(d->p, parent, kind, NAMES_NONE, NAMES_NONE) : NONE;

	if (at != NONE)
		d->p->parts[at].ns[d->side] += ns;
}

static void note_served(struct dividing *d, const struct contrast_span *span)
{
	struct contrast_parts *p = d->p;
	uint32_t cap = p->served_cap ? 2 * p->served_cap : 256;
	struct contrast_served *grown;

	if (p->served_cnt == p->served_cap) {
		grown = reallocarray(p->served, cap, sizeof(*grown));
		if (!grown) {
			d->err = -ENOMEM;
			return;
		}
		p->served = grown;
		p->served_cap = cap;
	}
	p->served[p->served_cnt++] = (struct contrast_served){
		.id = span->id,
		.side = d->side,
		.service = span->service,
	};
}

/* What a server's span did itself, as parts of that part. */
static void divide_own(struct dividing *d, uint32_t at, uint32_t part)
{
	const struct contrast_span *span = span_of(d, at);
	uint64_t duration_ns = span->end_ns > span->start_ns ? span->end_ns - span->start_ns : 0;
	int64_t rest_ns = (int64_t)d->nodes[at].critical_ns;

	if (!span->timed || path_ns(d, at) < duration_ns / 100 * WHOLE_PERCENT) {
		spend(d, part, CONTRAST_UNTOLD, rest_ns);
		return;
	}
	for (int kind = CONTRAST_CPU; kind < CONTRAST_UNSEEN; kind++) {
		int64_t ns = (int64_t)span->own_ns[kind - CONTRAST_CPU];

		spend(d, part, (enum contrast_kind)kind, ns);
		rest_ns -= ns;
	}
	spend(d, part, rest_ns > 0 ? CONTRAST_UNSEEN : CONTRAST_TWICE, rest_ns);
}

static void divide(struct dividing *d, uint32_t at, uint32_t part, unsigned int depth);

/* The server's span of a client's one; NONE if it was not seen. */
static uint32_t other_end(const struct dividing *d, uint32_t at)
{
	uint32_t child = d->nodes[at].child;

	while (child != NONE && span_of(d, child)->kind != SPAN_SERVER)
		child = d->nodes[child].sibling;
	return child;
}

static void divide_call(struct dividing *d, uint32_t at, uint32_t parent, unsigned int depth)
{
	const struct contrast_span *span = span_of(d, at);
	uint32_t end = span->kind == SPAN_CLIENT ? other_end(d, at) : NONE;
	const struct contrast_span *server = end == NONE ? span : span_of(d, end);
	uint16_t service = server->kind == SPAN_SERVER ? server->service : span->server;
	uint32_t part = part_of(d->p, parent, CONTRAST_CALL, service, server->name);
	int64_t own_ns = (int64_t)d->nodes[at].critical_ns, queue_ns = 0;

	if (part == NONE)
		return;
	d->p->parts[part].calls[d->side]++;
	d->p->parts[part].ns[d->side] += (int64_t)path_ns(d, at);
	if (depth == DEPTH_MAX)
		return;
	if (span->kind == SPAN_SERVER) { /* below a client that was not seen */
		divide(d, at, part, depth + 1);
		return;
	}
	if (end != NONE) {
		if (d->nodes[end].critical && (int64_t)server->queue_ns <= own_ns)
			queue_ns = (int64_t)server->queue_ns;
		spend(d, part, CONTRAST_QUEUED, queue_ns);
		spend(d, part, CONTRAST_WAY, own_ns - queue_ns);
		divide(d, end, part, depth + 1);
	}
	for (uint32_t child = d->nodes[at].child; child != NONE; child = d->nodes[child].sibling)
		if (child != end)
			divide_call(d, child, part, depth + 1);
}

/* A server's span: its own time and its calls, as parts of that part. */
static void divide(struct dividing *d, uint32_t at, uint32_t part, unsigned int depth)
{
	note_served(d, span_of(d, at));
	divide_own(d, at, part);
	for (uint32_t child = d->nodes[at].child; child != NONE; child = d->nodes[child].sibling)
		divide_call(d, child, part, depth + 1);
}

int contrast_parts__add(struct contrast_parts *p, const struct span_node *nodes, uint32_t root,
			enum contrast_side side)
{
	struct dividing d = {.p = p, .nodes = nodes, .side = side};
	const struct contrast_span *span = &p->spans[nodes[root].item];

	p->cnt = p->cnt ?: 1; /* the root */
	p->parts[CONTRAST_ROOT].calls[side]++;
	p->parts[CONTRAST_ROOT].ns[side] += (int64_t)(path_ns(&d, root) + span->queue_ns);
	spend(&d, CONTRAST_ROOT, CONTRAST_QUEUED, (int64_t)span->queue_ns);
	divide(&d, root, CONTRAST_ROOT, 0);
	return d.err;
}
