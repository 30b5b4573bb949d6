// SPDX-License-Identifier: Apache-2.0
/* Routes in a table of small sets; a few bursts, each with the processes that it samples. */
#include "user/policy/trigger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/base/account.h"
#include "user/base/hash.h"
#include "user/base/log.h"
#include "user/base/utf8.h"

#define WAYS 8 /* routes of a set, of which one has to go when another comes */
#define SETS (TRIGGER_ROUTES_MAX / WAYS)
#define COOLING_MAX 64 /* services that have to wait for their next burst */
#define SECOND_NS 1e9

struct route {
	uint64_t hash;	  /* of service and route; 0: free */
	uint64_t used_ns; /* when it was last observed */
	struct band band;
};

/* A process that is part of a burst. */
struct member {
	uint64_t resource_id;
	uint32_t pid;
	bool refused; /* the kernel did not take it */
	bool sampled; /* there is a sample of it */
};

struct running {
	struct burst burst; /* number 0: this one is free */
	uint64_t service_key, route_hash;
	uint64_t begin_ns, end_ns;		    /* CLOCK_MONOTONIC; when it is to end, */
	uint64_t begin_unix_ns, end_unix_ns;	    /* and when it did, UINT64_MAX until then */
	struct member members[BURST_PROCESSES_MAX]; /* a pid may be there for several resources */
	uint32_t members_cnt;
	uint32_t samples_cnt, kept_cnt;
	bool ended; /* it lingers */
};

struct cooling {
	uint64_t service_key, until_ns;
};

struct trigger {
	struct trigger_options options;
	uint64_t seed;
	struct running running[BURSTS_MAX];
	uint32_t running_cnt; /* with those that linger */
	struct cooling cooling[COOLING_MAX];
	double budget_ns;   /* of bursts */
	uint64_t earned_ns; /* when the budget was last added to */
	struct route routes[SETS][WAYS];
};

struct trigger *trigger__new(const struct trigger_options *options)
{
	struct trigger *t = calloc(1, sizeof(*t)); /* pages of routes come with the routes */

	if (!t)
		return NULL;
	t->options = *options;
	t->seed = hash_seed();
	t->budget_ns = (double)options->duration_ns * options->at_once;
	return t;
}

void trigger__free(struct trigger *t)
{
	free(t);
}

/* --- routes ------------------------------------------------------------------------------------ */

static uint64_t route_hash(const struct trigger *t, const struct span *span)
{
	return hash_bytes(t->seed ^ span->resource->service_key, span->name.p, span->name.n) | 1;
}

/* Whom to forget first: who is not known well, then who was not seen for longest. */
static bool goes_before(const struct route *a, const struct route *b)
{
	if (!a->hash || !b->hash)
		return !a->hash;
	if (!a->band.limit_ns != !b->band.limit_ns)
		return !a->band.limit_ns;
	return a->used_ns < b->used_ns;
}

static struct route *route_at(struct trigger *t, uint64_t hash)
{
	struct route *set = t->routes[(hash >> 32) % SETS], *oldest = set;

	for (uint32_t i = 0; i < WAYS; i++) {
		if (set[i].hash == hash)
			return &set[i];
		if (goes_before(&set[i], oldest))
			oldest = &set[i];
	}
	account_add(ACCOUNT_TRIGGER_EVICTED, oldest->hash != 0);
	*oldest = (struct route){.hash = hash};
	return oldest;
}

/* --- whether there may be a burst -------------------------------------------------------------- */

static void earn(struct trigger *t, uint64_t now_ns)
{
	double most_ns = (double)t->options.duration_ns * t->options.at_once;

	if (t->earned_ns)
		t->budget_ns +=
			(double)(now_ns - t->earned_ns) * (double)t->options.time_share / 1e6;
	t->budget_ns = t->budget_ns < most_ns ? t->budget_ns : most_ns;
	t->earned_ns = now_ns;
}

/* The service's place among those that cool down, or the one that is free first. */
static struct cooling *cooling_of(struct trigger *t, uint64_t service_key)
{
	struct cooling *first = &t->cooling[0];

	for (uint32_t i = 0; i < COOLING_MAX; i++) {
		if (t->cooling[i].service_key == service_key)
			return &t->cooling[i];
		if (t->cooling[i].until_ns < first->until_ns)
			first = &t->cooling[i];
	}
	return first;
}

static uint32_t under_way(const struct trigger *t)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < BURSTS_MAX; i++)
		cnt += t->running[i].burst.number && !t->running[i].ended;
	return cnt;
}

