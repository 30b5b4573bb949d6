// SPDX-License-Identifier: Apache-2.0
// Uses a second of CPU time in functions whose names C++ mangles. Build with -fno-omit-frame-pointer.
#include <ctime>

namespace work
{
static volatile unsigned long sink;

static double cpu()
{
	timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

template <typename T> struct Spinner {
	__attribute__((noinline)) void spin(T end)
	{
		while (cpu() < end)
			for (int i = 0; i < 20000; i++)
				sink += i;
	}
};
}

int main()
{
	work::Spinner<double>().spin(1);
	return work::sink == 0;
}
