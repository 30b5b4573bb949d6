// SPDX-License-Identifier: Apache-2.0
/* The sentences say what is largest, the table all, so that the sums can be checked. */
#include "user/cli/explain_view.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>

#include "user/cli/amount.h"
#include "user/cli/columns.h"

#define SAID_SHARE 0.05	  /* of the difference: worth a sentence */
#define WITHIN_SHARE 0.10 /* of a call's: worth words */
#define WITHIN_CNT 3
#define ROW_SHARE 0.001 /* of the slow requests' time: worth a row */
#define ROWS_MAX 60u
#define SAMPLES_MIN 10u
#define SLOW_END 10u
#define TYPICAL_END 21u
#define EXTRA_END 32u
#define SHARE_END 41u
#define WHERE_COLUMN 43u

/* "waiting for locks"; of a call "calls of". */
static struct slice kind_words(enum contrast_kind kind)
{
	static const struct slice words[CONTRAST_KINDS] = {
		[CONTRAST_REQUEST] = SLICE("the request"),
		[CONTRAST_CALL] = SLICE("calls of"),
		[CONTRAST_QUEUED] = SLICE("waiting in the socket until it was read"),
		[CONTRAST_WAY] = SLICE("between caller and server"),
		[CONTRAST_CPU] = SLICE("cpu"),
		[CONTRAST_RUN_QUEUE] = SLICE("waiting for a free CPU"),
		[CONTRAST_CLIENT] = SLICE("waiting for the client"),
		[CONTRAST_LOCK] = SLICE("waiting for locks"),
		[CONTRAST_DISK] = SLICE("waiting for the disk"),
		[CONTRAST_PAGE_FAULT] = SLICE("page faults"),
		[CONTRAST_SLEEP] = SLICE("sleeping"),
		[CONTRAST_OTHER] = SLICE("waiting for pipes, children or events"),
		[CONTRAST_UNSEEN] =
			SLICE("not explained: waiting for servers, in no call that was seen"),
		[CONTRAST_TWICE] = SLICE("counted twice: own time during calls"),
		[CONTRAST_UNTOLD] = SLICE("not explained: own time without an account"),
		[CONTRAST_INSIDE] = SLICE("not explained: inside what was not seen"),
	};

	return words[kind];
}

/* --- words ------------------------------------------------------------------------------------ */

static void say(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct line *line, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	line_text(line, slice_str(text), 0);
}

/* "12.4 ms", "-3.10 ms". */
static struct slice duration(double ns, char buf[AMOUNT_SZ])
{
	char digits[AMOUNT_SZ];
	struct slice amount = amount_duration((uint64_t)(fabs(ns) + 0.5), digits);

	while (amount.n && amount.p[amount.n - 1] == ' ')
		amount.n--;
	return slice_of(buf, (size_t)snprintf(buf, AMOUNT_SZ, "%s%.*s", ns <= -0.5 ? "-" : "",
					      (int)amount.n, amount.p));
}

static void say_duration(struct line *line, double ns)
{
	char buf[AMOUNT_SZ];

	line_text(line, duration(ns, buf), 0);
}

/* "1", "1.3", "12". */
static void say_count(struct line *line, double cnt)
{
	say(line, cnt >= 9.95 || fabs(cnt - round(cnt)) < 0.05 ? "%.0f" : "%.1f", cnt);
}

static double mean_ns(const struct contrast_result *r, const struct contrast_part *part,
		      enum contrast_side side)
{
	return (double)part->ns[side] / r->cnt[side];
}

static double extra_share(const struct contrast_result *r, const struct contrast_part *part,
			  const struct contrast_part *of)
{
	double all_ns = contrast_extra_ns(r, of);

	return all_ns > 0 ? contrast_extra_ns(r, part) / all_ns : 0;
}

static void name_part(struct line *line, const struct contrast_part *part)
{
	line_text(line, kind_words(part->kind), 0);
	if (part->kind != CONTRAST_CALL)
		return;
	line_text(line, SLICE(" "), 0);
	line_text(line, part->service.n ? part->service : SLICE("an unknown server"), 0);
	line_text(line, SLICE(" "), 0);
	line_styled(line, STYLE_BOLD, part->name);
}

/* --- sentences -------------------------------------------------------------------------------- */

static void name_route(struct line *line, const struct contrast_result *r)
{
	line_styled(line, STYLE_BOLD, r->name);
	line_text(line, SLICE(" ("), 0);
	line_text(line, r->service, 0);
	line_text(line, SLICE(")"), 0);
}

static void say_trace(struct line *line, const struct contrast_result *r)
{
	for (size_t i = 0; i < sizeof(r->trace_id.bytes); i++)
		say(line, "%02x", r->trace_id.bytes[i]);
}

