/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames of the source at one address as bytes, as a process that reads them hands them over and as
 * they are kept. What such bytes say is not trusted.
 */
#ifndef SONDE_PROFILE_LINE_FRAMES_H
#define SONDE_PROFILE_LINE_FRAMES_H

#include "user/base/dwarf_file.h"

#define LINE_TEXT_MAX 4096 /* of a name, and of a path; longer ones are cut */
/* How many bytes all frames of one address may take. */
#define LINE_FRAMES_MAX_SZ (SOURCE_FRAMES_MAX * (8 + 2 * LINE_TEXT_MAX))

/* Writes them; returns how many bytes. Paths are made absolute if they can be. */
size_t line_frames_write(char buf[LINE_FRAMES_MAX_SZ], const struct source_frame *frames,
			 uint32_t cnt);
/* The frame that *rest begins with, which points into it, and has no dir. False at the end. */
bool line_frames_next(struct slice *rest, struct source_frame *frame);

#endif
