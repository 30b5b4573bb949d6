// SPDX-License-Identifier: Apache-2.0
/*
 * Is it Redis? An array of strings that begins with a known command is, and so is a string that ends
 * where it says. Inline commands and other answers may be, unless they may be others' as well.
 */
#include "user/protocols/redis_commands.h"
#include "user/protocols/resp.h"

static enum detect from_read(int got)
{
	return got == 0 ? DETECT_MORE : got < 0 ? DETECT_NO : DETECT_LIKELY;
}

/* An array of strings; known commands are certain, others might be an answer. */
static enum detect detect_array(struct slice head)
{
	const struct redis_command *known;
	struct resp_item item, text;
	struct slice rest, name = SLICE("");
	int got = resp_read_number(head, &item);

	if (got <= 0 || item.null || item.streamed || !item.n)
		return got == 0 ? DETECT_MORE : DETECT_NO;
	rest = slice_after(head, item.size);
	/* Confirmations of SUBSCRIBE look like the command, but for their last item. */
	for (uint64_t i = 0; i < item.n && i < 3; i++) {
		if (rest.n && rest.p[0] != '$')
			return DETECT_NO;
		got = resp_read_number(rest, &text);
		if (got <= 0)
			return from_read(got);
		if (text.null || text.streamed)
			return DETECT_NO;
		rest = slice_after(rest, text.size);
		if (i == 0) {
			name = slice_first(rest, text.n);
			if (!text.n || text.n > RESP_WORD_MAX || (name.n && !resp_is_word(name)))
				return DETECT_NO;
		}
		if (rest.n < text.n + 2)
			return i ? DETECT_LIKELY : DETECT_MORE;
		if (rest.p[text.n] != '\r' || rest.p[text.n + 1] != '\n')
			return DETECT_NO;
		rest = slice_after(rest, text.n + 2);
	}
	known = redis_command(name);
	return known ? DETECT_YES : DETECT_LIKELY;
}

/* A line that is memcached's as much as Redis's, or HTTP's, or an object of NATS, is neither. */
static bool is_others(struct slice word, struct slice line)
{
	static const struct slice memcached[] = {SLICE("get"),	SLICE("set"),  SLICE("append"),
						 SLICE("incr"), SLICE("decr"), SLICE("touch"),
						 SLICE("quit")};
	struct slice rest = slice_trim(slice_after(line, word.n));

	for (size_t i = 0; i < sizeof(memcached) / sizeof(*memcached); i++)
		if (slice_eq(word, memcached[i]))
			return true;
	return slice_starts_with(rest, SLICE("{")) ||
	       (line.n && memmem(line.p, line.n, " HTTP/", 6));
}

static enum detect detect_inline(struct slice head)
{
	struct slice line = slice_first(head, RESP_LINE_MAX), word = line;
	const char *end = memchr(line.p, '\n', line.n);

	if (end)
		line.n = (size_t)(end - line.p);
	if (end && line.n && line.p[line.n - 1] == '\r')
		line.n--;
	for (word.n = 0; word.n < line.n && line.p[word.n] != ' ';)
		word.n++;
	if (word.n > RESP_WORD_MAX || (word.n && !resp_is_word(slice_first(word, word.n))))
		return end || word.n != head.n || word.p[word.n - 1] != '\r' ? DETECT_NO
									     : DETECT_MORE;
	for (size_t i = word.n; i < line.n; i++)
		if ((unsigned char)line.p[i] < ' ' && (line.p[i] != '\r' || i + 1 < head.n))
			return DETECT_NO;
	if (!end && (word.n == line.n || redis_command(word)))
		return head.n < RESP_LINE_MAX ? DETECT_MORE : DETECT_NO;
	return redis_command(word) && !is_others(word, line) ? DETECT_LIKELY : DETECT_NO;
}

/* A string: if its end is there, that tells. */
static enum detect detect_string(struct slice head)
{
	struct slice rest;
	struct resp_item item;
	int got = resp_read_number(head, &item);

	if (got <= 0 || item.null || item.streamed)
		return from_read(got);
	rest = slice_after(slice_after(head, item.size), item.n);
	if (rest.n < 2)
		return rest.n && rest.p[0] != '\r' ? DETECT_NO : DETECT_LIKELY;
	return rest.p[0] == '\r' && rest.p[1] == '\n' ? DETECT_YES : DETECT_NO;
}

static bool is_line_of(char type, struct slice text)
{
	size_t n = 0;

	switch (type) {
	case '-': /* what NATS has to complain about is in quotes */
		if (slice_starts_with(text, SLICE("ERR '")) && text.p[text.n - 1] == '\'')
			return false;
		while (n < text.n && text.p[n] != ' ')
			n++;
		return resp_is_word(slice_first(text, n));
	case ':':
	case '(':
	case ',':
		return text.n && (resp_is_digit(text.p[text.n - 1]) || type == ',');
	case '#':
		return slice_eq(text, SLICE("t")) || slice_eq(text, SLICE("f"));
	case '_':
		return text.n == 0;
	}
	return text.n && resp_is_word(slice_first(text, 1));
}

static enum detect detect_line(struct slice head)
{
	struct resp_item item;
	int got = resp_read_item(head, &item);
	struct slice text;

	for (size_t i = 1; i < head.n && head.p[i] != '\r'; i++)
		if ((unsigned char)head.p[i] < ' ' || head.p[i] == 0x7f)
			return DETECT_NO;
	if (got <= 0)
		return from_read(got);
	text = slice_of(head.p + 1, item.size - 1);
	if (item.long_line || text.n < 2 || text.p[text.n - 2] != '\r')
		return DETECT_NO;
	text.n -= 2;
	return is_line_of(item.type, text) ? DETECT_LIKELY : DETECT_NO;
}

static enum detect detect_reply(struct slice head)
{
	struct resp_item item, first;
	int got;

	switch (head.p[0]) {
	case '$':
	case '=':
	case '!':
		return detect_string(head);
	case '*':
	case '%':
	case '~':
	case '>':
		got = resp_read_number(head, &item);
		if (got <= 0 || item.null || item.streamed || !item.n)
			return from_read(got);
		return from_read(resp_read_item(slice_after(head, item.size), &first));
	case '+':
	case '-':
	case ':':
	case ',':
	case '(':
	case '#':
	case '_':
		return detect_line(head);
	}
	return DETECT_NO;
}

enum detect redis_detect(enum sender sender, struct slice head)
{
	if (!head.n)
		return DETECT_MORE;
	if (sender == FROM_SERVER)
		return detect_reply(head);
	return head.p[0] == '*' ? detect_array(head) : detect_inline(head);
}
