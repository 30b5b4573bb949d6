/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of redaction as a redactor. */
#ifndef SONDE_REDACTION_H
#define SONDE_REDACTION_H

#include "user/control/config.h"
#include "user/policy/redact.h"

/*
 * NULL with why; the configuration is not needed any more. Without redaction.hash_key all redactors
 * of a run share one random key. One thread.
 */
struct redactor *redaction_new(const struct config *config, char why[REDACT_WHY_SZ]);

#endif
