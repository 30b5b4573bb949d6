/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native frames and the Python frames of one stack, put in order: each native frame of the interpreter's
 * loop stands for the Python frames that it runs. The leaf is always first.
 */
#ifndef SONDE_PROFILE_PYTHON_MERGE_H
#define SONDE_PROFILE_PYTHON_MERGE_H

#include <stdbool.h>
#include <stdint.h>

/* Frames, by whatever they are called elsewhere. */
struct merge_frames {
	uint32_t v[128];
	bool mark[128]; /* native: of the loop; Python: the loop was called for this one */
	uint32_t cnt;
	bool whole; /* to where the thread began */
};

enum merge_result {
	MERGE_IN_PLACE, /* each is where it was called */
	MERGE_APART,	/* all Python frames in one piece: where each belongs is not known */
	MERGE_NOT,	/* no native frame of the loop is there: without Python frames */
};

/*
 * Writes to out, which has room for the frames of both and one, and sets cnt. Python frames of 0 are left out.
 * cut stands where native frames end that are not whole, if there are Python frames below.
 */
enum merge_result python_merge(const struct merge_frames *native, const struct merge_frames *python,
			       uint32_t cut, uint32_t *out, uint32_t *cnt);

#endif
