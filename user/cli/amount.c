// SPDX-License-Identifier: Apache-2.0
/* Rounding decides the digits: 9.996 is 10.0, not 10.00. */
#include "user/cli/amount.h"

#include <stdio.h>

static struct slice scale(double value, const char *const *units, size_t units_cnt, char *buf)
{
	size_t i = 0;
	int n;

	while (value >= 999.5 && i + 1 < units_cnt) {
		value /= 1000;
		i++;
	}
	n = snprintf(buf, AMOUNT_SZ, "%.*f %s", value < 9.995 ? 2 : (value < 99.95 ? 1 : 0), value,
		     units[i]);
	return slice_of(buf, (size_t)n);
}

struct slice amount_duration(uint64_t ns, char buf[AMOUNT_SZ])
{
	static const char *const units[] = {"us", "ms", "s "};

	return scale((double)ns / 1000, units, 3, buf);
}

struct slice amount_bytes(uint64_t sz, char buf[AMOUNT_SZ])
{
	static const char *const units[] = {"B ", "kB", "MB", "GB", "TB"};

	if (sz < 1000)
		return slice_of(buf, (size_t)snprintf(buf, AMOUNT_SZ, "%d B ", (int)sz));
	return scale((double)sz, units, 5, buf);
}

struct slice amount_rate(double rate, char buf[AMOUNT_SZ])
{
	int digits = rate < 9.995 ? 2 : (rate < 99.95 ? 1 : 0);

	return slice_of(buf, (size_t)snprintf(buf, AMOUNT_SZ, "%.*f", digits, rate));
}

struct slice amount_share(uint64_t part, uint64_t all, char buf[AMOUNT_SZ])
{
	double percent = all ? 100.0 * (double)part / (double)all : 0;
	int n;

	if (part && percent < 0.01)
		return SLICE("<0.01 %");
	if (part < all && percent > 99.9)
		return SLICE(">99.9 %");
	n = snprintf(buf, AMOUNT_SZ, "%.*f %%",
		     !part || part == all ? 0 : (percent < 0.995 ? 2 : 1), percent);
	return slice_of(buf, (size_t)n);
}
