// SPDX-License-Identifier: Apache-2.0
/* user/profile/cfi: instructions and the rows they make, every prefix of them, and broken entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/profile/cfi.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define START 0x1000
#define SIZE 0x100

/* Code 1, data -8, return address 16; addresses are 4 bytes, as they are. */
#define CIE_HEAD "\x01zR\0\x01\x78\x10\x01\x03"
#define CIE_SIGNAL "\x01zRS\0\x01\x78\x10\x01\x03"
#define CIE_START "\x0c\x07\x08\x90\x01" /* CFA rsp+8, return address at CFA-8 */

struct text {
	char bytes[4096];
	size_t n;
};

static void put(struct text *t, const void *bytes, size_t n)
{
	assert_true(t->n + n <= sizeof(t->bytes));
	memcpy(t->bytes + t->n, bytes, n);
	t->n += n;
}

static void put4(struct text *t, uint32_t number)
{
	put(t, &number, sizeof(number));
}

/* An entry; its id, of a function, is how far back the CIE is, which is the first entry. */
static void put_entry(struct text *t, bool cie, const void *bytes, size_t n)
{
	put4(t, (uint32_t)(4 + n));
	put4(t, cie ? 0 : (uint32_t)t->n);
	put(t, bytes, n);
}

static void put_function(struct text *t, uint32_t start, uint32_t size, const char *program,
			 size_t n)
{
	struct text f = {.n = 0};

	put4(&f, start);
	put4(&f, size);
	put(&f, "", 1); /* no augmentation */
	put(&f, program, n);
	put_entry(t, false, f.bytes, f.n);
}

struct out {
	char text[512];
	size_t n;
	unsigned int left; /* rows until it has enough */
};

static bool row(void *ctx, uint64_t address, const struct unwind_rule *r)
{
	static const char *const kinds[] = {"none", "?", "root", "signal", "frame", "", "*", "plt"};
	struct out *out = ctx;

	out->n += (size_t)snprintf(out->text + out->n, sizeof(out->text) - out->n, "%s%x:%s",
				   out->n ? " " : "", (unsigned int)address, kinds[r->cfa]);
	if (r->cfa >= UNWIND_CFA_REGISTER)
		out->n += (size_t)snprintf(out->text + out->n, sizeof(out->text) - out->n, "r%u%+d",
					   r->cfa_reg, r->cfa_off);
	if (r->cfa > UNWIND_CFA_REGISTER)
		out->n += (size_t)snprintf(out->text + out->n, sizeof(out->text) - out->n, "/%d",
					   r->cfa_post);
	if (r->fp)
		out->n += (size_t)snprintf(out->text + out->n, sizeof(out->text) - out->n,
					   ",fp%u%+d", r->fp, r->fp_off);
	if (r->ra)
		out->n += (size_t)snprintf(out->text + out->n, sizeof(out->text) - out->n, ",ra%u",
					   r->ra - 1);
	return --out->left > 0;
}

/* All that is found, in an allocation of its size. */
static void read_all(const struct text *t, size_t n, bool debug, struct out *out)
{
	char *exact = malloc(n ?: 1);
	struct cfi_section section = {.bytes = slice_of(exact, n), .debug = debug};
	struct cfi_index index;

	memcpy(exact, t->bytes, n);
	*out = (struct out){.left = 100};
	assert_int_equal(cfi_index(&section, &index), 0);
	for (size_t i = 0; i < index.cnt; i++) {
		assert_true(index.v[i].start < index.v[i].limit);
		assert_true(i == 0 || index.v[i - 1].limit <= index.v[i].start);
		cfi_rows(&section, &index.v[i], row, out);
	}
	free(index.v);
	free(exact);
}

