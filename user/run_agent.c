// SPDX-License-Identifier: Apache-2.0
/* `sonde agent`: the daemon. Reloads on SIGHUP, delivers what it holds on SIGTERM. */
#include "user/run.h"

#include <stdlib.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/cli/account_line.h"
#include "user/control/health.h"
#include "user/pipeline.h"

#define POLL_MS 100
#define DELIVER_MS 5000
#define ACCOUNT_EVERY_NS 60000000000ull

struct agent {
	struct options *options;
	struct pipeline *_Atomic pipeline; /* the endpoint's thread reads it */
	struct health *health;
	struct health_gauge gauge;
};

static double connections_open(void *arg)
{
	const struct agent *agent = arg;
	const struct pipeline *pipeline = agent->pipeline;

	return pipeline ? pipeline__connection_cnt(pipeline) : 0;
}

static void append_metrics(FILE *out, void *arg)
{
	const struct agent *agent = arg;
	const struct pipeline *pipeline = agent->pipeline;

	if (pipeline)
		pipeline__write_metrics(pipeline, out);
}

static void tick(void *ctx)
{
	struct agent *agent = ctx;

	if (agent->health)
		health__tick(agent->health);
}

static int open_health(struct agent *agent)
{
	struct health_options o = {
		.listen = agent->options->config.control.listen,
		.version = SONDE_VERSION,
		.gauges = &agent->gauge,
		.gauges_cnt = 1,
		.append = append_metrics,
		.append_arg = agent,
	};
	char error[512];

	agent->gauge = (struct health_gauge){
		.name = "sonde_connections_open",
		.help = "Connections in the table",
		.read = connections_open,
		.arg = agent,
	};
	if (!o.listen)
		return 0;
	agent->health = health__new(&o, error, sizeof(error));
	if (agent->health)
		return 0;
	log_error("%s", error);
	return -1;
}

static void log_account(const char *when)
{
	char text[1024];

	account_text(text, sizeof(text));
	log_info("%s: %s", when, text);
}

static bool have_changed(const struct config_changes *changes, const char *section)
{
	for (size_t i = 0; i < changes->applied_cnt; i++)
		if (strncmp(changes->applied[i]->path, section, strlen(section)) == 0)
			return true;
	return false;
}

/* Only when they have changed: it is decided anew about every process. */
static void reload_targets(struct agent *agent, const struct config_changes *changes)
{
	bool targets = have_changed(changes, "targets.");
	char why[PIPELINE_WHY_SZ];

	if (targets && pipeline__retarget(agent->pipeline, why))
		log_error("the targets could not be reloaded: %s", why);
	if (targets || have_changed(changes, "tls."))
		pipeline__reprobe(agent->pipeline);
	if (have_changed(changes, "propagation."))
		pipeline__propagate(agent->pipeline);
}

static void reload(struct agent *agent)
{
	struct config_changes changes = {0};
	struct config_errors errors = {0};
	struct options fresh;

	if (options__parse(&fresh, agent->options->argc, agent->options->argv, &errors)) {
		for (unsigned int i = 0; i < errors.cnt; i++)
			log_error("%s", errors.text[i]);
		if (errors.more_cnt)
			log_error("and %u more", errors.more_cnt);
		log_error("the configuration is wrong and was not reloaded; the old one stays");
		options__free(&fresh);
		return;
	}
	config__reload(&agent->options->config, &fresh.config, &changes);
	for (size_t i = 0; i < changes.applied_cnt; i++)
		log_info("reloaded %s", changes.applied[i]->path);
	for (size_t i = 0; i < changes.restart_cnt; i++)
		log_warn("%s has changed and needs a restart", changes.restart[i]->path);
	log_set_level(agent->options->config.log.level);
	pipeline__reconfigure(agent->pipeline, &agent->options->config);
	reload_targets(agent, &changes);
	if (!changes.applied_cnt && !changes.restart_cnt)
		log_info("reloaded; nothing has changed");
	options__free(&fresh);
}

static void serve(struct agent *agent)
{
	uint64_t told_ns = clock_mono_ns();

	for (;;) {
		int taken;

		pipeline__poll(agent->pipeline, POLL_MS);
		taken = run_signals_take();
		if (taken & RUN_STOP)
			return;
		if (taken & RUN_RELOAD)
			reload(agent);
		if (clock_mono_ns() - told_ns > ACCOUNT_EVERY_NS) {
			told_ns = clock_mono_ns();
			log_account("so far");
		}
	}
}

int run_agent(struct options *options)
{
	struct agent agent = {.options = options};
	struct pipeline_options po = {
		.config = &options->config,
		.export_by_default = true,
		.with_policy = true,
		.sample_hz = options->config.profiles.enabled
				     ? (uint32_t)options->config.profiles.frequency_hz
				     : 0,
		.waits_hz = options->config.profiles.enabled
				    ? (uint32_t)options->config.profiles.off_cpu_hz
				    : 0,
		.profile_interval_ns = options->config.profiles.interval_ns,
		.lines = options->config.profiles.lines,
		.tick = tick,
		.tick_ctx = &agent,
	};
	char why[PIPELINE_WHY_SZ];
	int code = EXIT_FAILURE;

	log_set_timestamps(1);
	run_signals_catch();
	if (open_health(&agent))
		return EXIT_FAILURE;
	agent.pipeline = pipeline__new(&po, why);
	if (!agent.pipeline || pipeline__start(agent.pipeline, why)) {
		log_error("%s", why);
		goto cleanup;
	}
	if (agent.health)
		health__set_ready(agent.health, true);
	log_info("sonde %s is tracing; configuration: %s", SONDE_VERSION,
		 options->config_file ?: "defaults");
	serve(&agent);
	log_info("stopping");
	pipeline__stop(agent.pipeline, DELIVER_MS);
	log_account("in all");
	code = EXIT_SUCCESS;
cleanup:
	health__free(agent.health);
	pipeline__free(agent.pipeline);
	return code;
}
