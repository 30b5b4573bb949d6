/* SPDX-License-Identifier: Apache-2.0 */
/* What a command line runs: the program, or the script or module that an interpreter runs. */
#ifndef SONDE_IDENT_COMMAND_H
#define SONDE_IDENT_COMMAND_H

#include "user/base/slice.h"

struct command {
	struct slice name;    /* what to call the service; empty when nothing is known */
	struct slice runtime; /* process.runtime.name when it is certain, else empty */
};

/*
 * exe is the executable's path, args its NUL-terminated arguments; either may be empty. A last
 * argument without its NUL may be cut and is not looked at. The slices of out point into exe or
 * args, or to static text.
 */
void command_parse(struct slice exe, struct slice args, struct command *out);

/* What follows the last slash, trailing slashes ignored. */
struct slice command_basename(struct slice path);

#endif
