/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gRPC says in HTTP/2's headers: the semantic conventions for RPC and gRPC, 1.44. Its methods are
 * paths, its outcome is in the trailers.
 */
#ifndef SONDE_PROTOCOLS_GRPC_SEMCONV_H
#define SONDE_PROTOCOLS_GRPC_SEMCONV_H

#include "user/protocols/protocol.h"

/* Adds what a header block's content-type and grpc-status say; empty where they are not known. */
void grpc_add(struct attrs *attrs, struct slice content_type, struct slice status);
/* Is it a call? Else it is plain HTTP. */
bool grpc_is(const struct exchange_view *exchange);
/* A call's describe, for attributes made by grpc_add and http_add_request. */
void grpc_describe(const struct exchange_view *exchange, struct description *out);

#endif
