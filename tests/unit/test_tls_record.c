// SPDX-License-Identifier: Apache-2.0
/* Which bytes are taken for TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/protocols/tls_record.h"

struct look {
	bool tls;
	struct slice bytes;
};

static const struct look looks[] = {
	{true, SLICE("\x16\3\1\2\0\1\0\1\xfc\3\3random")},
	{true, SLICE("\x16\3\3\0\x7a\2\0\0\x76\3\3random")},
	{true, SLICE("\x16\3\4\7\x77\1\0\7\x73")},
	{true, SLICE("\x17\3\3\0\x23\x9a\x01\x02")},
	{true, SLICE("\x15\3\3\0\2\2\x28")},
	{true, SLICE("\x15\3\3\0\x1a\x9a")},
	{true, SLICE("\x14\3\3\0\1\1\x16\3\3\0\x28\x01")},
	{false, SLICE("")},
	{false, SLICE("\x16\3\1\2\0\1\0\1")},
	{false, SLICE("\x16\3\1\2\0\5\0\1\xfc\3\3random")},
	{false, SLICE("\x16\3\1\2\0\1\2\1\xfc\3\3random")},
	{false, SLICE("\x16\3\1\2\0\1\0\0\1\3\3random")},
	{false, SLICE("\x16\2\1\2\0\1\0\1\xfc\3\3random")},
	{false, SLICE("\x16\3\5\2\0\1\0\1\xfc\3\3random")},
	{false, SLICE("\x17\3\3\0\x05hello")},
	{false, SLICE("\x17\3\1\0\x23\x9a\x01\x02")},
	{false, SLICE("\x17\3\3\xff\x23\x9a\x01\x02")},
	{false, SLICE("\x14\3\3\0\1\2")},
	{false, SLICE("\x18\3\3\0\x23\x9a\x01\x02")},
	{false, SLICE("GET / HTTP/1.1\r\n")},
};

static void test_looks(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(looks) / sizeof(*looks); i++) {
		struct slice bytes = looks[i].bytes;
		char *copy = malloc(bytes.n + 1);

		memcpy(copy, bytes.p, bytes.n);
		if ((tls_detect(slice_of(copy, bytes.n)) == DETECT_YES) != looks[i].tls)
			fail_msg("look %zu", i);
		free(copy);
	}
}

/* Of each beginning of a hello: not before it can be told, and then always. */
static void test_prefixes(void **unused)
{
	struct slice hello = looks[0].bytes;

	(void)unused;
	for (size_t n = 0; n <= hello.n; n++) {
		char *copy = malloc(n ? n : 1);

		memcpy(copy, hello.p, n);
		assert_int_equal(tls_detect(slice_of(copy, n)), n >= 9 ? DETECT_YES : DETECT_MORE);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_looks),
		cmocka_unit_test(test_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
