/* SPDX-License-Identifier: Apache-2.0 */
/* Where Go's crypto/tls passes plaintext, in an executable of Go 1.19 or later. */
#ifndef SONDE_PROBE_GO_TLS_H
#define SONDE_PROBE_GO_TLS_H

#include "user/probe/go_code.h"
#include "user/probe/tls_library.h"

/* The functions that go_tls_find wants to be looked up; all begin with a look at whether the stack must grow. */
#define GO_TLS_FUNCTIONS 6
extern const char *const go_tls_functions[GO_TLS_FUNCTIONS];

/* Fills out with the sites, if the program has crypto/tls. functions: those, as they were looked up. */
void go_tls_find(const struct go_code *go, const struct go_function *functions,
		 struct tls_sites *out);

#endif
