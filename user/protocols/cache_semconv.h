/* SPDX-License-Identifier: Apache-2.0 */
/* Spans of key-value stores, after the semantic conventions for database clients, 1.44. */
#ifndef SONDE_PROTOCOLS_CACHE_SEMCONV_H
#define SONDE_PROTOCOLS_CACHE_SEMCONV_H

#include "user/protocols/protocol.h"

/* Keys of what messages carry. */
#define CACHE_OPERATION SLICE("db.operation.name")
#define CACHE_TEXT SLICE("db.query.text")
#define CACHE_NAMESPACE SLICE("db.namespace")
#define CACHE_PROCEDURE SLICE("db.stored_procedure.name")
#define CACHE_BATCH SLICE("db.operation.batch.size")
#define CACHE_STATUS SLICE("db.response.status_code")
#define CACHE_ERROR SLICE("error.type")

/*
 * Takes over all attributes of the messages and adds what they say of both ends and of the error. The
 * name is the operation and, if it ran one, the stored procedure. usual_port goes without saying.
 */
void cache_describe(const struct exchange_view *x, struct slice system, uint16_t usual_port,
		    struct description *out);
/* The same of a message that was delivered to a subscriber. */
void cache_describe_delivery(const struct exchange_view *x, struct slice system,
			     uint16_t usual_port, struct description *out);

#endif
