/* SPDX-License-Identifier: Apache-2.0 */
/* A request that was served, as what links CPU samples to its span wants to know it. Plain data. */
#ifndef SONDE_MODEL_SERVED_H
#define SONDE_MODEL_SERVED_H

#include "user/model/span.h"

struct served {
	uint64_t cookie;	   /* of the connection, */
	uint64_t off;		   /* and where in its stream the request began */
	uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC */
	struct trace_id trace_id;
	struct span_id span_id;
	uint32_t tid; /* that received it and answered it; 0: not one and the same */
	bool lone;    /* no other request was outstanding on the connection */
};

#endif
