// SPDX-License-Identifier: Apache-2.0
/* Plaintext beside the socket that carries it: who speaks, who ends, and who is forgotten. */
#include "tests/unit/flow_rig.h"
#include "tests/unit/mysql_packets.h"
#include "tests/unit/tls_hellos.h"

#define GET "GET /a HTTP/1.1\r\nHost: app\r\n\r\n"
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define OK_UNTIL_CLOSE "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall there is"
#define OK_CUT "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot all there is"
#define CLIENT_HELLO                                   \
	"\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03" \
	"0123456789abcdef0123456789abcdef\x00\x00\x02\x13\x01\x01\x00\x00\x05....."
#define SERVER_HELLO                                   \
	"\x16\x03\x03\x00\x2c\x02\x00\x00\x28\x03\x03" \
	"0123456789abcdef0123456789abcdef\x00\x00\x2f\x00\x00\x00"
#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define APPLICATION                        \
	"\x17\x03\x03\x00\x13\x9a\x01\x02" \
	"0123456789abcdef"

static uint32_t unknown_cnt;
static char unknown_label[32];

static void note_unknown(void *ctx, const struct unknown *unknown)
{
	(void)ctx;
	unknown_cnt++;
	text_of(unknown->label, unknown_label, sizeof(unknown_label));
}

static struct rig *new_rig(uint32_t max_connections)
{
	const struct flow_options options = {
		.unknown = note_unknown,
		.max_connections = max_connections,
	};

	unknown_cnt = 0;
	return rig_new(&options);
}

/* The plaintext of that socket, whose session was seen from its beginning or not. */
static struct end plaintext_of(const struct end *carrier, bool whole)
{
	struct end end = *carrier;

	end.about.cookie |= PLAINTEXT_COOKIE;
	end.about.fresh = whole;
	end.about.peer_cookie = 0;
	end.announced = false;
	end.unnumbered = !whole;
	end.turn = 0;
	end.tx_off = end.rx_off = 0;
	return end;
}

static void shake_hands(struct end *end)
{
	end_op(end, sends(end, FROM_CLIENT), CLIENT_HELLO, sizeof(CLIENT_HELLO) - 1);
	end_op(end, sends(end, FROM_SERVER), SERVER_HELLO, sizeof(SERVER_HELLO) - 1);
}

static void pass_ciphertext(struct end *end, enum sender sender)
{
	end_op(end, sends(end, sender), APPLICATION, sizeof(APPLICATION) - 1);
}

/* The last verdict of that cookie. */
static struct verdict verdict_of(const struct rig *rig, uint64_t cookie)
{
	for (uint32_t i = rig->verdicts_cnt; i > 0; i--)
		if (rig->verdicts[i - 1].cookie == cookie)
			return rig->verdicts[i - 1].verdict;
	fail_msg("there is no verdict");
	return (struct verdict){0};
}

static uint32_t forgotten_cnt(const struct rig *rig, uint64_t cookie)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < rig->verdicts_cnt; i++)
		cnt += rig->verdicts[i].cookie == cookie && rig->verdicts[i].verdict.forget;
	return cnt;
}

/* --- beside the socket ------------------------------------------------------------------------ */

enum carrier_comes {
	CARRIER_BEFORE,
	CARRIER_AFTER,
	CARRIER_NEVER,
	CARRIER_ANEW, /* before, forgotten and announced again */
};

