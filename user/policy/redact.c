// SPDX-License-Identifier: Apache-2.0
/* Goes through attributes: by key, by rule, by value. */
#include "user/policy/redact.h"

#include <stdio.h>
#include <stdlib.h>

#include "user/base/account.h"
#include "user/base/hmac.h"
#include "user/policy/redact_command.h"
#include "user/policy/secret_names.h"
#include "user/policy/text_out.h"
#include "user/policy/values.h"

#define OPTIONS_MAX (8u << 20) /* bytes of all texts in the options */
#define NUMBER_SZ 24
#define ROUNDS_MAX 4

struct rule {
	struct slice attribute, mask;
	enum redact_action action;
	struct pattern *pattern; /* NULL: all of the value */
	const char *name;	 /* for redactor__hits */
	uint64_t hits;
};

struct redactor {
	struct url_options url;
	struct slice hash_key;
	struct rule *rules;
	size_t rules_cnt;
	struct values values;
	uint64_t key_hits;
	struct arena texts; /* of the options */
	struct layers layers;
	struct finds finds;
};

/* --- by key ----------------------------------------------------------------------------------- */

enum key_kind {
	KEY_OTHER,
	KEY_QUERY,
	KEY_URL,
	KEY_PATH,
	KEY_COMMAND_LINE,
	KEY_HEADER,
	KEY_SECRET_HEADER,
};

static enum key_kind header_kind(struct slice key)
{
	const struct slice request = SLICE("http.request.header.");
	const struct slice response = SLICE("http.response.header.");
	struct slice name;

	if (slice_starts_with(key, request))
		name = slice_after(key, request.n);
	else if (slice_starts_with(key, response))
		name = slice_after(key, response.n);
	else
		return KEY_OTHER;
	return names_secret_header(name) ? KEY_SECRET_HEADER : KEY_HEADER;
}

static enum key_kind kind_of(struct slice key)
{
	if (key.n < 8)
		return KEY_OTHER;
	if (key.p[0] == 'u') {
		if (slice_eq(key, SLICE("url.path")))
			return KEY_PATH;
		if (slice_eq(key, SLICE("url.query")))
			return KEY_QUERY;
		return slice_eq(key, SLICE("url.full")) ? KEY_URL : KEY_OTHER;
	}
	if (key.p[0] == 'p')
		return slice_eq(key, SLICE("process.command")) ||
				       slice_eq(key, SLICE("process.command_line"))
			       ? KEY_COMMAND_LINE
			       : KEY_OTHER;
	if (key.p[0] == 'r') /* a path that is no method's */
		return slice_eq(key, SLICE("rpc.method_original")) ? KEY_PATH : KEY_OTHER;
	return key.p[0] == 'h' ? header_kind(key) : KEY_OTHER;
}

/* False if it must go. */
static bool redact_by_key(struct redactor *r, enum key_kind kind, struct slice *text,
			  struct arena *arena)
{
	switch (kind) {
	case KEY_QUERY:
		if (r->url.query_values == QUERY_DROP)
			return false;
		*text = redact_query(&r->url, *text, arena);
		break;
	case KEY_URL:
		*text = redact_url(&r->url, *text, arena);
		break;
	case KEY_PATH:
		*text = redact_path(*text, arena);
		break;
	case KEY_COMMAND_LINE:
		*text = redact_command_line(*text, arena);
		break;
	case KEY_HEADER:
		*text = redact_link(&r->url, *text, arena);
		break;
	case KEY_SECRET_HEADER:
		*text = REDACTED;
		break;
	case KEY_OTHER:
		break;
	}
	return true;
}

/* --- by rule ---------------------------------------------------------------------------------- */

static struct slice hash_of(const struct redactor *r, struct slice text, struct arena *arena)
{
	static const char digits[] = "0123456789abcdef";
	char *hex = arena__alloc(arena, REDACT_HASH_DIGITS);
	uint8_t hash[HMAC_SZ];

	if (!hex || !hmac_sha256(r->hash_key, text, hash))
		return REDACTED;
	for (size_t i = 0; i < REDACT_HASH_DIGITS; i++)
		hex[i] = digits[hash[i / 2] >> (i % 2 ? 0 : 4) & 0xf];
	return slice_of(hex, REDACT_HASH_DIGITS);
}

/* The text is hashed as its reader sees it, so that its encoding makes no difference. */
static void add_find(struct redactor *r, struct rule *rule, struct text_range match,
		     struct arena *arena)
{
	struct slice text = slice_of(r->layers.text.p + match.begin, match.end - match.begin);
	struct slice mask = rule->mask;

	if (rule->action == REDACT_HASH)
		mask = hash_of(r, text, arena);
	rule->hits += finds__add(&r->finds, layers__raw(&r->layers, match), mask);
}

static void find_by_rule(struct redactor *r, struct rule *rule, struct slice text,
			 struct arena *arena)
{
	layers__start(&r->layers, text);
	do {
		struct text_range match = {.end = 0};
		int found = 1;

		if (!rule->pattern) {
			add_find(r, rule, (struct text_range){.end = text.n}, arena);
			return;
		}
		while (!r->finds.all && found > 0) {
			found = pattern__find(rule->pattern, r->layers.text, match.end, &match);
			if (found > 0)
				add_find(r, rule, match, arena);
		}
		r->finds.all |= found < 0;
	} while (!r->finds.all && layers__next(&r->layers, &r->finds.all));
}

