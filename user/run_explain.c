// SPDX-License-Identifier: Apache-2.0
/* `sonde explain`: spans, live, from a recording or from a file, of which slow ones are compared with typical ones. */
#include "user/run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/log.h"
#include "user/cli/explain_view.h"
#include "user/export/flame_diff.h"
#include "user/model/contrast.h"
#include "user/session.h"

#define DELIVER_MS 5000

struct explaining {
	const struct options *options;
	struct contrast *contrast;
	struct profile *profile; /* once the pipeline has stopped; NULL: no samples */
	FILE *out;		 /* NULL: no picture was asked for */
};

static void take(void *ctx, const struct span *span)
{
	contrast__add(((struct explaining *)ctx)->contrast, span);
}

static void show(void *ctx, const struct span_batch *batch)
{
	for (uint32_t i = 0; i < batch->cnt; i++)
		take(ctx, &batch->spans[i]);
}

static void keep_profile(void *ctx, struct profile *profile)
{
	((struct explaining *)ctx)->profile = profile;
}

/* --- what is said ----------------------------------------------------------------------------- */

/* Why there is nothing to compare, and what to do. */
static void say_why(const struct options *o, const struct contrast_result *r)
{
	bool chosen = o->route || o->service;

	if (r->status == CONTRAST_NO_TRACE)
		log_error("no request%s was seen in a trace that begins with %s",
			  chosen ? " that fits" : "", o->trace_id);
	else if (r->status == CONTRAST_NOTHING && chosen)
		log_error("no request that fits --service and --route was seen; sonde trace shows "
			  "the names of requests");
	else if (r->status == CONTRAST_NOTHING)
		log_error("no request was seen that was served here");
	else if (r->status == CONTRAST_TOO_FEW)
		log_error("only %u requests of %.*s were seen, and %u are needed to tell what is "
			  "typical: a longer --duration brings more",
			  r->requests_cnt, (int)r->name.n, r->name.p, CONTRAST_REQUESTS_MIN);
}

/* Where slow requests' samples differ. 0, or a negative errno; -ENODATA where there are too few. */
static int draw(struct explaining *e, const struct contrast_result *r)
{
	const struct profile *profile = e->profile;
	uint8_t *sides = calloc(profile->samples.cnt + 1, sizeof(*sides));
	struct flame_diff diff = {
		.profile = profile,
		.sides = sides,
		.side = {[CONTRAST_SLOW] = {"slow", r->cnt[CONTRAST_SLOW]},
			 [CONTRAST_TYPICAL] = {"typical", r->cnt[CONTRAST_TYPICAL]}},
	};
	struct flame_page page = {.html = e->options->output == PROFILE_OUTPUT_HTML};
	char title[256];
	int err = -ENOMEM;

	snprintf(title, sizeof(title), "Slow and typical requests of %.*s (%.*s)", (int)r->name.n,
		 r->name.p, (int)r->service.n, r->service.p);
	page.title = slice_str(title);
	if (sides) {
		contrast__sides(e->contrast, profile, sides);
		err = flame_diff_write(&diff, &page, e->out);
	}
	free(sides);
	for (int i = 0; i < CONTRAST_SIDES && !err; i++)
		err = r->samples[i] < FLAME_DIFF_SAMPLES_MIN ? -ENODATA : 0;
	return err;
}

/* 0, or a negative errno; says what there is to be said of it. */
static int write_picture(struct explaining *e, const struct contrast_result *r)
{
	const char *path = e->options->output_file;
	int err = r->status == CONTRAST_FOUND && e->profile ? draw(e, r) : -ENODATA;

	if (!err)
		log_info("wrote %s", path);
	else if (err != -ENODATA)
		log_error("cannot write %s: %s", path, strerror(-err));
	else if (r->status == CONTRAST_FOUND)
		log_error(
			"%s shows nothing: slow requests have %u samples, typical ones %u, and %u "
			"of each are needed; a higher --freq or a longer --duration brings more",
			path, r->samples[CONTRAST_SLOW], r->samples[CONTRAST_TYPICAL],
			FLAME_DIFF_SAMPLES_MIN);
	return err;
}

