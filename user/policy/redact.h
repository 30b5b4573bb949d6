/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must not leave this host, taken out of spans and resources before they are queued, written or
 * shown. In this order: what the attribute's key says (queries, URLs, headers that carry credentials,
 * command lines), the user's rules, and values that look like secrets.
 *
 * It never fails open: where a text is too hard to search, or there is no room for the redacted one,
 * all of it becomes REDACTED, counted as ACCOUNT_REDACT_ALL.
 */
#ifndef SONDE_POLICY_REDACT_H
#define SONDE_POLICY_REDACT_H

#include "user/model/span.h"
#include "user/policy/redact_url.h"

#define REDACT_HASH_DIGITS 16
#define REDACT_WHY_SZ 256

/* What the span's name, and a trace state, are called where attributes are named. */
#define REDACT_SPAN_NAME SLICE("span.name")
#define REDACT_TRACE_STATE SLICE("span.trace_state")

enum redact_action {
	REDACT_DELETE, /* the attribute goes, if its value matches */
	REDACT_MASK,   /* what matches becomes the replacement */
	REDACT_HASH,   /* what matches becomes hex digits, the same for the same text and key */
};

struct redact_rule {
	const char *attribute; /* a key; '*' stands for any characters */
	const char *pattern;   /* NULL: all of the value */
	enum redact_action action;
	const char *replacement; /* of REDACT_MASK; NULL: REDACTED */
};

struct redact_options {
	struct url_options url;
	bool values_off;	     /* no rules, and no values but credentials in URLs */
	const char *const *patterns; /* names of the built-in ones, see value_names */
	size_t patterns_cnt;
	const struct redact_rule *rules; /* in order, each on what the one before left */
	size_t rules_cnt;
	struct slice hash_key;
};

/* One thread at a time. */
struct redactor;

/* Copies the options. NULL with why: a pattern is wrong, or memory is out. */
struct redactor *redactor__new(const struct redact_options *options, char why[REDACT_WHY_SZ]);
/* NULL is legal. */
void redactor__free(struct redactor *r);

/*
 * All take new text from the arena, which must be the one that lives as long as the attributes. The
 * keys stay; attributes that go are taken off the list.
 */
void redactor__span(struct redactor *r, struct span *span, struct arena *arena);
void redactor__attrs(struct redactor *r, struct attrs *attrs, struct arena *arena);
/* One attribute; false if it must go. */
bool redactor__attr(struct redactor *r, struct attr *attr, struct arena *arena);

/* What has been hit how often since the start: calls back for each that was. */
void redactor__hits(const struct redactor *r,
		    void (*tell)(void *ctx, const char *what, uint64_t hits), void *ctx);

#endif
