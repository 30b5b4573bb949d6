/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes of low cardinality for paths: by the user's patterns first, else by the shape of the
 * path's segments, learnt per service and bounded in number. One thread at a time.
 */
#ifndef SONDE_FLOW_ROUTE_H
#define SONDE_FLOW_ROUTE_H

#include "user/base/slice.h"

#define ROUTE_TEXT_MAX 512	/* bytes of a route, patterns included */
#define ROUTE_SEGMENTS_MAX 8	/* the rest of a longer path is "**" */
#define ROUTE_VALUES_MAX 20	/* names learnt at one place; what is new there is {value} */
#define ROUTE_SERVICES_MAX 1024 /* of more, the one longest unused is forgotten */
#define ROUTE_NODES_MAX 65536	/* segments learnt for all services together, 44 bytes each */

struct routes;

/*
 * Patterns (see route_pattern.h) are tried in order. They are copied. max_per_service bounds the
 * routes that are learnt; for what is new beyond that the route is one catch-all. NULL with errno;
 * EINVAL if a pattern is not valid, which is logged.
 */
struct routes *routes__new(const char *const *patterns, size_t patterns_cnt,
			   size_t max_per_service);
/* NULL is legal. */
void routes__free(struct routes *routes);

/*
 * The route of a path (without query), written to buf, which should have ROUTE_TEXT_MAX bytes: what
 * does not fit becomes the catch-all, or the empty slice. The empty slice also for a path that does
 * not begin with '/'. Empty segments, hence doubled and trailing slashes, count for nothing.
 */
struct slice routes__find(struct routes *routes, uint64_t service_key, struct slice path, char *buf,
			  size_t buf_sz);

#endif
