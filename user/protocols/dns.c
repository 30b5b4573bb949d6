// SPDX-License-Identifier: Apache-2.0
/*
 * DNS (RFC 1035, EDNS0 of RFC 6891), over UDP as datagrams and over TCP with a length before each
 * message (RFC 7766). Only queries are followed; updates, notifications and zone transfers beyond their
 * first answer pass. Multicast DNS is another protocol.
 *
 * Semantic conventions have names for the question and the addresses; the question's type and the
 * response's code are named after the Elastic Common Schema.
 */
#include <arpa/inet.h>
#include <errno.h>

#include "user/base/hash.h"
#include "user/protocols/ends.h"

#define PREFIX_LEN 2
#define HEADER_LEN 12
#define NAME_LEN_MAX 255 /* on the wire */
#define LABEL_LEN_MAX 63
#define QUESTION_MIN 5		  /* the root, a type and a class */
#define RECORD_FIXED_LEN 10	  /* of a resource record, after its name */
#define ADDITIONAL_OF_QUERY_MAX 3 /* EDNS, TSIG or SIG(0), and one to spare */
#define MESSAGE_ENOUGH 4096	  /* so much of a message is looked at */
#define DETECT_ENOUGH 512	  /* a question is whole by then */
#define ADDRESSES_MAX 16
#define ADDRESS_TEXT_MAX INET6_ADDRSTRLEN

#define FLAG_RESPONSE 0x8000u
#define FLAG_OPCODE 0x7800u
#define FLAG_AUTHORITATIVE 0x0400u
#define FLAG_RESERVED 0x0040u
#define FLAG_RCODE 0x000fu

#define TYPE_A 1
#define TYPE_AAAA 28
#define TYPE_OPT 41
#define TYPE_IXFR 251
#define TYPE_AXFR 252

struct dns_state {
	bool transfers; /* the answer to transfer_id comes in more messages */
	uint16_t transfer_id;
};

/* One message, as far as it was there. */
struct message {
	uint16_t id, flags, counts[4];
	struct slice name; /* of the question, as on the wire */
	uint16_t type, class;
	bool has_question;
	size_t addresses_at; /* where the answers begin */
	uint16_t rcode;
};

enum walk {
	WALK_NO,    /* no DNS */
	WALK_SHORT, /* so far it is, but it goes on */
	WALK_WHOLE,
};

static const struct slice key_name = SLICE("dns.question.name");
static const struct slice key_type = SLICE("dns.question.type");
static const struct slice key_rcode = SLICE("dns.response_code");
static const struct slice key_answers = SLICE("dns.answers");

/* --- names of numbers ------------------------------------------------------------------------- */

struct named {
	uint16_t number;
	struct slice name;
};

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static const struct named types[] = {
	{1, SLICE("A")},      {2, SLICE("NS")},	    {5, SLICE("CNAME")},   {6, SLICE("SOA")},
	{12, SLICE("PTR")},   {13, SLICE("HINFO")}, {15, SLICE("MX")},	   {16, SLICE("TXT")},
	{28, SLICE("AAAA")},  {29, SLICE("LOC")},   {33, SLICE("SRV")},	   {35, SLICE("NAPTR")},
	{37, SLICE("CERT")},  {39, SLICE("DNAME")}, {43, SLICE("DS")},	   {44, SLICE("SSHFP")},
	{46, SLICE("RRSIG")}, {47, SLICE("NSEC")},  {48, SLICE("DNSKEY")}, {50, SLICE("NSEC3")},
	{52, SLICE("TLSA")},  {64, SLICE("SVCB")},  {65, SLICE("HTTPS")},  {99, SLICE("SPF")},
	{251, SLICE("IXFR")}, {252, SLICE("AXFR")}, {255, SLICE("ANY")},   {256, SLICE("URI")},
	{257, SLICE("CAA")},
};

static const struct named rcodes[] = {
	{0, SLICE("NOERROR")},	{1, SLICE("FORMERR")},	{2, SLICE("SERVFAIL")},
	{3, SLICE("NXDOMAIN")}, {4, SLICE("NOTIMP")},	{5, SLICE("REFUSED")},
	{6, SLICE("YXDOMAIN")}, {7, SLICE("YXRRSET")},	{8, SLICE("NXRRSET")},
	{9, SLICE("NOTAUTH")},	{10, SLICE("NOTZONE")}, {16, SLICE("BADVERS")},
	{17, SLICE("BADKEY")},	{18, SLICE("BADTIME")}, {23, SLICE("BADCOOKIE")},
};