/* code, or a failure. */
static int report(struct explaining *e, int code)
{
	const struct contrast_result *result = contrast__finish(e->contrast);
	const struct options *o = e->options;
	int err = -ENOMEM;

	if (result)
		err = e->profile ? contrast__samples(e->contrast, e->profile) : 0;
	if (!result || err) {
		log_error("cannot compare requests: %s", strerror(-err));
		return code ?: EXIT_FAILURE;
	}
	if (result->status != CONTRAST_FOUND) {
		say_why(o, result);
		code = code ?: EXIT_FAILURE;
	}
	if (e->out && write_picture(e, result))
		code = code ?: EXIT_FAILURE;
	err = o->json ? explain_json(stdout, result)
		      : explain_text(stdout, options__colour(o), terminal_width(), result);
	if (err && err != -EPIPE) {
		log_error("cannot write to standard output: %s", strerror(-err));
		code = code ?: EXIT_FAILURE;
	}
	return code;
}

/* --- where spans come from -------------------------------------------------------------------- */

static int explain_file(struct explaining *e)
{
	struct span_reading reading = {.take = take, .ctx = e};

	if (!session_read_spans(e->options->from_file, &reading))
		return EXIT_FAILURE;
	return report(e, EXIT_SUCCESS);
}

static int explain_recording(struct explaining *e)
{
	struct pipeline_options po = {.config = &e->options->config,
				      .wait_for_export = true,
				      .show = show,
				      .show_ctx = e};
	char why[PIPELINE_WHY_SZ];
	struct pipeline *pipeline;
	int code = EXIT_FAILURE;

	signal(SIGPIPE, SIG_IGN);
	pipeline = pipeline__new(&po, why);
	if (!pipeline || pipeline__replay(pipeline, e->options->replay_file, why)) {
		log_error("%s", why);
	} else {
		code = pipeline__stop(pipeline, DELIVER_MS) ? EXIT_FAILURE : EXIT_SUCCESS;
		code = report(e, code);
		session_account(pipeline, e->options->json);
	}
	pipeline__free(pipeline);
	return code;
}

static int explain_live(struct explaining *e)
{
	struct session session = {.options = e->options, .doing = "tracing"};
	struct pipeline_options po = {
		.config = &e->options->config,
		.record_file = e->options->record_file,
		.sample_hz = e->options->frequency_hz,
		.profile = keep_profile,
		.profile_ctx = e,
		.show = show,
		.show_ctx = e,
	};
	int code = EXIT_FAILURE;

	if (session__start(&session, &po) == 0) {
		code = session__run(&session);
		if (pipeline__stop(session.pipeline, DELIVER_MS))
			code = code ?: EXIT_FAILURE;
		code = report(e, code);
		session_account(session.pipeline, e->options->json);
	}
	session__free(&session);
	return code;
}

/* Now rather than after minutes of tracing. */
static int open_output(struct explaining *e)
{
	const char *path = e->options->output_file;

	if (!path)
		return 0;
	e->out = fopen(path, "we");
	if (!e->out)
		log_error("cannot write %s: %s", path, strerror(errno));
	return e->out ? 0 : -errno;
}

int run_explain(const struct options *options)
{
	const struct contrast_filter filter = {
		.service = options->service,
		.route = options->route,
		.trace_id = options->trace_id,
		.slowest = options->slowest,
	};
	struct explaining e = {.options = options, .contrast = contrast__new(&filter)};
	int code = EXIT_FAILURE;

	if (!e.contrast)
		log_error("cannot compare requests: out of memory");
	else if (options->from_file)
		code = explain_file(&e);
	else if (options->replay_file)
		code = explain_recording(&e);
	else if (open_output(&e) == 0)
		code = explain_live(&e);
	if (e.out)
		fclose(e.out);
	contrast__free(e.contrast);
	profile__free(e.profile);
	return code;
}
