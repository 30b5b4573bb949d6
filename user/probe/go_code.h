/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code of an executable of Go 1.18 or later, stripped or not: its functions by name, and which version has
 * made it. The file is hostile input. One thread per object.
 */
#ifndef SONDE_PROBE_GO_CODE_H
#define SONDE_PROBE_GO_CODE_H

#include "user/probe/code.h"
#include "user/probe/gopclntab.h"

struct go_code {
	struct code *code;
	struct go_function *functions;
	size_t functions_cnt;
	uint64_t text;	   /* where all of Go's code begins */
	uint64_t text_off; /* the same from where the first segment that is executable begins */
	bool has_text;
	uint32_t minor; /* of the version 1.x; 0: not known */
};

/*
 * Fills in which of the functions are in the file. True if it is one of Go. Those of which starts says so begin with
 * a look at whether the stack must grow; by that the text is found. Borrows all.
 */
bool go_code_open(int fd, struct code *code, struct go_function *functions, size_t cnt,
		  const bool *starts, struct go_code *out);
/* As code__read. The text must be known, and the function found. */
int go_code_read(const struct go_code *go, const struct go_function *function,
		 struct code_function *out);

#endif
