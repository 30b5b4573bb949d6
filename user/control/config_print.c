// SPDX-License-Identifier: Apache-2.0
/* The effective configuration as YAML. What is printed loads again, except for secrets. */
#include "user/control/config.h"

#include "user/control/value.h"

#define COMMENT_COLUMN 40

static int print_text(const char *text, FILE *out)
{
	int len = fprintf(out, "\"");

	for (; *text; text++)
		len += fprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	return len + fprintf(out, "\"");
}

static int print_texts(const struct text_list *list, FILE *out)
{
	int len = fprintf(out, "[");

	for (size_t i = 0; i < list->cnt; i++) {
		len += fprintf(out, "%s", i ? ", " : "");
		len += print_text(list->v[i], out);
	}
	return len + fprintf(out, "]");
}

static int print_nums(const struct num_list *list, FILE *out)
{
	int len = fprintf(out, "[");

	for (size_t i = 0; i < list->cnt; i++)
		len += fprintf(out, "%s%llu", i ? ", " : "", (unsigned long long)list->v[i]);
	return len + fprintf(out, "]");
}

static int print_map(const struct setting *row, const struct text_map *map, FILE *out)
{
	int len = fprintf(out, "{");

	for (size_t i = 0; i < map->cnt; i++) {
		len += fprintf(out, "%s", i ? ", " : "");
		len += print_text(map->v[i].key, out);
		len += fprintf(out, ": ");
		len += print_text(row->secret ? "***" : map->v[i].value, out);
	}
	return len + fprintf(out, "}");
}

static int print_value(const struct setting *row, const union value *value, FILE *out);

/* Texts that are not set are left out. */
static int print_item(const struct setting *row, const void *item, FILE *out)
{
	const char *before = "{";
	int len = 0;

	for (size_t i = 0; i < row->fields_cnt; i++) {
		const struct setting *field = &row->fields[i];
		union value value;

		value_fetch(item, field, &value);
		if (field->type == SETTING_TEXT && !value.text)
			continue;
		len += fprintf(out, "%s%s: ", before, field->path);
		len += print_value(field, &value, out);
		before = ", ";
	}
	return len + fprintf(out, "}");
}

static int print_items(const struct setting *row, const struct item_list *list, FILE *out)
{
	int len = fprintf(out, "[");

	for (size_t i = 0; i < list->cnt; i++) {
		len += fprintf(out, "%s", i ? ", " : "");
		len += print_item(row, (const char *)list->v + i * row->item_sz, out);
	}
	return len + fprintf(out, "]");
}

static int print_value(const struct setting *row, const union value *value, FILE *out)
{
	char num[SETTING_NUM_MAX];

	switch (row->type) {
	case SETTING_BOOL:
		return fprintf(out, "%s", value->on ? "true" : "false");
	case SETTING_CHOICE:
		return fprintf(out, "%s", row->choices[value->choice]);
	case SETTING_TEXT:
		return print_text(value->text ? (row->secret ? "***" : value->text) : "", out);
	case SETTING_TEXTS:
		return print_texts(&value->texts, out);
	case SETTING_INTS:
		return print_nums(&value->nums, out);
	case SETTING_MAP:
		return print_map(row, &value->map, out);
	case SETTING_ITEMS:
		return print_items(row, &value->items, out);
	case SETTING_INT:
	case SETTING_SIZE:
	case SETTING_DURATION:
	case SETTING_SHARE:
		break;
	}
	return fprintf(out, "%s", setting_num_text(row, value->num, num));
}

void config__print(const struct config *c, FILE *out)
{
	static const char *const sources[] = {
		[SOURCE_DEFAULT] = "default",
		[SOURCE_FILE] = "file",
		[SOURCE_ENV] = "env",
		[SOURCE_FLAG] = "flag",
	};
	struct slice section = SLICE("");

	for (size_t i = 0; i < settings_cnt; i++) {
		const struct setting *row = &settings[i];
		struct slice path = slice_str(row->path);
		struct slice of = slice_first(path, (size_t)slice_find(path, '.'));
		union value value;
		int len;

		if (row->hidden && c->source[i] == SOURCE_DEFAULT)
			continue;
		if (!slice_eq(of, section))
			fprintf(out, "%.*s:\n", (int)of.n, of.p);
		section = of;
		value_fetch(c, row, &value);
		len = fprintf(out, "  %s: ", row->path + of.n + 1);
		len += print_value(row, &value, out);
		fprintf(out, "%*s# %s\n", len < COMMENT_COLUMN ? COMMENT_COLUMN - len : 2, "",
			sources[c->source[i]]);
	}
}
