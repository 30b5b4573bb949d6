// SPDX-License-Identifier: Apache-2.0
/* Values of settings: parsed from text, bounded, compared and freed by their row's type. */
#include "user/control/value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "user/base/utf8.h"

#define SHOWN_MAX 64	     /* bytes of a wrong value that a message repeats */
#define FRACTION_MAX 1000000 /* six digits: a value of milliseconds is exact to the ns */

struct unit {
	const char *name;
	uint64_t scale;
};

/* Largest first, as values are printed in the largest unit that is exact. */
static const struct unit size_units[] = {
	{.name = "GiB", .scale = 1ull << 30},
	{.name = "MiB", .scale = 1ull << 20},
	{.name = "KiB", .scale = 1ull << 10},
	{.name = "", .scale = 1},
};
static const struct unit duration_units[] = {
	{.name = "m", .scale = 60000000000ull},
	{.name = "s", .scale = 1000000000ull},
	{.name = "ms", .scale = 1000000ull},
	{.name = "", .scale = 1000000000ull}, /* only where a bare number is allowed */
};

static const struct unit share_units[] = {{.name = "", .scale = 1000000}};

#define SIZE_UNITS (sizeof(size_units) / sizeof(size_units[0]))
#define DURATION_UNITS (sizeof(duration_units) / sizeof(duration_units[0]))
#define BARE_SECONDS DURATION_UNITS
#define UNIT_NEEDED (DURATION_UNITS - 1)

static int __attribute__((format(printf, 2, 3))) refuse(struct reason *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return -EINVAL;
}

static int refuse_memory(struct reason *why)
{
	return refuse(why, "out of memory");
}

/* A decimal number, perhaps with a fraction, and one of the units. */
static int parse_scaled(const char *text, const struct unit *units, size_t cnt, uint64_t *out)
{
	uint64_t whole = 0, fraction = 0, one = 1;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
			return -ERANGE;
	if (p == text)
		return -EINVAL;
	if (*p == '.') {
		for (p++; *p >= '0' && *p <= '9' && one < FRACTION_MAX; p++, one *= 10)
			fraction = fraction * 10 + (uint64_t)(*p - '0');
		if (one == 1)
			return -EINVAL;
	}
	for (size_t i = 0; i < cnt; i++) {
		if (strcmp(p, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(whole, units[i].scale, &whole) ||
		    __builtin_add_overflow(whole, fraction * units[i].scale / one, out))
			return -ERANGE;
		return 0;
	}
	return -EINVAL;
}

int duration_parse(const char *text, bool bare_seconds, uint64_t *ns)
{
	return parse_scaled(text, duration_units, bare_seconds ? BARE_SECONDS : UNIT_NEEDED, ns);
}

const char *setting_num_text(const struct setting *row, uint64_t num, char text[SETTING_NUM_MAX])
{
	const struct unit *unit = &size_units[SIZE_UNITS - 1];
	unsigned long long whole, rest;
	int digits = 6; /* of the fraction, which only a duration in ms and a share can have */

	if (row->zero && num == 0)
		return row->zero;
	if (row->type == SETTING_SIZE && num)
		for (unit = size_units; num % unit->scale; unit++)
			;
	if (row->type == SETTING_DURATION)
		for (unit = duration_units; unit->scale > 1000000 && num % unit->scale; unit++)
			;
	if (row->type == SETTING_SHARE)
		unit = share_units;
	whole = num / unit->scale;
	rest = num % unit->scale;
	for (; rest && rest % 10 == 0; rest /= 10)
		digits--;
	if (rest)
		snprintf(text, SETTING_NUM_MAX, "%llu.%0*llu%s", whole, digits, rest, unit->name);
	else
		snprintf(text, SETTING_NUM_MAX, "%llu%s", whole, unit->name);
	return text;
}

const char *setting_type_text(const struct setting *row)
{
	static const char *const names[] = {
		[SETTING_BOOL] = "true or false",
		[SETTING_INT] = "a number",
		[SETTING_SIZE] = "a size such as 512KiB or 8MiB",
		[SETTING_DURATION] = "a duration such as 20ms, 1.5s or 10m",
		[SETTING_SHARE] = "a share such as 0.05 or 1",
		[SETTING_CHOICE] = "a word",
		[SETTING_TEXT] = "text",
		[SETTING_TEXTS] = "a list of texts",
		[SETTING_INTS] = "a list of numbers",
		[SETTING_MAP] = "a mapping of names to texts",
		[SETTING_ITEMS] = "a list of mappings",
	};

	return names[row->type];
}

/* May it stand in a file of settings, and be shown? -1 may not. */
static bool is_printable(int32_t code)
{
	return code >= 0 && !utf8_is_control(code) && code != 0x2028 && code != 0x2029 &&
	       code != 0xfeff && (code & 0xfffe) != 0xfffe;
}

static int check_text(const char *text, size_t max, struct reason *why)
{
	struct slice rest = slice_str(text);
	int32_t code;

	if (rest.n > max)
		return refuse(why, "longer than %zu bytes", max);
	while (rest.n) {
		rest = slice_after(rest, utf8_decode(rest, &code));
		if (!is_printable(code))
			return refuse(why, "contains a control character or is not UTF-8");
	}
	return 0;
}

static int check_item(const struct setting *row, const char *text, struct reason *why)
{
	const char *wrong;
	int err = check_text(text, CONFIG_TEXT_MAX, why);

	if (err)
		return err;
	wrong = row->check ? row->check(text) : NULL;
	return wrong ? refuse(why, "'%.*s': %s", SHOWN_MAX, text, wrong) : 0;
}

static int parse_num(const struct setting *row, const char *text, uint64_t *num, struct reason *why)
{
	char least[SETTING_NUM_MAX], most[SETTING_NUM_MAX];
	uint64_t n = 0;
	int err = -EINVAL;

	if (row->zero && strcmp(text, row->zero) == 0) {
		*num = 0;
		return 0;
	}
	if (row->type == SETTING_SIZE)
		err = parse_scaled(text, size_units, SIZE_UNITS, &n);
	else if (row->type == SETTING_DURATION)
		err = duration_parse(text, false, &n);
	else if (row->type == SETTING_SHARE)
		err = parse_scaled(text, share_units, 1, &n);
	else if (*text && !text[strspn(text, "0123456789")])
		err = slice_to_u64(slice_str(text), &n) ? 0 : -ERANGE;
	if (err == -EINVAL)
		return refuse(why, "'%.*s' is not %s", SHOWN_MAX, text,
			      row->type == SETTING_INTS ? "a number" : setting_type_text(row));
	if (err || n < row->min || n > row->max)
		return refuse(why, "%.*s is out of range (%s to %s)", SHOWN_MAX, text,
			      setting_num_text(row, row->min, least),
			      setting_num_text(row, row->max, most));
	if (row->power_of_two && (n & (n - 1)))
		return refuse(why, "%.*s is not a power of two", SHOWN_MAX, text);
	*num = n;
	return 0;
}

static int parse_bool(const char *text, bool *on, struct reason *why)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i]) == 0) {
			*on = i % 2;
			return 0;
		}
	}
	return refuse(why, "'%.*s' is not true or false", SHOWN_MAX, text);
}

