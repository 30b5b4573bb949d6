/* SPDX-License-Identifier: Apache-2.0 */
/* What a frame is called, in every format alike. */
#ifndef SONDE_EXPORT_FRAME_LABEL_H
#define SONDE_EXPORT_FRAME_LABEL_H

#include "user/model/profile.h"

#define FRAME_UNKNOWN "[unknown]" /* neither its function nor its file is known */

/*
 * The function's name, of Python after the name of its file, as in "main.py:handle"; without one the file's, as in "[libfoo.so]", which is pprof's word for it.
 * Points into the profile, or else is made in arena. Sets *failed (never clears it) when memory is
 * out.
 */
struct slice frame_label(const struct profile *p, const struct profile_location *location,
			 struct arena *arena, bool *failed);
/*
 * What all stacks of the sample stand on: the service's name, else the thread's. Points into the
 * profile.
 */
struct slice sample_root_label(const struct profile *p, const struct profile_sample *sample);

#endif
