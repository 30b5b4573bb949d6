/* SPDX-License-Identifier: Apache-2.0 */
/* Records of TLS (RFC 8446 section 5, RFC 5246 section 6), which are recognised and not read. */
#ifndef SONDE_PROTOCOLS_TLS_RECORD_H
#define SONDE_PROTOCOLS_TLS_RECORD_H

#include "user/base/slice.h"

/* Does a record begin here: a hello, or one from the middle of a connection? */
bool tls_is_record(struct slice bytes);

#endif
