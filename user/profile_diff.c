// SPDX-License-Identifier: Apache-2.0
/*
 * Both sides are read as folded stacks, the profile that is taken too: so frames that have the same name are the same. The
 * numbers are samples, with --off-cpu ns; no file says so.
 */
#include "user/profile_diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/log.h"
#include "user/cli/folded_read.h"
#include "user/export/flame_diff.h"
#include "user/export/folded.h"
#include "user/run.h"

struct profile_diff {
	const struct options *options;
	struct profile *both; /* what was before, then what came after */
	uint32_t before_cnt;
};

static int read_stacks(struct profile_diff *diff, FILE *in, const char *name)
{
	struct folded_reading reading;
	int err = folded_read(in, diff->both, &reading);

	if (err)
		log_error("cannot read %s: %s", name, strerror(-err));
	else if (!reading.lines_cnt)
		log_error("%s has no folded stacks: lines such as 'main;work 12'", name);
	else if (reading.bad_lines_cnt)
		log_warn("%s: %llu lines were left out, the first is line %llu", name,
			 (unsigned long long)reading.bad_lines_cnt,
			 (unsigned long long)reading.first_bad);
	return err ?: reading.lines_cnt ? 0 : -EINVAL;
}

static int read_file(struct profile_diff *diff, const char *path)
{
	FILE *in = fopen(path, "re");
	int err = in ? 0 : -errno;

	if (!in) {
		log_error("cannot read %s: %s", path, strerror(-err));
		return err;
	}
	err = read_stacks(diff, in, path);
	fclose(in);
	return err;
}

/* What was just taken may be nothing; that is no error yet. */
static int read_profile(struct profile_diff *diff, const struct profile *now)
{
	struct folded_reading reading;
	char *text = NULL;
	size_t n = 0;
	FILE *stream = open_memstream(&text, &n);
	int err = stream ? folded_write(now, stream) : -ENOMEM;

	if (stream && fclose(stream) && !err)
		err = -ENOMEM;
	stream = !err && n ? fmemopen(text, n, "r") : NULL;
	if (!err && n)
		err = stream ? folded_read(stream, diff->both, &reading) : -ENOMEM;
	if (stream)
		fclose(stream);
	free(text);
	if (err)
		log_error("cannot compare profiles: %s", strerror(-err));
	return err;
}

struct profile_diff *profile_diff__new(const struct options *options)
{
	struct profile_diff *diff = calloc(1, sizeof(*diff));

	if (diff) {
		diff->options = options;
		diff->both = profile__new(0);
	}
	if (!diff || !diff->both) {
		log_error("cannot compare profiles: out of memory");
	} else if (read_file(diff, options->diff_file) == 0) {
		diff->both->off_cpu = true; /* its samples have values */
		diff->before_cnt = diff->both->samples.cnt;
		return diff;
	}
	profile_diff__free(diff);
	return NULL;
}

void profile_diff__free(struct profile_diff *diff)
{
	if (!diff)
		return;
	profile__free(diff->both);
	free(diff);
}

int profile_diff__add(struct profile_diff *diff, const struct profile *now)
{
	return now ? read_profile(diff, now) : read_file(diff, diff->options->file);
}

int profile_diff__write(struct profile_diff *diff, const struct flame_page *page, FILE *out)
{
	uint32_t cnt = diff->both->samples.cnt;
	uint8_t *sides = calloc((size_t)cnt + 1, sizeof(*sides));
	struct flame_diff picture = {
		.profile = diff->both,
		.sides = sides,
		.counts = !diff->options->off_cpu,
		.side = {{.name = "after"}, {.name = "before"}},
	};
	uint64_t samples[FRAME_SIDES];
	int err;

	if (!sides)
		return -ENOMEM;
	memset(sides, 1, diff->before_cnt);
	err = flame_diff_write(&picture, page, out);
	flame_diff_count(&picture, samples);
	free(sides);
	if (err || flame_diff_is_enough(&picture, samples))
		return err;
	log_error("too few samples to compare: after %llu, before %llu",
		  (unsigned long long)samples[0], (unsigned long long)samples[1]);
	return -ENODATA;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int draw_files(struct profile_diff *diff)
{
	const struct options *o = diff->options;
	struct flame_page page = {.html = o->output == PROFILE_OUTPUT_HTML};
	char title[512];
	FILE *out;
	int err;

	snprintf(title, sizeof(title), "%s against %s", base_name(o->file),
		 base_name(o->diff_file));
	page.title = slice_str(title);
	out = fopen(o->output_file, "we");
	err = out ? profile_diff__write(diff, &page, out) : -errno;
	if (out)
		fclose(out);
	if (err && err != -ENODATA)
		log_error("cannot write %s: %s", o->output_file, strerror(-err));
	else if (!err)
		log_info("wrote %s", o->output_file);
	return err;
}

int profile_diff_files(const struct options *options)
{
	struct profile_diff *diff = profile_diff__new(options);
	int err = diff ? profile_diff__add(diff, NULL) : -EINVAL;

	err = err ?: draw_files(diff);
	profile_diff__free(diff);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
