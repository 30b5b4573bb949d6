// SPDX-License-Identifier: Apache-2.0
/*
 * Series in a hash table. The key of one is its attributes' values packed into bytes, so that a
 * span costs one packing, one hash and one comparison. Attributes after the semantic conventions
 * 1.44; a further family of protocols is a further row.
 */
#include "user/policy/red.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "user/base/account.h"
#include "user/base/hash.h"
#include "user/base/utf8.h"

#define KEYS_MAX 9
#define VALUE_MAX 255 /* bytes of a text; what is longer is cut */
#define PACKED_MAX (KEYS_MAX * (2 + VALUE_MAX))
#define IDLE_INTERVALS 5
#define OPEN_SHARE 4 /* of all series, one in so many */
#define SNAPSHOT_BYTES_MAX (64u * 1024 * 1024)
#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define MS 1000000ull

/*
 * Which spans an instrument measures, and the attributes that it takes over from them. The first one
 * is what all spans of the family have, whatever the protocol, and no others, unless it is one that
 * people delete: then the scope tells.
 */
struct row {
	uint32_t kinds; /* bits */
	struct slice scope;
	struct instrument instrument;
	struct slice keys[KEYS_MAX + 1]; /* an empty one ends them */
	bool open; /* a key takes any value that a program thinks of: at most a quarter of all series */
	/* Spans with one of the others are not told apart by the first: it has too many values. */
	struct slice wide, narrow[2];
};

static const uint64_t call_bounds_ns[] = {
	5 * MS,	  10 * MS,  25 * MS,   50 * MS,	  75 * MS,   100 * MS,	250 * MS,
	500 * MS, 750 * MS, 1000 * MS, 2500 * MS, 5000 * MS, 7500 * MS, 10000 * MS,
};

static const uint64_t db_bounds_ns[] = {
	1 * MS, 5 * MS, 10 * MS, 50 * MS, 100 * MS, 500 * MS, 1000 * MS, 5000 * MS, 10000 * MS,
};

#define KIND(kind) (1u << (kind))

static const struct row rows[] = {
	{
		.kinds = KIND(SPAN_SERVER),
		.instrument =
			{
				.name = SLICE("http.server.request.duration"),
				.description = SLICE("Duration of HTTP server requests."),
				.bounds_ns = call_bounds_ns,
				.bounds_cnt = LEN(call_bounds_ns),
			},
		.keys =
			{
				SLICE("http.request.method"),
				SLICE("url.scheme"),
				SLICE("http.response.status_code"),
				SLICE("http.route"),
				SLICE("error.type"),
				SLICE("network.protocol.version"),
			},
	},
	{
		.kinds = KIND(SPAN_CLIENT),
		.instrument =
			{
				.name = SLICE("http.client.request.duration"),
				.description = SLICE("Duration of HTTP client requests."),
				.bounds_ns = call_bounds_ns,
				.bounds_cnt = LEN(call_bounds_ns),
			},
		.keys =
			{
				SLICE("http.request.method"),
				SLICE("server.address"),
				SLICE("server.port"),
				SLICE("http.response.status_code"),
				SLICE("error.type"),
				SLICE("network.protocol.version"),
			},
	},
	{
		.kinds = KIND(SPAN_SERVER),
		.instrument =
			{
				.name = SLICE("rpc.server.call.duration"),
				.description = SLICE(
					"Measures the duration of inbound remote procedure calls (RPC)."),
				.bounds_ns = call_bounds_ns,
				.bounds_cnt = LEN(call_bounds_ns),
			},
		.keys =
			{
				SLICE("rpc.system.name"),
				SLICE("rpc.method"),
				SLICE("rpc.status_code"),
				SLICE("error.type"),
				SLICE("network.protocol.version"),
			},
	},
	{
		.kinds = KIND(SPAN_CLIENT),
		.instrument =
			{
				.name = SLICE("rpc.client.call.duration"),
				.description = SLICE(
					"Measures the duration of outbound remote procedure calls (RPC)."),
				.bounds_ns = call_bounds_ns,
				.bounds_cnt = LEN(call_bounds_ns),
			},
		.keys =
			{
				SLICE("rpc.system.name"),
				SLICE("rpc.method"),
				SLICE("server.address"),
				SLICE("server.port"),
				SLICE("rpc.status_code"),
				SLICE("error.type"),
				SLICE("network.protocol.version"),
			},
	},
	{
		.kinds = KIND(SPAN_CLIENT),
		.instrument =
			{
				.name = SLICE("db.client.operation.duration"),
				.description = SLICE("Duration of database client operations."),
				.bounds_ns = db_bounds_ns,
				.bounds_cnt = LEN(db_bounds_ns),
			},
		.keys =
			{
				SLICE("db.system.name"),
				SLICE("db.namespace"),
				SLICE("db.operation.name"),
				SLICE("db.collection.name"),
				SLICE("db.query.summary"),
				SLICE("db.response.status_code"),
				SLICE("error.type"),
				SLICE("server.address"),
				SLICE("server.port"),
			},
	},
	{
		.kinds = KIND(SPAN_CLIENT),
		.scope = SLICE("dns"),
		.instrument =
			{
				.name = SLICE("dns.lookup.duration"),
				.description =
					SLICE("Measures the time taken to perform a DNS lookup."),
				.bounds_ns = call_bounds_ns,
				.bounds_cnt = LEN(call_bounds_ns),
			},
		.keys = {SLICE("dns.question.name"), SLICE("error.type")},
		.open = true,
	},
	{
		/* What is handed to a consumer has no duration that we know. */
		.kinds = KIND(SPAN_PRODUCER) | KIND(SPAN_CLIENT),
		.instrument =
			{
				.name = SLICE("messaging.client.operation.duration"),
				.description = SLICE("Duration of messaging client operations."),
				.bounds_ns = call_bounds_ns,
				.bounds_cnt = LEN(call_bounds_ns),
			},
		.keys =
			{
				SLICE("messaging.system"),
				SLICE("messaging.operation.name"),
				SLICE("messaging.operation.type"),
				SLICE("messaging.destination.name"),
				SLICE("messaging.destination.template"),
				SLICE("messaging.consumer.group.name"),
				SLICE("error.type"),
				SLICE("server.address"),
				SLICE("server.port"),
			},
		.wide = SLICE("messaging.destination.name"),
		.narrow =
			{
				SLICE("messaging.destination.template"),
				SLICE("messaging.destination.temporary"),
			},
	},
};

