// SPDX-License-Identifier: Apache-2.0
/* The doctor's report, as text and as JSON. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/cli/doctor_view.h"

static const struct capability capabilities[] = {
	{.name = "socket capture", .state = CAPABILITY_OK, .hook = "tp_btf/sock_send_length"},
	{
		.name = "process exit",
		.state = CAPABILITY_DEGRADED,
		.hook = "poll \033[31m",
		.why = "the kernel has no \"exit\" hook.",
		.todo = "Use Linux 5.8 or later.",
		.tried = "tp_btf: -EPERM; kprobe: -ENOENT",
	},
	{.name = "btf", .state = CAPABILITY_MISSING, .why = "/sys/kernel/btf is not there."},
};

static char *report(enum view_format format, bool colour, size_t cnt)
{
	size_t text_sz;
	char *text;
	FILE *out = open_memstream(&text, &text_sz);

	assert_int_equal(doctor_view(out, format, colour, "6.18.5", "x86_64", capabilities, cnt),
			 0);
	fclose(out);
	return text;
}

static void text(void **state)
{
	char *have = report(VIEW_TEXT, false, 3);

	(void)state;
	assert_string_equal(have, "Linux 6.18.5 on x86_64\n"
				  "\n"
				  "CAPABILITY      STATE     HOOK\n"
				  "socket capture  ok        tp_btf/sock_send_length\n"
				  "process exit    degraded  poll \\x1b[31m\n"
				  "    why    the kernel has no \"exit\" hook.\n"
				  "    to do  Use Linux 5.8 or later.\n"
				  "    tried  tp_btf: -EPERM; kprobe: -ENOENT\n"
				  "btf             missing   -\n"
				  "    why    /sys/kernel/btf is not there.\n");
	free(have);
	have = report(VIEW_TEXT, true, 3);
	assert_non_null(strstr(have, "\033[32mok\033[0m"));
	assert_non_null(strstr(have, "\033[33mdegraded\033[0m"));
	assert_non_null(strstr(have, "\033[31mmissing\033[0m"));
	assert_non_null(strstr(have, "\\x1b[31m"));
	free(have);
}

static void json(void **state)
{
	char *have = report(VIEW_JSON, true, 3);

	(void)state;
	assert_string_equal(
		have,
		"{\"kernel\":\"6.18.5\",\"arch\":\"x86_64\",\"capabilities\":["
		"{\"name\":\"socket capture\",\"state\":\"ok\","
		"\"hook\":\"tp_btf/sock_send_length\",\"why\":null,\"todo\":null,"
		"\"tried\":null},"
		"{\"name\":\"process exit\",\"state\":\"degraded\","
		"\"hook\":\"poll \\u001b[31m\",\"why\":\"the kernel has no \\\"exit\\\" hook.\","
		"\"todo\":\"Use Linux 5.8 or later.\","
		"\"tried\":\"tp_btf: -EPERM; kprobe: -ENOENT\"},"
		"{\"name\":\"btf\",\"state\":\"missing\",\"hook\":null,"
		"\"why\":\"/sys/kernel/btf is not there.\",\"todo\":null,\"tried\":null}]}\n");
	free(have);
	have = report(VIEW_JSON, false, 0);
	assert_string_equal(have,
			    "{\"kernel\":\"6.18.5\",\"arch\":\"x86_64\",\"capabilities\":[]}\n");
	free(have);
}

static void disk_full(void **state)
{
	FILE *out = fopen("/dev/full", "w");

	(void)state;
	if (!out)
		skip();
	for (int format = VIEW_TEXT; format <= VIEW_JSON; format++)
		assert_int_equal(doctor_view(out, (enum view_format)format, false, "6", "x",
					     capabilities, 3),
				 -ENOSPC);
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text),
		cmocka_unit_test(json),
		cmocka_unit_test(disk_full),
	};

	setenv("LC_ALL", "C.UTF-8", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
