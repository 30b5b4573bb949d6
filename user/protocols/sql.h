/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a span may tell of an SQL text: the text without its literals (db.query.text) and what it does
 * to what (db.query.summary), after the semantic conventions for databases, 1.44.
 *
 * No literal survives. Where the end of one is in doubt (text that was cut, a backslash whose meaning
 * is a setting of the session, bytes that are not UTF-8), the text ends there.
 */
#ifndef SONDE_PROTOCOLS_SQL_H
#define SONDE_PROTOCOLS_SQL_H

#include "user/base/slice.h"

#define SQL_SUMMARY_MAX 255

enum sql_dialect {
	SQL_POSTGRESQL,
	SQL_MYSQL,		/* also MariaDB: a backslash escapes */
	SQL_MYSQL_NO_BACKSLASH, /* the session's status says NO_BACKSLASH_ESCAPES, or it is not known */
};

struct sql_source {
	struct slice text;
	enum sql_dialect dialect;
	bool cut; /* the text goes on, but was not copied */
	/* The statement was prepared: if it has parameters, its text is theirs to tell, untouched. */
	bool prepared;
};

/* Slices of out, of the source's text, or empty. */
struct sql {
	struct slice text;
	struct slice summary;	  /* at most SQL_SUMMARY_MAX bytes */
	struct slice traceparent; /* from a comment, as sqlcommenter writes it */
	bool parameterized;	  /* text is the source's own */
};

/* out has room for the summary and then the text; what finds none is left out, by whole tokens. */
struct sql sql_read(const struct sql_source *source, char *out, size_t out_sz);

#endif
