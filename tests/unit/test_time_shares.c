// SPDX-License-Identifier: Apache-2.0
/* What a request's time went to, in words: what is large enough, the largest first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "user/cli/time_shares.h"

#define MS 1000000

static const struct row {
	int64_t duration_ns, cpu_ns, run_queue_ns, lock_ns, queue_ns; /* negative: not set */
	const char *text;
} rows[] = {
	{100 * MS, 30 * MS, 10 * MS, 60 * MS, -1, "lock 60 %, cpu 30 %"},
	{100 * MS, 95 * MS, 5 * MS, -1, -1, "cpu 95 %"},
	{100 * MS, 20 * MS, 80 * MS, -1, 12 * MS, "queued 12.0 ms, run queue 80 %, cpu 20 %"},
	{100 * MS, -1, -1, -1, 9 * MS, ""},
	{MS / 2, MS / 2, -1, -1, MS, "queued 1.00 ms"},
	{MS / 2, MS / 2, -1, -1, MS - 1, ""},
	{100 * MS, 200 * MS, -1, -1, -1, ""},
	{100 * MS, -5, 0, INT64_MIN, INT64_MIN, ""},
	{0, 0, 0, 0, 0, ""},
};

static void test_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct attr v[8];
		struct span span = {
			.start_ns = 1000,
			.end_ns = 1000 + (uint64_t)rows[i].duration_ns,
			.attrs = {.v = v, .cap = 8},
		};
		char text[TIME_SHARES_SZ];
		struct time_shares shares;

		attrs_add_bool(&span.attrs, SLICE("sonde.time.loop"), true);
		attrs_add_str(&span.attrs, SLICE("sonde.time.text_ns"), SLICE("1"));
		attrs_add_int(&span.attrs, SLICE("sonde.time._ns"), 99 * MS);
		attrs_add_int(&span.attrs, SLICE("sonde.time.cpu_ns"), rows[i].cpu_ns);
		attrs_add_int(&span.attrs, SLICE("sonde.time.run_queue_ns"), rows[i].run_queue_ns);
		attrs_add_int(&span.attrs, SLICE("sonde.time.lock_ns"), rows[i].lock_ns);
		attrs_add_int(&span.attrs, SLICE("sonde.time.queue_ns"), rows[i].queue_ns);
		time_shares__fill(&shares, &span);
		text[time_shares__text(&shares, text)] = '\0';
		assert_string_equal(text, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
