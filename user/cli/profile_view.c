// SPDX-License-Identifier: Apache-2.0
/*
 * A function's self share is of the samples in it (of off-CPU profiles: of their time), its total share of those in it or in what it
 * called. Locations without a symbol are one row for each file.
 */
#include "user/cli/profile_view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "user/base/json_writer.h"
#include "user/cli/columns.h"

#define JSON_MAX (64u * 1024 * 1024)
#define FUNCTIONS_SHOWN 25
#define PROCESSES_SHOWN 10
#define ROUTES_SHOWN 10
#define NAME_COLUMNS 60u
#define NAME_AT 17u

/* A function in a file, or what is unknown of a file. */
struct row {
	uint64_t key; /* strings of the name and the file */
	enum frame_type type;
	uint64_t self, total; /* weights of the samples in it, and below */
	uint32_t seen;	      /* the sample that was counted last, + 1 */
};

struct process_row {
	uint32_t resource;
	uint64_t weight;
};

struct summary {
	const struct profile *profile;
	const struct request_shares *shares; /* NULL: not known */
	uint64_t weight;		     /* of all samples */
	struct row *rows;
	uint32_t rows_cnt;
	uint32_t *row_of; /* by location */
	struct process_row *processes;
	uint32_t processes_cnt;
};

static uint64_t key_of(const struct profile *p, const struct profile_location *location)
{
	const struct profile_function *function = &p->functions.v[location->function];

	return (uint64_t)function->name << 32 |
	       (p->mappings.v[location->mapping].file ?: function->file);
}

static int compare_keys(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->self != y->self)
		return x->self > y->self ? -1 : 1;
	if (x->total != y->total)
		return x->total > y->total ? -1 : 1;
	return compare_keys(a, b);
}

static int compare_processes(const void *a, const void *b)
{
	const struct process_row *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return x->resource < y->resource ? -1 : x->resource > y->resource;
}

/* A row for each function, and which one a location belongs to. */
static void make_rows(struct summary *s)
{
	const struct profile *p = s->profile;
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->locations.cnt; i++)
		s->rows[i] = (struct row){
			.key = key_of(p, &p->locations.v[i]),
			.type = p->locations.v[i].type,
		};
	qsort(s->rows, p->locations.cnt, sizeof(*s->rows), compare_keys);
	for (uint32_t i = 0; i < p->locations.cnt; i++)
		if (!n || s->rows[n - 1].key != s->rows[i].key)
			s->rows[n++] = s->rows[i];
	s->rows_cnt = n;
	for (uint32_t i = 0; i < p->locations.cnt; i++) {
		struct row wanted = {.key = key_of(p, &p->locations.v[i])};
		const struct row *row = bsearch(&wanted, s->rows, n, sizeof(wanted), compare_keys);

		s->row_of[i] = (uint32_t)(row - s->rows);
	}
}

static void count_sample(struct summary *s, uint32_t i)
{
	const struct profile *p = s->profile;
	const struct profile_sample *sample = &p->samples.v[i];
	const struct profile_stack *stack = &p->stacks.v[sample->stack];
	uint64_t weight = profile_weight(p, sample);

	s->weight += weight;
	s->processes[sample->resource].weight += weight;
	for (uint32_t k = 0; k < stack->cnt; k++) {
		uint32_t frames[PROFILE_INLINED_MAX];
		uint32_t cnt = profile_frames(p, p->stack_locations.v[stack->first + k], frames);

		for (uint32_t f = 0; f < cnt; f++) {
			struct row *row = &s->rows[s->row_of[frames[f]]];

			row->self += k + f == 0 ? weight : 0;
			row->total += row->seen != i + 1 ? weight : 0;
			row->seen = i + 1;
		}
	}
}

static void summary__free(struct summary *s)
{
	free(s->rows);
	free(s->row_of);
	free(s->processes);
}

