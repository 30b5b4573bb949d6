// SPDX-License-Identifier: Apache-2.0
/*
 * protoname: a store of values by key, made up as a beginning. Say here what it is, and which
 * specification this file follows. Lines by either sender, some with a value of that length behind:
 *     protoname/1 get KEY             protoname/1 ok LENGTH
 *     protoname/1 put KEY LENGTH      protoname/1 error REASON
 */
#include <errno.h>

#include "user/protocols/protocol.h"

#define MAGIC SLICE("protoname/1 ")
#define LINE_LEN_MAX 512
#define WORDS_MAX 4

/* Attributes, of messages and of spans. There is no semantic convention for these. */
#define VERB SLICE("protoname.verb")
#define KEY SLICE("protoname.key")
#define ERROR SLICE("error.type")

static const struct slice verbs[2][2] = {
	[FROM_CLIENT] = {SLICE("get "), SLICE("put ")},
	[FROM_SERVER] = {SLICE("ok "), SLICE("error ")},
};

/* Nothing else begins with this name and one of these words, so it is certain. */
static enum detect detect(enum sender sender, struct slice head)
{
	size_t n = head.n < MAGIC.n ? head.n : MAGIC.n;
	struct slice rest = slice_after(head, MAGIC.n);

	if (!slice_eq(slice_first(head, n), slice_first(MAGIC, n)))
		return DETECT_NO;
	for (int i = 0; i < 2; i++) {
		if (slice_starts_with(rest, verbs[sender][i]))
			return DETECT_YES;
		if (slice_starts_with(verbs[sender][i], rest))
			return DETECT_MORE;
	}
	return DETECT_NO;
}

static size_t split(struct slice line, struct slice words[WORDS_MAX])
{
	size_t cnt = 0;

	while (line.n && cnt < WORDS_MAX) {
		ptrdiff_t space = slice_find(line, ' ');

		words[cnt] = slice_first(line, space < 0 ? line.n : (size_t)space);
		line = slice_after(line, words[cnt++].n + 1);
	}
	return cnt;
}

/* The value behind the line need not be seen. A length that is none may hide anything. */
static int skip_value(struct slice length, struct msg *msg)
{
	return slice_to_u64(length, &msg->skip) ? 0 : -EPROTO;
}

static int read_request(const struct slice *words, size_t cnt, struct msg *msg)
{
	msg->kind = MSG_REQUEST;
	if (cnt > 1)
		attrs_add_str(&msg->attrs, VERB, words[1]);
	if (cnt > 2)
		attrs_add_str(&msg->attrs, KEY, words[2]);
	return cnt > 3 ? skip_value(words[3], msg) : 0;
}

static int read_response(const struct slice *words, size_t cnt, struct msg *msg)
{
	msg->kind = MSG_RESPONSE;
	if (cnt < 3)
		return 0;
	if (slice_eq(words[1], SLICE("ok")))
		return skip_value(words[2], msg);
	attrs_add_str(&msg->attrs, ERROR, words[2]);
	return 0;
}

static ssize_t parse(void *state, enum sender sender, struct slice bytes, bool last,
		     struct msg *msg)
{
	ptrdiff_t end = slice_find(slice_first(bytes, LINE_LEN_MAX), '\n');
	struct slice line = slice_first(bytes, end < 0 ? 0 : (size_t)end), words[WORDS_MAX];
	size_t cnt;
	int err;

	(void)state; /* what must be remembered between messages, if state_size is not 0 */
	if (detect(sender, bytes) == DETECT_NO || (end < 0 && bytes.n >= LINE_LEN_MAX))
		return -EPROTO;
	if (end < 0 && !last)
		return 0;
	if (end < 0) { /* cut: its last word may be, too, and nobody knows what follows */
		msg->flags |= MESSAGE_TRUNCATED;
		for (line = bytes; line.n && line.p[line.n - 1] != ' ';)
			line.n--;
	}
	cnt = split(line, words);
	err = sender == FROM_CLIENT ? read_request(words, cnt, msg)
				    : read_response(words, cnt, msg);
	if (msg->flags & MESSAGE_TRUNCATED)
		msg->skip = 0;
	return err ? err : end < 0 ? (ssize_t)bytes.n : end + 1;
}

static void add_all(struct attrs *to, const struct attrs *from)
{
	for (uint16_t i = 0; i < from->cnt; i++)
		attrs_add_str(to, from->v[i].key, from->v[i].str);
}

static void describe(const struct exchange_view *x, struct description *out)
{
	const struct attr *verb = attrs_get(x->request, VERB);
	bool client = x->side == SIDE_CLIENT;

	out->operation = verb ? verb->str : SLICE("protoname");
	out->error = x->failure.n || attrs_get(x->response, ERROR);
	add_all(&out->attrs, x->request);
	if (x->failure.n)
		attrs_add_str(&out->attrs, ERROR, x->failure);
	else
		add_all(&out->attrs, x->response);
	attrs_add_str(&out->attrs, SLICE("server.address"), x->server_address);
	if (x->server_port)
		attrs_add_int(&out->attrs, SLICE("server.port"), x->server_port);
	attrs_add_str(&out->attrs, SLICE("network.peer.address"),
		      client ? x->server_address : x->client_address);
	if (!x->unix_socket)
		attrs_add_int(&out->attrs, SLICE("network.peer.port"),
			      client ? x->server_port : x->client_port);
}

static const struct protocol protoname_protocol = {
	.name = "protoname",
	.detect = detect,
	.parse = parse,
	.describe = describe,
};

PROTOCOL(protoname_protocol);
