// SPDX-License-Identifier: Apache-2.0
/*
 * Tables are columns of equal length, entries are named by index. Of ours, strings, mappings and locations become
 * strings, libraries and frames as they stand, without the empty ones; functions are one for each function
 * in a file; stacks become a tree in which a node stands after the one that it prolongs.
 */
#include "user/export/firefox.h"

#include <stdlib.h>

#include "user/base/json_writer.h"
#include "user/export/frame_label.h"
#include "user/export/stream.h"

#define JSON_MAX (1u << 20) /* that wait to be written; strings are shorter */
#define FORMAT_VERSION 60
#define GECKO_VERSION 32 /* of what the browser would have recorded */
#define NSEC_PER_MS 1e6
#define ADDRESS_MAX (UINT64_C(1) << 53) /* a number of JavaScript is exact up to there */
#define NONE UINT32_MAX

/* Of frames; what is inlined is native. The first one is what readers fall back to. */
static const struct category {
	const char *name, *color;
} categories[] = {
	[FRAME_NONE] = {"Other", "grey"},	 [FRAME_NATIVE] = {"Native", "yellow"},
	[FRAME_KERNEL] = {"Kernel", "blue"},	 [FRAME_JIT] = {"JIT", "green"},
	[FRAME_CPYTHON] = {"Python", "purple"},	 [FRAME_ERROR] = {"Stack cut", "red"},
	[FRAME_WAIT] = {"Off-CPU", "lightblue"}, [FRAME_V8JS] = {"JavaScript", "orange"},
};

#define CATEGORIES_CNT (sizeof(categories) / sizeof(categories[0]))

struct writing {
	const struct profile *p;
	FILE *out;
	int err;
	struct json_writer json;
	uint64_t start_ns;   /* times are since then */
	uint64_t *functions; /* keys, sorted */
	uint32_t functions_cnt;
	uint32_t *source_of; /* by string; NONE */
	uint32_t *files;     /* strings, by source */
	uint32_t files_cnt;
	uint32_t *by_path;	  /* stacks, sorted from their roots on */
	uint32_t *stack_of;	  /* node, by stack; NONE */
	uint32_t *frame, *prefix; /* by node; NONE */
	uint32_t nodes_cnt;
	uint8_t *inline_depth;		       /* by location */
	const struct profile_sample **samples; /* by process, thread and time */
};

/* --- text -------------------------------------------------------------------------------------- */

static void flush(struct writing *w)
{
	if (!w->err)
		w->err = json_writer__write(&w->json, w->out);
	json_writer__reset(&w->json);
}

/* Between the entries of a column, where there is always room. */
static void comma(struct writing *w, uint32_t i)
{
	if (w->json.len > JSON_MAX / 2)
		flush(w);
	if (i)
		jw_lit(&w->json, ",");
}

/* A member's name that is a word of ours; it follows another one. */
static void member(struct writing *w, const char *name)
{
	comma(w, 1);
	jw_string(&w->json, slice_str(name));
	jw_lit(&w->json, ":");
}

static void put_index(struct writing *w, uint32_t index)
{
	if (index == NONE)
		jw_lit(&w->json, "null");
	else
		jw_u64(&w->json, index);
}

static void put_ms(struct writing *w, uint64_t ns)
{
	jw_double(&w->json, (double)ns / NSEC_PER_MS);
}

/* A column of the same value. */
static void fill(struct writing *w, const char *name, uint32_t cnt, struct slice value)
{
	member(w, name);
	jw_lit(&w->json, "[");
	for (uint32_t i = 0; i < cnt; i++) {
		comma(w, i);
		jw_raw(&w->json, value);
	}
	jw_lit(&w->json, "]");
}

/* A column: what put writes for each. */
static void column(struct writing *w, const char *name, uint32_t cnt,
		   void (*put)(struct writing *w, uint32_t i))
{
	member(w, name);
	jw_lit(&w->json, "[");
	for (uint32_t i = 0; i < cnt; i++) {
		comma(w, i);
		put(w, i);
	}
	jw_lit(&w->json, "]");
}

static void begin_table(struct writing *w, const char *name, uint32_t cnt)
{
	member(w, name);
	jw_lit(&w->json, "{\"length\":");
	jw_u64(&w->json, cnt);
}

static void end_table(struct writing *w)
{
	jw_lit(&w->json, "}");
}

