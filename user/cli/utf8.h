/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 from sources that need not be: decoding, and what may be shown on a terminal. */
#ifndef SONDE_CLI_UTF8_H
#define SONDE_CLI_UTF8_H

#include "user/base/slice.h"

#define UTF8_REPLACEMENT SLICE("\xef\xbf\xbd") /* U+FFFD */

/*
 * Length of the well-formed character (1 to 4 bytes, no surrogates, nothing overlong) at the start
 * of s, which must not be empty; 0 if there is none. *code is set if one was found.
 */
size_t utf8_decode(struct slice s, uint32_t *code);

/* Columns of a character on a terminal: 0, 1 or 2; -1 for what must not reach one (controls). */
int utf8_columns(uint32_t code);

/* Does the environment (LC_ALL, LC_CTYPE, LANG) ask for UTF-8? */
bool utf8_locale(void);

#endif
