// SPDX-License-Identifier: Apache-2.0
/* Parcels of samples and served requests go from the capture thread to the profile thread. */
#include "user/profile/profiler.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/account.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/queue.h"
#include "user/base/thread.h"
#include "user/profile/gather.h"

#define PARCEL_SZ (64u * 1024)
#define PARCELS_MAX 128 /* 8 MiB */
#define POLL_MS 100
/* While lines are read, samples wait; but for the only profile, which is made when there are no more. */
static const struct line_bounds bounds_of_many = {1000000000u, 32u << 20, 0};
static const struct line_bounds bounds_of_one = {10000000000u, 512u << 20, 60000000000u};

/* What follows an item: a record_sample, or a struct served. */
enum item_kind {
	ITEM_SERVED,
	ITEM_SAMPLE,
};

/* One thing in a parcel. */
struct item {
	uint32_t size; /* with what follows, a multiple of 8 */
	enum item_kind kind;
	struct resource *resource; /* of a sample: a reference */
};

struct parcel {
	uint64_t unix_offset_ns;
	uint32_t used, samples_cnt;
	/* Those under way, in each parcel: one of them may be lost. By their numbers - 1. */
	struct burst bursts[BURSTS_MAX];
	_Alignas(8) char bytes[PARCEL_SZ];
};

struct profiler {
	struct profiler_options options;
	struct gather *gather;
	struct gather *waits;		     /* beside it, of threads that wait; NULL: none */
	struct gather *gathered[BURSTS_MAX]; /* what of the bursts, by their numbers - 1 */
	struct burst gathering[BURSTS_MAX];  /* the bursts that these are of; number 0: none */
	struct burst bursts[BURSTS_MAX];     /* under way, as the capture thread knows */
	struct queue *queue;
	struct parcel *open; /* being filled; NULL: nothing has come */
	uint64_t unix_offset_ns;
	pthread_t thread;
	bool threaded;
	atomic_bool stopping;
};

static const struct item *item_at(const struct parcel *parcel, uint32_t at)
{
	return (const struct item *)&parcel->bytes[at];
}

static void free_parcel(struct parcel *parcel)
{
	for (uint32_t at = 0; at < parcel->used; at += item_at(parcel, at)->size)
		resource__release(item_at(parcel, at)->resource);
	free(parcel);
}

/* --- the capture thread ----------------------------------------------------------------------- */

static void hand_over(struct profiler *p)
{
	struct parcel *parcel = p->open;

	if (!parcel)
		return;
	p->open = NULL;
	parcel->unix_offset_ns = p->unix_offset_ns;
	if (queue__push(p->queue, parcel))
		return;
	account_add(ACCOUNT_SAMPLES_BEHIND, parcel->samples_cnt);
	free_parcel(parcel);
}

static void new_parcel(struct profiler *p)
{
	p->open = malloc(sizeof(*p->open));
	if (!p->open)
		return;
	p->open->used = p->open->samples_cnt = 0;
	memcpy(p->open->bursts, p->bursts, sizeof(p->bursts));
}

/* A new item with n bytes behind it; NULL when memory is out. */
static struct item *add_item(struct profiler *p, const void *bytes, size_t n)
{
	uint32_t size = (uint32_t)(sizeof(struct item) + ((n + 7) & ~(size_t)7));
	struct item *item;

	if (p->open && p->open->used + size > PARCEL_SZ)
		hand_over(p);
	if (!p->open)
		new_parcel(p);
	if (!p->open)
		return NULL;
	item = (struct item *)&p->open->bytes[p->open->used];
	*item = (struct item){.size = size};
	memcpy(item + 1, bytes, n);
	p->open->used += size;
	return item;
}

void profiler__sample(struct profiler *p, const struct record_sample *sample,
		      struct resource *resource)
{
	struct item *item = add_item(p, sample, sample->head.size);

	account_add(ACCOUNT_SAMPLES, !(sample->head.flags & SAMPLE_SAME));
	if (!item) {
		account_add(ACCOUNT_SAMPLES_MEMORY, 1);
		return;
	}
	item->kind = ITEM_SAMPLE;
	item->resource = resource__hold(resource);
	p->open->samples_cnt++;
}

void profiler__served(struct profiler *p, const struct served *served)
{
	add_item(p, served, sizeof(*served));
}

/* Told with the next parcel, though there be nothing else in it. */
static void set_burst(struct profiler *p, uint16_t number, const struct burst *burst)
{
	hand_over(p);
	p->bursts[number - 1] = *burst;
	new_parcel(p);
}

void profiler__begin_burst(struct profiler *p, const struct burst *burst)
{
	set_burst(p, burst->number, burst);
}

void profiler__end_burst(struct profiler *p, const struct burst *burst)
{
	set_burst(p, burst->number, &(struct burst){0});
}

void profiler__flush(struct profiler *p, uint64_t unix_offset_ns)
{
	p->unix_offset_ns = unix_offset_ns;
	hand_over(p);
}

/* --- the profile thread ----------------------------------------------------------------------- */

/* Delivers what has been gathered. */
static void deliver(struct profiler *p, struct gather *gather, bool last)
{
	struct profile *profile = gather__take(gather, clock_mono_ns(), last);

	if (profile)
		p->options.deliver(p->options.ctx, profile);
	else
		log_error("no memory for another profile");
}

