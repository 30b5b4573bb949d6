/* SPDX-License-Identifier: Apache-2.0 */
/* The ends of an exchange's connection, as the spans of all protocols tell them (semantic conventions, network). */
#ifndef SONDE_PROTOCOLS_ENDS_H
#define SONDE_PROTOCOLS_ENDS_H

#include "user/protocols/protocol.h"

/* client.address and client.port. */
void ends_add_client(struct attrs *attrs, const struct exchange_view *x);
/* network.peer.address and network.peer.port: the other end's. */
void ends_add_peer(struct attrs *attrs, const struct exchange_view *x);
/* network.transport */
void ends_add_transport(struct attrs *attrs, const struct exchange_view *x);

#endif