/* Whenever the socket itself is announced, the plaintext is what counts, and nothing is stray. */
static void test_carrier_comes(void **state)
{
	(void)state;
	for (int comes = CARRIER_BEFORE; comes <= CARRIER_ANEW; comes++) {
		struct rig *rig = new_rig(8);
		struct end carrier = end_new(rig, ROLE_SERVER),
			   plain = plaintext_of(&carrier, true);

		if (comes == CARRIER_BEFORE || comes == CARRIER_ANEW)
			shake_hands(&carrier);
		pass(&plain, FROM_CLIENT, GET);
		rig->made++;
		if (comes == CARRIER_AFTER)
			shake_hands(&carrier);
		if (comes == CARRIER_ANEW)
			announce(&carrier);
		if (comes != CARRIER_NEVER)
			pass_ciphertext(&carrier, FROM_CLIENT);
		pass(&plain, FROM_SERVER, OK_EMPTY);
		if (comes != CARRIER_NEVER)
			pass_ciphertext(&carrier, FROM_SERVER);
		assert_int_equal(flow__connection_cnt(rig->flow), 1);
		finish(&plain, END_CLOSED, 0);
		if (comes != CARRIER_NEVER)
			finish(&carrier, END_CLOSED, 0);
		check_spans(rig, 1);
		assert_int_equal(span_of(rig, SPAN_SERVER, 0)->code, 200);
		check_count(ACCOUNT_RECORDS_STRAY, 0);
		check_count(ACCOUNT_CONNECTIONS_UNKNOWN, 0);
		if (comes != CARRIER_NEVER)
			assert_int_equal(flow__connection_cnt(rig->flow), 0);
		rig_finish(rig);
		assert_int_equal(unknown_cnt, 0);
	}
}

/* It is sealed at its first record, and told of at its end, but only if nothing else was seen of it. */
static void test_sealed_first(void **state)
{
	(void)state;
	for (int seen = 0; seen <= 1; seen++) {
		struct rig *rig = new_rig(8);
		struct end carrier = end_new(rig, ROLE_CLIENT),
			   plain = plaintext_of(&carrier, true);
		uint64_t cookie = carrier.about.cookie;

		shake_hands(&carrier);
		assert_int_equal(verdict_of(rig, cookie).carries, CARRIES_UNSEEN);
		assert_false(verdict_of(rig, cookie).ignore); /* its end is wanted */
		if (seen) {
			ask(&plain, GET);
			assert_int_equal(verdict_of(rig, cookie).carries, CARRIES_SEEN);
			assert_int_equal(verdict_of(rig, cookie).copy_op, 0);
			answer(&plain, OK_EMPTY);
		}
		pass_ciphertext(&carrier, FROM_CLIENT);
		assert_int_equal(unknown_cnt, 0);
		finish(&carrier, END_CLOSED, 0);
		assert_int_equal(unknown_cnt, !seen);
		if (!seen)
			assert_string_equal(unknown_label, "tls");
		check_spans(rig, (uint32_t)seen);
		check_count(ACCOUNT_RECORDS_STRAY, 0);
		rig_wait(rig, 2 * SECOND); /* the session's end may be late, or not come */
		assert_int_equal(flow__connection_cnt(rig->flow), 0);
		rig_finish(rig);
	}
}

/* What a session still does after its socket's end goes with it. */
static void test_asks_after_socket_ended(void **state)
{
	struct rig *rig = new_rig(8);
	struct end carrier = end_new(rig, ROLE_CLIENT), plain = plaintext_of(&carrier, true);

	(void)state;
	shake_hands(&carrier);
	ask(&plain, GET);
	answer(&plain, OK_EMPTY);
	finish(&carrier, END_CLOSED, 0);
	ask(&plain, GET);
	rig_wait(rig, 2 * SECOND);
	assert_int_equal(flow__connection_cnt(rig->flow), 0);
	rig_wait(rig, 1000 * SECOND);
	check_spans(rig, 2);
	rig_finish(rig);
}

/* A program that closes its socket and then frees the session: what was missed before is counted all the same. */
static void test_socket_ends_first(void **state)
{
	(void)state;
	for (int socket_first = 0; socket_first <= 1; socket_first++) {
		struct rig *rig = new_rig(8);
		struct end carrier = end_new(rig, ROLE_CLIENT),
			   plain = plaintext_of(&carrier, true);

		shake_hands(&carrier);
		for (int n = 0; n < 6; n++) {
			rig->drop_cnt = n > 0 ? 2 : 0;
			ask(&plain, GET);
			answer(&plain, OK_EMPTY);
		}
		if (socket_first)
			finish(&carrier, END_CLOSED, 0);
		finish(&plain, END_CLOSED, 0);
		if (!socket_first)
			finish(&carrier, END_CLOSED, 0);
		check_spans(rig, 1);
		assert_int_equal(rig_lost(), 5);
		check_count(ACCOUNT_RECORDS_STRAY, 0);
		assert_int_equal(flow__connection_cnt(rig->flow), 0);
		rig_finish(rig);
	}
}

