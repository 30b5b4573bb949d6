/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Processes of Go, and the goroutines that are in their system calls and at probes. */
#ifndef SONDE_BPF_GO_H
#define SONDE_BPF_GO_H

#include "bpf/maps.bpf.h"

/* Go's compiler keeps g, the goroutine, in a register of its own, which all of its code leaves alone. */
#if defined(__TARGET_ARCH_x86)
#define GOROUTINE(regs) ((regs)->r14)
#define GO_1(regs) ((regs)->ax)
#define GO_2(regs) ((regs)->bx)
#define GO_3(regs) ((regs)->cx)
#define GO_4(regs) ((regs)->di)
#define GO_5(regs) ((regs)->si)
#define GO_CLOSURE(regs) ((regs)->dx)
/* The branch that the probe is on is taken: to where the stack is grown, and then comes round once more. */
#define GO_GROWS(regs) ((regs)->flags & 0x41)
#elif defined(__TARGET_ARCH_arm64)
#define GOROUTINE(regs) ((regs)->regs[28])
#define GO_1(regs) ((regs)->regs[0])
#define GO_2(regs) ((regs)->regs[1])
#define GO_3(regs) ((regs)->regs[2])
#define GO_4(regs) ((regs)->regs[3])
#define GO_5(regs) ((regs)->regs[4])
#define GO_CLOSURE(regs) ((regs)->regs[26])
#define GO_GROWS(regs) false
#endif
#define STATUS_BEFORE 8 /* in g, before its id: what it is at */
#define STATUS_SCAN 0x1000
#define STATUS_DEAD 6
#define STACK_LIMIT_AT 8 /* in g: the address above its stack */

struct goroutine_key {
	__u64 g;
	__u32 pid;
	__u32 reserved;
};

/* Executables, by inode: in file systems that are stacked their devices cannot be told. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GO_EXES_MAX);
	__type(key, __u64);
	__type(value, struct go_exe);
} go_exes SEC(".maps") __weak;

/* What is known of the current process's executable; NULL: it is none of Go. */
static __always_inline const struct go_exe *current_go(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *leader;
	const struct go_exe *exe;
	__u64 inode;

	if (!go_generation)
		return NULL;
	leader = bpf_task_storage_get(&tasks, task->group_leader, 0, 0);
	if (!leader)
		return NULL;
	if (leader->go_generation != go_generation) {
		inode = BPF_CORE_READ(task, mm, exe_file, f_inode, i_ino);
		exe = bpf_map_lookup_elem(&go_exes, &inode);
		if (exe)
			leader->go = *exe;
		else
			__builtin_memset(&leader->go, 0, sizeof(leader->go));
		barrier(); /* other threads look as well */
		leader->go_generation = go_generation;
	}
	return leader->go.goid_at || leader->go.tls ? &leader->go : NULL;
}

/* The process's executable is used so. */
static __noinline int tell_use(enum go_use use)
{
	__u64 inode = BPF_CORE_READ(bpf_get_current_task_btf(), mm, exe_file, f_inode, i_ino);
	struct go_exe *exe = bpf_map_lookup_elem(&go_exes, &inode);

	if (!exe || exe->use >= use)
		return 0;
	exe->use = use;
	__sync_fetch_and_add(&go_uses_generation, 1);
	return 0;
}

#define GO_AS_SERVER 1
#define GO_AS_CLIENT 2

/* What the current process does; go is current_go's. */
static __always_inline void note_use(const struct go_exe *go, __u8 does)
{
	struct task_state *leader = container_of(go, struct task_state, go);

	if (leader->go_uses & does)
		return;
	leader->go_uses |= does;
	if (leader->go_uses == (GO_AS_SERVER | GO_AS_CLIENT))
		tell_use(GO_USE_BOTH);
}

static __always_inline void note_hit(const struct go_exe *go)
{
	struct task_state *leader = container_of(go, struct task_state, go);

	if (leader->go_uses != (GO_AS_SERVER | GO_AS_CLIENT) && ++leader->go_hits == GO_HITS_MAX)
		tell_use(GO_USE_ONE);
}

/* Goroutines are used again, their ids are not. */
struct goroutine_id {
	__u64 g, goid;
};

static __always_inline bool identify_goroutine(const struct go_exe *exe, __u64 g,
					       struct goroutine_id *out)
{
	out->g = g;
	out->goid = 0;
	return g && exe->goid_at &&
	       bpf_probe_read_user(&out->goid, sizeof(out->goid), (void *)(g + exe->goid_at)) ==
		       0 &&
	       out->goid;
}

/*
 * The goroutine that is in a system call or at a probe. False where there is none: in C, which may use the
 * register for anything, and on the stack of the scheduler, which has no id.
 */
static __always_inline bool current_goroutine(const struct go_exe *exe, const struct pt_regs *regs,
					      struct goroutine_id *out)
{
	__u64 g = GOROUTINE(regs), sp = PT_REGS_SP(regs), stack[2];

	return exe->goid_at && !bpf_probe_read_user(stack, sizeof(stack), (void *)g) &&
	       stack[0] < sp && sp <= stack[1] && identify_goroutine(exe, g, out);
}

#endif
