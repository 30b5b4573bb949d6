/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The sampler of what is off the CPUs: user space has this iterator look at all threads some dozen times a second.
 * One that is found waiting stands for the time since the look before. Nothing is added to the kernel's switches
 * of threads.
 *
 * A thread that has not run since the last look still has the stack that it had then: so much time is added to
 * its sample, and user space is told of that the less often the longer it waits.
 *
 * To look takes a CPU: the thread that runs there has to wait meanwhile, and is not counted as waiting.
 */
#ifndef SONDE_BPF_OFF_CPU_H
#define SONDE_BPF_OFF_CPU_H

#include "bpf/sample.bpf.h"
#include "bpf/times.bpf.h"

#define TASK_STOPPED_OR_TRACED (4 | 8)
#define TASK_DEAD_OR_NEW (0x80 | 0x800)
#define OFF_CPU_PUT_OFF_NS \
	1000000000ull		 /* the most that user space is not told of a wait yet ... */
#define OFF_CPU_PUT_OFF_SHARE 16 /* ... and which part of it */

struct off_cpu_pass off_cpu_pass = {};

/* What is known of a thread from the last look that found it waiting. */
struct seen_thread {
	__u64 switches; /* how often it had left a CPU then */
	__u64 told_ns;	/* of this wait */
	__u64 owed_ns;	/* and not told of */
	__u32 off_cpu;	/* enum off_cpu; OFF_CPU_NOT: nothing was told */
	__u32 process_id;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct seen_thread);
} seen_threads SEC(".maps") __weak;

/* --- whom to look at -------------------------------------------------------------------------- */

static __always_inline bool is_in_cgroups(struct task_struct *task, void *cgroups)
{
	struct cgroup *cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);

	for (int level = 0; level < CGROUP_LEVELS_MAX && cgroup; level++) {
		__u64 id = BPF_CORE_READ(cgroup, kn, id);

		if (bpf_map_lookup_elem(cgroups, &id))
			return true;
		/* Its css comes first in a cgroup. */
		cgroup = (struct cgroup *)BPF_CORE_READ(cgroup, self.parent);
	}
	return false;
}

/* As process_matches has it, of any task. */
static __always_inline bool is_wanted(struct task_struct *task)
{
	if (task->exit_state || !task_passes(task, task->tgid))
		return false;
	return !(filter_kinds & FILTER_CGROUPS) || is_in_cgroups(task, &filter_cgroups);
}

/* --- why does it wait? ------------------------------------------------------------------------ */

/* Has it made room for the one that looks? */
static __always_inline bool is_displaced(struct task_struct *task)
{
	struct task_struct *self = bpf_get_current_task_btf();

	if (!bpf_core_field_exists(task->sched_info.last_queued) ||
	    !bpf_core_field_exists(task->thread_info.cpu))
		return false;
	return task->thread_info.cpu == bpf_get_smp_processor_id() &&
	       task->sched_info.last_queued >= self->sched_info.last_arrival;
}

static __always_inline enum off_cpu why_off_cpu(struct task_struct *task)
{
	long state = state_of(task);

	if (task->on_cpu || state & TASK_DEAD_OR_NEW)
		return OFF_CPU_NOT;
	if (!state)
		return is_displaced(task) ? OFF_CPU_NOT : OFF_CPU_RUN_QUEUE;
	if (state & TASK_STOPPED_OR_TRACED)
		return OFF_CPU_STOPPED;
	switch (waits_for(task, state & TASK_UNINTERRUPTIBLE)) {
	case TIME_LOCK:
		return OFF_CPU_LOCK;
	case TIME_DISK:
		return OFF_CPU_DISK;
	case TIME_SLEEP:
		return OFF_CPU_SLEEP;
	case TIME_PAGE_FAULT:
		return OFF_CPU_PAGE_FAULT;
	case WAIT_NETWORK:
		return OFF_CPU_NETWORK;
	case WAIT_POLLED:
		return OFF_CPU_POLL;
	}
	return OFF_CPU_OTHER;
}

/* --- whose is it? ----------------------------------------------------------------------------- */

/* Since 6.2, which wants what a task points to be looked at in between, in programs that may sleep. */
extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;

static __always_inline struct task_state *leader_state(struct task_struct *task)
{
	struct task_state *state;

	if (bpf_rcu_read_lock)
		bpf_rcu_read_lock();
	state = task_state(task->group_leader);
	if (bpf_rcu_read_lock)
		bpf_rcu_read_unlock();
	return state;
}

/* As append_user, of that process. */
static __always_inline __u32 append_other(struct scratch *s, struct task_struct *task, __u32 at,
					  __u64 start, __u64 end, __u32 max)
{
	__u64 len = end - start;

	if (end <= start || at > COPY_MAX)
		return at;
	if (len > max)
		len = max;
	if (bpf_copy_from_user_task(&s->process_payload[at], len, (void *)start, task, 0))
		return at;
	return at + len;
}

