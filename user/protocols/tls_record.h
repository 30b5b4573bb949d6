/* SPDX-License-Identifier: Apache-2.0 */
/* Records of TLS (RFC 8446 section 5, RFC 5246 section 6), which are recognised and not read. */
#ifndef SONDE_PROTOCOLS_TLS_RECORD_H
#define SONDE_PROTOCOLS_TLS_RECORD_H

#include "user/protocols/protocol.h"

#define TLS_RECORD_HANDSHAKE 22
#define TLS_CLIENT_HELLO 1
#define TLS_SERVER_HELLO 2

/* Does a record begin here: a hello, or one from the middle of a connection? */
enum detect tls_detect(struct slice bytes);

#endif
