// SPDX-License-Identifier: Apache-2.0
/* Connections that were not recognised: how they are counted, and how that is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/cli/unknown_view.h"

static void add(struct unknown_table *table, const char *service, uint16_t port, const char *label)
{
	const struct unknown unknown = {
		.port = port,
		.serves = port != 443,
		.sent_sz = 10,
		.received_sz = 3,
		.label = slice_str(label),
	};

	unknown_table__add(table, slice_str(service), &unknown);
}

/* malloc'd. */
static char *view(const struct unknown_row *rows, size_t cnt, enum view_format format)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	assert_int_equal(unknown_view(out, format, rows, cnt), 0);
	fclose(out);
	return text;
}

static void check_view(const struct unknown_row *rows, size_t cnt, enum view_format format,
		       const char *want)
{
	char *text = view(rows, cnt, format);

	assert_string_equal(text, want);
	free(text);
}

/* Of all the rows there can be. */
static void check_view_end(const struct unknown_row *rows, enum view_format format,
			   const char *want)
{
	char *text = view(rows, UNKNOWN_ROWS_MAX, format);
	size_t len = strlen(text);

	assert_in_range(len, strlen(want), SIZE_MAX);
	assert_string_equal(text + len - strlen(want), want);
	free(text);
}

static void test_rows(void **unused)
{
	struct unknown_table *table = unknown_table__new();
	struct unknown_row rows[UNKNOWN_ROWS_MAX];

	(void)unused;
	assert_int_equal(unknown_table__rows(table, rows), 0);
	check_view(rows, 0, VIEW_TEXT, "");
	check_view(rows, 0, VIEW_JSON, "");
	add(table, "shop", 9000, "unknown");
	add(table, "shop", 443, "tls");
	add(table, "bad\x1b[2J", 0, "unknown");
	add(table, "shop", 443, "tls");
	assert_int_equal(unknown_table__rows(table, rows), 3);
	check_view(rows, 3, VIEW_JSON,
		   "[{\"service\":\"shop\",\"serves\":false,\"port\":443,\"label\":\"tls\","
		   "\"connections\":2,\"sent\":20,\"received\":6},"
		   "{\"service\":\"bad\\u001b[2J\",\"serves\":true,\"port\":0,\"label\":"
		   "\"unknown\",\"connections\":1,\"sent\":10,\"received\":3},"
		   "{\"service\":\"shop\",\"serves\":true,\"port\":9000,\"label\":\"unknown\","
		   "\"connections\":1,\"sent\":10,\"received\":3}]");
	check_view(
		rows, 3, VIEW_TEXT,
		"  NOT RECOGNISED          PORT           LOOKS LIKE    CONNECTIONS          SENT      "
		"RECEIVED\n"
		"  shop                    uses 443       tls                     2            20      "
		"       6\n"
		"  bad\\x1b[2J              serves unix    unknown                 1            10      "
		"       3\n"
		"  shop                    serves 9000    unknown                 1            10      "
		"       3\n");
	unknown_table__free(table);
	unknown_table__free(NULL);
}

/* Nothing is lost where there are too many, nor where names are long. */
static void test_bounds(void **unused)
{
	struct unknown_table *table = unknown_table__new();
	struct unknown_row rows[UNKNOWN_ROWS_MAX];
	uint64_t sum = 0;
	char name[200];

	(void)unused;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (uint16_t port = 1; port <= 1000; port++)
		add(table, name, port, name);
	assert_int_equal(unknown_table__rows(table, rows), UNKNOWN_ROWS_MAX);
	assert_string_equal(rows[0].label, "others");
	assert_int_equal(rows[0].connection_cnt, 1000 - UNKNOWN_ROWS_MAX + 1);
	assert_int_equal(rows[0].port, 0);
	assert_int_equal(strlen(rows[1].service), UNKNOWN_SERVICE_SZ - 1);
	for (size_t i = 0; i < UNKNOWN_ROWS_MAX; i++)
		sum += rows[i].connection_cnt;
	assert_int_equal(sum, 1000);
	check_view_end(rows, VIEW_TEXT, "\n  and 236 more\n");
	check_view_end(rows, VIEW_JSON, "\"received\":3}]");
	unknown_table__free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
