// SPDX-License-Identifier: Apache-2.0
/* Prometheus text. Labels are made first, so that equal ones come together by sorting. */
#include "user/export/prometheus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "user/base/utf8.h"

struct line {
	const struct histogram_point *point;
	char *labels; /* name="value",... */
};

/* --- labels ----------------------------------------------------------------------------------- */

/* Of a metric or label: every byte that may not be there as an underscore. */
static void put_name(FILE *out, struct slice name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool alpha = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

		fputc(alpha || (i && c >= '0' && c <= '9') ? c : '_', out);
	}
}

static void put_text(FILE *out, struct slice text)
{
	while (text.n) {
		int32_t code;
		size_t n = utf8_decode(text, &code);

		if (code < 0)
			fputs(UTF8_REPLACEMENT, out);
		else if (code == '\n')
			fputs("\\n", out);
		else if (code == '"' || code == '\\')
			fprintf(out, "\\%c", (int)code);
		else if (code) /* no reader takes a NUL */
			fwrite(text.p, 1, n, out);
		text = slice_after(text, n);
	}
}

static void put_label(FILE *out, const struct attr *attr)
{
	put_name(out, attr->key);
	fputs("=\"", out);
	switch (attr->type) {
	case ATTR_STRING:
		put_text(out, attr->str);
		break;
	case ATTR_INT:
		fprintf(out, "%" PRId64, attr->num);
		break;
	case ATTR_BOOL:
		fputs(attr->num ? "true" : "false", out);
		break;
	case ATTR_DOUBLE: /* no series is told apart by these */
	case ATTR_STRINGS:
		break;
	}
	fputs("\"", out);
}

/* malloc'd; NULL when memory is out. */
static char *labels_of(const struct histogram_point *point)
{
	static const struct slice whose[] = {SLICE("service.name"), SLICE("service.instance.id")};
	const char *between = "";
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	for (size_t i = 0; i < sizeof(whose) / sizeof(whose[0]); i++) {
		const struct attr *attr = attrs_get(&point->resource->attrs, whose[i]);

		if (!attr)
			continue;
		fputs(between, out);
		put_label(out, attr);
		between = ",";
	}
	for (uint16_t i = 0; i < point->attrs.cnt; i++) {
		fputs(between, out);
		put_label(out, &point->attrs.v[i]);
		between = ",";
	}
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* --- histograms ------------------------------------------------------------------------------- */

static void put_head(FILE *out, const struct instrument *instrument)
{
	fputs("# HELP ", out);
	put_name(out, instrument->name);
	fprintf(out, "_seconds %.*s\n# TYPE ", (int)instrument->description.n,
		instrument->description.p);
	put_name(out, instrument->name);
	fputs("_seconds histogram\n", out);
}

static void put_value(FILE *out, const struct histogram_point *point, const char *suffix,
		      const char *labels)
{
	put_name(out, point->instrument->name);
	fprintf(out, "_seconds_%s{%s", suffix, labels);
}

static void put_histogram(FILE *out, const struct histogram_point *point, const char *labels)
{
	const struct instrument *instrument = point->instrument;
	const char *between = *labels ? "," : "";
	uint64_t below = 0;

	for (uint32_t i = 0; i < instrument->bounds_cnt; i++) {
		below += point->buckets[i];
		put_value(out, point, "bucket", labels);
		fprintf(out, "%sle=\"%.15g\"} %" PRIu64 "\n", between,
			(double)instrument->bounds_ns[i] / 1e9, below);
	}
	put_value(out, point, "bucket", labels);
	fprintf(out, "%sle=\"+Inf\"} %" PRIu64 "\n", between, point->cnt);
	put_value(out, point, "sum", labels);
	fprintf(out, "} %.15g\n", (double)point->sum_ns / 1e9);
	put_value(out, point, "count", labels);
	fprintf(out, "} %" PRIu64 "\n", point->cnt);
}

static void add(struct histogram_point *sum, const struct histogram_point *point)
{
	sum->cnt += point->cnt;
	sum->sum_ns += point->sum_ns;
	for (size_t i = 0; i < sizeof(sum->buckets) / sizeof(sum->buckets[0]); i++)
		sum->buckets[i] += point->buckets[i];
}

static int compare(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->point->instrument != y->point->instrument)
		return x->point->instrument < y->point->instrument ? -1 : 1;
	return strcmp(x->labels, y->labels);
}

static void put_lines(FILE *out, struct line *lines, uint32_t cnt)
{
	qsort(lines, cnt, sizeof(*lines), compare);
	for (uint32_t i = 0, next; i < cnt; i = next) {
		struct histogram_point sum = *lines[i].point;

		if (!i || lines[i - 1].point->instrument != sum.instrument)
			put_head(out, sum.instrument);
		for (next = i + 1; next < cnt && compare(&lines[i], &lines[next]) == 0; next++)
			add(&sum, lines[next].point);
		put_histogram(out, &sum, lines[i].labels);
	}
}

int prometheus_write(FILE *out, const struct metric_snapshot *snapshot)
{
	struct line *lines = calloc(snapshot->cnt ?: 1, sizeof(*lines));
	int err = lines ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < snapshot->cnt && !err; i++) {
		lines[i] = (struct line){&snapshot->v[i], labels_of(&snapshot->v[i])};
		if (!lines[i].labels)
			err = -ENOMEM;
	}
	if (!err)
		put_lines(out, lines, snapshot->cnt);
	for (uint32_t i = 0; lines && i < snapshot->cnt; i++)
		free(lines[i].labels);
	free(lines);
	return err;
}
