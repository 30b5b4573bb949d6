// SPDX-License-Identifier: Apache-2.0
/* The end of a snapshot. */
#include "user/model/metric.h"

#include <stdlib.h>

void metric_snapshot__free(struct metric_snapshot *s)
{
	for (uint32_t i = 0; i < s->cnt; i++)
		resource__release(s->v[i].resource);
	free(s->v);
	arena__free(&s->arena);
	*s = (struct metric_snapshot){0};
}
