// SPDX-License-Identifier: Apache-2.0
/*
 * usage: jit_grows PIECES SECONDS
 *
 * As V8 does, makes piece after piece of memory that it has reserved into code that it can write, and runs each for so
 * much CPU time.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PIECE_SZ 65536u

/* push rbp; mov rbp, rsp; 1: dec rdi; jnz 1b; pop rbp; ret */
static const unsigned char loop[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0xff,
				     0xcf, 0x75, 0xfb, 0x5d, 0xc3};

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run_piece(char *piece, double seconds)
{
	double end = cpu_s() + seconds;
	void (*spin)(unsigned long count);

	if (mprotect(piece, PIECE_SZ, PROT_READ | PROT_WRITE | PROT_EXEC))
		abort();
	memcpy(piece, loop, sizeof(loop));
	memcpy(&spin, &piece, sizeof(spin));
	while (cpu_s() < end)
		spin(1000000);
}

int main(int argc, char **argv)
{
	size_t cnt = argc > 2 ? strtoul(argv[1], NULL, 10) : 1;
	/* Every other one stays reserved: the kernel would make one mapping of neighbours. */
	char *memory =
		mmap(NULL, 2 * cnt * PIECE_SZ, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < cnt; i++)
		run_piece(memory + 2 * i * PIECE_SZ, strtod(argv[2], NULL));
	return 0;
}