/* What follows the end of the session on its socket, such as the last alert, is not stray. */
static void test_after_session(void **state)
{
	struct rig *rig = new_rig(8);
	struct end carrier = end_new(rig, ROLE_CLIENT), plain = plaintext_of(&carrier, true);

	(void)state;
	shake_hands(&carrier);
	ask(&plain, GET);
	answer(&plain, OK_EMPTY);
	finish(&plain, END_SHUTDOWN, 0);
	finish(&plain, END_CLOSED, 0);
	pass_ciphertext(&carrier, FROM_CLIENT);
	finish(&carrier, END_EOF, 0);
	finish(&carrier, END_CLOSED, 0);
	check_count(ACCOUNT_RECORDS_STRAY, 0);
	check_spans(rig, 1);
	assert_int_equal(flow__connection_cnt(rig->flow), 0);
	rig_finish(rig);
	assert_int_equal(unknown_cnt, 0);
}

/* --- ends ------------------------------------------------------------------------------------- */

enum ends_by {
	BY_SESSION, /* freed, and then the socket is closed */
	BY_SOCKET,  /* closed, and then the session is freed */
	BY_EOF,	    /* the other end said that no more comes */
};

static void end_both(struct end *carrier, struct end *plain, enum ends_by by)
{
	if (by == BY_EOF)
		finish(plain, END_EOF, 0);
	if (by == BY_SESSION)
		finish(plain, END_CLOSED, 0);
	finish(carrier, END_CLOSED, 0);
	finish(plain, END_CLOSED, 0);
}

/* A response that ends with the connection is whole, however that ends; and is told once. */
static void test_close_delimited(void **state)
{
	(void)state;
	for (int by = BY_SESSION; by <= BY_EOF; by++) {
		struct rig *rig = new_rig(8);
		struct end carrier = end_new(rig, ROLE_CLIENT),
			   plain = plaintext_of(&carrier, true);
		const struct seen *seen;
		uint64_t answered_ns;

		shake_hands(&carrier);
		ask(&plain, GET);
		answer(&plain, OK_UNTIL_CLOSE);
		answered_ns = rig->now_ns;
		rig_wait(rig, SECOND);
		end_both(&carrier, &plain, (enum ends_by)by);
		check_spans(rig, 1);
		seen = span_of(rig, SPAN_CLIENT, 0);
		assert_string_equal(seen->error, "");
		assert_int_equal(seen->response_sz, 12);
		assert_int_equal(seen->end_ns, answered_ns);
		check_count(ACCOUNT_RECORDS_STRAY, 0);
		assert_int_equal(flow__connection_cnt(rig->flow), 0);
		rig_finish(rig);
	}
}

/* One that is cut is an error, as the socket tells it. */
static void test_cut(void **state)
{
	static const struct {
		enum end_reason reason;
		uint16_t error;
		const char *type;
	} ends[] = {
		{END_CLOSED, 0, "connection_closed"},
		{END_ERROR, ECONNRESET, "ECONNRESET"},
		{END_ERROR, EPIPE, "EPIPE"},
	};

	(void)state;
	for (size_t i = 0; i < CNT(ends); i++) {
		struct rig *rig = new_rig(8);
		struct end carrier = end_new(rig, ROLE_CLIENT),
			   plain = plaintext_of(&carrier, true);

		shake_hands(&carrier);
		ask(&plain, GET);
		answer(&plain, OK_CUT);
		finish(&carrier, ends[i].reason, ends[i].error);
		check_spans(rig, 1);
		assert_string_equal(span_of(rig, SPAN_CLIENT, 0)->error, ends[i].type);
		finish(&carrier, END_CLOSED, 0);
		finish(&plain, END_CLOSED, 0);
		check_spans(rig, 1);
		rig_finish(rig);
	}
}