static void end_burst(struct profiler *p, uint32_t i)
{
	if (p->gathered[i])
		deliver(p, p->gathered[i], true);
	gather__free(p->gathered[i]);
	p->gathered[i] = NULL;
	p->gathering[i].number = 0;
}

/* Ends those that are over, and begins those that are new. */
static void take_bursts(struct profiler *p, const struct burst *bursts)
{
	for (uint32_t i = 0; i < BURSTS_MAX; i++) {
		struct burst *known = &p->gathering[i];

		if (known->number == bursts[i].number &&
		    (!known->number || memcmp(known->id, bursts[i].id, PROFILE_ID_SZ) == 0))
			continue;
		end_burst(p, i);
		*known = bursts[i];
		if (known->number)
			p->gathered[i] = gather__beside(p->gather, known);
	}
}

static void take_sample(struct profiler *p, const struct item *item,
			const struct record_sample *sample, uint64_t unix_offset_ns)
{
	struct gather *gather = p->gather;

	if (sample->burst) {
		account_add(ACCOUNT_SAMPLES_BURST, 1);
		gather = sample->burst <= BURSTS_MAX ? p->gathered[sample->burst - 1] : NULL;
	} else if (sample->off_cpu && p->waits) {
		gather = p->waits;
	}
	if (gather)
		gather__sample(gather, sample, item->resource, unix_offset_ns);
	else
		account_add(ACCOUNT_SAMPLES_MEMORY, 1);
}

static void take_served(struct profiler *p, const struct served *served)
{
	gather__served(p->gather, served);
	if (p->waits)
		gather__served(p->waits, served);
	for (uint32_t i = 0; i < BURSTS_MAX; i++)
		if (p->gathered[i])
			gather__served(p->gathered[i], served);
}

static void take_item(struct profiler *p, const struct item *item, uint64_t unix_offset_ns)
{
	const void *what = item + 1;

	switch (item->kind) {
	case ITEM_SERVED:
		take_served(p, what);
		break;
	case ITEM_SAMPLE:
		take_sample(p, item, what, unix_offset_ns);
		break;
	}
}

static void take_parcel(struct profiler *p, struct parcel *parcel)
{
	take_bursts(p, parcel->bursts);
	for (uint32_t at = 0; at < parcel->used; at += item_at(parcel, at)->size)
		take_item(p, item_at(parcel, at), parcel->unix_offset_ns);
	gather__flush(p->gather);
	free_parcel(parcel);
}

static void *profile_loop(void *arg)
{
	struct profiler *p = arg;
	uint64_t delivered_ns = clock_mono_ns();
	struct parcel *parcel;
	bool last = false;

	while (!last) {
		last = atomic_load(&p->stopping);
		do {
			parcel = queue__pop(p->queue, last ? 0 : POLL_MS);
			if (parcel)
				take_parcel(p, parcel);
		} while (last && parcel);
		if (last || (p->options.interval_ns &&
			     clock_mono_ns() - delivered_ns >= p->options.interval_ns)) {
			delivered_ns = clock_mono_ns();
			deliver(p, p->gather, last);
			if (p->waits)
				deliver(p, p->waits, last);
		}
	}
	for (uint32_t i = 0; i < BURSTS_MAX; i++)
		end_burst(p, i);
	return NULL;
}

/* Profiles are of use without. */
static void fetch_from(struct profiler *p, const char *urls)
{
	int err = urls ? gather__fetch_from(p->gather, urls) : 0;

	if (err == -ENOPKG)
		log_warn(
			"no debug information is fetched: elfutils' libdebuginfod.so.1 is not installed "
			"(Debian: libdebuginfod1, Fedora: elfutils-debuginfod-client)");
	else if (err)
		log_warn("no debug information is fetched: %s", strerror(-err));
}

/* What samples are gathered in. False when memory is out. */
static bool open_gathers(struct profiler *p)
{
	const struct profiler_options *o = &p->options;

	p->gather = gather__new(o->period_ns, o->off_cpu, o->wait_ns, NULL, &o->unwind_sink);
	if (!p->gather ||
	    (o->lines &&
	     !gather__want_lines(p->gather, o->interval_ns ? &bounds_of_many : &bounds_of_one)))
		return false;
	fetch_from(p, o->debuginfod);
	if (o->waits_period_ns)
		p->waits = gather__waits_beside(p->gather, o->waits_period_ns);
	return p->waits || !o->waits_period_ns;
}

struct profiler *profiler__new(const struct profiler_options *options)
{
	struct profiler *p = calloc(1, sizeof(*p));
	int err = -ENOMEM;

	if (p) {
		p->options = *options;
		p->unix_offset_ns = clock_unix_offset_ns();
		p->queue = queue__new(PARCELS_MAX);
		if (p->queue && open_gathers(p))
			err = thread_start(&p->thread, "sonde-profile", profile_loop, p);
		p->threaded = !err;
	}
	if (!err)
		return p;
	profiler__free(p);
	errno = -err;
	return NULL;
}

void profiler__stop(struct profiler *p)
{
	if (!p->threaded)
		return;
	hand_over(p);
	atomic_store(&p->stopping, true);
	pthread_join(p->thread, NULL);
	p->threaded = false;
}

void profiler__free(struct profiler *p)
{
	if (!p)
		return;
	profiler__stop(p);
	queue__free(p->queue);
	for (uint32_t i = 0; i < BURSTS_MAX; i++)
		gather__free(p->gathered[i]);
	gather__free(p->waits);
	gather__free(p->gather);
	free(p);
}
