/* SPDX-License-Identifier: Apache-2.0 */
/* The commands by name, and what --help says; options come from their tables. */
#ifndef SONDE_CLI_HELP_H
#define SONDE_CLI_HELP_H

#include <stdio.h>

#include "user/control/config.h"

/* Help about a command, or the overview for COMMAND_NONE. */
void help_print(enum command topic, FILE *out);
/* "trace", "config print"; "" for COMMAND_NONE. */
const char *help_command_name(enum command command);
/* The command that the first words name, and how many words that took; or COMMAND_NONE. */
enum command help_command_find(int argc, char **argv, int *words_cnt);
/* The name nearest to word, or NULL. */
const char *help_command_nearest(const char *word);

#endif
