// SPDX-License-Identifier: Apache-2.0
/*
 * All protocols, as a connection would use them. The input is the protocol's name and a newline (else
 * its first byte chooses one), a byte of flags, then runs of bytes that the two senders send in turn: a
 * length (16 bits, little endian) and the bytes. Every buffer that a parser sees has exactly the size
 * of what it holds. FUZZ_PROTOCOL=name keeps to one.
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/fuzz/check.h"
#include "user/protocols/http_headers.h"
#include "user/protocols/protocol.h"
#include "user/protocols/tls_hello.h"

#define FLAG_SERVER_FIRST 0x01u
#define FLAG_LAST 0x02u	       /* after each run, no more comes of it */
#define FLAG_SERVER_SIDE 0x04u /* whose span is described */
#define FLAG_UNIX 0x08u
#define FLAG_FAILED 0x10u  /* exchanges end in a failure */
#define FLAG_HEADERS 0x20u /* headers are captured */

#define MSG_FLAGS_ALL                                                                      \
	(MESSAGE_HAS_PARTS | MESSAGE_UNTIL_CLOSE | MESSAGE_UPGRADE | MESSAGE_TRUNCATED |   \
	 MESSAGE_MALFORMED | MESSAGE_ALL_BEFORE | MESSAGE_ALL_AFTER | MESSAGE_SKIPS_HEAD | \
	 MESSAGE_BRINGS_SPANS)
#define TAGS_MAX 16
#define SPAN_ATTRS_MAX 64

/* The bytes of one sender that were not consumed yet. */
struct stream {
	char *p;
	size_t n;
	uint64_t skip;
	bool over; /* what follows is not this protocol's */
};

/* A deep copy of attributes, each string in an allocation of its own size. */
struct saved {
	struct attr v[MSG_ATTRS_MAX];
	struct attrs attrs;
};

struct connection {
	const struct protocol *protocol;
	unsigned int flags;
	void *state;
	struct memo *memo;
	struct stream streams[2];
	struct saved request;
	uint32_t tags[TAGS_MAX];
	unsigned int tags_cnt;
};

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n);

static void *exact_copy(const void *p, size_t n)
{
	void *copy = malloc(n ? n : 1);

	CHECK(copy);
	if (n)
		memcpy(copy, p, n);
	return copy;
}

/* Touches each byte, so that the sanitizer looks at it. */
static void check_slice(struct slice s)
{
	volatile char sink = 0;

	for (size_t i = 0; i < s.n; i++)
		sink ^= s.p[i];
	(void)sink;
}

/* A span is in a trace; where there is no header, there is neither. */
static void check_parent(const struct trace_parent *parent)
{
	static const struct trace_parent none;

	CHECK(parent->format < TRACE_FORMAT_CNT &&
	      !(parent->flags & ~(TRACE_SAMPLED | TRACE_RANDOM)));
	CHECK(!parent->format == !memcmp(parent->trace_id, none.trace_id, sizeof(none.trace_id)));
	CHECK(parent->format || !memcmp(parent, &none, sizeof(none)));
}

static void check_attrs(const struct attrs *attrs, const struct attr *v, uint16_t cap)
{
	CHECK(attrs->v == v && attrs->cap == cap && attrs->cnt <= cap);
	for (uint16_t i = 0; i < attrs->cnt; i++) {
		CHECK(attrs->v[i].key.n > 0);
		check_slice(attrs->v[i].key);
		CHECK(attrs->v[i].type >= ATTR_STRING && attrs->v[i].type <= ATTR_STRINGS);
		if (attrs->v[i].type == ATTR_STRING)
			check_slice(attrs->v[i].str);
		for (uint32_t j = 0; j < attrs->v[i].items_cnt; j++)
			check_slice(attrs->v[i].items[j]);
	}
}

static void forget(struct saved *saved)
{
	for (uint16_t i = 0; i < saved->attrs.cnt; i++) {
		if (saved->v[i].type == ATTR_STRING)
			free((char *)saved->v[i].str.p);
		for (uint32_t j = 0; j < saved->v[i].items_cnt; j++)
			free((char *)saved->v[i].items[j].p);
		if (saved->v[i].type == ATTR_STRINGS)
			free((struct slice *)saved->v[i].items);
	}
	saved->attrs.cnt = 0;
}

