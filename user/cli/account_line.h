/* SPDX-License-Identifier: Apache-2.0 */
/* The account in one line, as the tools print it at their end. */
#ifndef SONDE_CLI_ACCOUNT_LINE_H
#define SONDE_CLI_ACCOUNT_LINE_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Text: "1,234 spans, nothing lost" or what was lost by cause, then what else is worth knowing.
 * JSON: "account: {...}" with every counter that is not zero, as stem or stem.cause.
 */
void account_line(FILE *out, bool json);
/* The text without its line end, cut to buf_sz. */
void account_text(char *buf, size_t buf_sz);

#endif
