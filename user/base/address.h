/* SPDX-License-Identifier: Apache-2.0 */
/* Socket addresses as text. */
#ifndef SONDE_BASE_ADDRESS_H
#define SONDE_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_TEXT_SZ 48

/* Writes an IPv4 (first 4 bytes) or IPv6 address, network order. */
void address_text(bool ipv6, const uint8_t bytes[16], char *out, size_t out_sz);
/* Reads either kind; false if it is neither. */
bool address_parse(const char *text, bool *ipv6, uint8_t bytes[16]);

#endif
