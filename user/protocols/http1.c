// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/1.0 and 1.1 (RFC 9112). Lenient where servers are: bare LF, folded headers, spaces in a
 * target. Strict about where a body ends, for all that follows depends on it.
 */
#include <errno.h>

#include "user/protocols/http_headers.h"
#include "user/protocols/http_semconv.h"
#include "user/protocols/protocol.h"

#define TOKEN_LEN_MAX 32 /* of methods and schemes */
#define HEAD_LEN_MAX 65536
#define CHUNK_LINE_LEN_MAX 4096
#define BODY_LEN_MAX INT64_MAX
/* So much target without a space, after a known method, is taken for HTTP unseen. */
#define DETECT_TARGET_LEN 256

#define VERSION_LEN 8 /* HTTP/1.1 */
#define STATUS_LEN 12 /* HTTP/1.1 200 */

/* What a sender's next bytes are. */
enum part {
	PART_HEAD,
	PART_FIRST_CHUNK,
	PART_NEXT_CHUNK, /* with the line end of the chunk before it */
};

struct http1_state {
	uint8_t part[2]; /* enum part, by enum sender */
};

/* What the header lines said, as far as it matters here. */
struct headers {
	struct slice host, user_agent, upgrade, content_type;
	uint64_t body_len;
	bool has_length, bad_length;
	bool coded, chunked;		 /* has Transfer-Encoding; and its last coding is chunked */
	struct fingerprint *fingerprint; /* NULL: none is wanted */
	struct http_headers captured;
	struct trace_headers trace;
};

/* --- lines ---------------------------------------------------------------------------------- */

