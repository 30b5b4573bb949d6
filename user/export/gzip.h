/* SPDX-License-Identifier: Apache-2.0 */
/* Gzip (RFC 1952) of whole messages, by libdeflate (why: docs/architecture.md). One thread at a time. */
#ifndef SONDE_EXPORT_GZIP_H
#define SONDE_EXPORT_GZIP_H

#include "user/base/slice.h"

struct gzip;

/* level: 1 to 12. NULL with errno. */
struct gzip *gzip__new(int level);
void gzip__free(struct gzip *g);
/* *packed is body compressed, the same bytes every time; valid until the next call. -ENOMEM. */
int gzip__pack(struct gzip *g, struct slice body, struct slice *packed);

#endif
