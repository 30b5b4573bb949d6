/* SPDX-License-Identifier: Apache-2.0 */
/* What a person wants to know of a profile first: the functions that use most of the CPU time. */
#ifndef SONDE_CLI_PROFILE_VIEW_H
#define SONDE_CLI_PROFILE_VIEW_H

#include "user/cli/line.h"
#include "user/model/profile.h"
#include "user/model/request_table.h"

#define PROFILE_LEFT_OUT_SZ 160

/*
 * Text: the busiest functions, and processes if there are several. JSON: one object with all of
 * them. width: columns of the terminal, 0 for no limit. shares: whose requests' samples these are,
 * NULL if nothing was traced. 0, or a negative errno.
 */
int profile_view(FILE *out, enum view_format format, bool colour, unsigned int width,
		 const struct profile *profile, const struct request_shares *shares);
/* The headline, and so many of the busiest functions. line says how; it is empty, and is again. 0, or a negative errno. */
int profile_view_top(FILE *out, struct line *line, const struct profile *profile,
		     const struct request_shares *shares, uint32_t functions_max);
/* "312 samples of other requests, 4 of no request left out". Its length; 0: nothing was left out. */
size_t profile_left_out(const struct request_shares *shares, char text[PROFILE_LEFT_OUT_SZ]);

#endif
