// SPDX-License-Identifier: Apache-2.0
/*
 * The reader is forked and executes nothing: it needs no file of ours. It writes parts, each of them
 * the index of an address and its frames, into a pipe; the last one is the result.
 */
#include "user/profile/line_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/dwarf_file.h"
#include "user/base/procfs.h"
#include "user/profile/line_frames.h"

#define RESULT UINT32_MAX /* instead of an index; the size is the result */
#define BUFFER_SZ (2 * LINE_FRAMES_MAX_SZ)

enum {
	FILE_FD = 3,
	PIPE_FD,
	FDS_CNT
};

struct part {
	uint32_t i, size;
};

struct output {
	char *bytes; /* BUFFER_SZ */
	size_t used;
};

/* --- the reader ------------------------------------------------------------------------------- */

static void flush(struct output *out)
{
	for (size_t at = 0; at < out->used;) {
		ssize_t n = write(PIPE_FD, out->bytes + at, out->used - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(EXIT_FAILURE);
		at += (size_t)n;
	}
	out->used = 0;
}

static void put_frames(void *ctx, uint32_t i, const struct source_frame *frames, uint32_t cnt)
{
	struct output *out = ctx;
	struct part part = {.i = i};
	char *at;

	if (BUFFER_SZ - out->used < sizeof(part) + LINE_FRAMES_MAX_SZ)
		flush(out);
	at = out->bytes + out->used;
	part.size = (uint32_t)line_frames_write(at + sizeof(part), frames, cnt);
	memcpy(at, &part, sizeof(part));
	out->used += sizeof(part) + part.size;
}

static void put_result(struct output *out, enum line_result result)
{
	const struct part part = {.i = RESULT, .size = result};

	if (BUFFER_SZ - out->used < sizeof(part))
		flush(out);
	memcpy(out->bytes + out->used, &part, sizeof(part));
	out->used += sizeof(part);
	flush(out);
}

/* The reader's own: libdw tells that memory is out without saying of what. */
static struct output *reader_output;

static void __attribute__((noreturn)) no_memory(void)
{
	put_result(reader_output, LINES_TOO_BIG);
	_exit(EXIT_SUCCESS);
}

/* What it has already is the parent's, shared until written to. */
static void bound_memory(uint64_t memory_sz)
{
	static const struct slice field = SLICE("VmData:");
	struct slice rest, line;
	struct rlimit limit;
	uint64_t kb = 0;
	char text[4096];
	ssize_t n = procfs_read(AT_FDCWD, "/proc/self/status", text, sizeof(text));
	int fd;

	rest = slice_of(text, n > 0 ? (size_t)n : 0);
	while (procfs_next_line(&rest, &line))
		if (slice_starts_with(line, field) && line.n > field.n + 3)
			slice_to_u64(slice_trim(slice_first(slice_after(line, field.n),
							    line.n - field.n - 3)),
				     &kb);
	limit.rlim_cur = limit.rlim_max = kb * 1024 + memory_sz;
	setrlimit(RLIMIT_DATA, &limit);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "1000", 4) == 4) /* rather than we ourselves */
		close(fd);
}

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#else
#define OWN_ARCH 0 /* no call is allowed there: nothing is found */
#endif

/* It may take memory, read what is open, and end. All else fails, as far as the kernel can filter. */
static void bound_calls(void)
{
#define CALL(name)                                             \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		CALL(read),
		CALL(pread64),
		CALL(write),
		CALL(lseek),
		CALL(fstat),
		CALL(close),
		CALL(brk),
		CALL(mmap),
		CALL(munmap),
		CALL(mremap),
		CALL(mprotect),
		CALL(madvise),
		CALL(futex),
		CALL(exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	const struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
#undef CALL
}

/* Leaves the file, the pipe, and no other descriptor. */
static void bound_files(int fd, int pipe_fd)
{
	const struct rlimit none = {0};
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < FILE_FD; i++)
		dup2(null_fd, i);
	/* Neither may be where the other belongs. */
	fd = fcntl(fd, F_DUPFD, FDS_CNT);
	pipe_fd = fcntl(pipe_fd, F_DUPFD, FDS_CNT);
	if (dup2(fd, FILE_FD) < 0 || dup2(pipe_fd, PIPE_FD) < 0)
		_exit(EXIT_FAILURE);
	close_range(FDS_CNT, ~0u, 0);
	setrlimit(RLIMIT_NOFILE, &none);
	setrlimit(RLIMIT_CORE, &none);
}