static const struct {
	const char *program;
	size_t n;
	const char *rows;
} cases[] = {
#define CASE(program, rows)                        \
	{                                          \
		program, sizeof(program) - 1, rows \
	}
	CASE("", "1000:r7+8"),
	/* push rbp; mov rbp, rsp; ...; leave */
	CASE("\x41\x0e\x10\x86\x02\x43\x0d\x06\x50\x0c\x07\x08",
	     "1000:r7+8 1001:r7+16,fp1-16 1004:r6+16,fp1-16 1014:r7+8,fp1-16"),
	/* What changes nothing that matters is no row: rbx is saved. */
	CASE("\x41\x83\x02\x41\x0e\x18", "1000:r7+8 1002:r7+24"),
	CASE("\x02\x90\x0e\x10", "1000:r7+8 1090:r7+16"),
	CASE("\x03\x90\x00\x0e\x10", "1000:r7+8 1090:r7+16"),
	CASE("\x04\x90\x00\x00\x00\x0e\x10", "1000:r7+8 1090:r7+16"),
	CASE("\x01\x20\x10\x00\x00\x0e\x10", "1000:r7+8 1020:r7+16"),
	/* Behind its end it says nothing. */
	CASE("\x03\x00\x01\x0e\x10", "1000:r7+8"),
	CASE("\x41\x0a\x0e\x20\x42\x0b", "1000:r7+8 1001:r7+32 1003:r7+8"),
	CASE("\x86\x02\x41\xc6", "1000:r7+8,fp1-16 1001:r7+8"),
	CASE("\x86\x02\x41\x06\x06", "1000:r7+8,fp1-16 1001:r7+8"),
	CASE("\x05\x06\x03\x41\x08\x06", "1000:r7+8,fp1-24 1001:r7+8"),
	CASE("\x11\x06\x7f", "1000:r7+8,fp1+8"),
	CASE("\x12\x06\x7e", "1000:r6+16"),
	CASE("\x13\x7e", "1000:r7+16"),
	CASE("\x07\x10", "1000:root"),
	CASE("\x09\x10\x05", "1000:r7+8,ra5"),
	CASE("\x09\x06\x05", "1000:r7+8,fp3+0"),
	CASE("\x90\x02", "1000:?"),
	CASE("\x08\x10", "1000:?"),
	CASE("\x09\x07\x08", "1000:?"), /* the stack pointer is in r8 */
	/* *(rbp - 8), as gcc realigns stacks; *(rsp + 72) + 8, as OpenSSL's assembly has it */
	CASE("\x0f\x03\x76\x78\x06", "1000:*r6-8/0"),
	CASE("\x0f\x06\x77\xc8\x00\x06\x23\x08", "1000:*r7+72/8"),
	CASE("\x0f\x02\x76\x08", "1000:r6+8"),
	CASE("\x0f\x0b\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24\x22", "1000:pltr7+8/11"),
	CASE("\x0f\x0b\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24\x1c", "1000:?"),
	CASE("\x0f\x01\x9c", "1000:?"),
	CASE("\x0f\x03\x76\x78\x06\x41\x0e\x10", "1000:*r6-8/0 1001:?"),
	CASE("\x10\x06\x02\x76\x00", "1000:r7+8,fp2+0"),
	CASE("\x10\x06\x02\x77\x00", "1000:r7+8,fp3+0"),
	CASE("\x10\x10\x02\x76\x00", "1000:?"),
	CASE("\x16\x06\x02\x77\x00", "1000:r7+8,fp3+0"),
	CASE("\x14\x06\x01", "1000:r7+8,fp3+0"),
	CASE("\x2e\x10\x41\x0e\x10", "1000:r7+8 1001:r7+16"),
	/* What is not known, or cut, hides what follows, and nothing before. */
	CASE("\x41\x0e\x10\x41\x3d\x41\x0e\x08", "1000:r7+8 1001:r7+16 1002:?"),
	CASE("\x41\x0e\x10\x41\x0e\x80", "1000:r7+8 1001:r7+16 1002:?"),
	CASE("\x0b", "1000:?"),
	CASE("\x0c\x07\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "1000:?"),
	CASE("\x0c\x40\x08", "1000:?"),
	CASE("\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0e\x10\x41\x0b", "1000:r7+16 1001:?"),
};

static void test_programs(void **state)
{
	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct text t = {.n = 0};
		struct out out;

		put_entry(&t, true, CIE_HEAD CIE_START, sizeof(CIE_HEAD CIE_START) - 1);
		put_function(&t, START, SIZE, cases[i].program, cases[i].n);
		read_all(&t, t.n, false, &out);
		assert_string_equal(out.text, cases[i].rows);
		for (size_t n = 0; n < t.n; n++) {
			read_all(&t, n, false, &out);
			assert_string_equal(out.text, "");
		}
	}
}

