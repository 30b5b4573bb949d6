/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine lets sonde do, found out by really trying: for `sonde doctor`. */
#ifndef SONDE_CAPTURE_EXAMINE_H
#define SONDE_CAPTURE_EXAMINE_H

#include <stddef.h>

#include "user/base/capability.h"

#define EXAMINE_MAX 16

struct examination {
	struct capability capabilities[EXAMINE_MAX];
	size_t cnt;
	char texts[EXAMINE_MAX][768]; /* what the capabilities point to */
	int blocked;		      /* nothing can be traced */
};

/* variant as in capture_options. */
void examine(const char *variant, struct examination *out);

#endif
