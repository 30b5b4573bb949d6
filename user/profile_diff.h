/* SPDX-License-Identifier: Apache-2.0 */
/* `sonde profile --diff`: saved stacks against others, or against those of the profile that is taken. Main thread. */
#ifndef SONDE_PROFILE_DIFF_H
#define SONDE_PROFILE_DIFF_H

#include <stdio.h>

#include "user/cli/options.h"
#include "user/export/flame_page.h"
#include "user/model/profile.h"

struct profile_diff;

/* Reads what was before. NULL when that fails, which has been logged. */
struct profile_diff *profile_diff__new(const struct options *options);
/* NULL is legal. */
void profile_diff__free(struct profile_diff *diff);
/* The other side: that profile, or, if NULL, the file that the options name. 0, or -errno; logged. Once. */
int profile_diff__add(struct profile_diff *diff, const struct profile *now);
/* Draws it. 0, -ENODATA where there is too little, which has been logged, or another negative errno. */
int profile_diff__write(struct profile_diff *diff, const struct flame_page *page, FILE *out);
/* Of two files: all of it. The program's exit code. */
int profile_diff_files(const struct options *options);

#endif
