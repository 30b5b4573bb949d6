// SPDX-License-Identifier: Apache-2.0
/*
 * One pass over the tokens of an SQL text, whatever its statements are. Only what must be known to
 * find the ends of literals is known of the grammar (PostgreSQL 4.1 "Lexical Structure", MySQL 9
 * "Language Structure"); the summary is read off the words that introduce names of tables.
 */
#include "user/protocols/sql.h"

#include "user/base/utf8.h"

#define DEPTH_MAX 63u
#define WORD_LEN_MAX 16

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_QUOTED, /* an identifier */
	TOKEN_LITERAL,
	TOKEN_PLACEHOLDER,
	TOKEN_PUNCTUATION, /* one byte */
	TOKEN_DOUBT,	   /* a literal whose end is not certain, and all that follows */
};

struct token {
	enum token_kind kind;
	struct slice text;
	bool spaced; /* white space or a comment was before it */
};

struct lexer {
	const struct sql_source *source;
	struct slice text; /* as far as it is UTF-8 */
	size_t at;
	bool executed; /* in a comment that MySQL runs */
	struct slice traceparent;
};

/* --- tokens ----------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}

static bool is_word_byte(char c)
{
	return is_word_start(c) || is_digit(c) || c == '$';
}

static bool is_space(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7f;
}

static bool is_mysql(const struct lexer *lexer)
{
	return lexer->source->dialect != SQL_POSTGRESQL;
}

/* The byte n after the next one, or 0. */
static char peek(const struct lexer *lexer, size_t n)
{
	return n < lexer->text.n - lexer->at ? lexer->text.p[lexer->at + n] : 0;
}

static bool starts(const struct lexer *lexer, struct slice s)
{
	return slice_starts_with(slice_after(lexer->text, lexer->at), s);
}

static void find_traceparent(struct lexer *lexer, struct slice comment)
{
	const struct slice key = SLICE("traceparent='");
	const char *found = comment.n ? memmem(comment.p, comment.n, key.p, key.n) : NULL;
	struct slice value;
	ptrdiff_t end;

	if (!found || lexer->traceparent.n)
		return;
	value = slice_after(comment, (size_t)(found - comment.p) + key.n);
	end = slice_find(value, '\'');
	if (end > 0)
		lexer->traceparent = slice_first(value, (size_t)end);
}

/* Comments nest in PostgreSQL, not in MySQL. One without end takes the rest. */
static void skip_block_comment(struct lexer *lexer)
{
	size_t start = lexer->at;
	unsigned int depth = 0;

	do {
		if (starts(lexer, SLICE("/*")) && (!depth || !is_mysql(lexer))) {
			depth++;
			lexer->at += 2;
		} else if (starts(lexer, SLICE("*/"))) {
			depth--;
			lexer->at += 2;
		} else {
			lexer->at++;
		}
	} while (depth && lexer->at < lexer->text.n);
	find_traceparent(lexer, slice_of(lexer->text.p + start, lexer->at - start));
}

/* A carriage return ends a line in PostgreSQL, not in MySQL. */
static void skip_line(struct lexer *lexer)
{
	struct slice rest = slice_after(lexer->text, lexer->at);
	size_t n = 0;

	while (n < rest.n && rest.p[n] != '\n' && (rest.p[n] != '\r' || is_mysql(lexer)))
		n++;
	find_traceparent(lexer, slice_first(rest, n));
	lexer->at += n;
}

/* MySQL runs what stands in such a comment, so it is text like any other. */
static bool skip_executed_comment(struct lexer *lexer)
{
	if (!is_mysql(lexer))
		return false;
	if (starts(lexer, SLICE("/*!")) || starts(lexer, SLICE("/*M!"))) {
		lexer->at += starts(lexer, SLICE("/*!")) ? 3 : 4;
		while (is_digit(peek(lexer, 0)))
			lexer->at++;
		lexer->executed = true;
		return true;
	}
	if (!lexer->executed || !starts(lexer, SLICE("*/")))
		return false;
	lexer->executed = false;
	lexer->at += 2;
	return true;
}

