/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who is running: is the current process traced, and has it been announced? Both answers are kept
 * in task storage; a process gets a new id when it executes another image.
 */
#ifndef SONDE_BPF_PROCESS_H
#define SONDE_BPF_PROCESS_H

#include "bpf/puma.bpf.h"

/* Names, cgroups and pid sets change: decide again after this, 0.25 to 2.5 s. */
#define RECHECK_JIFFIES 250
#define CGROUP_LEVELS_MAX 12
#define PATH_PARTS_MAX 12

/* The state of a task. Where another CPU is first to make it, making fails, and it is there. */
static __always_inline struct task_state *task_state(struct task_struct *task)
{
	struct task_state *state =
		bpf_task_storage_get(&tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	return state ? state : bpf_task_storage_get(&tasks, task, 0, 0);
}

static __always_inline bool name_is_in(void *names, struct task_struct *leader)
{
	struct name_key key = {};

	bpf_probe_read_kernel_str(key.comm, sizeof(key.comm), leader->comm);
	return bpf_map_lookup_elem(names, &key);
}

static __always_inline bool exe_is_in(void *exes, struct task_struct *task)
{
	struct exe_key key = {};

	key.inode = BPF_CORE_READ(task, mm, exe_file, f_inode, i_ino);
	key.dev = BPF_CORE_READ(task, mm, exe_file, f_inode, i_sb, s_dev);
	return bpf_map_lookup_elem(exes, &key);
}

/* The process's own cgroup (v2) or any above it. */
static __always_inline bool cgroup_is_in(void *cgroups)
{
	for (int level = 0; level < CGROUP_LEVELS_MAX; level++) {
		__u64 id = bpf_get_current_ancestor_cgroup_id(level);

		if (id == 0)
			break;
		if (bpf_map_lookup_elem(cgroups, &id))
			return true;
	}
	return false;
}

/* Does that task pass the filter, but for the cgroups? */
static __always_inline bool task_passes(struct task_struct *task, __u32 pid)
{
	__u32 filter = filter_kinds;

	if (pid == self_pid)
		return false;
	if ((filter & FILTER_PIDS) && !bpf_map_lookup_elem(&filter_pids, &pid))
		return false;
	if ((filter & FILTER_NAMES) && !name_is_in(&filter_names, task->group_leader))
		return false;
	return !(filter & FILTER_EXES) || exe_is_in(&filter_exes, task);
}

/*
 * Does the current process pass the filter? Global functions like this one are verified once, not
 * at every place that calls them: they keep the time to load short.
 */
__noinline int process_matches(__u32 pid)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if ((task->flags & PF_KTHREAD) || !task_passes(task, pid))
		return false;
	return !(filter_kinds & FILTER_CGROUPS) || cgroup_is_in(&filter_cgroups);
}

/* Are the current process's requests never to carry ids? A function of its own for the verifier's sake. */
__noinline int hop_is_denied(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return name_is_in(&hop_denied_names, task->group_leader) ||
	       exe_is_in(&hop_denied_exes, task) || cgroup_is_in(&hop_denied_cgroups);
}

/*
 * The executable's path within its mount, put together from the end. bpf_d_path is not to be had
 * in these programs.
 */
static __always_inline void read_exe_path(struct scratch *s, struct task_struct *task)
{
	struct dentry *dentry = BPF_CORE_READ(task, mm, exe_file, f_path.dentry);
	__u32 at = PROCESS_EXE_SZ - 1;

	s->path[at] = 0;
	for (int i = 0; i < PATH_PARTS_MAX; i++) {
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
		const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);
		__u32 len = BPF_CORE_READ(dentry, d_name.len);

		if (!dentry || dentry == parent || len == 0 || len + 1 > at ||
		    len >= PROCESS_EXE_SZ)
			break;
		at -= len;
		bpf_probe_read_kernel(&s->path[at & (PROCESS_EXE_SZ - 1)],
				      len & (PROCESS_EXE_SZ - 1), name);
		at--;
		s->path[at & (PROCESS_EXE_SZ - 1)] = '/';
		dentry = parent;
	}
	bpf_probe_read_kernel_str(s->process.exe, sizeof(s->process.exe),
				  &s->path[at & (PROCESS_EXE_SZ - 1)]);
}

/* "parent/child" of the innermost cgroup; the v1 memory hierarchy where v2 has only its root. */
static __always_inline void read_cgroup(struct record_process *p, struct task_struct *task)
{
	struct cgroup *cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	struct cgroup *parent = (struct cgroup *)BPF_CORE_READ(cgroup, self.parent);
	long n = 0;

	p->cgroup[0] = 0;
	p->cgroup_id = BPF_CORE_READ(cgroup, kn, id);
	if (!parent && bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id)) {
		int memory = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);

		cgroup = BPF_CORE_READ(task, cgroups, subsys[memory], cgroup);
		parent = (struct cgroup *)BPF_CORE_READ(cgroup, self.parent);
	}
	if (parent)
		n = bpf_probe_read_kernel_str(p->cgroup, PROCESS_CGROUP_SZ / 2,
					      BPF_CORE_READ(parent, kn, name));
	if (n <= 0 || n > PROCESS_CGROUP_SZ / 2)
		n = 1;
	p->cgroup[(n - 1) & (PROCESS_CGROUP_SZ / 2 - 1)] = '/';
	bpf_probe_read_kernel_str(&p->cgroup[n & (PROCESS_CGROUP_SZ / 2 - 1)],
				  PROCESS_CGROUP_SZ / 2, BPF_CORE_READ(cgroup, kn, name));
}

