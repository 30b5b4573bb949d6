// SPDX-License-Identifier: Apache-2.0
/*
 * usage: bench_lines FILE [MIB]  Looks up lines at 1,000 addresses all over a file's code, with that much memory (512), and
 * prints how many were found, the result, and the reader's time in ms, CPU time in ms and largest memory in MiB.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "user/base/clock.h"
#include "user/base/elf_file.h"
#include "user/profile/line_reader.h"

#define CNT 1000
#define TIME_NS 60000000000ull

static void count(void *ctx, uint32_t i, struct slice frames)
{
	(void)i;
	(void)frames;
	++*(uint32_t *)ctx;
}

int main(int argc, char **argv)
{
	static const char *const results[] = {"done", "too big", "too slow", "failed"};
	int fd = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	uint64_t mib = argc > 2 ? strtoull(argv[2], NULL, 10) : 512;
	struct elf_file *elf = fd >= 0 ? elf_file__open(fd) : NULL;
	struct elf_segment code[SEGMENTS_MAX];
	uint64_t addresses[CNT], begin_ns;
	enum line_result result;
	struct rusage usage;
	uint32_t found = 0;

	if (!elf || !elf_file__segments(elf, code)) {
		fprintf(stderr, "usage: bench_lines FILE [MIB]\n");
		return EXIT_FAILURE;
	}
	elf_file__close(elf);
	for (uint64_t i = 0; i < CNT; i++)
		addresses[i] = code[0].address + i * code[0].size / CNT;
	begin_ns = clock_mono_ns();
	result = line_reader_run(fd, addresses, CNT, begin_ns + TIME_NS, mib << 20, count, &found);
	begin_ns = clock_mono_ns() - begin_ns;
	getrusage(RUSAGE_CHILDREN, &usage);
	printf("%u found, %s: %.0f ms, %.0f ms of CPU time, %.1f MiB\n", found, results[result],
	       (double)begin_ns / 1e6,
	       (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
		       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3,
	       (double)usage.ru_maxrss / 1024);
	return EXIT_SUCCESS;
}
