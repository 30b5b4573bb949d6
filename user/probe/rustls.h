/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of rustls in an executable that has its symbols: they are found by what their mangled names
 * stand for, in versions 0.20 to 0.23. The file is hostile input. Any thread.
 */
#ifndef SONDE_PROBE_RUSTLS_H
#define SONDE_PROBE_RUSTLS_H

#include "user/probe/code.h"
#include "user/probe/tls_library.h"

/* Adds their sites to out, all that are needed or none; out says why. Borrows fd, of which code is. */
void rustls_find(int fd, struct code *code, struct tls_sites *out);

#endif
