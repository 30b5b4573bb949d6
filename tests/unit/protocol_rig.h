/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsers under test. A case is a conversation: runs of bytes by either sender, and the transcript of
 * messages that they must give, however the bytes are cut: whole, byte by byte and in every split. The
 * same bytes are also fed with every end cut off. All bytes lie in allocations of their exact size. A
 * case may also name the spans that come of it.
 *
 * Transcript: a line for each message, "> " from the client, "< " from the server:
 *     > request more id=3 skip=5 tag=1 KEY=VALUE ...
 * Spans: a line for each exchange, as it ends:
 *     NAME client error KEY=VALUE ...
 * With WRITE_SEEDS=1 the conversations become seeds in tests/fuzz/corpus/protocols/PROTOCOL.
 */
#ifndef SONDE_TESTS_PROTOCOL_RIG_H
#define SONDE_TESTS_PROTOCOL_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/unit/trace_text.h"
#include "user/protocols/protocol.h"

#define RIG_TURNS_MAX 16
#define RIG_TEXT_MAX 32768
#define RIG_STEPS_MAX 100000
#define RIG_EXCHANGES_MAX 256
#define RIG_KEPT_MAX 65536

/* What the spans of either side say of the two ends. */
#define RIG_AT_CLIENT                                \
	" server.address=192.0.2.2 server.port=7777" \
	" network.peer.address=192.0.2.2 network.peer.port=7777 network.transport=tcp"
#define RIG_AT_SERVER                                 \
	" server.address=192.0.2.2 server.port=7777"  \
	" client.address=192.0.2.1 client.port=40000" \
	" network.peer.address=192.0.2.1 network.peer.port=40000 network.transport=tcp"

struct turn {
	enum sender sender;
	struct slice bytes; /* empty: the end */
	bool cut;	    /* what follows these bytes was not copied */
	uint32_t unseen;    /* and is so many bytes */
};

#define CLIENT(lit)                               \
	{                                         \
		FROM_CLIENT, SLICE(lit), false, 0 \
	}
#define SERVER(lit)                               \
	{                                         \
		FROM_SERVER, SLICE(lit), false, 0 \
	}
#define CLIENT_CUT(lit, n)                       \
	{                                        \
		FROM_CLIENT, SLICE(lit), true, n \
	}
#define SERVER_CUT(lit, n)                       \
	{                                        \
		FROM_SERVER, SLICE(lit), true, n \
	}

struct conversation {
	const char *name;
	struct turn turns[RIG_TURNS_MAX];
	const char *transcript; /* NULL: not compared */
	const char *spans;	/* NULL: not compared */
	enum side side;		/* whose spans */
};

struct rig_text {
	size_t n;
	char p[RIG_TEXT_MAX];
};

struct rig_exchange {
	uint64_t id;
	enum sender initiator;
	uint32_t tag;
	bool oneway, request_done, responded;
	struct attrs request, response;
	struct attr request_v[MSG_ATTRS_MAX], response_v[MSG_ATTRS_MAX];
};

struct rig {
	const struct protocol *protocol;
	enum side side;
	void *state;
	struct memo *memo;
	struct {
		char *pending; /* exactly as large as what it holds */
		size_t pending_len;
		uint64_t skip;
		bool over;
	} streams[2];
	unsigned int exchanges_cnt;
	size_t kept_len;
	/* From here on large, and not cleared for each of many thousand runs. */
	struct rig_text messages, spans;
	struct rig_exchange exchanges[RIG_EXCHANGES_MAX];
	char kept[RIG_KEPT_MAX];
};

static inline void rig_say(struct rig_text *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text->n += (size_t)vsnprintf(text->p + text->n, sizeof(text->p) - text->n, format, args);
	va_end(args);
	assert_true(text->n < sizeof(text->p));
}

static inline void rig_say_slice(struct rig_text *text, const char *name, struct slice s)
{
	rig_say(text, " %s=", name);
	for (size_t i = 0; i < s.n && i < 200; i++)
		rig_say(text, s.p[i] >= ' ' && s.p[i] < 127 ? "%c" : "\\x%02x",
			(unsigned char)s.p[i]);
}

