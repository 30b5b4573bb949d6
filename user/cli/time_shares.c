// SPDX-License-Identifier: Apache-2.0
/* The attributes are those of user/flow/times.c. */
#include "user/cli/time_shares.h"

#include <stdio.h>

#include "user/cli/amount.h"

#define PREFIX "sonde.time."
#define SUFFIX "_ns"
#define QUEUE "queue"
#define WORTH_NS 1000000 /* shorter ones are told in attributes only */
#define PERCENT_MIN 10

/* The part of a key that says what it is the time of; empty: it is another attribute. */
static struct slice what_of(const struct attr *attr)
{
	const size_t around = strlen(PREFIX SUFFIX);

	if (attr->type != ATTR_INT || attr->key.n <= around ||
	    memcmp(attr->key.p, PREFIX, strlen(PREFIX)) != 0)
		return SLICE("");
	return slice_of(attr->key.p + strlen(PREFIX), attr->key.n - around);
}

static void name(char what[16], struct slice key)
{
	size_t n = key.n < 15 ? key.n : 15;

	for (size_t i = 0; i < n; i++)
		what[i] = key.p[i] == '_' ? ' ' : key.p[i];
	what[n] = '\0';
}

static void insert(struct time_shares *shares, struct slice what, uint8_t percent)
{
	for (int i = 0; i < TIME_SHARES_CNT; i++) {
		if (percent <= shares->largest[i].percent)
			continue;
		for (int k = TIME_SHARES_CNT - 1; k > i; k--)
			shares->largest[k] = shares->largest[k - 1];
		name(shares->largest[i].what, what);
		shares->largest[i].percent = percent;
		return;
	}
}

void time_shares__fill(struct time_shares *shares, const struct span *span)
{
	uint64_t duration_ns = span->end_ns > span->start_ns ? span->end_ns - span->start_ns : 0;

	memset(shares, 0, sizeof(*shares));
	for (uint16_t i = 0; i < span->attrs.cnt; i++) {
		const struct attr *attr = &span->attrs.v[i];
		struct slice what = what_of(attr);
		uint64_t ns = what.n && attr->num > 0 ? (uint64_t)attr->num : 0;

		if (slice_eq(what, SLICE(QUEUE)))
			shares->queue_ns = ns >= WORTH_NS && ns >= duration_ns / 10 ? ns : 0;
		else if (ns && duration_ns >= WORTH_NS && ns <= duration_ns &&
			 ns >= duration_ns / 100 * PERCENT_MIN)
			insert(shares, what, (uint8_t)(ns / (duration_ns / 100)));
	}
}

size_t time_shares__text(const struct time_shares *shares, char text[TIME_SHARES_SZ])
{
	char buf[AMOUNT_SZ];
	size_t n = 0;

	if (shares->queue_ns) {
		struct slice amount = amount_duration(shares->queue_ns, buf);

		n += (size_t)snprintf(text, TIME_SHARES_SZ, "queued %.*s", (int)amount.n, amount.p);
	}
	for (int i = 0; i < TIME_SHARES_CNT && shares->largest[i].percent; i++)
		n += (size_t)snprintf(text + n, TIME_SHARES_SZ - n, "%s%s %u %%", n ? ", " : "",
				      shares->largest[i].what, shares->largest[i].percent);
	return n;
}
