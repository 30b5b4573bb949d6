/* SPDX-License-Identifier: Apache-2.0 */
/* What spans of all databases say, after the semantic conventions for database clients, 1.44. */
#ifndef SONDE_PROTOCOLS_DB_SEMCONV_H
#define SONDE_PROTOCOLS_DB_SEMCONV_H

#include "user/protocols/protocol.h"

/* Adds a text, unless it is empty. */
void db_add(struct attrs *attrs, struct slice key, struct slice value);
/* server.*, client.* and network.* of both ends. usual_port goes without saying. */
void db_add_ends(struct attrs *attrs, const struct exchange_view *exchange, uint16_t usual_port);
/* `{operation} {target}`, composed in out; the operation alone if there is no target, or no room. */
struct slice db_name(struct description *out, struct slice operation, struct slice target);

#endif
