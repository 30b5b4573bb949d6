// SPDX-License-Identifier: Apache-2.0
/*
 * Counting is exact where both kinds reach the thread's start: as many calls of the loop as there are native
 * frames of it. There may be one more of these: the one next to the leaf is about to begin, or has just ended,
 * and only that one, as the others have called from Python. Where one kind is cut, they are counted from the leaf.
 */
#include "user/profile/python_merge.h"

struct output {
	uint32_t *v, cnt;
};

static void put(struct output *out, uint32_t frame)
{
	out->v[out->cnt++] = frame;
}

/* From at to the end of a call of the loop; returns where the next one begins. */
static uint32_t put_call(struct output *out, const struct merge_frames *python, uint32_t at)
{
	while (at < python->cnt) {
		if (python->v[at])
			put(out, python->v[at]);
		if (python->mark[at++])
			break;
	}
	return at;
}

static uint32_t count_loops(const struct merge_frames *native)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < native->cnt; i++)
		cnt += native->mark[i];
	return cnt;
}

static uint32_t count_calls(const struct merge_frames *python)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < python->cnt; i++)
		cnt += python->mark[i] || i + 1 == python->cnt;
	return cnt;
}

static void put_in_place(struct output *out, const struct merge_frames *native,
			 const struct merge_frames *python, bool skip, uint32_t cut)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < native->cnt; i++) {
		uint32_t before = out->cnt;

		if (native->mark[i] && !skip)
			at = put_call(out, python, at);
		skip &= !native->mark[i];
		if (out->cnt == before)
			put(out, native->v[i]);
	}
	if (at < python->cnt)
		put(out, cut);
	while (at < python->cnt)
		at = put_call(out, python, at);
}

static void put_apart(struct output *out, const struct merge_frames *native,
		      const struct merge_frames *python, uint32_t loops)
{
	uint32_t at = 0, seen = 0;

	for (uint32_t i = 0; i < native->cnt; i++) {
		seen += native->mark[i];
		if (!seen || (seen == loops && !native->mark[i]))
			put(out, native->v[i]);
		while (seen && at < python->cnt)
			at = put_call(out, python, at);
	}
}

enum merge_result python_merge(const struct merge_frames *native, const struct merge_frames *python,
			       uint32_t cut, uint32_t *out, uint32_t *cnt)
{
	uint32_t loops = count_loops(native), calls = count_calls(python);
	bool skip = python->whole && loops == calls + 1;
	struct output o = {.v = out};
	enum merge_result result = MERGE_IN_PLACE;
	bool fits = loops == calls + skip || (!native->whole && loops < calls) ||
		    (!python->whole && loops > calls);

	if (fits) {
		put_in_place(&o, native, python, skip, cut);
	} else if (loops) {
		put_apart(&o, native, python, loops);
		result = MERGE_APART;
	} else {
		for (uint32_t i = 0; i < native->cnt; i++)
			put(&o, native->v[i]);
		result = MERGE_NOT;
	}
	*cnt = o.cnt;
	return result;
}
