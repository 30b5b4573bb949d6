// SPDX-License-Identifier: Apache-2.0
/* Frames, and detection by looking into them: in the middle of a connection there is nothing else. */
#include "user/protocols/postgresql_wire.h"

#include <errno.h>

#define STARTUP_LEN_MAX 10000

static const char client_types[] = "QPBEDCHSFdcfpX";
static const char server_types[] = "RSKZTDCE123ntsIAGHWVdcNv";

static bool is_one_of(const char *list, char c)
{
	return c && strchr(list, c);
}

static uint32_t get16(struct slice s)
{
	const uint8_t *p = (const uint8_t *)s.p;

	return (uint32_t)p[0] << 8 | p[1];
}

bool pg_take_string(struct slice *s, struct slice *string)
{
	ptrdiff_t end = slice_find(*s, '\0');

	if (end < 0)
		return false;
	*string = slice_first(*s, (size_t)end);
	*s = slice_after(*s, (size_t)end + 1);
	return true;
}

/* --- frames ----------------------------------------------------------------------------------- */

/* The one length that frames of this type have, or 0. */
static uint32_t fixed_len(enum sender sender, char type)
{
	if (sender == FROM_CLIENT)
		return is_one_of("HScX", type) ? 4 : 0;
	if (type == 'Z')
		return 5;
	return is_one_of("123nsIc", type) ? 4 : 0;
}

static bool is_header(enum sender sender, struct slice header)
{
	uint32_t len = pg_get32(slice_after(header, 1)), fixed = fixed_len(sender, header.p[0]);

	return is_one_of(sender == FROM_CLIENT ? client_types : server_types, header.p[0]) &&
	       len >= 4 && len < PG_FRAME_LEN_MAX && (!fixed || len == fixed);
}

/* How much of a frame is looked at, its header included. */
static uint32_t wanted_size(enum sender sender, char type)
{
	if (sender == FROM_CLIENT)
		return is_one_of("QP", type)   ? PG_KEEP_TEXT
		       : is_one_of("BE", type) ? PG_KEEP
					       : PG_HEADER_SZ;
	return is_one_of("CEZ", type) ? PG_KEEP : PG_HEADER_SZ;
}

ssize_t pg_take_frame(enum sender sender, struct slice bytes, bool last, struct pg_frame *frame,
		      struct msg *msg)
{
	uint32_t wanted, used;

	if (bytes.n < PG_HEADER_SZ) {
		if (!is_one_of(sender == FROM_CLIENT ? client_types : server_types, bytes.p[0]))
			return -EPROTO;
		msg->flags |= last ? MESSAGE_TRUNCATED : 0;
		return last ? (ssize_t)bytes.n : 0;
	}
	if (!is_header(sender, bytes))
		return -EPROTO;
	frame->type = bytes.p[0];
	frame->size = pg_get32(slice_after(bytes, 1)) + 1;
	wanted = wanted_size(sender, frame->type);
	wanted = wanted < frame->size ? wanted : frame->size;
	if (bytes.n < wanted && !last)
		return 0;
	used = bytes.n < wanted ? (uint32_t)bytes.n : wanted;
	frame->body = slice_after(slice_first(bytes, used), PG_HEADER_SZ);
	frame->cut = used < frame->size;
	msg->skip = frame->size - used;
	return (ssize_t)used;
}

bool pg_is_startup_code(uint32_t len, uint32_t code)
{
	if (code == PG_CODE_SSL || code == PG_CODE_GSS)
		return len == 8;
	if (code == PG_CODE_CANCEL)
		return len >= 16 && len < 300;
	return code >> 16 == 3 && len > 8 && len <= STARTUP_LEN_MAX;
}

/* --- detection -------------------------------------------------------------------------------- */

/* What can be said of a message's body: nothing, that it is as it must be, or that it is like no other. */
enum fit {
	FIT_NO,
	FIT_MORE,
	FIT_WEAK,
	FIT_STRONG,
};

static bool is_text(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' && !is_one_of("\t\n\r\f", s.p[i]))
			return false;
	return true;
}

/* Strings, one after the other; then rest, as it must be. */
static bool take_texts(struct slice *s, unsigned int cnt)
{
	struct slice string;

	for (unsigned int i = 0; i < cnt; i++)
		if (!pg_take_string(s, &string) || !is_text(string))
			return false;
	return true;
}

/* A 16-bit count, and so many items of that size. */
static bool take_items(struct slice *s, size_t size)
{
	size_t cnt;

	if (s->n < 2)
		return false;
	cnt = get16(*s);
	*s = slice_after(*s, 2);
	if (cnt * size > s->n)
		return false;
	*s = slice_after(*s, cnt * size);
	return true;
}

/* A 16-bit count, and so many values with their lengths; -1 is NULL. */
static bool take_values(struct slice *s)
{
	uint32_t cnt;

	if (s->n < 2)
		return false;
	cnt = get16(*s);
	*s = slice_after(*s, 2);
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t len;

		if (s->n < 4)
			return false;
		len = pg_get32(*s);
		*s = slice_after(*s, 4);
		if (len != UINT32_MAX && len > s->n)
			return false;
		*s = slice_after(*s, len == UINT32_MAX ? 0 : len);
	}
	return true;
}

/* A password, or a message of SASL: text to the end, or to the zero behind a mechanism's name. */
static bool is_password(struct slice body)
{
	ptrdiff_t end = slice_find(body, '\0');
	struct slice text = end < 0 ? body : slice_first(body, (size_t)end);

	return text.n && is_text(text);
}

static enum fit fits_client(char type, struct slice body)
{
	struct slice rest = body;
	bool fits = true, strong = false;

