// SPDX-License-Identifier: Apache-2.0
/* Means are rounded to nanoseconds; shares are of the difference of the two groups' means. */
#include "user/base/json_writer.h"
#include "user/cli/explain_view.h"

#define JSON_MAX (8u << 20)

static const struct slice kinds[CONTRAST_KINDS] = {
	[CONTRAST_REQUEST] = SLICE("request"),
	[CONTRAST_CALL] = SLICE("call"),
	[CONTRAST_QUEUED] = SLICE("queued"),
	[CONTRAST_WAY] = SLICE("way"),
	[CONTRAST_CPU] = SLICE("cpu"),
	[CONTRAST_RUN_QUEUE] = SLICE("run_queue"),
	[CONTRAST_CLIENT] = SLICE("client"),
	[CONTRAST_LOCK] = SLICE("lock"),
	[CONTRAST_DISK] = SLICE("disk"),
	[CONTRAST_PAGE_FAULT] = SLICE("page_fault"),
	[CONTRAST_SLEEP] = SLICE("sleep"),
	[CONTRAST_OTHER] = SLICE("other"),
	[CONTRAST_UNSEEN] = SLICE("not_explained_downstream"),
	[CONTRAST_TWICE] = SLICE("counted_twice"),
	[CONTRAST_UNTOLD] = SLICE("not_explained_own"),
	[CONTRAST_INSIDE] = SLICE("not_explained_inside"),
};

static void put_text(struct json_writer *j, const char *before, struct slice text)
{
	jw_raw(j, slice_str(before));
	jw_string(j, text);
}

static void put_number(struct json_writer *j, const char *before, double number)
{
	jw_raw(j, slice_str(before));
	jw_i64(j, (int64_t)(number < 0 ? number - 0.5 : number + 0.5));
}

static void put_part(struct json_writer *j, const struct contrast_result *r,
		     const struct contrast_part *part)
{
	double all_ns = contrast_extra_ns(r, &r->parts[CONTRAST_ROOT]);
	char share[32];

	put_text(j, "{\"kind\":", kinds[part->kind]);
	put_number(j, ",\"depth\":", part->depth);
	if (part->kind == CONTRAST_CALL) {
		put_text(j, ",\"service\":", part->service);
		put_text(j, ",\"name\":", part->name);
		put_number(j, ",\"slowCalls\":", (double)part->calls[CONTRAST_SLOW]);
		put_number(j, ",\"typicalCalls\":", (double)part->calls[CONTRAST_TYPICAL]);
	}
	put_number(j, ",\"slowNano\":", (double)part->ns[CONTRAST_SLOW] / r->cnt[CONTRAST_SLOW]);
	put_number(j, ",\"typicalNano\":",
		   (double)part->ns[CONTRAST_TYPICAL] / r->cnt[CONTRAST_TYPICAL]);
	put_number(j, ",\"extraNano\":", contrast_extra_ns(r, part));
	snprintf(share, sizeof(share), "%.4f",
		 all_ns != 0 ? contrast_extra_ns(r, part) / all_ns : 0);
	jw_lit(j, ",\"share\":");
	jw_raw(j, slice_str(share));
	jw_lit(j, "}");
}

static void put_functions(struct json_writer *j, const struct contrast_result *r)
{
	for (uint32_t i = 0; i < r->functions_cnt; i++) {
		const struct contrast_function *f = &r->functions[i];

		put_text(j, i ? ",{\"name\":" : "{\"name\":", f->name);
		put_text(j, ",\"file\":", f->file);
		put_text(j, ",\"service\":", f->service);
		put_number(j, ",\"slowSamples\":", f->cnt[CONTRAST_SLOW]);
		put_number(j, ",\"typicalSamples\":", f->cnt[CONTRAST_TYPICAL]);
		jw_lit(j, "}");
	}
}

static void put_found(struct json_writer *j, const struct contrast_result *r)
{
	put_number(j, ",\"percentile\":", r->percentile);
	put_number(j, ",\"percentileNano\":", (double)r->percentile_ns);
	put_number(j, ",\"medianNano\":", (double)r->median_ns);
	jw_lit(j, ",\"slowestTraceId\":");
	jw_hex(j, r->trace_id.bytes, sizeof(r->trace_id.bytes));
	put_number(j, ",\"slowRequests\":", r->cnt[CONTRAST_SLOW]);
	put_number(j, ",\"typicalRequests\":", r->cnt[CONTRAST_TYPICAL]);
	put_number(j, ",\"slowWithAccount\":", r->timed[CONTRAST_SLOW]);
	put_number(j, ",\"typicalWithAccount\":", r->timed[CONTRAST_TYPICAL]);
	jw_lit(j, ",\"parts\":[");
	for (uint32_t i = 0; i < r->parts_cnt; i++) {
		jw_raw(j, i ? SLICE(",") : SLICE(""));
		put_part(j, r, &r->parts[i]);
	}
	put_number(j, "],\"periodNanos\":", (double)r->period_ns);
	put_number(j, ",\"slowSamples\":", r->samples[CONTRAST_SLOW]);
	put_number(j, ",\"typicalSamples\":", r->samples[CONTRAST_TYPICAL]);
	jw_lit(j, ",\"functions\":[");
	put_functions(j, r);
	jw_lit(j, "]");
}

int explain_json(FILE *out, const struct contrast_result *result)
{
	static const struct slice statuses[] = {
		[CONTRAST_FOUND] = SLICE("found"),
		[CONTRAST_NOTHING] = SLICE("nothing"),
		[CONTRAST_TOO_FEW] = SLICE("too_few"),
		[CONTRAST_NO_TRACE] = SLICE("no_trace"),
	};
	struct json_writer json;
	int err;

	json_writer__init(&json, JSON_MAX);
	put_text(&json, "{\"status\":", statuses[result->status]);
	put_text(&json, ",\"service\":", result->service);
	put_text(&json, ",\"route\":", result->name);
	put_number(&json, ",\"requests\":", result->requests_cnt);
	put_number(&json, ",\"undecidedCalls\":", (double)result->undecided_cnt);
	put_number(&json, ",\"leftOutSpans\":", (double)result->left_out_cnt);
	if (result->status == CONTRAST_FOUND)
		put_found(&json, result);
	jw_lit(&json, "}\n");
	err = json_writer__write(&json, out);
	json_writer__free(&json);
	return err;
}
