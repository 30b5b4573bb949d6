// SPDX-License-Identifier: Apache-2.0
/*
 * The configuration file, read with libyaml's event parser (YAML 1.1). The shape is fixed: sections
 * of settings, a setting being a scalar, a list of scalars, a map of scalars, or a list of such maps.
 * Anchors, aliases, tags and several documents are refused. After a wrong value reading goes on with
 * the next setting; only what breaks the syntax ends it.
 */
#include "user/control/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <yaml.h>

#include "user/control/nearest.h"
#include "user/control/value.h"

#define DEPTH_MAX 16
#define PATH_MAX_SZ 256

struct loader {
	yaml_parser_t parser;
	yaml_event_t event; /* the last one read; of no type when reading ended early */
	const char *file;
	struct slice text;
	struct config *config;
	struct config_errors *errors;
	enum config_source source;
	const struct setting *only; /* the text is the value of this one; NULL: a whole file */
	int depth;		    /* of lists and maps that are open at the event */
	bool seen[SETTINGS_MAX];
	bool sections_seen[SETTINGS_MAX]; /* by the first row of each */
};

/* "FILE:LINE:COLUMN: " and the rest, at the start of the event. */
#define wrong_at(l, mark, format, ...)                                                     \
	config_errors__add((l)->errors, "%s:%zu:%zu: " format, (l)->file, (mark).line + 1, \
			   (mark).column + 1, ##__VA_ARGS__)
#define wrong(l, format, ...) wrong_at(l, (l)->event.start_mark, format, ##__VA_ARGS__)

/* Line and column (in bytes) of a byte of the text. */
static yaml_mark_t mark_of(const struct loader *l, size_t offset)
{
	yaml_mark_t mark = {0};

	for (size_t i = 0; i < offset && i < l->text.n; i++) {
		mark.column++;
		if (l->text.p[i] == '\n') {
			mark.column = 0;
			mark.line++;
		}
	}
	return mark;
}

/* Is a tab among what indents that line? Then *column becomes its place. */
static bool tab_indents(const struct loader *l, size_t line, size_t *column)
{
	const char *p = l->text.p, *end = p + l->text.n;

	for (; line && p < end; p++)
		line -= *p == '\n';
	for (const char *start = p; p < end && (*p == ' ' || *p == '\t'); p++) {
		if (*p == '\t') {
			*column = (size_t)(p - start);
			return true;
		}
	}
	return false;
}

/* Says why libyaml gave up. */
static void syntax_wrong(struct loader *l)
{
	const yaml_parser_t *parser = &l->parser;
	yaml_mark_t mark = parser->problem_mark;

	if (parser->error == YAML_READER_ERROR)
		mark = mark_of(l, parser->problem_offset);
	if (parser->error == YAML_MEMORY_ERROR)
		wrong_at(l, mark, "out of memory");
	else if (tab_indents(l, mark.line, &mark.column))
		wrong_at(l, mark, "a tab cannot indent: use spaces");
	else
		wrong_at(l, mark, "not valid YAML: %s", parser->problem ?: "unknown problem");
}

/* Ends the reading: no event has this type. */
static bool stop(struct loader *l)
{
	yaml_event_delete(&l->event);
	l->event.type = YAML_NO_EVENT;
	return false;
}

static const char *unwanted(const yaml_event_t *event)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return "aliases (*name) are not allowed";
	case YAML_SCALAR_EVENT:
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
		break;
	default:
		break;
	}
	return anchor ? "anchors (&name) are not allowed"
	       : tag  ? "tags (!name) are not allowed"
		      : NULL;
}

