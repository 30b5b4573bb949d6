// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * attach SITES COUNTS COMMAND [ARGS...]: runs COMMAND with a probe on each line of SITES, "PATH OFFSET RETURN"
 * sorted by path and return, and writes how often each was hit to COUNTS. With no program of the tracer's, and
 * many probes in one link, since the kernel takes some 80 ms to detach a single one. Exit status: COMMAND's.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SITES_MAX 65536
#define PATH_SZ 4096
#define UPROBE_MULTI 48 /* BPF_TRACE_UPROBE_MULTI, of Linux 6.6 */
#define FLAG_RETURN 1	/* BPF_F_UPROBE_MULTI_RETURN */

struct link_create {
	uint32_t program_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_counters, cookies;
	uint32_t cnt, multi_flags, pid;
};

struct site {
	char path[PATH_SZ];
	uint64_t off;
	int returns;
};

static uint64_t offsets[SITES_MAX], cookies[SITES_MAX];
static uint32_t cnt;
static int map_fd, program_fd;

static void fail(const char *what)
{
	perror(what);
	exit(125);
}

static int bpf(int command, void *attr, uint32_t size)
{
	return (int)syscall(SYS_bpf, command, attr, size);
}

#define INSN(c, dst, src, offset, number)                                                         \
	{                                                                                         \
		.code = (c), .dst_reg = (dst), .src_reg = (src), .off = (offset), .imm = (number) \
	}

/* counts[the site's cookie] += 1 */
static void load(void)
{
	static char log[65536];
	union bpf_attr map = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(uint64_t),
		.max_entries = SITES_MAX,
	};
	map_fd = bpf(BPF_MAP_CREATE, &map, sizeof(map));
	struct bpf_insn insns[] = {
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_attach_cookie),
		INSN(BPF_STX | BPF_MEM | BPF_W, 10, 0, -4, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),
		INSN(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, map_fd),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, 1),
		INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 0, 1, 0, BPF_ADD),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr program = {
		.prog_type = BPF_PROG_TYPE_KPROBE,
		.expected_attach_type = UPROBE_MULTI,
		.insns = (uint64_t)insns,
		.insn_cnt = sizeof(insns) / sizeof(insns[0]),
		.license = (uint64_t) "GPL",
		.log_buf = (uint64_t)log,
		.log_size = sizeof(log),
		.log_level = 1,
	};

	if (map_fd < 0)
		fail("the map");
	program_fd = bpf(BPF_PROG_LOAD, &program, sizeof(program));
	if (program_fd < 0) {
		fprintf(stderr, "%s\n", log);
		fail("the program");
	}
}

static void link_sites(const struct site *like, uint32_t first, pid_t child)
{
	struct link_create link = {
		.program_fd = (uint32_t)program_fd,
		.attach_type = UPROBE_MULTI,
		.path = (uint64_t)like->path,
		.offsets = (uint64_t)(offsets + first),
		.cookies = (uint64_t)(cookies + first),
		.cnt = cnt - first,
		.multi_flags = like->returns ? FLAG_RETURN : 0,
		.pid = (uint32_t)child,
	};

	if (bpf(BPF_LINK_CREATE, &link, sizeof(link)) < 0) {
		fprintf(stderr, "%u sites in %s: ", link.cnt, like->path);
		fail("attaching");
	}
}

static void attach(FILE *sites, pid_t child)
{
	static struct site site, like;
	uint32_t first = 0;

	while (fscanf(sites, "%4095s %lu %d", site.path, &site.off, &site.returns) == 3) {
		if (cnt == SITES_MAX)
			fail("too many sites");
		if (cnt > first &&
		    (site.returns != like.returns || strcmp(site.path, like.path) != 0)) {
			link_sites(&like, first, child);
			first = cnt;
		}
		like = site;
		cookies[cnt] = cnt;
		offsets[cnt++] = site.off;
	}
	if (cnt > first)
		link_sites(&like, first, child);
}

static void write_counts(FILE *out)
{
	for (uint32_t i = 0; i < cnt; i++) {
		uint64_t hits = 0;
		union bpf_attr look = {
			.map_fd = (uint32_t)map_fd,
			.key = (uint64_t)&i,
			.value = (uint64_t)&hits,
		};

		if (bpf(BPF_MAP_LOOKUP_ELEM, &look, sizeof(look)))
			fail("reading a counter");
		fprintf(out, "%lu\n", hits);
	}
	fclose(out);
}

int main(int argc, char **argv)
{
	FILE *sites = argc > 3 ? fopen(argv[1], "r") : NULL;
	FILE *counts = argc > 3 ? fopen(argv[2], "w") : NULL;
	int start[2], status;
	char byte;
	pid_t child;

	if (!sites || !counts || pipe(start))
		fail("attach SITES COUNTS COMMAND");
	child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		close(start[1]);
		if (read(start[0], &byte, 1) == 1) {
			close(start[0]);
			execvp(argv[3], argv + 3);
			perror(argv[3]);
		}
		_exit(127);
	}
	close(start[0]);
	load();
	attach(sites, child);
	if (write(start[1], "x", 1) != 1 || waitpid(child, &status, 0) != child)
		fail("the command");
	write_counts(counts);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