static struct slice name_of(const struct named *table, size_t cnt, uint16_t number)
{
	for (size_t i = 0; i < cnt; i++)
		if (table[i].number == number)
			return table[i].name;
	return SLICE("");
}

/* --- messages --------------------------------------------------------------------------------- */

static uint16_t u16_at(struct slice s, size_t at)
{
	return (uint16_t)((uint8_t)s.p[at] << 8 | (uint8_t)s.p[at + 1]);
}

/* Where the name that begins there ends. Pointers end one; a question cannot have any. */
static enum walk walk_name(struct slice s, size_t *at, bool pointers)
{
	size_t start = *at;

	while (*at < s.n) {
		uint8_t len = (uint8_t)s.p[*at];

		if (pointers && (len & 0xc0) == 0xc0) {
			*at += 2;
			return *at <= s.n ? WALK_WHOLE : WALK_SHORT;
		}
		if (len > LABEL_LEN_MAX)
			return WALK_NO;
		*at += 1u + len;
		if (*at - start > NAME_LEN_MAX)
			return WALK_NO;
		if (len == 0)
			return WALK_WHOLE;
	}
	return WALK_SHORT;
}

/* Nobody sets the reserved bit; in a query nothing is set that answers. */
static bool are_flags(uint16_t flags)
{
	return !(flags & FLAG_RESERVED) &&
	       (flags & FLAG_RESPONSE || !(flags & (FLAG_RCODE | FLAG_AUTHORITATIVE)));
}

static enum walk walk_header(struct slice s, struct message *m)
{
	m->flags = s.n >= 4 ? u16_at(s, 2) : 0;
	if (!are_flags(m->flags))
		return WALK_NO;
	if (s.n < HEADER_LEN)
		return WALK_SHORT;
	m->id = u16_at(s, 0);
	for (size_t i = 0; i < 4; i++)
		m->counts[i] = u16_at(s, 4 + 2 * i);
	m->rcode = m->flags & FLAG_RCODE;
	if (m->counts[0] > 1)
		return WALK_NO;
	if (!(m->flags & (FLAG_RESPONSE | FLAG_OPCODE)) &&
	    (m->counts[0] != 1 || m->counts[1] || m->counts[3] > ADDITIONAL_OF_QUERY_MAX))
		return WALK_NO;
	return WALK_WHOLE;
}

static bool is_class(uint16_t class)
{
	return class == 1 || class == 3 || class == 4 || class == 254 || class == 255;
}

static enum walk walk_question(struct slice s, size_t *at, struct message *m)
{
	size_t start = *at;
	enum walk walk;

	if (m->counts[0] == 0)
		return WALK_WHOLE;
	walk = walk_name(s, at, false);
	if (walk != WALK_WHOLE)
		return walk;
	if (s.n - *at < 4)
		return WALK_SHORT;
	m->name = slice_of(s.p + start, *at - start);
	m->type = u16_at(s, *at);
	m->class = u16_at(s, *at + 2);
	if (!m->type || !is_class(m->class))
		return WALK_NO;
	m->has_question = true;
	*at += 4;
	return WALK_WHOLE;
}

/* One resource record; *rdata is what it holds. */
static enum walk walk_record(struct slice s, size_t *at, uint16_t *type, struct slice *rdata,
			     uint8_t *ttl_first)
{
	enum walk walk = walk_name(s, at, true);
	size_t len;

	if (walk != WALK_WHOLE)
		return walk;
	if (s.n - *at < RECORD_FIXED_LEN)
		return WALK_SHORT;
	*type = u16_at(s, *at);
	*ttl_first = (uint8_t)s.p[*at + 4];
	len = u16_at(s, *at + 8);
	*at += RECORD_FIXED_LEN;
	if (s.n - *at < len)
		return WALK_SHORT;
	*rdata = slice_of(s.p + *at, len);
	*at += len;
	return WALK_WHOLE;
}

/* All of a message; *len is how long it is, once it is whole. */
static enum walk walk_message(struct slice s, struct message *m, size_t *len)
{
	enum walk walk = walk_header(s, m);
	size_t at = HEADER_LEN;
	uint32_t records_cnt;