static inline void rig_say_attrs(struct rig_text *text, const struct attrs *attrs)
{
	for (uint16_t i = 0; i < attrs->cnt; i++) {
		const struct attr *attr = &attrs->v[i];
		char key[64];

		snprintf(key, sizeof(key), "%.*s", (int)attr->key.n, attr->key.p);
		if (attr->type == ATTR_INT)
			rig_say(text, " %s=%lld", key, (long long)attr->num);
		else if (attr->type == ATTR_BOOL)
			rig_say(text, " %s=%s", key, attr->num ? "true" : "false");
		else if (attr->type == ATTR_STRINGS)
			for (uint32_t j = 0; j < attr->items_cnt; j++)
				rig_say_slice(text, key, attr->items[j]);
		else
			rig_say_slice(text, key, attr->str);
	}
}

static inline void rig_say_parent(struct rig_text *text, const char *name,
				  const struct trace_parent *parent)
{
	char trace[TRACE_TEXT_SZ];

	rig_say_slice(text, name, trace_text(parent, trace));
}

static inline void rig_say_msg(struct rig_text *text, enum sender sender, const struct msg *msg)
{
	static const char *const kinds[] = {"none", "request", "response", "part",
					    "end",  "oneway",  "abort"};
	static const char *const flags[] = {"more",	 "close",   "upgrade",
					    "cut",	 "bad",	    "all-before",
					    "all-after", "of-head", "brings-spans"};

	if (msg->kind == MSG_NONE && !msg->flags && !msg->skip)
		return;
	rig_say(text, "%c %s", sender == FROM_CLIENT ? '>' : '<', kinds[msg->kind]);
	for (unsigned int i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (msg->flags & 1u << i)
			rig_say(text, " %s", flags[i]);
	if (msg->initiator == FROM_SERVER)
		rig_say(text, " from-server");
	if (msg->id)
		rig_say(text, " id=%llu", (unsigned long long)msg->id);
	if (msg->skip)
		rig_say(text, " skip=%llu", (unsigned long long)msg->skip);
	if (msg->kind == MSG_REQUEST && msg->tag)
		rig_say(text, " tag=%u", msg->tag);
	if (msg->missed_cnt)
		rig_say(text, " missed=%u", msg->missed_cnt);
	if (msg->parent.format)
		rig_say_parent(text, trace_format_name((enum trace_format)msg->parent.format).p,
			       &msg->parent);
	if (msg->tracestate.n)
		rig_say_slice(text, "tracestate", msg->tracestate);
	for (unsigned int i = 0; i < msg->links_cnt; i++)
		rig_say_parent(text, "link", &msg->links[i]);
	if (msg->failure.n)
		rig_say_slice(text, "failure", msg->failure);
	if (msg->upgrade.n)
		rig_say_slice(text, "upgrade", msg->upgrade);
	rig_say_attrs(text, &msg->attrs);
	rig_say(text, "\n");
}

/* --- exchanges, as flow pairs them ------------------------------------------------------------ */

static inline void rig_keep(struct rig *rig, struct attrs *to, const struct attrs *from)
{
	for (uint16_t i = 0; i < from->cnt; i++) {
		const struct attr *old = attrs_get(to, from->v[i].key);
		struct attr *copy =
			old ? (struct attr *)old : attrs_add(to, from->v[i].key, from->v[i].type);

		if (!copy)
			continue;
		*copy = from->v[i];
		if (copy->type != ATTR_STRING)
			continue;
		assert_true(rig->kept_len + copy->str.n < sizeof(rig->kept));
		if (copy->str.n)
			memcpy(rig->kept + rig->kept_len, copy->str.p, copy->str.n);
		copy->str.p = rig->kept + rig->kept_len;
		rig->kept_len += copy->str.n;
	}
}

static inline void rig_end_exchange(struct rig *rig, struct rig_exchange *x, struct slice failure)
{
	static const char *const kinds[] = {"of-side", "client", "server", "producer", "consumer"};
	struct description *out = calloc(1, sizeof(*out));
	bool began = (rig->side == SIDE_CLIENT) == (x->initiator == FROM_CLIENT);
	struct exchange_view view = {
		.side = rig->side,
		.initiator = x->initiator,
		.oneway = x->oneway,
		.request = &x->request,
		.response = &x->response,
		.server_address = SLICE("192.0.2.2"),
		.server_port = 7777,
		.client_address = SLICE("192.0.2.1"),
		.client_port = 40000,
		.failure = failure,
	};
	struct attr v[64];

	assert_non_null(out);
	out->attrs = (struct attrs){.v = v, .cap = 64};
	rig->protocol->describe(&view, out);
	rig_say(&rig->spans, "%.*s", (int)out->operation.n, out->operation.p);
	if (out->route_path.n)
		rig_say_slice(&rig->spans, "route", out->route_path);
	rig_say(&rig->spans, " %s",
		kinds[out->kind ? out->kind
		      : began	? KIND_CLIENT
				: KIND_SERVER]);
	if (out->error)
		rig_say(&rig->spans, " error");
	rig_say_attrs(&rig->spans, &out->attrs);
	rig_say(&rig->spans, "\n");
	free(out);
	memmove(x, x + 1, (size_t)(rig->exchanges + rig->exchanges_cnt - (x + 1)) * sizeof(*x));
	rig->exchanges_cnt--;
	for (unsigned int i = 0; i < rig->exchanges_cnt; i++) { /* they moved */
		rig->exchanges[i].request.v = rig->exchanges[i].request_v;
		rig->exchanges[i].response.v = rig->exchanges[i].response_v;
	}
}

static inline struct rig_exchange *rig_find(struct rig *rig, const struct msg *msg,
					    enum sender sender)
{
	for (unsigned int i = 0; i < rig->exchanges_cnt; i++) {
		struct rig_exchange *x = &rig->exchanges[i];
		bool request = sender == x->initiator, response = msg->kind == MSG_RESPONSE;

		if (x->initiator != msg->initiator || x->id != msg->id)
			continue;
		if (msg->kind == MSG_ABORT || (response && !x->responded) ||
		    (!response && (request ? !x->request_done : x->responded)))
			return x;
	}
	return NULL;
}

static inline void rig_abort(struct rig *rig, const struct msg *msg, struct rig_exchange *x)
{
	size_t at = x ? (size_t)(x - rig->exchanges) : rig->exchanges_cnt;
	size_t from = msg->flags & MESSAGE_ALL_BEFORE ? 0 : at;
	size_t to = x ? at + 1 : rig->exchanges_cnt;

	if (msg->flags & MESSAGE_ALL_AFTER) {
		to = rig->exchanges_cnt;
		for (from = 0; from < to && rig->exchanges[from].id <= msg->id;)
			from++;
	}
	if (!rig->protocol->by_id && msg->id) { /* a group */
		for (from = 0; from < rig->exchanges_cnt;)
			if (rig->exchanges[from].id == msg->id)
				rig_end_exchange(rig, &rig->exchanges[from], msg->failure);
			else
				from++;
		return;
	}
	for (; from < to; to--)
		rig_end_exchange(rig, &rig->exchanges[from], msg->failure);
}

static inline void rig_pair(struct rig *rig, enum sender sender, const struct msg *msg)
{
	bool more = msg->flags & MESSAGE_HAS_PARTS;
	struct rig_exchange *x = NULL;

	if (msg->kind == MSG_NONE)
		return;
	if (msg->kind == MSG_REQUEST || msg->kind == MSG_ONEWAY) {
		assert_true(rig->exchanges_cnt < RIG_EXCHANGES_MAX);
		x = &rig->exchanges[rig->exchanges_cnt++];
		memset(x, 0, sizeof(*x));
		*x = (struct rig_exchange){.id = msg->id,
					   .initiator = msg->initiator,
					   .tag = msg->tag,
					   .oneway = msg->kind == MSG_ONEWAY,
					   .request_done = !more};
		x->request = (struct attrs){.v = x->request_v, .cap = MSG_ATTRS_MAX};
		x->response = (struct attrs){.v = x->response_v, .cap = MSG_ATTRS_MAX};
	} else {
		x = rig_find(rig, msg, sender);
	}
	if (msg->kind == MSG_ABORT) {
		rig_abort(rig, msg, x);
		return;
	}
	if (!x)
		return;
	if (sender == x->initiator || msg->kind == MSG_REQUEST || msg->kind == MSG_ONEWAY) {
		rig_keep(rig, &x->request, &msg->attrs);
		x->request_done |= msg->kind == MSG_END;
		if (x->oneway && !more && msg->kind != MSG_PART)
			rig_end_exchange(rig, x, SLICE(""));
		return;
	}
	x->responded = true;
	rig_keep(rig, &x->response, &msg->attrs);
	if (msg->kind == MSG_END || (msg->kind == MSG_RESPONSE && !more))
		rig_end_exchange(rig, x, SLICE(""));
}

/* --- bytes ------------------------------------------------------------------------------------ */

static inline void rig_set_pending(struct rig *rig, enum sender sender, const char *p, size_t n)
{
	char *copy = malloc(n ? n : 1), *old = rig->streams[sender].pending;

	assert_non_null(copy);
	if (n)
		memcpy(copy, p, n);
	rig->streams[sender].pending = copy;
	rig->streams[sender].pending_len = n;
	free(old);
}

static inline void rig_skip(struct rig *rig, enum sender sender)
{
	uint64_t *skip = &rig->streams[sender].skip;
	size_t have = rig->streams[sender].pending_len, n = *skip < have ? (size_t)*skip : have;

	*skip -= n;
	if (n)
		rig_set_pending(rig, sender, rig->streams[sender].pending + n, have - n);
}

static inline uint32_t rig_tag(const struct rig *rig)
{
	for (unsigned int i = 0; i < rig->exchanges_cnt; i++)
		if (rig->exchanges[i].initiator == FROM_CLIENT && !rig->exchanges[i].responded)
			return rig->exchanges[i].tag;
	return 0;
}

/* One call of parse; true if it made progress. */
static inline bool rig_step(struct rig *rig, enum sender sender, bool last)
{
	struct attr *v = malloc(MSG_ATTRS_MAX * sizeof(*v));
	char *room = malloc(MSG_ROOM_SZ), *pending = rig->streams[sender].pending;
	size_t pending_len = rig->streams[sender].pending_len;
	struct msg msg = {.attrs = {.v = v, .cap = MSG_ATTRS_MAX},
			  .tag = sender == FROM_SERVER ? rig_tag(rig) : 0,
			  .room = room,
			  .room_sz = MSG_ROOM_SZ,
			  .memo = rig->memo,
			  .memo_owner = 1};
	ssize_t n = rig->protocol->parse(rig->state, sender, slice_of(pending, pending_len), last,
					 &msg);

	if (n < 0) {
		assert_int_equal(n, -EPROTO);
		rig_say(&rig->messages, "%c error\n", sender == FROM_CLIENT ? '>' : '<');
		rig->streams[sender].over = true;
	} else {
		assert_in_range(n, 0, pending_len);
		assert_false(n == 0 && last);
	}
	if (n > 0) {
		assert_true(!(msg.flags & MESSAGE_TRUNCATED) || (size_t)n == pending_len);
		rig_say_msg(&rig->messages, sender, &msg);
		rig_pair(rig, sender, &msg);
		rig->streams[sender].over =
			msg.flags & (MESSAGE_UNTIL_CLOSE | MESSAGE_UPGRADE | MESSAGE_TRUNCATED);
		rig->streams[sender].skip = msg.skip;
		rig_set_pending(rig, sender, pending + n, pending_len - (size_t)n);
	}
	free(room);
	free(v);
	return n > 0;
}

static inline void rig_feed(struct rig *rig, enum sender sender, struct slice bytes, bool last)
{
	size_t had = rig->streams[sender].pending_len;
	char *joined = malloc(had + bytes.n + 1);

	assert_non_null(joined);
	if (had)
		memcpy(joined, rig->streams[sender].pending, had);
	if (bytes.n)
		memcpy(joined + had, bytes.p, bytes.n);
	rig_set_pending(rig, sender, joined, had + bytes.n);
	free(joined);
	for (int steps = 0;; steps++) {
		assert_true(steps < RIG_STEPS_MAX);
		rig_skip(rig, sender);
		if (rig->streams[sender].over || !rig->streams[sender].pending_len ||
		    !rig_step(rig, sender, last))
			break;
	}
}

/* What was not copied passes; where a head was cut without knowing its extent, framing is lost. */
static inline void rig_unseen(struct rig *rig, enum sender sender, uint64_t n)
{
	uint64_t *skip = &rig->streams[sender].skip;
	uint64_t body = n < *skip ? n : *skip;

	*skip -= body;
	if (n > body || rig->streams[sender].over) {
		rig->streams[sender].over = false;
		rig_set_pending(rig, sender, "", 0);
		if (rig->protocol->resync)
			rig->protocol->resync(rig->state, sender);
	}
}

static inline void rig_begin(struct rig *rig, const struct protocol *protocol, enum side side)
{
	memset(rig, 0, offsetof(struct rig, messages));
	rig->messages.n = rig->spans.n = 0;
	rig->messages.p[0] = rig->spans.p[0] = '\0';
	rig->protocol = protocol;
	rig->side = side;
	assert_true(protocol->state_size <= PROTOCOL_STATE_MAX);
	rig->state = calloc(1, protocol->state_size ? protocol->state_size : 1);
	rig->memo = memo__new(65536);
	assert_non_null(rig->state);
	assert_non_null(rig->memo);
}

static inline void rig_finish(struct rig *rig)
{
	free(rig->streams[FROM_CLIENT].pending);
	free(rig->streams[FROM_SERVER].pending);
	free(rig->state);
	memo__free(rig->memo);
}

/* --- conversations ---------------------------------------------------------------------------- */

/* Turn number cut_turn is fed in two pieces, split after at bytes; step > 0 feeds by so many bytes. */
static inline void rig_converse(struct rig *rig, const struct conversation *c,
				unsigned int cut_turn, size_t at, size_t step)
{
	for (unsigned int i = 0; i < RIG_TURNS_MAX && c->turns[i].bytes.n; i++) {
		const struct turn *turn = &c->turns[i];
		struct slice rest = turn->bytes;

		while (rest.n) {
			size_t n = step ? step : i == cut_turn && at ? at : rest.n;
			struct slice piece = slice_first(rest, n);

			rest = slice_after(rest, piece.n);
			rig_feed(rig, turn->sender, piece, turn->cut && !rest.n);
			at = i == cut_turn ? 0 : at;
		}
		if (turn->cut)
			rig_unseen(rig, turn->sender, turn->unseen);
	}
}

static inline void rig_check(const struct protocol *protocol, const struct conversation *c,
			     unsigned int cut_turn, size_t at, size_t step)
{
	static struct rig room;
	struct rig *rig = &room;
	bool wrong;

	rig_begin(rig, protocol, c->side);
	rig_converse(rig, c, cut_turn, at, step);
	wrong = (c->transcript && strcmp(rig->messages.p, c->transcript) != 0) ||
		(c->spans && strcmp(rig->spans.p, c->spans) != 0);
	if (wrong)
		print_error("%s (turn %u split at %zu, step %zu):\n%s%s%s--- wanted:\n%s%s%s",
			    c->name, cut_turn, at, step, rig->messages.p,
			    c->spans ? "--- spans\n" : "", c->spans ? rig->spans.p : "",
			    c->transcript ? c->transcript : "", c->spans ? "--- spans\n" : "",
			    c->spans ? c->spans : "");
	rig_finish(rig);
	assert_false(wrong);
}

/* The turn ends after at bytes, and nobody knows what followed; then the conversation goes on. */
static inline void rig_check_prefix(const struct protocol *protocol, const struct conversation *c,
				    unsigned int cut_turn, size_t at)
{
	static struct rig room;
	struct rig *rig = &room;

	rig_begin(rig, protocol, c->side);
	for (unsigned int i = 0; i < RIG_TURNS_MAX && c->turns[i].bytes.n; i++) {
		const struct turn *turn = &c->turns[i];

		rig_feed(rig, turn->sender,
			 i == cut_turn ? slice_first(turn->bytes, at) : turn->bytes,
			 i == cut_turn || turn->cut);
		if (i == cut_turn)
			rig_unseen(rig, turn->sender, turn->bytes.n - at + turn->unseen);
		else if (turn->cut)
			rig_unseen(rig, turn->sender, turn->unseen);
	}
	rig_finish(rig);
}

static inline void rig_write_seed(const struct protocol *protocol, const struct conversation *c)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "tests/fuzz/corpus/protocols/%s", protocol->name);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "tests/fuzz/corpus/protocols/%s/%s", protocol->name, c->name);
	for (char *p = path + strlen(path) - strlen(c->name); *p; p++)
		if (strchr(" /:,.'()", *p))
			*p = '-';
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%s\n%c", protocol->name, (int)c->turns[0].sender);
	for (unsigned int i = 0; i < RIG_TURNS_MAX && c->turns[i].bytes.n; i++) {
		struct slice bytes = slice_first(c->turns[i].bytes, 0xffff);

		if (i &&
		    c->turns[i].sender == c->turns[i - 1].sender) /* the other one says nothing */
			fwrite("\0", 1, 2, f);
		fputc((int)(bytes.n & 0xff), f);
		fputc((int)(bytes.n >> 8), f);
		fwrite(bytes.p, 1, bytes.n, f);
	}
	fclose(f);
}