/* Reads the next event; false when reading is over, after which there is none. */
static bool next(struct loader *l)
{
	const char *problem;

	yaml_event_delete(&l->event);
	if (!yaml_parser_parse(&l->parser, &l->event)) {
		syntax_wrong(l);
		return stop(l);
	}
	problem = unwanted(&l->event);
	if (problem) {
		wrong(l, "%s", problem);
		return stop(l);
	}
	if (l->event.type == YAML_MAPPING_START_EVENT || l->event.type == YAML_SEQUENCE_START_EVENT)
		l->depth++;
	if (l->event.type == YAML_MAPPING_END_EVENT || l->event.type == YAML_SEQUENCE_END_EVENT)
		l->depth--;
	if (l->depth > DEPTH_MAX) {
		wrong(l, "nested too deep");
		return stop(l);
	}
	return l->errors->more_cnt ? stop(l) : true;
}

/* From the event that starts a value to the one that ends it. */
static bool skip(struct loader *l)
{
	int outside = l->depth;

	if (l->event.type == YAML_SCALAR_EVENT)
		return true;
	outside--;
	while (l->depth > outside)
		if (!next(l))
			return false;
	return true;
}

static const char *event_text(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return "text";
	case YAML_SEQUENCE_START_EVENT:
		return "a list";
	default:
		return "a mapping";
	}
}

/* The scalar's text, or NULL when it is none or contains a NUL. */
static const char *scalar(const struct loader *l)
{
	const yaml_event_t *event = &l->event;

	if (event->type != YAML_SCALAR_EVENT ||
	    strlen((char *)event->data.scalar.value) != event->data.scalar.length)
		return NULL;
	return (char *)event->data.scalar.value;
}