/* MySQL wants white space after the dashes. */
static bool is_line_comment(const struct lexer *lexer)
{
	if (is_mysql(lexer) && peek(lexer, 0) == '#')
		return true;
	return starts(lexer, SLICE("--")) && (!is_mysql(lexer) || is_space(peek(lexer, 2)));
}

/* True if there was any. */
static bool skip_space(struct lexer *lexer)
{
	size_t start = lexer->at;

	while (lexer->at < lexer->text.n) {
		if (is_space(peek(lexer, 0)))
			lexer->at++;
		else if (is_line_comment(lexer))
			skip_line(lexer);
		else if (skip_executed_comment(lexer))
			continue;
		else if (starts(lexer, SLICE("/*")))
			skip_block_comment(lexer);
		else
			break;
	}
	return lexer->at > start;
}

/* What a backslash is in a quoted text. */
enum backslash {
	BACKSLASH_PLAIN,
	BACKSLASH_ESCAPES,
	BACKSLASH_DOUBT, /* a setting says: harmless, unless a quote follows */
};

/* A quote doubled is none. False if no end was found, or not with certainty. */
static bool skip_quoted(struct lexer *lexer, enum backslash backslash)
{
	char quote = peek(lexer, 0);

	for (lexer->at++; lexer->at < lexer->text.n; lexer->at++) {
		char c = peek(lexer, 0), next = peek(lexer, 1);

		if (c == '\\' && backslash != BACKSLASH_PLAIN) {
			if (backslash == BACKSLASH_DOUBT && next == quote)
				return false;
			lexer->at += backslash == BACKSLASH_ESCAPES || next == '\\';
		} else if (c == quote && next == quote) {
			lexer->at++;
		} else if (c == quote) {
			lexer->at++;
			return true;
		}
	}
	return false;
}

static enum token_kind string(struct lexer *lexer, bool escapes)
{
	enum backslash backslash = escapes || lexer->source->dialect == SQL_MYSQL
					   ? BACKSLASH_ESCAPES
					   : BACKSLASH_DOUBT;

	return skip_quoted(lexer, backslash) ? TOKEN_LITERAL : TOKEN_DOUBT;
}

static enum token_kind quoted_identifier(struct lexer *lexer)
{
	return skip_quoted(lexer, BACKSLASH_PLAIN) ? TOKEN_QUOTED : TOKEN_DOUBT;
}

/* $1, $$text$$ or $tag$text$tag$. */
static enum token_kind dollar(struct lexer *lexer)
{
	struct slice rest = slice_after(lexer->text, lexer->at), tag;
	const char *end;
	size_t n = 1;

	if (is_digit(peek(lexer, 1))) {
		while (is_digit(peek(lexer, n)))
			n++;
		lexer->at += n;
		return TOKEN_PLACEHOLDER;
	}
	while (is_word_byte(peek(lexer, n)) && peek(lexer, n) != '$')
		n++;
	if (n == rest.n)
		return TOKEN_DOUBT;
	if (peek(lexer, n) != '$') {
		lexer->at++;
		return TOKEN_PUNCTUATION;
	}
	tag = slice_first(rest, n + 1);
	rest = slice_after(rest, tag.n);
	end = rest.n ? memmem(rest.p, rest.n, tag.p, tag.n) : NULL;
	if (!end)
		return TOKEN_DOUBT;
	lexer->at += tag.n + (size_t)(end - rest.p) + tag.n;
	return TOKEN_LITERAL;
}

/* Also what only begins like one: words of digits and letters. */
static enum token_kind number(struct lexer *lexer)
{
	bool hex = starts(lexer, SLICE("0x")) || starts(lexer, SLICE("0X"));

	while (is_word_byte(peek(lexer, 0)) || peek(lexer, 0) == '.') {
		char c = peek(lexer, 0), next = peek(lexer, 1);

		lexer->at++;
		if (!hex && (c == 'e' || c == 'E') && (next == '+' || next == '-'))
			lexer->at++;
	}
	return TOKEN_LITERAL;
}

