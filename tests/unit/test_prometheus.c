// SPDX-License-Identifier: Apache-2.0
/* Prometheus text: names, escapes, cumulative buckets, what comes together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/metric_points.h"
#include "user/export/prometheus.h"

/* What is written of the snapshot, which is freed; malloc'd. */
static char *write_out(struct metric_snapshot *s)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(prometheus_write(out, s), 0);
	assert_int_equal(fclose(out), 0);
	metric_snapshot__free(s);
	return text;
}

static void test_text(void **state)
{
	struct metric_snapshot s = point_snapshot(2);
	struct resource *shop = point_resource("shop", "1");
	char *text;

	(void)state;
	add_point(&s, shop, &point_instruments[1], SLICE("b"), 4);
	add_point(&s, shop, &point_instruments[0], SLICE("a"), 3);
	resource__release(shop);
	text = write_out(&s);
#define A "{service_name=\"shop\",service_instance_id=\"1\",text_key=\"a\",num=\"3\",yes=\"true\""
#define B "{service_name=\"shop\",service_instance_id=\"1\",text_key=\"b\",num=\"4\",yes=\"true\""
	assert_string_equal(text, "# HELP a_duration_seconds How long.\n"
				  "# TYPE a_duration_seconds histogram\n"
				  "a_duration_seconds_bucket" A ",le=\"0.005\"} 3\n"
				  "a_duration_seconds_bucket" A ",le=\"2.5\"} 9\n"
				  "a_duration_seconds_bucket" A ",le=\"+Inf\"} 18\n"
				  "a_duration_seconds_sum" A "} 4.5\n"
				  "a_duration_seconds_count" A "} 18\n"
				  "# HELP b_duration_seconds How long else.\n"
				  "# TYPE b_duration_seconds histogram\n"
				  "b_duration_seconds_bucket" B ",le=\"0.005\"} 4\n"
				  "b_duration_seconds_bucket" B ",le=\"+Inf\"} 24\n"
				  "b_duration_seconds_sum" B "} 6\n"
				  "b_duration_seconds_count" B "} 24\n");
	free(text);
}

static void test_escapes(void **state)
{
	static const struct {
		struct slice raw;
		const char *want;
	} cases[] = {
		{SLICE(""), "text_key=\"\""},
		{SLICE("/a \"b\" \\ c\nd"), "text_key=\"/a \\\"b\\\" \\\\ c\\nd\""},
		{SLICE("gr\xC3\xBC\xC3\x9F"), "text_key=\"gr\xC3\xBC\xC3\x9F\""},
		{SLICE("\xFF\xC3"), "text_key=\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
		{SLICE("a\0b"), "text_key=\"ab\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct metric_snapshot s = point_snapshot(1);
		struct resource *shop = point_resource("sh\"op", NULL);
		char *text;

		add_point(&s, shop, &point_instruments[0], cases[i].raw, 1);
		resource__release(shop);
		text = write_out(&s);
		assert_non_null(strstr(text, "{service_name=\"sh\\\"op\",text_key"));
		if (!strstr(text, cases[i].want))
			fail_msg("%s is not in:\n%s", cases[i].want, text);
		free(text);
	}
}

/* Two processes that nothing tells apart are one histogram: a series must not be there twice. */
static void test_equal_labels(void **state)
{
	struct metric_snapshot s = point_snapshot(3);
	struct resource *twins[] = {point_resource("shop", "1"), point_resource("shop", "1")};
	char *text, *count;

	(void)state;
	add_point(&s, twins[0], &point_instruments[0], SLICE("a"), 1);
	add_point(&s, twins[0], &point_instruments[0], SLICE("b"), 1);
	add_point(&s, twins[1], &point_instruments[0], SLICE("a"), 1);
	resource__release(twins[0]);
	resource__release(twins[1]);
	text = write_out(&s);
	count = strstr(text, "text_key=\"a\",num=\"1\",yes=\"true\"} 12\n");
	assert_non_null(count);
	assert_null(strstr(count + 1, "text_key=\"a\""));
	assert_non_null(strstr(text, "text_key=\"b\",num=\"1\",yes=\"true\"} 6\n"));
	free(text);
}

static void test_nothing(void **state)
{
	struct metric_snapshot s = point_snapshot(1);
	char *text = write_out(&s);

	(void)state;
	assert_string_equal(text, "");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_equal_labels),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
