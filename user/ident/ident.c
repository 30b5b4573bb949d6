// SPDX-License-Identifier: Apache-2.0
/*
 * The table of known processes. Two lists hold all entries: the live, least recently used first,
 * and the dead, longest dead first. Room is made from the dead, then from the live.
 */
#include "user/ident/ident.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "user/base/clock.h"
#include "user/ident/describe.h"

#define LOOK_FIRST_NS 1000000000ull
#define LOOK_LAST_NS (300 * LOOK_FIRST_NS)
#define LOOK_FACTOR 3
#define LOOKS_MAX 8 /* from one tick to the next: each takes as long as its process has mappings */

struct entry {
	TAILQ_ENTRY(entry) order;
	LIST_ENTRY(entry) by_id;
	LIST_ENTRY(entry) by_pid; /* the live only: at most one per pid */
	uint32_t process_id, pid;
	uint64_t dead_ns;		       /* 0: alive */
	struct resource *described, *resource; /* the latter also with what the process publishes */
	struct {
		uint64_t start_ns, published_ns;
		uint64_t next_ns, gap_ns; /* when to look again, if somebody asked for it */
		bool asked;
	} look;
	char comm[PROCESS_COMM_SZ];
};

TAILQ_HEAD(entry_list, entry);
LIST_HEAD(entry_chain, entry);

struct ident {
	struct describer *describer;
	uint64_t grace_ns;
	struct ident_stats stats;
	uint64_t tick_ns;   /* of the next one that does something */
	uint32_t looks_cnt; /* since the last one that did */
	uint32_t mask;	    /* of both hashes; ids and pids are handed out in sequence */
	struct entry_chain *by_id, *by_pid;
	struct entry *entries;
	struct entry_list unused, live, dead;
};

static struct entry *find(const struct ident *ident, uint32_t process_id)
{
	struct entry *entry;

	LIST_FOREACH(entry, &ident->by_id[process_id & ident->mask], by_id)
	if (entry->process_id == process_id)
		return entry;
	return NULL;
}

static struct entry *find_live_pid(const struct ident *ident, uint32_t pid)
{
	struct entry *entry;

	LIST_FOREACH(entry, &ident->by_pid[pid & ident->mask], by_pid)
	if (entry->pid == pid)
		return entry;
	return NULL;
}

/* Takes an entry off the list of the live, or of the dead. */
static void unlink_entry(struct ident *ident, struct entry *entry)
{
	if (entry->dead_ns) {
		TAILQ_REMOVE(&ident->dead, entry, order);
		ident->stats.dead_cnt--;
	} else {
		TAILQ_REMOVE(&ident->live, entry, order);
		LIST_REMOVE(entry, by_pid);
		ident->stats.live_cnt--;
	}
}

static void link_live(struct ident *ident, struct entry *entry)
{
	TAILQ_INSERT_TAIL(&ident->live, entry, order);
	LIST_INSERT_HEAD(&ident->by_pid[entry->pid & ident->mask], entry, by_pid);
	ident->stats.live_cnt++;
}

static void bury(struct ident *ident, struct entry *entry, uint64_t now_ns)
{
	if (entry->dead_ns)
		return;
	unlink_entry(ident, entry);
	entry->dead_ns = now_ns;
	TAILQ_INSERT_TAIL(&ident->dead, entry, order);
	ident->stats.dead_cnt++;
}

static void forget(struct ident *ident, struct entry *entry)
{
	unlink_entry(ident, entry);
	LIST_REMOVE(entry, by_id);
	resource__release(entry->resource);
	resource__release(entry->described);
	*entry = (struct entry){.process_id = 0};
	TAILQ_INSERT_TAIL(&ident->unused, entry, order);
}

static void expire(struct ident *ident, uint64_t now_ns)
{
	struct entry *entry;

	while ((entry = TAILQ_FIRST(&ident->dead)) && now_ns - entry->dead_ns > ident->grace_ns)
		forget(ident, entry);
}

/* Never fails: evicts when the table is full. */
static struct entry *take_unused(struct ident *ident)
{
	struct entry *entry;

	if (TAILQ_EMPTY(&ident->unused)) {
		forget(ident, TAILQ_FIRST(&ident->dead) ?: TAILQ_FIRST(&ident->live));
		ident->stats.evicted_cnt++;
	}
	entry = TAILQ_FIRST(&ident->unused);
	TAILQ_REMOVE(&ident->unused, entry, order);
	return entry;
}

struct ident *ident__new(const struct ident_options *options)
{
	uint32_t max = options->processes_max ?: IDENT_PROCESSES_MAX, buckets_cnt = 1;
	struct ident *ident = calloc(1, sizeof(*ident));