static bool is(struct slice word, struct slice name)
{
	return slice_eq_nocase(word, name);
}

/* Words that are literals, or the beginning of one. */
static enum token_kind word(struct lexer *lexer)
{
	size_t start = lexer->at;
	struct slice text;
	char next;

	while (is_word_byte(peek(lexer, 0)))
		lexer->at++;
	text = slice_of(lexer->text.p + start, lexer->at - start);
	next = peek(lexer, 0);
	if (text.n == 1 && next == '\'' && strchr("bBeEnNxX", text.p[0]))
		return string(lexer, (text.p[0] | 0x20) == 'e' && !is_mysql(lexer));
	if (text.n == 1 && next == '&' && (text.p[0] | 0x20) == 'u' && !is_mysql(lexer)) {
		char quote = peek(lexer, 1);

		lexer->at += quote == '\'' || quote == '"';
		if (quote == '\'')
			return string(lexer, false);
		if (quote == '"')
			return quoted_identifier(lexer);
	}
	return is(text, SLICE("true")) || is(text, SLICE("false")) ? TOKEN_LITERAL : TOKEN_WORD;
}

static enum token_kind read_token(struct lexer *lexer)
{
	char c = peek(lexer, 0);

	if (is_word_start(c) || (c == '$' && is_mysql(lexer)))
		return word(lexer);
	if (is_digit(c) || (c == '.' && is_digit(peek(lexer, 1))))
		return number(lexer);
	if (c == '\'' || (c == '"' && is_mysql(lexer)))
		return string(lexer, false);
	if (c == '"' || (c == '`' && is_mysql(lexer)))
		return quoted_identifier(lexer);
	if (c == '$')
		return dollar(lexer);
	lexer->at++;
	return c == '?' && is_mysql(lexer) ? TOKEN_PLACEHOLDER : TOKEN_PUNCTUATION;
}

static struct token next_token(struct lexer *lexer)
{
	struct token token = {.spaced = skip_space(lexer)};
	size_t start = lexer->at;

	if (start < lexer->text.n)
		token.kind = read_token(lexer);
	if (token.kind == TOKEN_DOUBT)
		lexer->at = lexer->text.n;
	token.text = slice_of(lexer->text.p + start, lexer->at - start);
	return token;
}

static bool is_char(const struct token *token, char c)
{
	return token->kind == TOKEN_PUNCTUATION && token->text.p[0] == c;
}

static bool is_word(const struct token *token, struct slice name)
{
	return token->kind == TOKEN_WORD && is(token->text, name);
}

/* Is the word in the list, which is in upper case and has a space around each? */
static bool is_among(const struct token *token, const char *list)
{
	char padded[WORD_LEN_MAX + 3];
	size_t n = token->text.n;

	if (token->kind != TOKEN_WORD || n > WORD_LEN_MAX)
		return false;
	padded[0] = ' ';
	for (size_t i = 0; i < n; i++) {
		char c = token->text.p[i];

		padded[i + 1] = c >= 'a' && c <= 'z' ? (char)(c - ' ') : c;
	}
	padded[n + 1] = ' ';
	padded[n + 2] = 0;
	return strstr(list, padded) != NULL;
}

/* --- the text without literals ---------------------------------------------------------------- */

struct output {
	char *p;
	size_t n, sz;
	bool full;
};

/* All of a token or nothing, and then nothing more. */
static void put(struct output *out, bool spaced, struct slice s)
{
	bool space = spaced && out->n;

	if (out->full || s.n + space > out->sz - out->n) {
		out->full = true;
		return;
	}
	if (space)
		out->p[out->n++] = ' ';
	memcpy(out->p + out->n, s.p, s.n);
	out->n += s.n;
}

enum list_state {
	LIST_NONE,
	LIST_IN,      /* after IN */
	LIST_OPEN,    /* IN ( */
	LIST_LITERAL, /* IN (?, ?: more of the same adds nothing */
	LIST_COMMA,   /* IN (?, ?, */
};

