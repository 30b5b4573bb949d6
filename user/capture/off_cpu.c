// SPDX-License-Identifier: Apache-2.0
/*
 * Each look stands for the time since the one before, however long that was: a late one takes nothing from the
 * truth. Programs that do things at even intervals are not met at the same point again and again.
 */
#include "user/capture/off_cpu.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "user/base/account.h"
#include "user/base/clock.h"
#include "user/base/thread.h"

#define LINKS_MAX 16
#define COST_HZ 49     /* at that rate looking may take ... */
#define COST_SHARE 100 /* ... this part of the time, at others as much more or less */

struct off_cpu_sampler {
	struct off_cpu_pass *pass; /* shared with the program */
	uint64_t period_ns;
	uint64_t looked_ns;
	uint32_t cost_share; /* so many times as long as it took nothing is looked at */
	uint64_t random;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool threaded, stopping;
	int links_cnt;
	struct bpf_link *links[LINKS_MAX];
};

static struct bpf_link *attach(const struct bpf_program *program, uint64_t pid)
{
	LIBBPF_OPTS(bpf_iter_attach_opts, opts);
	union bpf_iter_link_info info = {.task.pid = (uint32_t)pid};

	opts.link_info = &info;
	opts.link_info_len = sizeof(info);
	return bpf_program__attach_iter(program, pid ? &opts : NULL);
}

static void detach_all(struct off_cpu_sampler *o)
{
	while (o->links_cnt)
		bpf_link__destroy(o->links[--o->links_cnt]);
}

/* One for each process, which kernels before 6.1 do not have; else one for all threads that there are. */
static int attach_all(struct off_cpu_sampler *o, const struct bpf_program *program,
		      const uint64_t *pids, size_t pids_cnt)
{
	for (size_t i = 0; pids_cnt <= LINKS_MAX && i < pids_cnt; i++) {
		o->links[o->links_cnt] = attach(program, pids[i]);
		if (!o->links[o->links_cnt])
			break;
		o->links_cnt++;
	}
	if (pids_cnt && (size_t)o->links_cnt == pids_cnt)
		return 0;
	detach_all(o);
	o->links[0] = attach(program, 0);
	o->links_cnt = o->links[0] != NULL;
	return o->links_cnt ? 0 : -errno;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void run(const struct bpf_link *link)
{
	int fd = bpf_iter_create(bpf_link__fd(link));
	char nothing[64];
	ssize_t n;

	if (fd < 0)
		return;
	do
		n = read(fd, nothing, sizeof(nothing));
	while (n > 0 || (n < 0 && errno == EAGAIN)); /* EAGAIN: a million, and not yet all */
	close(fd);
}

/* Looks at all; returns how much CPU time that took. */
static uint64_t look(struct off_cpu_sampler *o, bool last)
{
	uint64_t now_ns = clock_mono_ns(), begin_ns = cpu_ns(), threads = o->pass->threads, ns;

	o->pass->interval_ns = now_ns - o->looked_ns;
	o->pass->last = last;
	o->looked_ns = now_ns;
	for (int i = 0; i < o->links_cnt; i++)
		run(o->links[i]);
	ns = cpu_ns() - begin_ns;
	account_add(ACCOUNT_OFF_CPU_LOOKS, 1);
	account_add(ACCOUNT_OFF_CPU_THREADS, o->pass->threads - threads);
	account_add(ACCOUNT_OFF_CPU_MICROS, (ns + 500) / 1000);
	return ns;
}

/* From half a period to one and a half. */
static uint64_t uneven(struct off_cpu_sampler *o)
{
	o->random ^= o->random << 13;
	o->random ^= o->random >> 7;
	o->random ^= o->random << 17;
	return o->period_ns / 2 + o->random % o->period_ns;
}

static void *look_loop(void *arg)
{
	struct off_cpu_sampler *o = arg;
	uint64_t took_ns = 0, wait_ns;

	pthread_mutex_lock(&o->lock);
	while (!o->stopping) {
		wait_ns = uneven(o);
		if (wait_ns < took_ns * o->cost_share)
			wait_ns = took_ns * o->cost_share;
		while (!o->stopping &&
		       thread_wait_until(&o->cond, &o->lock, o->looked_ns + wait_ns))
			;
		pthread_mutex_unlock(&o->lock);
		took_ns = look(o, false);
		pthread_mutex_lock(&o->lock);
	}
	pthread_mutex_unlock(&o->lock);
	look(o, true);
	return NULL;
}

struct off_cpu_sampler *off_cpu__new(const struct bpf_program *program, struct off_cpu_pass *pass,
				     const uint64_t *pids, size_t pids_cnt, uint32_t hz)
{
	struct off_cpu_sampler *o = calloc(1, sizeof(*o));
	int err;

	if (!o)
		return NULL;
	o->pass = pass;
	o->period_ns = 1000000000u / hz;
	o->cost_share = 1 + COST_SHARE * COST_HZ / hz;
	o->looked_ns = clock_mono_ns();
	o->random = o->looked_ns | 1;
	pthread_mutex_init(&o->lock, NULL);
	thread_cond_init(&o->cond);
	err = attach_all(o, program, pids, pids_cnt);
	err = err ?: thread_start(&o->thread, "sonde-off-cpu", look_loop, o);
	o->threaded = !err;
	if (!err)
		return o;
	off_cpu__free(o);
	errno = -err;
	return NULL;
}

void off_cpu__free(struct off_cpu_sampler *o)
{
	if (!o)
		return;
	if (o->threaded) {
		pthread_mutex_lock(&o->lock);
		o->stopping = true;
		pthread_cond_signal(&o->cond);
		pthread_mutex_unlock(&o->lock);
		pthread_join(o->thread, NULL);
	}
	detach_all(o);
	pthread_mutex_destroy(&o->lock);
	pthread_cond_destroy(&o->cond);
	free(o);
}
