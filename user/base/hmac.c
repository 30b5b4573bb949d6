// SPDX-License-Identifier: Apache-2.0
/* OpenSSL's. */
#include "user/base/hmac.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

bool hmac_sha256(struct slice key, struct slice text, uint8_t out[HMAC_SZ])
{
	unsigned int len = 0;

	return key.n <= INT_MAX &&
	       HMAC(EVP_sha256(), key.p, (int)key.n, (const unsigned char *)text.p, text.n, out,
		    &len) &&
	       len == HMAC_SZ;
}
