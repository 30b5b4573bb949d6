// SPDX-License-Identifier: Apache-2.0
/*
 * usage: jit SECONDS
 *
 * Puts a loop where no file is, says so in /tmp/perf-PID.map as a JIT compiler would, and runs it for so much CPU time.
 * Prints the map's path.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* push rbp; mov rbp, rsp; 1: dec rdi; jnz 1b; pop rbp; ret */
static const unsigned char loop[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0xff,
				     0xcf, 0x75, 0xfb, 0x5d, 0xc3};

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double end = argc > 1 ? strtod(argv[1], NULL) : 1;
	void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void (*spin)(unsigned long count);
	char path[64];
	FILE *map;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	map = fopen(path, "w");
	if (code == MAP_FAILED || !map)
		return 1;
	memcpy(code, loop, sizeof(loop));
	mprotect(code, 4096, PROT_READ | PROT_EXEC);
	fprintf(map, "%lx %zx spinLikeMad\n", (unsigned long)code, sizeof(loop));
	fclose(map);
	memcpy(&spin, &code, sizeof(spin));
	while (cpu_s() < end)
		spin(10000000);
	printf("%s\n", path);
	return 0;
}
