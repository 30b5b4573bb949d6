/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where the bytes are: the running system call's arguments name the user's buffer, and when the
 * socket hook fires the bytes have already been copied to or from it.
 */
#ifndef SONDE_BPF_BUFFER_H
#define SONDE_BPF_BUFFER_H

#include "bpf/maps.bpf.h"

/* gRPC's C core writes the headers of one request in some 40 pieces. */
#define IOV_MAX_COPIED 64
#define ENOSYS 38

#if defined(__TARGET_ARCH_x86)
#define NR_READ 0
#define NR_WRITE 1
#define NR_READV 19
#define NR_WRITEV 20
#define NR_SENDTO 44
#define NR_RECVFROM 45
#define NR_SENDMSG 46
#define NR_RECVMSG 47
#define NR_RECVMMSG 299
#define NR_SENDMMSG 307
#define NR_PREADV2 327
#define NR_PWRITEV2 328
#define USER32_CS 0x23
#define IS_32_BIT(regs) ((regs)->cs == USER32_CS)
#define SYSCALL_NR(regs) (IS_32_BIT(regs) ? -1 : (long)(regs)->orig_ax)
#define SYSCALL_RUNS(regs) ((long)(regs)->ax == -ENOSYS) /* its result is not there yet */
#define ARG1(regs) ((regs)->di)
#define ARG2(regs) ((regs)->si)
#define ARG3(regs) ((regs)->dx)
#define ARG5(regs) ((regs)->r8)
#elif defined(__TARGET_ARCH_arm64)
#define NR_READ 63
#define NR_WRITE 64
#define NR_READV 65
#define NR_WRITEV 66
#define NR_SENDTO 206
#define NR_RECVFROM 207
#define NR_SENDMSG 211
#define NR_RECVMSG 212
#define NR_RECVMMSG 243
#define NR_SENDMMSG 269
#define NR_PREADV2 286
#define NR_PWRITEV2 287
#define COMPAT_MODE 0x10
#define IS_32_BIT(regs) ((regs)->pstate & COMPAT_MODE)
#define SYSCALL_NR(regs) (IS_32_BIT(regs) ? -1 : (long)(regs)->syscallno)
#define SYSCALL_RUNS(regs) \
	((regs)->regs[0] == (regs)->orig_x0) /* it still has its first argument */
#define ARG1(regs) ((regs)->orig_x0)
#define ARG2(regs) ((regs)->regs[1])
#define ARG3(regs) ((regs)->regs[2])
#define ARG5(regs) ((regs)->regs[4])
#else
#error "system call numbers of this architecture are not known"
#endif

struct iovec_arg {
	__u64 base, len;
};

struct msghdr_arg {
	__u64 name;
	__u32 name_len, pad;
	__u64 iov, iov_cnt;
	__u64 control, control_len;
	__u32 flags, pad2;
};

struct mmsghdr_arg {
	struct msghdr_arg msg;
	__u32 len, pad;
};

/*
 * Which message of a sendmmsg or recvmmsg this is: the hook fires once for each, in order. A new
 * call is told by another vector or length, or by the last one having reached its end.
 */
static __always_inline __u32 mmsg_index(__u64 vec, __u32 len)
{
	struct task_state *task = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);

	if (!task)
		return 0;
	mmsg_used = 1;
	if (task->mmsg_vec != vec || task->mmsg_len != len || task->mmsg_next >= len) {
		task->mmsg_vec = vec;
		task->mmsg_len = len;
		task->mmsg_next = 0;
	}
	return task->mmsg_next++;
}

/* A call that would block ends a recvmmsg or sendmmsg in progress. */
static __always_inline int forget_mmsg(void)
{
	struct task_state *task;

	if (!mmsg_used)
		return 0;
	task = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	if (task)
		task->mmsg_vec = 0;
	return 0;
}

static __always_inline void take_vector(struct user_buffer *buffer, __u64 iov, __u64 iov_cnt)
{
	struct iovec_arg first;

	buffer->iov = iov;
	buffer->iov_cnt = iov_cnt;
	if (iov_cnt == 0 || bpf_probe_read_user(&first, sizeof(first), (void *)iov))
		return;
	buffer->base = first.base;
	buffer->base_len = first.len;
}

/*
 * The running system call's buffer, if it has one; buffer is cleared by the caller. What a thread has left to
 * io_uring may be done when another system call of it is over.
 */
static __always_inline void find_buffer(struct user_buffer *buffer)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	long nr = SYSCALL_NR(regs);
	struct msghdr_arg msg = {};
	__u64 header = ARG2(regs);

	if (!SYSCALL_RUNS(regs))
		return;
	switch (nr) {
	case NR_SENDTO:
	case NR_RECVFROM:
		buffer->name = ARG5(regs);
		__attribute__((fallthrough));
	case NR_READ:
	case NR_WRITE:
		buffer->base = header;
		buffer->base_len = ARG3(regs);
		return;
	case NR_READV:
	case NR_WRITEV:
	case NR_PREADV2:
	case NR_PWRITEV2:
		take_vector(buffer, header, ARG3(regs));
		return;
	case NR_SENDMMSG:
	case NR_RECVMMSG:
		header += mmsg_index(header, (__u32)ARG3(regs)) * sizeof(struct mmsghdr_arg);
		break;
	case NR_SENDMSG:
	case NR_RECVMSG:
		break;
	default:
		return;
	}
	if (bpf_probe_read_user(&msg, sizeof(msg), (void *)header))
		return;
	buffer->name = msg.name;
	take_vector(buffer, msg.iov, msg.iov_cnt);
}

/*
 * Copies one piece of a vector behind the done bytes that are there, up to want in all. Returns how
 * many there are now; COPY_END in it if the piece could not be read whole.
 */
#define COPY_END 0x10000

__noinline int copy_piece(__u32 slot, __u64 iov_at, __u64 done, __u64 want)
{
	struct scratch *s = scratch_at(slot);
	struct iovec_arg iov;
	__u64 len;

	if (!s || done >= want || want > COPY_MAX ||
	    bpf_probe_read_user(&iov, sizeof(iov), (void *)iov_at))
		return done | COPY_END;
	len = want - done;
	if (iov.len < len)
		len = iov.len;
	if (len > COPY_MAX)
		return done | COPY_END;
	if (len && bpf_probe_read_user(&s->payload[done & (COPY_MAX - 1)], len, (void *)iov.base))
		return done | COPY_END;
	return done + len;
}

/*
 * Copies up to want bytes of a vector to the scratch payload. Returns how many it got, at most
 * COPY_MAX. Verified once: see process_matches.
 */
__noinline int copy_vector(__u32 slot, __u64 iov, __u64 iov_cnt, __u64 want)
{
	__u64 done = 0;

	for (int i = 0; i < IOV_MAX_COPIED && i < iov_cnt && done < want; i++) {
		done = copy_piece(slot, iov + i * sizeof(struct iovec_arg), done, want);
		if (done & COPY_END)
			break;
	}
	return done & COPY_MASK;
}

#endif