	switch (type) {
	case 'Q':
		fits = strong = take_texts(&rest, 1) && !rest.n && body.n > 1;
		break;
	case 'P':
		fits = strong = take_texts(&rest, 2) && take_items(&rest, 4) && !rest.n;
		break;
	case 'B':
		fits = strong = take_texts(&rest, 2) && take_items(&rest, 2) &&
				take_values(&rest) && take_items(&rest, 2) && !rest.n;
		break;
	case 'E':
		fits = take_texts(&rest, 1) && rest.n == 4;
		break;
	case 'C':
	case 'D':
		fits = body.n && is_one_of("SP", body.p[0]) && (rest.p++, rest.n--, true) &&
		       take_texts(&rest, 1) && !rest.n;
		break;
	case 'f':
		fits = body.n > 0;
		break;
	case 'p':
		fits = is_password(body);
		break;
	}
	return !fits ? FIT_NO : strong ? FIT_STRONG : FIT_WEAK;
}

/* Fields of an error: a code and a string each, then a zero. */
static bool is_error(struct slice body)
{
	struct slice field;

	if (!slice_starts_with(body, SLICE("S")))
		return false;
	while (pg_take_string(&body, &field) && field.n)
		if (!((field.p[0] | 0x20) >= 'a' && (field.p[0] | 0x20) <= 'z') || !is_text(field))
			return false;
	return !body.n;
}

static enum fit fits_server(char type, struct slice body)
{
	struct slice rest = body;
	bool fits = true, strong = false;

	switch (type) {
	case 'Z':
		fits = strong = is_one_of("ITE", body.p[0]);
		break;
	case 'C':
		fits = strong = take_texts(&rest, 1) && !rest.n && body.n > 3 && body.p[0] >= 'A' &&
				body.p[0] <= 'Z';
		break;
	case 'S':
		fits = strong = take_texts(&rest, 2) && !rest.n && body.p[0];
		break;
	case 'E':
	case 'N':
		fits = strong = is_error(body);
		break;
	case 'A':
		rest = slice_after(body, 4);
		fits = strong = body.n > 6 && take_texts(&rest, 2) && !rest.n;
		break;
	case 'R':
		fits = body.n >= 4 && pg_get32(body) <= 12;
		break;
	case 'D':
		fits = strong = take_values(&rest) && !rest.n && body.n > 6;
		break;
	case 'K':
		fits = body.n >= 8;
		break;
	case 'G':
	case 'H':
	case 'W':
		rest = slice_after(body, 1);
		fits = body.n > 2 && (unsigned char)body.p[0] < 2 && take_items(&rest, 2) &&
		       !rest.n;
		break;
	}
	return !fits ? FIT_NO : strong ? FIT_STRONG : FIT_WEAK;
}

/* Of a message whose end is not there: the beginning of a statement, or of a row, is worth something. */
static enum fit fits_cut(enum sender sender, char type, struct slice body)
{
	struct slice text = body, name;

	if (sender == FROM_CLIENT && type == 'P' && pg_take_string(&text, &name) && !is_text(name))
		return FIT_NO;
	if (sender == FROM_CLIENT && is_one_of("QP", type)) {
		ptrdiff_t end = slice_find(text, '\0');

		text = end < 0 ? text : slice_first(text, (size_t)end);
		if ((type == 'Q' && end >= 0) || !is_text(text))
			return FIT_NO;
		return text.n >= 16 ? FIT_WEAK : FIT_MORE;
	}
	return FIT_MORE;
}

static enum detect detect_messages(enum sender sender, struct slice head)
{
	enum detect so_far = DETECT_MORE;

	while (head.n) {
		struct slice body;
		uint32_t size;
		enum fit fit;

		if (!is_one_of(sender == FROM_CLIENT ? client_types : server_types, head.p[0]))
			return DETECT_NO;
		if (head.n < PG_HEADER_SZ)
			return head.n > 1 && head.p[1] > 63 ? DETECT_NO : so_far;
		if (!is_header(sender, head))
			return DETECT_NO;
		size = pg_get32(slice_after(head, 1)) + 1;
		body = slice_after(slice_first(head, size), PG_HEADER_SZ);
		fit = head.n < size	      ? fits_cut(sender, head.p[0], body)
		      : sender == FROM_CLIENT ? fits_client(head.p[0], body)
					      : fits_server(head.p[0], body);
		if (fit == FIT_NO)
			return DETECT_NO;
		if (fit == FIT_STRONG)
			return DETECT_YES;
		if (fit == FIT_WEAK)
			so_far = DETECT_LIKELY;
		head = slice_after(head, size);
	}
	return so_far;
}

static enum detect detect_startup(struct slice head)
{
	uint32_t len, code;
	struct slice name = slice_after(head, 8);

	if (head.n < 8) {
		static const char prefix[4] = {0, 0};

		return memcmp(head.p, prefix, head.n < 2 ? head.n : 2) ? DETECT_NO : DETECT_MORE;
	}
	len = pg_get32(head);
	code = pg_get32(slice_after(head, 4));
	if (!pg_is_startup_code(len, code))
		return DETECT_NO;
	if (code >> 16 != 3)
		return DETECT_YES;
	for (size_t i = 0; i < name.n && name.p[i]; i++)
		if (!(name.p[i] == '_' || name.p[i] == '.' ||
		      ((name.p[i] | 0x20) >= 'a' && (name.p[i] | 0x20) <= 'z')))
			return DETECT_NO;
	if (slice_find(name, '\0') == 0)
		return DETECT_NO;
	return slice_find(name, '\0') > 0 ? DETECT_YES : DETECT_MORE;
}

enum detect pg_detect(enum sender sender, struct slice head)
{
	if (!head.n)
		return DETECT_MORE;
	if (sender == FROM_CLIENT && !head.p[0])
		return detect_startup(head);
	return detect_messages(sender, head);
}
