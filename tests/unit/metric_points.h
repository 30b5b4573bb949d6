/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot of metrics for the tests of the exporters. */
#ifndef SONDE_TESTS_METRIC_POINTS_H
#define SONDE_TESTS_METRIC_POINTS_H

#include <stdlib.h>

#include "user/model/metric.h"

static const uint64_t point_bounds_ns[] = {5000000, 2500000000};
static const struct instrument point_instruments[] = {
	{
		.name = SLICE("a.duration"),
		.description = SLICE("How long."),
		.bounds_ns = point_bounds_ns,
		.bounds_cnt = 2,
	},
	{
		.name = SLICE("b.duration"),
		.description = SLICE("How long else."),
		.bounds_ns = point_bounds_ns,
		.bounds_cnt = 1,
	},
};

static inline struct resource *point_resource(const char *service, const char *instance)
{
	struct attr v[2];
	struct attrs attrs = {.v = v, .cap = 2};

	attrs_add_str(&attrs, SLICE("service.name"), slice_str(service));
	if (instance)
		attrs_add_str(&attrs, SLICE("service.instance.id"), slice_str(instance));
	return resource__new(&attrs, 1);
}

/* A point whose counts are multiples of n, with a text, a number and a truth. */
static inline void add_point(struct metric_snapshot *s, struct resource *resource,
			     const struct instrument *instrument, struct slice text, uint64_t n)
{
	struct histogram_point *p = &s->v[s->cnt++];

	*p = (struct histogram_point){
		.instrument = instrument,
		.resource = resource__hold(resource),
		.attrs = {.v = arena__alloc(&s->arena, 3 * sizeof(struct attr)), .cap = 3},
		.start_ns = 1000 + n,
		.cnt = 6 * n,
		.sum_ns = 1500000000 * n,
		.buckets = {n, 2 * n, 3 * n},
	};
	attrs_add_str(&p->attrs, SLICE("text.key"), text);
	attrs_add_int(&p->attrs, SLICE("num"), (int64_t)n);
	attrs_add(&p->attrs, SLICE("yes"), ATTR_BOOL)->num = 1;
}

static inline struct metric_snapshot point_snapshot(uint32_t max)
{
	struct metric_snapshot s = {.time_ns = 99, .v = calloc(max, sizeof(*s.v))};

	arena__init(&s.arena, 1 << 20);
	return s;
}

#endif
