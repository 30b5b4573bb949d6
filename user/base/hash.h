/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fast hash for tables in memory: eight bytes a step, folded by a wide multiplication. With a
 * secret seed, who sends the keys cannot choose which of them collide.
 */
#ifndef SONDE_BASE_HASH_H
#define SONDE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t n)
{
	const char *p = bytes;
	uint64_t hash = seed ^ n, word;

	for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		hash = hash_fold(hash ^ word, 0x9E3779B97F4A7C15u);
	}
	word = 0;
	if (n)
		memcpy(&word, p, n);
	return hash_fold(hash ^ word, 0xD6E8FEB86659FD93u);
}

/* A seed from the kernel; the time where it gives none. */
uint64_t hash_seed(void);

#endif