static int parse_choice(const struct setting *row, const char *text, unsigned int *choice,
			struct reason *why)
{
	char all[128];
	size_t used = 0;

	for (unsigned int i = 0; row->choices[i]; i++) {
		if (strcmp(text, row->choices[i]) == 0) {
			*choice = i;
			return 0;
		}
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "",
					 row->choices[i]);
	}
	return refuse(why, "'%.*s' is not one of %s", SHOWN_MAX, text, all);
}

static int parse_text(const struct setting *row, const char *text, char **out, struct reason *why)
{
	int err;

	if (!*text)
		return 0;
	err = check_item(row, text, why);
	if (err)
		return err;
	*out = strdup(text);
	return *out ? 0 : refuse_memory(why);
}

/* Makes room for one item more; NULL with the reason when there is none. */
static void *grow(void *items, size_t cnt, size_t item_sz, struct reason *why)
{
	void *more;

	if (cnt == CONFIG_ITEMS_MAX) {
		refuse(why, "more than %d items", CONFIG_ITEMS_MAX);
		return NULL;
	}
	if (items && (cnt & (cnt - 1))) /* full only at a power of two */
		return items;
	more = reallocarray(items, cnt ? cnt * 2 : 1, item_sz);
	if (!more)
		refuse_memory(why);
	return more;
}

static int add_num(const struct setting *row, const char *text, struct num_list *list,
		   struct reason *why)
{
	uint64_t num = 0, *v;
	int err = parse_num(row, text, &num, why);

	if (err)
		return err;
	v = grow(list->v, list->cnt, sizeof(*v), why);
	if (!v)
		return -EINVAL;
	list->v = v;
	v[list->cnt++] = num;
	return 0;
}

static int add_text(const struct setting *row, const char *text, struct text_list *list,
		    struct reason *why)
{
	char **v;
	int err;

	if (!*text)
		return refuse(why, "an item is empty");
	err = check_item(row, text, why);
	if (err)
		return err;
	v = grow(list->v, list->cnt, sizeof(*v), why);
	if (!v)
		return -EINVAL;
	list->v = v;
	v[list->cnt] = strdup(text);
	if (!v[list->cnt])
		return refuse_memory(why);
	list->cnt++;
	return 0;
}

