/* SPDX-License-Identifier: Apache-2.0 */
/* Where Go's crypto/tls passes plaintext, in an executable of Go 1.19 or later. */
#ifndef SONDE_PROBE_GO_TLS_H
#define SONDE_PROBE_GO_TLS_H

#include "user/probe/code.h"
#include "user/probe/tls_library.h"

/* Fills out with the sites, if the file is such an executable. Borrows both. */
void go_tls_find(int fd, struct code *code, struct tls_sites *out);

#endif