static int summary__make(struct summary *s, const struct profile *p)
{
	s->rows = calloc(p->locations.cnt, sizeof(*s->rows));
	s->row_of = calloc(p->locations.cnt, sizeof(*s->row_of));
	s->processes = calloc(p->resources.cnt, sizeof(*s->processes));
	if (!s->rows || !s->row_of || !s->processes)
		return -ENOMEM;
	make_rows(s);
	for (uint32_t i = 0; i < p->resources.cnt; i++)
		s->processes[i].resource = i;
	for (uint32_t i = 0; i < p->samples.cnt; i++)
		count_sample(s, i);
	qsort(s->rows, s->rows_cnt, sizeof(*s->rows), compare_rows);
	qsort(s->processes, p->resources.cnt, sizeof(*s->processes), compare_processes);
	while (s->processes_cnt < p->resources.cnt && s->processes[s->processes_cnt].weight)
		s->processes_cnt++;
	while (s->rows_cnt && !s->rows[s->rows_cnt - 1].total)
		s->rows_cnt--;
	return 0;
}

static struct slice name_of(const struct summary *s, const struct row *row)
{
	return s->profile->strings.v[row->key >> 32];
}

static struct slice file_of(const struct summary *s, const struct row *row)
{
	return s->profile->strings.v[(uint32_t)row->key];
}

static struct slice base_name(struct slice path)
{
	const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;

	return slash ? slice_after(path, (size_t)(slash + 1 - path.p)) : path;
}

/* Of kernel threads no process is known. */
static struct slice process_name(const struct resource *resource)
{
	return resource->pid ? resource->service_name : SLICE("kernel threads");
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void put_functions(struct json_writer *json, const struct summary *s)
{
	static const struct slice types[] = {
		[FRAME_NONE] = SLICE("none"),	    [FRAME_NATIVE] = SLICE("native"),
		[FRAME_KERNEL] = SLICE("kernel"),   [FRAME_JIT] = SLICE("jit"),
		[FRAME_CPYTHON] = SLICE("cpython"), [FRAME_V8JS] = SLICE("v8js"),
		[FRAME_ERROR] = SLICE("error"),	    [FRAME_WAIT] = SLICE("wait"),
		[FRAME_INLINED] = SLICE("inlined"),
	};

	for (uint32_t i = 0; i < s->rows_cnt; i++) {
		const struct row *row = &s->rows[i];

		jw_raw(json, i ? SLICE(",{\"name\":") : SLICE("{\"name\":"));
		jw_string(json, name_of(s, row));
		jw_lit(json, ",\"file\":");
		jw_string(json, file_of(s, row));
		jw_lit(json, ",\"type\":");
		jw_string(json, types[row->type]);
		jw_lit(json, ",\"self\":");
		jw_u64(json, row->self);
		jw_lit(json, ",\"total\":");
		jw_u64(json, row->total);
		jw_lit(json, "}");
	}
}

static void put_processes(struct json_writer *json, const struct summary *s)
{
	for (uint32_t i = 0; i < s->processes_cnt; i++) {
		const struct resource *resource = s->profile->resources.v[s->processes[i].resource];

		jw_raw(json, i ? SLICE(",{\"name\":") : SLICE("{\"name\":"));
		jw_string(json, process_name(resource));
		jw_lit(json, ",\"pid\":");
		jw_u64(json, resource->pid);
		jw_raw(json,
		       s->profile->off_cpu ? SLICE(",\"offCpuNanos\":") : SLICE(",\"samples\":"));
		jw_u64(json, s->processes[i].weight);
		jw_lit(json, "}");
	}
}

static void put_routes(struct json_writer *json, const struct request_shares *shares)
{
	jw_lit(json, ",\"routes\":[");
	for (uint32_t i = 0; i < shares->rows_cnt; i++) {
		const struct request_row *row = &shares->rows[i];

		jw_raw(json, i ? SLICE(",{\"name\":") : SLICE("{\"name\":"));
		jw_string(json, row->name);
		jw_lit(json, ",\"service\":");
		jw_string(json, row->service);
		jw_lit(json, ",\"samples\":");
		jw_u64(json, row->samples_cnt);
		jw_lit(json, "}");
	}
	jw_lit(json, "],\"filtered\":");
	jw_raw(json, shares->filtered ? SLICE("true") : SLICE("false"));
	jw_lit(json, ",\"otherRequests\":");
	jw_u64(json, shares->others_cnt);
	jw_lit(json, ",\"unknownRequests\":");
	jw_u64(json, shares->unknown_cnt);
	jw_lit(json, ",\"noRequest\":");
	jw_u64(json, shares->none_cnt);
}

static uint64_t linked_cnt(const struct profile *p)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < p->samples.cnt; i++)
		n += p->samples.v[i].link != 0;
	return n;
}

