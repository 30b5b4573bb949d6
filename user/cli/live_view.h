/* SPDX-License-Identifier: Apache-2.0 */
/* A profile as it grows: the busiest functions and the hottest stacks, as many as a screen has room for. */
#ifndef SONDE_CLI_LIVE_VIEW_H
#define SONDE_CLI_LIVE_VIEW_H

#include "user/cli/profile_view.h"
#include "user/model/hot_path.h"

enum live_part {
	LIVE_BOTH,
	LIVE_FUNCTIONS,
	LIVE_STACKS,
	LIVE_PARTS,
};

struct live_screen {
	unsigned int columns, rows;
	bool colour;
	enum live_part part;
	uint64_t missing_cnt; /* samples that found no room */
};

/* How many rows of stacks live_view will ask for. */
uint32_t live_view_stacks(const struct live_screen *screen);
/* Writes the screen's lines. 0, or a negative errno. */
int live_view(FILE *out, const struct live_screen *screen, const struct profile *profile,
	      const struct request_shares *shares, const struct hot_path *paths,
	      uint32_t paths_cnt);

#endif
