/* SPDX-License-Identifier: Apache-2.0 */
/* A resolver and a profile of this process's own samples, for each test anew. */
#ifndef SONDE_TESTS_RESOLVER_RIG_H
#define SONDE_TESTS_RESOLVER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/account.h"
#include "user/base/procfs.h"
#include "user/profile/resolver.h"

static struct profile *profile;
static struct resolver *resolver;

static int set_up(void **state)
{
	(void)state;
	for (int i = 0; i < ACCOUNT_CNT; i++)
		account_set((enum account_entry)i, 0);
	profile = profile__new(1);
	resolver = resolver__new(NULL, NULL);
	return profile && resolver ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	resolver__free(resolver);
	profile__free(profile);
	return 0;
}

/* As record_sample.start_ns. */
static uint64_t start_of(uint32_t pid)
{
	int dir_fd = procfs_open("/proc", pid);
	struct procfs_stat stat;
	char text[1024];
	ssize_t len = procfs_read(dir_fd, "stat", text, sizeof(text));

	close(dir_fd);
	assert_true(len > 0 && procfs_parse_stat(slice_of(text, (size_t)len), &stat));
	return stat.start_ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

#endif
