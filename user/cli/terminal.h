/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole screen of the terminal that standard output is, and its keys. While it is open, what goes to standard error, if that
 * is the terminal, too, is kept back. One thread.
 */
#ifndef SONDE_CLI_TERMINAL_H
#define SONDE_CLI_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

#include "user/base/slice.h"

struct terminal {
	bool open, with_keys;
	struct termios before; /* with_keys: of standard input */
	int kept_fd;	       /* what standard error was given; -1: it is not kept back */
	int stderr_fd;	       /* the real one */
};

/* Can it be drawn on? Not what is no terminal, or a dumb one, or another job's now. */
bool terminal_usable(void);
/* Takes the screen. 0, or a negative errno. */
int terminal__open(struct terminal *t);
/* Gives it back as it was, and says what was kept back. When it is not open: nothing. */
void terminal__close(struct terminal *t);
/* 80 by 24 where it does not say. */
void terminal_size(unsigned int *columns, unsigned int *rows);
/* A key that was pressed; 0: none. Never waits. */
int terminal__key(struct terminal *t);
/* Shows lines of text, as many as there is room for. 0, or a negative errno. */
int terminal__show(struct terminal *t, struct slice text);

#endif
