/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A time in which the processes of one service are sampled faster, since one of its routes became
 * slow. Its samples are a profile of their own, with their own period. Plain data.
 */
#ifndef SONDE_MODEL_BURST_H
#define SONDE_MODEL_BURST_H

#include "include/abi/record.h"
#include "user/model/resource.h"

#define BURST_TEXT_SZ 256 /* of a name: what is longer is cut */
#define PROFILE_ID_SZ 16

struct burst {
	uint16_t number; /* while it lasts: 1 to BURSTS_MAX; 0: none */
	uint8_t id[PROFILE_ID_SZ];
	uint64_t period_ns;
	char service[BURST_TEXT_SZ], route[BURST_TEXT_SZ]; /* end in NUL */
};

/* OTLP has a profile for each process: what this burst's of that one is called. */
static inline void burst_profile_id(const struct burst *burst, const struct resource *resource,
				    uint8_t id[PROFILE_ID_SZ])
{
	uint64_t last;

	memcpy(id, burst->id, PROFILE_ID_SZ);
	memcpy(&last, id + PROFILE_ID_SZ - sizeof(last), sizeof(last));
	last ^= resource ? resource->id : 0;
	memcpy(id + PROFILE_ID_SZ - sizeof(last), &last, sizeof(last));
}

#endif
