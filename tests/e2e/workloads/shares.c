// SPDX-License-Identifier: Apache-2.0
/*
 * `shares SECONDS` uses that much CPU time, about 60, 30 and 10 % of it in three functions, and
 * prints how many nanoseconds each really had. The slices differ in length, so that no sampling
 * clock keeps step with them. Build with -fno-omit-frame-pointer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static volatile unsigned long sink;

static unsigned long long cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (unsigned long long)t.tv_sec * 1000000000u + (unsigned long long)t.tv_nsec;
}

static inline __attribute__((always_inline)) unsigned long long burn(unsigned int ns)
{
	unsigned long long begin = cpu_ns(), now;

	do
		for (unsigned int i = 0; i < 20000; i++)
			sink += i;
	while ((now = cpu_ns()) < begin + ns);
	return now - begin;
}

static __attribute__((noinline)) unsigned long long take_most(unsigned int ns)
{
	return burn(6 * ns) + (sink & 0);
}

static __attribute__((noinline)) unsigned long long take_some(unsigned int ns)
{
	return burn(3 * ns) + (sink & 0);
}

static __attribute__((noinline)) unsigned long long take_little(unsigned int ns)
{
	return burn(ns) + (sink & 0);
}

int main(int argc, char **argv)
{
	unsigned long long most = 0, some = 0, little = 0;
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;

	printf("ready\n");
	fflush(stdout);
	while ((double)cpu_ns() < seconds * 1e9) {
		unsigned int ns = 1000000u + (unsigned int)rand() % 3000000u;

		most += take_most(ns);
		some += take_some(ns);
		little += take_little(ns);
	}
	printf("%llu %llu %llu\n", most, some, little);
	return 0;
}
