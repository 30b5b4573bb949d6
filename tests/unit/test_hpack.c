// SPDX-License-Identifier: Apache-2.0
/* Header compression: the examples of RFC 7541, tables that are not known, and hostile blocks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/protocols/hpack.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

/* All 256 symbols in order, as another implementation codes them. */
static const char all_symbols[] =
	"\xff\xc7\xff\xfd\x8f\xff\xff\xe2\xff\xff\xfe\x3f\xff\xff\xe4\xff\xff\xfe\x5f\xff"
	"\xff\xe6\xff\xff\xfe\x7f\xff\xff\xe8\xff\xff\xea\xff\xff\xff\xf3\xff\xff\xfa\x7f"
	"\xff\xff\xab\xff\xff\xff\xdf\xff\xff\xeb\xff\xff\xfe\xcf\xff\xff\xed\xff\xff\xfe"
	"\xef\xff\xff\xef\xff\xff\xff\x0f\xff\xff\xf1\xff\xff\xff\x2f\xff\xff\xff\xbf\xff"
	"\xff\xcf\xff\xff\xfd\x3f\xff\xff\xd7\xff\xff\xfd\xbf\xff\xff\xdf\xff\xff\xfe\x3f"
	"\xff\xff\xe7\xff\xff\xfe\xbf\xff\xff\xed\x4f\xe3\xf9\xff\xaf\xfc\xab\xf1\xfe\xbf"
	"\xaf\xef\xe7\xfd\xfd\x2c\xbb\x00\x08\x99\x69\xb7\x1d\x79\xfb\x9f\x7f\xff\x20\xff"
	"\xbf\xf3\xff\x50\xdd\xbd\x7f\x06\x1c\x58\xf2\x65\xcd\x9f\x46\x9d\x5a\xf6\x6d\xdd"
	"\xbf\x87\x1e\x5f\x9c\xff\x7f\xf7\xff\xfc\x3f\xf9\xff\xe4\x5f\xff\x47\x19\x24\x2c"
	"\xb3\x4e\x6e\x9d\x68\xa6\xa3\xd7\xda\xc4\x26\xde\xfe\x3c\xfa\xf7\xff\xfb\xfe\x7f"
	"\xfb\xff\xdf\xff\xff\xfc\xff\xfe\x6f\xff\xf4\xbf\xff\x9f\xff\xfa\x3f\xff\xd3\xff"
	"\xff\x53\xff\xfd\x5f\xff\xfb\x3f\xff\xeb\x7f\xff\xda\xff\xff\xb7\xff\xff\x73\xff"
	"\xfe\xef\xff\xfd\xef\xff\xfe\xbf\xff\xfb\xff\xff\xfd\x9f\xff\xfd\xbf\xff\xeb\xff"
	"\xff\xe0\xff\xff\xee\xff\xff\xc3\xff\xff\x8b\xff\xff\x1f\xff\xfe\x4f\xff\xee\x7f"
	"\xff\xb1\xff\xff\x97\xff\xfd\x9f\xff\xfc\xdf\xff\xf9\xff\xff\xfb\xff\xff\xda\xff"
	"\xfe\xef\xff\xf4\xff\xff\xb7\xff\xfe\xe7\xff\xfe\x8f\xff\xfd\x3f\xff\xde\xff\xff"
	"\xd5\xff\xfe\xef\xff\xfb\xdf\xff\xfe\x1f\xff\xdf\xff\xff\x7f\xff\xff\x5f\xff\xfe"
	"\xcf\xff\xf0\x7f\xff\x87\xff\xfe\x0f\xff\xf1\x7f\xff\xed\xff\xff\x87\xff\xff\x77"
	"\xff\xfe\xff\xff\xea\xff\xff\x8b\xff\xfe\x3f\xff\xf9\x3f\xff\xf8\x7f\xff\xcb\xff"
	"\xff\x37\xff\xff\x1f\xff\xff\x83\xff\xff\xe1\xff\xfe\xbf\xff\xe3\xff\xff\x3f\xff"
	"\xff\x2f\xff\xfa\x3f\xff\xfd\x9f\xff\xff\x17\xff\xff\xc7\xff\xff\xf2\x7f\xff\xfd"
	"\xef\xff\xff\xbf\xff\xff\xf2\xff\xff\xf8\xff\xff\xfb\x7f\xff\x97\xff\xf8\xff\xff"
	"\xfe\x6f\xff\xff\xc1\xff\xff\xf8\x7f\xff\xfe\x7f\xff\xff\xc5\xff\xff\xe5\xff\xfe"
	"\x4f\xff\xf2\xff\xff\xfd\x1f\xff\xff\x4f\xff\xff\xfe\xff\xff\xfe\x3f\xff\xff\xc9"
	"\xff\xff\xf9\x7f\xff\xb3\xff\xff\xcf\xff\xfb\x7f\xff\xcd\xff\xff\x4f\xff\xf9\xff"
	"\xff\xd1\xff\xff\xcf\xff\xfe\xaf\xff\xfa\xff\xff\xfd\xdf\xff\xfe\xff\xff\xff\x4f"
	"\xff\xff\x5f\xff\xff\xab\xff\xff\xa7\xff\xff\xd7\xff\xff\xf9\xbf\xff\xfe\xcf\xff"
	"\xff\xb7\xff\xff\xf3\xff\xff\xfe\x8f\xff\xff\xd3\xff\xff\xfa\xbf\xff\xff\x5f\xff"
	"\xff\xff\x7f\xff\xfe\xcf\xff\xff\xdb\xff\xff\xfb\xbf\xff\xff\x7f\xff\xff\xf0\xff"
	"\xff\xfb\xbf";