struct series {
	uint64_t hash;
	const struct row *row;
	struct resource *resource; /* a reference */
	uint64_t start_ns, cnt, sum_ns;
	uint64_t buckets[METRIC_BOUNDS_MAX + 1];
	uint32_t idle_intervals;
	uint32_t packed_len; /* 0: an overflow series */
	uint8_t packed[];
};

struct red {
	pthread_mutex_t lock;
	uint64_t seed;
	uint64_t interval_ns; /* when the current interval began */
	struct series **v, **slots;
	uint32_t cnt, max_cnt, mask;
	struct series *overflow[LEN(rows)];
	uint32_t cnt_of[LEN(rows)];
	uint8_t hints[LEN(rows)][KEYS_MAX]; /* where a span's attribute was the last time */
};

/* --- keys ------------------------------------------------------------------------------------- */

struct packed {
	uint8_t bytes[PACKED_MAX];
	uint32_t len;
};

static const struct attr *find(const struct attrs *attrs, struct slice key, uint8_t *hint)
{
	if (*hint < attrs->cnt && slice_eq(attrs->v[*hint].key, key))
		return &attrs->v[*hint];
	for (uint16_t i = 0; i < attrs->cnt; i++) {
		if (slice_eq(attrs->v[i].key, key)) {
			*hint = i < UINT8_MAX ? (uint8_t)i : 0;
			return &attrs->v[i];
		}
	}
	return NULL;
}

/* Is there an attribute that stands for key? */
static bool is_narrowed(const struct row *row, struct slice key, const struct attrs *attrs)
{
	return row->wide.n && slice_eq(key, row->wide) &&
	       (attrs_get(attrs, row->narrow[0]) || attrs_get(attrs, row->narrow[1]));
}

/* Of each key: its type or 0 where the span lacks it, then the number, or the length and text. */
static void pack(const struct row *row, uint8_t *hints, const struct attrs *attrs,
		 struct packed *out)
{
	uint8_t *at = out->bytes;

	for (uint32_t i = 0; row->keys[i].n; i++) {
		const struct attr *attr = find(attrs, row->keys[i], &hints[i]);

		if (!attr || (attr->type != ATTR_INT && attr->type != ATTR_STRING) ||
		    is_narrowed(row, row->keys[i], attrs)) {
			*at++ = 0;
			continue;
		}
		*at++ = (uint8_t)attr->type;
		if (attr->type == ATTR_INT) {
			at = mempcpy(at, &attr->num, sizeof(attr->num));
		} else {
			struct slice text = utf8_first(attr->str, VALUE_MAX);

			*at++ = (uint8_t)text.n;
			at = mempcpy(at, text.p ?: "", text.n);
		}
	}
	out->len = (uint32_t)(at - out->bytes);
}