/* Bytes of a token, RFC 9110 section 5.6.2. */
static const bool token_bytes[256] = {
	['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['!'] = true,
	['#'] = true,	      ['$'] = true,	    ['%'] = true,	  ['&'] = true,
	['\''] = true,	      ['*'] = true,	    ['+'] = true,	  ['-'] = true,
	['.'] = true,	      ['^'] = true,	    ['_'] = true,	  ['`'] = true,
	['|'] = true,	      ['~'] = true,
};

/* The length of the token at the start, as far as one may be long. */
static size_t token_len(struct slice s)
{
	size_t n = 0;

	while (n < s.n && n < TOKEN_LEN_MAX && token_bytes[(unsigned char)s.p[n]])
		n++;
	return n;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Not a space or a control character; bytes above ASCII do occur. */
static bool is_target_byte(char c)
{
	return (unsigned char)c > 0x20 && c != 0x7f;
}

/* The first line without its end, and the length with it; 0 if it does not end within max bytes. */
static size_t take_line(struct slice bytes, size_t max, struct slice *line)
{
	struct slice in = slice_first(bytes, max);
	ptrdiff_t end = slice_find(in, '\n');

	if (end < 0)
		return 0;
	*line = slice_first(in, (size_t)end);
	if (end > 0 && in.p[end - 1] == '\r')
		line->n--;
	return (size_t)end + 1;
}

static size_t blank_lines_len(struct slice bytes)
{
	size_t n = 0;

	while (n < bytes.n) {
		if (bytes.p[n] == '\n')
			n++;
		else if (bytes.p[n] == '\r' && n + 1 < bytes.n && bytes.p[n + 1] == '\n')
			n += 2;
		else
			break;
	}
	return n;
}

/* Could s, when more comes, begin with `HTTP/1.` and a digit? */
static bool is_version_prefix(struct slice s)
{
	struct slice fixed = slice_first(SLICE("HTTP/1."), s.n);

	return slice_starts_with(s, fixed) && (s.n < VERSION_LEN || is_digit(s.p[VERSION_LEN - 1]));
}

static bool is_version(struct slice s)
{
	return s.n == VERSION_LEN && is_version_prefix(s);
}

/* --- headers -------------------------------------------------------------------------------- */

/* Without white space at both ends, which after folding may include line ends. */
static struct slice trim(struct slice s)
{
	while (s.n && (is_blank(s.p[0]) || s.p[0] == '\r' || s.p[0] == '\n'))
		s = slice_after(s, 1);
	while (s.n && (is_blank(s.p[s.n - 1]) || s.p[s.n - 1] == '\r' || s.p[s.n - 1] == '\n'))
		s.n--;
	return s;
}

static bool is_header(struct slice line, struct slice name, struct slice *value)
{
	struct slice rest = slice_after(line, name.n);

	/* Most other names have another length. */
	if (!rest.n || (rest.p[0] != ':' && !is_blank(rest.p[0])) ||
	    !slice_eq_nocase(slice_first(line, name.n), name))
		return false;
	while (rest.n && is_blank(rest.p[0]))
		rest = slice_after(rest, 1);
	if (!rest.n || rest.p[0] != ':')
		return false;
	*value = trim(slice_after(rest, 1));
	return true;
}

static void keep_first(struct slice *field, struct slice value)
{
	if (!field->n)
		*field = value;
}

/* Takes the last item off a comma-separated list. */
static struct slice take_last(struct slice *list)
{
	const char *comma = list->n ? memrchr(list->p, ',', list->n) : NULL;
	size_t at = comma ? (size_t)(comma - list->p) + 1 : 0;
	struct slice item = trim(slice_after(*list, at));

	list->n = comma ? at - 1 : 0;
	return item;
}

/* The same length said twice is let pass, RFC 9112 section 6.3. */
static void read_length(struct headers *h, struct slice value)
{
	do {
		uint64_t len;

		if (!slice_to_u64(take_last(&value), &len) || len > BODY_LEN_MAX ||
		    (h->has_length && len != h->body_len)) {
			h->bad_length = true;
			return;
		}
		h->has_length = true;
		h->body_len = len;
	} while (value.n);
}

static void read_coding(struct headers *h, struct slice value)
{
	struct slice coding = take_last(&value);

	if (slice_eq_nocase(coding, SLICE("identity")))
		return;
	h->coded = true;
	h->chunked = slice_eq_nocase(coding, SLICE("chunked"));
}

static void headers_begin(struct headers *h, const struct wanted_headers *wanted)
{
	memset(h, 0, offsetof(struct headers, captured));
	http_headers__begin(&h->captured, wanted);
	h->trace.seen = 0;
}

static bool split(struct slice line, struct slice *name, struct slice *value)
{
	ptrdiff_t colon = slice_find(line, ':');

	if (colon <= 0)
		return false;
	*name = trim(slice_first(line, (size_t)colon));
	*value = trim(slice_after(line, (size_t)colon + 1));
	return true;
}

static void take_any(struct headers *h, struct slice line)
{
	struct slice name, value;

	if (!split(line, &name, &value))
		return;
	http_headers__take(&h->captured, name, value);
	if (h->fingerprint)
		fingerprint__add(h->fingerprint, name, value);
}

/* X-B3-, X-Amzn-, X-Datadog-, and few others: what else begins with x is not looked at any closer. */
static bool may_name_trace(struct slice line)
{
	char c = line.n > 2 ? line.p[2] | 0x20 : 0;

	return (line.p[0] | 0x20) != 'x' || c == 'b' || c == 'a' || c == 'd';
}

static void read_trace_header(struct headers *h, struct slice line)
{
	struct slice name, value;

	if (may_name_trace(line) && split(line, &name, &value))
		trace_headers__take(&h->trace, name, value);
}

static void read_header(struct headers *h, struct slice line)
{
	struct slice value;

	if (h->captured.wanted || h->fingerprint)
		take_any(h, line);
	switch (line.p[0] | 0x20) {
	case 'h':
		if (is_header(line, SLICE("host"), &value))
			keep_first(&h->host, value);
		break;
	case 'u':
		if (is_header(line, SLICE("user-agent"), &value))
			keep_first(&h->user_agent, value);
		else if (is_header(line, SLICE("upgrade"), &value))
			keep_first(&h->upgrade, value);
		else
			read_trace_header(h, line);
		break;
	case 'c':
		if (is_header(line, SLICE("content-length"), &value))
			read_length(h, value);
		else if (is_header(line, SLICE("content-type"), &value))
			keep_first(&h->content_type, value);
		break;
	case 't':
		if (is_header(line, SLICE("transfer-encoding"), &value))
			read_coding(h, value);
		else
			read_trace_header(h, line);
		break;
	case 'b':
	case 'x':
		read_trace_header(h, line);
		break;
	}
}

/* Reads header lines up to and with the blank one. The length of all; 0 if the blank one lacks. */
static size_t read_headers(struct slice bytes, struct headers *h)
{
	const char *at = bytes.p, *limit = bytes.p + bytes.n;

	while (at < limit) {
		const char *end = memchr(at, '\n', (size_t)(limit - at));

		if (end == at || (end == at + 1 && *at == '\r'))
			return (size_t)(end + 1 - bytes.p);
		while (end && end + 1 < limit && is_blank(end[1])) /* folded */
			end = memchr(end + 1, '\n', (size_t)(limit - end - 1));
		if (!end)
			break;
		read_header(h, slice_of(at, (size_t)(end - at)));
		at = end + 1;
	}
	return 0;
}

/* --- requests ------------------------------------------------------------------------------- */

/* `scheme://authority` and a target; cut tells that the end is missing. */
static bool read_absolute(struct slice target, bool cut, struct http_request *r)
{
	size_t scheme_len = token_len(target), n = 0;
	struct slice rest = slice_after(target, scheme_len);

	if (scheme_len == 0 || !slice_starts_with(rest, SLICE("://")))
		return false;
	r->scheme = slice_first(target, scheme_len);
	rest = slice_after(rest, 3);
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
		n++;
	if (n == rest.n && cut)
		return true;
	r->absolute = target;
	r->authority = slice_first(rest, n);
	r->target = n < rest.n ? slice_after(rest, n) : SLICE("/");
	return true;
}

/* The four forms of RFC 9112 section 3.2. False if it is none of them. */
static bool read_target(struct slice target, bool cut, struct http_request *r)
{
	if (target.p[0] == '/' || slice_eq(target, SLICE("*"))) {
		r->target = target;
	} else if (slice_eq(r->method, SLICE("CONNECT"))) {
		if (!cut)
			r->authority = target;
	} else {
		return read_absolute(target, cut, r);
	}
	return true;
}

/* A whole request line. Spaces inside the target make it an error, not something else. */
static bool read_request_line(struct slice line, struct http_request *r, uint32_t *flags)
{
	size_t n = token_len(line), target_len;
	struct slice target, version;
	bool clean = true;

	if (n == 0 || line.n < n + 3 + VERSION_LEN || line.p[n] != ' ')
		return false;
	target_len = line.n - n - 2 - VERSION_LEN;
	target = slice_first(slice_after(line, n + 1), target_len);
	version = slice_after(line, line.n - VERSION_LEN);
	if (version.p[-1] != ' ' || !is_version(version))
		return false;
	for (size_t i = 0; i < target.n; i++)
		clean &= is_target_byte(target.p[i]);
	r->method = slice_first(line, n);
	r->version = slice_after(version, 5);
	if (!read_target(target, false, r) || !clean)
		*flags |= MESSAGE_MALFORMED;
	return true;
}

/* Could s, when more comes, be a request line or blank lines before one? */
static bool is_request_prefix(struct slice s)
{
	size_t n = token_len(s);

	if (n == 0)
		return s.n == 0 || slice_eq(s, SLICE("\r"));
	return n == s.n || s.p[n] == ' ';
}

/* A request line whose end is missing: a method and some of a target. */
static bool read_cut_line(struct slice line, struct http_request *r)
{
	size_t n = token_len(line), target_len = 0;
	struct slice target = slice_after(line, n + 1);

	if (n == 0 || !target.n || line.p[n] != ' ')
		return false;
	while (target_len < target.n && is_target_byte(target.p[target_len]))
		target_len++;
	if (target_len == 0)
		return false;
	if (target_len < target.n) {
		struct slice version = slice_after(target, target_len + 1);

		if (target.p[target_len] != ' ' ||
		    !is_version_prefix(slice_first(version, VERSION_LEN)))
			return false;
		if (version.n >= VERSION_LEN)
			r->version = slice_first(slice_after(version, 5), 3);
	}
	r->method = slice_first(line, n);
	return read_target(slice_first(target, target_len), target_len == target.n, r);
}

static void fill_request(struct msg *msg, struct http_request *r, const struct headers *h)
{
	msg->kind = MSG_REQUEST;
	msg->tag = http_tag(r->method);
	msg->parent = trace_headers__read(&h->trace, &msg->tracestate);
	r->user_agent = h->user_agent;
	if (!r->authority.n) /* else the target's is the one that counts */
		r->authority = h->host;
	if (http_brings_spans(r, h->content_type))
		msg->flags |= MESSAGE_BRINGS_SPANS;
	http_add_request(&msg->attrs, r);
	http_headers__add(&h->captured, &msg->attrs);
}

/* cut: the end of the head is missing, and perhaps that of its first line. */
static void end_fingerprint(struct fingerprint *f, const struct http_request *r, bool line_cut,
			    bool cut)
{
	bool old = slice_eq(r->version, SLICE("1.0"));

	fingerprint__end(f, r->method,
			 line_cut      ? SLICE("")
			 : r->target.n ? r->target
				       : r->authority,
			 old ? 10 : 11, !cut);
}

static ssize_t parse_request(struct http1_state *state, struct slice bytes, bool last,
			     struct msg *msg)
{
	struct http_request r = {.version = {.n = 0}};
	struct headers h;
	struct slice line, head = slice_first(bytes, HEAD_LEN_MAX);
	size_t line_len, headers_len = 0;
	size_t blank_len = blank_lines_len(head);

	if (blank_len) /* on their own: the request has not begun with them */
		return (ssize_t)blank_len;
	headers_begin(&h, msg->wanted);
	h.fingerprint = msg->fingerprint;
	last |= bytes.n >= HEAD_LEN_MAX;
	line_len = take_line(head, HEAD_LEN_MAX, &line);
	if (line_len) {
		if (!read_request_line(line, &r, &msg->flags))
			return -EPROTO;
		headers_len = read_headers(slice_after(head, line_len), &h);
	} else if (last ? !read_cut_line(head, &r) : !is_request_prefix(head)) {
		return -EPROTO;
	}
	if (!headers_len && !last)
		return 0;
	if (headers_len && (h.coded ? !h.chunked : h.bad_length))
		return -EPROTO;
	if (h.fingerprint)
		end_fingerprint(h.fingerprint, &r, !line_len, !headers_len);
	fill_request(msg, &r, &h);
	if (!headers_len) {
		msg->flags |= MESSAGE_TRUNCATED;
		return (ssize_t)bytes.n;
	}
	if (h.chunked) {
		msg->flags |= MESSAGE_HAS_PARTS;
		state->part[FROM_CLIENT] = PART_FIRST_CHUNK;
	} else {
		msg->skip = h.body_len;
	}
	return (ssize_t)(line_len + headers_len);
}

/* --- responses ------------------------------------------------------------------------------ */

/* Could s, when more comes, begin with `HTTP/1.0 ddd` or `HTTP/1.1 ddd`? */
static bool is_status_prefix(struct slice s)
{
	static const char shape[] = "HTTP/1.b Ndd_";
	bool good = is_version_prefix(s);

	for (size_t i = VERSION_LEN - 1; good && i < s.n && i < sizeof(shape) - 1; i++) {
		char c = s.p[i];

		switch (shape[i]) {
		case 'b':
			good = c == '0' || c == '1';
			break;
		case 'N':
			good = is_digit(c) && c != '0';
			break;
		case 'd':
			good = is_digit(c);
			break;
		case '_':
			good = is_blank(c) || c == '\r' || c == '\n';
			break;
		default:
			good = c == shape[i];
		}
	}
	return good;
}

/* The status code, or 0 if it is no status line. */
static unsigned int read_status(struct slice line)
{
	const char *code;

	if (line.n < STATUS_LEN || !is_status_prefix(line))
		return 0;
	code = line.p + VERSION_LEN;
	return (unsigned int)((code[1] - '0') * 100 + (code[2] - '0') * 10 + (code[3] - '0'));
}

/* Where the response's body ends, RFC 9112 section 6.3. */
static int frame_response(struct http1_state *state, unsigned int status, const struct headers *h,
			  struct msg *msg)
{
	if (status < 200 && status != 101)
		return 0;
	if (status == 101 || (status < 300 && (msg->tag & HTTP_TAG_CONNECT))) {
		msg->flags |= MESSAGE_UPGRADE;
		if (status == 101 && slice_eq_nocase(h->upgrade, SLICE("websocket")))
			msg->upgrade = SLICE("websocket");
		else if (status == 101 && slice_eq_nocase(h->upgrade, SLICE("h2c")))
			msg->upgrade = SLICE("http2");
		return 0;
	}
	if (!h->coded && h->bad_length)
		return -EPROTO;
	if (status == 204 || status == 304 || (msg->tag & HTTP_TAG_HEAD))
		return 0;
	if (h->chunked) {
		msg->flags |= MESSAGE_HAS_PARTS;
		state->part[FROM_SERVER] = PART_FIRST_CHUNK;
	} else if (h->coded || !h->has_length) {
		msg->flags |= MESSAGE_UNTIL_CLOSE;
	} else {
		msg->skip = h->body_len;
	}
	return 0;
}

static ssize_t parse_response(struct http1_state *state, struct slice bytes, bool last,
			      struct msg *msg)
{
	struct headers h;
	struct slice line, head = slice_first(bytes, HEAD_LEN_MAX);
	size_t line_len, headers_len = 0;
	unsigned int status;

	headers_begin(&h, msg->wanted);
	last |= bytes.n >= HEAD_LEN_MAX;
	line_len = take_line(head, HEAD_LEN_MAX, &line);
	if (!line_len && !last)
		return is_status_prefix(head) ? 0 : -EPROTO;
	status = read_status(line_len ? line : head);
	if (!status)
		return -EPROTO;
	if (line_len)
		headers_len = read_headers(slice_after(head, line_len), &h);
	if (!headers_len && !last)
		return 0;
	if (status >= 200 || status == 101) {
		msg->kind = MSG_RESPONSE;
		http_add_status(&msg->attrs, status);
		http_headers__add(&h.captured, &msg->attrs);
	}
	if (!headers_len) {
		msg->flags |= MESSAGE_TRUNCATED;
		return (ssize_t)bytes.n;
	}
	if (frame_response(state, status, &h, msg))
		return -EPROTO;
	return (ssize_t)(line_len + headers_len);
}

/* --- chunks --------------------------------------------------------------------------------- */

/* Hexadecimal digits, then the end, blanks or extensions, which nobody uses. */
static bool read_chunk_size(struct slice line, uint64_t *size)
{
	size_t i = 0;

	for (*size = 0; i < line.n; i++) {
		char c = line.p[i] | 0x20;

		if (is_digit(line.p[i]))
			c -= '0';
		else if (c >= 'a' && c <= 'f')
			c -= 'a' - 10;
		else
			break;
		if (*size > BODY_LEN_MAX >> 4)
			return false;
		*size = *size << 4 | (unsigned char)c;
	}
	return i > 0 && (i == line.n || line.p[i] == ';' || is_blank(line.p[i]));
}

/* The end of the chunk before: its length, 0 if more bytes are needed, or -EPROTO. */
static ssize_t chunk_end_len(struct slice bytes)
{
	if (slice_starts_with(bytes, SLICE("\n")))
		return 1;
	if (slice_starts_with(bytes, SLICE("\r\n")))
		return 2;
	return slice_starts_with(SLICE("\r\n"), bytes) ? 0 : -EPROTO;
}

/* The last chunk was read: its trailer section follows, then nothing. */
static ssize_t parse_trailers(uint8_t *part, struct slice bytes, size_t at, bool last,
			      struct msg *msg)
{
	struct headers unused;
	struct slice trailers = slice_first(slice_after(bytes, at), HEAD_LEN_MAX);
	size_t len;

	headers_begin(&unused, NULL);
	len = read_headers(trailers, &unused);
	last |= trailers.n >= HEAD_LEN_MAX;
	if (!len && !last)
		return 0;
	msg->kind = MSG_END;
	*part = PART_HEAD;
	if (len)
		return (ssize_t)(at + len);
	msg->flags |= MESSAGE_TRUNCATED;
	return (ssize_t)bytes.n;
}

static ssize_t parse_chunk(uint8_t *part, struct slice bytes, bool last, struct msg *msg)
{
	ssize_t end_len = *part == PART_NEXT_CHUNK ? chunk_end_len(bytes) : 0;
	struct slice line, rest;
	size_t line_len;
	uint64_t size;

	if (end_len < 0)
		return end_len;
	rest = slice_after(bytes, (size_t)end_len);
	line_len = take_line(rest, CHUNK_LINE_LEN_MAX, &line);
	if (!line_len) {
		if (rest.n >= CHUNK_LINE_LEN_MAX)
			return -EPROTO;
		if (!last)
			return 0;
		msg->flags |= MESSAGE_TRUNCATED;
		*part = PART_HEAD;
		return (ssize_t)bytes.n;
	}
	if (!read_chunk_size(line, &size))
		return -EPROTO;
	line_len += (size_t)end_len;
	if (size == 0)
		return parse_trailers(part, bytes, line_len, last, msg);
	msg->skip = size;
	*part = PART_NEXT_CHUNK;
	return (ssize_t)line_len;
}

/* --- the protocol --------------------------------------------------------------------------- */

static enum detect detect_response(struct slice head)
{
	if (!is_status_prefix(head))
		return DETECT_NO;
	return head.n < STATUS_LEN ? DETECT_MORE : DETECT_YES;
}

/* After the target and its space: the version and the line's end. */
static enum detect detect_version(struct slice rest)
{
	struct slice end = slice_after(rest, VERSION_LEN);

	if (!is_version_prefix(slice_first(rest, VERSION_LEN)))
		return DETECT_NO;
	if (slice_starts_with(end, SLICE("\r\n")) || slice_starts_with(end, SLICE("\n")))
		return DETECT_YES;
	return slice_starts_with(SLICE("\r\n"), end) ? DETECT_MORE : DETECT_NO;
}

static enum detect detect_request(struct slice head)
{
	size_t n = token_len(head), target_len = 0;
	struct http_request r = {.method = slice_first(head, n)};
	struct slice target;

	if (!is_request_prefix(head))
		return DETECT_NO;
	if (n == head.n || n == 0)
		return DETECT_MORE;
	target = slice_after(head, n + 1);
	while (target_len < target.n && is_target_byte(target.p[target_len]))
		target_len++;
	if (target_len < target.n)
		return target_len && target.p[target_len] == ' '
			       ? detect_version(slice_after(target, target_len + 1))
			       : DETECT_NO;
	if (target_len < DETECT_TARGET_LEN || !http_known_method(r.method).n)
		return DETECT_MORE;
	return read_target(target, true, &r) ? DETECT_YES : DETECT_NO;
}

static enum detect detect(enum sender sender, struct slice head)
{
	if (sender == FROM_SERVER)
		return detect_response(head);
	head = slice_after(head, blank_lines_len(head));
	return detect_request(head);
}

static ssize_t parse(void *state, enum sender sender, struct slice bytes, bool last,
		     struct msg *msg)
{
	struct http1_state *http1 = state;
	uint8_t *part = &http1->part[sender];

	msg->kind = MSG_NONE;
	msg->flags = 0;
	msg->id = 0;
	msg->skip = 0;
	msg->attrs.cnt = msg->attrs.dropped_cnt = 0;
	if (*part != PART_HEAD)
		return parse_chunk(part, bytes, last, msg);
	return sender == FROM_CLIENT ? parse_request(http1, bytes, last, msg)
				     : parse_response(http1, bytes, last, msg);
}

static void resync(void *state, enum sender sender)
{
	struct http1_state *http1 = state;

	http1->part[sender] = PART_HEAD;
}

static const uint16_t ports[] = {80, 8080, 8000, 8008, 8081, 3000, 5000, 9090, 0};

static const struct protocol http1_protocol = {
	.name = "http",
	.ports = ports,
	.state_size = sizeof(struct http1_state),
	.served_by_sdks = true,
	.fingerprints = true,
	.detect = detect,
	.parse = parse,
	.resync = resync,
	.describe = http_describe,
};
PROTOCOL(http1_protocol);