/* The fields of a block as text: "name: value", with ? for what is not known. */
static const char *read_block(struct hpack *table, struct slice block)
{
	static char text[8192];
	struct hpack_field field;
	size_t n = 0;

	text[0] = '\0';
	while (block.n) {
		char *exact = malloc(block.n), value[2048];
		ssize_t taken, value_len = -1;

		memcpy(exact, block.p, block.n);
		taken = hpack_read(table, slice_of(exact, block.n), &field);
		if (taken > 0 && field.value_known) {
			assert_true(field.value.n <= sizeof(value));
			value_len = (ssize_t)field.value.n;
			if (field.coded)
				value_len = hpack_decode(field.value, value, sizeof(value));
			else if (field.value.n)
				memcpy(value, field.value.p, field.value.n);
		}
		free(exact);
		if (taken <= 0) {
			snprintf(text + n, sizeof(text) - n, "%s", taken ? "error\n" : "short\n");
			return text;
		}
		block = slice_after(block, (size_t)taken);
		if (field.none)
			continue;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s: %.*s\n",
				      field.name_known ? (int)field.name.n : 1,
				      field.name_known ? field.name.p : "?",
				      value_len < 0 ? 1 : (int)value_len,
				      value_len < 0 ? "?" : value);
		assert_true(n < sizeof(text));
	}
	return text;
}

struct block_case {
	struct slice block;
	const char *want;
};

/* In order, on one table. */
static void check_blocks(const struct block_case *cases, size_t cases_cnt)
{
	struct hpack *table = calloc(1, sizeof(*table));

	for (size_t i = 0; i < cases_cnt; i++)
		assert_string_equal(read_block(table, cases[i].block), cases[i].want);
	free(table);
}

/* Appendix C.2: one field each. */
static const struct block_case field_cases[] = {
	{SLICE("\x40\x0a"
	       "custom-key\x0d"
	       "custom-header"),
	 "custom-key: custom-header\n"},
	{SLICE("\x04\x0c/sample/path"), ":path: /sample/path\n"},
	{SLICE("\x10\x08password\x06secret"), "password: secret\n"},
	{SLICE("\x82"), ":method: GET\n"},
	{SLICE("\xbe"), "custom-key: custom-header\n"},
};