static inline void rig_run(const struct protocol *protocol, const struct conversation *cases,
			   size_t cases_cnt)
{
	assert_non_null(protocol);
	for (size_t i = 0; i < cases_cnt; i++) {
		const struct conversation *c = &cases[i];

		rig_check(protocol, c, RIG_TURNS_MAX, 0, 0);
		rig_check(protocol, c, RIG_TURNS_MAX, 0, 1);
		for (unsigned int turn = 0; turn < RIG_TURNS_MAX; turn++) {
			/* Of very long turns, not each place. */
			size_t stride = c->turns[turn].bytes.n / 2000 + 1;

			for (size_t at = 1; at < c->turns[turn].bytes.n; at += stride) {
				rig_check(protocol, c, turn, at, 0);
				rig_check_prefix(protocol, c, turn, at);
			}
		}
		if (getenv("WRITE_SEEDS"))
			rig_write_seed(protocol, c);
	}
}

static inline const struct protocol *rig_protocol(const char *name)
{
	FOR_EACH_PROTOCOL (protocol)
		if (strcmp(protocol->name, name) == 0)
			return protocol;
	return NULL;
}

/* --- detection -------------------------------------------------------------------------------- */

struct detect_case {
	enum sender sender;
	enum detect want;
	struct slice head;
};

