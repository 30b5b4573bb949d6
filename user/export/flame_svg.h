/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flame graph as one SVG or HTML file that needs nothing else: a picture where scripts do not run, and in
 * a browser one that zooms and searches.
 */
#ifndef SONDE_EXPORT_FLAME_SVG_H
#define SONDE_EXPORT_FLAME_SVG_H

#include <stdio.h>

#include "user/export/flame_page.h"
#include "user/model/profile.h"

/*
 * The root is at the top, what it called below it, as wide as its share of the samples. Frames that
 * would be narrower than 0.1 px are left out and counted in the last line. The same profile and
 * page give the same bytes. 0, -ENOMEM, or the negative errno of writing.
 */
int flame_svg_write(const struct profile *p, const struct flame_page *page, FILE *out);

#endif