	*len = 0;
	if (walk == WALK_WHOLE)
		walk = walk_question(s, &at, m);
	m->addresses_at = at;
	records_cnt = (uint32_t)m->counts[1] + m->counts[2] + m->counts[3];
	for (uint32_t i = 0; i < records_cnt && walk == WALK_WHOLE; i++) {
		struct slice rdata;
		uint8_t ttl_first;
		uint16_t type;

		walk = walk_record(s, &at, &type, &rdata, &ttl_first);
		if (walk == WALK_WHOLE && type == TYPE_OPT && m->flags & FLAG_RESPONSE)
			m->rcode |= (uint16_t)(ttl_first << 4);
	}
	*len = at;
	return walk;
}

/* --- what they say ---------------------------------------------------------------------------- */

/* The same for a query and its answer, which may differ in the case of letters (0x20 mixing). */
static uint64_t pairing_id(const struct message *m)
{
	char key[NAME_LEN_MAX + 6];
	size_t n = m->name.n;
	uint64_t id;

	for (size_t i = 0; i < n; i++)
		key[i] = (char)(m->name.p[i] >= 'A' && m->name.p[i] <= 'Z' ? m->name.p[i] | 0x20
									   : m->name.p[i]);
	memcpy(key + n, &m->type, 2);
	memcpy(key + n + 2, &m->class, 2);
	memcpy(key + n + 4, &m->id, 2);
	id = hash_bytes(0, key, n + 6);
	return id ? id : 1;
}

/* One byte of a label as master files write it. Returns how many bytes that took, at most 4. */
static size_t write_byte(char *to, uint8_t byte)
{
	bool special = byte == '.' || byte == '\\' || byte == '"';

	if (byte > ' ' && byte < 0x7f) {
		to[0] = '\\';
		to[special] = (char)byte;
		return 1u + special;
	}
	to[0] = '\\';
	to[1] = (char)('0' + byte / 100);
	to[2] = (char)('0' + byte / 10 % 10);
	to[3] = (char)('0' + byte % 10);
	return 4;
}

/* As it appears in the query, without the last dot, bytes that are no text escaped. */
static struct slice question_name(const struct message *m, struct msg *msg)
{
	char *text;
	size_t n = 0;

	if (m->name.n == 1)
		return SLICE(".");
	text = msg_room(msg, NAME_LEN_MAX * 4);
	if (!text)
		return SLICE("");
	for (size_t at = 0; m->name.p[at];) {
		size_t end = at + 1 + (uint8_t)m->name.p[at];

		if (at)
			text[n++] = '.';
		while (++at < end)
			n += write_byte(text + n, (uint8_t)m->name.p[at]);
	}
	msg->room_len -= NAME_LEN_MAX * 4 - n;
	return slice_of(text, n);
}

/* The addresses among the answers, separated by spaces. */
static struct slice addresses(const struct message *m, struct slice s, struct msg *msg)
{
	char *text = msg_room(msg, ADDRESSES_MAX * ADDRESS_TEXT_MAX);
	size_t at = m->addresses_at, n = 0;
	int found_cnt = 0;

	for (uint16_t i = 0; text && i < m->counts[1] && found_cnt < ADDRESSES_MAX; i++) {
		struct slice rdata;
		uint8_t ttl_first;
		uint16_t type;
		int family;

		if (walk_record(s, &at, &type, &rdata, &ttl_first) != WALK_WHOLE)
			break;
		if (!(type == TYPE_A && rdata.n == 4) && !(type == TYPE_AAAA && rdata.n == 16))
			continue;
		family = type == TYPE_A ? AF_INET : AF_INET6;
		if (found_cnt++)
			text[n++] = ' ';
		inet_ntop(family, rdata.p, text + n, ADDRESS_TEXT_MAX - 1);
		n += strlen(text + n);
	}
	return slice_of(text, n);
}

static void fill_query(const struct message *m, struct msg *msg)
{
	struct slice type = name_of(types, LEN(types), m->type);

	msg->kind = MSG_REQUEST;
	attrs_add_str(&msg->attrs, key_name, question_name(m, msg));
	attrs_add_str(&msg->attrs, key_type,
		      type.n ? type : msg_number(msg, SLICE("TYPE"), m->type));
}