static int write_json(FILE *out, const struct summary *s)
{
	const struct profile *p = s->profile;
	struct json_writer json;
	int err;

	json_writer__init(&json, JSON_MAX);
	jw_lit(&json, "{\"samples\":");
	jw_u64(&json, p->samples.cnt);
	jw_lit(&json, ",\"linked\":");
	jw_u64(&json, linked_cnt(p));
	jw_lit(&json, ",\"periodNanos\":");
	jw_u64(&json, p->period_ns);
	if (p->off_cpu) {
		jw_lit(&json, ",\"offCpuNanos\":");
		jw_u64(&json, s->weight);
	}
	jw_lit(&json, ",\"durationNanos\":");
	jw_u64(&json, p->end_ns - p->start_ns);
	jw_lit(&json, ",\"functions\":[");
	put_functions(&json, s);
	jw_lit(&json, "],\"processes\":[");
	put_processes(&json, s);
	jw_lit(&json, "]");
	if (s->shares)
		put_routes(&json, s->shares);
	jw_lit(&json, "}\n");
	err = json_writer__write(&json, out);
	json_writer__free(&json);
	return err;
}

/* --- text ------------------------------------------------------------------------------------- */

static void put_share(struct line *line, const struct summary *s, uint64_t weight, unsigned int end)
{
	char text[16];

	snprintf(text, sizeof(text), "%.1f%%", 100.0 * (double)weight / (double)s->weight);
	line_right(line, slice_str(text), end);
}

size_t profile_left_out(const struct request_shares *shares, char text[PROFILE_LEFT_OUT_SZ])
{
	int n;

	if (!shares || !shares->filtered ||
	    !(shares->others_cnt | shares->unknown_cnt | shares->none_cnt))
		return 0;
	n = snprintf(text, PROFILE_LEFT_OUT_SZ, "%" PRIu32 " samples of other requests, ",
		     shares->others_cnt);
	if (shares->unknown_cnt)
		n += snprintf(text + n, PROFILE_LEFT_OUT_SZ - (size_t)n,
			      "%" PRIu32 " of requests that are not known, ", shares->unknown_cnt);
	n += snprintf(text + n, PROFILE_LEFT_OUT_SZ - (size_t)n,
		      "%" PRIu32 " of no request left out", shares->none_cnt);
	return (size_t)n;
}

static int write_title(struct line *line, FILE *out, const struct summary *s)
{
	const struct profile *p = s->profile;
	char text[PROFILE_LEFT_OUT_SZ];
	size_t n;
	int err;

	snprintf(text, sizeof(text), "%" PRIu32 " samples in %.1f s: %.2f s %s", p->samples.cnt,
		 (double)(p->end_ns - p->start_ns) / 1e9,
		 (double)s->weight * (p->off_cpu ? 1 : (double)p->period_ns) / 1e9,
		 p->off_cpu ? "off the CPUs" : "of CPU time");
	line_text(line, slice_str(text), 0);
	err = line__write(line, out);
	n = profile_left_out(s->shares, text);
	if (n && !err) {
		line_text(line, slice_of(text, n), 0);
		err = line__write(line, out);
	}
	return err ?: line__write(line, out);
}

/* The longest name to be shown, within bounds. */
static unsigned int name_columns(const struct summary *s, uint32_t rows_cnt)
{
	size_t columns = sizeof("FUNCTION") - 1;

	for (uint32_t i = 0; i < rows_cnt; i++)
		if (name_of(s, &s->rows[i]).n > columns)
			columns = name_of(s, &s->rows[i]).n;
	return columns < NAME_COLUMNS ? (unsigned int)columns : NAME_COLUMNS;
}

