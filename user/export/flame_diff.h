/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flame graph of two sides: where the samples of one lie that the other has not. A frame is as wide as the mean of
 * its shares of both sides, so what only one of them has is there, too; its colour tells by how much the
 * shares differ, if that is beyond chance.
 */
#ifndef SONDE_EXPORT_FLAME_DIFF_H
#define SONDE_EXPORT_FLAME_DIFF_H

#include "user/export/flame_page.h"
#include "user/export/frame_tree.h"
#include "user/model/profile.h"

/* Of either side; with fewer the file has a sentence instead of frames. Of waiting, one is enough: they say how long. */
#define FLAME_DIFF_SAMPLES_MIN 10u

struct flame_diff {
	const struct profile *profile;
	const uint8_t *sides; /* by sample, as frame_tree__init_sides takes them */
	bool counts;	      /* the weights are numbers of samples, of which no period is known */
	struct {
		const char *name; /* one word */
		uint32_t
			requests_cnt; /* that the samples were taken of; 0: they are of no requests */
	} side[FRAME_SIDES];
};

/* How many samples each side has. */
void flame_diff_count(const struct flame_diff *diff, uint64_t samples[FRAME_SIDES]);
/* Are these enough to tell anything? */
bool flame_diff_is_enough(const struct flame_diff *diff, const uint64_t samples[FRAME_SIDES]);
/* The same input gives the same bytes. 0, -ENOMEM, or the negative errno of writing. */
int flame_diff_write(const struct flame_diff *diff, const struct flame_page *page, FILE *out);

#endif
