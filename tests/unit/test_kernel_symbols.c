// SPDX-License-Identifier: Apache-2.0
/* user/profile/kernel_symbols: lines of /proc/kallsyms, the build-id in notes, what is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/profile/kernel_symbols.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))

static const struct {
	const char *line, *name; /* NULL: none */
	uint64_t address;
} lines[] = {
	{"ffffffff81000000 T _stext", "_stext", 0xffffffff81000000},
	{"ffffffff81000010 t foo.isra.0", "foo.isra.0", 0xffffffff81000010},
	{"ffffffff81000020 W weak", "weak", 0xffffffff81000020},
	{"ffffffffc0000000 t nf_hook\t[nf_tables]", "nf_hook", 0xffffffffc0000000},
	{"ffffffffc0000000 t bpf_prog_6deef7357e7b4530_sd_fw\t[bpf]",
	 "bpf_prog_6deef7357e7b4530_sd_fw", 0xffffffffc0000000},
	{"0000000000000000 T _stext", "_stext", 0},
	{"ffffffff82000000 D data", NULL, 0},
	{"ffffffff82000000 b bss", NULL, 0},
	{"ffffffff81000000 T ", NULL, 0},
	{"ffffffff81000000 T", NULL, 0},
	{"ffffffff81000000", NULL, 0},
	{"ffffffff81000000 Tx y", NULL, 0},
	{"fffffffff81000000 T x", NULL, 0},
	{" T x", NULL, 0},
	{"", NULL, 0},
};

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < CNT(lines); i++) {
		for (size_t n = 0; n <= strlen(lines[i].line); n++) {
			char *exact = malloc(n ?: 1);
			uint64_t address = 0;
			struct slice name;
			bool ok;

			memcpy(exact, lines[i].line, n);
			ok = kernel_symbol_parse(slice_of(exact, n), &address, &name);
			if (n == strlen(lines[i].line)) {
				if (ok != (lines[i].name != NULL))
					fail_msg("%s", lines[i].line);
				if (ok)
					assert_true(slice_eq(name, slice_str(lines[i].name)) &&
						    address == lines[i].address);
			}
			free(exact);
		}
	}
}

#define NOTE(name_sz, value_sz, type) name_sz "\0\0\0" value_sz "\0\0\0" type "\0\0\0"

static const struct {
	struct slice bytes;
	const char *build_id;
} notes[] = {
	{SLICE(NOTE("\4", "\4", "\3") "GNU\0\xde\xad\xbe\xef"), "deadbeef"},
	{SLICE(NOTE("\4", "\3", "\3") "GNU\0\xde\xad\xbe\0"), "deadbe"},
	{SLICE(NOTE("\4", "\5", "\6") "Xen\0hello\0\0\0" NOTE("\4", "\2", "\3") "GNU\0\1\2\0\0"),
	 "0102"},
	{SLICE(NOTE("\4", "\4", "\1") "GNU\0\xde\xad\xbe\xef"), ""},
	{SLICE(NOTE("\4", "\4", "\3") "GNX\0\xde\xad\xbe\xef"), ""},
	{SLICE(NOTE("\4", "\x50", "\3") "GNU\0\xde\xad\xbe\xef"), ""},
	{SLICE("\377\377\377\377\377\377\377\377\3\0\0\0GNU"), ""},
	{SLICE(""), ""},
};

static void test_notes(void **state)
{
	char build_id[KERNEL_BUILD_ID_SZ];

	(void)state;
	for (size_t i = 0; i < CNT(notes); i++)
		for (size_t n = 0; n <= notes[i].bytes.n; n++) {
			char *exact = malloc(n ?: 1);

			memcpy(exact, notes[i].bytes.p, n);
			kernel_notes_parse(slice_of(exact, n), build_id);
			free(exact);
			if (n == notes[i].bytes.n)
				assert_string_equal(build_id, notes[i].build_id);
		}
}

/* --- a file of our own ------------------------------------------------------------------------ */

static char root[] = "/tmp/sonde-kallsyms-XXXXXX", path[64];

static void write_file(const char *text)
{
	FILE *file = fopen(path, "w");

	fputs(text, file);
	fclose(file);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(root))
		return -1;
	snprintf(path, sizeof(path), "%s/kallsyms", root);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(path) || rmdir(root);
}

static void assert_name(struct kernel_symbols *k, uint64_t address, const char *name)
{
	assert_true(slice_eq(kernel_symbols__find(k, address), slice_str(name)));
}

static void test_find(void **state)
{
	struct kernel_symbols *k = kernel_symbols__new(root);

	(void)state;
	write_file("ffffffff81000000 T a\nffffffff81000100 t b\nffffffff81000200 D data\n"
		   "ffffffffc0000000 t m\t[mod]\n");
	assert_name(k, 0xffffffff81000000, "a");
	assert_name(k, 0xffffffff810000ff, "a");
	assert_name(k, 0xffffffff81000100, "b");
	assert_name(k, 0xffffffff80ffffff, "");
	assert_name(k, 0xffffffffc0000001, "m");
	/* Far from any function: of something newer, but the file is not read again at once. */
	write_file("ffffffffc0200000 t n\t[new]\n");
	assert_name(k, 0xffffffffc0200000, "");
	kernel_symbols__free(k);
}

static void test_hidden(void **state)
{
	struct kernel_symbols *k = kernel_symbols__new(root);

	(void)state;
	write_file("0000000000000000 T a\n0000000000000000 t b\n");
	assert_name(k, 0xffffffff81000000, "");
	kernel_symbols__free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_hidden),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