static int write_opening(FILE *out, struct line *line, const struct contrast_result *r)
{
	const struct contrast_part *root = &r->parts[CONTRAST_ROOT];
	double extra_ns = contrast_extra_ns(r, root);
	uint32_t slow_cnt = r->cnt[CONTRAST_SLOW];
	int err;

	if (r->percentile) {
		say(line, "p%" PRIu32 " of ", r->percentile);
		name_route(line, r);
		say(line, " is ");
		say_duration(line, (double)r->percentile_ns);
	} else {
		say(line, "This request of ");
		name_route(line, r);
		say(line, " took ");
		say_duration(line, (double)r->percentile_ns);
	}
	say(line, ", the median ");
	say_duration(line, (double)r->median_ns);
	say(line, ", of %" PRIu32 " requests.", r->requests_cnt);
	err = line__write(line, out);
	if (r->percentile)
		say(line, "The %" PRIu32 " from there on took ", slow_cnt);
	else
		say(line, "It took ");
	say_duration(line, mean_ns(r, root, CONTRAST_SLOW));
	say(line, "%s, the %" PRIu32 " around the median ", r->percentile ? " on average" : "",
	    r->cnt[CONTRAST_TYPICAL]);
	say_duration(line, mean_ns(r, root, CONTRAST_TYPICAL));
	if (extra_ns > 0) {
		say(line, " on average: ");
		say_duration(line, extra_ns);
		say(line, " more. Of these");
	} else {
		say(line, " on average: it is not slow.");
	}
	return err ?: line__write(line, out);
}

/* "11 a request of 1.20 ms instead of 1 of 1.10 ms" */
static void say_calls(struct line *line, const struct contrast_result *r,
		      const struct contrast_part *part)
{
	for (int side = 0; side < CONTRAST_SIDES; side++) {
		say(line, side ? " instead of " : ": ");
		if (!part->calls[side]) {
			say(line, "none");
			continue;
		}
		say_count(line, (double)part->calls[side] / r->cnt[side]);
		say(line, "%s of ", side ? "" : " a request");
		say_duration(line, (double)part->ns[side] / (double)part->calls[side]);
	}
}

/* "; there it is cpu 97 %, waiting for locks 3 %" */
static void say_within(struct line *line, const struct contrast_result *r, uint32_t at)
{
	const struct contrast_part *of = &r->parts[at];
	int cnt = 0;

	for (uint32_t i = at + 1; i < r->parts_cnt && cnt < WITHIN_CNT; i++) {
		const struct contrast_part *part = &r->parts[i];
		double share = extra_share(r, part, of);

		if (part->parent != at || fabs(share) < WITHIN_SHARE)
			continue;
		say(line, cnt++ ? ", " : "; there it is ");
		name_part(line, part);
		say(line, " %.0f %%", 100 * share);
	}
}

static int write_sentences(FILE *out, struct line *line, const struct contrast_result *r)
{
	const struct contrast_part *root = &r->parts[CONTRAST_ROOT];
	double rest = 1;
	int err = 0;

	if (contrast_extra_ns(r, root) <= 0)
		return 0;
	for (uint32_t i = 1; i < r->parts_cnt && !err; i++) {
		const struct contrast_part *part = &r->parts[i];
		double share = extra_share(r, part, root);
		char text[16];

		if (part->parent != CONTRAST_ROOT || fabs(share) < SAID_SHARE)
			continue;
		rest -= share;
		snprintf(text, sizeof(text), "%.0f %%", 100 * share);
		line_style(line, STYLE_BOLD);
		line_right(line, slice_str(text), 8);
		line_style(line, STYLE_NONE);
		say(line, " (");
		say_duration(line, contrast_extra_ns(r, part));
		say(line, ") is ");
		name_part(line, part);
		if (part->kind == CONTRAST_CALL) {
			say_calls(line, r, part);
			say_within(line, r, i);
		}
		err = line__write(line, out);
	}
	if (!err && fabs(rest) >= 0.005) {
		char text[16];

		snprintf(text, sizeof(text), "%.0f %%", 100 * rest);
		line_right(line, slice_str(text), 8);
		say(line, " is the rest, in small parts");
		err = line__write(line, out);
	}
	return err;
}

/* --- tables ----------------------------------------------------------------------------------- */

static int write_row(FILE *out, struct line *line, const struct contrast_result *r,
		     const struct contrast_part *part)
{
	char buf[AMOUNT_SZ];

	line_right(line, duration(mean_ns(r, part, CONTRAST_SLOW), buf), SLOW_END);
	line_right(line, duration(mean_ns(r, part, CONTRAST_TYPICAL), buf), TYPICAL_END);
	line_right(line, duration(contrast_extra_ns(r, part), buf), EXTRA_END);
	snprintf(buf, sizeof(buf), "%.1f %%", 100 * extra_share(r, part, &r->parts[CONTRAST_ROOT]));
	line_right(line, slice_str(buf), SHARE_END);
	line_pad(line, WHERE_COLUMN + 2 * part->depth);
	if (part->depth)
		name_part(line, part);
	else
		name_route(line, r);
	return line__write(line, out);
}

