/* SPDX-License-Identifier: Apache-2.0 */
/* What a terminal shows of a character, and whether it is told to expect UTF-8. */
#ifndef SONDE_CLI_COLUMNS_H
#define SONDE_CLI_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

/* Columns that a character takes: 0, 1 or 2; -1 for what must not reach a terminal, and for -1. */
int columns_of(int32_t code);

/* Does the environment (LC_ALL, LC_CTYPE, LANG) ask for UTF-8? */
bool locale_is_utf8(void);

#endif
