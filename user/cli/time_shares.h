/* SPDX-License-Identifier: Apache-2.0 */
/* What a served request's time went to, in a few words: "lock 61 %, cpu 35 %". */
#ifndef SONDE_CLI_TIME_SHARES_H
#define SONDE_CLI_TIME_SHARES_H

#include "user/model/span.h"

#define TIME_SHARES_CNT 2
#define TIME_SHARES_SZ 96

struct time_shares {
	uint64_t queue_ns; /* before its time; 0: too short to be worth a word, or not known */
	struct {
		char what[16];
		uint8_t percent; /* of its time; 0: there is no more */
	} largest[TIME_SHARES_CNT];
};

/* Takes what is known of the span, if it took long enough to ask. */
void time_shares__fill(struct time_shares *shares, const struct span *span);
/* The words, in text; their length, 0 if there is nothing to say. */
size_t time_shares__text(const struct time_shares *shares, char text[TIME_SHARES_SZ]);

#endif
