// SPDX-License-Identifier: Apache-2.0
/*
 * Redaction of query strings and URLs. The keys that always name a secret are those of the semantic
 * conventions' url.query and url.full (compared exactly), and any that look like a credential.
 */
#include "user/policy/redact.h"

#define REDACTED SLICE("REDACTED")
#define USERINFO SLICE("REDACTED:REDACTED@")
#define KEY_MAX 64	 /* longer ones are not keys that a person wrote */
#define BARE_WORD_MAX 20 /* a parameter without a value, such as "versioning" */

/* Text under construction; its size was computed before. */
struct out {
	char *p;
	size_t n;
};

static void put(struct out *out, struct slice s)
{
	if (s.n)
		memcpy(out->p + out->n, s.p, s.n);
	out->n += s.n;
}

static bool is_alpha(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* --- keys ------------------------------------------------------------------------------------- */

static bool listed(const struct redact_options *options, struct slice key)
{
	for (size_t i = 0; i < options->keep_keys_cnt; i++)
		if (slice_eq(key, slice_str(options->keep_keys[i])))
			return true;
	return false;
}

/*
 * A key as the program that reads it will see it, percent-encoding undone, and the same in lower
 * case without separators, so that Api-Key, api_key and apikey are one word.
 */
struct folded_key {
	char exact[KEY_MAX + 1], folded[KEY_MAX + 1];
};

static void fold_key(struct slice key, struct folded_key *out)
{
	size_t exact_len = 0, folded_len = 0;

	for (size_t i = 0; i < key.n; i++) {
		int byte = slice_percent_byte(slice_after(key, i));
		char c = byte >= 0 ? (char)byte : key.p[i];

		i += byte >= 0 ? 2 : 0;
		out->exact[exact_len++] = c;
		if (is_alpha(c))
			out->folded[folded_len++] = (char)(c | 0x20);
		else if (is_digit(c))
			out->folded[folded_len++] = c;
	}
	out->exact[exact_len] = '\0';
	out->folded[folded_len] = '\0';
}

/* Does the key say that its value is a secret? */
static bool names_secret(struct slice key)
{
	static const char *const exactly[] = {
		"X-Amz-Signature",
		"X-Amz-Credential",
		"X-Amz-Security-Token",
		"AWSAccessKeyId",
		"Signature",
		"X-Goog-Signature",
		"sig",
	};
	static const char *const words[] = {"key", "code", "pass", "pin", "otp", "sid"};
	static const char *const parts[] = {
		"token",  "passw",     "passphrase", "pwd",	   "secret",
		"apikey", "accesskey", "authkey",    "privatekey", "credential",
		"auth",	  "session",   "jwt",	     "bearer",	   "signature",
	};
	struct folded_key name;

	if (key.n > KEY_MAX)
		return true;
	fold_key(key, &name);
	for (size_t i = 0; i < sizeof(exactly) / sizeof(*exactly); i++)
		if (strcmp(name.exact, exactly[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(name.folded, words[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (strstr(name.folded, parts[i]))
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

static void put_parameter(const struct redact_options *options, struct slice item, struct out *out)
{
	bool show_all = options->query_values == QUERY_KEEP;
	ptrdiff_t equals = slice_find(item, '=');
	struct slice key = equals < 0 ? item : slice_first(item, (size_t)equals);
	struct slice value = slice_after(item, key.n + 1);
	bool empty = equals < 0 || only_equals(value);
	bool show_key;

	if (listed(options, key) || (show_all && (empty || !names_secret(key)))) {
		put(out, item);
		return;
	}
	show_key = show_all || (empty ? bare_word(key) : key_plain(key));
	put(out, show_key ? key : REDACTED);
	if (equals >= 0)
		put(out, SLICE("="));
	if (!empty)
		put(out, REDACTED);
}

/*
 * Where ';' might separate, it does when values are kept, so that a=1;token=x hides the token; when
 * they are not it does not, so that a=1;x hides the x.
 */
static size_t parameter_len(const struct redact_options *options, struct slice s)
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

static void put_query(const struct redact_options *options, struct slice query, struct out *out)
{
	for (;;) {
		size_t n = parameter_len(options, query);

		put_parameter(options, slice_first(query, n), out);
		query = slice_after(query, n);
		if (query.n == 0)
			return;
		put(out, slice_first(query, 1));
		query = slice_after(query, 1);
	}
}

static struct slice without_fragment(struct slice s)
{
	ptrdiff_t hash = slice_find(s, '#');

	return hash < 0 ? s : slice_first(s, (size_t)hash);
}

static struct slice redact_query(const struct redact_options *options, struct slice query,
				 struct arena *arena)
{
	struct out out = {0};

	query = without_fragment(query);
	if (query.n == 0)
		return query;
	out.p = arena__alloc(arena, query_sz_max(query));
	if (!out.p)
		return REDACTED;
	put_query(options, query, &out);
	return slice_of(out.p, out.n);
}

/* --- URLs ------------------------------------------------------------------------------------- */

struct url {
	struct slice before, userinfo, after,
		query; /* userinfo ends in '@', query begins with '?' */
};

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
	mark = slice_find(url, ':');
	if (mark >= 0 && slice_starts_with(slice_after(url, (size_t)mark), SLICE("://")))
		mark += 3;
	else
		mark = slice_starts_with(url, SLICE("//")) ? 2 : 0;
	parts.before = slice_first(url, (size_t)mark);
	url = slice_after(url, (size_t)mark);
	while (end < url.n && url.p[end] != '/')
		end++;
	at = end;
	while (at > 0 && url.p[at - 1] != '@')
		at--;
	parts.userinfo = slice_first(url, at);
	parts.after = slice_after(url, at);
	return parts;
}

static struct slice redact_url(const struct redact_options *options, struct slice url,
			       struct arena *arena)
{
	struct url parts = split_url(without_fragment(url));
	struct out out = {0};

	if (options->query_values == QUERY_DROP)
		parts.query.n = 0;
	if (parts.userinfo.n == 0 && parts.query.n == 0)
		return slice_first(url, parts.before.n + parts.after.n);
	out.p = arena__alloc(arena, parts.before.n + USERINFO.n + parts.after.n +
					    query_sz_max(parts.query));
	if (!out.p)
		return REDACTED;
	put(&out, parts.before);
	if (parts.userinfo.n)
		put(&out, USERINFO);
	put(&out, parts.after);
	if (parts.query.n) {
		put(&out, SLICE("?"));
		put_query(options, slice_after(parts.query, 1), &out);
	}
	return slice_of(out.p, out.n);
}

/* False if the attribute must go. */
static bool redact_attr(const struct redact_options *options, struct attr *attr,
			struct arena *arena)
{
	if (attr->type != ATTR_STRING)
		return true;
	if (slice_eq(attr->key, SLICE("url.full")))
		attr->str = redact_url(options, attr->str, arena);
	if (!slice_eq(attr->key, SLICE("url.query")))
		return true;
	if (options->query_values == QUERY_DROP)
		return false;
	attr->str = redact_query(options, attr->str, arena);
	return true;
}

void redact_span(const struct redact_options *options, struct span *span, struct arena *arena)
{
	struct attrs *attrs = &span->attrs;
	uint16_t kept_cnt = 0;

	for (uint16_t i = 0; i < attrs->cnt; i++) {
		if (!redact_attr(options, &attrs->v[i], arena))
			continue;
		if (kept_cnt != i)
			attrs->v[kept_cnt] = attrs->v[i];
		kept_cnt++;
	}
	attrs->cnt = kept_cnt;
}