static __always_inline bool announce_other(struct scratch *s, struct task_struct *task,
					   __u32 process_id)
{
	struct mm_struct *mm = task->mm;
	__u32 args_len, len;

	if (!mm)
		return false;
	describe_process(s, task, mm, process_id, BPF_CORE_READ(task, cred, uid.val));
	args_len = append_other(s, task, 0, BPF_CORE_READ(mm, arg_start),
				BPF_CORE_READ(mm, arg_end), ARGS_MAX);
	len = append_other(s, task, args_len, BPF_CORE_READ(mm, env_start),
			   BPF_CORE_READ(mm, env_end), ENV_MAX);
	return emit_process(s, args_len, len);
}

/* The id of its process, which has been announced; 0: that cannot be. */
static __always_inline __u32 process_of(struct scratch *s, struct task_struct *task, __u32 slot)
{
	struct task_state *leader = leader_state(task);

	if (!leader)
		return 0;
	if (leader->process_id == 0 || leader->exec_id != task->self_exec_id) {
		leader->process_id = next_process_id(s, slot);
		leader->exec_id = task->self_exec_id;
		leader->announced = false;
		leader->checked = false;
		leader->go_generation = leader->go_hits = leader->go_uses = 0;
	}
	if (!leader->announced)
		leader->announced = announce_other(s, task, leader->process_id);
	return leader->announced ? leader->process_id : 0;
}

/* As read_request, of a thread. Which goroutine has made a system call is not looked for. */
static __always_inline void read_request_of(struct record_sample *sample, struct task_struct *task)
{
	const struct task_state *state = bpf_task_storage_get(&tasks, task, 0, 0);

	if (!state || !state->checked || !state->traced || state->of_go ||
	    state->exec_id != task->self_exec_id)
		return;
	if (state->distrust) {
		sample->head.flags = SAMPLE_INTERLEAVED;
		return;
	}
	sample->request_cookie = state->request_cookie;
	sample->request_off = state->request_off;
}

/* --- its stack -------------------------------------------------------------------------------- */

static long unwind_waiting_on(__u32 index, struct waiting_thread *thread)
{
	struct scratch *s = scratch_at(thread->slot);

	if (!s)
		return 1;
	s->unwind.end = UNWIND_DEEP;
	if (!add_address(s))
		return 1;
	s->unwind.end = unwind_once(&s->unwind, thread);
	return s->unwind.end != UNWIND_GOES_ON;
}

#if defined(__TARGET_ARCH_x86)
static __always_inline bool read_registers_of(struct unwind_registers *r, struct task_struct *task)
{
	struct entry_registers entered;

	if (bpf_probe_read_kernel(&entered, sizeof(entered), (void *)bpf_task_pt_regs(task)))
		return false;
	copy_registers(r, &entered);
	return (__u16)entered.cs == USER_CS_64;
}
#else
static __always_inline bool read_registers_of(struct unwind_registers *r, struct task_struct *task)
{
	return false;
}
#endif

/* As add_copy. */
static __always_inline __u32 add_copy_of(struct scratch *s, struct waiting_thread *thread)
{
	struct unwind_registers *r = &s->unwind.registers;
	struct sample_copy *copy;
	__u32 at, len;

	if (!read_registers_of(r, thread->task) || r->v[UNWIND_RSP] & 7)
		return 0;
	load_waiting(thread, r->v[UNWIND_RIP] - 1, &r->code);
	at = s->unwind.at &
	     ~7u; /* not before the call, over which older kernels forget its bounds */
	if (at > 2 * SAMPLE_STACK_ROOM)
		return 0;
	copy = (void *)&s->stacks[at];
	copy->registers = *r;
	len = copy_stack((char *)(copy + 1), r->v[UNWIND_RSP] - UNWIND_RED_ZONE, thread->task);
	copy->len = len;
	s->sample.head.flags |= SAMPLE_COPIED;
	return sizeof(*copy) + len;
}

/* As unwind_user. */
static __always_inline __u32 unwind_waiting(struct scratch *s, struct waiting_thread *thread,
					    __u32 at)
{
	struct stack_walk *w = &s->unwind;
	struct stack_page *page;
	__u32 zero = 0;

	page = bpf_map_lookup_elem(&stack_pages, &zero);
	if (!page || !read_registers_of(&w->registers, thread->task))
		return 0;
	page->at = 0;
	begin_unwinding(s, thread->task, at);
	bpf_loop(SAMPLE_STACK_MAX + 1, unwind_waiting_on, thread, 0);
	s->sample.user_cnt = w->cnt;
	s->sample.user_end = w->end;
	if (w->end >= UNWIND_NEW && w->end <= UNWIND_NO_TABLE)
		return w->cnt * sizeof(__u64) + add_copy_of(s, thread);
	return w->cnt * sizeof(__u64);
}

/* Both stacks, as read_stacks has them. */
static __always_inline __u32 read_stacks_of(struct scratch *s, struct task_struct *task, __u32 slot)
{
	struct waiting_thread thread = {.task = task, .slot = slot};
	const __u32 room = SAMPLE_STACK_MAX * sizeof(__u64);
	long got = bpf_get_task_stack(task, s->stacks, room, 0);
	__u32 kernel_sz = got < 0 || got > room ? 0 : got & (SAMPLE_STACK_ROOM - 1);

	s->sample.kernel_cnt = kernel_sz / sizeof(__u64);
	return kernel_sz + unwind_waiting(s, &thread, kernel_sz);
}

