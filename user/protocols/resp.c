// SPDX-License-Identifier: Apache-2.0
/* The items of RESP2 and RESP3 (redis.io, "Redis serialization protocol specification"). */
#include "user/protocols/resp.h"

#include <errno.h>

#define DIGITS_MAX 18

int resp_read_number(struct slice s, struct resp_item *item)
{
	size_t at = 1;

	*item = (struct resp_item){.type = s.n ? s.p[0] : 0};
	if (s.n > 1 && (s.p[1] == '-' || s.p[1] == '?')) {
		struct slice rest = slice_after(s, 1);
		struct slice want = s.p[1] == '?' ? SLICE("?\r\n") : SLICE("-1\r\n");

		if (!slice_starts_with(rest, want))
			return slice_starts_with(want, rest) ? 0 : -EPROTO;
		item->null = s.p[1] == '-';
		item->streamed = !item->null;
		item->size = 1 + want.n;
		return 1;
	}
	while (at < s.n && at <= DIGITS_MAX && resp_is_digit(s.p[at]))
		item->n = item->n * 10 + (uint64_t)(s.p[at++] - '0');
	if (at >= s.n)
		return 0;
	if (at == 1 || s.p[at] != '\r')
		return -EPROTO;
	if (at + 1 == s.n)
		return 0;
	item->size = at + 2;
	return s.p[at + 1] == '\n' ? 1 : -EPROTO;
}

int resp_read_item(struct slice s, struct resp_item *item)
{
	const char *end;

	if (!s.n)
		return 0;
	switch (s.p[0]) {
	case '$':
	case '*':
	case '%':
	case '~':
	case '>':
	case '=':
	case '!':
	case '|':
	case ';':
		return resp_read_number(s, item);
	case '+':
	case '-':
	case ':':
	case ',':
	case '(':
	case '#':
	case '_':
	case '.':
		*item = (struct resp_item){.type = s.p[0]};
		s = slice_first(s, RESP_LINE_MAX);
		end = memchr(s.p, '\n', s.n);
		item->long_line = !end && s.n == RESP_LINE_MAX;
		item->size = end ? (size_t)(end - s.p) + 1 : s.n;
		return end || item->long_line;
	}
	return -EPROTO;
}

struct slice resp_text_at(struct slice s, const struct resp_item *item, bool *whole)
{
	struct slice rest = slice_after(s, item->size);

	*whole = true;
	switch (item->type) {
	case '+':
	case '-':
		rest = slice_first(slice_after(s, 1), item->size - 1);
		while (rest.n && (rest.p[rest.n - 1] == '\n' || rest.p[rest.n - 1] == '\r'))
			rest.n--;
		return rest;
	case '$':
	case '!':
		if (item->null || item->streamed)
			break;
		*whole = rest.n >= item->n;
		return slice_first(rest, item->n);
	}
	return SLICE("");
}

bool resp_is_word(struct slice s)
{
	if (!s.n || s.n > RESP_WORD_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i] | 0x20;

		if (!(c >= 'a' && c <= 'z') && !resp_is_digit(s.p[i]) &&
		    (i == 0 || (s.p[i] != '.' && s.p[i] != '-' && s.p[i] != '_')))
			return false;
	}
	return true;
}
