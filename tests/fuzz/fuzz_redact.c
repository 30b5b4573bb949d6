// SPDX-License-Identifier: Apache-2.0
/*
 * Redaction of attributes. The first byte chooses: a text, redacted by its key and its value; JSON
 * lines; or a rule's pattern (the first line) on the text that follows. What was masked stays masked,
 * no card, token or address is left in any layer of the text, and JSON stays JSON.
 */
#include <jansson.h>
#include <stdlib.h>

#include "tests/fuzz/check.h"
#include "user/base/utf8.h"
#include "user/policy/finds.h"
#include "user/policy/layers.h"
#include "user/policy/redact_json.h"
#include "user/policy/values.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct redactor *new_redactor(const struct redact_rule *rules, size_t rules_cnt)
{
	static const char *const patterns[] = {"card", "jwt", "bearer", "basic", "email"};
	struct redact_options options = {
		.patterns = patterns,
		.patterns_cnt = 5,
		.rules = rules,
		.rules_cnt = rules_cnt,
		.hash_key = SLICE("key"),
	};
	char why[REDACT_WHY_SZ];

	return redactor__new(&options, why);
}

static struct redactor *redactor(void)
{
	static struct redactor *r;

	r = r ?: new_redactor(NULL, 0);
	CHECK(r);
	return r;
}

static struct slice take_line(struct slice *text)
{
	ptrdiff_t at = slice_find(*text, '\n');
	struct slice line = at < 0 ? *text : slice_first(*text, (size_t)at);

	*text = slice_after(*text, line.n + (at >= 0));
	return line;
}

/* --- texts ------------------------------------------------------------------------------------ */

static const char *const keys[] = {
	"text",
	"url.path",
	"url.query",
	"url.full",
	"http.request.header.referer",
	"span.name",
	"process.command_line",
	"http.response.header.set-cookie",
};

static struct slice redact(struct redactor *r, struct slice key, struct slice value,
			   struct arena *arena)
{
	struct attr attr = {.key = key, .type = ATTR_STRING, .str = value};

	CHECK(redactor__attr(r, &attr, arena));
	return attr.str;
}

/* What the patterns find in a text that has been redacted: nothing but masks. */
static void check_clean(struct slice text)
{
	static struct values values;
	static struct layers layers;
	static struct finds finds;

	if (!values.patterns[VALUE_CARD])
		CHECK(values__init(&values, (1u << VALUE_KINDS) - 1) == 0);
	if (!values__suspect(text))
		return;
	finds__clear(&finds);
	values__find(&values, &layers, text, &finds);
	CHECK(finds.cnt == 0 && !finds.all);
}

static void fuzz_text(struct slice text)
{
	struct slice key, once, twice;
	struct arena arena, small;

	if (text.n < 2)
		return;
	key = slice_str(keys[(unsigned char)text.p[0] % (sizeof(keys) / sizeof(*keys))]);
	arena__init(&arena, 8 << 20);
	arena__init(&small, (unsigned char)text.p[1]);
	text = slice_after(text, 2);
	once = redact(redactor(), key, text, &arena);
	check_clean(once);
	twice = redact(redactor(), key, once, &arena);
	CHECK(slice_eq(once, twice));
	check_clean(redact(redactor(), key, text, &small));
	arena__free(&arena);
	arena__free(&small);
}

/* --- rules ------------------------------------------------------------------------------------ */

/* Whatever the pattern, masked as one byte nothing grows, and it ends. */
static void fuzz_rule(struct slice text)
{
	struct slice line = take_line(&text), out;
	char pattern[256];
	struct redact_rule rule = {"text", pattern, REDACT_MASK, "-"};
	struct redactor *r;
	struct arena arena;

	snprintf(pattern, sizeof(pattern), "%.*s", (int)line.n, line.p);
	r = new_redactor(&rule, 1);
	if (!r)
		return;
	arena__init(&arena, 8 << 20);
	out = redact(r, SLICE("text"), slice_first(text, 512), &arena);
	check_clean(out);
	arena__free(&arena);
	redactor__free(r);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void fuzz_json(struct slice text)
{
	struct json_writer once, twice;
	struct arena arena;
	json_t *value;

	arena__init(&arena, 8 << 20);
	json_writer__init(&once, 1 << 20);
	json_writer__init(&twice, 1 << 20);
	if (redact_json(redactor(), text, &once, &arena)) {
		/* jansson knows no numbers beyond its types, nor keys with a NUL */
		json_error_t error;

		value = json_loadb(once.buf, once.len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL,
				   &error);
		CHECK(value || json_error_code(&error) == json_error_numeric_overflow ||
		      json_error_code(&error) == json_error_null_byte_in_key);
		json_decref(value);
		CHECK(redact_json(redactor(), json_writer__text(&once), &twice, &arena));
		CHECK(!utf8_is_valid(text) || /* else what is not UTF-8 has become longer */
		      slice_eq(json_writer__text(&once), json_writer__text(&twice)));
	} else if (text.n <= 60 && !memchr(text.p ?: "", '\0', text.n)) {
		/* longer ones may be too deep, and jansson passes over NUL */
		value = json_loadb(text.p ?: "", text.n, JSON_ALLOW_NUL, NULL);
		CHECK(!json_is_object(value));
		json_decref(value);
	}
	json_writer__free(&once);
	json_writer__free(&twice);
	arena__free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static void (*const targets[])(struct slice) = {fuzz_text, fuzz_rule, fuzz_json};

	if (len)
		targets[bytes[0] % 3](slice_of((const char *)bytes + 1, len - 1));
	return 0;
}
