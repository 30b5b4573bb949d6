// SPDX-License-Identifier: Apache-2.0
// As inlined.c, with methods, templates and namespaces; its functions can be seen from outside, so that they have names there.
#include <cstdio>
#include <cstdlib>
#include <ctime>

#define INLINED inline __attribute__((always_inline))

INLINED unsigned long long cpu_ns()
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (unsigned long long)t.tv_sec * 1000000000u + (unsigned long long)t.tv_nsec;
}

namespace chains
{
volatile unsigned long sink;

template <class T> INLINED void burn(T rounds)
{
	for (T i = 0; i < rounds * 1000; i++)
		sink = sink + i; /* the hot line */
}

struct Most {
	unsigned int factor;

	INLINED void inner_most(unsigned int rounds) const
	{
		burn(rounds * factor);
	}
};

INLINED void outer_most(unsigned int rounds)
{
	Most{6}.inner_most(rounds);
}

template <class T> INLINED void inner_some(T rounds)
{
	burn(rounds * 3);
}

INLINED void outer_some(unsigned long rounds)
{
	inner_some(rounds);
}

__attribute__((noinline)) void called_little(unsigned int rounds)
{
	burn(rounds);
}

INLINED void inner_little(unsigned int rounds)
{
	called_little(rounds);
	sink = sink + 1;
}

INLINED void outer_little(unsigned int rounds)
{
	inner_little(rounds);
}
} // namespace chains

int main(int argc, char **argv)
{
	unsigned long long most = 0, some = 0, little = 0, ns[4];
	double seconds = argc > 1 ? strtod(argv[1], nullptr) : 1;

	while ((double)(ns[0] = cpu_ns()) < seconds * 1e9) {
		unsigned int rounds = 200 + (unsigned int)rand() % 600;

		chains::outer_most(rounds);
		ns[1] = cpu_ns();
		chains::outer_some(rounds);
		ns[2] = cpu_ns();
		chains::outer_little(rounds);
		ns[3] = cpu_ns();
		most += ns[1] - ns[0];
		some += ns[2] - ns[1];
		little += ns[3] - ns[2];
	}
	printf("%llu %llu %llu\n", most, some, little);
}
