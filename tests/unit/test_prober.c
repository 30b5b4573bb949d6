// SPDX-License-Identifier: Apache-2.0
/*
 * user/probe/prober with real processes that map copies of the real OpenSSL. Only the kernel's side of a
 * probe is not there: what would be attached is counted.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/base/account.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/slice.h"
#include "user/probe/prober.h"

#define MS 1000000ull
#define LOOK_NS (20 * MS)
#define GRACE_NS (200 * MS)
#define CHILDREN_MAX 8
#define PATH_SZ 512

/* What the prober's thread and the test share. */
static _Atomic int attached, detached, tended, sites_min;
static _Atomic int attach_errno; /* what attaching fails with; 0: it does not */
static _Atomic uint32_t children[CHILDREN_MAX];
static char dir[64];

static bool is_child(void *ctx, uint32_t pid)
{
	(void)ctx;
	for (int i = 0; i < CHILDREN_MAX; i++)
		if (children[i] == pid)
			return true;
	return false;
}

/* The children have what the test program has: perhaps OpenSSL itself, which is not counted. */
static bool is_ours(int fd)
{
	char link[32], path[PATH_SZ];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path));
	return len > 0 && slice_starts_with(slice_of(path, (size_t)len), slice_str(dir));
}

static void *attach(void *ctx, int fd, const struct tls_sites *sites)
{
	bool *counted = malloc(sizeof(*counted));

	(void)ctx;
	if (!counted)
		abort();
	*counted = is_ours(fd);
	if (!*counted)
		return counted;
	if (strcmp(sites->library, "OpenSSL") != 0)
		abort();
	if ((int)sites->cnt < sites_min)
		sites_min = (int)sites->cnt;
	attached++;
	if (!attach_errno)
		return counted;
	free(counted);
	errno = attach_errno;
	return NULL;
}

static void detach(void *ctx, void *attachment)
{
	const bool *counted = attachment;

	(void)ctx;
	detached += *counted;
	free(attachment);
}

static void tend(void *ctx, void *attachment)
{
	const bool *counted = attachment;

	(void)ctx;
	tended += *counted;
}

/* --- files and processes ---------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
	static char path[PATH_SZ];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static char *read_library(size_t *n)
{
	static char *bytes;
	static size_t len;
	struct link_map *map;
	struct stat st;
	void *library;
	FILE *file;

	if (!bytes) {
		library = dlopen("libssl.so.3", RTLD_LAZY);
		assert_non_null(library);
		assert_int_equal(dlinfo(library, RTLD_DI_LINKMAP, &map), 0);
		assert_int_equal(stat(map->l_name, &st), 0);
		file = fopen(map->l_name, "re");
		len = (size_t)st.st_size;
		bytes = malloc(len);
		assert_int_equal(fread(bytes, 1, len, file), len);
		fclose(file);
		dlclose(library);
	}
	*n = len;
	return bytes;
}

static void write_file(const char *name, const char *bytes, size_t n)
{
	FILE *file = fopen(path_of(name), "we");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
}

static void write_library(const char *name)
{
	size_t n;
	const char *bytes = read_library(&n);

	write_file(name, bytes, n);
}

static void run_child(const char *path, int go_fd, int ready_fd)
{
	int fd = open(path, O_RDONLY);
	char go;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(go_fd, &go, 1) != 1 || fd < 0 ||
	    mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ||
	    write(ready_fd, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* A process that has the file mapped when this returns. */
static pid_t map_in_child(const char *name)
{
	int go[2], ready[2], slot = 0;
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		run_child(path_of(name), go[0], ready[1]);
	assert_true(pid > 0);
	while (children[slot])
		slot++;
	assert_true(slot < CHILDREN_MAX);
	children[slot] = (uint32_t)pid;
	assert_int_equal(write(go[1], &byte, 1), 1);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(go[0]);
	close(go[1]);
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < CHILDREN_MAX; i++)
		if (children[i] == (uint32_t)pid)
			children[i] = 0;
}

/* It may have counted on: a file that is being written is a new one more than once. */
static void wait_until(_Atomic int *counter, int value)
{
	uint64_t begin_ns = clock_mono_ns();

	while (*counter < value) {
		if (clock_mono_ns() - begin_ns > 20000 * MS)
			fail_msg("%d, expected %d", *counter, value);
		usleep(1000);
	}
}

