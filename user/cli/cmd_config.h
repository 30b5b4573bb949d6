/* SPDX-License-Identifier: Apache-2.0 */
/* `sonde config check`, `print` and `doc`. */
#ifndef SONDE_CLI_CMD_CONFIG_H
#define SONDE_CLI_CMD_CONFIG_H

#include "user/cli/options.h"

/* Runs the config command that o->command names. Returns the exit code: 0, or 1 for a wrong file. */
int cmd_config(const struct options *o, FILE *out, FILE *err);

#endif