/* Appendix C.6: responses, Huffman coded, in a table of which entries are evicted. */
static const struct block_case response_cases[] = {
	{SLICE("\x48\x82\x64\x02\x58\x85\xae\xc3\x77\x1a\x4b\x61\x96\xd0\x7a\xbe\x94\x10\x54\xd4"
	       "\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff\x6e\x91\x9d\x29\xad"
	       "\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3"),
	 ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n"
	 "location: https://www.example.com\n"},
	{SLICE("\x48\x83\x64\x0e\xff\xc1\xc0\xbf"),
	 ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n"
	 "location: https://www.example.com\n"},
	{SLICE("\x88\xc1\x61\x96\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66"
	       "\xe0\x84\xa6\x2d\x1b\xff\xc0\x5a\x83\x9b\xd9\xab\x77\xad\x94\xe7\x82\x1d\xd7\xf2"
	       "\xe6\xc7\xb3\x35\xdf\xdf\xcd\x5b\x39\x60\xd5\xaf\x27\x08\x7f\x36\x72\xc1\xab\x27"
	       "\x0f\xb5\x29\x1f\x95\x87\x31\x60\x65\xc0\x03\xed\x4e\xe5\xb1\x06\x3d\x50\x07"),
	 ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n"
	 "location: https://www.example.com\ncontent-encoding: gzip\n"
	 "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n"},
};

/* What was inserted before we came is not known; its values may be replaced, its names not. */
static const struct block_case join_cases[] = {
	{SLICE("\xbe\xc0"), "?: ?\n?: ?\n"},
	{SLICE("\x7e\x01v"), "?: v\n"},
	{SLICE("\x40\x01n\x01w\xbe\xbf\xc0"), "n: w\nn: w\n?: v\n?: ?\n"},
	{SLICE("\x20\x3f\xe1\x1f\xbe"), "n: w\n"},
	{SLICE("\x40\x01m\x81\xff\xbe"), "m: ?\nm: ?\n"}, /* bad coding costs the value */
	{SLICE("\x40\x81\x00\x01v\xbe"), "?: v\n?: v\n"},
};

static const struct block_case bad_cases[] = {
	{SLICE("\x80"), "error\n"},
	{SLICE("\xff\xff\xff\xff\xff\xff\x01"), "error\n"},
	{SLICE("\x40\x7f\xff\xff\xff\x7f"), "error\n"},
	{SLICE("\x40\x05na"), "short\n"},
	{SLICE("\x40\x01n\x7f"), "short\n"},
	{SLICE("\xff\x80"), "short\n"},
	{SLICE("\xbe"), "?: ?\n"}, /* nothing of it went into the table */
};

static void test_examples(void **state)
{
	(void)state;
	check_blocks(field_cases, LEN(field_cases));
	check_blocks(response_cases, LEN(response_cases));
}

static void test_unknown(void **state)
{
	(void)state;
	check_blocks(join_cases, LEN(join_cases));
	check_blocks(bad_cases, LEN(bad_cases));
}

static void test_forgotten(void **state)
{
	struct hpack *table = calloc(1, sizeof(*table));

	(void)state;
	assert_string_equal(read_block(table, SLICE("\x40\x01n\x01w\xbe")), "n: w\nn: w\n");
	hpack_forget(table);
	assert_string_equal(read_block(table, SLICE("\xbe\x40\x01o\x01x\xbe\xbf")),
			    "?: ?\no: x\no: x\n?: ?\n");
	free(table);
}

static void test_huffman(void **state)
{
	struct slice coded = slice_of(all_symbols, sizeof(all_symbols) - 1);
	unsigned char decoded[256];

	(void)state;
	assert_true(hpack_decoded_max(coded.n) >= sizeof(decoded));
	assert_int_equal(hpack_decode(coded, (char *)decoded, sizeof(decoded)), 256);
	for (unsigned int i = 0; i < 256; i++)
		assert_int_equal(decoded[i], i);
	for (size_t sz = 0; sz < sizeof(decoded); sz++)
		assert_int_equal(hpack_decode(coded, (char *)decoded, sz), sz);
	for (size_t n = 0; n < coded.n; n++) /* cut within a symbol, or at its end */
		assert_true(hpack_decode(slice_first(coded, n), (char *)decoded, 256) < 256);
	assert_int_equal(hpack_decode(SLICE("\xff\xff\xff\xff"), (char *)decoded, 256), -EPROTO);
	assert_int_equal(hpack_decode(SLICE("\x1f\xff"), (char *)decoded, 256), -EPROTO);
}

static void insert_filled(struct hpack *table, char letter, size_t len)
{
	char block[2048] = "\x40\x01n\x7f";

	block[4] = (char)((len - 127) % 128 | 128);
	block[5] = (char)((len - 127) / 128);
	memset(block + 6, letter, len);
	read_block(table, slice_of(block, 6 + len));
}

