// SPDX-License-Identifier: Apache-2.0
/* The screen by the sequences that all terminals of today have (ECMA-48, and xterm's for the second screen). */
#include "user/cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define COLUMNS 80
#define ROWS 24

#define TAKE SLICE("\033[?1049h\033[?25l") /* the second screen, no cursor */
#define GIVE SLICE("\033[?25h\033[?1049l")
#define TOP_LEFT SLICE("\033[H")
#define LINE_END SLICE("\033[K")
#define SCREEN_END SLICE("\033[J")

static int write_all(int fd, struct slice s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno != EINTR)
			return -errno;
		s = slice_after(s, n > 0 ? (size_t)n : 0);
	}
	return 0;
}

bool terminal_usable(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0 &&
	       tcgetpgrp(STDOUT_FILENO) == getpgrp();
}

/* Keys come one by one and are not echoed. Those that make signals still do, but for the two that would leave it so. */
static void take_keys(struct terminal *t)
{
	struct termios now;

	if (tcgetpgrp(STDIN_FILENO) != getpgrp() || tcgetattr(STDIN_FILENO, &t->before))
		return;
	now = t->before;
	now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	now.c_cc[VMIN] = 0;
	now.c_cc[VTIME] = 0;
	now.c_cc[VSUSP] = now.c_cc[VQUIT] = _POSIX_VDISABLE;
	t->with_keys = tcsetattr(STDIN_FILENO, TCSANOW, &now) == 0;
}

static void keep_errors(struct terminal *t)
{
	t->kept_fd = t->stderr_fd = -1;
	if (!isatty(STDERR_FILENO))
		return;
	t->kept_fd = memfd_create("sonde-stderr", MFD_CLOEXEC);
	t->stderr_fd = dup(STDERR_FILENO);
	if (t->kept_fd < 0 || t->stderr_fd < 0 || dup2(t->kept_fd, STDERR_FILENO) < 0) {
		if (t->kept_fd >= 0)
			close(t->kept_fd);
		t->kept_fd = -1;
	}
}

static void tell_errors(struct terminal *t)
{
	char text[4096];
	ssize_t n;

	if (t->kept_fd < 0)
		return;
	dup2(t->stderr_fd, STDERR_FILENO);
	lseek(t->kept_fd, 0, SEEK_SET);
	while ((n = read(t->kept_fd, text, sizeof(text))) > 0)
		write_all(STDERR_FILENO, slice_of(text, (size_t)n));
	close(t->kept_fd);
	t->kept_fd = -1;
}

int terminal__open(struct terminal *t)
{
	int err;

	*t = (struct terminal){.open = true, .kept_fd = -1, .stderr_fd = -1};
	fflush(stdout);
	err = write_all(STDOUT_FILENO, TAKE);
	if (err) {
		t->open = false;
		return err;
	}
	take_keys(t);
	keep_errors(t);
	return 0;
}

void terminal__close(struct terminal *t)
{
	if (!t->open)
		return;
	t->open = false;
	if (t->with_keys)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &t->before);
	write_all(STDOUT_FILENO, GIVE);
	tell_errors(t);
	if (t->stderr_fd >= 0)
		close(t->stderr_fd);
}

void terminal_size(unsigned int *columns, unsigned int *rows)
{
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		size = (struct winsize){0};
	*columns = size.ws_col ?: COLUMNS;
	*rows = size.ws_row ?: ROWS;
}

int terminal__key(struct terminal *t)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	unsigned char key;

	if (!t->with_keys || poll(&in, 1, 0) != 1 || !(in.revents & POLLIN))
		return 0;
	return read(STDIN_FILENO, &key, 1) == 1 ? key : 0;
}

int terminal__show(struct terminal *t, struct slice text)
{
	unsigned int columns, rows;
	char *frame = NULL;
	size_t n = 0;
	FILE *out = t->open ? open_memstream(&frame, &n) : NULL;
	int err;

	if (!out)
		return t->open ? -ENOMEM : 0;
	terminal_size(&columns, &rows);
	fwrite(TOP_LEFT.p, 1, TOP_LEFT.n, out);
	for (unsigned int row = 0; row < rows && text.n; row++) {
		ptrdiff_t end = slice_find(text, '\n');
		size_t len = end < 0 ? text.n : (size_t)end;

		fwrite(text.p, 1, len, out);
		fwrite(LINE_END.p, 1, LINE_END.n, out);
		text = slice_after(text, end < 0 ? len : len + 1);
		if (row + 1 < rows && text.n)
			fputs("\r\n", out);
	}
	fwrite(SCREEN_END.p, 1, SCREEN_END.n, out);
	err = fclose(out) ? -ENOMEM : write_all(STDOUT_FILENO, slice_of(frame, n));
	free(frame);
	return err;
}
