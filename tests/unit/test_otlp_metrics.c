// SPDX-License-Identifier: Apache-2.0
/* Histograms through our wire writer and back through protobuf-c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "build/proto/metrics_service.pb-c.h"
#include "tests/unit/metric_points.h"
#include "user/export/otlp_metrics.h"

typedef Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceRequest Request;
typedef Opentelemetry__Proto__Metrics__V1__ResourceMetrics ResourceMetrics;
typedef Opentelemetry__Proto__Metrics__V1__Metric Metric;
typedef Opentelemetry__Proto__Metrics__V1__HistogramDataPoint Point;

static struct metric_snapshot make_snapshot(void)
{
	struct metric_snapshot s = point_snapshot(8);
	struct resource *shop = point_resource("shop", "1"), *bank = point_resource("bank", "2");

	add_point(&s, shop, &point_instruments[0], SLICE("x"), 1);
	add_point(&s, shop, &point_instruments[0], SLICE("\xFF"), 2);
	add_point(&s, shop, &point_instruments[1], SLICE(""), 3);
	add_point(&s, bank, &point_instruments[1], SLICE("y"), 4);
	resource__release(shop);
	resource__release(bank);
	return s;
}

static void check_point(const Point *got, const struct histogram_point *want)
{
	uint32_t bounds_cnt = want->instrument->bounds_cnt;

	assert_true(got->start_time_unix_nano == want->start_ns);
	assert_true(got->time_unix_nano == 99);
	assert_true(got->count == want->cnt);
	assert_int_equal(got->_sum_case,
			 OPENTELEMETRY__PROTO__METRICS__V1__HISTOGRAM_DATA_POINT___SUM_SUM);
	assert_true(got->sum == (double)want->sum_ns / 1e9);
	assert_int_equal(got->n_explicit_bounds, bounds_cnt);
	assert_int_equal(got->n_bucket_counts, bounds_cnt + 1);
	assert_true(got->explicit_bounds[0] == 0.005);
	assert_true(bounds_cnt == 1 || got->explicit_bounds[1] == 2.5);
	for (uint32_t i = 0; i <= bounds_cnt; i++)
		assert_true(got->bucket_counts[i] == want->buckets[i]);
	assert_int_equal(got->n_attributes, 3);
	assert_string_equal(got->attributes[0]->key, "text.key");
	assert_true(got->attributes[1]->value->int_value == want->attrs.v[1].num);
	assert_true(got->attributes[2]->value->bool_value);
}

static void check_metric(const Metric *got, const struct histogram_point *want, size_t cnt)
{
	assert_int_equal(got->data_case, OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_HISTOGRAM);
	assert_memory_equal(got->name, want->instrument->name.p, want->instrument->name.n + 1);
	assert_memory_equal(got->description, want->instrument->description.p,
			    want->instrument->description.n + 1);
	assert_string_equal(got->unit, "s");
	assert_int_equal(
		got->histogram->aggregation_temporality,
		OPENTELEMETRY__PROTO__METRICS__V1__AGGREGATION_TEMPORALITY__AGGREGATION_TEMPORALITY_CUMULATIVE);
	assert_int_equal(got->histogram->n_data_points, cnt);
	for (size_t i = 0; i < cnt; i++)
		check_point(got->histogram->data_points[i], &want[i]);
}

static void check_resource(const ResourceMetrics *got, const char *service, size_t metrics_cnt)
{
	assert_string_equal(got->schema_url, OTLP_SCHEMA_URL);
	assert_string_equal(got->resource->attributes[0]->value->string_value, service);
	assert_int_equal(got->n_scope_metrics, 1);
	assert_string_equal(got->scope_metrics[0]->scope->name, "sonde");
	assert_string_equal(got->scope_metrics[0]->scope->version, "1.2.3");
	assert_int_equal(got->scope_metrics[0]->n_metrics, metrics_cnt);
}

static void test_round_trip(void **state)
{
	struct metric_snapshot s = make_snapshot();
	struct pb_writer w;
	struct slice bytes;
	Request *request;

	(void)state;
	pb_writer__init(&w, OTLP_REQUEST_MAX_SZ);
	assert_int_equal(otlp_encode_metrics(&w, &s, "1.2.3"), 0);
	bytes = pb_writer__bytes(&w);
	request =
		opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__unpack(
			NULL, bytes.n, (const uint8_t *)bytes.p);
	assert_non_null(request);
	assert_int_equal(request->n_resource_metrics, 2);
	check_resource(request->resource_metrics[0], "shop", 2);
	check_resource(request->resource_metrics[1], "bank", 1);
	check_metric(request->resource_metrics[0]->scope_metrics[0]->metrics[0], &s.v[0], 2);
	check_metric(request->resource_metrics[0]->scope_metrics[0]->metrics[1], &s.v[2], 1);
	check_metric(request->resource_metrics[1]->scope_metrics[0]->metrics[0], &s.v[3], 1);
	opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__free_unpacked(
		request, NULL);
	pb_writer__free(&w);
	metric_snapshot__free(&s);
}

static void test_too_large(void **state)
{
	struct metric_snapshot s = make_snapshot();

	(void)state;
	for (size_t max_sz = 0; max_sz < 900; max_sz += 7) {
		struct pb_writer w;
		int err;

		pb_writer__init(&w, max_sz);
		err = otlp_encode_metrics(&w, &s, "1.2.3");
		assert_true(err == -EMSGSIZE || (err == 0 && max_sz > 500));
		pb_writer__free(&w);
	}
	metric_snapshot__free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
