/* SPDX-License-Identifier: Apache-2.0 */
/* What a person wants to know of a profile first: the functions that use most of the CPU time. */
#ifndef SONDE_CLI_PROFILE_VIEW_H
#define SONDE_CLI_PROFILE_VIEW_H

#include "user/cli/line.h"
#include "user/model/profile.h"

/*
 * Text: the busiest functions, and processes if there are several. JSON: one object with all of
 * them. width: columns of the terminal, 0 for no limit. 0, or a negative errno.
 */
int profile_view(FILE *out, enum view_format format, bool colour, unsigned int width,
		 const struct profile *profile);

#endif
