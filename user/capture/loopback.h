/* SPDX-License-Identifier: Apache-2.0 */
/* A TCP connection from this process to itself, which must behave as TCP connections do. */
#ifndef SONDE_CAPTURE_LOOPBACK_H
#define SONDE_CAPTURE_LOOPBACK_H

#include <stddef.h>

/*
 * Sends sz bytes over a new connection, ends that direction, and sends as many back. Checks how many
 * wait to be read while none are (sz of up to LOOPBACK_WAITING_MAX), every byte, and both ends. 0, or -1 with a
 * sentence in why.
 */
#define LOOPBACK_WAITING_MAX 16384u
int loopback_check(size_t sz, char *why, size_t why_sz);
/*
 * Sends a request of HTTP, which must arrive with the header of include/abi/hop.h and otherwise as it was
 * sent; then bytes in both directions, which must pass as with loopback_check.
 */
int loopback_check_header(char *why, size_t why_sz);

#endif