struct cleaner {
	struct output out;
	enum list_state list;
	bool begun;    /* the statement has */
	bool in_set;   /* it is SET, which assigns words */
	bool assigned; /* and here they stand */
};

/* `IN (1, 2, 3)` becomes `IN (?)`. True if the token is to be left out. */
static bool collapse(struct cleaner *c, const struct token *token)
{
	bool literal = token->kind == TOKEN_LITERAL;
	enum list_state before = c->list;

	c->list = LIST_NONE;
	switch (before) {
	case LIST_NONE:
		if (is_word(token, SLICE("in")))
			c->list = LIST_IN;
		return false;
	case LIST_IN:
		if (is_char(token, '('))
			c->list = LIST_OPEN;
		return false;
	case LIST_OPEN:
		if (literal)
			c->list = LIST_LITERAL;
		return false;
	case LIST_LITERAL:
		if (!is_char(token, ','))
			return false;
		c->list = LIST_COMMA;
		return true;
	case LIST_COMMA:
		if (!literal) {
			put(&c->out, false, SLICE(","));
			return false;
		}
		c->list = LIST_LITERAL;
		return true;
	}
	return false;
}

/* In `SET name = word` the word is a value. */
static bool is_assigned_word(struct cleaner *c, const struct token *token)
{
	if (is_char(token, ';')) {
		c->begun = c->in_set = c->assigned = false;
		return false;
	}
	if (!c->begun)
		c->in_set = is_word(token, SLICE("set"));
	c->begun = true;
	if (!c->in_set)
		return false;
	if (c->assigned)
		return token->kind == TOKEN_WORD || token->kind == TOKEN_QUOTED;
	c->assigned = is_char(token, '=') || is_word(token, SLICE("to"));
	return false;
}

static void clean(struct cleaner *c, const struct token *token)
{
	bool value = is_assigned_word(c, token);

	if (token->kind == TOKEN_END || collapse(c, token))
		return;
	if (value || token->kind == TOKEN_LITERAL || token->kind == TOKEN_DOUBT)
		put(&c->out, token->spaced, SLICE("?"));
	else
		put(&c->out, token->spaced, token->text);
}

/* --- the summary ------------------------------------------------------------------------------ */

#define VERB_NAMES 0x01u	/* names a target */
#define VERB_NAMES_OBJECT 0x02u /* names a kind of object, then which */
#define VERB_LISTS 0x04u	/* its FROM lists tables */
#define VERB_NESTS 0x08u	/* may begin after what other verbs began */
#define VERB_LIST 0x10u		/* its targets are a list */
#define VERB_SILENT 0x20u	/* another one follows that says more */
#define VERB_USING 0x40u	/* its USING lists tables */
#define VERB_GRANTS 0x80u	/* verbs are its objects */

struct verb {
	struct slice name;
	unsigned int flags;
};

static const struct verb verbs[] = {
	{SLICE("SELECT"), VERB_LISTS},
	{SLICE("INSERT"), VERB_NAMES | VERB_NESTS},
	{SLICE("UPDATE"), VERB_NAMES | VERB_NESTS | VERB_LISTS | VERB_LIST},
	{SLICE("DELETE"), VERB_NESTS | VERB_LISTS | VERB_USING},
	{SLICE("MERGE"), VERB_NAMES | VERB_NESTS | VERB_USING},
	{SLICE("REPLACE"), VERB_NAMES},
	{SLICE("WITH"), VERB_SILENT},
	{SLICE("COPY"), VERB_NAMES},
	{SLICE("CALL"), VERB_NAMES},
	{SLICE("EXEC"), VERB_NAMES},
	{SLICE("EXECUTE"), VERB_NAMES},
	{SLICE("TABLE"), VERB_NAMES},
	{SLICE("TRUNCATE"), VERB_NAMES | VERB_LIST},
	{SLICE("LOCK"), VERB_NAMES},
	{SLICE("VACUUM"), VERB_NAMES | VERB_LIST},
	{SLICE("ANALYZE"), VERB_NAMES | VERB_LIST},
	{SLICE("CLUSTER"), VERB_NAMES},
	{SLICE("OPTIMIZE"), VERB_NAMES},
	{SLICE("USE"), VERB_NAMES},
	{SLICE("DESCRIBE"), VERB_NAMES},
	{SLICE("DESC"), VERB_NAMES},
	{SLICE("CREATE"), VERB_NAMES_OBJECT},
	{SLICE("ALTER"), VERB_NAMES_OBJECT},
	{SLICE("DROP"), VERB_NAMES_OBJECT | VERB_LIST},
	{SLICE("REFRESH"), VERB_NAMES_OBJECT},
	{SLICE("REINDEX"), VERB_NAMES_OBJECT},
	{SLICE("RENAME"), VERB_NAMES_OBJECT},
	{SLICE("COMMENT"), VERB_NAMES_OBJECT},
	{SLICE("START"), VERB_NAMES_OBJECT},
	{SLICE("GRANT"), VERB_GRANTS},
	{SLICE("REVOKE"), VERB_GRANTS},
};

