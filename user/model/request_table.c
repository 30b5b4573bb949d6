// SPDX-License-Identifier: Apache-2.0
/*
 * Spans come while samples are gathered, and are asked for when all has come: so a sample whose request has not
 * ended yet waits in the profile, and needs no place of its own here.
 */
#include "user/model/request_table.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/hash.h"
#include "user/model/names.h"

#define SLOTS_FIRST 1024u

struct request {
	struct span_id id; /* all zero: an empty slot */
	uint16_t service, name;
	bool wanted;
};

struct request_table {
	struct request_filter filter;
	struct names *names;
	struct request *slots;
	uint32_t slots_cnt; /* a power of two, at least twice cnt */
	uint32_t cnt;
	uint64_t seed;
};

struct request_table *request_table__new(const struct request_filter *filter)
{
	struct request_table *table = calloc(1, sizeof(*table));

	if (table) {
		table->filter = *filter;
		table->seed = hash_seed();
		table->names = names__new();
		table->slots = calloc(SLOTS_FIRST, sizeof(*table->slots));
		table->slots_cnt = SLOTS_FIRST;
		if (table->names && table->slots)
			return table;
	}
	request_table__free(table);
	errno = ENOMEM;
	return NULL;
}

void request_table__free(struct request_table *table)
{
	if (!table)
		return;
	names__free(table->names);
	free(table->slots);
	free(table);
}

bool request_table__filters(const struct request_table *table)
{
	const struct request_filter *f = &table->filter;

	return f->service || f->route || f->trace_id;
}

/* --- spans ------------------------------------------------------------------------------------ */

static bool is_empty(const struct request *request)
{
	static const struct span_id none;

	return memcmp(&request->id, &none, sizeof(none)) == 0;
}

/* The span's slot, or the empty one that it belongs into. */
static struct request *slot_of(const struct request_table *table, const struct span_id *id)
{
	uint32_t mask = table->slots_cnt - 1,
		 at = (uint32_t)hash_bytes(table->seed, id, sizeof(*id)) & mask;

	while (!is_empty(&table->slots[at]) && memcmp(&table->slots[at].id, id, sizeof(*id)) != 0)
		at = (at + 1) & mask;
	return &table->slots[at];
}

/* Room for one more. */
static bool reserve(struct request_table *table)
{
	struct request *old = table->slots, *fresh;
	uint32_t old_cnt = table->slots_cnt;

	if (table->cnt * 2 < old_cnt)
		return true;
	fresh = table->cnt < REQUESTS_MAX ? calloc(2 * (size_t)old_cnt, sizeof(*fresh)) : NULL;
	if (!fresh)
		return false;
	table->slots = fresh;
	table->slots_cnt = 2 * old_cnt;
	for (uint32_t i = 0; i < old_cnt; i++)
		if (!is_empty(&old[i]))
			*slot_of(table, &old[i].id) = old[i];
	free(old);
	return true;
}

bool request_is_of(const struct span *span, const char *service, const char *route)
{
	struct slice name = slice_str(route);

	if (service && !slice_eq(span->resource->service_name, slice_str(service)))
		return false;
	return !route || slice_eq(span->name, name) ||
	       slice_eq(attrs_get_str(&span->attrs, SLICE("http.route")), name);
}

static bool is_wanted(const struct request_filter *f, const struct span *span)
{
	return request_is_of(span, f->service, f->route) &&
	       (!f->trace_id || trace_id_begins(&span->trace_id, f->trace_id));
}

void request_table__add(struct request_table *table, const struct span *span)
{
	struct request *slot;

	if (span->kind != SPAN_SERVER || !reserve(table))
		return;
	slot = slot_of(table, &span->span_id);
	table->cnt += is_empty(slot);
	*slot = (struct request){
		.id = span->span_id,
		.service = names__number(table->names, span->resource->service_name),
		.name = names__number(table->names, span->name),
		.wanted = is_wanted(&table->filter, span),
	};
}

/* --- samples ---------------------------------------------------------------------------------- */