/* --- looking ---------------------------------------------------------------------------------- */

static __always_inline __u64 switches_of(struct task_struct *task)
{
	return task->nvcsw + task->nivcsw;
}

static __always_inline void begin_sample(struct record_sample *sample, struct task_struct *task,
					 enum off_cpu why, __u64 ns)
{
	__builtin_memset(sample, 0, sizeof(*sample));
	sample->head.kind = RECORD_SAMPLE;
	sample->time_ns = bpf_ktime_get_ns();
	sample->pid = task->tgid;
	sample->tid = task->pid;
	sample->cpu = ~0u;
	sample->off_cpu = why;
	sample->off_cpu_ns = ns;
	if (bpf_core_field_exists(task->start_boottime))
		sample->start_ns = task->group_leader->start_boottime;
	bpf_probe_read_kernel_str(sample->comm, sizeof(sample->comm), task->comm);
}

/* Tells of what was put off. Where that cannot be written, it is owed still. */
static __always_inline void settle(struct scratch *s, struct task_struct *task,
				   struct seen_thread *seen)
{
	struct record_sample *sample = &s->sample;

	if (!seen->owed_ns)
		return;
	begin_sample(sample, task, seen->off_cpu, seen->owed_ns);
	sample->process_id = seen->process_id;
	sample->head.size = sizeof(*sample);
	sample->head.flags = SAMPLE_SAME;
	if (!write_record(s, sample, sizeof(*sample)))
		return;
	seen->told_ns += seen->owed_ns;
	seen->owed_ns = 0;
}

static __always_inline void wait_on(struct scratch *s, struct task_struct *task,
				    struct seen_thread *seen)
{
	__u64 most_ns = seen->told_ns / OFF_CPU_PUT_OFF_SHARE;

	seen->owed_ns += off_cpu_pass.interval_ns;
	if (most_ns > OFF_CPU_PUT_OFF_NS)
		most_ns = OFF_CPU_PUT_OFF_NS;
	if (off_cpu_pass.last || seen->owed_ns > most_ns)
		settle(s, task, seen);
}

/* It waits since the last look, or for something else than then. */
static __always_inline void sample_wait(struct scratch *s, struct task_struct *task, __u32 slot,
					struct seen_thread *seen, enum off_cpu why, __u64 switches)
{
	struct record_sample *sample = &s->sample;
	__u32 process_id = process_of(s, task, slot), len;

	seen->off_cpu = OFF_CPU_NOT;
	seen->owed_ns = 0;
	begin_sample(sample, task, why, off_cpu_pass.interval_ns);
	sample->process_id = process_id;
	read_request_of(sample, task);
	read_thread_context(sample, task, task);
	len = read_stacks_of(s, task, slot);
	off_cpu_pass.stacks++;
	if (task->on_cpu || switches_of(task) != switches) {
		len = sample->kernel_cnt = sample->user_cnt = 0;
		sample->user_end = UNWIND_RAN;
		sample->head.flags &= ~SAMPLE_COPIED;
		sample->context.valid = 0;
	}
	sample->head.size = sizeof(*sample) + len;
	if (!process_id || !write_record(s, sample, sizeof(*sample) + (len & SAMPLE_MASK))) {
		s->counts.samples_full++;
		return;
	}
	seen->switches = switches;
	seen->told_ns = off_cpu_pass.interval_ns;
	seen->off_cpu = why;
	seen->process_id = process_id;
}

/* It has waited at the last look, has not run since, and waits for the same. */
static __always_inline bool waits_still(struct task_struct *task, const struct seen_thread *seen)
{
	return seen->off_cpu && seen->switches == switches_of(task) && !task->on_cpu &&
	       (seen->off_cpu == OFF_CPU_RUN_QUEUE) == !state_of(task);
}

static __always_inline int look_at(struct task_struct *task)
{
	__u32 slot = SCRATCHES(settings.cpus) - 1;
	struct scratch *s = scratch_at(slot);
	struct seen_thread *seen;
	__u64 switches;
	enum off_cpu why;

	if (!s || task->flags & PF_KTHREAD)
		return 0;
	seen = bpf_task_storage_get(&seen_threads, task, 0, 0);
	if (seen && waits_still(task, seen)) {
		off_cpu_pass.threads++;
		wait_on(s, task, seen);
		return 0;
	}
	if (!is_wanted(task))
		return 0;
	off_cpu_pass.threads++;
	switches = switches_of(task);
	why = why_off_cpu(task);
	if (!seen && why)
		seen = bpf_task_storage_get(&seen_threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!seen) {
		if (why)
			s->counts.samples_busy++;
		return 0;
	}
	settle(s, task, seen);
	if (why)
		sample_wait(s, task, slot, seen, why, switches);
	return 0;
}

#endif