/* Appends [start, end) of the process's memory to the payload; returns the new payload length. */
static __always_inline __u32 append_user(struct scratch *s, __u32 at, __u64 start, __u64 end,
					 __u32 max)
{
	__u64 len = end - start;

	if (end <= start)
		return at;
	if (len > max)
		len = max;
	if (at > COPY_MAX)
		return at;
	if (bpf_probe_read_user(&s->process_payload[at], len, (void *)start))
		return at;
	return at + len;
}

/* The pid as the process itself knows it. */
static __always_inline __u32 innermost_pid(struct task_struct *leader)
{
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	struct upid upid = {};

	bpf_probe_read_kernel(&upid, sizeof(upid), &pid->numbers[level & 31]);
	return upid.nr;
}

/* What the process's record says beside its payload. */
static __always_inline void describe_process(struct scratch *s, struct task_struct *task,
					     struct mm_struct *mm, __u32 process_id, __u32 uid)
{
	struct task_struct *leader = task->group_leader;
	struct record_process *p = &s->process;

	__builtin_memset(p, 0, sizeof(*p)); /* else bytes of other processes would stay in it */
	p->process_id = process_id;
	p->pid = task->tgid;
	p->ns_pid = innermost_pid(leader);
	p->parent_pid = BPF_CORE_READ(leader, real_parent, tgid);
	p->uid = uid;
	if (bpf_core_field_exists(leader->start_boottime))
		p->start_ns = leader->start_boottime;
	p->exe_inode = BPF_CORE_READ(mm, exe_file, f_inode, i_ino);
	p->exe_dev = BPF_CORE_READ(mm, exe_file, f_inode, i_sb, s_dev);
	bpf_probe_read_kernel_str(p->comm, sizeof(p->comm), leader->comm);
	read_exe_path(s, task);
	read_cgroup(p, task);
}

/* Writes it, when len bytes of payload stand behind it, args_len of them arguments. */
static __always_inline bool emit_process(struct scratch *s, __u32 args_len, __u32 len)
{
	struct record_process *p = &s->process;

	p->args_len = args_len;
	p->env_len = len - args_len;
	p->head.size = sizeof(*p) + len;
	p->head.kind = RECORD_PROCESS;
	p->head.flags = 0;
	return emit(s, p, sizeof(*p) + (len & COPY_MASK));
}

/*
 * Writes the current process's record, put together in that scratch. Of one that is at its end, and has no memory any
 * more, the rest is told.
 */
__noinline int announce_process(__u32 process_id, __u32 slot)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mm_struct *mm = task->mm;
	struct scratch *s = scratch_at(slot);
	__u32 args_len, len;

	if (!s || (!mm && task->signal->live.counter))
		return false;
	describe_process(s, task, mm, process_id, (__u32)bpf_get_current_uid_gid());
	if (!mm)
		return emit_process(s, 0, 0);
	args_len = append_user(s, 0, mm->arg_start, mm->arg_end, ARGS_MAX);
	len = append_user(s, args_len, mm->env_start, mm->env_end, ENV_MAX);
	return emit_process(s, args_len, len);
}

/* Unique without an atomic, which old instruction sets lack: scratches count in strides. */
static __always_inline __u32 next_process_id(struct scratch *s, __u32 slot)
{
	return s->processes++ * SCRATCHES(settings.cpus) + slot + 1;
}

/*
 * Decides anew whether the current process is traced, and announces it if nobody has. Its state
 * must exist. 0: no storage to be had.
 */
__noinline int refresh_task(__u32 jiffies, __u32 slot)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *state = bpf_task_storage_get(&tasks, task, 0, 0), *leader_state;
	struct scratch *s = scratch_at(slot);

	if (!state || !s)
		return 0;
	state->checked_jiffies = jiffies;
	state->filter_generation = filter_generation;
	state->traced = process_matches(task->tgid);
	if (!state->traced) {
		state->exec_id = task->self_exec_id;
		state->checked = true;
		return 1;
	}
	state->checked = false;
	note_puma(s, task->group_leader);
	state->sealed = tls_denies && name_is_in(&tls_denied_names, task->group_leader);
	state->hop_denied = hop_denies && hop_is_denied();
	leader_state = task_state(task->group_leader);
	if (!leader_state)
		return 0;
	if (leader_state->process_id == 0 || leader_state->exec_id != task->self_exec_id) {
		leader_state->process_id = next_process_id(s, slot);
		leader_state->exec_id = task->self_exec_id;
		leader_state->announced = false;
		leader_state->go_generation = leader_state->go_hits = leader_state->go_uses = 0;
	}
	if (!leader_state->announced)
		leader_state->announced = announce_process(leader_state->process_id, slot);
	state->process_id = leader_state->process_id;
	state->exec_id = task->self_exec_id;
	state->checked = true;
	return 1;
}

static __always_inline bool is_stale(const struct task_state *state, struct task_struct *task,
				     __u32 jiffies)
{
	return !state->checked || state->filter_generation != filter_generation ||
	       jiffies - state->checked_jiffies >= RECHECK_JIFFIES ||
	       state->exec_id != task->self_exec_id;
}

/* The state of the current task, with whether it is traced; NULL if there is no storage to be had. */
static __noinline struct task_state *current_task_state(struct scratch *s, __u32 jiffies)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *state = task_state(task);

	if (!state || (is_stale(state, task, jiffies) && !refresh_task(jiffies, s->slot))) {
		s->counts.no_storage++;
		return NULL;
	}
	return state;
}

static __always_inline bool sees_tls(const struct task_state *state)
{
	return state->traced && !state->sealed;
}

#endif