	if (!ident)
		return NULL;
	while (buckets_cnt < max && buckets_cnt < 1u << 31)
		buckets_cnt <<= 1;
	TAILQ_INIT(&ident->unused);
	TAILQ_INIT(&ident->live);
	TAILQ_INIT(&ident->dead);
	ident->grace_ns = options->grace_ns ?: IDENT_GRACE_NS;
	ident->mask = buckets_cnt - 1;
	ident->by_id = calloc(buckets_cnt, sizeof(*ident->by_id));
	ident->by_pid = calloc(buckets_cnt, sizeof(*ident->by_pid));
	ident->entries = calloc(max, sizeof(*ident->entries));
	ident->describer = describer__new(options);
	if (!ident->by_id || !ident->by_pid || !ident->entries || !ident->describer) {
		ident__free(ident);
		errno = ENOMEM;
		return NULL;
	}
	for (uint32_t i = 0; i < max; i++)
		TAILQ_INSERT_TAIL(&ident->unused, &ident->entries[i], order);
	return ident;
}

void ident__free(struct ident *ident)
{
	struct entry *entry;

	if (!ident)
		return;
	while ((entry = TAILQ_FIRST(&ident->live) ?: TAILQ_FIRST(&ident->dead)))
		forget(ident, entry);
	describer__free(ident->describer);
	free(ident->entries);
	free(ident->by_pid);
	free(ident->by_id);
	free(ident);
}

int ident__process(struct ident *ident, const struct record_process *rec, size_t size)
{
	uint64_t now_ns = clock_mono_ns();
	struct resource *resource;
	struct process process;
	struct entry *entry;
	int err;

	err = process_parse(rec, size, &process);
	if (err)
		return err;
	resource = describer__process(ident->describer, &process);
	if (!resource)
		return -ENOMEM;
	expire(ident, now_ns);
	entry = find(ident, rec->process_id); /* announced once more: the newer holds */
	if (entry)
		forget(ident, entry);
	entry = find_live_pid(ident, rec->pid);
	if (entry)
		bury(ident, entry, now_ns);
	entry = take_unused(ident);
	entry->process_id = rec->process_id;
	entry->pid = rec->pid;
	entry->described = resource;
	entry->resource = resource__hold(resource);
	entry->look.start_ns = rec->start_ns;
	memcpy(entry->comm, rec->comm, sizeof(entry->comm));
	LIST_INSERT_HEAD(&ident->by_id[entry->process_id & ident->mask], entry, by_id);
	link_live(ident, entry);
	return 0;
}

void ident__exit(struct ident *ident, uint32_t process_id)
{
	struct entry *entry = find(ident, process_id);
	uint64_t now_ns = clock_mono_ns();

	if (entry)
		bury(ident, entry, now_ns);
	expire(ident, now_ns);
}

static bool may_look(struct ident *ident)
{
	return ident->looks_cnt < LOOKS_MAX && ++ident->looks_cnt;
}

/*
 * An SDK publishes some time after the process has begun, and may do so again. When it does nobody is told, so it is looked
 * for less and less often.
 */
static void look(struct ident *ident, struct entry *entry, uint64_t now_ns)
{
	struct resource *resource;

	entry->look.asked = false;
	entry->look.gap_ns = entry->look.gap_ns ? entry->look.gap_ns * LOOK_FACTOR : LOOK_FIRST_NS;
	if (entry->look.gap_ns > LOOK_LAST_NS)
		entry->look.gap_ns = LOOK_LAST_NS;
	entry->look.next_ns = now_ns + entry->look.gap_ns;
	resource = describer__published(ident->describer, entry->described, entry->resource,
					entry->look.start_ns, &entry->look.published_ns);
	if (!resource)
		return;
	entry->resource->superseded = true;
	resource__release(entry->resource);
	entry->resource = resource;
}

void ident__tick(struct ident *ident, uint64_t now_ns)
{
	struct entry *entry;

	if (now_ns < ident->tick_ns)
		return;
	ident->tick_ns = now_ns + LOOK_FIRST_NS / 4;
	ident->looks_cnt = 0;
	TAILQ_FOREACH(entry, &ident->live, order)
	if (entry->look.asked && now_ns >= entry->look.next_ns && may_look(ident))
		look(ident, entry, now_ns);
}

struct resource *ident__resource(struct ident *ident, uint32_t process_id)
{
	struct entry *entry = find(ident, process_id);

	if (!entry)
		return NULL;
	if (!entry->dead_ns) {
		TAILQ_REMOVE(&ident->live, entry, order);
		TAILQ_INSERT_TAIL(&ident->live, entry, order);
		entry->look.asked = true;
		if (!entry->look.next_ns && may_look(ident))
			look(ident, entry, clock_mono_ns());
	}
	return entry->resource;
}

struct resource *ident__unknown(struct ident *ident)
{
	return describer__unknown(ident->describer);
}

struct slice ident__comm(const struct ident *ident, uint32_t process_id)
{
	const struct entry *entry = find(ident, process_id);

	return entry ? slice_of(entry->comm, strnlen(entry->comm, sizeof(entry->comm))) : SLICE("");
}

uint32_t ident__pid(const struct ident *ident, uint32_t process_id)
{
	const struct entry *entry = find(ident, process_id);

	return entry ? entry->pid : 0;
}

void ident__stats(const struct ident *ident, struct ident_stats *out)
{
	*out = ident->stats;
}
