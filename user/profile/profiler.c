// SPDX-License-Identifier: Apache-2.0
/* Parcels of samples and served requests go from the capture thread to the profile thread. */
#include "user/profile/profiler.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "user/base/account.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/queue.h"
#include "user/base/thread.h"
#include "user/profile/gather.h"

#define PARCEL_SZ (64u * 1024)
#define PARCELS_MAX 128 /* 8 MiB */
#define POLL_MS 100

/* One thing in a parcel. What follows it is a record_sample, else a struct served. */
struct item {
	uint32_t size; /* with what follows, a multiple of 8 */
	bool is_sample;
	struct resource *resource; /* of a sample: a reference */
};

struct parcel {
	uint64_t unix_offset_ns;
	uint32_t used, samples_cnt;
	_Alignas(8) char bytes[PARCEL_SZ];
};

struct profiler {
	struct profiler_options options;
	struct gather *gather;
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

static struct parcel *new_parcel(void)
{
	struct parcel *parcel = malloc(sizeof(*parcel));

	if (parcel)
		parcel->used = parcel->samples_cnt = 0;
	return parcel;
}

/* A new item with n bytes behind it; NULL when memory is out. */
static struct item *add_item(struct profiler *p, const void *bytes, size_t n)
{
	uint32_t size = (uint32_t)(sizeof(struct item) + ((n + 7) & ~(size_t)7));
	struct item *item;

	if (p->open && p->open->used + size > PARCEL_SZ)
		hand_over(p);
	if (!p->open)
		p->open = new_parcel();
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
	item->is_sample = true;
	item->resource = resource__hold(resource);
	p->open->samples_cnt++;
}

void profiler__served(struct profiler *p, const struct served *served)
{
	add_item(p, served, sizeof(*served));
}

void profiler__flush(struct profiler *p, uint64_t unix_offset_ns)
{
	p->unix_offset_ns = unix_offset_ns;
	hand_over(p);
}

/* --- the profile thread ----------------------------------------------------------------------- */

static void take_parcel(struct profiler *p, struct parcel *parcel)
{
	for (uint32_t at = 0; at < parcel->used; at += item_at(parcel, at)->size) {
		const struct item *item = item_at(parcel, at);
		const void *what = item + 1;

		if (item->is_sample)
			gather__sample(p->gather, what, item->resource, parcel->unix_offset_ns);
		else
			gather__served(p->gather, what);
	}
	gather__flush(p->gather);
	free_parcel(parcel);
}

static void deliver(struct profiler *p, bool last)
{
	struct profile *profile = gather__take(p->gather, clock_mono_ns(), last);

	if (profile)
		p->options.deliver(p->options.ctx, profile);
	else
		log_error("no memory for another profile");
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
			deliver(p, last);
		}
	}
	return NULL;
}

struct profiler *profiler__new(const struct profiler_options *options)
{
	struct profiler *p = calloc(1, sizeof(*p));
	int err = -ENOMEM;

	if (p) {
		p->options = *options;
		p->unix_offset_ns = clock_unix_offset_ns();
		p->gather = gather__new(options->period_ns, options->off_cpu, options->wait_ns,
					NULL, &options->unwind_sink);
		p->queue = queue__new(PARCELS_MAX);
		if (p->gather && p->queue)
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
	gather__free(p->gather);
	free(p);
}
