// SPDX-License-Identifier: Apache-2.0
/* The command waits for one byte on a pipe; the end of the pipe means that it is not to run. */
#include "user/base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/base/log.h"

static void __attribute__((noreturn)) wait_and_run(int fd, char **argv)
{
	char go;

	if (read(fd, &go, 1) == 1) {
		execvp(argv[0], argv);
		log_error("cannot run %s: %s", argv[0], strerror(errno));
	}
	_exit(CHILD_NOT_STARTED);
}

int child__fork(struct child *child, char **argv)
{
	int fds[2], err = 0;

	*child = (struct child){.start_fd = -1};
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	child->pid = fork();
	if (child->pid == 0) {
		close(fds[1]);
		wait_and_run(fds[0], argv);
	}
	if (child->pid < 0)
		err = -errno;
	close(fds[0]);
	if (err) {
		close(fds[1]);
		child->pid = 0;
		return err;
	}
	child->start_fd = fds[1];
	return 0;
}

static void close_start(struct child *child)
{
	if (child->start_fd >= 0)
		close(child->start_fd);
	child->start_fd = -1;
}

int child__start(struct child *child)
{
	int err = write(child->start_fd, "g", 1) == 1 ? 0 : -errno;

	close_start(child);
	return err;
}

static void reap(struct child *child, int flags)
{
	int status;
	pid_t pid;

	if (!child->pid || child->ended)
		return;
	do
		pid = waitpid(child->pid, &status, flags);
	while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return;
	child->ended = true;
	if (pid < 0)
		child->status = CHILD_NOT_STARTED; /* somebody else has taken it */
	else
		child->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool child__ended(struct child *child)
{
	reap(child, WNOHANG);
	return !child->pid || child->ended;
}

void child__signal(struct child *child, int signal)
{
	if (!child__ended(child))
		kill(child->pid, signal);
}

void child__finish(struct child *child)
{
	if (!child->pid)
		return;
	close_start(child);
	reap(child, 0);
}
