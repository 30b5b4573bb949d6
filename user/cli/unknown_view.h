/* SPDX-License-Identifier: Apache-2.0 */
/* Connections whose protocol was not recognised, as the tools show them at their end. */
#ifndef SONDE_CLI_UNKNOWN_VIEW_H
#define SONDE_CLI_UNKNOWN_VIEW_H

#include "user/cli/line.h"
#include "user/model/unknown.h"

/*
 * Text: a table of the first rows. JSON: an array of all. Nothing if there are no rows. 0, or a
 * negative errno.
 */
int unknown_view(FILE *out, enum view_format format, const struct unknown_row *rows, size_t cnt);

#endif
