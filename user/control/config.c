// SPDX-License-Identifier: Apache-2.0
/* The life of a configuration: defaults, environment, flags, checks, reload. */
#include "user/control/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "user/control/value.h"

void config_errors__add(struct config_errors *errors, const char *format, ...)
{
	va_list args;
	char *line;

	if (errors->cnt == CONFIG_ERRORS_MAX) {
		errors->more_cnt++;
		return;
	}
	line = errors->text[errors->cnt++];
	va_start(args, format);
	vsnprintf(line, sizeof(errors->text[0]), format, args);
	va_end(args);
	for (; *line; line++)
		if (iscntrl((unsigned char)*line))
			*line = '?';
}

void config_errors__print(const struct config_errors *errors, FILE *out)
{
	for (unsigned int i = 0; i < errors->cnt; i++)
		fprintf(out, "%s\n", errors->text[i]);
	if (errors->more_cnt)
		fprintf(out, "and %u more\n", errors->more_cnt);
}

const struct setting *setting_find(const char *path)
{
	for (size_t i = 0; i < settings_cnt; i++)
		if (strcmp(settings[i].path, path) == 0)
			return &settings[i];
	return NULL;
}

const char *config_variant_name(const struct config *c)
{
	return setting_find("capture.variant")->choices[c->capture.variant];
}

const char *setting_env(const struct setting *row, char name[SETTING_ENV_MAX])
{
	snprintf(name, SETTING_ENV_MAX, "SONDE_%s", row->path);
	for (char *p = name; *p; p++)
		*p = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
	return name;
}

int config__init(struct config *c)
{
	*c = (struct config){0};
	for (size_t i = 0; i < settings_cnt; i++) {
		union value value = {0};
		struct reason why;

		/* A default cannot be wrong (there is a test), so this is memory. */
		if (value_parse(&settings[i], settings[i].fallback, &value, &why) < 0)
			return -ENOMEM;
		value_offer(c, &settings[i], SOURCE_DEFAULT, &value);
	}
	return 0;
}

void config__free(struct config *c)
{
	for (size_t i = 0; i < settings_cnt; i++) {
		union value value;

		value_fetch(c, &settings[i], &value);
		value_free(&settings[i], &value);
	}
	*c = (struct config){0};
}

static bool is_many(const struct setting *row)
{
	return row->type == SETTING_TEXTS || row->type == SETTING_INTS || row->type == SETTING_MAP;
}

int config__set(struct config *c, const struct setting *row, enum config_source source,
		const char *where, const char *text, struct config_errors *errors)
{
	const union value none = {0};
	union value value = {0};
	struct reason why;
	int err;

	if (source == SOURCE_FLAG && is_many(row) && c->source[row - settings] == SOURCE_FLAG) {
		value_fetch(c, row, &value); /* add to what an earlier flag began */
		value_store(c, row, &none);
	}
	if (row->type == SETTING_ITEMS && *text)
		return config__load_value(c, row, source, where, slice_str(text), errors);
	err = value_parse(row, text, &value, &why);
	if (!err) {
		value_offer(c, row, source, &value);
		return 0;
	}
	config_errors__add(errors, "%s: %s", where, why.text);
	value_free(row, &value);
	return err;
}

int config__load_env(struct config *c, struct config_errors *errors)
{
	int err = 0;

	for (size_t i = 0; i < settings_cnt; i++) {
		const struct setting *row = &settings[i];
		char own[SETTING_ENV_MAX];
		const char *name = setting_env(row, own), *text = getenv(name);

		if (!text && row->env_also) {
			name = row->env_also;
			text = getenv(name);
		}
		if (text && config__set(c, row, SOURCE_ENV, name, text, errors) < 0)
			err = -EINVAL;
	}
	return err;
}

static void check_headers(const char *path, const struct text_list *list,
			  struct config_errors *errors)
{
	if (list->cnt > CONFIG_HEADERS_MAX)
		config_errors__add(errors, "%s has more than %d names", path, CONFIG_HEADERS_MAX);
}

int config__check(const struct config *c, struct config_errors *errors)
{
	const unsigned int before_cnt = errors->cnt + errors->more_cnt;

	if (!c->export.client_certificate != !c->export.client_key)
		config_errors__add(
			errors, "export.client_certificate and export.client_key need each other: "
				"set both or none");
	if (c->export.batch_cnt > c->export.queue_cnt)
		config_errors__add(
			errors, "export.batch_size (%llu) is greater than export.queue_size (%llu)",
			(unsigned long long)c->export.batch_cnt,
			(unsigned long long)c->export.queue_cnt);
	if (c->capture.copy_first_sz > c->capture.copy_turn_sz)
		config_errors__add(errors,
				   "capture.copy_first (%llu bytes) is greater than "
				   "capture.copy_turn (%llu bytes)",
				   (unsigned long long)c->capture.copy_first_sz,
				   (unsigned long long)c->capture.copy_turn_sz);
	if (c->triggers.enabled && !c->profiles.enabled)
		config_errors__add(errors, "triggers.enabled needs profiles.enabled");
	if (c->triggers.enabled && c->triggers.frequency_hz <= c->profiles.frequency_hz)
		config_errors__add(
			errors,
			"triggers.frequency (%llu) is not greater than profiles.frequency (%llu)",
			(unsigned long long)c->triggers.frequency_hz,
			(unsigned long long)c->profiles.frequency_hz);
	check_headers("http.capture_request_headers", &c->http.capture_request_headers, errors);
	check_headers("http.capture_response_headers", &c->http.capture_response_headers, errors);
	return errors->cnt + errors->more_cnt > before_cnt ? -EINVAL : 0;
}

void config__reload(struct config *running, struct config *fresh, struct config_changes *changes)
{
	*changes = (struct config_changes){0};
	for (size_t i = 0; i < settings_cnt; i++) {
		const struct setting *row = &settings[i];
		uint8_t source = running->source[i];
		union value old, new;

		value_fetch(running, row, &old);
		value_fetch(fresh, row, &new);
		if (value_equal(row, &old, &new))
			continue;
		if (!row->reloadable) {
			changes->restart[changes->restart_cnt++] = row;
			continue;
		}
		value_store(running, row, &new);
		value_store(fresh, row, &old);
		running->source[i] = fresh->source[i];
		fresh->source[i] = source;
		changes->applied[changes->applied_cnt++] = row;
	}
}
