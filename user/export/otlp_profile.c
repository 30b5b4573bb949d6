// SPDX-License-Identifier: Apache-2.0
/*
 * A profile to protobuf in two passes. The first marks all that the samples refer to, directly or
 * not; what is marked is then numbered in its order. The second writes, last field first (see
 * pb_writer.h); the fields' numbers are those in proto/, named beside each.
 */
#include "user/export/otlp_profile.h"

#include <errno.h>
#include <stdlib.h>

#include "user/export/frame_label.h"
#include "user/export/sample_sort.h"

/* What gets numbers. Up to LINKS the dictionary's tables; what follows shares its attribute table. */
enum numbered {
	STRINGS, /* the profile's, then the words below */
	MAPPINGS,
	FUNCTIONS, /* the profile's, then the unknown one */
	LOCATIONS,
	STACKS,
	LINKS,
	BUILD_IDS, /* by string */
	FILE_HASHES,
	FRAME_TYPES,
	THREAD_NAMES,
	TIDS,
	CPUS,	     /* by CPU + 1 */
	BURST_TYPES, /* by string, as the next two */
	BURST_SERVICES,
	BURST_ROUTES,
	NUMBERED_CNT,
	ATTRIBUTES_FIRST = BUILD_IDS,
};

/* Words that the dictionary needs: an attribute's key has the place of its kind. */
enum {
	SAMPLES = NUMBERED_CNT,
	COUNT,
	CPU,
	NANOSECONDS,
	OFF_CPU,
	UNKNOWN,
	WORDS_CNT,
};

/* By index: 0 is none, so it has the number 0. */
struct numbers {
	uint32_t *v;
	uint32_t cnt; /* indices */
};

static const struct slice words[WORDS_CNT] = {
	[BUILD_IDS] = SLICE("process.executable.build_id.gnu"),
	[FILE_HASHES] = SLICE("process.executable.build_id.htlhash"),
	[FRAME_TYPES] = SLICE("profile.frame.type"),
	[THREAD_NAMES] = SLICE("thread.name"),
	[TIDS] = SLICE("thread.id"),
	[CPUS] = SLICE("cpu.logical_number"),
	[BURST_TYPES] = SLICE("sonde.trigger.type"),
	[BURST_SERVICES] = SLICE("sonde.trigger.service"),
	[BURST_ROUTES] = SLICE("sonde.trigger.route"),
	[SAMPLES] = SLICE("samples"),
	[COUNT] = SLICE("count"),
	[CPU] = SLICE("cpu"),
	[NANOSECONDS] = SLICE("nanoseconds"),
	[OFF_CPU] = SLICE("off_cpu"),
	[UNKNOWN] = SLICE(FRAME_UNKNOWN),
};

static const struct slice frame_types[] = {
	[FRAME_NATIVE] = SLICE("native"), [FRAME_KERNEL] = SLICE("kernel"),
	[FRAME_JIT] = SLICE("jit"),	  [FRAME_CPYTHON] = SLICE("cpython"),
	[FRAME_V8JS] = SLICE("v8js"),	  [FRAME_ERROR] = SLICE("error"),
	[FRAME_WAIT] = {NULL, 0},	  [FRAME_INLINED] = {NULL, 0},
};

struct encoding {
	struct pb_writer *w;
	const struct profile *p;
	const struct profile_sample **sorted;
	struct slice version;
	uint32_t word_at[WORDS_CNT]; /* in STRINGS */
	uint32_t unknown;	     /* in FUNCTIONS */
	uint64_t start_ns, end_ns;
	struct numbers numbers[NUMBERED_CNT];
};

/* --- marking ----------------------------------------------------------------------------------- */

static void mark(struct encoding *e, enum numbered what, uint32_t i)
{
	if (i)
		e->numbers[what].v[i] = 1;
}

static uint32_t number(const struct encoding *e, enum numbered what, uint32_t i)
{
	return e->numbers[what].v[i];
}

/* A word that is among the profile's strings too stands there. */
static void place_words(struct encoding *e)
{
	const struct profile *p = e->p;

	for (uint32_t word = ATTRIBUTES_FIRST; word < WORDS_CNT; word++)
		e->word_at[word] = p->strings.cnt + word;
	for (uint32_t i = 1; i < p->strings.cnt; i++)
		for (uint32_t word = ATTRIBUTES_FIRST; word < WORDS_CNT; word++)
			if (slice_eq(p->strings.v[i], words[word]))
				e->word_at[word] = i;
	e->unknown = p->functions.cnt;
	for (uint32_t i = 1; i < p->functions.cnt; i++) {
		const struct profile_function *f = &p->functions.v[i];

		if (f->name == e->word_at[UNKNOWN] && !f->system_name && !f->file)
			e->unknown = i;
	}
}