static struct slice apply_finds(struct redactor *r, struct slice text, struct arena *arena)
{
	text = finds__mask(&r->finds, text, arena);
	if (r->finds.all)
		account_add(ACCOUNT_REDACT_ALL, 1);
	return text;
}

/* False if it must go. */
static bool redact_by_rules(struct redactor *r, struct slice key, struct slice *text,
			    struct arena *arena)
{
	for (size_t i = 0; i < r->rules_cnt; i++) {
		struct rule *rule = &r->rules[i];

		if (!slice_fits_glob(key, rule->attribute))
			continue;
		finds__clear(&r->finds);
		if (text->n)
			find_by_rule(r, rule, *text, arena);
		if (rule->action == REDACT_DELETE &&
		    (r->finds.cnt || r->finds.all || !rule->pattern))
			return false;
		*text = apply_finds(r, *text, arena);
	}
	return true;
}

/* --- by value --------------------------------------------------------------------------------- */

/* A mask can make a secret of what stands beside it: looks again until nothing is found. */
static void redact_by_value(struct redactor *r, enum key_kind kind, struct slice *text,
			    struct arena *arena)
{
	for (int round = 0; round < ROUNDS_MAX; round++) {
		finds__clear(&r->finds);
		values__find(&r->values, &r->layers, *text, &r->finds);
		if (r->finds.cnt == 0 && !r->finds.all)
			return;
		r->finds.all |= round + 1 == ROUNDS_MAX;
		*text = apply_finds(r, *text, arena);
		redact_by_key(r, kind, text, arena);
	}
}

/* --- attributes ------------------------------------------------------------------------------- */

/* False if it must go. */
static bool redact_text(struct redactor *r, struct slice key, enum key_kind kind,
			struct slice *text, struct arena *arena)
{
	struct slice before = *text;

	if (kind != KEY_OTHER) {
		if (!redact_by_key(r, kind, text, arena))
			return false;
		r->key_hits += text->n != before.n || !slice_eq(*text, before);
	}
	if (r->rules_cnt && !redact_by_rules(r, key, text, arena))
		return false;
	if (values__suspect(*text))
		redact_by_value(r, kind, text, arena);
	if (text->p != before.p && !slice_eq(*text, before))
		account_add(ACCOUNT_REDACTED, 1);
	return true;
}

/* A rule may be about a number too: if it hits, the number becomes text. */
static bool redact_number(struct redactor *r, struct attr *attr, struct arena *arena)
{
	char digits[NUMBER_SZ];
	struct slice before, text;
	bool failed = false;

	snprintf(digits, sizeof(digits), "%lld", (long long)attr->num);
	before = text = slice_str(digits);
	if (!redact_by_rules(r, attr->key, &text, arena))
		return false;
	if (slice_eq(text, before))
		return true;
	account_add(ACCOUNT_REDACTED, 1);
	attr->type = ATTR_STRING;
	attr->str = arena__copy(arena, text, &failed);
	if (failed)
		attr->str = REDACTED;
	return true;
}

/* An item that must go leaves the array. */
static void redact_items(struct redactor *r, struct attr *attr, struct arena *arena)
{
	const bool arguments = slice_eq(attr->key, SLICE("process.command_args"));
	enum key_kind kind = kind_of(attr->key);
	struct slice *items = arena__alloc(arena, attr->items_cnt * sizeof(*items));
	uint32_t cnt = 0;

	if (!items) {
		attr->items_cnt = 0;
		account_add(ACCOUNT_REDACT_ALL, 1);
		return;
	}
	memcpy(items, attr->items, attr->items_cnt * sizeof(*items));
	if (arguments)
		redact_arguments(items, attr->items_cnt, arena);
	for (uint32_t i = 0; i < attr->items_cnt; i++)
		if (redact_text(r, attr->key, kind, &items[i], arena))
			items[cnt++] = items[i];
	attr->items = items;
	attr->items_cnt = cnt;
}

bool redactor__attr(struct redactor *r, struct attr *attr, struct arena *arena)
{
	switch (attr->type) {
	case ATTR_STRING:
		attr->plain = false; /* a mask may be anything */
		return redact_text(r, attr->key, kind_of(attr->key), &attr->str, arena);
	case ATTR_INT:
		return !r->rules_cnt || redact_number(r, attr, arena);
	case ATTR_STRINGS:
		if (!attr->items_cnt)
			return true;
		redact_items(r, attr, arena);
		return attr->items_cnt > 0;
	case ATTR_BOOL:
	case ATTR_DOUBLE:
		break;
	}
	return true;
}

/* Nothing but a rule is about what is plain, or a number. */
static bool is_fine(const struct redactor *r, const struct attr *attr)
{
	return !r->rules_cnt && (attr->plain || attr->type == ATTR_INT);
}

