/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redaction of a JSON object (RFC 8259): of attributes, or a span as `sonde trace --json` prints it.
 * The object is copied as it stands, without white space; strings are decoded, redacted by the key
 * of the member that they are in, and written again. One thread at a time.
 */
#ifndef SONDE_POLICY_REDACT_JSON_H
#define SONDE_POLICY_REDACT_JSON_H

#include "user/base/json_writer.h"
#include "user/policy/redact.h"

#define REDACT_JSON_DEPTH_MAX 64

/*
 * Appends the redacted object to out. False when the text is no JSON object, nested too deep, or
 * out has failed: then what was appended is not to be used. New text is taken from the arena.
 */
bool redact_json(struct redactor *r, struct slice text, struct json_writer *out,
		 struct arena *arena);

#endif
