/* SPDX-License-Identifier: Apache-2.0 */
/* Statements and spans of SQL databases, after the semantic conventions for database clients, 1.44. */
#ifndef SONDE_PROTOCOLS_SQL_SEMCONV_H
#define SONDE_PROTOCOLS_SQL_SEMCONV_H

#include "user/protocols/protocol.h"
#include "user/protocols/sql.h"

/* Keeps what may be told of a prepared statement, under a name of the protocol's own. */
void sql_remember(struct msg *msg, uint64_t name, const struct sql *sql);
/* Gives it back, valid as long as the memo's text. False if there is nothing of that name. */
bool sql_recall(const struct msg *msg, uint64_t name, struct sql *sql);
/* Adds db.query.text and db.query.summary. */
void sql_add_statement(struct msg *msg, const struct sql *sql);
/*
 * From what the messages carry: db.namespace, db.collection.name, db.query.*, db.operation.name,
 * db.response.*. usual_port goes without saying.
 */
void sql_describe(const struct exchange_view *x, struct slice system, uint16_t usual_port,
		  struct description *out);

#endif
