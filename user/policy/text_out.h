/* SPDX-License-Identifier: Apache-2.0 */
/* Redacted text under construction, in memory whose size was computed before. */
#ifndef SONDE_POLICY_TEXT_OUT_H
#define SONDE_POLICY_TEXT_OUT_H

#include "user/base/slice.h"

#define REDACTED SLICE("REDACTED")

struct text_out {
	char *p;
	size_t n;
};

static inline void text_put(struct text_out *out, struct slice s)
{
	if (s.n)
		memcpy(out->p + out->n, s.p, s.n);
	out->n += s.n;
}

static inline struct slice text_done(const struct text_out *out)
{
	return slice_of(out->p, out->n);
}

#endif
