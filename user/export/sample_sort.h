/* SPDX-License-Identifier: Apache-2.0 */
/* Samples in order, so that those which a format merges stand together. */
#ifndef SONDE_EXPORT_SAMPLE_SORT_H
#define SONDE_EXPORT_SAMPLE_SORT_H

#include "user/model/profile.h"

/* By what samples are sorted, the first first; then by time. */
enum sample_key {
	SAMPLE_RESOURCE, /* those of none come last */
	SAMPLE_STACK,
	SAMPLE_LINK,
	SAMPLE_THREAD_NAME,
	SAMPLE_TID,
	SAMPLE_CPU,
};

/*
 * p->samples.cnt pointers into p, to be freed by the caller; NULL when memory is out. Samples that
 * are equal in all stand in any order.
 */
const struct profile_sample **samples_sorted(const struct profile *p);
/* Where the run begins that ends before `end` (not 0) and agrees in all keys up to `last`. */
uint32_t samples_run_start(const struct profile_sample *const *sorted, uint32_t end,
			   enum sample_key last);

#endif
