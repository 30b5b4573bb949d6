// SPDX-License-Identifier: Apache-2.0
/* Queries are taken apart by '&', URLs by RFC 3986 as far as clients keep to it. */
#include "user/policy/redact_url.h"

#include "user/policy/secret_names.h"
#include "user/policy/text_out.h"

#define USERINFO SLICE("REDACTED:REDACTED@")
#define KEY_MAX SECRET_NAME_MAX
#define BARE_WORD_MAX 20 /* a parameter without a value, such as "versioning" */

static bool is_alpha(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* --- keys ------------------------------------------------------------------------------------- */

static bool listed(const struct url_options *options, struct slice key)
{
	for (size_t i = 0; i < options->keep_keys_cnt; i++)
		if (slice_eq(key, slice_str(options->keep_keys[i])))
			return true;
	return false;
}

/*
 * May the key itself be shown when values may not? Only what a person would write: a query such as
 * ?{"user":"x=y"} has no keys, all of it is a value.
 */
static bool key_plain(struct slice key)
{
	if (key.n > KEY_MAX)
		return false;
	for (size_t i = 0; i < key.n; i++) {
		char c = key.p[i];

		if (c == '%' && key.n - i > 2 && key.p[i + 1] == '5' &&
		    strchr("BDbd", key.p[i + 2]) && key.p[i + 2]) {
			i += 2; /* %5B and %5D are the brackets of a[0]= */
			continue;
		}
		if (!c || (!is_alpha(c) && !is_digit(c) && !strchr("_.-~$[]", c)))
			return false;
	}
	return true;
}

/* A parameter without a value may be a flag (?versioning) or the secret itself (?dGVzdA==). */
static bool bare_word(struct slice s)
{
	if (s.n > BARE_WORD_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!s.p[i] || (!is_alpha(s.p[i]) && !strchr("_.-", s.p[i])))
			return false;
	return true;
}

/* --- queries ---------------------------------------------------------------------------------- */

static bool only_equals(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '=')
			return false;
	return true;
}

static void put_parameter(const struct url_options *options, struct slice item,
			  struct text_out *out)
{
	bool show_all = options->query_values == QUERY_KEEP;
	ptrdiff_t equals = slice_find(item, '=');
	struct slice key = equals < 0 ? item : slice_first(item, (size_t)equals);
	struct slice value = slice_after(item, key.n + 1);
	bool empty = equals < 0 || only_equals(value);
	bool show_key;

	if (listed(options, key) || (show_all && (empty || !names_secret(key)))) {
		text_put(out, item);
		return;
	}
	show_key = show_all || (empty ? bare_word(key) : key_plain(key));
	text_put(out, show_key ? key : REDACTED);
	if (equals >= 0)
		text_put(out, SLICE("="));
	if (!empty)
		text_put(out, REDACTED);
}

/*
 * Where ';' might separate, it does when values are kept, so that a=1;token=x hides the token; when
 * they are not it does not, so that a=1;x hides the x.
 */
static size_t parameter_len(const struct url_options *options, struct slice s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] != '&' && !(s.p[n] == ';' && options->query_values == QUERY_KEEP))
		n++;
	return n;
}

/* A parameter grows by less than this: its key and its value may each become REDACTED. */
#define GROWTH_MAX 16

static size_t query_sz_max(struct slice query)
{
	size_t sz = query.n + GROWTH_MAX;

	for (size_t i = 0; i < query.n; i++)
		if (query.p[i] == '&' || query.p[i] == ';')
			sz += GROWTH_MAX;
	return sz;
}

static void put_query(const struct url_options *options, struct slice query, struct text_out *out)
{
	for (;;) {
		size_t n = parameter_len(options, query);

		put_parameter(options, slice_first(query, n), out);
		query = slice_after(query, n);
		if (query.n == 0)
			return;
		text_put(out, slice_first(query, 1));
		query = slice_after(query, 1);
	}
}

static struct slice without_fragment(struct slice s)
{
	ptrdiff_t hash = slice_find(s, '#');

	return hash < 0 ? s : slice_first(s, (size_t)hash);
}

struct slice redact_query(const struct url_options *options, struct slice query,
			  struct arena *arena)
{
	struct text_out out = {0};

	query = without_fragment(query);
	if (query.n == 0)
		return query;
	out.p = arena__alloc(arena, query_sz_max(query));
	if (!out.p)
		return REDACTED;
	put_query(options, query, &out);
	return text_done(&out);
}

/* --- paths ------------------------------------------------------------------------------------ */

