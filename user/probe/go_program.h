/* SPDX-License-Identifier: Apache-2.0 */
/* Executables of Go: where the runtime keeps what, and where is seen which goroutine works for which. */
#ifndef SONDE_PROBE_GO_PROGRAM_H
#define SONDE_PROBE_GO_PROGRAM_H

#include "include/abi/go.h"
#include "user/probe/go_code.h"

#define GO_SITES_MAX 48
#define GO_WHY_SZ 256

struct go_site {
	uint64_t file_off;
	uint64_t cookie; /* see include/abi/go.h */
};

struct go_program {
	bool found;	   /* it is an executable of Go */
	uint32_t minor;	   /* of version 1.x; 0: not known */
	struct go_exe exe; /* without what it says of TLS */
	uint32_t cnt;
	struct go_site v[GO_SITES_MAX];
	char why[GO_WHY_SZ]; /* which sites are missing, and why */
};

/* The names of functions that go_program_find wants to be looked up; starts: as go_code_open's. */
#define GO_PROGRAM_FUNCTIONS 58
const char *go_program_function(size_t i, bool *starts);

/* functions: those, as they were looked up. */
void go_program_find(const struct go_code *go, const struct go_function *functions,
		     struct go_program *out);

#endif
