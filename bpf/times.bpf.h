/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where the time of a request went: of a thread that works for one request at a time (work.bpf.h), from the
 * receive that brought it until something is sent back. The scheduler's tracepoints tell when the thread runs, may
 * run, and waits; what for is told by the system call that it is in. Of a wait for the network that is not
 * yet known: it is the client's if the thread then uses the client's connection, else another server's.
 *
 * A thread that did not leave the CPU in between has no account: the answer's own record says so by OP_ON_CPU.
 *
 * Tasks that work for no request cost one look at their storage per switch.
 */
#ifndef SONDE_BPF_TIMES_H
#define SONDE_BPF_TIMES_H

#include "bpf/buffer.bpf.h"

#define TASK_UNINTERRUPTIBLE 2
#define OP_TIMED (OP_ON_CPU | OP_LOOP)

/* Before 5.14. */
struct task_struct___state {
	long state;
} __attribute__((preserve_access_index));

/* The thread of t was in t->state until now. */
static __always_inline void spend(struct time_account *t, __u64 now)
{
	__u64 ns = now > t->since_ns ? now - t->since_ns : 0, state = t->state;

	barrier_var(state); /* else it is read again, which the verifier does not take */
	if (state < WAITS_CNT)
		t->spent_ns[state] += ns;
	t->since_ns += ns;
}

static __always_inline void become(struct time_account *t, __u8 state)
{
	spend(t, bpf_ktime_get_ns());
	t->state = state;
}

/*
 * A thread that runs, but was not seen to begin: some kernels' idle processors switch to a thread without the
 * tracepoint. For how long it has run the scheduler itself keeps, up to its last look, which a switch is.
 */
static __always_inline void begin_late(struct time_account *t, struct task_struct *task)
{
	__u64 ran_ns = task->se.sum_exec_runtime - task->se.prev_sum_exec_runtime;
	__u64 now = bpf_ktime_get_ns();

	if (ran_ns < now)
		spend(t, now - ran_ns);
	t->state = TIME_CPU;
}

