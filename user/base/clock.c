// SPDX-License-Identifier: Apache-2.0
/* Clocks and the distance between them. */
#include "user/base/clock.h"

#include <time.h>

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_unix_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t clock_unix_offset_ns(void)
{
	uint64_t best_width = UINT64_MAX, offset = 0;

	for (int i = 0; i < 8; i++) {
		uint64_t before = clock_mono_ns(), real = clock_unix_ns(), after = clock_mono_ns();

		if (after - before < best_width) {
			best_width = after - before;
			offset = real - (before + (after - before) / 2);
		}
	}
	return offset;
}
