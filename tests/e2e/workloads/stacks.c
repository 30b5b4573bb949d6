// SPDX-License-Identifier: Apache-2.0
/*
 * `stacks SECONDS LIBRARY` spends that much CPU time below each of several chains of calls, one for each way in which
 * a stack is hard to unwind: what is above a function NAME_leaf is exactly NAME_3, NAME_2, NAME_1, and what the
 * test knows. LIBRARY (may be "") has in_library(). Built without frame pointers.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))
#define DEEP 300

static volatile unsigned long sink;
static double seconds;

static double cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double end_of(double from)
{
	return from + seconds;
}

/* No tail calls: the caller is to stay on the stack. */
#define KEEP (sink++)

#define LEAF(name)                                               \
	NOINLINE void name##_leaf(double end)                    \
	{                                                        \
		while (cpu_now() < end)                          \
			for (unsigned int i = 0; i < 20000; i++) \
				sink += i;                       \
	}
#define CALL(name, callee)                                      \
	NOINLINE void name(double end)                          \
	{                                                       \
		char local[48];                                 \
                                                                \
		memset(local, (int)sink, sizeof(local));        \
		__asm__ volatile("" : : "r"(local) : "memory"); \
		callee(end);                                    \
		KEEP;                                           \
	}

/* Every register that a function must restore is in use, and the stack is aligned anew. */
#define CROWDED(name, callee)                                                    \
	NOINLINE void name(double end)                                           \
	{                                                                        \
		char local[64] __attribute__((aligned(64)));                     \
		char more[1 + (sink & 63)];                                      \
                                                                                 \
		memset(local, (int)sink, sizeof(local));                         \
		memset(more, 1, sizeof(more));                                   \
		__asm__ volatile(""                                              \
				 :                                               \
				 : "r"(local), "r"(more)                         \
				 : "memory", "rbx", "r12", "r13", "r14", "r15"); \
		callee(end);                                                     \
		KEEP;                                                            \
	}

LEAF(plain)
CALL(plain_3, plain_leaf)
CALL(plain_2, plain_3)
CALL(plain_1, plain_2)

LEAF(aligned)
CROWDED(aligned_3, aligned_leaf)
CROWDED(aligned_2, aligned_3)
CROWDED(aligned_1, aligned_2)

LEAF(thread)
CALL(thread_2, thread_leaf)
CALL(thread_1, thread_2)

LEAF(deep)
NOINLINE void deep_n(unsigned int n, double end)
{
	if (n)
		deep_n(n - 1, end);
	else
		deep_leaf(end);
	KEEP;
}

/* The handler interrupts a loop that makes no calls. */
static volatile double signal_end;
LEAF(signal)
NOINLINE void signal_handler(int number)
{
	(void)number;
	signal_leaf(signal_end);
	KEEP;
}

NOINLINE void signal_1(double end)
{
	struct sigaction action = {.sa_handler = signal_handler};

	signal_end = end;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	KEEP;
}

/* A handler that may interrupt any instruction of functions that are nothing but beginning and end. */
LEAF(async)
NOINLINE void async_handler(int number)
{
	(void)number;
	async_leaf(cpu_now() + 0.001);
	KEEP;
}

NOINLINE unsigned long async_3(unsigned long n)
{
	char local[40];

	__asm__ volatile("" : : "r"(local) : "memory", "rbx", "rbp", "r12");
	return n + 1;
}

NOINLINE unsigned long async_2(unsigned long n)
{
	__asm__ volatile("" : : : "memory", "rbx", "r14");
	return async_3(n) + async_3(n + 1);
}

NOINLINE void async_1(double end)
{
	struct sigaction action = {.sa_handler = async_handler, .sa_flags = SA_RESTART};
	struct itimerval every = {.it_interval.tv_usec = 2000, .it_value.tv_usec = 2000};

	sigaction(SIGPROF, &action, NULL);
	setitimer(ITIMER_PROF, &every, NULL);
	while (cpu_now() < end)
		for (unsigned int i = 0; i < 1000; i++)
			sink += async_2(i);
	memset(&every, 0, sizeof(every));
	setitimer(ITIMER_PROF, &every, NULL);
	KEEP;
}

/* Through the table of the linker, and the C library's own calls back. */
LEAF(compare)
static double compare_end;
NOINLINE int compare_2(const void *a, const void *b)
{
	compare_leaf(compare_end);
	return *(const int *)a - *(const int *)b;
}

NOINLINE void compare_1(double end)
{
	int numbers[2] = {2, 1};

	compare_end = end;
	qsort(numbers, 2, sizeof(numbers[0]), compare_2);
	KEEP;
}

/* Short calls into the library, the vDSO and the kernel: caught in any instruction of them. */
NOINLINE void calls_1(double end)
{
	struct timespec t;
	char text[64];

	while (cpu_now() < end)
		for (int i = 0; i < 50; i++) {
			snprintf(text, sizeof(text), "%d %f", i, (double)i);
			sink += strlen(text);
			clock_gettime(CLOCK_MONOTONIC, &t);
			getppid();
		}
	KEEP;
}

static void *run_thread(void *arg)
{
	thread_1(end_of(cpu_now()));
	KEEP;
	return arg;
}

LEAF(library)
NOINLINE void library_2(double end)
{
	library_leaf(end);
	KEEP;
}

NOINLINE void call_library(const char *path)
{
	void *library = dlopen(path, RTLD_NOW);
	void (*in_library)(void (*)(double), double);

	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	*(void **)&in_library = dlsym(library, "in_library");
	in_library(library_2, end_of(cpu_now()));
	KEEP;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
	plain_1(end_of(cpu_now()));
	aligned_1(end_of(cpu_now()));
	deep_n(DEEP, end_of(cpu_now()));
	signal_1(end_of(cpu_now()));
	async_1(end_of(cpu_now()));
	compare_1(end_of(cpu_now()));
	calls_1(end_of(cpu_now()));
	pthread_create(&thread, NULL, run_thread, NULL);
	pthread_join(thread, NULL);
	if (argc > 2 && argv[2][0])
		call_library(argv[2]);
	return 0;
}