static struct running *free_place(struct trigger *t)
{
	for (uint32_t i = 0; i < BURSTS_MAX; i++)
		if (!t->running[i].burst.number)
			return &t->running[i];
	return NULL;
}

/* ACCOUNT_TRIGGERS, or why not. */
static enum account_entry may_begin(struct trigger *t, uint64_t service_key, uint64_t now_ns)
{
	const struct cooling *cooling = cooling_of(t, service_key);

	earn(t, now_ns);
	if (cooling->until_ns > now_ns)
		return cooling->service_key == service_key ? ACCOUNT_TRIGGERS_COOL
							   : ACCOUNT_TRIGGERS_BUSY;
	if (under_way(t) >= t->options.at_once || !free_place(t))
		return ACCOUNT_TRIGGERS_BUSY;
	if (t->budget_ns < (double)t->options.duration_ns)
		return ACCOUNT_TRIGGERS_SHARE;
	return ACCOUNT_TRIGGERS;
}

/* --- bursts ------------------------------------------------------------------------------------ */

static void set_text(char to[BURST_TEXT_SZ], struct slice text)
{
	struct slice part = utf8_first(text, BURST_TEXT_SZ - 1);

	snprintf(to, BURST_TEXT_SZ, "%.*s", (int)part.n, part.p ?: "");
}

static void set_id(uint8_t id[PROFILE_ID_SZ])
{
	const uint64_t words[] = {hash_seed(), hash_seed()};

	memcpy(id, words, PROFILE_ID_SZ);
}

static struct member *member_of(struct running *r, const struct resource *resource)
{
	for (uint32_t i = 0; i < r->members_cnt; i++)
		if (r->members[i].resource_id == resource->id)
			return &r->members[i];
	return NULL;
}

/* The process becomes part of the burst, unless it is. False: there is no room, or the kernel refuses. */
static bool join(struct trigger *t, struct running *r, const struct resource *resource)
{
	struct member *member = member_of(r, resource);

	if (!member && r->members_cnt < BURST_PROCESSES_MAX) {
		member = &r->members[r->members_cnt++];
		*member = (struct member){
			.resource_id = resource->id,
			.pid = resource->pid,
			.refused = t->options.join(t->options.ctx, &r->burst, resource->pid),
		};
	}
	return member && !member->refused;
}

static void end(struct trigger *t, struct running *r, uint64_t unix_ns)
{
	for (uint32_t i = 0; i < r->members_cnt; i++)
		if (!r->members[i].refused)
			t->options.leave(t->options.ctx, r->members[i].pid);
	r->ended = true;
	r->end_unix_ns = unix_ns;
	if (!under_way(t))
		t->options.end(t->options.ctx);
	log_info("trigger: %s of %s: ended after %.1f s; %u samples, %u spans "
		 "kept",
		 r->burst.route, r->burst.service, (double)(r->end_ns - r->begin_ns) / SECOND_NS,
		 r->samples_cnt, r->kept_cnt);
}

/* NULL: the kernel has refused. */
static struct running *begin(struct trigger *t, const struct span *span, uint64_t hash,
			     uint64_t mono_ns, uint64_t unix_ns)
{
	struct running *r = free_place(t);

	*r = (struct running){
		.burst.number = (uint16_t)(r - t->running + 1),
		.burst.period_ns = t->options.period_ns,
		.service_key = span->resource->service_key,
		.route_hash = hash,
		.begin_ns = mono_ns,
		.end_ns = mono_ns + t->options.duration_ns,
		.begin_unix_ns = unix_ns,
		.end_unix_ns = UINT64_MAX,
	};
	set_id(r->burst.id);
	set_text(r->burst.service, span->resource->service_name);
	set_text(r->burst.route, span->name);
	if (t->options.begin(t->options.ctx, &r->burst)) {
		r->burst.number = 0;
		return NULL;
	}
	t->running_cnt++;
	t->budget_ns -= (double)t->options.duration_ns;
	*cooling_of(t, r->service_key) = (struct cooling){
		.service_key = r->service_key,
		.until_ns = r->end_ns + t->options.cool_down_ns,
	};
	join(t, r, span->resource);
	return r;
}

