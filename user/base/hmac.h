/* SPDX-License-Identifier: Apache-2.0 */
/* HMAC-SHA-256 (RFC 2104, FIPS 180-4). Any thread. */
#ifndef SONDE_BASE_HMAC_H
#define SONDE_BASE_HMAC_H

#include "user/base/slice.h"

#define HMAC_SZ 32

/* False when the library fails; then out is not to be used. */
bool hmac_sha256(struct slice key, struct slice text, uint8_t out[HMAC_SZ]);

#endif
