// SPDX-License-Identifier: Apache-2.0
/* Where each program of the kprobe variant goes; return probes through tracefs. */
#include "user/capture/kprobes.h"

#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/abi/tracer.h"
#include "bpf/tracer.skel.h"
#include "user/capture/kernel.h"

#define TRACEFS "/sys/kernel/tracing"
#define GROUP "sonde"
/*
 * Calls that may be under way in one function: each blocked receiver holds one. The kernel's limit;
 * its default is twice the CPUs. What is above it is counted as unreturned.
 */
#define CALLS_MAX 4096

static const struct {
	const char *function, *entry;
	bool no_return;
	bool optional; /* gone since 6.5, or not built */
} points[] = {
	{.function = "tcp_sendmsg", .entry = "tcp_send_entry"},
	{.function = "tcp_recvmsg", .entry = "tcp_recv_entry"},
	{.function = "tcp_sendpage", .entry = "tcp_send_entry", .optional = true},
	{.function = "unix_stream_sendmsg", .entry = "unix_send_entry"},
	{.function = "unix_stream_recvmsg", .entry = "unix_recv_entry"},
	{.function = "unix_stream_sendpage", .entry = "unix_send_entry", .optional = true},
	{.function = "udp_sendmsg", .entry = "udp_send_entry"},
	{.function = "udp_recvmsg", .entry = "tcp_recv_entry"},
	{.function = "udpv6_sendmsg", .entry = "tcp_send_entry", .optional = true},
	{.function = "udpv6_recvmsg", .entry = "tcp_recv_entry", .optional = true},
	{.function = "udp_destroy_sock", .entry = "udp_destroy_entry", .no_return = true},
	{.function = "udpv6_destroy_sock",
	 .entry = "udp_destroy_entry",
	 .no_return = true,
	 .optional = true},
	{.function = "unix_release", .entry = "unix_release_entry", .no_return = true},
};

static int write_events(const char *text)
{
	int fd = open(TRACEFS "/kprobe_events", O_WRONLY | O_APPEND | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	n = n < 0 ? -errno : 0;
	close(fd);
	return (int)n;
}

void kprobes_clean_up(void)
{
	DIR *dir = opendir(TRACEFS "/events/" GROUP);
	struct dirent *entry;
	char text[512];

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(text, sizeof(text), "-:" GROUP "/%s\n", entry->d_name);
		write_events(text); /* refused where it is in use */
	}
	closedir(dir);
}

/* The id of an event that the kernel has just made, or negative errno. */
static int event_id(const char *name)
{
	char path[256];
	FILE *file;
	int id = -1;

	snprintf(path, sizeof(path), TRACEFS "/events/" GROUP "/%s/id", name);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	if (fscanf(file, "%d", &id) != 1)
		id = -EPROTO;
	fclose(file);
	return id;
}

static int open_event(int id)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_TRACEPOINT,
		.config = (__u64)id,
		.sample_period = 1,
	};
	long fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

/* NULL with errno. Where there is no tracefs, it must do with the default number of calls. */
static struct bpf_link *attach_return(const struct bpf_program *prog, const char *function)
{
	char name[64], text[256];
	struct bpf_link *link;
	int fd;

	snprintf(name, sizeof(name), "%s_%d", function, (int)getpid());
	snprintf(text, sizeof(text), "r%d:" GROUP "/%s %s\n", CALLS_MAX, name, function);
	if (write_events(text))
		return bpf_program__attach_kprobe(prog, true, function);
	fd = event_id(name);
	if (fd >= 0)
		fd = open_event(fd);
	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	link = bpf_program__attach_perf_event(prog, fd);
	if (!link)
		close(fd);
	return link;
}

int kprobes_attach(struct tracer_bpf *bpf, struct bpf_link **links, size_t cap, size_t *cnt)
{
	kprobes_clean_up();
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		const char *function = points[i].function;
		struct bpf_program *entry =
			bpf_object__find_program_by_name(bpf->obj, points[i].entry);

		if (points[i].optional && kernel_function_args(function) < 0)
			continue;
		if (*cnt + 2 > cap)
			return -E2BIG;
		/* The return first: an entry without it would look like a call that never ends. */
		if (!points[i].no_return) {
			links[*cnt] = attach_return(bpf->progs.socket_return, function);
			if (!links[*cnt])
				return -errno;
			++*cnt;
		}
		links[*cnt] = bpf_program__attach_kprobe(entry, false, function);
		if (!links[*cnt])
			return -errno;
		++*cnt;
	}
	return 0;
}
