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
	HANDSHAKE = 22,
	APPLICATION_DATA = 23,
};

enum handshake_type {
	CLIENT_HELLO = 1,
	SERVER_HELLO = 2,
};

static bool is_hello(const uint8_t *p, size_t n)
{
	uint32_t len;

	if (n < 4)
		return false;
	len = (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	return (p[0] == CLIENT_HELLO || p[0] == SERVER_HELLO) && len >= HELLO_LEN_MIN &&
	       len < 1u << 17;
}

bool tls_is_record(struct slice bytes)
{
	const uint8_t *p = (const uint8_t *)bytes.p;
	uint32_t len;

	if (bytes.n <= HEADER_LEN || p[1] != 3 || p[2] > 4)
		return false;
	len = (uint32_t)p[3] << 8 | p[4];
	if (len == 0 || len > FRAGMENT_LEN_MAX)
		return false;
	switch (p[0]) {
	case CHANGE_CIPHER_SPEC:
		return len == 1 && p[HEADER_LEN] == 1;
	case ALERT:
		return len == 2 || len >= ENCRYPTED_LEN_MIN;
	case HANDSHAKE:
		return is_hello(p + HEADER_LEN, bytes.n - HEADER_LEN);
	case APPLICATION_DATA:
		return p[2] == 3 && len >= ENCRYPTED_LEN_MIN;
	}
	return false;
}
