/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles for the tests of user/export, made from words. */
#ifndef SONDE_TESTS_PROFILE_RIG_H
#define SONDE_TESTS_PROFILE_RIG_H

#include <stdio.h>
#include <stdlib.h>

#include "user/model/profile.h"

#define RIG_START_NS 1790000000000000000u
#define RIG_PERIOD_NS 10101010u /* 99 Hz */

/* A frame as a profiler would report it. */
struct rig_frame {
	enum frame_type type;
	const char *name;	 /* NULL: no symbol */
	const char *system_name; /* NULL: the same */
	const char *file;	 /* of the mapping; NULL: none */
	const char *build_id;	 /* NULL: a hash instead, unless the file has neither */
	const char *file_hash;
	uint64_t address;
	const char *source;
	uint32_t line;
};

static inline struct profile *rig_profile(void)
{
	struct profile *p = profile__new(RIG_PERIOD_NS);

	if (!p)
		abort();
	p->start_ns = RIG_START_NS;
	p->end_ns = RIG_START_NS + 10000000000u;
	return p;
}

static inline uint32_t rig_string(struct profile *p, const char *text)
{
	return profile__string(p, slice_str(text));
}

static inline uint32_t rig_location(struct profile *p, const struct rig_frame *frame)
{
	struct profile_mapping mapping = {
		.limit = UINT64_MAX,
		.file = rig_string(p, frame->file),
		.build_id = rig_string(p, frame->build_id),
		.file_hash = rig_string(p, frame->file_hash),
	};
	struct profile_function function = {
		.name = rig_string(p, frame->name),
		.system_name = rig_string(p, frame->system_name),
		.file = rig_string(p, frame->source),
	};
	struct profile_location location = {
		.address = frame->address,
		.mapping = frame->file ? profile__mapping(p, &mapping) : 0,
		.function = frame->name ? profile__function(p, &function) : 0,
		.line = frame->line,
		.type = frame->type,
	};

	return profile__location(p, &location);
}

/* cnt frames, the leaf first. */
static inline uint32_t rig_stack(struct profile *p, const struct rig_frame *const *frames,
				 uint32_t cnt)
{
	uint32_t locations[PROFILE_FRAMES_MAX];

	for (uint32_t i = 0; i < cnt; i++)
		locations[i] = rig_location(p, frames[i]);
	return profile__stack(p, locations, cnt);
}

/* A resource of that service in the profile; NULL: of no service. */
static inline uint32_t rig_resource(struct profile *p, const char *service, uint32_t pid)
{
	struct attr v[2];
	struct attrs attrs = {.v = v, .cap = 2};
	struct resource *r;
	uint32_t i;

	attrs_add_int(&attrs, SLICE("process.pid"), pid);
	if (service)
		attrs_add_str(&attrs, SLICE("service.name"), slice_str(service));
	r = resource__new(&attrs, pid);
	i = r ? profile__resource(p, r) : 0;
	resource__release(r);
	return i;
}

/* A stack of frames of that type, named so, the root first, parted by spaces. */
static inline uint32_t rig_named_stack(struct profile *p, enum frame_type type, const char *names)
{
	uint32_t leaf_first[PROFILE_FRAMES_MAX], cnt = 0;
	struct slice rest = slice_str(names);

	while (rest.n) {
		ptrdiff_t space = slice_find(rest, ' ');
		struct slice name = space < 0 ? rest : slice_first(rest, (size_t)space);
		struct profile_function function = {.name = profile__string(p, name)};
		struct profile_location location = {
			.function = profile__function(p, &function),
			.type = type,
		};

		cnt++;
		leaf_first[PROFILE_FRAMES_MAX - cnt] = profile__location(p, &location);
		rest = space < 0 ? SLICE("") : slice_after(rest, (size_t)space + 1);
	}
	return profile__stack(p, leaf_first + PROFILE_FRAMES_MAX - cnt, cnt);
}

/* cnt samples of one thread, a millisecond apart. */
static inline void rig_samples(struct profile *p, const char *thread, uint32_t stack, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		struct profile_sample sample = {
			.time_ns = RIG_START_NS + p->samples.cnt * 1000000ull,
			.stack = stack,
			.thread_name = rig_string(p, thread),
			.tid = 7,
		};

		profile__add(p, &sample);
	}
}

typedef int rig_writer(const struct profile *p, FILE *out);

/* What a writer that succeeds has written; the caller frees its bytes. */
static inline struct slice rig_written(rig_writer *write, const struct profile *p)
{
	char *bytes = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&bytes, &n);

	if (write(p, out) != 0)
		abort();
	fclose(out);
	return slice_of(bytes, n);
}

/* What a writer returns when the disk is full. */
static inline int rig_disk_full(rig_writer *write, const struct profile *p)
{
	FILE *out = fopen("/dev/full", "w");
	int err = out ? write(p, out) : 0;

	if (out)
		fclose(out);
	return err;
}

#endif
