/* SPDX-License-Identifier: Apache-2.0 */
/* What sonde can do on this machine, by which hook, and why not better. Capture finds it out. */
#ifndef SONDE_BASE_CAPABILITY_H
#define SONDE_BASE_CAPABILITY_H

enum capability_state {
	CAPABILITY_OK,	     /* the best variant there is */
	CAPABILITY_DEGRADED, /* works, with less than that */
	CAPABILITY_MISSING,
};

/* All texts are borrowed; NULL if there is nothing to say. */
struct capability {
	const char *name; /* a short noun; never NULL */
	enum capability_state state;
	const char *hook;  /* the one chosen */
	const char *why;   /* what is missing, a sentence */
	const char *todo;  /* what a person can do about it, a sentence */
	const char *tried; /* the other variants and how each ended */
};

#endif
