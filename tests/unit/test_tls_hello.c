// SPDX-License-Identifier: Apache-2.0
/* What is read from the hello messages of TLS: whole, in part, and when they lie. */
#include "tests/unit/tls_hellos.h"

#include <errno.h>

#include "user/protocols/tls_hello.h"

#define LONG_NAME "a23456789b23456789c23456789d23456789e23456789f23456789g23456789h23456789"

struct reading {
	struct hello_plan plan;
	const char *server_name, *protocol;
	bool offers_h2;
	uint16_t version;
};

static const struct reading readings[] = {
	{
		.plan = {.from_client = true,
			 .server_name = "shop.example",
			 .protocols = {"h2", "http/1.1"},
			 .key_share_sz = KEY_SHARE_SZ + 300},
		.server_name = "shop.example",
		.offers_h2 = true,
	},
	{
		.plan = {.from_client = true, .protocols = {"http/1.1"}, .key_share_sz = 36},
	},
	{
		.plan = {.from_client = true, .protocols = {"h2c", "h", "xh2"}},
	},
	{
		.plan = {.from_client = true, .server_name = "10.0.0.1", .protocols = {"x", "h2"}},
		.server_name = "10.0.0.1",
		.offers_h2 = true,
	},
	{
		.plan = {.from_client = true, .server_name = "a b"},
	},
	{
		.plan = {.from_client = true,
			 .server_name = "a\x80"
					"b"},
	},
	{
		.plan = {.from_client = true, .server_name = "sho\n"},
	},
	{
		.plan = {.from_client = true, .server_name = ""},
	},
	{
		.plan = {.from_client = true, .server_name = LONG_NAME LONG_NAME LONG_NAME},
		.server_name = LONG_NAME LONG_NAME LONG_NAME,
	},
	{
		.plan = {.from_client = true,
			 .server_name = LONG_NAME LONG_NAME LONG_NAME LONG_NAME},
	},
	{
		.plan = {.from_client = true, .extensions_none = true},
	},
	{
		/* What only the other end may say. */
		.plan = {.from_client = true, .version = TLS_1_3},
	},
	{
		.plan = {.server_name = "shop.example", .version = TLS_1_3, .key_share_sz = 1124},
		.version = TLS_1_3,
	},
	{
		.plan = {.protocols = {"http/1.1"}},
		.protocol = "http/1.1",
		.version = TLS_1_2,
	},
	{
		.plan = {.protocols = {"h2"}},
		.protocol = "h2",
		.version = TLS_1_2,
	},
	{
		/* One is chosen. */
		.plan = {.protocols = {"h2", "http/1.1"}},
		.version = TLS_1_2,
	},
	{
		.plan = {.protocols = {"\x01"}},
		.version = TLS_1_2,
	},
	{
		.plan = {.extensions_none = true},
		.version = TLS_1_2,
	},
	{
		.plan = {.version = 0x7f1c}, /* a draft */
	},
	{
		.plan = {.version = 0x0300},
	},
};

#define CNT(array) (sizeof(array) / sizeof(*(array)))

static int read_exact(const void *p, size_t n, struct tls_hello *hello, char **copy)
{
	*copy = malloc(n ? n : 1);
	memcpy(*copy, p, n);
	return tls_hello_read(slice_of(*copy, n), hello);
}

static void check_text(struct slice got, const char *want)
{
	assert_int_equal(got.n, want ? strlen(want) : 0);
	if (want)
		assert_memory_equal(got.p, want, got.n);
}

static void check_reading(const struct tls_hello *hello, const struct reading *want)
{
	assert_int_equal(hello->from_client, want->plan.from_client);
	check_text(hello->server_name, want->server_name);
	check_text(hello->protocol, want->protocol);
	assert_int_equal(hello->offers_h2, want->offers_h2);
	assert_int_equal(hello->version, want->version);
}

