// SPDX-License-Identifier: Apache-2.0
/* Sorting of samples. */
#include "user/export/sample_sort.h"

#include <stdlib.h>

static uint32_t key_of(const struct profile_sample *s, enum sample_key key)
{
	const uint32_t keys[] = {
		[SAMPLE_RESOURCE] = s->resource - 1, /* 0 wraps around to the end */
		[SAMPLE_STACK] = s->stack,
		[SAMPLE_LINK] = profile_told_link(s),
		[SAMPLE_THREAD_NAME] = s->thread_name,
		[SAMPLE_TID] = s->tid,
		[SAMPLE_CPU] = s->cpu,
	};

	return keys[key];
}

static int compare_keys(const struct profile_sample *a, const struct profile_sample *b,
			enum sample_key last)
{
	for (enum sample_key key = SAMPLE_RESOURCE; key <= last; key++) {
		uint32_t x = key_of(a, key), y = key_of(b, key);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct profile_sample *x = *(const struct profile_sample *const *)a;
	const struct profile_sample *y = *(const struct profile_sample *const *)b;
	int order = compare_keys(x, y, SAMPLE_CPU);

	return order ? order : (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns);
}

const struct profile_sample **samples_sorted(const struct profile *p)
{
	const struct profile_sample **sorted =
		calloc((size_t)p->samples.cnt + 1, sizeof(const struct profile_sample *));

	for (uint32_t i = 0; sorted && i < p->samples.cnt; i++)
		sorted[i] = &p->samples.v[i];
	if (sorted)
		qsort(sorted, p->samples.cnt, sizeof(const struct profile_sample *), compare);
	return sorted;
}

uint32_t samples_run_start(const struct profile_sample *const *sorted, uint32_t end,
			   enum sample_key last)
{
	uint32_t first = end - 1;

	while (first > 0 && compare_keys(sorted[first - 1], sorted[end - 1], last) == 0)
		first--;
	return first;
}
