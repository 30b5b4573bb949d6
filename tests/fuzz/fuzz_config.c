// SPDX-License-Identifier: Apache-2.0
/*
 * The configuration file. Whatever is in it, loading ends with a reason or without one; and what was
 * accepted is printed as a file that is accepted again and says the same.
 */
#include <stdlib.h>

#include "tests/fuzz/check.h"
#include "user/control/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void print_and_load(struct config *c)
{
	static struct config_errors errors;
	struct config_changes changes;
	struct config again;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	CHECK(out);
	config__print(c, out);
	CHECK(fclose(out) == 0);
	errors = (struct config_errors){0};
	CHECK(config__init(&again) == 0);
	if (len <= CONFIG_FILE_MAX) /* escapes can make it longer than the file it came from */
		CHECK(config__load_text(&again, "printed", slice_of(text, len), &errors) == 0);
	free(text);
	config__reload(c, &again, &changes);
	if (len <= CONFIG_FILE_MAX) {
		CHECK(changes.applied_cnt == 0);
		for (size_t i = 0; i < changes.restart_cnt; i++)
			CHECK(changes.restart[i]->secret);
	}
	config__free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct config_errors errors;
	struct config c;
	int err;

	errors = (struct config_errors){0};
	CHECK(config__init(&c) == 0);
	err = config__load_text(&c, "fuzz", slice_of((const char *)bytes, len), &errors);
	CHECK(!err == !errors.cnt);
	if (!err)
		print_and_load(&c);
	config__free(&c);
	return 0;
}