int value_add(const struct setting *row, const char *text, union value *value, struct reason *why)
{
	return row->type == SETTING_INTS ? add_num(row, text, &value->nums, why)
					 : add_text(row, text, &value->texts, why);
}

int value_add_pair(const struct setting *row, const char *key, const char *text, union value *value,
		   struct reason *why)
{
	struct text_map *map = &value->map;
	struct text_pair *v, pair;
	int err;

	if (!*key)
		return refuse(why, "a name is empty");
	err = check_text(key, CONFIG_KEY_MAX, why) ?: check_item(row, text, why);
	if (err)
		return err;
	for (size_t i = 0; i < map->cnt; i++)
		if (strcmp(map->v[i].key, key) == 0)
			return refuse(why, "'%.*s' is set twice", SHOWN_MAX, key);
	v = grow(map->v, map->cnt, sizeof(*v), why);
	if (!v)
		return -EINVAL;
	map->v = v;
	pair = (struct text_pair){.key = strdup(key), .value = strdup(text)};
	if (!pair.key || !pair.value) {
		free(pair.key);
		free(pair.value);
		return refuse_memory(why);
	}
	v[map->cnt++] = pair;
	return 0;
}

/* %2C and the like, in place. %00 is refused. */
static int percent_decode(char *text)
{
	char *out = text;

	for (const char *p = text; *p; out++) {
		bool coded = *p == '%';
		int byte = coded ? slice_percent_byte(slice_of(p, strnlen(p, 3))) : (uint8_t)*p;

		if (byte <= 0)
			return -EINVAL;
		*out = (char)byte;
		p += coded ? 3 : 1;
	}
	*out = '\0';
	return 0;
}

/* Without the spaces around it, in place. */
static char *trim(char *text)
{
	struct slice trimmed = slice_trim(slice_str(text));

	text += trimmed.p - text;
	text[trimmed.n] = '\0';
	return text;
}

/* "key=value"; changes item. */
static int parse_pair(const struct setting *row, char *item, union value *value, struct reason *why)
{
	char *key = strsep(&item, "=");

	if (!item)
		return refuse(why, "expected NAME=VALUE,NAME=VALUE...");
	if (percent_decode(item) < 0)
		return refuse(why, "a value has a '%%' that two hexadecimal digits do not follow");
	return value_add_pair(row, trim(key), trim(item), value, why);
}

static int parse_items(const struct setting *row, const char *text, union value *value,
		       struct reason *why)
{
	char *copy = strdup(text), *rest = copy, *item;
	int err = copy ? 0 : refuse_memory(why);

	while (!err && (item = strsep(&rest, ","))) {
		item = trim(item);
		if (!*item)
			continue;
		err = row->type == SETTING_MAP ? parse_pair(row, item, value, why)
					       : value_add(row, item, value, why);
	}
	free(copy);
	return err;
}

int value_parse(const struct setting *row, const char *text, union value *value, struct reason *why)
{
	switch (row->type) {
	case SETTING_BOOL:
		return parse_bool(text, &value->on, why);
	case SETTING_INT:
	case SETTING_SIZE:
	case SETTING_DURATION:
	case SETTING_SHARE:
		return parse_num(row, text, &value->num, why);
	case SETTING_CHOICE:
		return parse_choice(row, text, &value->choice, why);
	case SETTING_TEXT:
		return parse_text(row, text, &value->text, why);
	case SETTING_TEXTS:
	case SETTING_INTS:
	case SETTING_MAP:
		break;
	case SETTING_ITEMS: /* config__load_value reads those */
		return *text ? refuse(why, "expected %s", setting_type_text(row)) : 0;
	}
	return parse_items(row, text, value, why);
}