/* When no more comes from the socket, the library may still hold what came before. */
static void test_read_after_eof(void **state)
{
	struct rig *rig = new_rig(8);
	struct end carrier = end_new(rig, ROLE_CLIENT), plain = plaintext_of(&carrier, true);

	(void)state;
	shake_hands(&carrier);
	ask(&plain, GET);
	answer(&plain, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789");
	finish(&carrier, END_EOF, 0);
	pass(&plain, FROM_SERVER, "0123456789");
	check_spans(rig, 1);
	assert_string_equal(span_of(rig, SPAN_CLIENT, 0)->error, "");
	assert_int_equal(span_of(rig, SPAN_CLIENT, 0)->response_sz, 20);
	rig_finish(rig);
}

/* The socket is used by another session: what the first one asked is not answered by it. */
static void test_another_session(void **state)
{
	(void)state;
	for (int freed = 0; freed <= 1; freed++) {
		struct rig *rig = new_rig(8);
		struct end carrier = end_new(rig, ROLE_CLIENT), first, second;

		shake_hands(&carrier);
		first = plaintext_of(&carrier, true);
		ask(&first, GET);
		if (freed)
			finish(&first, END_CLOSED, 0);
		second = plaintext_of(&carrier, false);
		ask(&second, "GET /b HTTP/1.1\r\nHost: app\r\n\r\n");
		answer(&second, OK_EMPTY);
		check_spans(rig, 1 + (uint32_t)freed);
		assert_string_equal(span_of(rig, SPAN_CLIENT, (uint32_t)freed)->path,
				    "https://app/b");
		assert_string_equal(span_of(rig, SPAN_CLIENT, 0)->error,
				    freed ? "connection_closed" : "");
		check_count(ACCOUNT_LOST_GAP, !freed);
		assert_int_equal(flow__connection_cnt(rig->flow), 1);
		rig_finish(rig);
	}
}

/* --- the two ends ----------------------------------------------------------------------------- */

struct pair {
	struct end client, server; /* the plaintext's */
};

static struct pair pair_new(struct rig *rig, bool whole, bool translated)
{
	struct end client, server;

	ends_new(rig, &client, &server);
	if (translated) { /* each end sees a translator's address for the other one */
		client.about.remote_addr[3] = 77;
		server.about.remote_addr[3] = 78;
		server.about.remote_port = 999;
	}
	return (struct pair){plaintext_of(&client, whole), plaintext_of(&server, whole)};
}

static void exchange(struct end *client, struct end *server)
{
	ask(client, GET);
	ask(server, GET);
	answer(server, OK_EMPTY);
	answer(client, OK_EMPTY);
}

/* Joined by their offsets where these are certain: by mirrored addresses, or behind a translator. */
static void test_join(void **state)
{
	(void)state;
	for (int whole = 0; whole <= 1; whole++)
		for (int translated = 0; translated <= 1; translated++) {
			struct rig *rig = new_rig(8);
			struct pair pair = pair_new(rig, whole, translated);
			const struct seen *c, *s;

			exchange(&pair.client, &pair.server);
			exchange(&pair.client, &pair.server);
			rig_wait(rig, SECOND);
			check_spans(rig, 4);
			for (uint32_t i = 0; i < 2; i++) {
				c = span_of(rig, SPAN_CLIENT, i);
				s = span_of(rig, SPAN_SERVER, i);
				if (whole)
					check_child(s, c);
				else
					check_root(s);
			}
			rig_finish(rig);
		}
}

/* If one end's numbers are not known, 0 is no number. */
static void test_one_end_joined_late(void **state)
{
	struct rig *rig = new_rig(8);
	struct end client, server, plain_client, plain_server;

	(void)state;
	ends_new(rig, &client, &server);
	plain_client = plaintext_of(&client, true);
	plain_client.tx_seq = plain_client.rx_seq = 0; /* and so where it begins by chance */
	plain_server = plaintext_of(&server, false);
	exchange(&plain_client, &plain_server);
	rig_wait(rig, SECOND);
	check_spans(rig, 2);
	check_root(span_of(rig, SPAN_SERVER, 0));
	rig_finish(rig);
}

/* What one end sees decrypted and the other one as a socket's own bytes are not two ends of one. */
static void test_never_across(void **state)
{
	(void)state;
	for (int plain = 0; plain <= 1; plain++) {
		struct rig *rig = new_rig(8);
		struct end client, server;

		ends_new(rig, &client, &server);
		if (plain)
			client = plaintext_of(&client, true);
		else
			server = plaintext_of(&server, true);
		exchange(&client, &server);
		rig_wait(rig, SECOND);
		check_spans(rig, 2);
		check_root(span_of(rig, SPAN_SERVER, 0));
		rig_finish(rig);
	}
}

/* --- protocols that become TLS, or are only spoken below it ------------------------------------ */

#define SSL_REQUEST " \0\0\1\215\256(\0\0\0\0\1-\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define GREETING_SECURE                                                                            \
	"c\0\0\0\0125.5.5-10.11.6-MariaDB-0+deb12u1\0*\0\0\0abcdefgh\0\336\377\377\2\0\277\201\25" \
	"\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0caching_sha2_password\0"
#define LOGIN_SECURE                                                                               \
	"T\0\0\2\215\256(\1\0\0\0\1-\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0app\0\024012345" \
	"67890123456789shop\0mysql_native_password\0"
#define TURNS_MAX 8
#define CLIENT(text)                                \
	{                                           \
		text, sizeof(text) - 1, FROM_CLIENT \
	}
#define SERVER(text)                                \
	{                                           \
		text, sizeof(text) - 1, FROM_SERVER \
	}

struct turn {
	const char *p;
	uint32_t n;
	enum sender sender;
};

static const struct {
	const char *span;
	struct turn clear[TURNS_MAX], plain[TURNS_MAX];
} talks[] = {
	{
		.span = "SELECT t",
		.clear = {CLIENT("\0\0\0\x08\x04\xd2\x16\x2f"), SERVER("S")},
		.plain = {CLIENT("\0\0\0\x20\0\3\0\0user\0app\0database\0shop\0\0"),
			  SERVER("R\0\0\0\x08\0\0\0\0Z\0\0\0\5I"),
			  CLIENT("Q\0\0\0\x14SELECT a FROM t\0"),
			  SERVER("C\0\0\0\x0dSELECT 0\0Z\0\0\0\5I")},
	},
	{
		.span = "PING shop",
		.clear = {SERVER(GREETING), CLIENT(SSL_REQUEST)},
		.plain = {CLIENT(LOGIN_SECURE), SERVER("\7\0\0\3\0\0\0\2\0\0\0"), CLIENT(PING),
			  SERVER(OK)},
	},
	{
		/* With what the password needs, between. */
		.span = "PING shop",
		.clear = {SERVER(GREETING), CLIENT(SSL_REQUEST)},
		.plain = {CLIENT(LOGIN_SECURE), SERVER("\2\0\0\3\1\4"), CLIENT("\7\0\0\4secret\0"),
			  SERVER("\7\0\0\5\0\0\0\2\0\0\0"), CLIENT(PING), SERVER(OK)},
	},
	{
		.span = "publish",
		.clear = {SERVER(
			"INFO {\"server_id\":\"A\",\"version\":\"2.9.0\",\"tls_required\":true} \r\n")},
		.plain = {CLIENT("CONNECT {\"verbose\":false}\r\nPING\r\n"), SERVER("PONG\r\n"),
			  CLIENT("PUB lamps 2\r\non\r\n")},
	},
	{
		.span = "GET",
		.plain = {CLIENT("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"), SERVER("$1\r\n1\r\n")},
	},
	{
		.span = "GET",
		.plain = {CLIENT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
				 "\0\0\3\1\5\0\0\0\1\x82\x87\x84"),
			  SERVER("\0\0\0\4\0\0\0\0\0\0\0\1\1\5\0\0\0\1\x88")},
	},
};