void redactor__attrs(struct redactor *r, struct attrs *attrs, struct arena *arena)
{
	uint16_t kept_cnt = 0;

	for (uint16_t i = 0; i < attrs->cnt; i++) {
		struct attr *attr = &attrs->v[i];

		if (!is_fine(r, attr) && !redactor__attr(r, attr, arena))
			continue;
		if (kept_cnt != i)
			attrs->v[kept_cnt] = attrs->v[i];
		kept_cnt++;
	}
	attrs->cnt = kept_cnt;
}

void redactor__span(struct redactor *r, struct span *span, struct arena *arena)
{
	redactor__attrs(r, &span->attrs, arena);
	if (!redact_text(r, REDACT_SPAN_NAME, KEY_PATH, &span->name, arena))
		span->name = REDACTED; /* a span must have one */
	if (span->trace_state.n &&
	    !redact_text(r, REDACT_TRACE_STATE, KEY_OTHER, &span->trace_state, arena))
		span->trace_state = SLICE("");
}

/* --- making one ------------------------------------------------------------------------------- */

/* A copy that ends in NUL. */
static char *copy(struct redactor *r, const char *text)
{
	size_t sz = strlen(text) + 1;
	char *to = arena__alloc(&r->texts, sz);

	if (to)
		memcpy(to, text, sz);
	return to;
}

static bool copy_url_options(struct redactor *r, const struct url_options *from)
{
	const char **keys = arena__alloc(&r->texts, (from->keep_keys_cnt + 1) * sizeof(*keys));

	if (!keys)
		return false;
	r->url = (struct url_options){
		.query_values = from->query_values,
		.keep_keys = keys,
		.keep_keys_cnt = from->keep_keys_cnt,
	};
	for (size_t i = 0; i < from->keep_keys_cnt; i++) {
		keys[i] = copy(r, from->keep_keys[i]);
		if (!keys[i])
			return false;
	}
	return true;
}

static bool add_rule(struct redactor *r, const struct redact_rule *from, char why[REDACT_WHY_SZ])
{
	const char *attribute = copy(r, from->attribute);
	const char *replacement = from->replacement ? copy(r, from->replacement) : "REDACTED";
	struct rule *rule = &r->rules[r->rules_cnt];
	char wrong[PATTERN_WHY_SZ];

	if (!attribute || !replacement)
		return false;
	*rule = (struct rule){
		.attribute = slice_str(attribute),
		.mask = slice_str(replacement),
		.action = from->action,
		.name = attribute,
	};
	r->rules_cnt++;
	if (!from->pattern)
		return true;
	rule->pattern = pattern__new(from->pattern, PATTERN_TEXT, wrong);
	if (!rule->pattern)
		snprintf(why, REDACT_WHY_SZ, "%s", wrong);
	return rule->pattern;
}

static bool add_rules(struct redactor *r, const struct redact_options *options,
		      char why[REDACT_WHY_SZ])
{
	r->rules = calloc(options->rules_cnt ?: 1, sizeof(*r->rules));
	if (!r->rules)
		return false;
	for (size_t i = 0; !options->values_off && i < options->rules_cnt; i++)
		if (!add_rule(r, &options->rules[i], why))
			return false;
	return true;
}

static unsigned int kinds_of(const struct redact_options *options)
{
	unsigned int kinds = 1u << VALUE_USERINFO; /* in any case */

	for (size_t i = 0; !options->values_off && i < options->patterns_cnt; i++)
		for (int kind = 0; kind < VALUE_KINDS; kind++)
			if (strcmp(options->patterns[i], value_names[kind]) == 0)
				kinds |= 1u << kind;
	return kinds;
}

struct redactor *redactor__new(const struct redact_options *options, char why[REDACT_WHY_SZ])
{
	struct redactor *r = calloc(1, sizeof(*r));
	bool failed = false;

	snprintf(why, REDACT_WHY_SZ, "out of memory");
	if (!r)
		return NULL;
	arena__init(&r->texts, OPTIONS_MAX);
	r->hash_key = arena__copy(&r->texts, options->hash_key, &failed);
	if (!failed && copy_url_options(r, &options->url) && add_rules(r, options, why) &&
	    values__init(&r->values, kinds_of(options)) == 0)
		return r;
	redactor__free(r);
	return NULL;
}

void redactor__free(struct redactor *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->rules_cnt; i++)
		pattern__free(r->rules[i].pattern);
	free(r->rules);
	values__free(&r->values);
	layers__free(&r->layers);
	arena__free(&r->texts);
	free(r);
}

void redactor__hits(const struct redactor *r,
		    void (*tell)(void *ctx, const char *what, uint64_t hits), void *ctx)
{
	char name[128];

	if (r->key_hits)
		tell(ctx, "by key", r->key_hits);
	for (size_t i = 0; i < r->rules_cnt; i++) {
		snprintf(name, sizeof(name), "rule %zu (%s)", i + 1, r->rules[i].name);
		if (r->rules[i].hits)
			tell(ctx, name, r->rules[i].hits);
	}
	for (int kind = 0; kind < VALUE_KINDS; kind++)
		if (r->values.hits[kind])
			tell(ctx, value_names[kind], r->values.hits[kind]);
}
