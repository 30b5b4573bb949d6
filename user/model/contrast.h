/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What slow requests of a route do that typical ones do not. Each request's time is divided into parts that add
 * up to it: calls, by the critical path (span_tree.h), and own time, by its time account (user/flow/times.c).
 * Of both groups the parts' means are compared, so their differences add up to the difference of the means.
 * One thread.
 */
#ifndef SONDE_MODEL_CONTRAST_H
#define SONDE_MODEL_CONTRAST_H

#include "user/model/profile.h"
#include "user/model/span.h"

#define CONTRAST_SPANS_MAX (1u << 18) /* 64 MiB */
#define CONTRAST_PARTS_MAX 512u
#define CONTRAST_REQUESTS_MIN 20u /* of a route */
#define CONTRAST_SLOW_MIN 3u
#define CONTRAST_FUNCTIONS_MAX 10u
#define CONTRAST_ROOT 0u

enum contrast_side {
	CONTRAST_SLOW,
	CONTRAST_TYPICAL,
	CONTRAST_SIDES,
};

enum contrast_kind {
	CONTRAST_REQUEST, /* all of it */
	CONTRAST_CALL,	  /* to service, of that name */
	CONTRAST_QUEUED,  /* it lay in the socket before it was read */
	CONTRAST_WAY,	  /* of a call, what its server's span does not cover */
	/* the server's own time, by its account: */
	CONTRAST_CPU,
	CONTRAST_RUN_QUEUE,
	CONTRAST_CLIENT,
	CONTRAST_LOCK,
	CONTRAST_DISK,
	CONTRAST_PAGE_FAULT,
	CONTRAST_SLEEP,
	CONTRAST_OTHER,
	CONTRAST_UNSEEN, /* it waited for servers, in no call that was seen */
	CONTRAST_TWICE,	 /* negative: it did something itself while a call was outstanding */
	/* and where there is none: */
	CONTRAST_UNTOLD,
	CONTRAST_INSIDE, /* of a part that has parts, what none of these is */
	CONTRAST_KINDS,
};

/* Parts of a part follow it. */
struct contrast_part {
	uint32_t parent; /* index; the root's own */
	uint32_t depth;	 /* the root's is 0 */
	enum contrast_kind kind;
	struct slice service, name;	/* of a call */
	int64_t ns[CONTRAST_SIDES];	/* of all requests of a side together */
	uint64_t calls[CONTRAST_SIDES]; /* how many, also those that were not waited for */
};

/* Of the samples of a side, those with this function on top. */
struct contrast_function {
	struct slice name, file; /* the profile's */
	struct slice service;
	uint32_t cnt[CONTRAST_SIDES];
};

enum contrast_status {
	CONTRAST_FOUND,
	CONTRAST_NOTHING,  /* no request was seen that fits */
	CONTRAST_TOO_FEW,  /* of the route; requests_cnt says how many there are */
	CONTRAST_NO_TRACE, /* that begins so, with a request that fits */
};

struct contrast_result {
	enum contrast_status status;
	struct slice service, name; /* the route's */
	uint32_t requests_cnt;
	uint32_t percentile; /* from which on a request is slow; 0: the slow one was chosen */
	uint64_t percentile_ns, median_ns;
	struct trace_id trace_id;	/* of the slowest of the slow ones */
	uint32_t cnt[CONTRAST_SIDES];	/* requests compared */
	uint32_t timed[CONTRAST_SIDES]; /* of these, those with a time account */
	struct contrast_part *parts;	/* in each part the largest difference first */
	uint32_t parts_cnt;
	struct contrast_function *functions; /* the largest difference a request first */
	uint32_t functions_cnt;
	uint32_t samples[CONTRAST_SIDES];
	uint64_t period_ns;	/* 0: no samples were taken */
	uint64_t undecided_cnt; /* calls of which it is not known for which request they were */
	uint64_t left_out_cnt;	/* spans that found no room */
};

struct contrast_filter {
	const char *service, *route; /* NULL: any; a route as request_table.h has it */
	const char *trace_id;	     /* the slow request is this trace's; NULL: none */
	bool slowest;		     /* the slow request is the slowest one */
};

struct contrast;

/* Strings are borrowed. NULL with errno. */
struct contrast *contrast__new(const struct contrast_filter *filter);
/* NULL is legal. */
void contrast__free(struct contrast *c);
void contrast__add(struct contrast *c, const struct span *span);
/* Compares, once, when all spans have come. Valid until contrast__free; NULL with errno. */
const struct contrast_result *contrast__finish(struct contrast *c);
/* Then says what ran on the CPUs; the profile is borrowed until contrast__free. 0 or -ENOMEM. */
int contrast__samples(struct contrast *c, const struct profile *profile);

/* After contrast__samples: whose each sample of that profile is, by sample: enum contrast_side, CONTRAST_SIDES where of neither. */
void contrast__sides(const struct contrast *c, const struct profile *profile, uint8_t *sides);

/* The difference of the means: what a slow request has more of this part. */
static inline double contrast_extra_ns(const struct contrast_result *r,
				       const struct contrast_part *part)
{
	return (double)part->ns[CONTRAST_SLOW] / r->cnt[CONTRAST_SLOW] -
	       (double)part->ns[CONTRAST_TYPICAL] / r->cnt[CONTRAST_TYPICAL];
}

#endif