static void save(struct saved *saved, const struct attrs *attrs)
{
	forget(saved);
	saved->attrs = (struct attrs){.v = saved->v, .cap = MSG_ATTRS_MAX};
	for (uint16_t i = 0; i < attrs->cnt; i++) {
		struct attr *attr = &saved->v[i];

		*attr = attrs->v[i];
		if (attr->type == ATTR_STRING)
			attr->str.p = exact_copy(attr->str.p, attr->str.n);
		if (attr->type == ATTR_STRINGS) {
			struct slice *items =
				exact_copy(attr->items, attr->items_cnt * sizeof(*items));

			for (uint32_t j = 0; j < attr->items_cnt; j++)
				items[j].p = exact_copy(items[j].p, items[j].n);
			attr->items = items;
		}
	}
	saved->attrs.cnt = attrs->cnt;
}

static void describe(const struct connection *c, const struct attrs *response)
{
	struct attr *v = malloc(SPAN_ATTRS_MAX * sizeof(*v));
	struct description *out = malloc(sizeof(*out));
	bool unix_socket = c->flags & FLAG_UNIX;
	const struct exchange_view view = {
		.side = c->flags & FLAG_SERVER_SIDE ? SIDE_SERVER : SIDE_CLIENT,
		.request = &c->request.attrs,
		.response = response,
		.server_address = unix_socket ? SLICE("/run/app.sock") : SLICE("2001:db8::1"),
		.server_port = unix_socket ? 0 : 8080,
		.client_address = unix_socket ? SLICE("") : SLICE("192.0.2.1"),
		.client_port = unix_socket ? 0 : 40000,
		.unix_socket = unix_socket,
		.request_body_sz = c->streams[FROM_CLIENT].skip,
		.response_body_sz = c->streams[FROM_SERVER].skip,
		.failure = c->flags & FLAG_FAILED ? SLICE("timeout") : SLICE(""),
	};

	CHECK(v && out);
	out->kind = KIND_OF_SIDE;
	out->operation = out->route_path = SLICE("");
	out->error = false;
	out->attrs = (struct attrs){.v = v, .cap = SPAN_ATTRS_MAX};
	out->text_len = out->items_cnt = 0;
	c->protocol->describe(&view, out);
	CHECK(out->text_len <= DESCRIPTION_TEXT_MAX);
	CHECK(out->error || !view.failure.n);
	check_slice(out->operation);
	check_slice(out->route_path);
	check_attrs(&out->attrs, v, SPAN_ATTRS_MAX);
	free(out);
	free(v);
}

static void take_msg(struct connection *c, enum sender sender, const struct msg *msg)
{
	static const struct attrs none;
	struct stream *stream = &c->streams[sender];

	stream->skip = msg->skip;
	stream->over = msg->flags & (MESSAGE_UNTIL_CLOSE | MESSAGE_UPGRADE | MESSAGE_TRUNCATED);
	if (msg->kind == MSG_REQUEST || msg->kind == MSG_ONEWAY) {
		save(&c->request, &msg->attrs);
		if (c->tags_cnt < TAGS_MAX)
			c->tags[c->tags_cnt++] = msg->tag;
		describe(c, &none);
	} else if (msg->kind != MSG_NONE) {
		if (c->tags_cnt && msg->kind == MSG_RESPONSE)
			memmove(c->tags, c->tags + 1, --c->tags_cnt * sizeof(*c->tags));
		describe(c, &msg->attrs);
	}
}

static void drop(struct stream *stream, size_t n)
{
	char *old = stream->p;

	stream->p = exact_copy(old + n, stream->n - n);
	stream->n -= n;
	free(old);
}

