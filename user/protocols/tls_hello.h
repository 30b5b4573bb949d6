/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages that begin a TLS handshake (RFC 8446 section 4.1, RFC 5246 section 7.4.1), and of their
 * extensions those that say who is asked (RFC 6066 section 3) and for what (RFC 7301).
 */
#ifndef SONDE_PROTOCOLS_TLS_HELLO_H
#define SONDE_PROTOCOLS_TLS_HELLO_H

#include "user/base/slice.h"

#define TLS_SERVER_NAME_MAX 255
#define TLS_VERSION_1_0 0x0301
#define TLS_VERSION_1_3 0x0304

/* What one of them says, as far as it was there. Slices point into the bytes. */
struct tls_hello {
	bool from_client;
	/* The client's: */
	struct slice server_name; /* made of what host names are made of */
	bool offers_h2;		  /* among the protocols that may be spoken is HTTP/2 */
	/* The server's: */
	uint16_t version;      /* that was chosen; 0: not known */
	struct slice protocol; /* that was chosen, if that was said in the open; printable */
};

/*
 * Reads a hello from the beginning of a stream. 1: all that it says; 0: further bytes may say more;
 * -EPROTO: it is none, and nothing was read. A message that is spread over several records is read as far as
 * the first one goes.
 */
int tls_hello_read(struct slice bytes, struct tls_hello *hello);

#endif