/* A value that goes wrong in the end has been written over another one by then. */
static void test_bad_coding(void **state)
{
	char block[68] = "\x40\x01n\xc0";
	struct hpack *table = calloc(1, sizeof(*table));

	(void)state;
	memset(block + 4, 0x18, 60);
	memset(block + 64, 0xff, 4);
	read_block(table, SLICE("\x40\x01n\x02zz"));
	for (int i = 0; i < 4; i++)
		insert_filled(table, (char)('a' + i), 1000);
	insert_filled(table, 'e', 700);
	insert_filled(table, 'f', HPACK_TEXT_SZ - 3 - 4 * 1001 - 701 - 1); /* the text is full */
	assert_string_equal(read_block(table, slice_of(block, sizeof(block))), "n: ?\n");
	assert_string_equal(read_block(table, SLICE("\xc4")), "?: ?\n");
	assert_memory_equal(read_block(table, SLICE("\xc3")), "n: bbb", 6);
	free(table);
}

/* Insertions beyond what is kept, compared with a list of all of them. */
static void test_random(void **state)
{
	enum {
		CNT = 3000
	};
	struct hpack *table = calloc(1, sizeof(*table));
	size_t *lens = calloc(CNT, sizeof(*lens)), known = 0;

	(void)state;
	srand(1);
	for (size_t i = 0; i < CNT; i++) {
		char block[2048] = "\x40\x01n", want[2048];
		size_t len = rand() % 4 ? (size_t)rand() % 60 : (size_t)rand() % 1200, back, n = 3;

		lens[i] = len;
		block[n++] = (char)(len < 127 ? len : 127);
		if (len >= 127) {
			block[n++] = (char)((len - 127) % 128 | 128);
			block[n++] = (char)((len - 127) / 128);
		}
		memset(block + n, 'a' + (int)(i % 26), len);
		read_block(table, slice_of(block, n + len));
		back = (size_t)rand() % 64;
		if (back > i)
			continue;
		block[0] = (char)(0x80 | (62 + back));
		memset(want, 'a' + (int)((i - back) % 26), lens[i - back]);
		n = (size_t)snprintf(block + 8, 2000, "n: %.*s\n", (int)lens[i - back], want);
		if (strcmp(read_block(table, slice_of(block, 1)), "?: ?\n") == 0)
			continue;
		known++;
		if (lens[i - back] > HPACK_VALUE_MAX)
			assert_string_equal(read_block(table, slice_of(block, 1)), "n: ?\n");
		else
			assert_string_equal(read_block(table, slice_of(block, 1)), block + 8);
	}
	assert_true(known > CNT / 4);
	free(lens);
	free(table);
}

/*
 * All that an encoder may refer to, whose table has the size that is the default, is known, and what is
 * known is true: also when gigabytes of text have passed.
 */
static void check_default_size(uint32_t text_end)
{
	enum {
		CNT = 1000
	};
	struct hpack *table = calloc(1, sizeof(*table));
	size_t *lens = calloc(CNT, sizeof(*lens));

	table->end = text_end;
	srand(2);
	for (size_t i = 0; i < CNT; i++) {
		size_t sz = 0, len = 127 + (size_t)rand() % (HPACK_VALUE_MAX - 126);

		lens[i] = len;
		insert_filled(table, (char)('a' + i % 26), len);
		for (size_t back = 0; back <= i && back < 60; back++) {
			const char ref = (char)(0x80 | (62 + back));
			const char *text = read_block(table, slice_of(&ref, 1));

			sz += 33 + lens[i - back];
			if (sz > 4096 && strcmp(text, "?: ?\n") == 0)
				break;
			assert_int_equal(strlen(text), lens[i - back] + 4);
			for (size_t k = 0; k < lens[i - back]; k++)
				assert_int_equal(text[3 + k], 'a' + (i - back) % 26);
		}
	}
	free(lens);
	free(table);
}

static void test_default_size(void **state)
{
	(void)state;
	check_default_size(0);
	check_default_size((1u << 31) - 300000);
	for (uint32_t left = 1000; left < 100000; left += 10000)
		check_default_size(UINT32_MAX - left);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),     cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_forgotten),    cmocka_unit_test(test_huffman),
		cmocka_unit_test(test_random),	     cmocka_unit_test(test_bad_coding),
		cmocka_unit_test(test_default_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
