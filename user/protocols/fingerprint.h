/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of an HTTP request stays as it is when a proxy passes it on: method, target, and the header lines
 * that are meant for its end. What is for one hop only (RFC 9110 section 7.6.1), what proxies add to or
 * replace, and Host are left out.
 */
#ifndef SONDE_PROTOCOLS_FINGERPRINT_H
#define SONDE_PROTOCOLS_FINGERPRINT_H

#include "user/base/slice.h"

#define FINGERPRINT_LINES_MAX 48

struct fingerprint {
	uint64_t seed;	 /* secret; set once by who owns it */
	uint64_t target; /* of method and target; 0: it is not known */
	uint32_t agent;	 /* the name User-Agent as it is spelled; 0: there is none */
	uint32_t lines_cnt;
	uint8_t version;		       /* 10, 11, 20 */
	bool whole;			       /* all of the head is in here */
	bool passed_on;			       /* a line says so, such as Via */
	bool too_many;			       /* lines than there is room for */
	uint32_t lines[FINGERPRINT_LINES_MAX]; /* each by name and value */
};

/* Of a head of which nothing is known yet. */
void fingerprint__begin(struct fingerprint *f);
/* A header line; of a cookie, each part, since HTTP/2 may send them apart. */
void fingerprint__add(struct fingerprint *f, struct slice name, struct slice value);
/* The head has ended; whole: nothing of it is missing. */
void fingerprint__end(struct fingerprint *f, struct slice method, struct slice target,
		      uint8_t version, bool whole);
/* What is in use of it. */
void fingerprint__copy(struct fingerprint *to, const struct fingerprint *from);
/* How many of f's lines are in other, too. */
uint32_t fingerprint_shared(const struct fingerprint *f, const struct fingerprint *other);

#endif
