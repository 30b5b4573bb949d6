// SPDX-License-Identifier: Apache-2.0
/* `sonde profile`: a pipeline whose samples become one profile, shown or written at the end. */
#include "user/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/log.h"
#include "user/cli/account_line.h"
#include "user/cli/profile_view.h"
#include "user/export/firefox.h"
#include "user/export/flame_svg.h"
#include "user/export/folded.h"
#include "user/export/pprof.h"
#include "user/model/request_table.h"
#include "user/profile_diff.h"
#include "user/profile_live.h"
#include "user/session.h"

#define DELIVER_MS 5000

struct profiling {
	const struct options *options;
	struct profile *profile;	/* once the pipeline has stopped */
	FILE *out;			/* NULL: no file was asked for */
	struct request_table *requests; /* NULL: nothing is traced */
	struct request_shares shares;
	struct profile_diff *diff; /* NULL: it is not compared */
	struct profile_live *live; /* NULL: it is shown at the end only */
};

static void keep_profile(void *ctx, struct profile *profile)
{
	struct profiling *p = ctx;

	if (p->live)
		profile_live__take(p->live, profile);
	else
		p->profile = profile;
}

static bool turn(void *ctx, int signals)
{
	return profile_live__turn(((struct profiling *)ctx)->live, signals);
}

/* All that has come while it was shown. */
static void end_live(struct profiling *p)
{
	uint64_t missing;

	p->profile = profile_live__end(p->live, &missing);
	if (missing)
		log_warn("%llu samples found no room in the profile", (unsigned long long)missing);
}

static void note_requests(void *ctx, const struct span_batch *batch)
{
	struct profiling *p = ctx;

	for (uint32_t i = 0; i < batch->cnt; i++)
		request_table__add(p->requests, &batch->spans[i]);
}

/* Now rather than after minutes of sampling. */
static int open_output(struct profiling *p)
{
	const char *path = p->options->output_file;

	if (p->options->diff_file) {
		p->diff = profile_diff__new(p->options);
		if (!p->diff)
			return -EINVAL;
	}
	if (!path)
		return 0;
	p->out = fopen(path, "we");
	if (!p->out)
		log_error("cannot write %s: %s", path, strerror(errno));
	return p->out ? 0 : -errno;
}

/* "CPU profile of nginx, GET /users" or "Off-CPU profile of nginx", if it is one thing only. */
static void title_of(const struct profiling *p, char *title, size_t title_sz)
{
	const struct config *c = &p->options->config;
	const char *part = p->options->route ?: p->options->trace_id;
	const char *what = p->options->service	       ? p->options->service
			   : p->options->child_argv    ? p->options->child_argv[0]
			   : c->targets.names.cnt == 1 ? c->targets.names.v[0]
						       : NULL;

	snprintf(title, title_sz, "%s profile%s%s%s%s", p->options->off_cpu ? "Off-CPU" : "CPU",
		 what || part ? " of " : "", what ?: "", what && part ? ", " : "", part ?: "");
}

static int write_picture(const struct profiling *p)
{
	char title[256];
	struct flame_page page = {.html = p->options->output == PROFILE_OUTPUT_HTML};

	title_of(p, title, sizeof(title));
	if (p->diff)
		strncat(title, ", against what was before", sizeof(title) - strlen(title) - 1);
	page.title = slice_str(title);
	if (p->diff)
		return profile_diff__add(p->diff, p->profile)
			       ?: profile_diff__write(p->diff, &page, p->out);
	return flame_svg_write(p->profile, &page, p->out);
}

static int write_folded(const struct profiling *p)
{
	return folded_write(p->profile, p->out);
}

static int write_pprof(const struct profiling *p)
{
	return pprof_write(p->profile, p->out);
}

static int write_firefox(const struct profiling *p)
{
	char title[256];

	title_of(p, title, sizeof(title));
	return firefox_write(p->profile, title, p->out);
}

static int write_output(const struct profiling *p)
{
	static int (*const writers[])(const struct profiling *p) = {
		[PROFILE_OUTPUT_SVG] = write_picture,	  [PROFILE_OUTPUT_HTML] = write_picture,
		[PROFILE_OUTPUT_FOLDED] = write_folded,	  [PROFILE_OUTPUT_PPROF] = write_pprof,
		[PROFILE_OUTPUT_FIREFOX] = write_firefox,
	};
	int err = writers[p->options->output](p);

	if (!err)
		log_info("wrote %s", p->options->output_file);
	return err;
}

