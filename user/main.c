// SPDX-License-Identifier: Apache-2.0
/* The program's entry: reads the command line and starts the command. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "user/base/log.h"
#include "user/capture/examine.h"
#include "user/cli/cmd_config.h"
#include "user/cli/doctor_view.h"
#include "user/cli/help.h"
#include "user/cli/options.h"
#include "user/run.h"

static int run_doctor(const struct options *options)
{
	struct examination examination;
	struct utsname host;

	uname(&host);
	examine(config_variant_name(&options->config), &examination);
	doctor_view(stdout, options->json ? VIEW_JSON : VIEW_TEXT, options__colour(options),
		    host.release, host.machine, examination.capabilities, examination.cnt);
	return examination.blocked ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* What was printed must have arrived: a full disk makes a failure of a success. */
static int end_output(int code)
{
	if (!fflush(stdout) && !ferror(stdout))
		return code;
	log_error("cannot write to standard output");
	return code ?: EXIT_FAILURE;
}

static int run(struct options *options)
{
	switch (options->command) {
	case COMMAND_TRACE:
		return run_trace(options);
	case COMMAND_MAP:
		return end_output(run_map(options));
	case COMMAND_EXPLAIN:
		return end_output(run_explain(options));
	case COMMAND_PROFILE:
		return run_profile(options);
	case COMMAND_AGENT:
		return run_agent(options);
	case COMMAND_REPLAY:
		return run_replay(options);
	case COMMAND_REDACT:
		return end_output(run_redact(options));
	case COMMAND_SITES:
		return end_output(run_sites(options));
	case COMMAND_DOCTOR:
		return end_output(run_doctor(options));
	case COMMAND_CONFIG_CHECK:
	case COMMAND_CONFIG_PRINT:
	case COMMAND_CONFIG_DOC:
		return end_output(cmd_config(options, stdout, stderr));
	case COMMAND_VERSION:
		printf("sonde %s\n", SONDE_VERSION);
		return end_output(EXIT_SUCCESS);
	case COMMAND_HELP:
	case COMMAND_NONE:
		break;
	}
	help_print(options->topic, stdout);
	return end_output(EXIT_SUCCESS);
}

/* A file that is opened later must not become the standard output of who started without one. */
static void open_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	struct config_errors errors = {0};
	struct options options;
	int code = EXIT_USAGE;

	open_standard_files();
	if (options__parse(&options, argc, argv, &errors)) {
		config_errors__print(&errors, stderr);
	} else {
		log_set_level(options.config.log.level);
		code = run(&options);
	}
	options__free(&options);
	return code;
}