static struct running *fire(struct trigger *t, const struct span *span, const struct route *route,
			    uint64_t mono_ns, uint64_t unix_ns)
{
	enum account_entry entry = may_begin(t, span->resource->service_key, mono_ns);
	struct running *r = NULL;

	if (entry == ACCOUNT_TRIGGERS) {
		r = begin(t, span, route->hash, mono_ns, unix_ns);
		entry = r ? entry : ACCOUNT_TRIGGERS_FAILED;
	}
	account_add(entry, 1);
	if (r)
		log_info(
			"trigger: %s of %s: more requests above %.1f ms than usual; sampled at %llu "
			"Hz for %.1f s",
			r->burst.route, r->burst.service, (double)route->band.limit_ns / 1e6,
			(unsigned long long)(1000000000 / r->burst.period_ns),
			(double)t->options.duration_ns / SECOND_NS);
	return r;
}

void trigger__tick(struct trigger *t, uint64_t mono_ns, uint64_t unix_ns)
{
	for (uint32_t i = 0; i < BURSTS_MAX && t->running_cnt; i++) {
		struct running *r = &t->running[i];

		if (!r->burst.number || mono_ns < r->end_ns)
			continue;
		if (!r->ended)
			end(t, r, unix_ns);
		if (mono_ns < r->end_ns + t->options.duration_ns)
			continue;
		t->options.deliver(t->options.ctx, &r->burst);
		r->burst.number = 0;
		t->running_cnt--;
	}
}

void trigger__sampled(struct trigger *t, struct resource *resource, uint16_t number)
{
	struct member *member;

	for (uint32_t i = 0; i < BURSTS_MAX && t->running_cnt; i++) {
		struct running *r = &t->running[i];

		if (!r->burst.number)
			continue;
		if (r->burst.number == number) {
			r->samples_cnt++;
			member = member_of(r, resource);
			if (member)
				member->sampled = true;
		} else if (!number && !r->ended && resource->pid &&
			   r->service_key == resource->service_key) {
			account_add(ACCOUNT_TRIGGER_APART, !join(t, r, resource));
		}
	}
}

/* --- spans ------------------------------------------------------------------------------------- */

static struct running *burst_for(struct trigger *t, const struct span *span, uint64_t hash)
{
	for (uint32_t i = 0; i < BURSTS_MAX && t->running_cnt; i++) {
		struct running *r = &t->running[i];

		if (r->burst.number && r->route_hash == hash &&
		    r->service_key == span->resource->service_key &&
		    span->end_ns > r->begin_unix_ns && span->start_ns < r->end_unix_ns)
			return r;
	}
	return NULL;
}

static void add_profile_id(struct running *r, struct span *span, struct arena *arena)
{
	const struct member *member = member_of(r, span->resource);
	char *hex = member && member->sampled ? arena__alloc(arena, 2 * PROFILE_ID_SZ + 1) : NULL;
	uint8_t id[PROFILE_ID_SZ];

	if (!hex)
		return;
	burst_profile_id(&r->burst, span->resource, id);
	for (size_t i = 0; i < sizeof(id); i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	attrs_add_str(&span->attrs, SLICE("sonde.profile.id"), slice_of(hex, 2 * sizeof(id)));
}

/* Says so on the span, and keeps its trace. */
static void mark(struct trigger *t, struct running *r, struct span *span, struct arena *arena)
{
	if (span__reserve_attrs(span, arena, 2)) {
		attrs_add_str(&span->attrs, SLICE("sonde.trigger.type"), SLICE("latency"));
		add_profile_id(r, span, arena);
	}
	span->keep = r->kept_cnt < t->options.max_traces;
	r->kept_cnt += span->keep;
	account_add(span->keep ? ACCOUNT_TRIGGER_KEPT : ACCOUNT_TRIGGER_BEYOND, 1);
}

static void observe(struct trigger *t, struct span *span, struct arena *arena, uint64_t mono_ns,
		    uint64_t unix_ns)
{
	uint64_t hash = route_hash(t, span);
	struct route *route = route_at(t, hash);
	struct running *r = burst_for(t, span, hash), *begun = NULL;

	route->used_ns = mono_ns;
	if (band__observe(&route->band, &t->options.band, span->end_ns - span->start_ns, mono_ns))
		begun = fire(t, span, route, mono_ns, unix_ns);
	if (begun || r)
		mark(t, begun ?: r, span, arena);
}

void trigger__observe(struct trigger *t, struct span_batch *batch, uint64_t mono_ns,
		      uint64_t unix_ns)
{
	for (uint32_t i = 0; i < batch->cnt; i++) {
		struct span *span = &batch->spans[i];

		if (span->kind == SPAN_SERVER && span->resource->pid)
			observe(t, span, &batch->arena, mono_ns, unix_ns);
	}
}
