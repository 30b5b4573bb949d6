/* SPDX-License-Identifier: Apache-2.0 */
/* Name-based UUIDs, version 5 (RFC 9562). */
#ifndef SONDE_IDENT_UUID_H
#define SONDE_IDENT_UUID_H

#include "user/base/slice.h"

#define UUID_TEXT_SZ 37
#define UUID_NAME_MAX 256

/* Writes the lower-case text with its NUL. Of name the first UUID_NAME_MAX bytes count. */
void uuid_v5(const uint8_t space[16], struct slice name, char out[UUID_TEXT_SZ]);

#endif