static void talk(struct end *end, const struct turn *turns)
{
	for (int i = 0; i < TURNS_MAX && turns[i].p; i++)
		end_op(end, sends(end, turns[i].sender), turns[i].p, turns[i].n);
}

static void test_protocols(void **state)
{
	(void)state;
	for (size_t i = 0; i < CNT(talks); i++)
		for (int server = 0; server <= 1; server++) {
			struct rig *rig = new_rig(8);
			struct end carrier = end_new(rig, server ? ROLE_SERVER : ROLE_CLIENT);
			struct end plain = plaintext_of(&carrier, true);

			talk(&carrier, talks[i].clear);
			shake_hands(&carrier);
			talk(&plain, talks[i].plain);
			rig->made++;
			finish(&plain, END_CLOSED, 0);
			finish(&carrier, END_CLOSED, 0);
			rig_wait(rig, SECOND);
			check_spans(rig, 1);
			assert_memory_equal(rig->spans[0].name, talks[i].span,
					    strlen(talks[i].span)); /* a route may follow */
			assert_string_equal(rig->spans[0].error, "");
			check_count(ACCOUNT_RECORDS_STRAY, 0);
			rig_finish(rig);
			assert_int_equal(unknown_cnt, 0);
		}
}

/* --- what the handshake says -------------------------------------------------------------------- */

