// SPDX-License-Identifier: Apache-2.0
/* One row for a capability; beneath it, indented, why it is not at its best and what to do. */
#include "user/cli/doctor_view.h"

#include <errno.h>

#include "user/base/json_writer.h"
#include "user/cli/columns.h"

#define JSON_MAX (1u << 20)
#define NAME_COLUMNS_MAX 40u
#define STATE_COLUMNS 10u

static const struct {
	struct slice name;
	const char *style;
} states[] = {
	[CAPABILITY_OK] = {.name = SLICE("ok"), .style = STYLE_GREEN},
	[CAPABILITY_DEGRADED] = {.name = SLICE("degraded"), .style = STYLE_YELLOW},
	[CAPABILITY_MISSING] = {.name = SLICE("missing"), .style = STYLE_RED},
};

static void put_member(struct json_writer *json, struct slice before, const char *text)
{
	jw_raw(json, before);
	if (text)
		jw_string(json, slice_str(text));
	else
		jw_lit(json, "null");
}

static int write_json(FILE *out, const char *kernel, const char *arch,
		      const struct capability *capabilities, size_t cnt)
{
	struct json_writer json;
	int err;

	json_writer__init(&json, JSON_MAX);
	put_member(&json, SLICE("{\"kernel\":"), kernel);
	put_member(&json, SLICE(",\"arch\":"), arch);
	jw_lit(&json, ",\"capabilities\":[");
	for (const struct capability *c = capabilities; c < capabilities + cnt; c++) {
		put_member(&json, c == capabilities ? SLICE("{\"name\":") : SLICE(",{\"name\":"),
			   c->name);
		jw_lit(&json, ",\"state\":");
		jw_string(&json, states[c->state].name);
		put_member(&json, SLICE(",\"hook\":"), c->hook);
		put_member(&json, SLICE(",\"why\":"), c->why);
		put_member(&json, SLICE(",\"todo\":"), c->todo);
		put_member(&json, SLICE(",\"tried\":"), c->tried);
		jw_lit(&json, "}");
	}
	jw_lit(&json, "]}\n");
	err = json_writer__write(&json, out);
	json_writer__free(&json);
	return err;
}

static unsigned int name_columns(const struct capability *capabilities, size_t cnt)
{
	size_t columns = sizeof("CAPABILITY") - 1;

	for (size_t i = 0; i < cnt; i++)
		if (strlen(capabilities[i].name) > columns)
			columns = strlen(capabilities[i].name);
	return columns < NAME_COLUMNS_MAX ? (unsigned int)columns : NAME_COLUMNS_MAX;
}

static int write_note(struct line *line, FILE *out, const char *label, const char *text)
{
	if (!text)
		return 0;
	line_pad(line, 4);
	line_styled(line, STYLE_DIM, slice_str(label));
	line_pad(line, 11);
	line_text(line, slice_str(text), 0);
	return line__write(line, out);
}

static int write_row(struct line *line, FILE *out, unsigned int name_end,
		     const struct capability *c)
{
	int err;

	line_text(line, slice_str(c->name), name_end);
	line_pad(line, name_end + 2);
	line_styled(line, states[c->state].style, states[c->state].name);
	line_pad(line, name_end + 2 + STATE_COLUMNS);
	line_text(line, slice_str(c->hook ? c->hook : "-"), 0);
	err = line__write(line, out);
	err = err ?: write_note(line, out, "why", c->why);
	err = err ?: write_note(line, out, "to do", c->todo);
	return err ?: write_note(line, out, "tried", c->tried);
}

static int write_text(FILE *out, bool colour, const char *kernel, const char *arch,
		      const struct capability *capabilities, size_t cnt)
{
	struct line line = {.colour = colour, .utf8 = locale_is_utf8()};
	unsigned int name_end = name_columns(capabilities, cnt);
	int err;

	line_text(&line, SLICE("Linux "), 0);
	line_text(&line, slice_str(kernel), 0);
	line_text(&line, SLICE(" on "), 0);
	line_text(&line, slice_str(arch), 0);
	err = line__write(&line, out);
	err = err ?: line__write(&line, out);
	line_style(&line, STYLE_BOLD);
	line_text(&line, SLICE("CAPABILITY"), 0);
	line_pad(&line, name_end + 2);
	line_text(&line, SLICE("STATE"), 0);
	line_pad(&line, name_end + 2 + STATE_COLUMNS);
	line_text(&line, SLICE("HOOK"), 0);
	err = err ?: line__write(&line, out);
	for (size_t i = 0; i < cnt && !err; i++)
		err = write_row(&line, out, name_end, &capabilities[i]);
	return err;
}

int doctor_view(FILE *out, enum view_format format, bool colour, const char *kernel,
		const char *arch, const struct capability *capabilities, size_t cnt)
{
	int err = format == VIEW_JSON ? write_json(out, kernel, arch, capabilities, cnt)
				      : write_text(out, colour, kernel, arch, capabilities, cnt);

	errno = 0;
	if (!err && fflush(out))
		err = -(errno ?: EIO);
	return err;
}
