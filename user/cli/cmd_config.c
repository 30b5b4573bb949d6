// SPDX-License-Identifier: Apache-2.0
/* Checks, prints and documents the configuration. */
#include "user/cli/cmd_config.h"

static int check(const char *file, FILE *out, FILE *err)
{
	struct config_errors errors = {0};
	struct config config;
	int failed;

	failed = config__init(&config) < 0 || config__load_file(&config, file, &errors) < 0 ||
		 config__check(&config, &errors) < 0;
	config__free(&config);
	config_errors__print(&errors, err);
	if (!failed)
		fprintf(out, "%s: ok\n", file);
	return failed;
}

static void print_default(const struct setting *row, FILE *out)
{
	if (*row->fallback)
		fprintf(out, "`%s`", row->fallback);
	else
		fprintf(out, "none");
}

static void print_values(const struct setting *row, FILE *out)
{
	static const char *const kinds[] = {
		[SETTING_BOOL] = "`true` or `false`",
		[SETTING_INT] = "number",
		[SETTING_SIZE] = "size",
		[SETTING_DURATION] = "duration",
		[SETTING_SHARE] = "share",
		[SETTING_CHOICE] = "",
		[SETTING_TEXT] = "text",
		[SETTING_TEXTS] = "list of texts",
		[SETTING_INTS] = "list of numbers",
		[SETTING_MAP] = "names with texts",
		[SETTING_ITEMS] = "list of mappings, below",
	};
	char least[SETTING_NUM_MAX], most[SETTING_NUM_MAX];

	fprintf(out, "%s", kinds[row->type]);
	for (size_t i = 0; row->choices && row->choices[i]; i++)
		fprintf(out, "%s`%s`", i ? ", " : "", row->choices[i]);
	if (row->zero)
		fprintf(out, " or `%s`", row->zero);
	if (row->max)
		fprintf(out, ", %s to %s", setting_num_text(row, row->min, least),
			setting_num_text(row, row->max, most));
}

static void doc_row(const struct setting *row, FILE *out)
{
	char env[SETTING_ENV_MAX];

	fprintf(out, "| `%s` | %s | ", strchr(row->path, '.') + 1, row->help);
	print_values(row, out);
	fprintf(out, " | ");
	print_default(row, out);
	fprintf(out, " | `%s`", setting_env(row, env));
	if (row->env_also)
		fprintf(out, ", `%s`", row->env_also);
	fprintf(out, " | ");
	if (row->letter)
		fprintf(out, "`-%c`, ", row->letter);
	if (row->flag)
		fprintf(out, "`--%s`", row->flag);
	fprintf(out, " | %s |\n", row->reloadable ? "reload" : "restart");
}

/* The fields of a section's lists of mappings, behind its table. */
static void doc_fields(struct slice section, FILE *out)
{
	for (size_t i = 0; i < settings_cnt; i++) {
		const struct setting *row = &settings[i];

		if (!row->fields ||
		    !slice_eq(slice_first(slice_str(row->path), section.n), section) ||
		    row->path[section.n] != '.')
			continue;
		fprintf(out,
			"\nAn item of `%s`:\n\n| Name | What it is | Values | Default |\n"
			"|---|---|---|---|\n",
			row->path);
		for (size_t k = 0; k < row->fields_cnt; k++) {
			const struct setting *field = &row->fields[k];

			fprintf(out, "| `%s` | %s | ", field->path, field->help);
			print_values(field, out);
			fprintf(out, " | ");
			if (field->fallback)
				print_default(field, out);
			else
				fprintf(out, "must be given");
			fprintf(out, " |\n");
		}
	}
}

static const char introduction[] =
	"# Configuration\n\n"
	"This page is what `sonde config doc` prints of the table in `user/control/settings.c`, which\n"
	"also serves the file, the environment, the command line and `--help`.\n\n"
	"A setting is given in a YAML file (`-c FILE`; `sonde agent` reads\n"
	"`" CONFIG_FILE_DEFAULT
	"` if there is one), as a variable of the environment, or as a flag.\n"
	"A flag wins over the environment, that over the file, that over the default.\n"
	"[deploy/sonde.yaml](../deploy/sonde.yaml) shows every setting. `sonde config check FILE` says\n"
	"what is wrong with a file, by line and column; `sonde config print` shows the values in force\n"
	"and where each came from.\n\n"
	"Sizes are written `512KiB` or `8MiB`, durations `20ms`, `1.5s` or `10m`. In a variable, commas\n"
	"separate the items of a list, names with texts are `NAME=TEXT`, and a list of mappings is\n"
	"written as in the file: `[{attribute: user.id, action: hash}]`. On SIGHUP the agent takes over\n"
	"changes of the settings marked \"reload\"; the others need a restart.\n\n"
	"Of export, OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_*`, `OTEL_BSP_*`) are read too;\n"
	"the settings here win over them.\n\n";

static void doc(FILE *out)
{
	struct slice section = SLICE("");

	fprintf(out, "%s", introduction);
	for (size_t i = 0; i < settings_cnt; i++) {
		const struct setting *row = &settings[i];
		struct slice of = slice_of(row->path, strcspn(row->path, "."));

		if (row->hidden)
			continue;
		if (section.n && !slice_eq(of, section))
			doc_fields(section, out);
		if (!slice_eq(of, section))
			fprintf(out,
				"%s## %.*s\n\n"
				"| Setting | What it does | Values | Default | Environment | Flag | "
				"A change needs |\n|---|---|---|---|---|---|---|\n",
				section.n ? "\n" : "", (int)of.n, of.p);
		section = of;
		doc_row(row, out);
	}
	doc_fields(section, out);
}

int cmd_config(const struct options *o, FILE *out, FILE *err)
{
	if (o->command == COMMAND_CONFIG_CHECK)
		return check(o->file, out, err);
	if (o->command == COMMAND_CONFIG_DOC)
		doc(out);
	else
		config__print(&o->config, out);
	return 0;
}