/* "key:" with nothing behind it, "~" or "null": as if the key were not there. */
static bool is_null(const struct loader *l)
{
	const yaml_event_t *event = &l->event;
	const char *text;

	if (event->type != YAML_SCALAR_EVENT || event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	text = (char *)event->data.scalar.value;
	return !*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

/* Reads a key of a map; false at the map's end, after an error in the key, or when stopped. */
static bool next_key(struct loader *l, char key[PATH_MAX_SZ], yaml_mark_t *mark)
{
	while (next(l) && l->event.type != YAML_MAPPING_END_EVENT) {
		const char *text = scalar(l);

		*mark = l->event.start_mark;
		if (text && strlen(text) < PATH_MAX_SZ) {
			snprintf(key, PATH_MAX_SZ, "%s", text);
			return true;
		}
		wrong(l, "expected the name of a setting");
		if (!skip(l) || !next(l) || !skip(l))
			return false;
	}
	return false;
}

static bool load_list(struct loader *l, const struct setting *row, union value *value, int *err)
{
	while (next(l) && l->event.type != YAML_SEQUENCE_END_EVENT) {
		const char *text = scalar(l);
		struct reason why = {0};

		if (l->event.type != YAML_SCALAR_EVENT)
			snprintf(why.text, sizeof(why.text),
				 "a list holds no further lists or maps");
		else if (!text)
			snprintf(why.text, sizeof(why.text), "contains a NUL");
		else
			value_add(row, text, value, &why);
		if (*why.text) {
			wrong(l, "%s: %s", row->path, why.text);
			*err = -EINVAL;
		}
		if (!skip(l))
			return false;
	}
	return l->event.type != YAML_NO_EVENT;
}

static bool load_map(struct loader *l, const struct setting *row, union value *value, int *err)
{
	char key[PATH_MAX_SZ];
	yaml_mark_t mark;

	while (next_key(l, key, &mark) && next(l)) {
		const char *text = scalar(l);
		struct reason why = {0};

		if (l->event.type != YAML_SCALAR_EVENT)
			snprintf(why.text, sizeof(why.text), "expected text, found %s",
				 event_text(&l->event));
		else if (!text)
			snprintf(why.text, sizeof(why.text), "contains a NUL");
		else
			value_add_pair(row, key, text, value, &why);
		if (*why.text) {
			wrong_at(l, mark, "%s: %s", row->path, why.text);
			*err = -EINVAL;
		}
		if (!skip(l))
			return false;
	}
	return l->event.type != YAML_NO_EVENT;
}

static const struct setting *field_find(const struct setting *row, const char *name)
{
	for (size_t i = 0; i < row->fields_cnt; i++)
		if (strcmp(row->fields[i].path, name) == 0)
			return &row->fields[i];
	return NULL;
}

static void unknown_field(const struct setting *row, const char *name, struct reason *why)
{
	struct nearest nearest = {.word = name};

	for (size_t i = 0; i < row->fields_cnt; i++)
		nearest__try(&nearest, row->fields[i].path, row->fields[i].path);
	snprintf(why->text, sizeof(why->text),
		 nearest.best ? "unknown '%s', did you mean '%s'?" : "unknown '%s'", name,
		 nearest.best);
}

/* The event is the start of the field's value. */
static void load_field(struct loader *l, const struct setting *field, void *item,
		       struct reason *why)
{
	const char *text = scalar(l);
	union value value = {0};
	struct reason wrong_value = {.text = "contains a NUL"};

	if (is_null(l))
		return;
	if (l->event.type != YAML_SCALAR_EVENT) {
		snprintf(why->text, sizeof(why->text), "%s: expected %s, found %s", field->path,
			 setting_type_text(field), event_text(&l->event));
	} else if (!text || value_parse(field, text, &value, &wrong_value) < 0) {
		snprintf(why->text, sizeof(why->text), "%.32s: %.340s", field->path,
			 wrong_value.text);
	} else {
		union value old;

		value_fetch(item, field, &old);
		value_free(field, &old);
		value_store(item, field, &value);
	}
}

/* What must be there when all fields have been read. */
static void check_item(const struct setting *row, const void *item, struct reason *why)
{
	const char *problem = row->check_item ? row->check_item(item) : NULL;

	for (size_t i = 0; i < row->fields_cnt; i++) {
		union value value;

		value_fetch(item, &row->fields[i], &value);
		if (!row->fields[i].fallback && !value.text) {
			snprintf(why->text, sizeof(why->text), "'%s' is missing",
				 row->fields[i].path);
			return;
		}
	}
	if (problem)
		snprintf(why->text, sizeof(why->text), "%s", problem);
}

/* The event is the start of the item. False when stopped. */
static bool load_item(struct loader *l, const struct setting *row, void *item, int *err)
{
	yaml_mark_t start = l->event.start_mark, mark;
	struct reason why = {0};
	char key[PATH_MAX_SZ];
	unsigned int seen = 0;
	bool whole = true;

	while (next_key(l, key, &mark) && next(l)) {
		const struct setting *field = field_find(row, key);
		unsigned int bit = field ? 1u << (field - row->fields) : 0;

		why = (struct reason){0};
		if (!field)
			unknown_field(row, key, &why);
		else if (seen & bit)
			snprintf(why.text, sizeof(why.text), "'%s' is set twice", key);
		else
			load_field(l, field, item, &why);
		seen |= bit;
		if (*why.text) {
			wrong_at(l, mark, "%s: %s", row->path, why.text);
			whole = false;
		}
		if (!skip(l))
			return false;
	}
	if (l->event.type == YAML_NO_EVENT)
		return false;
	why = (struct reason){0};
	if (whole)
		check_item(row, item, &why);
	if (*why.text)
		wrong_at(l, start, "%s: %s", row->path, why.text);
	if (*why.text || !whole)
		*err = -EINVAL;
	return true;
}

static bool load_items(struct loader *l, const struct setting *row, union value *value, int *err)
{
	while (next(l) && l->event.type != YAML_SEQUENCE_END_EVENT) {
		struct reason why = {0};
		void *item = NULL;

		if (l->event.type != YAML_MAPPING_START_EVENT)
			snprintf(why.text, sizeof(why.text), "expected a mapping, found %s",
				 event_text(&l->event));
		else
			item = value_add_item(row, value, &why);
		if (item) {
			if (!load_item(l, row, item, err))
				return false;
			continue;
		}
		wrong(l, "%s: %s", row->path, why.text);
		*err = -EINVAL;
		if (!skip(l))
			return false;
	}
	return l->event.type != YAML_NO_EVENT;
}

static int load_scalar(struct loader *l, const struct setting *row, union value *value)
{
	const char *text = scalar(l);
	struct reason why = {.text = "contains a NUL"};

	if (text && value_parse(row, text, value, &why) == 0)
		return 0;
	wrong(l, "%s: %s", row->path, why.text);
	return -EINVAL;
}

/* The value of a setting; its event has been read. False when stopped. */
static bool load_value(struct loader *l, const struct setting *row)
{
	enum yaml_event_type_e expected = row->type == SETTING_MAP ? YAML_MAPPING_START_EVENT
					  : row->type == SETTING_TEXTS ||
							  row->type == SETTING_INTS ||
							  row->type == SETTING_ITEMS
						  ? YAML_SEQUENCE_START_EVENT
						  : YAML_SCALAR_EVENT;
	union value value = {0};
	bool going = true;
	int err = 0;

	if (is_null(l))
		return true;
	if (l->event.type != expected) {
		wrong(l, "%s: expected %s, found %s", row->path, setting_type_text(row),
		      event_text(&l->event));
		return skip(l);
	}
	if (row->type == SETTING_ITEMS)
		going = load_items(l, row, &value, &err);
	else if (expected == YAML_MAPPING_START_EVENT)
		going = load_map(l, row, &value, &err);
	else if (expected == YAML_SEQUENCE_START_EVENT)
		going = load_list(l, row, &value, &err);
	else
		err = load_scalar(l, row, &value);
	if (going && !err)
		value_offer(l->config, row, l->source, &value);
	else
		value_free(row, &value);
	return going;
}

/* The first row of a section, or NULL. */
static const struct setting *section_find(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < settings_cnt; i++)
		if (strncmp(settings[i].path, name, len) == 0 && settings[i].path[len] == '.')
			return &settings[i];
	return NULL;
}

/* Compares with whole paths, with names without their section, and with sections. */
static void unknown_wrong(struct loader *l, yaml_mark_t mark, const char *path)
{
	const char *dot = strrchr(path, '.'), *best;
	struct nearest whole = {.word = path};
	struct nearest name = {.word = dot ? dot + 1 : path};
	struct nearest section = {.word = dot ? "" : path};
	size_t len;

	for (size_t i = 0; i < settings_cnt; i++) {
		const char *candidate = settings[i].path;
		char of[PATH_MAX_SZ];

		if (settings[i].hidden)
			continue;
		len = strcspn(candidate, ".");
		snprintf(of, sizeof(of), "%.*s", (int)len, candidate);
		nearest__try(&section, of, candidate);
		nearest__try(&whole, candidate, candidate);
		nearest__try(&name, candidate + len + 1, candidate);
	}
	best = section.best ?: whole.best ?: name.best;
	len = !best ? 0 : section.best ? strcspn(best, ".") : strlen(best);
	if (best)
		wrong_at(l, mark, "unknown setting '%s', did you mean '%.*s'?", path, (int)len,
			 best);
	else
		wrong_at(l, mark, "unknown setting '%s'", path);
}

/* A setting below the section, or at the top ("" as section) one with its whole path. */
static bool load_entry(struct loader *l, const char *section, const char *key, yaml_mark_t mark)
{
	const struct setting *row;
	char path[2 * PATH_MAX_SZ];

	snprintf(path, sizeof(path), "%s%s%s", section, *section ? "." : "", key);
	row = setting_find(path);
	if (!row) {
		unknown_wrong(l, mark, path);
		return skip(l);
	}
	if (l->seen[row - settings]) {
		wrong_at(l, mark, "%s is set twice", path);
		return skip(l);
	}
	l->seen[row - settings] = true;
	return load_value(l, row);
}

/* The event that follows a section's name has been read. */
static bool load_section(struct loader *l, const char *section, yaml_mark_t section_mark)
{
	bool *seen = &l->sections_seen[section_find(section) - settings];
	char key[PATH_MAX_SZ];
	yaml_mark_t mark;

	if (*seen) {
		wrong_at(l, section_mark, "section '%s' appears twice", section);
		return skip(l);
	}
	*seen = true;
	if (is_null(l))
		return true;
	if (l->event.type != YAML_MAPPING_START_EVENT) {
		wrong(l, "'%s' is a section: expected settings in it, found %s", section,
		      event_text(&l->event));
		return skip(l);
	}
	while (next_key(l, key, &mark) && next(l))
		if (!load_entry(l, section, key, mark))
			return false;
	return l->event.type != YAML_NO_EVENT;
}

/* The whole document; its first event has been read. */
static bool load_root(struct loader *l)
{
	char key[PATH_MAX_SZ];
	yaml_mark_t mark;

	if (l->only)
		return load_value(l, l->only);
	if (is_null(l))
		return true;
	if (l->event.type != YAML_MAPPING_START_EVENT) {
		wrong(l, "expected sections with settings, found %s", event_text(&l->event));
		return skip(l);
	}
	while (next_key(l, key, &mark) && next(l))
		if (section_find(key) ? !load_section(l, key, mark) : !load_entry(l, "", key, mark))
			return false;
	return l->event.type != YAML_NO_EVENT;
}

static void load_stream(struct loader *l)
{
	do { /* a file with nothing in it has no document */
		if (!next(l) || l->event.type == YAML_STREAM_END_EVENT)
			return;
	} while (l->event.type != YAML_DOCUMENT_START_EVENT);
	if (!next(l) || !load_root(l))
		return;
	do {
		if (!next(l))
			return;
	} while (l->event.type == YAML_DOCUMENT_END_EVENT);
	if (l->event.type != YAML_STREAM_END_EVENT)
		wrong(l, "a second document begins here: only one is allowed");
}

static int load_text(struct loader *l)
{
	const unsigned int before_cnt = l->errors->cnt + l->errors->more_cnt;

	if (l->text.n > CONFIG_FILE_MAX) {
		config_errors__add(l->errors, "%s: larger than %u bytes", l->file, CONFIG_FILE_MAX);
		return -EINVAL;
	}
	if (!yaml_parser_initialize(&l->parser)) {
		config_errors__add(l->errors, "%s: out of memory", l->file);
		return -EINVAL;
	}
	yaml_parser_set_input_string(&l->parser, (const unsigned char *)l->text.p, l->text.n);
	load_stream(l);
	yaml_event_delete(&l->event);
	yaml_parser_delete(&l->parser);
	return l->errors->cnt + l->errors->more_cnt > before_cnt ? -EINVAL : 0;
}

int config__load_text(struct config *c, const char *name, struct slice text,
		      struct config_errors *errors)
{
	struct loader l = {
		.file = name,
		.text = text,
		.config = c,
		.errors = errors,
		.source = SOURCE_FILE,
	};

	return load_text(&l);
}

int config__load_value(struct config *c, const struct setting *row, enum config_source source,
		       const char *name, struct slice text, struct config_errors *errors)
{
	struct loader l = {
		.file = name,
		.text = text,
		.config = c,
		.errors = errors,
		.source = source,
		.only = row,
	};

	return load_text(&l);
}

/* Up to max bytes; the count, or a negative errno. */
static ssize_t read_all(const char *file, char *buf, size_t max)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1, err = 0;
	size_t len = 0;

	if (fd < 0)
		return -errno;
	while (len < max && n > 0) {
		n = read(fd, buf + len, max - len);
		if (n > 0)
			len += (size_t)n;
	}
	if (n < 0)
		err = -errno;
	close(fd);
	return err ?: (ssize_t)len;
}

int config__load_file(struct config *c, const char *file, struct config_errors *errors)
{
	char *buf = malloc(CONFIG_FILE_MAX + 1); /* one more shows that it is too large */
	ssize_t len = buf ? read_all(file, buf, CONFIG_FILE_MAX + 1) : -ENOMEM;
	int err = -EINVAL;

	if (len < 0)
		config_errors__add(errors, "%s: cannot be read: %s", file, strerror((int)-len));
	else
		err = config__load_text(c, file, slice_of(buf, (size_t)len), errors);
	free(buf);
	return err;
}