/* A run of bytes as one datagram. */
static void send_datagram(struct connection *c, const void *p, size_t n)
{
	struct attr *v = malloc(MSG_ATTRS_MAX * sizeof(*v));
	char *room = malloc(MSG_ROOM_SZ), *bytes = exact_copy(p, n);
	struct msg msg = {
		.attrs = {.v = v, .cap = MSG_ATTRS_MAX}, .room = room, .room_sz = MSG_ROOM_SZ};
	ssize_t used;

	CHECK(v && room);
	used = c->protocol->parse_datagram(slice_of(bytes, n), c->flags & FLAG_LAST, &msg);
	CHECK(used == -EPROTO || (used >= 0 && (size_t)used == n));
	if (used >= 0) {
		CHECK(msg.kind == MSG_NONE || msg.kind == MSG_REQUEST || msg.kind == MSG_RESPONSE);
		CHECK(msg.kind == MSG_NONE || msg.id);
		check_attrs(&msg.attrs, v, MSG_ATTRS_MAX);
	}
	free(bytes);
	free(room);
	free(v);
}

static const struct wanted_headers *wanted(enum sender sender)
{
	static const char *const names[] = {"Host", "x", "content-length", "transfer-encoding"};
	static struct wanted_headers headers[2];

	if (!headers[sender].cnt)
		CHECK(wanted_headers__init(&headers[sender], sender, names, 4) == 0);
	return &headers[sender];
}

/* One call of parse. False when it wants more, or gave up. */
static bool step(struct connection *c, enum sender sender, bool last)
{
	struct stream *stream = &c->streams[sender];
	struct attr *v = malloc(MSG_ATTRS_MAX * sizeof(*v));
	char *room = malloc(MSG_ROOM_SZ);
	struct fingerprint fingerprint = {.seed = 1};
	struct msg msg = {
		.wanted = c->flags & FLAG_HEADERS ? wanted(sender) : NULL,
		.fingerprint = sender == FROM_CLIENT ? &fingerprint : NULL,
		.tag = sender == FROM_SERVER && c->tags_cnt ? c->tags[0] : 0,
		.attrs = {.v = v, .cap = MSG_ATTRS_MAX},
		.room = room,
		.room_sz = MSG_ROOM_SZ,
		.memo = c->memo,
		.memo_owner = 1,
	};
	ssize_t n;

	CHECK(v && room);
	n = c->protocol->parse(c->state, sender, slice_of(stream->p, stream->n), last, &msg);
	if (n < 0) {
		CHECK(n == -EPROTO);
		stream->over = true;
	} else {
		CHECK((size_t)n <= stream->n && (n > 0 || !last));
	}
	if (n > 0) {
		CHECK(msg.kind >= MSG_NONE && msg.kind <= MSG_ABORT);
		CHECK(msg.initiator <= FROM_SERVER && msg.links_cnt <= MSG_LINKS_MAX);
		CHECK(msg.room == room && msg.room_len <= MSG_ROOM_SZ);
		CHECK((msg.kind == MSG_ABORT) == (msg.failure.n > 0));
		CHECK((msg.flags & ~MSG_FLAGS_ALL) == 0);
		CHECK(!(msg.flags & MESSAGE_TRUNCATED) || (size_t)n == stream->n);
		check_parent(&msg.parent);
		check_slice(msg.tracestate);
		check_slice(msg.failure);
		check_slice(msg.upgrade);
		for (unsigned int i = 0; i < msg.links_cnt; i++)
			check_parent(&msg.links[i]);
		check_attrs(&msg.attrs, v, MSG_ATTRS_MAX);
		take_msg(c, sender, &msg);
		drop(stream, (size_t)n);
	}
	free(room);
	free(v);
	return n > 0;
}

static void conclude(struct connection *c)
{
	struct attr v[MSG_ATTRS_MAX];
	struct msg msg = {.attrs = {.v = v, .cap = MSG_ATTRS_MAX}};

	if (!c->protocol->conclude)
		return;
	c->protocol->conclude(c->state, &msg);
	check_attrs(&msg.attrs, v, MSG_ATTRS_MAX);
	describe(c, &msg.attrs);
}

