// SPDX-License-Identifier: Apache-2.0
/*
 * When is a link right? The kernel side gives a sample the key of the request whose first bytes its
 * thread received last, unless the thread is known to interleave requests. A link is made when the
 * request with that key was received and answered by that very thread, no other was outstanding on
 * its connection, and the sample lies between its first byte received and its last one sent. Where the key is a
 * goroutine's any thread may have done so: who works for what is known by goroutine, and is not taken back. If the
 * thread turns out to interleave requests, all links of its samples in this profile are taken back:
 * what it did before it was noticed is not certain either.
 */
#include "user/profile/gather.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/account.h"
#include "user/base/clock.h"
#include "user/profile/resolver.h"

#define WAITING_BUCKETS 4096u
#define THREADS_MAX \
	65536u /* whose last sample is remembered: the newest by the lower bits of their tids */

/* What a sample of the profile waits for; by the sample's index. */
struct note {
	uint64_t cookie, off; /* cookie 0: for nothing */
	uint64_t time_ns;     /* CLOCK_MONOTONIC */
	uint32_t next;	      /* index + 1 of the next in its bucket */
	uint8_t idle;	      /* off-CPU: a profile ended in which nothing was said of this wait */
	bool interleaved, goroutine;
};

struct gather {
	struct profile *profile;
	struct resolver *resolver;
	bool borrows; /* the resolver */
	uint64_t period_ns, wait_ns;
	struct line_bounds bounds;
	struct note *notes;
	uint32_t notes_cap;
	bool off_cpu;
	uint32_t *
		last; /* of an off-CPU profile: index + 1 of a thread's last sample, by the lower bits of its tid */
	uint32_t waiting[WAITING_BUCKETS]; /* index + 1 of the newest note by key */
};

static struct profile *begin(const struct gather *g)
{
	struct profile *profile = profile__new(g->period_ns);

	if (profile) {
		profile->start_ns = clock_unix_ns();
		profile->off_cpu = g->off_cpu;
	}
	return profile;
}

struct gather *gather__new(uint64_t period_ns, bool off_cpu, uint64_t wait_ns,
			   const char *proc_root, const struct unwind_sink *sink)
{
	struct gather *g = calloc(1, sizeof(*g));

	if (!g) {
		errno = ENOMEM;
		return NULL;
	}
	g->period_ns = period_ns;
	g->off_cpu = off_cpu;
	g->wait_ns = wait_ns;
	g->last = off_cpu ? calloc(THREADS_MAX, sizeof(*g->last)) : NULL;
	g->profile = begin(g);
	g->resolver = resolver__new(proc_root, sink);
	if (g->profile && g->resolver && (g->last || !off_cpu))
		return g;
	gather__free(g);
	errno = ENOMEM;
	return NULL;
}

/* Without a profile. */
static struct gather *borrow(struct gather *of, uint64_t period_ns)
{
	struct gather *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->period_ns = period_ns;
	g->wait_ns = of->wait_ns;
	g->bounds = of->bounds;
	g->resolver = of->resolver;
	g->borrows = true;
	return g;
}

struct gather *gather__beside(struct gather *of, const struct burst *burst)
{
	struct gather *g = borrow(of, burst->period_ns);

	if (g)
		g->profile = begin(g);
	if (g && g->profile && profile__set_burst(g->profile, burst))
		return g;
	gather__free(g);
	errno = ENOMEM;
	return NULL;
}

struct gather *gather__waits_beside(struct gather *of, uint64_t period_ns)
{
	struct gather *g = borrow(of, period_ns);

	if (g) {
		g->off_cpu = true;
		g->last = calloc(THREADS_MAX, sizeof(*g->last));
		g->profile = begin(g);
	}
	if (g && g->last && g->profile)
		return g;
	gather__free(g);
	errno = ENOMEM;
	return NULL;
}

bool gather__want_lines(struct gather *g, const struct line_bounds *bounds)
{
	g->bounds = *bounds;
	return resolver__want_lines(g->resolver);
}

int gather__fetch_from(struct gather *g, const char *urls)
{
	return resolver__fetch_from(g->resolver, urls);
}

void gather__free(struct gather *g)
{
	if (!g)
		return;
	profile__free(g->profile);
	if (!g->borrows)
		resolver__free(g->resolver);
	free(g->notes);
	free(g->last);
	free(g);
}

/* --- samples ---------------------------------------------------------------------------------- */

static uint32_t *bucket_of(struct gather *g, uint64_t cookie, uint64_t off)
{
	uint64_t hash = (cookie ^ off * 0x9e3779b97f4a7c15ull) * 0xff51afd7ed558ccdull;

	return &g->waiting[(hash >> 32) % WAITING_BUCKETS];
}