/* A mapping must carry what identifies its file. */
static bool is_identified(const struct profile_mapping *mapping)
{
	return mapping->build_id || mapping->file_hash;
}

static uint32_t mapping_of(const struct profile *p, const struct profile_location *location)
{
	return is_identified(&p->mappings.v[location->mapping]) ? location->mapping : 0;
}

/* Where neither the function nor the file is known, no reader could find a name either. */
static uint32_t function_of(const struct encoding *e, const struct profile_location *location)
{
	if (location->function || mapping_of(e->p, location))
		return location->function;
	return e->unknown;
}

static void mark_function(struct encoding *e, uint32_t i)
{
	mark(e, FUNCTIONS, i);
	if (i == e->p->functions.cnt) {
		mark(e, STRINGS, e->word_at[UNKNOWN]);
		return;
	}
	mark(e, STRINGS, e->p->functions.v[i].name);
	mark(e, STRINGS, e->p->functions.v[i].system_name);
	mark(e, STRINGS, e->p->functions.v[i].file);
}

/* What a thread waits for is no type of frame that OTLP knows. */
static uint32_t frame_type_of(const struct profile_location *location)
{
	return location->type == FRAME_WAIT ? FRAME_NONE : location->type;
}

/* PROFILE_NO_CPU: none. */
static uint32_t cpu_of(const struct profile_sample *s)
{
	return s->cpu + 1;
}

static void mark_location(struct encoding *e, uint32_t i)
{
	const struct profile_location *location = &e->p->locations.v[i];
	const struct profile_mapping *mapping = &e->p->mappings.v[mapping_of(e->p, location)];

	mark(e, LOCATIONS, i);
	mark(e, FRAME_TYPES, frame_type_of(location));
	mark(e, MAPPINGS, mapping_of(e->p, location));
	mark(e, STRINGS, mapping->file);
	mark(e, BUILD_IDS, mapping->build_id);
	mark(e, FILE_HASHES, mapping->file_hash);
	for (uint32_t k = i; k; k = e->p->locations.v[k].inlined)
		mark_function(e, function_of(e, &e->p->locations.v[k]));
}

static void mark_sample(struct encoding *e, const struct profile_sample *s)
{
	const struct profile_stack *stack = &e->p->stacks.v[s->stack];

	mark(e, LINKS, profile_told_link(s));
	mark(e, THREAD_NAMES, s->thread_name);
	mark(e, TIDS, s->tid);
	mark(e, CPUS, cpu_of(s));
	if (s->time_ns < e->start_ns)
		e->start_ns = s->time_ns;
	if (s->time_ns >= e->end_ns)
		e->end_ns = s->time_ns + 1;
	if (!s->stack || number(e, STACKS, s->stack))
		return;
	mark(e, STACKS, s->stack);
	for (uint32_t i = 0; i < stack->cnt; i++)
		mark_location(e, e->p->stack_locations.v[stack->first + i]);
}

/* Turns marks into numbers after `last`; returns the last one given. */
static uint32_t assign(struct numbers *n, uint32_t last)
{
	for (uint32_t i = 1; i < n->cnt; i++)
		if (n->v[i])
			n->v[i] = ++last;
	return last;
}

static void mark_all(struct encoding *e)
{
	uint32_t last = 0;

	for (uint32_t i = 0; i < e->p->samples.cnt; i++)
		mark_sample(e, &e->p->samples.v[i]);
	mark(e, BURST_TYPES, e->p->burst_type);
	mark(e, BURST_SERVICES, e->p->burst_service);
	mark(e, BURST_ROUTES, e->p->burst_route);
	for (enum numbered kind = ATTRIBUTES_FIRST; kind < NUMBERED_CNT; kind++) {
		uint32_t before = last;

		last = assign(&e->numbers[kind], last);
		if (last > before)
			mark(e, STRINGS, e->word_at[kind]);
	}
	for (uint32_t word = SAMPLES; word < UNKNOWN; word++)
		if (word == NANOSECONDS || (word == OFF_CPU) == e->p->off_cpu)
			mark(e, STRINGS, e->word_at[word]);
	for (enum numbered table = STRINGS; table < ATTRIBUTES_FIRST; table++)
		assign(&e->numbers[table], 0);
}

/* --- the dictionary: tables from the last to the first, entries from the last to the first ------- */

/* Indices are written as they are collected: the last of a message first. */
static void put_index(struct encoding *e, uint32_t i)
{
	if (i)
		pb_packed_varint(e->w, i);
}

