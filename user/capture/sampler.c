// SPDX-License-Identifier: Apache-2.0
/*
 * perf_event_open(2) with the software clock, which virtual machines have too. Its period is that
 * of the frequency asked for: no adapting, so a sample always stands for the same time.
 */
#include "user/capture/sampler.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct sampler {
	int links_cnt;
	struct bpf_link *links[]; /* each owns its event */
};

static int open_event(int cpu, uint32_t hz)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 1000000000u / hz,
		.exclude_idle = 1,
	};
	long fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

/* A CPU that is offline is none to sample. */
static int sample_cpu(struct sampler *sampler, const struct bpf_program *program, int cpu,
		      uint32_t hz, uint64_t cookie)
{
	LIBBPF_OPTS(bpf_perf_event_opts, opts, .bpf_cookie = cookie);
	int fd = open_event(cpu, hz), err;
	struct bpf_link *link;

	if (fd < 0)
		return fd == -ENODEV || fd == -ENXIO ? 0 : fd;
	link = bpf_program__attach_perf_event_opts(program, fd, &opts);
	if (!link) {
		err = -errno;
		close(fd);
		return err;
	}
	sampler->links[sampler->links_cnt++] = link;
	return 0;
}

/* Takes storage on one CPU and gives it back: the kernel then has more of it ready there. */
static void warm_storage_on(int cpu, int tasks_fd, int pidfd, const void *value)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) == 0 &&
	    bpf_map_update_elem(tasks_fd, &pidfd, value, BPF_ANY) == 0)
		bpf_map_delete_elem(tasks_fd, &pidfd);
}

void sampler_warm_storage(const struct bpf_map *tasks, int possible_cpus)
{
	void *value = calloc(1, bpf_map__value_size(tasks));
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	cpu_set_t before;

	if (value && pidfd >= 0 && sched_getaffinity(0, sizeof(before), &before) == 0) {
		for (int cpu = 0; cpu < possible_cpus && cpu < CPU_SETSIZE; cpu++)
			warm_storage_on(cpu, bpf_map__fd(tasks), pidfd, value);
		sched_setaffinity(0, sizeof(before), &before);
	}
	if (pidfd >= 0)
		close(pidfd);
	free(value);
}

struct sampler *sampler__new(const struct bpf_program *program, int possible_cpus, uint32_t hz,
			     uint64_t cookie)
{
	struct sampler *sampler =
		calloc(1, sizeof(*sampler) + (size_t)possible_cpus * sizeof(struct bpf_link *));
	int err = 0;

	if (!sampler)
		return NULL;
	for (int cpu = 0; !err && cpu < possible_cpus; cpu++)
		err = sample_cpu(sampler, program, cpu, hz, cookie);
	if (!err && !sampler->links_cnt)
		err = -ENODEV;
	if (!err)
		return sampler;
	sampler__free(sampler);
	errno = -err;
	return NULL;
}

void sampler__free(struct sampler *sampler)
{
	if (!sampler)
		return;
	for (int i = 0; i < sampler->links_cnt; i++)
		bpf_link__destroy(sampler->links[i]);
	free(sampler);
}
