// SPDX-License-Identifier: Apache-2.0
/*
 * `inlined SECONDS` uses that much CPU time in functions that are inlined three deep, about 60, 30 and 10 % of it
 * in three chains of them, and prints how many nanoseconds each had. The last one has a call in
 * it. Names end in the chain's; a line that calls names what it calls. Build with -O2 -g.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define INLINED static inline __attribute__((always_inline))

static volatile unsigned long sink;

static unsigned long long cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (unsigned long long)t.tv_sec * 1000000000u + (unsigned long long)t.tv_nsec;
}

INLINED void burn(unsigned int rounds)
{
	for (unsigned int i = 0; i < rounds * 1000; i++)
		sink += i; /* the hot line */
}

INLINED void inner_most(unsigned int rounds)
{
	burn(rounds * 6);
}

INLINED void outer_most(unsigned int rounds)
{
	inner_most(rounds);
}

INLINED void inner_some(unsigned int rounds)
{
	burn(rounds * 3);
}

INLINED void outer_some(unsigned int rounds)
{
	inner_some(rounds);
}

static __attribute__((noinline)) void called_little(unsigned int rounds)
{
	burn(rounds);
}

INLINED void inner_little(unsigned int rounds)
{
	called_little(rounds);
	sink++;
}

INLINED void outer_little(unsigned int rounds)
{
	inner_little(rounds);
}

int main(int argc, char **argv)
{
	unsigned long long most = 0, some = 0, little = 0, ns[4];
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;

	while ((double)(ns[0] = cpu_ns()) < seconds * 1e9) {
		unsigned int rounds = 200 + (unsigned int)rand() % 600;

		outer_most(rounds);
		ns[1] = cpu_ns();
		outer_some(rounds);
		ns[2] = cpu_ns();
		outer_little(rounds);
		ns[3] = cpu_ns();
		most += ns[1] - ns[0];
		some += ns[2] - ns[1];
		little += ns[3] - ns[2];
	}
	printf("%llu %llu %llu\n", most, some, little);
	return 0;
}
