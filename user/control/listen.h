/* SPDX-License-Identifier: Apache-2.0 */
/* "ADDRESS:PORT", "[IPV6]:PORT" or ":PORT" (every address), as control.listen takes it. */
#ifndef SONDE_CONTROL_LISTEN_H
#define SONDE_CONTROL_LISTEN_H

#define LISTEN_HOST_MAX 256
#define LISTEN_PORT_MAX 8

/* Splits and checks; resolves nothing. host is "" for every address. 0 or -EINVAL. */
int listen_split(const char *text, char host[LISTEN_HOST_MAX], char port[LISTEN_PORT_MAX]);
/*
 * A listening TCP socket (close-on-exec) that the caller closes, or a negative errno; EINVAL when
 * text is malformed, EADDRNOTAVAIL also when its name does not resolve.
 */
int listen_open(const char *text);

#endif
