// SPDX-License-Identifier: Apache-2.0
/*
 * A profile as pprof's message, written last field first (see pb_writer.h); the numbers are those of
 * its profile.proto, named beside each. Ids are indices of our tables. The string table is ours and,
 * after it, words, the services and the ids of the links.
 */
#include "user/export/pprof.h"

#include <stdlib.h>

#include "user/export/frame_label.h"
#include "user/export/gzip.h"
#include "user/export/pb_writer.h"
#include "user/export/sample_sort.h"
#include "user/export/stream.h"

#define PPROF_MAX_SZ (256u * 1024 * 1024)
#define GZIP_LEVEL 6

enum word {
	SAMPLES,
	COUNT,
	CPU,
	NANOSECONDS,
	OFF_CPU,
	SERVICE,
	THREAD,
	PID,
	TID,
	TRACE_ID,
	SPAN_ID,
	UNKNOWN,
	WORDS_CNT,
};

static const struct slice words[WORDS_CNT] = {
	[SAMPLES] = SLICE("samples"), [COUNT] = SLICE("count"),
	[CPU] = SLICE("cpu"),	      [NANOSECONDS] = SLICE("nanoseconds"),
	[OFF_CPU] = SLICE("off_cpu"), [SERVICE] = SLICE("service"),
	[THREAD] = SLICE("thread"),   [PID] = SLICE("pid"),
	[TID] = SLICE("tid"),	      [TRACE_ID] = SLICE("trace_id"),
	[SPAN_ID] = SLICE("span_id"), [UNKNOWN] = SLICE(FRAME_UNKNOWN),
};

/* --- strings ----------------------------------------------------------------------------------- */

static uint32_t word_index(const struct profile *p, enum word word)
{
	return p->strings.cnt + word;
}

static uint32_t service_index(const struct profile *p, uint32_t resource)
{
	return p->strings.cnt + WORDS_CNT + resource;
}

/* Of the link's trace id; its span id is next. */
static uint32_t link_index(const struct profile *p, uint32_t link)
{
	return p->strings.cnt + WORDS_CNT + p->resources.cnt + 2 * link;
}

