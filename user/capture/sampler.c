// SPDX-License-Identifier: Apache-2.0
/*
 * perf_event_open(2) with the software clock, which virtual machines have too. Its period is that
 * of the frequency asked for: no adapting, so a sample always stands for the same time.
 */
#include "user/capture/sampler.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
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