static bool texts_equal(const struct text_list *a, const struct text_list *b)
{
	for (size_t i = 0; i < a->cnt && i < b->cnt; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return a->cnt == b->cnt;
}

static bool maps_equal(const struct text_map *a, const struct text_map *b)
{
	for (size_t i = 0; i < a->cnt && i < b->cnt; i++)
		if (strcmp(a->v[i].key, b->v[i].key) != 0 ||
		    strcmp(a->v[i].value, b->v[i].value) != 0)
			return false;
	return a->cnt == b->cnt;
}

static void *item_at(const struct setting *row, const struct item_list *list, size_t i)
{
	return (char *)list->v + i * row->item_sz;
}

static bool item_equal(const struct setting *row, const void *a, const void *b)
{
	for (size_t i = 0; i < row->fields_cnt; i++) {
		union value x, y;

		value_fetch(a, &row->fields[i], &x);
		value_fetch(b, &row->fields[i], &y);
		if (!value_equal(&row->fields[i], &x, &y))
			return false;
	}
	return true;
}

static bool items_equal(const struct setting *row, const struct item_list *a,
			const struct item_list *b)
{
	for (size_t i = 0; i < a->cnt && i < b->cnt; i++)
		if (!item_equal(row, item_at(row, a, i), item_at(row, b, i)))
			return false;
	return a->cnt == b->cnt;
}

static void free_items(const struct setting *row, struct item_list *list)
{
	for (size_t i = 0; i < list->cnt; i++) {
		for (size_t k = 0; k < row->fields_cnt; k++) {
			union value value;

			value_fetch(item_at(row, list, i), &row->fields[k], &value);
			value_free(&row->fields[k], &value);
		}
	}
	free(list->v);
}

void *value_add_item(const struct setting *row, union value *value, struct reason *why)
{
	struct item_list *list = &value->items;
	void *v = grow(list->v, list->cnt, row->item_sz, why), *item;

	if (!v)
		return NULL;
	list->v = v;
	item = item_at(row, list, list->cnt++);
	memset(item, 0, row->item_sz);
	for (size_t i = 0; i < row->fields_cnt; i++) {
		union value field = {0};

		if (value_parse(&row->fields[i], row->fields[i].fallback ?: "", &field, why) < 0)
			return NULL;
		value_store(item, &row->fields[i], &field);
	}
	return item;
}

bool value_equal(const struct setting *row, const union value *a, const union value *b)
{
	switch (row->type) {
	case SETTING_BOOL:
		return a->on == b->on;
	case SETTING_CHOICE:
		return a->choice == b->choice;
	case SETTING_TEXT:
		return strcmp(a->text ?: "", b->text ?: "") == 0;
	case SETTING_TEXTS:
		return texts_equal(&a->texts, &b->texts);
	case SETTING_INTS:
		return a->nums.cnt == b->nums.cnt &&
		       (!a->nums.cnt ||
			memcmp(a->nums.v, b->nums.v, a->nums.cnt * sizeof(*a->nums.v)) == 0);
	case SETTING_MAP:
		return maps_equal(&a->map, &b->map);
	case SETTING_ITEMS:
		return items_equal(row, &a->items, &b->items);
	case SETTING_INT:
	case SETTING_SIZE:
	case SETTING_DURATION:
	case SETTING_SHARE:
		break;
	}
	return a->num == b->num;
}

void value_free(const struct setting *row, union value *value)
{
	switch (row->type) {
	case SETTING_TEXT:
		free(value->text);
		break;
	case SETTING_TEXTS:
		for (size_t i = 0; i < value->texts.cnt; i++)
			free(value->texts.v[i]);
		free(value->texts.v);
		break;
	case SETTING_INTS:
		free(value->nums.v);
		break;
	case SETTING_MAP:
		for (size_t i = 0; i < value->map.cnt; i++) {
			free(value->map.v[i].key);
			free(value->map.v[i].value);
		}
		free(value->map.v);
		break;
	case SETTING_ITEMS:
		free_items(row, &value->items);
		break;
	case SETTING_BOOL:
	case SETTING_INT:
	case SETTING_SIZE:
	case SETTING_DURATION:
	case SETTING_SHARE:
	case SETTING_CHOICE:
		break;
	}
	*value = (union value){0};
}

static size_t stored_sz(const struct setting *row)
{
	static const size_t sizes[] = {
		[SETTING_BOOL] = sizeof(bool),
		[SETTING_INT] = sizeof(uint64_t),
		[SETTING_SIZE] = sizeof(uint64_t),
		[SETTING_DURATION] = sizeof(uint64_t),
		[SETTING_SHARE] = sizeof(uint64_t),
		[SETTING_CHOICE] = sizeof(unsigned int),
		[SETTING_TEXT] = sizeof(char *),
		[SETTING_TEXTS] = sizeof(struct text_list),
		[SETTING_INTS] = sizeof(struct num_list),
		[SETTING_MAP] = sizeof(struct text_map),
		[SETTING_ITEMS] = sizeof(struct item_list),
	};

	return sizes[row->type];
}

void value_fetch(const void *owner, const struct setting *row, union value *value)
{
	*value = (union value){0};
	memcpy(value, (const char *)owner + row->offset, stored_sz(row));
}

void value_store(void *owner, const struct setting *row, const union value *value)
{
	memcpy((char *)owner + row->offset, value, stored_sz(row));
}

void value_offer(struct config *c, const struct setting *row, enum config_source source,
		 union value *value)
{
	uint8_t *from = &c->source[row - settings];
	union value old;

	if (source < *from) {
		value_free(row, value);
		return;
	}
	value_fetch(c, row, &old);
	value_free(row, &old);
	value_store(c, row, value);
	*value = (union value){0};
	*from = (uint8_t)source;
}