/* Closes a packed field, unless nothing is in it. */
static void end_packed(struct encoding *e, unsigned int field, size_t end)
{
	if (pb_len(e->w) > end)
		pb_message(e->w, field, end);
}

static void put_stack(struct encoding *e, uint32_t i)
{
	const struct profile_stack *stack = &e->p->stacks.v[i];
	size_t end = pb_len(e->w);

	for (uint32_t k = stack->cnt; k-- > 0;)
		put_index(e, number(e, LOCATIONS, e->p->stack_locations.v[stack->first + k]));
	end_packed(e, 1, end); /* Stack.location_indices */
}

static void put_link(struct encoding *e, uint32_t i)
{
	const struct profile_link *link = &e->p->links.v[i];

	pb_bytes(e->w, 2, &link->span_id, sizeof(link->span_id));
	pb_bytes(e->w, 1, &link->trace_id, sizeof(link->trace_id));
}

static void put_nonzero(struct pb_writer *w, unsigned int field, uint64_t v)
{
	if (v)
		pb_varint(w, field, v);
}

static void put_function(struct encoding *e, uint32_t i)
{
	const struct profile_function unknown = {.name = e->word_at[UNKNOWN]};
	const struct profile_function *f =
		i == e->p->functions.cnt ? &unknown : &e->p->functions.v[i];

	put_nonzero(e->w, 3, number(e, STRINGS, f->file));	  /* .filename_strindex */
	put_nonzero(e->w, 2, number(e, STRINGS, f->system_name)); /* .system_name_strindex */
	put_nonzero(e->w, 1, number(e, STRINGS, f->name));	  /* Function.name_strindex */
}

/* The innermost function's line comes first, so it is written last. */
static void put_lines(struct encoding *e, uint32_t location)
{
	for (uint32_t i = location; i; i = e->p->locations.v[i].inlined) {
		const struct profile_location *l = &e->p->locations.v[i];
		uint32_t function = function_of(e, l);
		size_t end = pb_len(e->w);

		if (!function)
			continue;
		put_nonzero(e->w, 2, l->line);			    /* .line */
		pb_varint(e->w, 1, number(e, FUNCTIONS, function)); /* Line.function_index */
		pb_message(e->w, 3, end);			    /* .lines */
	}
}

static void put_location(struct encoding *e, uint32_t i)
{
	const struct profile_location *location = &e->p->locations.v[i];
	size_t end = pb_len(e->w);

	put_index(e, number(e, FRAME_TYPES, frame_type_of(location)));
	end_packed(e, 4, end); /* .attribute_indices */
	put_lines(e, i);
	put_nonzero(e->w, 2, location->address);
	put_nonzero(e->w, 1, number(e, MAPPINGS, mapping_of(e->p, location)));
}

static void put_mapping(struct encoding *e, uint32_t i)
{
	const struct profile_mapping *mapping = &e->p->mappings.v[i];
	size_t end = pb_len(e->w);

	put_index(e, number(e, FILE_HASHES, mapping->file_hash));
	put_index(e, number(e, BUILD_IDS, mapping->build_id));
	end_packed(e, 5, end);					 /* .attribute_indices */
	put_nonzero(e->w, 4, number(e, STRINGS, mapping->file)); /* .filename_strindex */
	put_nonzero(e->w, 3, mapping->file_off);
	put_nonzero(e->w, 2, mapping->limit);
	put_nonzero(e->w, 1, mapping->start); /* Mapping.memory_start */
}

static const struct dictionary_table {
	enum numbered what;
	unsigned int field; /* of ProfilesDictionary */
	void (*put)(struct encoding *e, uint32_t i);
} tables[] = {
	{MAPPINGS, 1, put_mapping}, {LOCATIONS, 2, put_location}, {FUNCTIONS, 3, put_function},
	{LINKS, 4, put_link},	    {STACKS, 7, put_stack},
};

static void put_table(struct encoding *e, const struct dictionary_table *table)
{
	for (uint32_t i = e->numbers[table->what].cnt; i-- > 0 && !e->w->failed;) {
		size_t end = pb_len(e->w);

		if (i && !number(e, table->what, i))
			continue;
		/* Of entry 0 only the link has anything to write: ids of full length, all zero. */
		if (i || table->what == LINKS)
			table->put(e, i);
		pb_message(e->w, table->field, end);
	}
}

