// SPDX-License-Identifier: Apache-2.0
/* UUID version 5 (RFC 9562) and the SHA-1 (RFC 3174) that it is made of; no secret depends on it. */
#include "user/ident/uuid.h"

#include <endian.h>
#include <stdio.h>

#define BLOCK_SZ 64
/* Namespace, name, the 0x80 byte and the length, in whole blocks. */
#define MESSAGE_SZ ((16 + UUID_NAME_MAX + 1 + 8 + BLOCK_SZ - 1) / BLOCK_SZ * BLOCK_SZ)

static uint32_t rotate(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

static void sha1_block(uint32_t h[5], const uint8_t *block)
{
	static const uint32_t k[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
	uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], w[80];

	memcpy(w, block, BLOCK_SZ);
	for (int t = 0; t < 80; t++) {
		uint32_t f, next;

		w[t] = t < 16 ? be32toh(w[t])
			      : rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
		if (t < 20)
			f = (b & c) | (~b & d);
		else if (t >= 40 && t < 60)
			f = (b & c) | (b & d) | (c & d);
		else
			f = b ^ c ^ d;
		next = rotate(a, 5) + f + e + k[t / 20] + w[t];
		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

void uuid_v5(const uint8_t space[16], struct slice name, char out[UUID_TEXT_SZ])
{
	uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
	uint8_t message[MESSAGE_SZ] = {0};
	size_t len, total;
	uint64_t bits;

	name = slice_first(name, UUID_NAME_MAX);
	memcpy(message, space, 16);
	if (name.n)
		memcpy(message + 16, name.p, name.n);
	len = 16 + name.n;
	message[len] = 0x80;
	total = (len + 1 + 8 + BLOCK_SZ - 1) / BLOCK_SZ * BLOCK_SZ;
	bits = htobe64((uint64_t)len * 8);
	memcpy(message + total - 8, &bits, 8);
	for (size_t at = 0; at < total; at += BLOCK_SZ)
		sha1_block(h, message + at);

	snprintf(out, UUID_TEXT_SZ, "%08x-%04x-%04x-%04x-%04x%08x", h[0], h[1] >> 16,
		 (h[1] & 0x0fff) | 0x5000, (h[2] >> 16 & 0x3fff) | 0x8000, h[2] & 0xffff, h[3]);
}
