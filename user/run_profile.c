// SPDX-License-Identifier: Apache-2.0
/* `sonde profile`: a pipeline whose samples become one profile, shown or written at the end. */
#include "user/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/log.h"
#include "user/cli/account_line.h"
#include "user/cli/profile_view.h"
#include "user/export/flame_svg.h"
#include "user/export/folded.h"
#include "user/export/pprof.h"
#include "user/session.h"

#define DELIVER_MS 5000

struct profiling {
	const struct options *options;
	struct profile *profile; /* once the pipeline has stopped */
	FILE *out;		 /* NULL: no file was asked for */
};

static void keep_profile(void *ctx, struct profile *profile)
{
	struct profiling *p = ctx;

	p->profile = profile;
}

/* Now rather than after minutes of sampling. */
static int open_output(struct profiling *p)
{
	const char *path = p->options->output_file;

	if (!path)
		return 0;
	p->out = fopen(path, "we");
	if (!p->out)
		log_error("cannot write %s: %s", path, strerror(errno));
	return p->out ? 0 : -errno;
}

/* "CPU profile of nginx", if it is one thing only. */
static void title_of(const struct profiling *p, char *title, size_t title_sz)
{
	const struct config *c = &p->options->config;
	const char *what = p->options->child_argv      ? p->options->child_argv[0]
			   : c->targets.names.cnt == 1 ? c->targets.names.v[0]
						       : NULL;

	snprintf(title, title_sz, "CPU profile%s%s", what ? " of " : "", what ?: "");
}

static int write_svg(const struct profiling *p)
{
	char title[256];

	title_of(p, title, sizeof(title));
	return flame_svg_write(p->profile, title, p->out);
}

static int write_folded(const struct profiling *p)
{
	return folded_write(p->profile, p->out);
}

static int write_pprof(const struct profiling *p)
{
	return pprof_write(p->profile, p->out);
}

static int write_output(const struct profiling *p)
{
	static int (*const writers[])(const struct profiling *p) = {
		[PROFILE_OUTPUT_SVG] = write_svg,
		[PROFILE_OUTPUT_FOLDED] = write_folded,
		[PROFILE_OUTPUT_PPROF] = write_pprof,
	};
	int err = writers[p->options->output](p);

	if (!err)
		log_info("wrote %s", p->options->output_file);
	return err;
}

/* Shows or writes what was found. code, or a failure. */
static int report(const struct profiling *p, int code)
{
	const struct options *o = p->options;
	int err = p->out ? write_output(p) : 0;

	if (err) {
		log_error("cannot write %s: %s", o->output_file, strerror(-err));
		return code ?: EXIT_FAILURE;
	}
	if (!p->profile->samples.cnt)
		log_warn("no samples: what was watched used no CPU time");
	err = p->out && !o->json ? 0
				 : profile_view(stdout, o->json ? VIEW_JSON : VIEW_TEXT,
						options__colour(o), terminal_width(), p->profile);
	if (err && err != -EPIPE) {
		log_error("cannot write to standard output: %s", strerror(-err));
		code = code ?: EXIT_FAILURE;
	}
	if (!p->out && !o->json && p->profile->samples.cnt)
		log_info("-o FILE.svg draws a flame graph of it");
	return code;
}

int run_profile(const struct options *options)
{
	struct profiling p = {.options = options};
	struct session session = {.options = options, .doing = "profiling"};
	struct pipeline_options po = {
		.config = &options->config,
		.profile_only = !options->spans,
		.sample_hz = options->frequency_hz,
		.sample_or_fail = true,
		.profile = keep_profile,
		.profile_ctx = &p,
	};
	int code = EXIT_FAILURE;

	if (open_output(&p) == 0 && session__start(&session, &po) == 0) {
		code = session__run(&session);
		pipeline__stop(session.pipeline, DELIVER_MS);
		if (p.profile)
			code = report(&p, code);
		account_line(stderr, options->json, NULL, 0);
	}
	session__free(&session);
	profile__free(p.profile);
	if (p.out)
		fclose(p.out);
	return code;
}
