/* SPDX-License-Identifier: Apache-2.0 */
/* Spans of SQL databases, after the semantic conventions for database clients, 1.44. */
#ifndef SONDE_PROTOCOLS_SQL_SEMCONV_H
#define SONDE_PROTOCOLS_SQL_SEMCONV_H

#include "user/protocols/protocol.h"

/*
 * From what the messages carry: db.namespace, db.collection.name, db.query.*, db.operation.name,
 * db.response.*. usual_port goes without saying.
 */
void sql_describe(const struct exchange_view *x, struct slice system, uint16_t usual_port,
		  struct description *out);

#endif