static bool reserve_note(struct gather *g)
{
	uint32_t cap = g->notes_cap ? g->notes_cap * 2 : 256;
	struct note *grown;

	if (g->profile->samples.cnt < g->notes_cap)
		return true;
	grown = reallocarray(g->notes, cap, sizeof(*grown));
	if (!grown)
		return false;
	g->notes = grown;
	g->notes_cap = cap;
	return true;
}

/* Adds a sample with what it waits for. False when there is no room. */
static bool add(struct gather *g, const struct profile_sample *sample, const struct note *note)
{
	uint32_t i = g->profile->samples.cnt, *bucket;

	if (!reserve_note(g) || profile__add(g->profile, sample))
		return false;
	g->notes[i] = *note;
	if (!note->cookie)
		return true;
	bucket = bucket_of(g, note->cookie, note->off);
	g->notes[i].next = *bucket;
	*bucket = i + 1;
	return true;
}

/* A thread's wait goes on that its last sample was of. */
static void wait_on(struct gather *g, const struct record_sample *record)
{
	uint32_t last = g->last ? g->last[record->tid % THREADS_MAX] : 0;
	struct profile_sample *sample = last ? &g->profile->samples.v[last - 1] : NULL;

	if (sample && sample->tid == record->tid)
		sample->value_ns += record->off_cpu_ns;
	else
		account_add(ACCOUNT_SAMPLES_MEMORY, 1);
}

/* What the thread's own SDK says that it works for; 0: nothing. */
static uint32_t published_link(struct profile *profile, const struct thread_context *context)
{
	static const struct span_id none;
	struct profile_link link;

	memcpy(&link.trace_id, context->trace_id, sizeof(link.trace_id));
	memcpy(&link.span_id, context->span_id, sizeof(link.span_id));
	if (context->valid != 1 || memcmp(&link.span_id, &none, sizeof(none)) == 0)
		return 0;
	return profile__link(profile, &link);
}

void gather__sample(struct gather *g, const struct record_sample *record, struct resource *resource,
		    uint64_t unix_offset_ns)
{
	struct profile *profile = g->profile;
	struct profile_sample sample;
	struct note note;

	if (record->head.flags & SAMPLE_SAME) {
		wait_on(g, record);
		return;
	}
	sample = (struct profile_sample){
		.time_ns = record->time_ns + unix_offset_ns,
		.resource = profile__resource(profile, resource),
		.stack = resolver__stack(g->resolver, profile, record),
		.thread_name = profile__string(profile, slice_str(record->comm)),
		.tid = record->tid,
		.cpu = record->cpu,
		.value_ns = record->off_cpu_ns,
		.published = published_link(profile, &record->context),
	};
	note = (struct note){
		.cookie = g->wait_ns ? record->request_cookie : 0,
		.off = record->request_off,
		.time_ns = record->time_ns,
		.interleaved = record->head.flags & SAMPLE_INTERLEAVED,
		.goroutine = record->head.flags & SAMPLE_GOROUTINE,
	};

	if (!sample.stack || !sample.resource || !add(g, &sample, &note))
		account_add(ACCOUNT_SAMPLES_MEMORY, 1);
	else if (g->last)
		g->last[record->tid % THREADS_MAX] = profile->samples.cnt;
}

void gather__flush(struct gather *g)
{
	resolver__flush(g->resolver);
}

/* --- links ------------------------------------------------------------------------------------ */

static bool belongs(const struct served *served, const struct note *note, uint32_t tid)
{
	return served->lone && (served->tid == tid || note->goroutine) &&
	       note->time_ns >= served->start_ns && note->time_ns <= served->end_ns;
}

void gather__served(struct gather *g, const struct served *served)
{
	const struct profile_link link = {
		.trace_id = served->trace_id,
		.span_id = served->span_id,
	};
	uint32_t *at = bucket_of(g, served->cookie, served->off);

	while (*at) {
		uint32_t i = *at - 1;
		struct note *note = &g->notes[i];
		struct profile_sample *sample = &g->profile->samples.v[i];

		if (note->cookie != served->cookie || note->off != served->off) {
			at = &note->next;
			continue;
		}
		*at = note->next;
		note->cookie = 0;
		if (belongs(served, note, sample->tid))
			sample->link = profile__link(g->profile, &link);
	}
}

static int compare_tids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Takes back what is not certain. False when memory is out. */
static bool unlink_interleaved(struct gather *g)
{
	uint32_t n = g->profile->samples.cnt, tids_cnt = 0;
	uint32_t *tids = malloc((n ?: 1) * sizeof(*tids));

	if (!tids)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (g->notes[i].interleaved)
			tids[tids_cnt++] = g->profile->samples.v[i].tid;
	qsort(tids, tids_cnt, sizeof(*tids), compare_tids);
	for (uint32_t i = 0; i < n && tids_cnt; i++) {
		const uint32_t *tid = &g->profile->samples.v[i].tid;

		if (bsearch(tid, tids, tids_cnt, sizeof(*tids), compare_tids)) {
			g->profile->samples.v[i].link = 0;
			g->notes[i].cookie = 0;
		}
	}
	free(tids);
	return true;
}

