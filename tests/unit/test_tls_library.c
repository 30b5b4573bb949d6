// SPDX-License-Identifier: Apache-2.0
/*
 * Files in which functions of TLS libraries are looked for: a small library of the fuzzer's seeds, whole, cut
 * anywhere, and with each of its bytes changed. Real libraries are in tests/e2e/test_sites.py.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "include/abi/tls.h"
#include "user/probe/tls_library.h"

#define SEED "tests/fuzz/corpus/code/library"
#define MACHINE_AT 18 /* in the header */

static char bytes[65536];
static size_t bytes_n;
static int fd;

static int setup(void **state)
{
	FILE *file = fopen(SEED, "rb");

	(void)state;
	assert_non_null(file);
	assert_int_equal(fgetc(file), 0); /* of the fuzzer */
	bytes_n = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	fd = memfd_create("library", MFD_CLOEXEC);
	return fd >= 0 && bytes_n > 1000 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return close(fd);
}

static int find(size_t n, struct tls_sites *sites)
{
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, bytes, n, 0), n);
	return tls_library_find(fd, sites);
}

static const struct tls_site *site_of(const struct tls_sites *sites, const char *functions)
{
	for (uint32_t i = 0; i < sites->cnt; i++)
		if (strcmp(sites->v[i].function, functions) == 0)
			return &sites->v[i];
	fail_msg("no site of %s; %s", functions, sites->why);
	return NULL;
}

static void test_whole(void **state)
{
	const struct tls_site *site;
	struct tls_sites sites;

	(void)state;
	assert_int_equal(find(bytes_n, &sites), 0);
	assert_string_equal(sites.library, "OpenSSL");
	assert_int_equal(sites.cnt, 4);
	/* Both begin with a sub of the stack pointer, and call one function. */
	site = site_of(&sites, "SSL_read_ex, SSL_read");
	assert_int_equal(site->cookie, TLS_COOKIE(TLS_READ, TLS_ANSWER_FLAG_3));
	assert_true(site->returns && site->insn.kind == INSN_PUSH);
	site = site_of(&sites, "SSL_write");
	assert_int_equal(site->cookie, TLS_COOKIE(TLS_WRITE, TLS_ANSWER_COUNT));
	/* One jumps to the other through a stub. */
	site = site_of(&sites, "SSL_do_handshake, SSL_connect");
	assert_int_equal(site->cookie, TLS_COOKIE(TLS_HANDSHAKE, TLS_ANSWER_NONE));
	site = site_of(&sites, "SSL_free");
	assert_true(!site->returns && site->insn.kind == INSN_BRANCH);
	assert_string_equal(sites.why,
			    "gnutls_record_recv_seq: the same code does something else too");
}

static void test_other_machine(void **state)
{
	struct tls_sites sites;
	char machine = bytes[MACHINE_AT];

	(void)state;
	bytes[MACHINE_AT] = (char)183;
	assert_int_equal(find(bytes_n, &sites), 0);
	bytes[MACHINE_AT] = machine;
	assert_string_equal(sites.library, "OpenSSL");
	assert_int_equal(sites.cnt, 0);
	assert_string_equal(sites.why, "aarch64: sites are known for x86-64 only");
}

static void assert_sane(const struct tls_sites *sites, size_t n)
{
	assert_true(sites->cnt <= TLS_SITES_MAX);
	for (uint32_t i = 0; i < sites->cnt; i++)
		assert_true(sites->v[i].file_off < n && sites->v[i].insn.emulated);
}

static void test_cut(void **state)
{
	struct tls_sites sites;

	(void)state;
	assert_int_equal(find(0, &sites), -EINVAL);
	for (size_t n = 1; n < bytes_n; n += n < 1200 ? 1 : 7) {
		int err = find(n, &sites);

		assert_true(err == 0 || err == -EINVAL);
		assert_sane(&sites, n);
	}
}

static void test_changed(void **state)
{
	struct tls_sites sites;

	(void)state;
	for (size_t i = 0; i < bytes_n; i++) {
		char was = bytes[i];

		bytes[i] = (char)(i % 3 == 0 ? 0xff : i % 3 == 1 ? 0 : was ^ 0x10);
		if (find(bytes_n, &sites) == 0)
			assert_sane(&sites, bytes_n);
		bytes[i] = was;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_other_machine),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_changed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