static struct prober *start(const char *const *deny, size_t deny_cnt)
{
	const struct prober_options o = {
		.deny = deny,
		.deny_cnt = deny_cnt,
		.wanted = is_child,
		.attach = attach,
		.detach = detach,
		.tend = tend,
		.look_ns = LOOK_NS,
		.grace_ns = GRACE_NS,
	};
	struct prober *prober = prober__new(&o);

	assert_non_null(prober);
	return prober;
}

static struct prober *start_settled(void)
{
	struct prober *prober = start(NULL, 0);

	assert_true(prober__wait(prober, 60000 * MS));
	return prober;
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/sonde-prober-XXXXXX");
	attached = detached = tended = attach_errno = 0;
	sites_min = 1000;
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[PATH_SZ];

	(void)state;
	for (int i = 0; i < CHILDREN_MAX; i++)
		if (children[i])
			end_child((pid_t)children[i]);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* So long that whoever was gone before is known to be: a file of its own comes and goes. */
static void let_grace_pass(void)
{
	int attached_before = attached, detached_before = detached;
	pid_t pid;

	write_library("passing");
	pid = map_in_child("passing");
	wait_until(&attached, attached_before + 1);
	end_child(pid);
	wait_until(&detached, detached_before + 1);
	unlink(path_of("passing"));
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_older_and_later(void **state)
{
	struct prober *prober;
	pid_t older;

	(void)state;
	write_library("libssl.so.3");
	write_library("another name");
	older = map_in_child("libssl.so.3");
	prober = start_settled();
	assert_int_equal(attached, 1); /* no need to wait */
	map_in_child("another name");
	wait_until(&attached, 2);
	assert_true(sites_min >= 5);
	map_in_child("libssl.so.3"); /* one more that has it */
	end_child(older);
	let_grace_pass();
	assert_int_equal(attached, 3);
	assert_int_equal(detached, 1);
	prober__free(prober);
	assert_int_equal(detached, 3);
}

/* What is attached is looked after again and again, whatever else there is to do. */
static void test_tended(void **state)
{
	struct prober *prober = start_settled();

	(void)state;
	write_library("libssl.so.3");
	map_in_child("libssl.so.3");
	wait_until(&attached, 1);
	for (int i = 0; i < 3; i++) {
		int before = tended;
		uint64_t begin_ns = clock_mono_ns();

		while (tended == before && clock_mono_ns() - begin_ns < 20000 * MS)
			usleep(1000);
		assert_int_not_equal(tended, before);
	}
	prober__free(prober);
}

/* When the last one that has it is gone. A later one finds it all as if it were new. */
static void test_last_user(void **state)
{
	struct prober *prober = start_settled();
	pid_t one, other;

	(void)state;
	write_library("libssl.so.3");
	for (int i = 0; i < 3; i++) {
		one = map_in_child("libssl.so.3");
		other = map_in_child("libssl.so.3");
		wait_until(&attached, i + 1);
		end_child(other);
		end_child(one);
		wait_until(&detached, i + 1);
	}
	prober__free(prober);
}

static void test_replaced(void **state)
{
	struct prober *prober = start_settled();
	char old[PATH_SZ];
	pid_t pid;

	(void)state;
	write_library("libssl.so.3");
	pid = map_in_child("libssl.so.3");
	wait_until(&attached, 1);
	write_library("fresh");
	snprintf(old, sizeof(old), "%s/fresh", dir);
	assert_int_equal(rename(old, path_of("libssl.so.3")), 0);
	map_in_child("libssl.so.3");
	wait_until(&attached, 2);
	assert_int_equal(detached, 0); /* the old one still runs */
	end_child(pid);
	wait_until(&detached, 1);
	prober__free(prober);
}

/* Written over where it stands: probes would be in the middle of other instructions. */
static void test_overwritten(void **state)
{
	struct prober *prober = start_settled();
	size_t n;
	const char *bytes = read_library(&n);
	FILE *file;

	(void)state;
	write_library("libssl.so.3");
	map_in_child("libssl.so.3");
	wait_until(&attached, 1);
	file = fopen(path_of("libssl.so.3"), "r+e");
	assert_int_equal(fwrite(bytes, 1, n / 2, file), n / 2);
	assert_int_equal(fflush(file), 0);
	wait_until(&detached, 1);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	assert_int_equal(fwrite("", 1, 1, file), 1);
	fclose(file);
	map_in_child("libssl.so.3");
	wait_until(&attached, detached + 1);
	prober__free(prober);
	assert_int_equal(attached, detached);
}

static void test_deleted(void **state)
{
	struct prober *prober;

	(void)state;
	if (geteuid() != 0)
		skip(); /* only map_files still has it */
	write_library("libssl.so.3");
	map_in_child("libssl.so.3");
	unlink(path_of("libssl.so.3"));
	prober = start_settled();
	assert_int_equal(attached, 1);
	prober__free(prober);
}

static void test_denied(void **state)
{
	static const char *const deny[] = {"/nowhere/*", "*/sonde-prober-*/libssl.so.?*", "*/b"};
	struct prober *prober;

	(void)state;
	write_library("a");
	write_library("b");
	map_in_child("a");
	map_in_child("b");
	prober = start(deny, 3);
	assert_true(prober__wait(prober, 60000 * MS));
	assert_int_equal(attached, 1);
	prober__free(prober);
}

static void test_not_wanted(void **state)
{
	struct prober *prober;
	uint32_t pid;

	(void)state;
	write_library("libssl.so.3");
	pid = (uint32_t)map_in_child("libssl.so.3");
	children[0] = 0;
	prober = start_settled();
	assert_int_equal(attached, 0);
	children[0] = pid;
	prober__free(prober);
}

/* What only looks like a library is searched, once, and nothing comes of it. */
static void test_no_library(void **state)
{
	size_t n;
	const char *bytes = read_library(&n);
	uint64_t searched = account_get(ACCOUNT_FILES_SEARCHED);
	struct prober *prober;

	(void)state;
	write_file("libssl.so.3", "\177ELF and no more than that", 26);
	write_file("libssl.so.4", bytes, n / 2);
	write_file("libssl.so.5", bytes, 64);
	write_file("libgnutls.so.30", "", 0);
	map_in_child("libssl.so.3");
	map_in_child("libssl.so.4");
	map_in_child("libssl.so.5");
	map_in_child("libgnutls.so.30");
	prober = start_settled();
	map_in_child("libssl.so.4");
	let_grace_pass();
	prober__free(prober);
	assert_int_equal(attached, 1);
	/* Those, the one that came and went, and what a forked child has mapped as well. */
	assert_true(account_get(ACCOUNT_FILES_SEARCHED) - searched >= 5);
}

static void test_refused(void **state)
{
	uint64_t refused = account_get(ACCOUNT_PROBES_REFUSED);
	struct prober *prober;

	(void)state;
	write_library("libssl.so.3");
	attach_errno = EINVAL;
	map_in_child("libssl.so.3");
	prober = start_settled();
	assert_int_equal(attached, 1);
	assert_true(account_get(ACCOUNT_PROBES_REFUSED) - refused >= 5);
	attach_errno = 0;
	map_in_child("libssl.so.3");
	let_grace_pass();
	prober__free(prober);
	assert_int_equal(attached, 2); /* of the one that passed by */
	assert_int_equal(detached, 1);
}

static int descriptors(void)
{
	int cnt = 0;

	for (int fd = 0; fd < 1024; fd++)
		cnt += fcntl(fd, F_GETFD) >= 0;
	return cnt;
}

/* Begins and ends at any time. */
static void test_life(void **state)
{
	int before = descriptors();

	(void)state;
	write_library("libssl.so.3");
	map_in_child("libssl.so.3");
	for (int i = 0; i < 20; i++) {
		struct prober *prober = start(NULL, 0);

		if (i % 2)
			prober__wait(prober, (uint64_t)i * MS);
		prober__free(prober);
		assert_int_equal(attached, detached);
		assert_int_equal(descriptors(), before);
	}
	prober__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_older_and_later, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_last_user, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_overwritten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_deleted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_denied, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_wanted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_library, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_life, set_up, tear_down),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