/* Up to the parameter's end, whose value is put if its name is no secret's. */
static void put_path_parameter(struct slice parameter, struct text_out *out)
{
	ptrdiff_t equals = slice_find(parameter, '=');
	struct slice value = slice_after(parameter, (size_t)equals + 1);

	if (equals < 0 || value.n == 0 || !names_secret(slice_first(parameter, (size_t)equals))) {
		text_put(out, parameter);
		return;
	}
	text_put(out, slice_first(parameter, (size_t)equals + 1));
	text_put(out, REDACTED);
}

static void put_path(struct slice path, struct text_out *out)
{
	while (path.n) {
		ptrdiff_t semicolon = slice_find(path, ';');
		size_t n = semicolon < 0 ? path.n : (size_t)semicolon + 1;

		text_put(out, slice_first(path, n));
		path = slice_after(path, n);
		for (n = 0; n < path.n && path.p[n] != ';' && path.p[n] != '/';)
			n++;
		if (semicolon >= 0)
			put_path_parameter(slice_first(path, n), out);
		else
			n = 0;
		path = slice_after(path, n);
	}
}

/* A parameter's value may become REDACTED. */
static size_t path_sz_max(struct slice path)
{
	size_t sz = path.n;

	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] == ';')
			sz += REDACTED.n;
	return sz;
}

struct slice redact_path(struct slice path, struct arena *arena)
{
	struct text_out out = {0};

	if (slice_find(path, ';') < 0)
		return path;
	out.p = arena__alloc(arena, path_sz_max(path));
	if (!out.p)
		return REDACTED;
	put_path(path, &out);
	return text_done(&out);
}

/* --- URLs ------------------------------------------------------------------------------------- */

struct url {
	struct slice before, userinfo, after,
		query; /* userinfo ends in '@', query begins with '?' */
};

/* Of the scheme and the slashes before the authority; 0 if there are none. */
static size_t scheme_len(struct slice url)
{
	size_t n = 0;

	while (n < url.n && url.p[n] &&
	       (is_alpha(url.p[n]) || is_digit(url.p[n]) || strchr("+.-", url.p[n])))
		n++;
	if (n && slice_starts_with(slice_after(url, n), SLICE("://")))
		return n + 3;
	return slice_starts_with(url, SLICE("//")) ? 2 : 0;
}

static struct url split_url(struct slice url)
{
	struct url parts = {.query = SLICE("")};
	size_t end = 0, at;
	ptrdiff_t mark;

	mark = slice_find(url, '?');
	if (mark >= 0) {
		parts.query = slice_after(url, (size_t)mark);
		url = slice_first(url, (size_t)mark);
	}
	parts.before = slice_first(url, scheme_len(url));
	url = slice_after(url, parts.before.n);
	while (end < url.n && url.p[end] != '/')
		end++;
	at = end;
	while (at > 0 && url.p[at - 1] != '@')
		at--;
	parts.userinfo = slice_first(url, at);
	parts.after = slice_after(url, at);
	return parts;
}

/* Joins the parts, each redacted; with userinfo "" there are no credentials. */
static struct slice join_url(const struct url_options *options, const struct url *parts,
			     struct arena *arena)
{
	struct text_out out = {
		.p = arena__alloc(arena, parts->before.n + USERINFO.n + path_sz_max(parts->after) +
						 query_sz_max(parts->query)),
	};

	if (!out.p)
		return REDACTED;
	text_put(&out, parts->before);
	if (parts->userinfo.n)
		text_put(&out, USERINFO);
	put_path(parts->after, &out);
	if (parts->query.n) {
		text_put(&out, SLICE("?"));
		put_query(options, slice_after(parts->query, 1), &out);
	}
	return text_done(&out);
}

struct slice redact_url(const struct url_options *options, struct slice url, struct arena *arena)
{
	struct url parts = split_url(without_fragment(url));

	if (options->query_values == QUERY_DROP)
		parts.query.n = 0;
	if (parts.userinfo.n == 0 && parts.query.n == 0 && slice_find(parts.after, ';') < 0)
		return slice_first(url, parts.before.n + parts.after.n);
	return join_url(options, &parts, arena);
}

struct slice redact_link(const struct url_options *options, struct slice text, struct arena *arena)
{
	struct url parts = {.query = SLICE("")};
	ptrdiff_t mark;

	if (text.n == 0 || (text.p[0] != '/' && !memmem(text.p, text.n, "://", 3)))
		return text;
	text = without_fragment(text);
	mark = slice_find(text, '?');
	parts.after = slice_first(text, mark < 0 ? text.n : (size_t)mark);
	if (mark < 0 && slice_find(text, ';') < 0)
		return text;
	if (mark >= 0 && options->query_values != QUERY_DROP)
		parts.query = slice_after(text, (size_t)mark);
	return join_url(options, &parts, arena);
}