static void send_bytes(struct connection *c, enum sender sender, const void *p, size_t n)
{
	struct stream *stream = &c->streams[sender];
	bool last = c->flags & FLAG_LAST;
	char *joined = malloc(stream->n + n + 1);

	CHECK(joined);
	if (stream->n)
		memcpy(joined, stream->p, stream->n);
	memcpy(joined + stream->n, p, n);
	free(stream->p);
	stream->p = exact_copy(joined, stream->n + n);
	stream->n += n;
	free(joined);
	CHECK(c->protocol->detect(sender, slice_of(stream->p, stream->n)) <= DETECT_YES);
	if (c->protocol->parse_datagram) {
		send_datagram(c, p, n);
		if (n > 2) /* where the other framing has a length */
			send_datagram(c, (const char *)p + 2, n - 2);
	}
	do {
		size_t skipped = stream->skip < stream->n ? (size_t)stream->skip : stream->n;

		stream->skip -= skipped;
		drop(stream, skipped);
	} while (stream->n && !stream->over && step(c, sender, last));
	if (stream->over) { /* joins again at the next turn, as after a gap */
		drop(stream, stream->n);
		stream->over = false;
		stream->skip = 0;
		if (c->protocol->resync)
			c->protocol->resync(c->state, sender);
	}
}

static const struct protocol *only_protocol(void)
{
	const char *name = getenv("FUZZ_PROTOCOL");

	FOR_EACH_PROTOCOL (protocol)
		if (name && strcmp(protocol->name, name) == 0)
			return protocol;
	CHECK(!name || !*name);
	return NULL;
}

/* Takes the choice off the input. */
static const struct protocol *choose(struct slice *input)
{
	ptrdiff_t line_len = slice_find(slice_first(*input, 32), '\n');
	struct slice name = slice_first(*input, line_len > 0 ? (size_t)line_len : 0);
	const struct protocol *only = only_protocol(), *chosen = NULL;
	uint8_t choice = (uint8_t)input->p[0];
	size_t cnt = 0;

	*input = slice_after(*input, name.n + 1);
	FOR_EACH_PROTOCOL (protocol) {
		if (slice_eq(slice_str(protocol->name), name))
			chosen = protocol;
		cnt++;
	}
	if (!chosen)
		chosen = __start_sonde_protocols[choice % cnt];
	return only ? only : chosen;
}

/* Each input may be a hello of TLS, too. */
static void read_hello(const uint8_t *input, size_t n)
{
	char *copy = exact_copy(input, n);
	struct tls_hello hello;
	int read = tls_hello_read(slice_of(copy, n), &hello);

	CHECK(read == 0 || read == 1 || read == -EPROTO);
	CHECK(read >= 0 || (!hello.server_name.n && !hello.protocol.n && !hello.version));
	CHECK(!hello.version ||
	      (hello.version >= TLS_VERSION_1_0 && hello.version <= TLS_VERSION_1_3));
	CHECK(hello.server_name.n <= TLS_SERVER_NAME_MAX && hello.protocol.n <= UINT8_MAX);
	CHECK(hello.from_client ? !hello.version && !hello.protocol.n
				: !hello.offers_h2 && !hello.server_name.n);
	check_slice(hello.server_name);
	check_slice(hello.protocol);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	struct slice rest = slice_of((const char *)input, n);
	struct connection *c;
	enum sender sender;

	if (n < 2)
		return 0;
	read_hello(input, n);
	c = calloc(1, sizeof(*c));
	CHECK(c);
	c->protocol = choose(&rest);
	c->memo = memo__new(65536);
	c->flags = rest.n ? (uint8_t)rest.p[0] : 0;
	CHECK(c->memo && c->protocol->state_size <= PROTOCOL_STATE_MAX);
	c->state = calloc(1, c->protocol->state_size ? c->protocol->state_size : 1);
	CHECK(c->state);
	sender = c->flags & FLAG_SERVER_FIRST ? FROM_SERVER : FROM_CLIENT;
	for (rest = slice_after(rest, 1); rest.n > 2; sender = !sender) {
		size_t len = (uint8_t)rest.p[0] | (size_t)(uint8_t)rest.p[1] << 8;
		struct slice run = slice_first(slice_after(rest, 2), len);

		send_bytes(c, sender, run.p, run.n);
		rest = slice_after(rest, 2 + run.n);
	}
	conclude(c);
	forget(&c->request);
	memo__free(c->memo);
	free(c->streams[FROM_CLIENT].p);
	free(c->streams[FROM_SERVER].p);
	free(c->state);
	free(c);
	return 0;
}