/* Verbs of which nothing more is said. */
static const char plain_verbs[] =
	" ABORT BEGIN CHECKPOINT CLOSE COMMIT DEALLOCATE DECLARE DISCARD DO END EXPLAIN FETCH FLUSH "
	"HANDLER IMPORT KILL LISTEN LOAD MOVE NOTIFY PREPARE RELEASE RESET ROLLBACK SAVEPOINT SET "
	"SHOW UNLISTEN UNLOCK VALUES XA ";
/* Between a verb or FROM and the name of a table. */
static const char before_names[] =
	" INTO ONLY TABLE LATERAL IF NOT EXISTS CONCURRENTLY IGNORE LOW_PRIORITY DELAYED "
	"HIGH_PRIORITY QUICK FULL FREEZE VERBOSE ANALYZE ON TABLES LOCAL ";
/* Between CREATE and the kind of object. */
static const char before_objects[] =
	" OR REPLACE TEMP TEMPORARY UNLOGGED UNIQUE GLOBAL LOCAL RECURSIVE MATERIALIZED FOREIGN "
	"FULLTEXT SPATIAL EVENT CONSTRAINT TRUSTED PROCEDURAL ON DEFAULT ";
static const char objects[] =
	" AGGREGATE CAST COLLATION COLUMN CONVERSION DATABASE DOMAIN EXTENSION FUNCTION GROUP INDEX "
	"LANGUAGE OPERATOR POLICY PROCEDURE PUBLICATION ROLE ROUTINE RULE SCHEMA SEQUENCE SERVER "
	"STATISTICS SUBSCRIPTION SYSTEM TABLE TABLESPACE TRANSACTION TRIGGER TYPE USER VIEW ";
/* What ends a list of tables. */
static const char after_lists[] =
	" WHERE SET GROUP ORDER HAVING LIMIT OFFSET FETCH UNION EXCEPT INTERSECT WINDOW FOR VALUES "
	"RETURNING SELECT CASCADE RESTRICT OUTFILE DUMPFILE ";

enum expected {
	EXPECTED_ANY,
	EXPECTED_STATEMENT,
	EXPECTED_OBJECT,
	EXPECTED_NAME,
};

struct summary {
	struct output out;
	enum expected expected;
	struct token before;	     /* the token before this one */
	struct slice name;	     /* of a target, which may go on */
	unsigned int flags;	     /* of the statement's first verb */
	unsigned int depth;	     /* of parentheses */
	uint64_t lists, using, list; /* by depth: FROM lists tables, USING does, and here is such */
	size_t statement_at, previous_at;
};

static uint64_t depth_bit(const struct summary *s)
{
	return 1ull << s->depth;
}

static void set_bit(uint64_t *bits, uint64_t bit, bool on)
{
	*bits = on ? *bits | bit : *bits & ~bit;
}

static void expect_list(struct summary *s)
{
	s->expected = EXPECTED_NAME;
	s->list |= depth_bit(s);
}