static void fill_response(const struct message *m, struct slice s, struct msg *msg)
{
	struct slice rcode = name_of(rcodes, LEN(rcodes), m->rcode), found = addresses(m, s, msg);

	msg->kind = MSG_RESPONSE;
	attrs_add_str(&msg->attrs, key_rcode,
		      rcode.n ? rcode : msg_number(msg, SLICE("RCODE"), m->rcode));
	if (found.n)
		attrs_add_str(&msg->attrs, key_answers, found);
}

/* Nothing is said of what has no question or is no query: it cannot be paired. */
static void fill(const struct message *m, struct slice s, struct msg *msg)
{
	if (!m->has_question || m->flags & FLAG_OPCODE)
		return;
	msg->id = pairing_id(m);
	if (m->flags & FLAG_RESPONSE)
		fill_response(m, s, msg);
	else
		fill_query(m, msg);
}

/* --- over UDP --------------------------------------------------------------------------------- */

static ssize_t parse_datagram(struct slice bytes, bool cut, struct msg *msg)
{
	struct message m = {.id = 0};
	size_t len;
	enum walk walk = walk_message(bytes, &m, &len);

	if (walk == WALK_NO || (walk == WALK_SHORT && !(cut && m.has_question)) ||
	    (walk == WALK_WHOLE && len != bytes.n))
		return -EPROTO;
	if (cut)
		msg->flags |= MESSAGE_TRUNCATED;
	fill(&m, bytes, msg);
	return (ssize_t)bytes.n;
}

/* --- over TCP --------------------------------------------------------------------------------- */

static bool is_plausible_len(uint16_t len, enum sender sender)
{
	return len >= HEADER_LEN + (sender == FROM_CLIENT ? QUESTION_MIN : 0);
}

static bool is_sender(const struct message *m, enum sender sender)
{
	return !(m->flags & FLAG_RESPONSE) == (sender == FROM_CLIENT);
}

/* A transfer is answered by many messages; the first is the answer. */
static bool is_more_of_transfer(struct dns_state *state, const struct message *m,
				enum sender sender)
{
	if (sender == FROM_CLIENT) {
		state->transfers = false;
		return false;
	}
	if (state->transfers && m->id == state->transfer_id)
		return true;
	state->transfers = m->type == TYPE_AXFR || m->type == TYPE_IXFR;
	state->transfer_id = m->id;
	return false;
}

static ssize_t parse(void *state, enum sender sender, struct slice bytes, bool last,
		     struct msg *msg)
{
	struct message m = {.id = 0};
	struct slice body;
	size_t frame_len, len;
	enum walk walk;

	if (bytes.n < PREFIX_LEN) {
		if (!last)
			return 0;
		msg->flags |= MESSAGE_TRUNCATED;
		return (ssize_t)bytes.n;
	}
	frame_len = PREFIX_LEN + u16_at(bytes, 0);
	if (!is_plausible_len(u16_at(bytes, 0), sender))
		return -EPROTO;
	bytes = slice_first(bytes, frame_len);
	body = slice_after(bytes, PREFIX_LEN);
	walk = walk_message(body, &m, &len);
	if (walk == WALK_NO || (body.n >= 4 && !is_sender(&m, sender)) ||
	    (walk == WALK_SHORT && bytes.n == frame_len))
		return -EPROTO;
	if (bytes.n < frame_len && bytes.n < MESSAGE_ENOUGH && !last)
		return 0;
	msg->skip = frame_len - bytes.n;
	if (!is_more_of_transfer(state, &m, sender))
		fill(&m, body, msg);
	return (ssize_t)bytes.n;
}

static void resync(void *state, enum sender sender)
{
	struct dns_state *dns = state;

	if (sender == FROM_SERVER)
		dns->transfers = false;
}

static enum detect detect(enum sender sender, struct slice head)
{
	struct message m = {.id = 0};
	struct slice body = slice_after(head, PREFIX_LEN);
	size_t frame_len, len;
	enum walk walk;

