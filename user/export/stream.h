/* SPDX-License-Identifier: Apache-2.0 */
/* The end of writing to a stream. */
#ifndef SONDE_EXPORT_STREAM_H
#define SONDE_EXPORT_STREAM_H

#include <errno.h>
#include <stdio.h>

#include "user/base/slice.h"

/* 0 once all that was written has left the stream's buffer, else a negative errno. */
static inline int stream_result(FILE *out)
{
	errno = 0;
	if (fflush(out) == 0 && !ferror(out))
		return 0;
	return errno ? -errno : -EIO;
}

static inline void stream_put(FILE *out, struct slice s)
{
	if (s.n)
		fwrite(s.p, 1, s.n, out);
}

#endif