/* Whole, and with the message that follows in the same record, and with another record. */
static void test_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < CNT(readings); i++) {
		struct hello_text text = hello_of(&readings[i].plan);
		struct tls_hello hello;
		char *copy;

		for (int more = 0; more < 3; more++) {
			assert_int_equal(read_exact(text.p, text.n, &hello, &copy), 1);
			check_reading(&hello, &readings[i]);
			free(copy);
			put_bytes(&text, "\x0b\0\0\2..", 6);
			if (more == 0)
				set_length(&text, 5, 2);
		}
	}
}

/* Of each beginning: no more than is there, nothing that the whole would not say, and never an error. */
static void test_prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < CNT(readings); i++) {
		struct hello_text text = hello_of(&readings[i].plan);

		for (size_t n = 0; n < text.n; n++) {
			struct tls_hello hello;
			char *copy;

			assert_int_equal(read_exact(text.p, n, &hello, &copy), 0);
			if (hello.server_name.n)
				check_text(hello.server_name, readings[i].server_name);
			if (hello.protocol.n)
				check_text(hello.protocol, readings[i].protocol);
			assert_true(!hello.offers_h2 || readings[i].offers_h2);
			assert_true(!hello.version || hello.version == readings[i].version);
			free(copy);
		}
	}
}

/* Cut into two records: what the first one has is read, and no more is waited for. */
static void test_fragments(void **state)
{
	const struct reading *reading = &readings[0];
	struct hello_text text = hello_of(&reading->plan), cut = {.n = 0};
	struct tls_hello hello;
	char *copy;

	(void)state;
	put_bytes(&cut, text.p, text.n - 4);
	set_length(&cut, 5, 2);
	put_be(&cut, 3, 0x160301);
	put_be(&cut, 2, 4);
	put_bytes(&cut, text.p + text.n - 4, 4);
	assert_int_equal(read_exact(cut.p, cut.n, &hello, &copy), 1);
	check_text(hello.server_name, reading->server_name);
	assert_false(hello.offers_h2); /* that extension was not whole */
	free(copy);
}

/* Whatever is changed, nothing is read from outside of it (the sanitizer looks). */
static void test_changed(void **state)
{
	static const uint8_t values[] = {0, 1, 2, 0x10, 0x7f, 0x80, 0xff};
	unsigned int refused_cnt = 0;

	(void)state;
	for (size_t i = 0; i < CNT(readings); i++) {
		struct hello_text text = hello_of(&readings[i].plan);

		for (size_t at = 0; at < text.n; at++) {
			if (at > 200 && at < text.n - 200) /* a key */
				continue;
			for (size_t v = 0; v < sizeof(values); v++) {
				uint8_t was = text.p[at];
				struct tls_hello hello;
				char *copy;
				int read;

				text.p[at] = values[v];
				read = read_exact(text.p, text.n, &hello, &copy);
				refused_cnt += read == -EPROTO;
				if (read == -EPROTO)
					assert_false(hello.server_name.n || hello.protocol.n ||
						     hello.version);
				for (size_t n = 0; n < hello.server_name.n; n++)
					assert_in_range(hello.server_name.p[n], '-', 'z');
				assert_in_range(hello.server_name.n, 0, TLS_SERVER_NAME_MAX);
				free(copy);
				text.p[at] = was;
			}
		}
	}
	assert_true(refused_cnt > 100);
}

static void test_others(void **state)
{
	static const struct slice others[] = {
		SLICE("\x17\3\3\0\x23\x9a\x01\x02"),
		SLICE("\x15\3\3\0\2\2\x28"),
		SLICE("GET / HTTP/1.1\r\n"),
		SLICE("\x16\3\1\0\x40\4\0\0\x3c\3\3"),
	};

	(void)state;
	for (size_t i = 0; i < CNT(others); i++) {
		struct tls_hello hello;

		assert_int_equal(tls_hello_read(others[i], &hello), -EPROTO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),	  cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_fragments), cmocka_unit_test(test_changed),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