static int write_table(FILE *out, struct line *line, const struct contrast_result *r)
{
	double least_ns = ROW_SHARE * mean_ns(r, &r->parts[CONTRAST_ROOT], CONTRAST_SLOW);
	uint32_t rows_cnt = 0;
	int err = line__write(line, out);

	line_style(line, STYLE_BOLD);
	line_right(line, SLICE("SLOW"), SLOW_END);
	line_right(line, SLICE("TYPICAL"), TYPICAL_END);
	line_right(line, SLICE("EXTRA"), EXTRA_END);
	line_right(line, SLICE("SHARE"), SHARE_END);
	line_pad(line, WHERE_COLUMN);
	line_text(line, SLICE("WHERE"), 0);
	err = err ?: line__write(line, out);
	for (uint32_t i = 0; i < r->parts_cnt && !err && rows_cnt < ROWS_MAX; i++) {
		const struct contrast_part *part = &r->parts[i];

		if (fabs(mean_ns(r, part, CONTRAST_SLOW)) < least_ns &&
		    fabs(mean_ns(r, part, CONTRAST_TYPICAL)) < least_ns)
			continue;
		err = write_row(out, line, r, part);
		rows_cnt++;
	}
	return err;
}

static double cpu_ns(const struct contrast_result *r, uint32_t cnt, enum contrast_side side)
{
	return (double)cnt * (double)r->period_ns / r->cnt[side];
}

static int write_functions(FILE *out, struct line *line, const struct contrast_result *r)
{
	uint32_t slow_cnt = r->samples[CONTRAST_SLOW];
	int err = line__write(line, out);

	say(line, "CPU samples: %" PRIu32 " of the slow requests, %" PRIu32 " of the typical ones",
	    slow_cnt, r->samples[CONTRAST_TYPICAL]);
	if (slow_cnt < SAMPLES_MIN)
		say(line, "; too few to name functions: a longer --duration or a higher --freq "
			  "brings more");
	err = err ?: line__write(line, out);
	if (slow_cnt < SAMPLES_MIN || err)
		return err;
	line_style(line, STYLE_BOLD);
	line_right(line, SLICE("SLOW"), SLOW_END);
	line_right(line, SLICE("TYPICAL"), TYPICAL_END);
	line_pad(line, TYPICAL_END + 2);
	line_text(line, SLICE("FUNCTION, CPU TIME OF A REQUEST"), 0);
	err = line__write(line, out);
	for (uint32_t i = 0; i < r->functions_cnt && !err; i++) {
		const struct contrast_function *f = &r->functions[i];
		char buf[AMOUNT_SZ];

		line_right(line, duration(cpu_ns(r, f->cnt[CONTRAST_SLOW], CONTRAST_SLOW), buf),
			   SLOW_END);
		line_right(line,
			   duration(cpu_ns(r, f->cnt[CONTRAST_TYPICAL], CONTRAST_TYPICAL), buf),
			   TYPICAL_END);
		line_pad(line, TYPICAL_END + 2);
		line_text(line, f->name.n ? f->name : SLICE("?"), 60);
		line_text(line, SLICE(" "), 0);
		line_styled(line, STYLE_DIM, f->service);
		err = line__write(line, out);
	}
	return err;
}

static int write_notes(FILE *out, struct line *line, const struct contrast_result *r)
{
	uint32_t all = r->cnt[CONTRAST_SLOW] + r->cnt[CONTRAST_TYPICAL],
		 timed = r->timed[CONTRAST_SLOW] + r->timed[CONTRAST_TYPICAL];
	int err = line__write(line, out);

	say(line, "The slowest is trace ");
	say_trace(line, r);
	err = err ?: line__write(line, out);
	if (timed < all && !err) {
		say(line,
		    "%" PRIu32 " of these %" PRIu32 " requests have no time account: no thread "
		    "works for them alone",
		    all - timed, all);
		err = line__write(line, out);
	}
	if (r->undecided_cnt && !err) {
		say(line,
		    "%" PRIu64 " calls may be of one of several requests, and are in none's time",
		    r->undecided_cnt);
		err = line__write(line, out);
	}
	if (r->left_out_cnt && !err) {
		say(line, "%" PRIu64 " spans found no room", r->left_out_cnt);
		err = line__write(line, out);
	}
	return err;
}

int explain_text(FILE *out, bool colour, unsigned int width, const struct contrast_result *r)
{
	struct line line = {.colour = colour, .utf8 = locale_is_utf8()};
	int err;

	if (r->status != CONTRAST_FOUND)
		return 0;
	err = write_opening(out, &line, r);
	err = err ?: write_sentences(out, &line, r);
	line.width = width;
	err = err ?: write_table(out, &line, r);
	if (r->period_ns)
		err = err ?: write_functions(out, &line, r);
	line.width = 0;
	return err ?: write_notes(out, &line, r);
}
