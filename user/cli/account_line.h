/* SPDX-License-Identifier: Apache-2.0 */
/* The account in one line, as the tools print it at their end. */
#ifndef SONDE_CLI_ACCOUNT_LINE_H
#define SONDE_CLI_ACCOUNT_LINE_H

#include <stdbool.h>
#include <stdio.h>

#include "user/model/unknown.h"

/*
 * Text: "1,234 spans, nothing lost" or what was lost by cause, then what else is worth knowing; before
 * it the table of the rows, if there are any.
 * JSON: "account: {...}" with every counter that is not zero, as stem or stem.cause, and the rows, if
 * there are any, as "unknown".
 */
void account_line(FILE *out, bool json, const struct unknown_row *rows, size_t cnt);
/* The text without its line end, cut to buf_sz. */
void account_text(char *buf, size_t buf_sz);

#endif
