// SPDX-License-Identifier: Apache-2.0
/*
 * The pipeline makes a profile each second, in a thread of its own; they are added up here, behind a lock. What has come so far
 * is drawn each second, less often if drawing takes more than a tenth of the time.
 */
#include "user/profile_live.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/cli/live_view.h"
#include "user/cli/terminal.h"
#include "user/export/frame_tree.h"
#include "user/export/hot_tree.h"
#include "user/run.h"

#define DRAW_SHARE 10 /* of the time, one part in so many */

struct profile_live {
	const struct options *options;
	struct request_table *requests;
	pthread_mutex_t lock; /* of the next two */
	struct profile *all;
	uint64_t missing_cnt;
	struct terminal terminal;
	bool tried; /* to take the terminal */
	enum live_part part;
	uint64_t next_ns;
};

bool profile_live_wanted(const struct options *options)
{
	return !options->output_file && !options->json && !options->child_argv &&
	       !options->config.export.endpoint && !options->config.export.file &&
	       terminal_usable();
}

struct profile_live *profile_live__new(const struct options *options,
				       struct request_table *requests)
{
	struct profile_live *live = calloc(1, sizeof(*live));

	if (!live)
		return NULL;
	live->options = options;
	live->requests = requests;
	pthread_mutex_init(&live->lock, NULL);
	return live;
}

void profile_live__free(struct profile_live *live)
{
	if (!live)
		return;
	terminal__close(&live->terminal);
	profile__free(live->all);
	pthread_mutex_destroy(&live->lock);
	free(live);
}

static void add_all(struct profile_live *live, const struct profile *profile)
{
	for (uint32_t i = 0; i < profile->samples.cnt; i++) {
		struct profile_sample sample = profile->samples.v[i];

		if (!profile_move_sample(live->all, profile, &sample) ||
		    profile__add(live->all, &sample))
			live->missing_cnt++;
	}
	live->all->end_ns = profile->end_ns;
}

void profile_live__take(struct profile_live *live, struct profile *profile)
{
	pthread_mutex_lock(&live->lock);
	if (live->all) {
		add_all(live, profile);
		profile__free(profile);
	} else {
		live->all = profile;
	}
	pthread_mutex_unlock(&live->lock);
}

/* --- the screen ------------------------------------------------------------------------------- */

static int write_screen(FILE *out, const struct live_screen *screen, const struct profile *profile,
			const struct request_shares *shares)
{
	struct hot_path paths[HOT_ROWS_MAX];
	uint32_t wanted = live_view_stacks(screen);
	struct frame_tree tree;
	int n = frame_tree__init(&tree, profile);

	if (n)
		return n;
	n = wanted ? hot_tree_pick(&tree, paths, wanted) : 0;
	if (n >= 0)
		n = live_view(out, screen, profile, shares, paths, (uint32_t)n);
	frame_tree__free(&tree);
	return n;
}

/* The same of those samples that are wanted. */
static int write_wanted(struct profile_live *live, FILE *out, const struct live_screen *screen)
{
	struct request_shares shares = {0};
	struct profile *kept = NULL;
	int err = 0;

	if (live->requests && request_table__filters(live->requests)) {
		kept = request_table__keep(live->requests, live->all, &shares);
		err = kept ? 0 : -ENOMEM;
	} else if (live->requests) {
		err = request_table__shares(live->requests, live->all, &shares);
	}
	err = err ?: write_screen(out, screen, kept ?: live->all, live->requests ? &shares : NULL);
	request_shares__free(&shares);
	profile__free(kept);
	return err;
}

static int draw(struct profile_live *live)
{
	struct live_screen screen = {
		.colour = options__colour(live->options),
		.part = live->part,
	};
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	int err = 0;

	if (!out)
		return -ENOMEM;
	terminal_size(&screen.columns, &screen.rows);
	pthread_mutex_lock(&live->lock);
	screen.missing_cnt = live->missing_cnt;
	if (live->all)
		err = write_wanted(live, out, &screen);
	else
		fputs("profiling; q ends it\n", out);
	pthread_mutex_unlock(&live->lock);
	if (fclose(out) && !err)
		err = -ENOMEM;
	err = err ?: terminal__show(&live->terminal, slice_of(text, n));
	free(text);
	return err;
}

bool profile_live__turn(struct profile_live *live, int signals)
{
	uint64_t begin_ns = clock_mono_ns(), took_ns;
	int key, err = live->tried ? 0 : terminal__open(&live->terminal);

	live->tried = true;
	while ((key = terminal__key(&live->terminal))) {
		if (key == 'q' || key == 'Q')
			return true;
		if (key == 't' || key == 'T')
			live->part = (live->part + 1) % LIVE_PARTS;
		live->next_ns = 0;
	}
	if (signals & RUN_RESIZE)
		live->next_ns = 0;
	if (err || begin_ns < live->next_ns || !live->terminal.open)
		return false;
	err = draw(live);
	took_ns = (clock_mono_ns() - begin_ns) * DRAW_SHARE;
	live->next_ns = begin_ns +
			(took_ns > PROFILE_LIVE_INTERVAL_NS ? took_ns : PROFILE_LIVE_INTERVAL_NS);
	if (!err)
		return false;
	terminal__close(&live->terminal);
	log_error("cannot draw on the terminal: %s; Ctrl-C ends the profile", strerror(-err));
	return err == -EIO; /* it is gone */
}

void profile_live__close(struct profile_live *live)
{
	terminal__close(&live->terminal);
}

struct profile *profile_live__end(struct profile_live *live, uint64_t *missing)
{
	struct profile *all = live->all;

	live->all = NULL;
	*missing = live->missing_cnt;
	return all;
}
