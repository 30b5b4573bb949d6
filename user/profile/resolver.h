/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the addresses of a sample to the locations of a profile: which file is mapped there in that
 * process, which function is there in that file. Reads /proc and files: not for the capture thread.
 */
#ifndef SONDE_PROFILE_RESOLVER_H
#define SONDE_PROFILE_RESOLVER_H

#include "include/abi/record.h"
#include "user/model/profile.h"
#include "user/profile/line_reader.h"

struct resolver;
struct unwind_sink;

/* proc_root (NULL: "/proc") is borrowed. sink: for the unwinder; NULL: there is none. NULL with errno. */
struct resolver *resolver__new(const char *proc_root, const struct unwind_sink *sink);
void resolver__free(struct resolver *r);
/* From now on stacks can be given lines. False with errno when memory is out. */
bool resolver__want_lines(struct resolver *r);
/* From now on debug files are fetched (debug_fetcher.h). 0 or a negative errno. */
int resolver__fetch_from(struct resolver *r, const char *urls);
/* As lines__add, for a profile whose stacks are this resolver's. NULL also if lines are not wanted. */
struct profile *resolver__add_lines(struct resolver *r, const struct profile *profile,
				    const struct line_bounds *bounds);
/*
 * The stack of a valid sample, its addresses being its payload. 0 when memory is out or the profile
 * is full. What cannot be resolved is counted and becomes a FRAME_ERROR that says why.
 */
uint32_t resolver__stack(struct resolver *r, struct profile *profile,
			 const struct record_sample *sample);
/* Lets the unwinder know what the samples since the last call have shown that it needs. May wait 80 ms. */
void resolver__flush(struct resolver *r);

#endif
