// SPDX-License-Identifier: Apache-2.0
/* What the headers of TLS records look like. */
#include "user/protocols/tls_record.h"

#define HEADER_LEN 5
#define FRAGMENT_LEN_MAX ((1u << 14) + 2048)
#define ENCRYPTED_LEN_MIN 17 /* a byte and the shortest tag */
#define HELLO_LEN_MIN 38     /* version and random are in each */

enum content_type {
	CHANGE_CIPHER_SPEC = 20,
	ALERT = 21,
	APPLICATION_DATA = 23,
};

static enum detect detect_hello(const uint8_t *p, size_t n)
{
	uint32_t len;

	if (p[0] != TLS_CLIENT_HELLO && p[0] != TLS_SERVER_HELLO)
		return DETECT_NO;
	if (n < 4)
		return DETECT_MORE;
	len = (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	return len >= HELLO_LEN_MIN && len < 1u << 17 ? DETECT_YES : DETECT_NO;
}

static enum detect yes_if(bool yes)
{
	return yes ? DETECT_YES : DETECT_NO;
}

enum detect tls_detect(struct slice bytes)
{
	const uint8_t *p = (const uint8_t *)bytes.p;
	uint32_t len;

	if ((bytes.n > 0 && (p[0] < CHANGE_CIPHER_SPEC || p[0] > APPLICATION_DATA)) ||
	    (bytes.n > 1 && p[1] != 3) || (bytes.n > 2 && p[2] > 4))
		return DETECT_NO;
	if (bytes.n < HEADER_LEN)
		return DETECT_MORE;
	len = (uint32_t)p[3] << 8 | p[4];
	if (len == 0 || len > FRAGMENT_LEN_MAX)
		return DETECT_NO;
	if (bytes.n == HEADER_LEN)
		return DETECT_MORE;
	switch (p[0]) {
	case CHANGE_CIPHER_SPEC:
		return yes_if(len == 1 && p[HEADER_LEN] == 1);
	case ALERT:
		return yes_if(len == 2 || len >= ENCRYPTED_LEN_MIN);
	case TLS_RECORD_HANDSHAKE:
		return detect_hello(p + HEADER_LEN, bytes.n - HEADER_LEN);
	}
	return yes_if(p[2] == 3 && len >= ENCRYPTED_LEN_MIN);
}