#define REDIS 2 /* in talks, from the end */
#define HTTP2 1

static const struct handshake {
	struct hello_plan client, server;
	bool http2;
	const char *name, *version, *protocol; /* as the span has them */
} handshakes[] = {
	{
		.client = {.from_client = true,
			   .server_name = "cache.example",
			   .protocols = {"h2", "http/1.1"},
			   .key_share_sz = KEY_SHARE_SZ + 300},
		.server = {.version = TLS_1_3, .key_share_sz = 1124},
		.name = "cache.example",
		.version = "1.3",
		.protocol = "",
	},
	{
		.client = {.from_client = true, .protocols = {"h2"}},
		.server = {.version = TLS_1_3},
		.http2 = true,
		.name = "10.0.0.2",
		.version = "1.3",
		.protocol = "h2",
	},
	{
		/* It was spoken, and not agreed on. */
		.client = {.from_client = true, .server_name = "cache.example"},
		.server = {.version = TLS_1_3},
		.http2 = true,
		.name = "cache.example",
		.version = "1.3",
		.protocol = "",
	},
	{
		.client = {.from_client = true, .protocols = {"redis", "x"}},
		.server = {.protocols = {"redis"}},
		.name = "10.0.0.2",
		.version = "1.2",
		.protocol = "redis",
	},
};

/* A hello in pieces: of its first bytes, and the rest. */
static void greet(struct end *end, const struct hello_plan *plan, size_t first)
{
	struct hello_text text = hello_of(plan);
	bool send = sends(end, plan->from_client ? FROM_CLIENT : FROM_SERVER);

	first = first < text.n ? first : text.n;
	if (first)
		end_op(end, send, (const char *)text.p, (uint32_t)first);
	if (first < text.n)
		end_op(end, send, (const char *)text.p + first, (uint32_t)(text.n - first));
}

static void check_handshake(const struct handshake *handshake, enum role role, size_t first)
{
	struct rig *rig = new_rig(8);
	struct end carrier = end_new(rig, role), plain = plaintext_of(&carrier, true);
	size_t talk_at = CNT(talks) - (handshake->http2 ? HTTP2 : REDIS);
	const struct seen *seen;

	greet(&carrier, &handshake->client, first);
	greet(&carrier, &handshake->server, first);
	pass_ciphertext(&carrier, FROM_CLIENT);
	talk(&plain, talks[talk_at].plain);
	rig->made++;
	finish(&carrier, END_CLOSED, 0);
	rig_wait(rig, SECOND);
	check_spans(rig, 1);
	seen = &rig->spans[0];
	if (role == ROLE_CLIENT)
		assert_string_equal(seen->server, handshake->name);
	assert_true(seen->tls);
	assert_string_equal(seen->tls_version, handshake->version);
	assert_string_equal(seen->tls_protocol, handshake->protocol);
	rig_finish(rig);
	assert_int_equal(unknown_cnt, 0);
}