static void take_verb(struct summary *s, const struct token *token, unsigned int flags)
{
	if (!(flags & VERB_SILENT))
		put(&s->out, s->out.n > s->statement_at, token->text);
	set_bit(&s->lists, depth_bit(s), flags & VERB_LISTS);
	set_bit(&s->using, depth_bit(s), flags & VERB_USING);
	set_bit(&s->list, depth_bit(s), flags & VERB_LIST);
	s->expected = flags & VERB_NAMES_OBJECT ? EXPECTED_OBJECT
		      : flags & VERB_NAMES	? EXPECTED_NAME
						: EXPECTED_ANY;
}

static const struct verb *find_verb(const struct token *token)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (is_word(token, verbs[i].name))
			return &verbs[i];
	return NULL;
}

/* Only known verbs are told: what else a text begins with may be anything. */
static void take_first_verb(struct summary *s, const struct token *token)
{
	const struct verb *verb = find_verb(token);

	s->expected = EXPECTED_ANY;
	s->flags = verb ? verb->flags : 0;
	if (verb)
		take_verb(s, token, verb->flags);
	else if (is_among(token, plain_verbs))
		take_verb(s, token, 0);
	else
		s->out.full = true;
}

/* A verb inside a statement: of a subquery, of a common table expression, or of what it explains. */
static bool take_nested_verb(struct summary *s, const struct token *token)
{
	const struct verb *verb = find_verb(token);

	if (!verb || s->flags & VERB_GRANTS)
		return false;
	if (verb != &verbs[0] && (!(verb->flags & VERB_NESTS) ||
				  !(is_char(&s->before, '(') || is_char(&s->before, ')') ||
				    is_among(&s->before, " AS EXPLAIN ANALYZE VERBOSE "))))
		return false;
	take_verb(s, token, verb->flags);
	return true;
}

static void take_clause(struct summary *s, const struct token *token)
{
	if (is_word(token, SLICE("from"))) {
		if (s->lists & depth_bit(s) && !is_word(&s->before, SLICE("distinct")))
			expect_list(s);
	} else if (is_word(token, SLICE("using"))) {
		if (s->using & depth_bit(s))
			expect_list(s);
	} else if (is_among(token, " JOIN STRAIGHT_JOIN INTO ")) {
		s->expected = EXPECTED_NAME;
	} else if (is_among(token, after_lists)) {
		s->list &= ~depth_bit(s);
	}
}

static void take_parenthesis(struct summary *s, bool open)
{
	if (!open)
		s->depth -= s->depth > 0;
	else if (s->depth < DEPTH_MAX)
		s->depth++;
	if (!open)
		return;
	s->lists &= ~depth_bit(s);
	s->using &= ~depth_bit(s);
	s->list &= ~depth_bit(s);
}

/* The token at which a name was expected. False if it is something else. */
static bool take_name(struct summary *s, const struct token *token)
{
	if (is_among(token, before_names) || is_char(token, '(') || is_char(token, ')') ||
	    is_char(token, ','))
		return false;
	s->expected = EXPECTED_ANY;
	if (token->kind != TOKEN_QUOTED &&
	    (token->kind != TOKEN_WORD || is_among(token, after_lists)))
		return false;
	s->name = token->text;
	return true;
}

/* A name goes on where a dot and another name follow at once. */
static bool extend_name(struct summary *s, const struct token *token)
{
	bool dotted = s->name.p[s->name.n - 1] == '.' && is_char(&s->before, '.');

	if (token->spaced)
		return false;
	if (!is_char(token, '.') &&
	    !(dotted && (token->kind == TOKEN_WORD || token->kind == TOKEN_QUOTED)))
		return false;
	s->name.n += token->text.n;
	return true;
}

static void put_name(struct summary *s)
{
	if (s->name.n)
		put(&s->out, true, s->name);
	s->name.n = 0;
}

