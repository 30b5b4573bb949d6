// SPDX-License-Identifier: Apache-2.0
/*
 * What a probe costs by the instruction that it sits on: calls of one function with a counting probe of perf
 * on each of its first instructions in turn, and with a return probe as well. Prints JSON: ns per call (the
 * median of the runs), less the call without a probe. A counting probe of perf costs more than one with a
 * BPF program, so that the ratio is larger there. Needs root.
 */
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RUNS 7
#define CALLS 20000

/* As compilers begin functions, each instruction with a name. */
__asm__(".text\n"
	".globl probed, probed_push, probed_sub, probed_nop\n"
	".type probed, @function\n"
	"probed: endbr64\n"
	"probed_push: push %rbx\n"
	"probed_sub: sub $16, %rsp\n"
	"probed_nop: nop\n"
	"add $16, %rsp\n"
	"pop %rbx\n"
	"ret\n");
void probed(void);
extern const char probed_push[], probed_sub[], probed_nop[];
extern const char __executable_start[];

static const struct {
	const char *name;
	const char *at; /* NULL: no probe */
	int returns;
} cases[] = {
	{"no probe", NULL, 0},
	{"push", probed_push, 0},
	{"nop", probed_nop, 0},
	{"endbr64", (const char *)probed, 0},
	{"sub rsp", probed_sub, 0},
	{"push and return", probed_push, 1},
	{"endbr64 and return", (const char *)probed, 1},
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* This program's text is in its file where it is in memory, from the program's start on. */
static int attach(const char *at, int returns)
{
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "r");
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.config = (uint64_t)returns,
		.uprobe_path = (uint64_t) "/proc/self/exe",
		.probe_offset = (uint64_t)(at - __executable_start),
	};
	int fd;

	if (!file || fscanf(file, "%u", &attr.type) != 1)
		fail("the type of uprobe events");
	fclose(file);
	fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		fail("perf_event_open");
	return fd;
}

static double measure(void)
{
	struct timespec start, end;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < CALLS; i++)
		probed();
	clock_gettime(CLOCK_MONOTONIC, &end);
	return ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) /
	       CALLS;
}

/* Checks too that the probe was hit by each call. */
static double measure_with(const char *at, int returns)
{
	int entry = at ? attach(at, 0) : -1, ret = at && returns ? attach(at, 1) : -1;
	double ns = measure();
	uint64_t hits = 0;

	if (at && (read(entry, &hits, sizeof(hits)) != sizeof(hits) || hits != CALLS))
		fail("the probe was not hit by each call");
	if (ret >= 0 && (read(ret, &hits, sizeof(hits)) != sizeof(hits) || hits != CALLS))
		fail("the return probe was not hit by each call");
	close(entry);
	close(ret);
	return ns;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(void)
{
	static double ns[CASES][RUNS];

	for (int run = 0; run < RUNS; run++)
		for (size_t i = 0; i < CASES; i++)
			ns[i][run] = measure_with(cases[i].at, cases[i].returns);
	for (size_t i = 0; i < CASES; i++)
		qsort(ns[i], RUNS, sizeof(double), compare);
	for (size_t i = 0; i < CASES; i++)
		printf("%s\"%s\": {\"ns_per_call\": %.1f}", i ? ", " : "{", cases[i].name,
		       ns[i][RUNS / 2] - (i ? ns[0][RUNS / 2] : 0));
	printf("}\n");
	return 0;
}