static void test_handshakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < CNT(handshakes); i++)
		for (size_t first = 0; first < 240; first += first < 12 ? 1 : 19) {
			check_handshake(&handshakes[i], ROLE_CLIENT, first);
			check_handshake(&handshakes[i], ROLE_SERVER, first);
		}
}

/* A name in the request counts, and a session joined in the middle knows nothing but that it is one. */
static void test_less_known(void **state)
{
	(void)state;
	for (int greeted = 0; greeted <= 1; greeted++) {
		struct rig *rig = new_rig(8);
		struct end carrier = end_new(rig, ROLE_CLIENT),
			   plain = plaintext_of(&carrier, greeted);

		if (greeted)
			greet(&carrier, &handshakes[0].client, 5);
		else
			pass_ciphertext(&carrier, FROM_CLIENT);
		ask(&plain, GET);
		answer(&plain, OK_EMPTY);
		check_spans(rig, 1);
		assert_string_equal(rig->spans[0].server, "app");
		assert_true(rig->spans[0].tls);
		assert_string_equal(rig->spans[0].tls_version, "");
		rig_finish(rig);
	}
}

/* In clear, nothing of this is said. */
static void test_in_clear(void **state)
{
	struct rig *rig = new_rig(8);
	struct end end = end_new(rig, ROLE_CLIENT);

	(void)state;
	ask(&end, GET);
	answer(&end, OK_EMPTY);
	check_spans(rig, 1);
	assert_false(rig->spans[0].tls);
	rig_finish(rig);
}

/* After its protocol has asked for it, and the socket has carried something else first. */
static void test_upgraded(void **state)
{
	struct rig *rig = new_rig(8);
	struct end carrier = end_new(rig, ROLE_CLIENT), plain = plaintext_of(&carrier, true);

	(void)state;
	talk(&carrier, talks[0].clear);
	greet(&carrier, &handshakes[0].client, 5);
	greet(&carrier, &handshakes[0].server, 5);
	talk(&plain, talks[0].plain);
	rig->made++;
	check_spans(rig, 1);
	assert_string_equal(rig->spans[0].server, "cache.example");
	assert_string_equal(rig->spans[0].tls_version, "1.3");
	rig_finish(rig);
}

/* What was said before TLS is known below it: here that the server is MariaDB, which no client says. */
static void test_goes_on(void **state)
{
	static const struct turn clear[TURNS_MAX] = {SERVER(GREETING_SECURE), CLIENT(SSL_REQUEST)};

	(void)state;
	for (int role = ROLE_CLIENT; role <= ROLE_SERVER; role++) {
		struct rig *rig = new_rig(8);
		struct end carrier = end_new(rig, role), plain = plaintext_of(&carrier, true);

		talk(&carrier, clear);
		shake_hands(&carrier);
		talk(&plain, talks[1].plain);
		rig->made++;
		rig_wait(rig, SECOND);
		check_spans(rig, 1);
		assert_string_equal(rig->spans[0].name, "PING shop");
		assert_string_equal(rig->spans[0].system, "mariadb");
		rig_finish(rig);
	}
}

/* Bytes were missed between: nothing is made of what does not belong together. */
static void test_gap_in_hello(void **state)
{
	struct rig *rig = new_rig(8);
	struct end carrier = end_new(rig, ROLE_CLIENT), plain = plaintext_of(&carrier, true);
	struct hello_text text = hello_of(&handshakes[0].client);

	(void)state;
	end_op(&carrier, true, (const char *)text.p, 9);
	rig->drop_cnt = 1;
	end_op(&carrier, true, (const char *)text.p + 9, 10);
	end_op(&carrier, true, (const char *)text.p + 19, (uint32_t)text.n - 19);
	greet(&carrier, &handshakes[0].server, 0);
	talk(&plain, talks[CNT(talks) - REDIS].plain);
	rig->made++;
	check_spans(rig, 1);
	assert_string_equal(rig->spans[0].server, "10.0.0.2");
	assert_string_equal(rig->spans[0].tls_version, "1.3");
	rig_finish(rig);
}

