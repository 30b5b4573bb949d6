/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which location of a profile an address has been found to be. Most addresses of a sample were in others before:
 * then nothing need be looked up in files and tables. What is remembered makes place for what comes later. One thread.
 */
#ifndef SONDE_PROFILE_LOCATION_MEMO_H
#define SONDE_PROFILE_LOCATION_MEMO_H

#include <stdbool.h>
#include <stdint.h>

#define LOCATION_MEMO_CNT 4096u /* a power of two */

struct location_key {
	uint64_t profile, mappings; /* their numbers */
	uint64_t address;
	bool returns; /* it is a return address */
};

struct location_memo {
	struct remembered {
		struct location_key key;
		uint32_t location; /* 0: free */
	} v[LOCATION_MEMO_CNT];
};

/* 0: it is not remembered. */
uint32_t location_memo__find(const struct location_memo *memo, const struct location_key *key);
/* location 0 is not remembered. */
void location_memo__put(struct location_memo *memo, const struct location_key *key,
			uint32_t location);

#endif