/* Asked with ever more bytes: once decided, it stays so, but that LIKELY may become YES or NO. */
static inline void rig_run_detections(const struct protocol *protocol,
				      const struct detect_case *cases, size_t cases_cnt)
{
	for (size_t i = 0; i < cases_cnt; i++) {
		const struct detect_case *c = &cases[i];
		enum detect before = DETECT_MORE;

		for (size_t n = 0; n <= c->head.n; n++) {
			char *copy = malloc(n ? n : 1);
			enum detect got;

			memcpy(copy, c->head.p, n);
			got = protocol->detect(c->sender, slice_of(copy, n));
			free(copy);
			if ((before == DETECT_YES || before == DETECT_NO) && got != before)
				fail_msg("detection %zu: %d, at %zu %d", i, before, n, got);
			before = got;
		}
		if (before != c->want)
			fail_msg("detection %zu: got %d, wanted %d: %.40s", i, before, c->want,
				 c->head.p);
	}
}

/* --- test programs ---------------------------------------------------------------------------- */

struct rig_tables {
	const char *protocol;
	const struct conversation *conversations;
	size_t conversations_cnt;
	const struct detect_case *detections;
	size_t detections_cnt;
};

static inline void rig_test_conversations(void **state)
{
	const struct rig_tables *tables = *state;

	rig_run(rig_protocol(tables->protocol), tables->conversations, tables->conversations_cnt);
}

static inline void rig_test_detections(void **state)
{
	const struct rig_tables *tables = *state;

	rig_run_detections(rig_protocol(tables->protocol), tables->detections,
			   tables->detections_cnt);
}

/* Two tests, of a protocol's tables `conversations` and `detections`. */
#define RIG_TESTS(name)                                                      \
	cmocka_unit_test_prestate(rig_test_conversations, RIG_TABLES(name)), \
		cmocka_unit_test_prestate(rig_test_detections, RIG_TABLES(name))
#define RIG_TABLES(name)                                                             \
	(&(struct rig_tables){                                                       \
		.protocol = name,                                                    \
		.conversations = conversations,                                      \
		.conversations_cnt = sizeof(conversations) / sizeof(*conversations), \
		.detections = detections,                                            \
		.detections_cnt = sizeof(detections) / sizeof(*detections),          \
	})

#endif