/* --- what is let go --------------------------------------------------------------------------- */

/* The least recently used makes room, and the kernel is told by its own cookie. */
static void test_evicted(void **state)
{
	struct rig *rig = new_rig(2);
	struct end carriers[4], plain[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		carriers[i] = end_new(rig, ROLE_SERVER);
		plain[i] = plaintext_of(&carriers[i], true);
		shake_hands(&carriers[i]);
		ask(&plain[i], GET);
		assert_in_range(flow__connection_cnt(rig->flow), 1, 2);
	}
	/* A socket takes the place of a plaintext until its own is announced. */
	for (int i = 0; i < 4; i++) {
		assert_int_equal(forgotten_cnt(rig, plain[i].about.cookie), i < 3);
		assert_int_equal(forgotten_cnt(rig, carriers[i].about.cookie), 0);
	}
	check_count(ACCOUNT_LOST_EVICTED, 3);
	/* It is announced again, and its number is no longer certain. */
	plain[0].announced = false;
	plain[0].about.fresh = 0;
	answer(&plain[0], OK_EMPTY);
	exchange(&plain[0], &plain[0]);
	rig->made--; /* both are the one end */
	finish(&plain[3], END_CLOSED, 0);
	finish(&carriers[3], END_CLOSED, 0);
	rig_free(rig);
}

/* Nothing passes for long: both are let go, each by its cookie; of a sealed one that is told. */
static void test_idle(void **state)
{
	struct rig *rig = new_rig(8);
	struct end carrier = end_new(rig, ROLE_SERVER), plain = plaintext_of(&carrier, true);
	struct end other = end_new(rig, ROLE_SERVER);

	(void)state;
	shake_hands(&carrier);
	exchange(&plain, &plain);
	rig->made--;
	shake_hands(&other);
	rig_wait(rig, RIG_IDLE + SECOND);
	assert_int_equal(flow__connection_cnt(rig->flow), 0);
	assert_int_equal(forgotten_cnt(rig, plain.about.cookie), 1);
	assert_int_equal(forgotten_cnt(rig, carrier.about.cookie), 0);
	assert_int_equal(forgotten_cnt(rig, other.about.cookie), 1);
	assert_int_equal(unknown_cnt, 1);
	rig_free(rig);
}

/* However many sessions come and end, or never do, no more is kept than connections may be. */
static void test_bounded(void **state)
{
	struct rig *rig = new_rig(4);

	(void)state;
	for (int i = 0; i < 64; i++) {
		struct end carrier = end_new(rig, ROLE_SERVER);
		struct end plain = plaintext_of(&carrier, true);

		shake_hands(&carrier);
		ask(&plain, GET);
		answer(&plain, OK_EMPTY);
		if (i % 3)
			finish(&plain, END_CLOSED, 0);
		if (i % 3 == 1)
			finish(&carrier, END_CLOSED, 0);
		assert_in_range(flow__connection_cnt(rig->flow), 0, 4);
	}
	rig_wait(rig, SECOND);
	check_spans(rig, 64);
	rig_finish(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_carrier_comes),
		cmocka_unit_test(test_sealed_first),
		cmocka_unit_test(test_asks_after_socket_ended),
		cmocka_unit_test(test_socket_ends_first),
		cmocka_unit_test(test_after_session),
		cmocka_unit_test(test_close_delimited),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_read_after_eof),
		cmocka_unit_test(test_another_session),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_one_end_joined_late),
		cmocka_unit_test(test_never_across),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_handshakes),
		cmocka_unit_test(test_less_known),
		cmocka_unit_test(test_in_clear),
		cmocka_unit_test(test_upgraded),
		cmocka_unit_test(test_gap_in_hello),
		cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_evicted),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
