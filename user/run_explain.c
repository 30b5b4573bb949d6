// SPDX-License-Identifier: Apache-2.0
/* `sonde explain`: spans, live, from a recording or from a file, of which slow ones are compared with typical ones. */
#include "user/run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/log.h"
#include "user/cli/explain_view.h"
#include "user/model/contrast.h"
#include "user/session.h"

#define DELIVER_MS 5000

struct explaining {
	const struct options *options;
	struct contrast *contrast;
	struct profile *profile; /* once the pipeline has stopped; NULL: no samples */
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
	else
		code = explain_live(&e);
	contrast__free(e.contrast);
	profile__free(e.profile);
	return code;
}
