/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which requests were served, by the ids that a profile's samples are linked to: whose samples they are, by
 * service and route. One thread at a time.
 */
#ifndef SONDE_MODEL_REQUEST_TABLE_H
#define SONDE_MODEL_REQUEST_TABLE_H

#include "user/model/profile.h"
#include "user/model/span.h"

#define REQUESTS_MAX \
	(1u << 20) /* 32 MiB; samples of those that are beyond are of unknown requests */

/* Which requests are wanted: all that is not NULL must be the span's own. */
struct request_filter {
	const char *service;
	const char
		*route; /* the span's name (GET /users/{id}, SELECT payments), or its http.route */
	const char *trace_id; /* hex digits that it begins with */
};

/* Samples of the requests of one service and name. */
struct request_row {
	struct slice service, name; /* the table's */
	uint32_t samples_cnt;
	uint64_t weight; /* of these */
};

/* Whose a profile's samples are. They add up: all = rows + none + unknown + others. */
struct request_shares {
	struct request_row *rows; /* the most samples first */
	uint32_t rows_cnt;
	uint32_t none_cnt;    /* of no request, as far as is proven */
	uint32_t unknown_cnt; /* of requests that the table does not have */
	uint32_t others_cnt;  /* of requests that are not wanted */
	uint64_t none_weight, unknown_weight;
	bool filtered; /* only those of wanted requests are left in the profile */
};

/* Is the span of that service and route, as of a filter? */
bool request_is_of(const struct span *span, const char *service, const char *route);

struct request_table;

/* The filter is borrowed. NULL with errno. */
struct request_table *request_table__new(const struct request_filter *filter);
/* NULL is legal. */
void request_table__free(struct request_table *table);
/* Takes note of a server's span; others are of no interest. */
void request_table__add(struct request_table *table, const struct span *span);
/* Is any span wanted rather than all? */
bool request_table__filters(const struct request_table *table);
/*
 * The profile of the samples of wanted requests, to be freed, and whose samples those of `from` are.
 * NULL when memory is out.
 */
struct profile *request_table__keep(const struct request_table *table, const struct profile *from,
				    struct request_shares *shares);
/* Whose the samples are, for request_shares__free in any case. 0 or -ENOMEM. */
int request_table__shares(const struct request_table *table, const struct profile *profile,
			  struct request_shares *shares);
void request_shares__free(struct request_shares *shares);

#endif
