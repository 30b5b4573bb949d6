// SPDX-License-Identifier: Apache-2.0
/* The numbers are those of the architecture that this is built for, as are the kernel's. */
#include "user/capture/waits.h"

#include <string.h>
#include <sys/syscall.h>

#include "include/abi/record.h"
#include "include/abi/tracer.h"

static const struct {
	uint16_t nr;
	uint8_t wait;
} known[] = {
	{SYS_read, WAIT_FILE},
	{SYS_readv, WAIT_FILE},
	{SYS_preadv2, WAIT_FILE},
	{SYS_write, WAIT_FILE},
	{SYS_writev, WAIT_FILE},
	{SYS_pwritev2, WAIT_FILE},
	{SYS_sendfile, WAIT_FILE},
	{SYS_splice, WAIT_FILE},
	{SYS_recvfrom, WAIT_NETWORK},
	{SYS_recvmsg, WAIT_NETWORK},
	{SYS_recvmmsg, WAIT_NETWORK},
	{SYS_sendto, WAIT_NETWORK},
	{SYS_sendmsg, WAIT_NETWORK},
	{SYS_sendmmsg, WAIT_NETWORK},
	{SYS_connect, WAIT_NETWORK},
	{SYS_accept, WAIT_NETWORK},
	{SYS_accept4, WAIT_NETWORK},
	{SYS_epoll_pwait, WAIT_POLLED},
	{SYS_epoll_pwait2, WAIT_POLLED},
	{SYS_pselect6, WAIT_POLL1},
	{SYS_ppoll, WAIT_POLL2},
#ifdef SYS_poll /* newer architectures have only the others */
	{SYS_poll, WAIT_POLL2},
	{SYS_select, WAIT_POLL1},
	{SYS_epoll_wait, WAIT_POLLED},
#endif
	{SYS_futex, TIME_LOCK},
	{SYS_futex_waitv, TIME_LOCK},
	{SYS_flock, TIME_LOCK},
	{SYS_fcntl, TIME_LOCK},
	{SYS_semop, TIME_LOCK},
	{SYS_semtimedop, TIME_LOCK},
	{SYS_nanosleep, TIME_SLEEP},
	{SYS_clock_nanosleep, TIME_SLEEP},
	{SYS_fsync, TIME_DISK},
	{SYS_fdatasync, TIME_DISK},
	{SYS_sync, TIME_DISK},
	{SYS_syncfs, TIME_DISK},
	{SYS_sync_file_range, TIME_DISK},
	{SYS_msync, TIME_DISK},
};

void tell_waits(uint8_t *waits)
{
	memset(waits, TIME_OTHER, SYSCALLS_MAX);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].nr < SYSCALLS_MAX)
			waits[known[i].nr] = known[i].wait;
}
