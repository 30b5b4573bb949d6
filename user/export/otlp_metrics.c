// SPDX-License-Identifier: Apache-2.0
/*
 * Histograms to protobuf, last field first (see pb_writer.h); the numbers are the fields' in
 * proto/metrics.proto, named beside each. Points come ordered, so a group is a run of them.
 */
#include "user/export/otlp_metrics.h"

#include <errno.h>

#define CUMULATIVE 2 /* AggregationTemporality */

static void put_point(struct pb_writer *w, const struct histogram_point *point, uint64_t time_ns)
{
	const struct instrument *instrument = point->instrument;
	size_t end = pb_len(w), packed_end;

	otlp_put_attrs(w, 9, &point->attrs);
	packed_end = pb_len(w);
	for (uint32_t i = instrument->bounds_cnt; i-- > 0;)
		pb_packed_double(w, (double)instrument->bounds_ns[i] / 1e9);
	pb_message(w, 7, packed_end); /* .explicit_bounds */
	packed_end = pb_len(w);
	for (uint32_t i = instrument->bounds_cnt + 1; i-- > 0;)
		pb_packed_fixed64(w, point->buckets[i]);
	pb_message(w, 6, packed_end);		      /* .bucket_counts */
	pb_double(w, 5, (double)point->sum_ns / 1e9); /* .sum */
	pb_fixed64(w, 4, point->cnt);
	pb_fixed64(w, 3, time_ns);
	pb_fixed64(w, 2, point->start_ns);
	pb_message(w, 1, end); /* Histogram.data_points */
}

static void put_metric(struct pb_writer *w, const struct histogram_point *points, uint32_t cnt,
		       uint64_t time_ns)
{
	const struct instrument *instrument = points[0].instrument;
	size_t end = pb_len(w);

	pb_varint(w, 2, CUMULATIVE); /* Histogram.aggregation_temporality */
	for (uint32_t i = cnt; i-- > 0 && !w->failed;)
		put_point(w, &points[i], time_ns);
	pb_message(w, 9, end); /* Metric.histogram */
	pb_string(w, 3, SLICE("s"));
	pb_string(w, 2, instrument->description);
	pb_string(w, 1, instrument->name);
	pb_message(w, 2, end); /* ScopeMetrics.metrics */
}

/* Points of one resource, at least one. */
static void put_group(struct pb_writer *w, const struct histogram_point *points, uint32_t cnt,
		      uint64_t time_ns, struct slice version)
{
	size_t end = pb_len(w), scope_end;

	pb_string(w, 3, SLICE(OTLP_SCHEMA_URL)); /* ResourceMetrics.schema_url */
	scope_end = pb_len(w);
	pb_string(w, 3, SLICE(OTLP_SCHEMA_URL)); /* ScopeMetrics.schema_url */
	for (uint32_t left = cnt; left;) {
		uint32_t at = left - 1;

		while (at && points[at - 1].instrument == points[at].instrument)
			at--;
		put_metric(w, points + at, left - at, time_ns);
		left = at;
	}
	otlp_put_scope(w, version);
	pb_message(w, 2, scope_end); /* ResourceMetrics.scope_metrics */
	otlp_put_resource(w, points[0].resource);
	pb_message(w, 1, end); /* ExportMetricsServiceRequest.resource_metrics */
}

int otlp_encode_metrics(struct pb_writer *w, const struct metric_snapshot *snapshot,
			const char *version)
{
	const struct histogram_point *points = snapshot->v;

	pb_writer__reset(w);
	for (uint32_t left = snapshot->cnt; left && !w->failed;) {
		uint32_t at = left - 1;

		while (at && points[at - 1].resource == points[at].resource)
			at--;
		put_group(w, points + at, left - at, snapshot->time_ns, slice_str(version));
		left = at;
	}
	if (w->failed)
		return w->full ? -EMSGSIZE : -ENOMEM;
	return 0;
}