static struct attr attribute(const struct profile *p, enum numbered kind, uint32_t i)
{
	switch (kind) {
	case TIDS:
		return (struct attr){.type = ATTR_INT, .num = i};
	case CPUS:
		return (struct attr){.type = ATTR_INT, .num = (int64_t)i - 1};
	case FRAME_TYPES:
		return (struct attr){.type = ATTR_STRING, .str = frame_types[i]};
	default:
		return (struct attr){.type = ATTR_STRING, .str = p->strings.v[i]};
	}
}

static void put_attributes(struct encoding *e)
{
	const unsigned int field = 6; /* ProfilesDictionary.attribute_table */

	for (enum numbered kind = NUMBERED_CNT; kind-- > ATTRIBUTES_FIRST;)
		for (uint32_t i = e->numbers[kind].cnt; i-- > 1;) {
			struct attr attr = attribute(e->p, kind, i);
			size_t end = pb_len(e->w);

			if (!number(e, kind, i))
				continue;
			otlp_put_value(e->w, &attr);
			pb_message(e->w, 2, end); /* .value */
			pb_varint(e->w, 1,
				  number(e, STRINGS, e->word_at[kind])); /* .key_strindex */
			pb_message(e->w, field, end);
		}
	pb_message(e->w, field, pb_len(e->w));
}

static void put_strings(struct encoding *e)
{
	const unsigned int field = 5; /* ProfilesDictionary.string_table */
	uint32_t cnt = e->p->strings.cnt;

	for (uint32_t i = e->numbers[STRINGS].cnt; i-- > 1;)
		if (number(e, STRINGS, i))
			pb_string(e->w, field, i < cnt ? e->p->strings.v[i] : words[i - cnt]);
	pb_string(e->w, field, SLICE(""));
}

static void put_dictionary(struct encoding *e)
{
	size_t end = pb_len(e->w);

	/* Fields may stand in any order; a table's entries may not. */
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		put_table(e, &tables[i]);
	put_attributes(e);
	put_strings(e);
	pb_message(e->w, 2, end); /* ExportProfilesServiceRequest.dictionary */
}

/* --- samples ----------------------------------------------------------------------------------- */

/* The samples from first up to end, which differ in their time only. */
static void put_sample(struct encoding *e, uint32_t first, uint32_t end)
{
	const struct profile_sample *s = e->sorted[first];
	size_t sample_end = pb_len(e->w), packed_end = sample_end;

	for (uint32_t i = end; i-- > first;)
		pb_packed_fixed64(e->w, e->sorted[i]->time_ns);
	pb_message(e->w, 5, packed_end); /* .timestamps_unix_nano */
	if (e->p->off_cpu) {
		packed_end = pb_len(e->w);
		for (uint32_t i = end; i-- > first;)
			pb_packed_varint(e->w, e->sorted[i]->value_ns);
		pb_message(e->w, 4, packed_end); /* .values */
	}
	put_nonzero(e->w, 3, number(e, LINKS, profile_told_link(s)));
	packed_end = pb_len(e->w);
	put_index(e, number(e, CPUS, cpu_of(s)));
	put_index(e, number(e, TIDS, s->tid));
	put_index(e, number(e, THREAD_NAMES, s->thread_name));
	end_packed(e, 2, packed_end);			   /* .attribute_indices */
	put_nonzero(e->w, 1, number(e, STACKS, s->stack)); /* .stack_index */
	pb_message(e->w, 2, sample_end);		   /* Profile.samples */
}

static void put_value_type(struct encoding *e, unsigned int field, uint32_t type, uint32_t unit)
{
	size_t end = pb_len(e->w);

	pb_varint(e->w, 2, number(e, STRINGS, e->word_at[unit])); /* .unit_strindex */
	pb_varint(e->w, 1, number(e, STRINGS, e->word_at[type])); /* ValueType.type_strindex */
	pb_message(e->w, field, end);
}

/* Of a profile with a period of its own: whose it is, and the id by which its spans name it. */
static void put_burst(struct encoding *e, const struct resource *resource)
{
	const struct profile *p = e->p;
	size_t end = pb_len(e->w);
	uint8_t id[PROFILE_ID_SZ];

	if (!p->burst.number)
		return;
	put_index(e, number(e, BURST_ROUTES, p->burst_route));
	put_index(e, number(e, BURST_SERVICES, p->burst_service));
	put_index(e, number(e, BURST_TYPES, p->burst_type));
	end_packed(e, 11, end); /* .attribute_indices */
	burst_profile_id(&p->burst, resource, id);
	pb_bytes(e->w, 7, id, sizeof(id)); /* .profile_id */
}

