// SPDX-License-Identifier: Apache-2.0
/* Reads the hello messages of TLS. */
#include "user/protocols/tls_hello.h"

#include <errno.h>

#include "user/base/cursor.h"
#include "user/protocols/tls_record.h"

#define RANDOM_LEN 32

enum extension {
	EXTENSION_SERVER_NAME = 0,
	EXTENSION_PROTOCOLS = 16,
	EXTENSION_VERSIONS = 43,
};

/* What is behind its own length, of sz bytes; as much as there is of it. */
static struct cursor take_vector(struct cursor *c, size_t sz)
{
	size_t n = (size_t)cursor_be(c, sz);
	struct cursor vector = {.rest = slice_first(c->rest, n), .failed = c->failed};

	cursor_take(c, n);
	return vector;
}

static bool is_host_name(struct slice name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i], lower = (char)(c | 0x20);

		if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && c != '-' &&
		    c != '.' && c != '_')
			return false;
	}
	return name.n > 0 && name.n <= TLS_SERVER_NAME_MAX;
}

static bool is_printable(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~')
			return false;
	return text.n > 0;
}

static void read_server_name(struct cursor body, struct tls_hello *hello)
{
	struct cursor list = take_vector(&body, 2);
	uint64_t type = cursor_be(&list, 1);
	struct cursor name = take_vector(&list, 2);

	if (!body.failed && !list.failed && type == 0 && is_host_name(name.rest))
		hello->server_name = name.rest;
}

/* A client has a list of them, a server the one that it chose. */
static void read_protocols(struct cursor body, struct tls_hello *hello)
{
	struct cursor list = take_vector(&body, 2);

	while (list.rest.n && !list.failed) {
		struct cursor protocol = take_vector(&list, 1);

		if (list.failed)
			return;
		if (hello->from_client)
			hello->offers_h2 |= slice_eq(protocol.rest, SLICE("h2"));
		else if (!list.rest.n && !hello->protocol.n && is_printable(protocol.rest))
			hello->protocol = protocol.rest;
		else
			return;
	}
}

static void read_extension(uint64_t type, struct cursor body, struct tls_hello *hello)
{
	if (type == EXTENSION_SERVER_NAME && hello->from_client)
		read_server_name(body, hello);
	else if (type == EXTENSION_PROTOCOLS)
		read_protocols(body, hello);
	else if (type == EXTENSION_VERSIONS && !hello->from_client)
		hello->version = (uint16_t)cursor_be(&body, 2);
}

/* The message behind its type and length, or as much as there is of it. Is that all that it says? */
static bool read_message(struct slice body, bool cut, struct tls_hello *hello)
{
	struct cursor c = {.rest = body}, extensions;
	uint16_t version = (uint16_t)cursor_be(&c, 2);

	cursor_take(&c, RANDOM_LEN);
	take_vector(&c, 1); /* the session */
	if (hello->from_client) {
		take_vector(&c, 2); /* ciphers */
		take_vector(&c, 1); /* compression */
	} else {
		cursor_take(&c, 3); /* the same, one each */
	}
	if (c.failed || (cut && !c.rest.n))
		return false;
	if (c.rest.n) { /* else there are none */
		extensions = take_vector(&c, 2);
		while (extensions.rest.n) {
			uint64_t type = cursor_be(&extensions, 2);
			struct cursor extension = take_vector(&extensions, 2);

			if (extensions.failed)
				return false;
			read_extension(type, extension, hello);
		}
	}
	if (!hello->from_client && !hello->version && !c.failed)
		hello->version = version;
	return !c.failed;
}

int tls_hello_read(struct slice bytes, struct tls_hello *hello)
{
	struct cursor c = {.rest = bytes}, record, body;
	bool whole;
	size_t len;

	*hello = (struct tls_hello){0};
	if (tls_detect(bytes) < DETECT_YES)
		return tls_detect(bytes) == DETECT_MORE ? 0 : -EPROTO;
	if (cursor_be(&c, 1) != TLS_RECORD_HANDSHAKE)
		return -EPROTO;
	cursor_take(&c, 2);
	len = (size_t)cursor_be(&c, 2);
	record = (struct cursor){.rest = slice_first(c.rest, len)};
	hello->from_client = cursor_be(&record, 1) == TLS_CLIENT_HELLO;
	body = take_vector(&record, 3);
	whole = read_message(body.rest, record.failed, hello);
	if (hello->version < TLS_VERSION_1_0 || hello->version > TLS_VERSION_1_3)
		hello->version = 0;
	if (!record.failed && !whole) { /* it contradicts itself */
		*hello = (struct tls_hello){0};
		return -EPROTO;
	}
	return whole || c.rest.n >= len;
}