/* What is known by the last answer goes to the ring. */
static __always_inline void tell_times(struct time_account *t)
{
	struct record_times *r = reserve_for_op(scratch_get(), sizeof(*r));

	t->untold = false;
	if (!r)
		return;
	r->head.size = sizeof(*r);
	r->head.kind = RECORD_TIMES;
	r->head.flags = t->loop ? TIMES_LOOP : 0;
	r->cookie = t->cookie;
	r->off = t->off;
	r->begin_ns = t->begin_ns;
	r->end_ns = t->answered_ns;
	for (int i = 0; i < TIMES_CNT; i++)
		r->spent_ns[i] = t->answered_spent_ns[i];
	r->tid = (__u32)bpf_get_current_pid_tgid();
	r->reserved = 0;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

/* How often the current thread has left the CPU. */
static __always_inline __u32 switches_so_far(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return task->nvcsw + task->nivcsw;
}

static __always_inline bool has_one_thread(struct task_struct *task)
{
	return task->signal->nr_threads == 1;
}

/*
 * The current thread has received the first bytes of a request. Does it work for that alone from now on? It does if
 * that is certain, or if it has none but this, and there is no thread that could do any of its work.
 */
static __always_inline void begin_times(struct task_state *state, bool certain,
					const struct connection_state *conn, __u64 off)
{
	struct time_account *t = &state->times;

	if (t->cookie && t->untold)
		tell_times(t);
	t->cookie = 0;
	t->untold = false;
	if (switches_so_far() != conn->received_switches) /* unseen, since there was no account */
		return;
	if (!certain &&
	    (state->distrust || state->of_go || !has_one_thread(bpf_get_current_task_btf())))
		return;
	for (int i = 0; i < WAITS_CNT; i++)
		t->spent_ns[i] = 0;
	t->loop = !certain;
	t->state = TIME_CPU;
	t->off = off;
	t->begin_ns = t->since_ns = conn->received_ns;
	t->switches = conn->received_switches;
	t->cookie = conn->cookie;
}

/*
 * The current thread used a connection: so that one it has waited for. But who sends an answer may have waited
 * for anything.
 */
static __always_inline void end_network_wait(struct time_account *t, bool serves, bool send)
{
	__u64 network_ns = t->spent_ns[WAIT_NETWORK], polled_ns = t->spent_ns[WAIT_POLLED];

	if (!t->cookie || !(network_ns | polled_ns))
		return;
	t->spent_ns[serves ? TIME_CLIENT : TIME_SERVERS] += network_ns;
	t->spent_ns[!serves ? TIME_SERVERS : send ? TIME_OTHER : TIME_CLIENT] += polled_ns;
	t->spent_ns[WAIT_NETWORK] = t->spent_ns[WAIT_POLLED] = 0;
}

/*
 * A record of an operation on that connection is about to be written: what it may end is known before. False: the
 * thread has no account of it.
 */
static __always_inline bool tell_times_of(__u64 cookie)
{
	struct task_state *state;

	if (!settings.timing)
		return false;
	state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	if (!state || state->times.cookie != cookie)
		return false;
	if (state->times.untold)
		tell_times(&state->times);
	return true;
}

/* The same as a function of its own, for the sake of the stack. */
static __noinline int tell_times_apart(struct connection_state *conn)
{
	if (conn->untold && tell_times_of(conn->cookie))
		conn->untold = false;
	return 0;
}

/*
 * Something is about to be sent to a client. Returns flags of the operation that say all there is to tell; 0: that is
 * told by a record, if at all. A function of its own for the sake of the stack.
 */
static __noinline int note_times(struct task_state *state, struct connection_state *conn)
{
	struct time_account *t = &state->times;
	bool on_cpu, last;

	if (!t->cookie || t->cookie != conn->cookie)
		return 0;
	on_cpu = t->switches == switches_so_far();
	last = !t->loop &&
	       state->dedicated == CAUSE_UNANSWERED; /* it may be at something else from now on */
	if (!on_cpu) {
		if (t->state != TIME_CPU)
			begin_late(t, bpf_get_current_task_btf());
		become(t, TIME_CPU);
		end_network_wait(t, true, true);
		t->answered_ns = t->since_ns;
		for (int i = 0; i < TIMES_CNT; i++)
			t->answered_spent_ns[i] = t->spent_ns[i];
		t->untold = true;
		if (last)
			tell_times(t);
	}
	conn->untold = t->untold;
	if (last)
		t->cookie = 0;
	return !on_cpu ? 0 : t->loop ? OP_ON_CPU | OP_LOOP : OP_ON_CPU;
}

/* Is the file that a read or write waits for a socket? */
static __always_inline bool waits_for_socket(struct task_struct *task, __u32 fd)
{
	const struct fdtable *table = task->files->fdt;
	struct file *file = NULL;

	if (fd >= table->max_fds || bpf_probe_read_kernel(&file, sizeof(file), table->fd + fd))
		return false;
	return (BPF_CORE_READ(file, f_inode, i_mode) & 0170000) == 0140000;
}

static __always_inline __u8 waits_in(struct task_struct *task, struct pt_regs *regs, long nr)
{
	__u8 wait = nr < SYSCALLS_MAX ? waits_of_syscalls[nr] : TIME_OTHER;

	switch (wait) {
	case WAIT_FILE:
		return waits_for_socket(task, (__u32)ARG1(regs)) ? WAIT_NETWORK : TIME_OTHER;
	case WAIT_POLL1:
		return ARG1(regs) ? WAIT_POLLED : TIME_SLEEP;
	case WAIT_POLL2:
		return ARG2(regs) ? WAIT_POLLED : TIME_SLEEP;
	}
	return wait;
}

/* What does a thread wait for that leaves the CPU by its own will? */
static __always_inline __u8 waits_for(struct task_struct *task, bool uninterruptible)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	long nr = SYSCALL_NR(regs);
	__u8 wait;

	if (nr < 0) /* of programs of 32 bits the system calls are others */
		return IS_32_BIT(regs) ? TIME_OTHER : TIME_PAGE_FAULT;
	if (BPF_CORE_READ_BITFIELD(task, in_iowait))
		return TIME_DISK;
	wait = waits_in(task, regs, nr);
	return uninterruptible && wait != TIME_DISK ? TIME_OTHER : wait;
}

static __always_inline long state_of(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return BPF_CORE_READ((struct task_struct___state *)task, state);
}

/* Most threads have no storage at all: to see that takes a load, where the helper is several calls. */
static __always_inline struct time_account *account_of(struct task_struct *task)
{
	struct task_state *state;

	if (bpf_core_field_exists(task->bpf_storage) && !task->bpf_storage)
		return NULL;
	state = bpf_task_storage_get(&tasks, task, 0, 0);
	return state && state->times.cookie ? &state->times : NULL;
}

/* prev, which is the current task, makes room for next. */
static __always_inline void time_switch(bool preempt, struct task_struct *prev,
					struct task_struct *next)
{
	struct time_account *t = account_of(prev);
	long state;

	if (t) {
		if (t->untold)
			tell_times(t);
		if (t->state != TIME_CPU)
			begin_late(t, prev);
		state = preempt ? 0 : state_of(prev);
		become(t, state ? waits_for(prev, state & TASK_UNINTERRUPTIBLE) : TIME_RUN_QUEUE);
	}
	t = account_of(next);
	if (t)
		become(t, TIME_CPU);
}

/* A task that waited may run now. */
static __always_inline void time_waking(struct task_struct *task)
{
	struct time_account *t = account_of(task);

	if (t && t->state != TIME_CPU)
		become(t, TIME_RUN_QUEUE);
}

#endif