static void put_profile(struct encoding *e, uint32_t first, uint32_t end)
{
	size_t profile_end = pb_len(e->w);

	put_burst(e, e->p->resources.v[e->sorted[first]->resource]);
	/* Gateways know off-CPU profiles by their having no period. */
	if (!e->p->off_cpu) {
		pb_varint(e->w, 6, e->p->period_ns);
		put_value_type(e, 5, CPU, NANOSECONDS); /* .period_type */
	}
	pb_varint(e->w, 4, e->end_ns - e->start_ns);
	pb_fixed64(e->w, 3, e->start_ns);
	for (uint32_t at; end > first && !e->w->failed; end = at) {
		at = samples_run_start(e->sorted, end, SAMPLE_CPU);
		put_sample(e, at, end);
	}
	if (e->p->off_cpu)
		put_value_type(e, 1, OFF_CPU, NANOSECONDS); /* .sample_type */
	else
		put_value_type(e, 1, SAMPLES, COUNT);
	pb_message(e->w, 2, profile_end); /* ScopeProfiles.profiles */
}

static void put_resource(struct encoding *e, uint32_t first, uint32_t end)
{
	const struct resource *resource = e->p->resources.v[e->sorted[first]->resource];
	size_t group_end = pb_len(e->w), scope_end;

	pb_string(e->w, 3, SLICE(OTLP_SCHEMA_URL)); /* ResourceProfiles.schema_url */
	scope_end = pb_len(e->w);
	pb_string(e->w, 3, SLICE(OTLP_SCHEMA_URL)); /* ScopeProfiles.schema_url */
	put_profile(e, first, end);
	otlp_put_scope(e->w, e->version);
	pb_message(e->w, 2, scope_end); /* ResourceProfiles.scope_profiles */
	if (resource)
		otlp_put_resource(e->w, resource);
	pb_message(e->w, 1, group_end); /* ExportProfilesServiceRequest.resource_profiles */
}

static void put_request(struct encoding *e)
{
	put_dictionary(e);
	for (uint32_t end = e->p->samples.cnt, first; end > 0 && !e->w->failed; end = first) {
		first = samples_run_start(e->sorted, end, SAMPLE_RESOURCE);
		put_resource(e, first, end);
	}
}

/* --- all of it --------------------------------------------------------------------------------- */

static bool make_room(struct encoding *e)
{
	const struct profile *p = e->p;
	uint32_t cnts[NUMBERED_CNT] = {
		[STRINGS] = p->strings.cnt + WORDS_CNT,
		[MAPPINGS] = p->mappings.cnt,
		[FUNCTIONS] = p->functions.cnt + 1,
		[LOCATIONS] = p->locations.cnt,
		[STACKS] = p->stacks.cnt,
		[LINKS] = p->links.cnt,
		[BUILD_IDS] = p->strings.cnt,
		[FILE_HASHES] = p->strings.cnt,
		[FRAME_TYPES] = sizeof(frame_types) / sizeof(frame_types[0]),
		[THREAD_NAMES] = p->strings.cnt,
		[BURST_TYPES] = p->strings.cnt,
		[BURST_SERVICES] = p->strings.cnt,
		[BURST_ROUTES] = p->strings.cnt,
	};

	for (uint32_t i = 0; i < p->samples.cnt; i++) {
		const struct profile_sample *s = &p->samples.v[i];

		cnts[TIDS] = s->tid >= cnts[TIDS] ? s->tid + 1 : cnts[TIDS];
		cnts[CPUS] = cpu_of(s) >= cnts[CPUS] ? cpu_of(s) + 1 : cnts[CPUS];
	}
	for (enum numbered what = 0; what < NUMBERED_CNT; what++) {
		e->numbers[what].v = calloc(cnts[what], sizeof(uint32_t));
		e->numbers[what].cnt = cnts[what];
		if (!e->numbers[what].v)
			return false;
	}
	e->sorted = samples_sorted(p);
	return e->sorted;
}

int otlp_profile_encode(struct pb_writer *w, const struct profile *p, const char *version)
{
	struct encoding e = {
		.w = w,
		.p = p,
		.version = slice_str(version),
		.start_ns = p->start_ns,
		.end_ns = p->end_ns,
	};
	int err = -ENOMEM;

	pb_writer__reset(w);
	if (!p->samples.cnt)
		return 0;
	if (make_room(&e)) {
		place_words(&e);
		mark_all(&e);
		put_request(&e);
		err = !w->failed ? 0 : w->full ? -EMSGSIZE : -ENOMEM;
	}
	for (enum numbered what = 0; what < NUMBERED_CNT; what++)
		free(e.numbers[what].v);
	free(e.sorted);
	return err;
}
