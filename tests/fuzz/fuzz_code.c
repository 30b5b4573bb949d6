// SPDX-License-Identifier: Apache-2.0
/*
 * Programs and libraries in which functions to probe are looked for, and machine code in which a site is. The
 * first byte says which.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/check.h"
#include "user/base/log.h"
#include "user/probe/follow.h"
#include "user/probe/site_list.h"
#include "user/probe/tls_library.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n);

static int fd;

static void check_listed(void *ctx, const struct listed_function *function)
{
	uint64_t *file_sz = ctx;

	CHECK(function->name);
	for (int i = 0; function->readable && i < SITE_PROBE_CNT; i++)
		if (function->sites[i].fault == SITE_FOUND)
			CHECK(function->file_off + function->sites[i].site.off < *file_sz);
}

static void try_file(const uint8_t *bytes, size_t n)
{
	static const char *const names[] = {"SSL_read", "main"};
	struct tls_sites sites;
	uint64_t file_sz = n;

	CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, n, 0) == (ssize_t)n);
	if (tls_library_find(fd, &sites) == 0) {
		CHECK(sites.cnt <= TLS_SITES_MAX && (sites.library || !sites.cnt));
		for (uint32_t i = 0; i < sites.cnt; i++) {
			CHECK(sites.v[i].file_off < n && sites.v[i].insn.emulated);
			for (uint32_t k = 0; k < i; k++)
				CHECK(sites.v[k].file_off != sites.v[i].file_off);
		}
	}
	site_list_all(fd, check_listed, &file_sz);
	site_list_named(fd, names, 2, check_listed, &file_sz);
}

static void try_code(const uint8_t *code, size_t n)
{
	struct follow f;
	struct site site;
	int64_t target;
	size_t at = 0;

	for (unsigned int i = 0; i < 4; i++) {
		struct site_want want = {.registers = i & 1 ? 0xffff : 0, .is_return = i & 2};

		if (site_pick_x86(code, n, want, &site) == SITE_FOUND)
			CHECK(site.insn.emulated && site.off + site.insn.len <= n);
	}
	if (follow_x86(code, n, &f))
		for (int i = 0; i < ARGUMENTS_MAX; i++)
			CHECK(f.arguments[i] <= ARGUMENTS_MAX);
	while (follow_next_x86(code, n, &at, &target))
		CHECK(at <= n && (target < 0 || (uint64_t)target >= n));
	follow_stub_x86(code, n, &target);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_set_level(LOG_ERROR);
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	CHECK(fd >= 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	uint8_t *bytes = malloc(n);

	if (n > 0) {
		memcpy(bytes, input + 1, n - 1);
		if (input[0] & 1)
			try_code(bytes, n - 1);
		else
			try_file(bytes, n - 1);
	}
	free(bytes);
	return 0;
}
