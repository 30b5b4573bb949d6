/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile for profiler.firefox.com: its processed format, version 60, the oldest that has one table of stacks for all
 * threads. Later ones read it.
 */
#ifndef SONDE_EXPORT_FIREFOX_H
#define SONDE_EXPORT_FIREFOX_H

#include <stdio.h>

#include "user/model/profile.h"

/*
 * Processes and their threads, samples with their times, stacks with files, functions, lines and kinds. Not the
 * links to spans. 0, -ENOMEM, or the negative errno of writing.
 */
int firefox_write(const struct profile *p, const char *title, FILE *out);

#endif