/* The attributes that were packed; their texts point into bytes. */
static void unpack(const struct row *row, const uint8_t *at, struct attrs *out)
{
	for (uint32_t i = 0; row->keys[i].n; i++) {
		enum attr_type type = *at++;
		struct attr *attr;

		if (!type)
			continue;
		attr = attrs_add(out, row->keys[i], type);
		if (type == ATTR_INT) {
			memcpy(&attr->num, at, sizeof(attr->num));
			at += sizeof(attr->num);
		} else {
			attr->str = slice_of((const char *)at + 1, *at);
			at += 1 + *at;
		}
	}
}

/* --- the table -------------------------------------------------------------------------------- */

static struct series *new_series(struct red *red, const struct row *row, struct resource *resource,
				 const struct packed *packed)
{
	struct series *s = calloc(1, sizeof(*s) + packed->len);

	if (!s)
		return NULL;
	s->row = row;
	s->resource = resource__hold(resource);
	s->start_ns = red->interval_ns;
	s->packed_len = packed->len;
	memcpy(s->packed, packed->bytes, packed->len);
	return s;
}

static void free_series(struct series *s)
{
	if (s)
		resource__release(s->resource);
	free(s);
}

/* Its slot, or the free one where it would be. */
static struct series **look_up(struct red *red, const struct row *row,
			       const struct resource *resource, const struct packed *packed,
			       uint64_t hash)
{
	uint32_t i = (uint32_t)hash & red->mask;

	for (;; i = (i + 1) & red->mask) {
		const struct series *s = red->slots[i];

		if (!s || (s->hash == hash && s->resource == resource && s->row == row &&
			   s->packed_len == packed->len &&
			   memcmp(s->packed, packed->bytes, packed->len) == 0))
			return &red->slots[i];
	}
}

/* NULL when there is no room for one more. */
static struct series *add_series(struct red *red, const struct row *row, struct resource *resource,
				 const struct packed *packed, uint64_t hash)
{
	uint32_t *cnt = &red->cnt_of[row - rows];
	bool room = red->cnt < red->max_cnt && !(row->open && *cnt >= red->max_cnt / OPEN_SHARE);
	struct series *s = room ? new_series(red, row, resource, packed) : NULL;

	if (s) {
		s->hash = hash;
		red->v[red->cnt++] = s;
		++*cnt;
	}
	return s;
}

static struct series *series_of(struct red *red, const struct row *row, const struct span *span)
{
	struct packed packed;
	struct series **slot, *found;
	uint64_t hash;

	pack(row, red->hints[row - rows], &span->attrs, &packed);
	hash = hash_bytes(red->seed ^ span->resource->id ^ (uint64_t)(row - rows) << 56,
			  packed.bytes, packed.len);
	slot = look_up(red, row, span->resource, &packed, hash);
	found = *slot ?: add_series(red, row, span->resource, &packed, hash);
	*slot = found;
	if (found)
		return found;
	account_add(ACCOUNT_SERIES_OVERFLOW, 1);
	return red->overflow[row - rows];
}

/* After series were let go. */
static void fill_slots(struct red *red)
{
	memset(red->slots, 0, (red->mask + 1ul) * sizeof(struct series *));
	for (uint32_t k = 0; k < red->cnt; k++) {
		uint32_t i = (uint32_t)red->v[k]->hash & red->mask;

		while (red->slots[i])
			i = (i + 1) & red->mask;
		red->slots[i] = red->v[k];
	}
}

/* --- what goes in ----------------------------------------------------------------------------- */

static bool is_of_family(struct red *red, size_t row, const struct span *span)
{
	if (rows[row].scope.n)
		return slice_eq(rows[row].scope, span->scope);
	return find(&span->attrs, rows[row].keys[0], &red->hints[row][0]);
}

static const struct row *row_of(struct red *red, const struct span *span)
{
	for (size_t i = 0; i < LEN(rows); i++)
		if (rows[i].kinds & KIND(span->kind) && is_of_family(red, i, span))
			return &rows[i];
	return NULL;
}

static void count(struct series *s, uint64_t duration_ns)
{
	const struct instrument *instrument = &s->row->instrument;
	uint32_t bucket = 0;

	while (bucket < instrument->bounds_cnt && duration_ns > instrument->bounds_ns[bucket])
		bucket++;
	s->buckets[bucket]++;
	s->cnt++;
	s->sum_ns += duration_ns;
	s->idle_intervals = 0;
}

void red__observe(struct red *red, const struct span_batch *batch)
{
	pthread_mutex_lock(&red->lock);
	for (uint32_t i = 0; i < batch->cnt; i++) {
		const struct span *span = &batch->spans[i];
		const struct row *row = row_of(red, span);

		if (row)
			count(series_of(red, row, span), span->end_ns - span->start_ns);
	}
	pthread_mutex_unlock(&red->lock);
}