/* --- strings: ours, then two of each mapping --------------------------------------------------- */

static uint32_t file_name_index(const struct writing *w, uint32_t mapping)
{
	return w->p->strings.cnt + 2 * mapping;
}

/* Of functions without a symbol. */
static uint32_t label_index(const struct writing *w, uint32_t mapping)
{
	return file_name_index(w, mapping) + 1;
}

static struct slice base_name(struct slice path)
{
	const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;

	return slash ? slice_after(path, (size_t)(slash + 1 - path.p)) : path;
}

static void put_string(struct writing *w, uint32_t i)
{
	const struct profile *p = w->p;
	uint32_t mapping = (i - p->strings.cnt) / 2;
	struct profile_location location = {.mapping = mapping};
	struct arena arena;
	bool failed = false;

	if (i < p->strings.cnt) {
		jw_string(&w->json, p->strings.v[i]);
	} else if (i == file_name_index(w, mapping)) {
		jw_string(&w->json, base_name(p->strings.v[p->mappings.v[mapping].file]));
	} else {
		arena__init(&arena, JSON_MAX);
		jw_string(&w->json, frame_label(p, &location, &arena, &failed));
		arena__free(&arena);
		w->err = failed ? -ENOMEM : w->err;
	}
}

/* --- libraries --------------------------------------------------------------------------------- */