/* Functions in any order; of those that overlap, the one that begins later holds. */
static void test_functions(void **state)
{
	struct text t = {.n = 0};
	struct out out;

	(void)state;
	put_entry(&t, true, CIE_HEAD CIE_START, sizeof(CIE_HEAD CIE_START) - 1);
	put_function(&t, 0x3000, 0x10, "\x0e\x30", 2);
	put_function(&t, 0x1000, 0x100, "\x0e\x10\x60\x0e\x11", 5);
	put_function(&t, 0x1010, 0x10, "\x0e\x20", 2);
	put_function(&t, 0x1010, 0x8, "\x0e\x28", 2);
	put_function(&t, 0x5000, 0, "", 0);
	put_function(&t, 0, 0x10, "", 0);
	read_all(&t, t.n, false, &out);
	assert_string_equal(out.text, "1000:r7+16 1010:r7+32 3000:r7+48");
	put4(&t, 0); /* the end */
	put_function(&t, 0x7000, 0x10, "", 0);
	read_all(&t, t.n, false, &out);
	assert_string_equal(out.text, "1000:r7+16 1010:r7+32 3000:r7+48");
}

static void test_signal(void **state)
{
	struct text t = {.n = 0};
	struct out out;

	(void)state;
	put_entry(&t, true, CIE_SIGNAL CIE_START, sizeof(CIE_SIGNAL CIE_START) - 1);
	put_function(&t, START, SIZE, "\x41\x0e\x10", 3);
	read_all(&t, t.n, false, &out);
	assert_string_equal(out.text, "1000:signal");
}

/* Entries that are not believed; the next one is read all the same. */
static void test_broken(void **state)
{
	static const struct {
		const char *cie;
		size_t n;
	} broken[] = {
#define BROKEN(cie) {cie, sizeof(cie) - 1}
		BROKEN("\x02zR\0\x01\x78\x10\x01\x03"), /* version */
		BROKEN("\x01zR\0\x01\x78\x11\x01\x03"), /* return address */
		BROKEN("\x01"
		       "eh\0\x01\x78\x10"),		/* augmentation */
		BROKEN("\x01zR\0\x01\x78\x10\x01\xff"), /* no address */
		BROKEN("\x01zR\0\x01\x78\x10\x01\x83"), /* an address of an address */
		BROKEN("\x01zR\0\x01\x78\x10\x7f\x03"), /* longer than it is */
		BROKEN("\x01zR"),
		BROKEN(""),
	};
	(void)state;
	for (size_t i = 0; i < CNT(broken); i++) {
		struct text t = {.n = 0};
		struct out out;
		uint32_t back;
		size_t good;

		put_entry(&t, true, broken[i].cie, broken[i].n);
		put_function(&t, START, SIZE, "", 0);
		good = t.n;
		put_entry(&t, true, CIE_HEAD CIE_START, sizeof(CIE_HEAD CIE_START) - 1);
		put_function(&t, START + SIZE, SIZE, "", 0);
		/* That one's CIE is the second, not the first entry. */
		back = (uint32_t)(t.n - 13 - good);
		memcpy(t.bytes + t.n - 13, &back, sizeof(back));
		read_all(&t, t.n, false, &out);
		assert_string_equal(out.text, "1100:r7+8");
	}
}

static void test_debug_frame(void **state)
{
	static const char cie[] = "\xff\xff\xff\xff\x03\0\x01\x78\x10" CIE_START;
	struct text t = {.n = 0};
	struct out out;
	uint64_t n = 0x20, start = 0x400000;

	(void)state;
	put4(&t, sizeof(cie) - 1);
	put(&t, cie, sizeof(cie) - 1);
	put4(&t, 4 + 16 + 3);
	put4(&t, 0);
	put(&t, &start, 8);
	put(&t, &n, 8);
	put(&t, "\x44\x0e\x28", 3);
	read_all(&t, t.n, true, &out);
	assert_string_equal(out.text, "400000:r7+8 400004:r7+40");
}

/* A row that asks for no more is the last. */
static void test_enough(void **state)
{
	static const char program[] = "\x41\x0e\x10\x41\x0e\x18";
	struct cfi_section section = {0};
	struct out out = {.left = 2};
	struct text t = {.n = 0};
	struct cfi_index index;

	(void)state;
	put_entry(&t, true, CIE_HEAD CIE_START, sizeof(CIE_HEAD CIE_START) - 1);
	put_function(&t, START, SIZE, program, sizeof(program) - 1);
	section.bytes = slice_of(t.bytes, t.n);
	assert_int_equal(cfi_index(&section, &index), 0);
	cfi_rows(&section, &index.v[0], row, &out);
	assert_string_equal(out.text, "1000:r7+8 1001:r7+16");
	free(index.v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_programs),    cmocka_unit_test(test_functions),
		cmocka_unit_test(test_signal),	    cmocka_unit_test(test_broken),
		cmocka_unit_test(test_debug_frame), cmocka_unit_test(test_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