/* NULL: the sample is linked to nothing that is known. */
static const struct request *request_of(const struct request_table *table,
					const struct profile *profile,
					const struct profile_sample *sample)
{
	const struct request *slot = slot_of(table, &profile->links.v[sample->link].span_id);

	return sample->link && !is_empty(slot) ? slot : NULL;
}

/* A sample of a wanted request. */
struct counted {
	uint32_t row; /* service << 16 | name */
	uint64_t weight;
};

static int compare_counted(const void *a, const void *b)
{
	const struct counted *x = a, *y = b;

	return x->row < y->row ? -1 : x->row > y->row;
}

static int compare_texts(struct slice a, struct slice b)
{
	int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return order ?: (a.n > b.n) - (a.n < b.n);
}

static int compare_rows(const void *a, const void *b)
{
	const struct request_row *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return compare_texts(x->name, y->name) ?: compare_texts(x->service, y->service);
}

static int make_rows(const struct request_table *table, struct counted *v, uint32_t cnt,
		     struct request_shares *shares)
{
	uint32_t n = 0;

	qsort(v, cnt, sizeof(*v), compare_counted);
	for (uint32_t i = 0; i < cnt; i++)
		n += i == 0 || v[i].row != v[i - 1].row;
	shares->rows = calloc(n ?: 1, sizeof(*shares->rows));
	if (!shares->rows)
		return -ENOMEM;
	for (uint32_t i = 0; i < cnt; i++) {
		if (i == 0 || v[i].row != v[i - 1].row)
			shares->rows[shares->rows_cnt++] = (struct request_row){
				.service = names__text(table->names, (uint16_t)(v[i].row >> 16)),
				.name = names__text(table->names, (uint16_t)v[i].row),
			};
		shares->rows[shares->rows_cnt - 1].samples_cnt++;
		shares->rows[shares->rows_cnt - 1].weight += v[i].weight;
	}
	qsort(shares->rows, n, sizeof(*shares->rows), compare_rows);
	return 0;
}

int request_table__shares(const struct request_table *table, const struct profile *profile,
			  struct request_shares *shares)
{
	uint32_t n = profile->samples.cnt, cnt = 0;
	struct counted *wanted = calloc(n ?: 1, sizeof(*wanted));
	int err;

	*shares = (struct request_shares){.filtered = request_table__filters(table)};
	if (!wanted)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		const struct profile_sample *sample = &profile->samples.v[i];
		const struct request *request = request_of(table, profile, sample);
		uint64_t weight = profile_weight(profile, sample);

		if (request && request->wanted) {
			wanted[cnt++] = (struct counted){
				.row = (uint32_t)request->service << 16 | request->name,
				.weight = weight,
			};
		} else if (request) {
			shares->others_cnt++;
		} else if (sample->link) {
			shares->unknown_cnt++;
			shares->unknown_weight += weight;
		} else {
			shares->none_cnt++;
			shares->none_weight += weight;
		}
	}
	err = make_rows(table, wanted, cnt, shares);
	free(wanted);
	return err;
}

void request_shares__free(struct request_shares *shares)
{
	free(shares->rows);
	shares->rows = NULL;
}

/* Copies the samples of wanted requests, and only what these need. */
static bool copy_wanted(const struct request_table *table, const struct profile *from,
			struct profile *to)
{
	for (uint32_t i = 0; i < from->samples.cnt; i++) {
		const struct request *request = request_of(table, from, &from->samples.v[i]);
		struct profile_sample sample = from->samples.v[i];

		if (!request || !request->wanted)
			continue;
		if (!profile_move_sample(to, from, &sample) || profile__add(to, &sample))
			return false;
	}
	return true;
}

struct profile *request_table__keep(const struct request_table *table, const struct profile *from,
				    struct request_shares *shares)
{
	struct profile *to = profile__new(from->period_ns);

	if (to) {
		to->start_ns = from->start_ns;
		to->end_ns = from->end_ns;
		to->off_cpu = from->off_cpu;
		if (request_table__shares(table, from, shares) == 0 && copy_wanted(table, from, to))
			return to;
		request_shares__free(shares);
	}
	profile__free(to);
	return NULL;
}
