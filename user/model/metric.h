/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics at one moment: cumulative histograms of durations, as OTLP and Prometheus have them. */
#ifndef SONDE_MODEL_METRIC_H
#define SONDE_MODEL_METRIC_H

#include "user/base/arena.h"
#include "user/model/resource.h"

#define METRIC_BOUNDS_MAX 16

/* What is measured. Static. The unit is seconds, whatever a count is kept in. */
struct instrument {
	struct slice name, description;
	const uint64_t *bounds_ns; /* upper bounds, inclusive, ascending */
	uint32_t bounds_cnt;	   /* at most METRIC_BOUNDS_MAX */
};

struct histogram_point {
	const struct instrument *instrument;
	struct resource *resource; /* a reference, held by the snapshot */
	struct attrs attrs;
	uint64_t start_ns; /* counted since then; since the Unix epoch */
	uint64_t cnt, sum_ns;
	uint64_t buckets[METRIC_BOUNDS_MAX + 1]; /* the last: above all bounds */
};

struct metric_snapshot {
	uint64_t time_ns;	   /* since the Unix epoch */
	struct histogram_point *v; /* ordered by resource, then by instrument */
	uint32_t cnt;
	struct arena arena; /* of the attributes */
};

/* Releases what the snapshot holds, and forgets it. */
void metric_snapshot__free(struct metric_snapshot *s);

#endif