/* Leaves only those samples that are wanted, and says whose they are. 0 or -ENOMEM. */
static int sort_out(struct profiling *p)
{
	struct profile *kept;

	if (!p->requests)
		return 0;
	if (!request_table__filters(p->requests))
		return request_table__shares(p->requests, p->profile, &p->shares);
	kept = request_table__keep(p->requests, p->profile, &p->shares);
	if (!kept)
		return -ENOMEM;
	profile__free(p->profile);
	p->profile = kept;
	return 0;
}

static void warn_of_nothing(const struct profiling *p)
{
	char text[PROFILE_LEFT_OUT_SZ];

	if (profile_left_out(&p->shares, text))
		log_warn("no samples of such requests: %s", text);
	else
		log_warn("no samples: what was watched %s",
			 p->options->off_cpu ? "was not found waiting" : "used no CPU time");
}

/* Shows or writes what was found. code, or a failure. */
static int report(struct profiling *p, int code)
{
	const struct options *o = p->options;
	int err = sort_out(p);

	if (err) {
		log_error("cannot tell whose samples they are: %s", strerror(-err));
		return code ?: EXIT_FAILURE;
	}
	err = p->out ? write_output(p) : 0;
	if (err) {
		if (err != -ENODATA)
			log_error("cannot write %s: %s", o->output_file, strerror(-err));
		return code ?: EXIT_FAILURE;
	}
	if (!p->profile->samples.cnt)
		warn_of_nothing(p);
	err = p->out && !o->json
		      ? 0
		      : profile_view(stdout, o->json ? VIEW_JSON : VIEW_TEXT, options__colour(o),
				     terminal_width(), p->profile, p->requests ? &p->shares : NULL);
	if (err && err != -EPIPE) {
		log_error("cannot write to standard output: %s", strerror(-err));
		code = code ?: EXIT_FAILURE;
	}
	if (!p->out && !o->json && p->profile->samples.cnt)
		log_info("-o FILE.svg draws a flame graph of it");
	return code;
}

/* Requests are traced if samples are to be linked to them. 0 or -errno. */
static int open_requests(struct profiling *p)
{
	const struct request_filter filter = {
		.service = p->options->service,
		.route = p->options->route,
		.trace_id = p->options->trace_id,
	};

	if (!p->options->spans && !filter.service && !filter.route && !filter.trace_id)
		return 0;
	p->requests = request_table__new(&filter);
	if (!p->requests)
		log_error("cannot note requests: %s", strerror(errno));
	return p->requests ? 0 : -errno;
}

/* 0 or -errno. */
static int open_live(struct profiling *p, struct session *session, struct pipeline_options *po)
{
	if (!profile_live_wanted(p->options))
		return 0;
	p->live = profile_live__new(p->options, p->requests);
	if (!p->live) {
		log_error("cannot show a profile while it grows: out of memory");
		return -ENOMEM;
	}
	po->profile_interval_ns = PROFILE_LIVE_INTERVAL_NS;
	session->turn = turn;
	session->ctx = p;
	return 0;
}

int run_profile(const struct options *options)
{
	struct profiling p = {.options = options};
	struct session session = {.options = options, .doing = "profiling"};
	struct pipeline_options po = {
		.config = &options->config,
		.sample_hz = options->frequency_hz,
		.sample_or_fail = true,
		.off_cpu = options->off_cpu,
		.lines = true,
		.profile = keep_profile,
		.profile_ctx = &p,
	};
	int code = EXIT_FAILURE;

	if (options->diff_file && options->file)
		return profile_diff_files(options);
	if (open_output(&p) || open_requests(&p) || open_live(&p, &session, &po))
		goto cleanup;
	po.profile_only = !p.requests;
	po.show = p.requests ? note_requests : NULL;
	po.show_ctx = &p;
	if (session__start(&session, &po) == 0) {
		code = session__run(&session);
		if (p.live)
			profile_live__close(p.live);
		pipeline__stop(session.pipeline, DELIVER_MS);
		if (p.live)
			end_live(&p);
		if (p.profile)
			code = report(&p, code);
		account_line(stderr, options->json, NULL, 0);
	}
cleanup:
	session__free(&session); /* ends the thread that profiles come from */
	profile_live__free(p.live);
	profile_diff__free(p.diff);
	profile__free(p.profile);
	request_shares__free(&p.shares);
	request_table__free(p.requests);
	if (p.out)
		fclose(p.out);
	return code;
}