/* Breakpad's: the first 16 bytes of the build-id as a GUID, whose first three fields are numbers, and an age of 0. */
static void put_breakpad_id(struct writing *w, struct slice build_id)
{
	static const uint8_t order[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
	char id[2 * sizeof(order) + 1];

	for (size_t i = 0; i < sizeof(order); i++)
		for (size_t k = 0; k < 2; k++) {
			size_t at = 2 * (size_t)order[i] + k;
			char c = at < build_id.n ? build_id.p[at] : '0';

			id[2 * i + k] = (char)(c >= 'a' && c <= 'f' ? c - 'a' + 'A' : c);
		}
	id[sizeof(id) - 1] = '0';
	jw_string(&w->json, build_id.n ? slice_of(id, sizeof(id)) : SLICE(""));
}

static void put_lib(struct writing *w, uint32_t i)
{
	const struct profile_mapping *mapping = &w->p->mappings.v[i + 1];
	struct slice path = w->p->strings.v[mapping->file];
	struct slice build_id = w->p->strings.v[mapping->build_id];

	jw_lit(&w->json, "{\"arch\":\"\",\"name\":");
	jw_string(&w->json, base_name(path));
	jw_lit(&w->json, ",\"path\":");
	jw_string(&w->json, path);
	jw_lit(&w->json, ",\"debugName\":");
	jw_string(&w->json, base_name(path));
	jw_lit(&w->json, ",\"debugPath\":");
	jw_string(&w->json, path);
	jw_lit(&w->json, ",\"breakpadId\":");
	put_breakpad_id(w, build_id);
	jw_lit(&w->json, ",\"codeId\":");
	if (build_id.n)
		jw_string(&w->json, build_id);
	else
		jw_lit(&w->json, "null");
	jw_lit(&w->json, "}");
}

static void put_number(struct writing *w, uint32_t i)
{
	put_index(w, i);
}

static void put_resource_name(struct writing *w, uint32_t i)
{
	put_index(w, file_name_index(w, i + 1));
}

static void put_resources(struct writing *w)
{
	uint32_t cnt = w->p->mappings.cnt - 1;

	begin_table(w, "resourceTable", cnt);
	column(w, "lib", cnt, put_number);
	column(w, "name", cnt, put_resource_name);
	fill(w, "host", cnt, SLICE("null"));
	fill(w, "type", cnt, SLICE("1")); /* a library */
	end_table(w);
}

/* --- functions --------------------------------------------------------------------------------- */

static uint64_t function_key(const struct profile_location *location)
{
	return (uint64_t)location->mapping << 32 | location->function;
}

static int compare_keys(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static const struct profile_function *function_at(const struct writing *w, uint32_t i)
{
	return &w->p->functions.v[(uint32_t)w->functions[i]];
}

static void find_functions(struct writing *w)
{
	const struct profile *p = w->p;

	for (uint32_t i = 1; i < p->locations.cnt; i++)
		w->functions[i - 1] = function_key(&p->locations.v[i]);
	qsort(w->functions, p->locations.cnt - 1, sizeof(*w->functions), compare_keys);
	for (uint32_t i = 0; i + 1 < p->locations.cnt; i++)
		if (!i || w->functions[w->functions_cnt - 1] != w->functions[i])
			w->functions[w->functions_cnt++] = w->functions[i];
	for (uint32_t i = 0; i < p->strings.cnt; i++)
		w->source_of[i] = NONE;
	for (uint32_t i = 0; i < w->functions_cnt; i++) {
		uint32_t file = function_at(w, i)->file;

		if (!file || w->source_of[file] != NONE)
			continue;
		w->source_of[file] = w->files_cnt;
		w->files[w->files_cnt++] = file;
	}
}

static void put_function_name(struct writing *w, uint32_t i)
{
	uint32_t name = function_at(w, i)->name;

	put_index(w, name ?: label_index(w, (uint32_t)(w->functions[i] >> 32)));
}

static void put_function_resource(struct writing *w, uint32_t i)
{
	uint32_t mapping = (uint32_t)(w->functions[i] >> 32);

	jw_i64(&w->json, (int64_t)mapping - 1); /* -1: none */
}

static void put_function_source(struct writing *w, uint32_t i)
{
	put_index(w, w->source_of[function_at(w, i)->file]);
}

static void put_functions(struct writing *w)
{
	uint32_t cnt = w->functions_cnt;

	begin_table(w, "funcTable", cnt);
	column(w, "name", cnt, put_function_name);
	fill(w, "isJS", cnt, SLICE("false"));
	fill(w, "relevantForJS", cnt, SLICE("false"));
	column(w, "resource", cnt, put_function_resource);
	column(w, "source", cnt, put_function_source);
	fill(w, "lineNumber", cnt, SLICE("null"));
	fill(w, "columnNumber", cnt, SLICE("null"));
	end_table(w);
}

static void put_file(struct writing *w, uint32_t i)
{
	put_index(w, w->files[i]);
}

static void put_sources(struct writing *w)
{
	begin_table(w, "sources", w->files_cnt);
	fill(w, "uuid", w->files_cnt, SLICE("null"));
	column(w, "filename", w->files_cnt, put_file);
	end_table(w);
}

/* --- frames: our locations --------------------------------------------------------------------- */

static enum frame_type type_of(const struct writing *w, uint32_t i)
{
	enum frame_type type = w->p->locations.v[i + 1].type;

	return type == FRAME_INLINED ? FRAME_NATIVE : type;
}

/* In the file; the kernel's would not be exact, and others are in no file. */
static void put_address(struct writing *w, uint32_t i)
{
	const struct profile_location *location = &w->p->locations.v[i + 1];

	if (type_of(w, i) == FRAME_NATIVE && location->mapping && location->address < ADDRESS_MAX)
		jw_u64(&w->json, location->address);
	else
		jw_lit(&w->json, "-1");
}

static void put_category(struct writing *w, uint32_t i)
{
	enum frame_type type = type_of(w, i);

	put_index(w, type < CATEGORIES_CNT && categories[type].name ? type : FRAME_NONE);
}

static void put_function(struct writing *w, uint32_t i)
{
	uint64_t key = function_key(&w->p->locations.v[i + 1]);
	const uint64_t *at =
		bsearch(&key, w->functions, w->functions_cnt, sizeof(key), compare_keys);

	put_index(w, (uint32_t)(at - w->functions));
}

static void put_source_line(struct writing *w, uint32_t i)
{
	put_index(w, w->p->locations.v[i + 1].line ?: NONE);
}

static void put_inline_depth(struct writing *w, uint32_t i)
{
	put_index(w, w->inline_depth[i + 1]);
}

static void put_frames(struct writing *w)
{
	uint32_t cnt = w->p->locations.cnt - 1;

	begin_table(w, "frameTable", cnt);
	column(w, "address", cnt, put_address);
	column(w, "inlineDepth", cnt, put_inline_depth);
	column(w, "category", cnt, put_category);
	fill(w, "subcategory", cnt, SLICE("0"));
	column(w, "func", cnt, put_function);
	fill(w, "nativeSymbol", cnt, SLICE("null"));
	fill(w, "innerWindowID", cnt, SLICE("0"));
	column(w, "line", cnt, put_source_line);
	fill(w, "column", cnt, SLICE("null"));
	end_table(w);
}

/* --- stacks ------------------------------------------------------------------------------------ */

/* Of a stack, the location at that depth, the root's being 0. */
static uint32_t location_at(const struct profile *p, const struct profile_stack *stack,
			    uint32_t depth)
{
	return p->stack_locations.v[stack->first + stack->cnt - 1 - depth];
}

static int compare_paths(const void *a, const void *b, void *arg)
{
	const struct profile *p = arg;
	const struct profile_stack *x = &p->stacks.v[*(const uint32_t *)a];
	const struct profile_stack *y = &p->stacks.v[*(const uint32_t *)b];
	uint32_t shorter = x->cnt < y->cnt ? x->cnt : y->cnt;

	for (uint32_t i = 0; i < shorter; i++) {
		uint32_t u = location_at(p, x, i), v = location_at(p, y, i);

		if (u != v)
			return u < v ? -1 : 1;
	}
	return (x->cnt > y->cnt) - (x->cnt < y->cnt);
}

/* Of a location and, in it, of what is inlined there; returns the innermost one's. */
static uint32_t add_nodes(struct writing *w, uint32_t location, uint32_t prefix)
{
	uint32_t frames[PROFILE_INLINED_MAX], cnt = profile_frames(w->p, location, frames);

	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t inner = frames[cnt - 1 - i];

		w->inline_depth[inner] = (uint8_t)i;
		w->frame[w->nodes_cnt] = inner - 1;
		w->prefix[w->nodes_cnt] = prefix;
		prefix = w->nodes_cnt++;
	}
	return prefix;
}

/* The nodes of all stacks: those that begin alike share them as far as they do. */
static void join_stacks(struct writing *w)
{
	const struct profile *p = w->p;
	uint32_t open[PROFILE_FRAMES_MAX] = {0}; /* the last stack's nodes, by depth */
	const struct profile_stack *last = &p->stacks.v[0];

	for (uint32_t i = 0; i < p->stacks.cnt; i++)
		w->by_path[i] = i;
	qsort_r(w->by_path, p->stacks.cnt, sizeof(*w->by_path), compare_paths, (void *)p);
	for (uint32_t i = 0; i < p->stacks.cnt; i++) {
		const struct profile_stack *stack = &p->stacks.v[w->by_path[i]];
		uint32_t depth = 0;

		while (depth < last->cnt && depth < stack->cnt &&
		       location_at(p, last, depth) == location_at(p, stack, depth))
			depth++;
		for (; depth < stack->cnt; depth++)
			open[depth] = add_nodes(w, location_at(p, stack, depth),
						depth ? open[depth - 1] : NONE);
		w->stack_of[w->by_path[i]] = stack->cnt ? open[stack->cnt - 1] : NONE;
		last = stack;
	}
}

static void put_node_frame(struct writing *w, uint32_t i)
{
	put_index(w, w->frame[i]);
}

static void put_node_prefix(struct writing *w, uint32_t i)
{
	put_index(w, w->prefix[i]);
}

static void put_stacks(struct writing *w)
{
	begin_table(w, "stackTable", w->nodes_cnt);
	column(w, "frame", w->nodes_cnt, put_node_frame);
	column(w, "prefix", w->nodes_cnt, put_node_prefix);
	end_table(w);
}

/* --- threads ----------------------------------------------------------------------------------- */

static bool of_one_thread(const struct profile_sample *a, const struct profile_sample *b)
{
	return a->resource == b->resource && a->tid == b->tid;
}

static int compare_samples(const void *a, const void *b)
{
	const struct profile_sample *x = *(const struct profile_sample *const *)a;
	const struct profile_sample *y = *(const struct profile_sample *const *)b;

	if (x->resource != y->resource)
		return x->resource < y->resource ? -1 : 1;
	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	return (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns);
}

static void sort_samples(struct writing *w)
{
	const struct profile *p = w->p;

	w->start_ns = p->start_ns;
	for (uint32_t i = 0; i < p->samples.cnt; i++) {
		w->samples[i] = &p->samples.v[i];
		if (p->samples.v[i].time_ns < w->start_ns)
			w->start_ns = p->samples.v[i].time_ns;
	}
	qsort(w->samples, p->samples.cnt, sizeof(*w->samples), compare_samples);
}

enum sample_column {
	SAMPLE_STACK,
	SAMPLE_TIME,
	SAMPLE_WEIGHT,
	SAMPLE_CPU,
};

static void put_sample(struct writing *w, const struct profile_sample *sample,
		       enum sample_column what)
{
	switch (what) {
	case SAMPLE_STACK:
		put_index(w, w->stack_of[sample->stack]);
		break;
	case SAMPLE_TIME:
		put_ms(w, sample->time_ns - w->start_ns);
		break;
	case SAMPLE_WEIGHT:
		put_ms(w, sample->value_ns);
		break;
	case SAMPLE_CPU:
		jw_u64(&w->json, w->p->period_ns);
		break;
	}
}

static void sample_column(struct writing *w, const char *name, uint32_t first, uint32_t end,
			  enum sample_column what)
{
	member(w, name);
	jw_lit(&w->json, "[");
	for (uint32_t i = first; i < end; i++) {
		comma(w, i - first);
		put_sample(w, w->samples[i], what);
	}
	jw_lit(&w->json, "]");
}

/* What a sample stands for: on a CPU one period, which is CPU time since the last one; else how long it waited. */
static void put_samples(struct writing *w, uint32_t first, uint32_t end)
{
	begin_table(w, "samples", end - first);
	sample_column(w, "stack", first, end, SAMPLE_STACK);
	sample_column(w, "time", first, end, SAMPLE_TIME);
	if (w->p->off_cpu) {
		sample_column(w, "weight", first, end, SAMPLE_WEIGHT);
		jw_lit(&w->json, ",\"weightType\":\"tracing-ms\"");
	} else {
		jw_lit(&w->json, ",\"weight\":null,\"weightType\":\"samples\"");
		sample_column(w, "threadCPUDelta", first, end, SAMPLE_CPU);
	}
	end_table(w);
}

/* The thread of the samples from first to end. */
static void put_thread(struct writing *w, uint32_t first, uint32_t end)
{
	const struct profile *p = w->p;
	const struct profile_sample *last = w->samples[end - 1];
	const struct resource *resource = p->resources.v[last->resource];
	uint32_t pid = resource ? resource->pid : 0;
	char text[16];

	comma(w, first);
	jw_lit(&w->json, "{\"processType\":\"default\",\"processStartupTime\":0,"
			 "\"processShutdownTime\":null,\"registerTime\":0,\"unregisterTime\":null,"
			 "\"pausedRanges\":[],\"name\":");
	jw_string(&w->json, p->strings.v[last->thread_name]);
	jw_lit(&w->json, ",\"processName\":");
	jw_string(&w->json, resource ? resource->service_name : SLICE("kernel threads"));
	snprintf(text, sizeof(text), "%u", (unsigned int)pid);
	jw_lit(&w->json, ",\"isMainThread\":");
	jw_raw(&w->json, pid == last->tid ? SLICE("true") : SLICE("false"));
	jw_lit(&w->json, ",\"pid\":");
	jw_string(&w->json, slice_str(text));
	jw_lit(&w->json, ",\"tid\":");
	jw_u64(&w->json, last->tid);
	jw_lit(&w->json, ",\"markers\":{\"length\":0,\"data\":[],\"name\":[],\"startTime\":[],"
			 "\"endTime\":[],\"phase\":[],\"category\":[]}");
	put_samples(w, first, end);
	jw_lit(&w->json, "}");
}

static void put_threads(struct writing *w)
{
	uint32_t end = 0, cnt = w->p->samples.cnt;

	jw_lit(&w->json, ",\"threads\":[");
	for (uint32_t first = 0; first < cnt; first = end) {
		for (end = first + 1;
		     end < cnt && of_one_thread(w->samples[first], w->samples[end]);)
			end++;
		put_thread(w, first, end);
	}
	jw_lit(&w->json, "]");
}

/* --- the file ---------------------------------------------------------------------------------- */

static void put_categories(struct writing *w)
{
	jw_lit(&w->json, ",\"categories\":[");
	for (uint32_t i = 0; i < CATEGORIES_CNT; i++) {
		bool named = categories[i].name;

		comma(w, i);
		jw_lit(&w->json, "{\"name\":");
		jw_string(&w->json, slice_str(named ? categories[i].name : categories[0].name));
		jw_lit(&w->json, ",\"color\":");
		jw_string(&w->json, slice_str(named ? categories[i].color : categories[0].color));
		jw_lit(&w->json, ",\"subcategories\":[\"Other\"]}");
	}
	jw_lit(&w->json, "]");
}

static void put_meta(struct writing *w, const char *title)
{
	const struct profile *p = w->p;

	jw_lit(&w->json, "{\"meta\":{\"preprocessedProfileVersion\":");
	jw_u64(&w->json, FORMAT_VERSION);
	jw_lit(&w->json, ",\"version\":");
	jw_u64(&w->json, GECKO_VERSION);
	jw_lit(&w->json, ",\"interval\":");
	put_ms(w, p->period_ns);
	jw_lit(&w->json, ",\"startTime\":");
	put_ms(w, w->start_ns);
	jw_lit(&w->json, ",\"profilingStartTime\":");
	put_ms(w, p->start_ns - w->start_ns);
	jw_lit(&w->json, ",\"profilingEndTime\":");
	put_ms(w, p->end_ns - w->start_ns);
	jw_lit(&w->json, ",\"product\":");
	jw_string(&w->json, slice_str(title));
	jw_lit(&w->json, ",\"importedFrom\":\"sonde\",\"platform\":\"Linux\",\"processType\":0,"
			 "\"stackwalk\":1,\"debug\":false,\"symbolicated\":true,"
			 "\"usesOnlyOneStackType\":true,\"sourceCodeIsNotOnSearchfox\":true,"
			 "\"markerSchema\":[],\"sampleUnits\":{\"time\":\"ms\","
			 "\"eventDelay\":\"ms\",\"threadCPUDelta\":\"ns\"}");
	put_categories(w);
	jw_lit(&w->json, "}");
}

static void put_all(struct writing *w, const char *title)
{
	const struct profile *p = w->p;

	put_meta(w, title);
	column(w, "libs", p->mappings.cnt - 1, put_lib);
	jw_lit(&w->json, ",\"pages\":[],\"shared\":{\"nativeSymbols\":{\"length\":0,"
			 "\"libIndex\":[],\"address\":[],\"name\":[],\"functionSize\":[]}");
	put_resources(w);
	put_functions(w);
	put_sources(w);
	put_frames(w);
	put_stacks(w);
	column(w, "stringArray", p->strings.cnt + 2 * p->mappings.cnt, put_string);
	jw_lit(&w->json, "}");
	put_threads(w);
	jw_lit(&w->json, "}\n");
	flush(w);
}

/* How many nodes the stacks have at most. */
static size_t count_frames(const struct profile *p)
{
	uint32_t frames[PROFILE_INLINED_MAX];
	size_t cnt = 0;

	for (uint32_t i = 0; i < p->stack_locations.cnt; i++)
		cnt += profile_frames(p, p->stack_locations.v[i], frames);
	return cnt;
}

int firefox_write(const struct profile *p, const char *title, FILE *out)
{
	size_t frames_cnt = count_frames(p);
	struct writing w = {
		.p = p,
		.out = out,
		.functions = calloc(p->locations.cnt, sizeof(*w.functions)),
		.source_of = calloc(p->strings.cnt, sizeof(*w.source_of)),
		.files = calloc(p->functions.cnt, sizeof(*w.files)),
		.by_path = calloc(p->stacks.cnt, sizeof(*w.by_path)),
		.stack_of = calloc(p->stacks.cnt, sizeof(*w.stack_of)),
		.frame = calloc(frames_cnt + 1, sizeof(*w.frame)),
		.prefix = calloc(frames_cnt + 1, sizeof(*w.prefix)),
		.inline_depth = calloc(p->locations.cnt, sizeof(*w.inline_depth)),
		.samples =
			calloc((size_t)p->samples.cnt + 1, sizeof(const struct profile_sample *)),
	};

	json_writer__init(&w.json, 2 * JSON_MAX);
	w.err = -ENOMEM;
	if (w.functions && w.source_of && w.files && w.by_path && w.stack_of && w.frame &&
	    w.prefix && w.inline_depth && w.samples) {
		w.err = 0;
		find_functions(&w);
		join_stacks(&w);
		sort_samples(&w);
		put_all(&w, title);
	}
	json_writer__free(&w.json);
	free(w.functions);
	free(w.source_of);
	free(w.files);
	free(w.by_path);
	free(w.stack_of);
	free(w.frame);
	free(w.prefix);
	free(w.inline_depth);
	free(w.samples);
	return w.err ?: stream_result(out);
}