	if (head.n < PREFIX_LEN)
		return DETECT_MORE;
	frame_len = PREFIX_LEN + u16_at(head, 0);
	if (!is_plausible_len(u16_at(head, 0), sender))
		return DETECT_NO;
	walk = walk_message(slice_first(body, frame_len - PREFIX_LEN), &m, &len);
	if (walk == WALK_NO || (body.n >= 4 && !is_sender(&m, sender)) || (m.flags & FLAG_OPCODE) ||
	    (body.n >= HEADER_LEN && m.counts[0] != 1))
		return DETECT_NO;
	if (walk == WALK_WHOLE)
		return len == frame_len - PREFIX_LEN ? DETECT_YES : DETECT_NO;
	if (head.n >= frame_len)
		return DETECT_NO;
	return head.n >= DETECT_ENOUGH ? DETECT_LIKELY : DETECT_MORE;
}

/* --- spans ------------------------------------------------------------------------------------ */

static struct slice str_of(const struct attrs *attrs, struct slice key)
{
	const struct attr *attr = attrs_get(attrs, key);

	return attr ? attr->str : SLICE("");
}

static void add_str(struct attrs *attrs, struct slice key, struct slice value)
{
	if (value.n)
		attrs_add_str(attrs, key, value);
}

static void add_addresses(const struct exchange_view *x, struct description *out)
{
	add_str(&out->attrs, SLICE("server.address"), exchange_server(x));
	if (x->server_port)
		attrs_add_int(&out->attrs, SLICE("server.port"), x->server_port);
	if (x->side == SIDE_SERVER)
		ends_add_client(&out->attrs, x);
	ends_add_peer(&out->attrs, x);
	ends_add_transport(&out->attrs, x);
}

static void add_answers(struct description *out, struct slice found)
{
	struct slice *items = out->items + out->items_cnt;
	uint32_t cnt = 0;

	while (found.n && out->items_cnt < DESCRIPTION_ITEMS_MAX) {
		ptrdiff_t space = slice_find(found, ' ');
		size_t n = space < 0 ? found.n : (size_t)space;

		items[cnt++] = slice_first(found, n);
		out->items_cnt++;
		found = slice_after(found, n + 1);
	}
	if (cnt)
		attrs_add_strs(&out->attrs, key_answers, items, cnt);
}

/* "DNS A"; a type without a name could be any of thousands. */
static struct slice operation(struct description *out, struct slice type)
{
	struct slice prefix = SLICE("DNS ");
	char *text = out->text + out->text_len;

	if (!type.n || slice_starts_with(type, SLICE("TYPE")) ||
	    prefix.n + type.n > sizeof(out->text) - out->text_len)
		return SLICE("DNS");
	memcpy(text, prefix.p, prefix.n);
	memcpy(text + prefix.n, type.p, type.n);
	out->text_len += prefix.n + type.n;
	return slice_of(text, prefix.n + type.n);
}

/* That there is no such name is an answer; resolvers ask for many that are not there. */
static struct slice error_type(const struct exchange_view *x, struct slice rcode)
{
	if (x->failure.n || slice_eq(rcode, SLICE("NOERROR")) || slice_eq(rcode, SLICE("NXDOMAIN")))
		return x->failure;
	return rcode;
}

static void describe(const struct exchange_view *x, struct description *out)
{
	struct slice rcode = str_of(x->response, key_rcode), error = error_type(x, rcode);

	out->operation = operation(out, str_of(x->request, key_type));
	out->error = error.n > 0;
	add_str(&out->attrs, key_name, str_of(x->request, key_name));
	add_str(&out->attrs, key_type, str_of(x->request, key_type));
	add_str(&out->attrs, key_rcode, rcode);
	add_answers(out, str_of(x->response, key_answers));
	add_addresses(x, out);
	add_str(&out->attrs, SLICE("error.type"), error);
}

static const uint16_t ports[] = {53, 0};

static const struct frame_shape shape = {
	.header_sz = PREFIX_LEN,
	.length_at = 0,
	.length_sz = 2,
	.length_add = PREFIX_LEN,
	.length_max = PREFIX_LEN + UINT16_MAX,
	.keep = 1024,
	.kept = {~0ull, ~0ull, ~0ull, ~0ull},
};

static const struct protocol dns_protocol = {
	.name = "dns",
	.ports = ports,
	.state_size = sizeof(struct dns_state),
	.by_id = true,
	.shape = &shape,
	.detect = detect,
	.parse = parse,
	.parse_datagram = parse_datagram,
	.resync = resync,
	.describe = describe,
};
PROTOCOL(dns_protocol);