/* --- what comes out --------------------------------------------------------------------------- */

static int copy_attrs(const struct series *s, struct arena *arena, struct attrs *out)
{
	uint8_t *packed = arena__alloc(arena, s->packed_len);

	out->cap = KEYS_MAX;
	out->v = arena__alloc(arena, KEYS_MAX * sizeof(*out->v));
	if (!packed || !out->v)
		return -ENOMEM;
	memcpy(packed, s->packed, s->packed_len);
	if (s->packed_len)
		unpack(s->row, packed, out);
	else
		attrs_add(out, SLICE("otel.metric.overflow"), ATTR_BOOL)->num = 1;
	return 0;
}

static int copy_point(const struct series *s, struct metric_snapshot *to)
{
	struct histogram_point *point = &to->v[to->cnt];

	if (!s->cnt)
		return 0;
	*point = (struct histogram_point){
		.instrument = &s->row->instrument,
		.start_ns = s->start_ns,
		.cnt = s->cnt,
		.sum_ns = s->sum_ns,
	};
	memcpy(point->buckets, s->buckets, sizeof(point->buckets));
	if (copy_attrs(s, &to->arena, &point->attrs))
		return -ENOMEM;
	point->resource = resource__hold(s->resource);
	to->cnt++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct histogram_point *x = a, *y = b;

	if (x->resource->id != y->resource->id)
		return x->resource->id < y->resource->id ? -1 : 1;
	return (x->instrument > y->instrument) - (x->instrument < y->instrument);
}

int red__snapshot(struct red *red, uint64_t now_ns, struct metric_snapshot *out)
{
	int err = 0;

	*out = (struct metric_snapshot){.time_ns = now_ns};
	arena__init(&out->arena, SNAPSHOT_BYTES_MAX);
	pthread_mutex_lock(&red->lock);
	out->v = calloc(red->cnt + LEN(rows), sizeof(*out->v));
	if (!out->v)
		err = -ENOMEM;
	for (uint32_t i = 0; i < red->cnt && !err; i++)
		err = copy_point(red->v[i], out);
	for (size_t i = 0; i < LEN(rows) && !err; i++)
		err = copy_point(red->overflow[i], out);
	pthread_mutex_unlock(&red->lock);
	if (err)
		metric_snapshot__free(out);
	else
		qsort(out->v, out->cnt, sizeof(*out->v), compare);
	return err;
}

static bool has_ended(const struct resource *resource)
{
	return resource->superseded || (kill((pid_t)resource->pid, 0) && errno == ESRCH);
}

void red__next_interval(struct red *red, uint64_t now_ns)
{
	uint32_t kept = 0;

	pthread_mutex_lock(&red->lock);
	for (uint32_t i = 0; i < red->cnt; i++) {
		struct series *s = red->v[i];

		if (s->idle_intervals++ >= IDLE_INTERVALS && has_ended(s->resource)) {
			red->cnt_of[s->row - rows]--;
			free_series(s);
		} else {
			red->v[kept++] = s;
		}
	}
	if (kept < red->cnt) {
		red->cnt = kept;
		fill_slots(red);
	}
	red->interval_ns = now_ns;
	pthread_mutex_unlock(&red->lock);
}

/* --- life ------------------------------------------------------------------------------------- */

struct red *red__new(uint32_t max_series, struct resource *beyond_of, uint64_t now_ns)
{
	static const struct packed none;
	struct red *red = calloc(1, sizeof(*red));
	uint32_t slots_cnt = 2;
	bool ok;

	if (!red)
		return NULL;
	while (slots_cnt < 2 * max_series)
		slots_cnt *= 2;
	pthread_mutex_init(&red->lock, NULL);
	red->seed = hash_seed();
	red->interval_ns = now_ns;
	red->max_cnt = max_series;
	red->mask = slots_cnt - 1;
	red->v = calloc(max_series, sizeof(*red->v));
	red->slots = calloc(slots_cnt, sizeof(*red->slots));
	ok = red->v && red->slots;
	for (size_t i = 0; i < LEN(rows) && ok; i++) {
		red->overflow[i] = new_series(red, &rows[i], beyond_of, &none);
		ok = red->overflow[i];
	}
	if (ok)
		return red;
	red__free(red);
	errno = ENOMEM;
	return NULL;
}

void red__free(struct red *red)
{
	if (!red)
		return;
	for (uint32_t i = 0; red->v && i < red->cnt; i++)
		free_series(red->v[i]);
	for (size_t i = 0; i < LEN(rows); i++)
		free_series(red->overflow[i]);
	free(red->v);
	free(red->slots);
	pthread_mutex_destroy(&red->lock);
	free(red);
}
