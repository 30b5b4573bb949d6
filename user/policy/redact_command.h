/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines: the values of options and variables whose names say that they are secret. Any
 * thread. Where the arena is full, all of the text becomes REDACTED.
 */
#ifndef SONDE_POLICY_REDACT_COMMAND_H
#define SONDE_POLICY_REDACT_COMMAND_H

#include "user/base/arena.h"

/* Each item is a whole argument: --token=1, or --password and then its value. Changes the items. */
void redact_arguments(struct slice *items, size_t cnt, struct arena *arena);
/* The same with the arguments separated by spaces, as titles of processes are. */
struct slice redact_command_line(struct slice line, struct arena *arena);

#endif
