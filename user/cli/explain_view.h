/* SPDX-License-Identifier: Apache-2.0 */
/* What `sonde explain` prints. 0, or a negative errno. */
#ifndef SONDE_CLI_EXPLAIN_VIEW_H
#define SONDE_CLI_EXPLAIN_VIEW_H

#include "user/cli/line.h"
#include "user/model/contrast.h"

/* Sentences, and tables of all parts and of the functions that ran. Tables are cut to width if it is not 0. */
int explain_text(FILE *out, bool colour, unsigned int width, const struct contrast_result *result);
/* One object. */
int explain_json(FILE *out, const struct contrast_result *result);

#endif
