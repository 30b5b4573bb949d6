/* SPDX-License-Identifier: Apache-2.0 */
/* Records from the ring or a file are hostile until record_valid has passed them. */
#ifndef SONDE_CAPTURE_RECORD_H
#define SONDE_CAPTURE_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "include/abi/record.h"

/* True if bytes (8-byte aligned, len of them) hold one whole record whose sizes are consistent. */
bool record_valid(const void *bytes, size_t len);

#endif
