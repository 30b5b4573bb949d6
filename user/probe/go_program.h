/* SPDX-License-Identifier: Apache-2.0 */
/* Executables of Go: where the runtime keeps what, and where is seen which goroutine works for which. */
#ifndef SONDE_PROBE_GO_PROGRAM_H
#define SONDE_PROBE_GO_PROGRAM_H

#include "include/abi/go.h"
#include "user/probe/go_code.h"

#define GO_SITES_MAX 3
#define GO_WHY_SZ 256

struct go_site {
	uint64_t file_off;
	uint32_t function_off; /* the same from where its function begins */
	uint64_t cookie;       /* enum go_call */
	struct insn insn;
	char function[48];
};

struct go_program {
	bool found;	   /* it is an executable of Go */
	uint32_t minor;	   /* of version 1.x; 0: not known */
	struct go_exe exe; /* without what it says of TLS */
	uint32_t cnt;
	struct go_site v[GO_SITES_MAX];
	char why[GO_WHY_SZ]; /* which sites are missing, and why */
};

/* The functions that go_program_find wants to be looked up. */
#define GO_PROGRAM_FUNCTIONS 18
extern const char *const go_program_functions[GO_PROGRAM_FUNCTIONS];
extern const bool go_program_starts[GO_PROGRAM_FUNCTIONS];

/* functions: those, as they were looked up. */
void go_program_find(const struct go_code *go, const struct go_function *functions,
		     struct go_program *out);

#endif