static void put_hex(struct pb_writer *w, unsigned int field, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	char hex[2 * sizeof(struct trace_id)];

	for (size_t i = 0; i < n; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	pb_bytes(w, field, hex, 2 * n);
}

static void put_strings(struct pb_writer *w, const struct profile *p)
{
	const unsigned int field = 6; /* Profile.string_table */

	for (uint32_t i = p->links.cnt; i-- > 0;) {
		put_hex(w, field, p->links.v[i].span_id.bytes, sizeof(struct span_id));
		put_hex(w, field, p->links.v[i].trace_id.bytes, sizeof(struct trace_id));
	}
	for (uint32_t i = p->resources.cnt; i-- > 0;)
		pb_string(w, field,
			  p->resources.v[i] ? p->resources.v[i]->service_name : SLICE(""));
	for (enum word i = WORDS_CNT; i-- > 0;)
		pb_string(w, field, words[i]);
	for (uint32_t i = p->strings.cnt; i-- > 0;)
		pb_string(w, field, p->strings.v[i]);
}

/* --- tables ------------------------------------------------------------------------------------ */

static void put_function(struct pb_writer *w, uint32_t id, uint32_t name, uint32_t system_name,
			 uint32_t file)
{
	size_t end = pb_len(w);

	pb_varint(w, 4, file); /* Function.filename */
	pb_varint(w, 3, system_name);
	pb_varint(w, 2, name);
	pb_varint(w, 1, id);
	pb_message(w, 5, end); /* Profile.function */
}

static void put_functions(struct pb_writer *w, const struct profile *p)
{
	uint32_t unknown = word_index(p, UNKNOWN);

	put_function(w, p->functions.cnt, unknown, unknown, 0);
	for (uint32_t i = p->functions.cnt; i-- > 1;) {
		const struct profile_function *f = &p->functions.v[i];

		put_function(w, i, f->name, f->system_name ?: f->name, f->file);
	}
}

/* pprof calls a location without function by its file, so without that too it needs a name. */
static uint32_t function_of(const struct profile *p, const struct profile_location *location)
{
	if (location->function || p->mappings.v[location->mapping].file)
		return location->function;
	return p->functions.cnt;
}

/* The innermost function's line comes first, so it is written last. */
static void put_lines(struct pb_writer *w, const struct profile *p, uint32_t location)
{
	uint32_t frames[PROFILE_INLINED_MAX];

	for (uint32_t i = profile_frames(p, location, frames); i-- > 0;) {
		const struct profile_location *l = &p->locations.v[frames[i]];
		uint32_t function = function_of(p, l);
		size_t end = pb_len(w);

		if (!function)
			continue;
		pb_varint(w, 2, l->line);
		pb_varint(w, 1, function); /* Line.function_id */
		pb_message(w, 4, end);	   /* Location.line */
	}
}

static void put_locations(struct pb_writer *w, const struct profile *p)
{
	for (uint32_t i = p->locations.cnt; i-- > 1;) {
		const struct profile_location *l = &p->locations.v[i];
		size_t end = pb_len(w);

		if (l->type == FRAME_INLINED)
			continue;
		put_lines(w, p, i);
		pb_varint(w, 3, l->address);
		pb_varint(w, 2, l->mapping);
		pb_varint(w, 1, i);
		pb_message(w, 4, end); /* Profile.location */
	}
}

static void put_mapping(struct pb_writer *w, const struct profile *p, uint32_t i, bool named)
{
	const struct profile_mapping *m = &p->mappings.v[i];
	size_t end = pb_len(w);

	pb_varint(w, 7, named); /* Mapping.has_functions */
	pb_varint(w, 6, m->build_id ?: m->file_hash);
	pb_varint(w, 5, m->file);
	pb_varint(w, 4, m->file_off);
	pb_varint(w, 3, m->limit);
	pb_varint(w, 2, m->start);
	pb_varint(w, 1, i);
	pb_message(w, 3, end); /* Profile.mapping */
}

/* Not "[kernel]" and its like, not a shared library. */
static bool may_be_program(const struct profile *p, uint32_t mapping)
{
	struct slice file = p->strings.v[p->mappings.v[mapping].file];

	return file.n && file.p[0] != '[' && !memmem(file.p, file.n, ".so", 3);
}

/*
 * pprof takes the first mapping for the program's, so all that cannot be it come last.
 * named: by mapping, whether a location in it has a function.
 */
static void put_mappings(struct pb_writer *w, const struct profile *p, const bool *named)
{
	for (int program = 0; program <= 1; program++)
		for (uint32_t i = p->mappings.cnt; i-- > 1;)
			if (may_be_program(p, i) == program)
				put_mapping(w, p, i, named[i]);
}

/* --- samples ----------------------------------------------------------------------------------- */

static void put_label(struct pb_writer *w, uint32_t key, unsigned int field, uint64_t value)
{
	size_t end = pb_len(w);

	pb_varint(w, field, value); /* Label.str is 2, .num is 3 */
	pb_varint(w, 1, key);
	pb_message(w, 3, end); /* Sample.label */
}

static void put_labels(struct pb_writer *w, const struct profile *p, const struct profile_sample *s)
{
	const struct resource *resource = p->resources.v[s->resource];
	uint32_t link = profile_told_link(s);

	if (link) {
		put_label(w, word_index(p, SPAN_ID), 2, link_index(p, link) + 1);
		put_label(w, word_index(p, TRACE_ID), 2, link_index(p, link));
	}
	if (s->tid)
		put_label(w, word_index(p, TID), 3, s->tid);
	if (resource && resource->pid)
		put_label(w, word_index(p, PID), 3, resource->pid);
	if (s->thread_name)
		put_label(w, word_index(p, THREAD), 2, s->thread_name);
	if (resource && resource->service_name.n)
		put_label(w, word_index(p, SERVICE), 2, service_index(p, s->resource));
}

/* cnt samples that differ in their times only. */
static void put_values(struct pb_writer *w, const struct profile *p,
		       const struct profile_sample *const *samples, uint32_t cnt)
{
	size_t end = pb_len(w);
	uint64_t ns = 0;

	for (uint32_t i = 0; i < cnt; i++)
		ns += p->off_cpu ? samples[i]->value_ns : p->period_ns;
	pb_packed_varint(w, ns);
	if (!p->off_cpu)
		pb_packed_varint(w, cnt);
	pb_message(w, 2, end); /* Sample.value */
}

static void put_sample(struct pb_writer *w, const struct profile *p,
		       const struct profile_sample *const *samples, uint32_t cnt)
{
	const struct profile_sample *s = samples[0];
	const struct profile_stack *stack = &p->stacks.v[s->stack];
	size_t end = pb_len(w), packed_end;

	put_labels(w, p, s);
	put_values(w, p, samples, cnt);
	packed_end = pb_len(w);
	for (uint32_t i = stack->cnt; i-- > 0;)
		pb_packed_varint(w, p->stack_locations.v[stack->first + i]);
	pb_message(w, 1, packed_end); /* Sample.location_id */
	pb_message(w, 2, end);	      /* Profile.sample */
}

static void put_value_type(struct pb_writer *w, const struct profile *p, unsigned int field,
			   enum word type, enum word unit)
{
	size_t end = pb_len(w);

	pb_varint(w, 2, word_index(p, unit));
	pb_varint(w, 1, word_index(p, type));
	pb_message(w, field, end);
}

static void put_profile(struct pb_writer *w, const struct profile *p,
			const struct profile_sample *const *sorted, const bool *named)
{
	enum word type = p->off_cpu ? OFF_CPU : CPU;

	pb_varint(w, 14, word_index(p, type)); /* Profile.default_sample_type */
	if (!p->off_cpu) {
		pb_varint(w, 12, p->period_ns);
		put_value_type(w, p, 11, CPU, NANOSECONDS); /* .period_type */
	}
	pb_varint(w, 10, p->end_ns - p->start_ns);
	pb_varint(w, 9, p->start_ns);
	put_strings(w, p);
	put_functions(w, p);
	put_locations(w, p);
	put_mappings(w, p, named);
	for (uint32_t end = p->samples.cnt, first; end > 0 && !w->failed; end = first) {
		first = samples_run_start(sorted, end, SAMPLE_TID);
		put_sample(w, p, &sorted[first], end - first);
	}
	put_value_type(w, p, 1, type, NANOSECONDS); /* .sample_type */
	if (!p->off_cpu)
		put_value_type(w, p, 1, SAMPLES, COUNT);
}

static int write_packed(struct slice bytes, FILE *out)
{
	struct gzip *gzip = gzip__new(GZIP_LEVEL);
	int err = gzip ? gzip__pack(gzip, bytes, &bytes) : -errno;

	if (!err) {
		stream_put(out, bytes);
		err = stream_result(out);
	}
	gzip__free(gzip);
	return err;
}

int pprof_write(const struct profile *p, FILE *out)
{
	const struct profile_sample **sorted = samples_sorted(p);
	bool *named = calloc(p->mappings.cnt, sizeof(*named));
	struct pb_writer w;
	int err = -ENOMEM;

	pb_writer__init(&w, PPROF_MAX_SZ);
	if (!sorted || !named)
		goto cleanup;
	for (uint32_t i = 0; i < p->locations.cnt; i++)
		if (p->locations.v[i].function)
			named[p->locations.v[i].mapping] = true;
	put_profile(&w, p, sorted, named);
	if (w.failed)
		err = w.full ? -EMSGSIZE : -ENOMEM;
	else
		err = write_packed(pb_writer__bytes(&w), out);
cleanup:
	free(sorted);
	free(named);
	pb_writer__free(&w);
	return err;
}
