// SPDX-License-Identifier: Apache-2.0
/* A table, or JSON, of what was not recognised. */
#include "user/cli/unknown_view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "user/base/json_writer.h"
#include "user/cli/columns.h"

#define ROWS_SHOWN 20
#define JSON_MAX (1024u * 1024)

/* Where columns begin, or, of numbers, end. */
#define SIDE_AT 26
#define LABEL_AT 41
#define COUNT_END 66
#define SENT_END 80
#define RECEIVED_END 94

static void number(struct line *line, uint64_t n, unsigned int end)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	line_right(line, slice_str(text), end);
}

static void put_header(struct line *line)
{
	line_text(line, SLICE("  NOT RECOGNISED"), 0);
	line_pad(line, SIDE_AT);
	line_text(line, SLICE("PORT"), 0);
	line_pad(line, LABEL_AT);
	line_text(line, SLICE("LOOKS LIKE"), 0);
	line_right(line, SLICE("CONNECTIONS"), COUNT_END);
	line_right(line, SLICE("SENT"), SENT_END);
	line_right(line, SLICE("RECEIVED"), RECEIVED_END);
}

static void put_row(struct line *line, const struct unknown_row *row)
{
	char port[32] = "unix";

	if (row->port)
		snprintf(port, sizeof(port), "%u", row->port);
	line_text(line, SLICE("  "), 0);
	line_text(line, slice_str(row->service), SIDE_AT - 4);
	line_pad(line, SIDE_AT);
	line_text(line, row->serves ? SLICE("serves ") : SLICE("uses "), 0);
	line_text(line, slice_str(port), 0);
	line_pad(line, LABEL_AT);
	line_text(line, slice_str(row->label), 0);
	number(line, row->connection_cnt, COUNT_END);
	number(line, row->sent_sz, SENT_END);
	number(line, row->received_sz, RECEIVED_END);
}

static int put_table(FILE *out, const struct unknown_row *rows, size_t cnt)
{
	struct line *line = calloc(1, sizeof(*line));
	int err;

	if (!line)
		return -ENOMEM;
	line->utf8 = locale_is_utf8();
	put_header(line);
	err = line__write(line, out);
	for (size_t i = 0; i < cnt && i < ROWS_SHOWN && !err; i++) {
		put_row(line, &rows[i]);
		err = line__write(line, out);
	}
	free(line);
	if (cnt > ROWS_SHOWN && !err && fprintf(out, "  and %zu more\n", cnt - ROWS_SHOWN) < 0)
		err = -EIO;
	return err;
}

static void put_object(struct json_writer *j, const struct unknown_row *row)
{
	jw_lit(j, "{\"service\":");
	jw_string(j, slice_str(row->service));
	jw_lit(j, ",\"serves\":");
	jw_raw(j, row->serves ? SLICE("true") : SLICE("false"));
	jw_lit(j, ",\"port\":");
	jw_u64(j, row->port);
	jw_lit(j, ",\"label\":");
	jw_string(j, slice_str(row->label));
	jw_lit(j, ",\"connections\":");
	jw_u64(j, row->connection_cnt);
	jw_lit(j, ",\"sent\":");
	jw_u64(j, row->sent_sz);
	jw_lit(j, ",\"received\":");
	jw_u64(j, row->received_sz);
	jw_lit(j, "}");
}

static int put_json(FILE *out, const struct unknown_row *rows, size_t cnt)
{
	struct json_writer j;
	int err;

	json_writer__init(&j, JSON_MAX);
	jw_lit(&j, "[");
	for (size_t i = 0; i < cnt; i++) {
		if (i)
			jw_lit(&j, ",");
		put_object(&j, &rows[i]);
	}
	jw_lit(&j, "]");
	if (j.failed)
		fputs("[]", out);
	err = json_writer__write(&j, out);
	json_writer__free(&j);
	return err;
}

int unknown_view(FILE *out, enum view_format format, const struct unknown_row *rows, size_t cnt)
{
	if (!cnt)
		return 0;
	return format == VIEW_JSON ? put_json(out, rows, cnt) : put_table(out, rows, cnt);
}