/* --- from one profile to the next ------------------------------------------------------------- */

/* What a gather had until now. */
struct gathered {
	struct profile *profile;
	struct note *notes;
	uint32_t *last;
};

static bool is_last(const struct gathered *had, uint32_t i)
{
	return had->last && had->last[had->profile->samples.v[i].tid % THREADS_MAX] == i + 1;
}

static bool move(struct gather *g, const struct gathered *had, uint32_t i,
		 struct profile_sample *sample, const struct note *note)
{
	if (!profile_move_sample(g->profile, had->profile, sample) || !add(g, sample, note))
		return false;
	if (is_last(had, i))
		g->last[sample->tid % THREADS_MAX] = g->profile->samples.cnt;
	return true;
}

/* The sample waits on in g's new profile. */
static void carry_over(struct gather *g, const struct gathered *had, uint32_t i)
{
	struct profile_sample sample = had->profile->samples.v[i];

	if (!move(g, had, i, &sample, &had->notes[i]))
		account_add(ACCOUNT_SAMPLES_MEMORY, 1);
}

/*
 * The thread may wait on, and what it waits there is the new profile's. Of a wait something is said every second or so,
 * if it lasts.
 */
static void go_on(struct gather *g, const struct gathered *had, uint32_t i)
{
	struct profile_sample sample = had->profile->samples.v[i];
	struct note note = {.time_ns = had->notes[i].time_ns};

	if (!is_last(had, i) || (!sample.value_ns && had->notes[i].idle))
		return;
	note.idle = !sample.value_ns;
	sample.value_ns = 0;
	sample.time_ns = g->profile->start_ns;
	move(g, had, i, &sample, &note); /* without memory what comes of it is counted as lost */
}

/* Sets what the samples say: how many are linked, from when to when. */
static void finish(struct profile *profile)
{
	uint64_t linked_cnt = 0, published_cnt = 0;

	profile->end_ns = clock_unix_ns();
	for (uint32_t i = 0; i < profile->samples.cnt; i++) {
		const struct profile_sample *sample = &profile->samples.v[i];

		if (sample->time_ns < profile->start_ns)
			profile->start_ns = sample->time_ns;
		if (sample->time_ns >= profile->end_ns)
			profile->end_ns = sample->time_ns + 1;
		linked_cnt += sample->link != 0;
		published_cnt += sample->published != 0;
	}
	account_add(ACCOUNT_SAMPLES_LINKED, linked_cnt);
	account_add(ACCOUNT_SAMPLES_PUBLISHED, published_cnt);
	account_add(ACCOUNT_PROFILES, 1);
}

/* Takes over the profile; returns it with lines if there are any. */
static struct profile *add_lines(struct gather *g, struct profile *done)
{
	struct profile *with = resolver__add_lines(g->resolver, done, &g->bounds);

	if (!with)
		return done;
	profile__free(done);
	return with;
}

/* What is done stays in the old profile. */
static void take_over(struct gather *g, const struct gathered *had, uint64_t now_ns, bool last)
{
	struct profile *done = had->profile;
	uint32_t kept = 0, n = done->samples.cnt;

	for (uint32_t i = 0; i < n; i++) {
		const struct note *note = &had->notes[i];

		if (!last && note->cookie && now_ns < note->time_ns + g->wait_ns) {
			carry_over(g, had, i);
			continue;
		}
		if (had->last && !last)
			go_on(g, had, i);
		if (!had->last || done->samples.v[i].value_ns)
			done->samples.v[kept++] = done->samples.v[i];
	}
	done->samples.cnt = kept;
}

struct profile *gather__take(struct gather *g, uint64_t now_ns, bool last)
{
	struct gathered had = {.profile = g->profile, .notes = g->notes, .last = g->last};
	struct profile *next = begin(g);
	uint32_t *threads = g->last ? calloc(THREADS_MAX, sizeof(*g->last)) : NULL;

	if (!next || (g->last && !threads) || !unlink_interleaved(g)) {
		profile__free(next);
		free(threads);
		return NULL;
	}
	g->profile = next;
	g->last = threads;
	g->notes = NULL;
	g->notes_cap = 0;
	memset(g->waiting, 0, sizeof(g->waiting));
	take_over(g, &had, now_ns, last);
	free(had.notes);
	free(had.last);
	finish(had.profile);
	return add_lines(g, had.profile);
}
