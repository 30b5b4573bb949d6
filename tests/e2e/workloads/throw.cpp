// SPDX-License-Identifier: Apache-2.0
// `throw SECONDS` throws exceptions through several frames for that long, by the thread's CPU time.
#include <cstdlib>
#include <ctime>
#include <stdexcept>
#include <string>

static volatile unsigned long sink;

static double cpu_now()
{
	timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return double(t.tv_sec) + double(t.tv_nsec) / 1e9;
}

[[gnu::noinline]] void thrower(int depth)
{
	std::string local(40, 'x');

	if (depth == 0)
		throw std::runtime_error(local);
	thrower(depth - 1);
	sink = sink + local.size();
}

[[gnu::noinline]] void catcher()
{
	try {
		thrower(5);
	} catch (const std::exception &e) {
		sink = sink + std::string(e.what()).size();
	}
}

int main(int, char **argv)
{
	double end = std::atof(argv[1]);

	while (cpu_now() < end)
		catcher();
	return 0;
}
