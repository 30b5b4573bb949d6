// SPDX-License-Identifier: Apache-2.0
/* Commands that wait for their start: statuses, signals, and those that never run. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/child.h"
#include "user/base/log.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))

static void fork_shell(struct child *child, const char *script)
{
	char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};

	assert_int_equal(child__fork(child, argv), 0);
	assert_true(child->pid > 0);
	assert_false(child__ended(child)); /* it waits */
}

static void statuses(void **state)
{
	static const struct {
		const char *script;
		int status;
	} cases[] = {
		{"exit 0", 0},
		{"exit 7", 7},
		{"kill -TERM $$", 128 + 15},
		{"kill -9 $$", 128 + 9},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct child child;

		fork_shell(&child, cases[i].script);
		assert_int_equal(child__start(&child), 0);
		child__finish(&child);
		assert_true(child.ended && child__ended(&child));
		if (child.status != cases[i].status)
			fail_msg("%s: %d", cases[i].script, child.status);
		child__finish(&child); /* twice is the same */
	}
}

static void cannot_run(void **state)
{
	char *argv[] = {(char *)"/no/such/program", NULL};
	enum log_level level = log_get_level();
	struct child child;

	(void)state;
	log_set_level(LOG_ERROR - 1);
	assert_int_equal(child__fork(&child, argv), 0);
	log_set_level(level);
	assert_int_equal(child__start(&child), 0);
	child__finish(&child);
	assert_int_equal(child.status, CHILD_NOT_STARTED);
}

static void never_started(void **state)
{
	char path[] = "/tmp/sonde-child-XXXXXX", script[64];
	int fd = mkstemp(path);
	struct child child;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	snprintf(script, sizeof(script), "rm %s", path);
	fork_shell(&child, script);
	child__finish(&child);
	assert_int_equal(child.status, CHILD_NOT_STARTED);
	assert_int_equal(unlink(path), 0); /* still there */
}

static void signals(void **state)
{
	struct child child;

	(void)state;
	fork_shell(&child, "trap 'exit 3' TERM; kill -STOP $$; while :; do sleep 0.01; done");
	assert_int_equal(child__start(&child), 0);
	assert_false(child__ended(&child));
	child__signal(&child, SIGTERM); /* arrives when the shell goes on, however fast it was */
	while (!child__ended(&child)) {
		child__signal(&child, SIGCONT);
		usleep(1000);
	}
	assert_true(child.status == 3 || child.status == 128 + 15);
	child__signal(&child, SIGKILL); /* nobody to send it to */
	assert_int_not_equal(child.status, 128 + 9);
}

static void none(void **state)
{
	struct child child = {0};

	(void)state;
	assert_true(child__ended(&child));
	child__signal(&child, SIGKILL); /* not to pid 0, which is this process's group */
	child__finish(&child);
	assert_int_equal(child.status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses),	 cmocka_unit_test(cannot_run),
		cmocka_unit_test(never_started), cmocka_unit_test(signals),
		cmocka_unit_test(none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