static void __attribute__((noreturn))
read_file(int fd, int pipe_fd, const uint64_t *addresses, uint32_t cnt, uint64_t memory_sz)
{
	struct output out = {.bytes = malloc(BUFFER_SZ)};
	static const enum line_result results[] = {
		[DWARF_DONE] = LINES_DONE,
		[DWARF_TOO_BIG] = LINES_TOO_BIG,
		[DWARF_BROKEN] = LINES_FAILED,
	};
	enum line_result result = LINES_DONE;
	struct dwarf_file *f;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "sonde-lines");
	bound_memory(memory_sz);
	bound_files(fd, pipe_fd);
	bound_calls();
	if (!out.bytes)
		_exit(EXIT_FAILURE);
	reader_output = &out;
	f = dwarf_file__open(FILE_FD, no_memory);
	if (f)
		result = results[dwarf_file__find(f, addresses, cnt, put_frames, &out)];
	else if (errno != ENODATA)
		result = errno == EFBIG ? LINES_TOO_BIG : LINES_FAILED;
	put_result(&out, result);
	_exit(EXIT_SUCCESS);
}

/* --- its parent ------------------------------------------------------------------------------- */

struct input {
	int fd;
	char *bytes; /* BUFFER_SZ */
	size_t used;
	uint32_t cnt; /* addresses */
	lines_found_fn found;
	void *ctx;
	enum line_result result;
	bool ended;
};

/* Takes the parts that are whole. False if it is not what a reader writes. */
static bool take_parts(struct input *in)
{
	struct slice rest = slice_of(in->bytes, in->used);
	struct part part;

	while (!in->ended && rest.n >= sizeof(part)) {
		memcpy(&part, rest.p, sizeof(part));
		if (part.i == RESULT) {
			in->result = part.size <= LINES_FAILED ? part.size : LINES_FAILED;
			in->ended = true;
			break;
		}
		if (part.i >= in->cnt || part.size > LINE_FRAMES_MAX_SZ)
			return false;
		if (rest.n - sizeof(part) < part.size)
			break;
		rest = slice_after(rest, sizeof(part));
		in->found(in->ctx, part.i, slice_first(rest, part.size));
		rest = slice_after(rest, part.size);
	}
	memmove(in->bytes, rest.p, rest.n);
	in->used = rest.n;
	return true;
}

/* Until the reader has told its result, or will not. */
static void take_all(struct input *in, uint64_t until_ns)
{
	in->result = LINES_FAILED;
	while (!in->ended) {
		struct pollfd poll_fd = {.fd = in->fd, .events = POLLIN};
		uint64_t now_ns = clock_mono_ns();
		ssize_t n;

		if (now_ns >= until_ns) {
			in->result = LINES_LATE;
			return;
		}
		n = poll(&poll_fd, 1, (int)((until_ns - now_ns) / 1000000 % INT32_MAX) + 1);
		if (n == 0 || (n < 0 && errno == EINTR))
			continue;
		n = read(in->fd, in->bytes + in->used, BUFFER_SZ - in->used);
		if (n <= 0)
			return;
		in->used += (size_t)n;
		if (!take_parts(in))
			return;
	}
}

enum line_result line_reader_run(int fd, const uint64_t *addresses, uint32_t cnt, uint64_t until_ns,
				 uint64_t memory_sz, lines_found_fn found, void *ctx)
{
	struct input in = {.bytes = malloc(BUFFER_SZ), .cnt = cnt, .found = found, .ctx = ctx};
	int fds[2];
	pid_t pid;

	if (!in.bytes || pipe2(fds, O_CLOEXEC)) {
		free(in.bytes);
		return LINES_NOT_STARTED;
	}
	pid = fork();
	if (pid == 0)
		read_file(fd, fds[1], addresses, cnt, memory_sz);
	close(fds[1]);
	in.fd = fds[0];
	in.result = LINES_NOT_STARTED;
	if (pid > 0) {
		take_all(&in, until_ns);
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(fds[0]);
	free(in.bytes);
	return in.result;
}