static int write_functions(struct line *line, FILE *out, const struct summary *s, uint32_t max)
{
	uint32_t cnt = s->rows_cnt < max ? s->rows_cnt : max;
	unsigned int names = name_columns(s, cnt);
	int err;

	line_style(line, STYLE_BOLD);
	line_text(line, SLICE("  SELF   TOTAL  FUNCTION"), 0);
	line_pad(line, NAME_AT + names);
	line_text(line, SLICE("FILE"), 0);
	err = line__write(line, out);
	for (uint32_t i = 0; i < cnt && !err; i++) {
		const struct row *row = &s->rows[i];

		put_share(line, s, row->self, 6);
		put_share(line, s, row->total, 14);
		line_pad(line, NAME_AT - 1);
		if (name_of(s, row).n)
			line_text(line, name_of(s, row), names);
		else
			line_styled(line, STYLE_DIM, SLICE("?"));
		line_pad(line, NAME_AT + names);
		line_styled(line, STYLE_DIM, base_name(file_of(s, row)));
		err = line__write(line, out);
	}
	return err;
}

static int write_processes(struct line *line, FILE *out, const struct summary *s)
{
	int err = line__write(line, out);

	line_style(line, STYLE_BOLD);
	line_text(line, SLICE(" SHARE  PROCESS"), 0);
	err = err ?: line__write(line, out);
	for (uint32_t i = 0; i < s->processes_cnt && i < PROCESSES_SHOWN && !err; i++) {
		const struct resource *resource = s->profile->resources.v[s->processes[i].resource];
		char pid[16];

		put_share(line, s, s->processes[i].weight, 6);
		line_pad(line, 8);
		line_text(line, process_name(resource), NAME_COLUMNS);
		snprintf(pid, sizeof(pid), " %" PRIu32, resource->pid);
		if (resource->pid)
			line_styled(line, STYLE_DIM, slice_str(pid));
		err = line__write(line, out);
	}
	return err;
}

static int write_route(struct line *line, FILE *out, const struct summary *s, uint64_t weight,
		       struct slice name, struct slice service)
{
	put_share(line, s, weight, 6);
	line_pad(line, 8);
	line_text(line, name, NAME_COLUMNS);
	line_text(line, SLICE(" "), 0);
	line_styled(line, STYLE_DIM, service);
	return line__write(line, out);
}

static int write_routes(struct line *line, FILE *out, const struct summary *s)
{
	const struct request_shares *shares = s->shares;
	uint64_t more = 0;
	int err = line__write(line, out);

	line_style(line, STYLE_BOLD);
	line_text(line, SLICE(" SHARE  ROUTE"), 0);
	err = err ?: line__write(line, out);
	for (uint32_t i = 0; i < shares->rows_cnt && !err; i++) {
		const struct request_row *row = &shares->rows[i];

		if (i < ROUTES_SHOWN)
			err = write_route(line, out, s, row->weight, row->name, row->service);
		else
			more += row->weight;
	}
	if (more && !err)
		err = write_route(line, out, s, more, SLICE("other routes"), SLICE(""));
	if (shares->filtered || err)
		return err;
	if (shares->unknown_cnt)
		err = write_route(line, out, s, shares->unknown_weight,
				  SLICE("requests that are not known"), SLICE(""));
	return err
		       ?: write_route(line, out, s, shares->none_weight, SLICE("no request"),
				      SLICE(""));
}

int profile_view(FILE *out, enum view_format format, bool colour, unsigned int width,
		 const struct profile *profile, const struct request_shares *shares)
{
	struct line line = {.width = width, .colour = colour, .utf8 = locale_is_utf8()};
	struct summary s = {.profile = profile, .shares = shares};
	int err = summary__make(&s, profile);

	if (!err && format == VIEW_JSON) {
		err = write_json(out, &s);
	} else if (!err && profile->samples.cnt) {
		err = write_title(&line, out, &s);
		err = err ?: write_functions(&line, out, &s, FUNCTIONS_SHOWN);
		if (s.processes_cnt > 1)
			err = err ?: write_processes(&line, out, &s);
		if (shares && shares->rows_cnt + !shares->filtered > 1)
			err = err ?: write_routes(&line, out, &s);
	}
	summary__free(&s);
	errno = 0;
	if (!err && fflush(out))
		err = -(errno ?: EIO);
	return err;
}

int profile_view_top(FILE *out, struct line *line, const struct profile *profile,
		     const struct request_shares *shares, uint32_t functions_max)
{
	struct summary s = {.profile = profile, .shares = shares};
	int err = summary__make(&s, profile);

	err = err ?: write_title(line, out, &s);
	if (!err && functions_max && profile->samples.cnt)
		err = write_functions(line, out, &s, functions_max);
	summary__free(&s);
	return err;
}