static void take_object(struct summary *s, const struct token *token)
{
	if (is_among(token, before_objects))
		return;
	s->expected = EXPECTED_ANY;
	if (!is_among(token, objects))
		return;
	put(&s->out, true, token->text);
	if (!is_word(token, SLICE("transaction")))
		s->expected = EXPECTED_NAME;
}

static void begin_statement(struct summary *s)
{
	s->expected = EXPECTED_STATEMENT;
	s->depth = 0;
	s->lists = s->using = s->list = 0;
	s->flags = 0;
}

/* A statement that does the same as the one before is not told again. */
static void end_statement(struct summary *s)
{
	struct slice now = slice_of(s->out.p + s->statement_at, s->out.n - s->statement_at);
	struct slice previous =
		slice_of(s->out.p + s->previous_at,
			 s->statement_at - s->previous_at - (s->statement_at ? 2 : 0));

	begin_statement(s);
	if (s->statement_at && slice_eq(now, previous)) {
		s->out.n = s->statement_at;
		return;
	}
	if (!now.n || s->out.full)
		return;
	put(&s->out, false, SLICE("; "));
	if (s->out.full)
		return;
	s->previous_at = s->statement_at;
	s->statement_at = s->out.n;
}

static void summarize_token(struct summary *s, const struct token *token)
{
	if (is_char(token, ';')) {
		end_statement(s);
	} else if (is_char(token, '(') || is_char(token, ')')) {
		take_parenthesis(s, is_char(token, '('));
	} else if (s->expected == EXPECTED_STATEMENT) {
		take_first_verb(s, token);
	} else if (take_nested_verb(s, token)) {
		return;
	} else if (s->expected == EXPECTED_OBJECT) {
		take_object(s, token);
	} else if (s->expected == EXPECTED_NAME && take_name(s, token)) {
		return;
	} else if (is_char(token, ',') && s->list & depth_bit(s)) {
		s->expected = EXPECTED_NAME;
	} else {
		take_clause(s, token);
	}
}

static void summarize(struct summary *s, const struct token *token)
{
	if (!s->name.n || !extend_name(s, token)) {
		put_name(s);
		summarize_token(s, token);
	}
	s->before = *token;
}

/* The end: a name that may have been cut is none, nor is a separator that nothing follows. */
static struct slice finish_summary(struct summary *s, bool cut)
{
	if (!cut)
		put_name(s);
	end_statement(s);
	if (s->out.n && s->out.n == s->statement_at)
		s->out.n -= 2;
	return slice_of(s->out.p, s->out.n);
}

/* --- both ------------------------------------------------------------------------------------- */

static struct slice valid_part(struct slice text)
{
	size_t n = 0;

	if (utf8_is_ascii(text))
		return text;
	while (n < text.n) {
		bool valid;
		size_t len = utf8_next(slice_after(text, n), &valid);

		if (!valid)
			break;
		n += len;
	}
	return slice_first(text, n);
}

struct sql sql_read(const struct sql_source *source, char *out, size_t out_sz)
{
	size_t summary_sz = out_sz < SQL_SUMMARY_MAX ? out_sz : SQL_SUMMARY_MAX;
	struct lexer lexer = {.source = source, .text = valid_part(source->text)};
	struct cleaner cleaner = {.out = {.p = out + summary_sz, .sz = out_sz - summary_sz}};
	struct summary summary = {.out = {.p = out, .sz = summary_sz}};
	bool cut = source->cut || lexer.text.n < source->text.n, parameterized = false;
	struct token token;

	begin_statement(&summary);
	do {
		token = next_token(&lexer);
		clean(&cleaner, &token);
		if (token.kind != TOKEN_END)
			summarize(&summary, &token);
		parameterized |= source->prepared && token.kind == TOKEN_PLACEHOLDER;
	} while (token.kind != TOKEN_END && token.kind != TOKEN_DOUBT);
	return (struct sql){
		.text = parameterized ? source->text : slice_of(cleaner.out.p, cleaner.out.n),
		.summary = finish_summary(&summary, cut),
		.traceparent = lexer.traceparent,
		.parameterized = parameterized,
	};
}
