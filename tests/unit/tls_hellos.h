/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the hello messages of TLS that tests need. */
#ifndef SONDE_TESTS_TLS_HELLOS_H
#define SONDE_TESTS_TLS_HELLOS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "user/base/slice.h"

#define TLS_1_2 0x0303
#define TLS_1_3 0x0304
#define KEY_SHARE_SZ 1216 /* of X25519 with ML-KEM-768 */

struct hello_text {
	uint8_t p[4096];
	size_t n;
};

/* What one says; 0, NULL or empty: nothing of it. */
struct hello_plan {
	bool from_client;
	const char *server_name;
	const char *protocols[3];
	uint16_t version;     /* chosen, in the extension; 0: there is none */
	size_t key_share_sz;  /* of another extension, which comes first */
	bool extensions_none; /* not even a list of them */
};

static inline void put_be(struct hello_text *text, size_t sz, uint64_t number)
{
	assert_true(text->n + sz <= sizeof(text->p));
	while (sz--)
		text->p[text->n++] = (uint8_t)(number >> 8 * sz);
}

static inline void put_bytes(struct hello_text *text, const void *p, size_t n)
{
	assert_true(text->n + n <= sizeof(text->p));
	memcpy(text->p + text->n, p, n);
	text->n += n;
}

/* Leaves room for a length of sz bytes; set_length writes it. */
static inline size_t leave_length(struct hello_text *text, size_t sz)
{
	put_be(text, sz, 0);
	return text->n;
}

static inline void set_length(struct hello_text *text, size_t at, size_t sz)
{
	size_t n = text->n;

	text->n = at - sz;
	put_be(text, sz, n - at);
	text->n = n;
}

static inline void put_extensions(struct hello_text *text, const struct hello_plan *plan)
{
	size_t all = leave_length(text, 2), one, list;

	if (plan->key_share_sz) {
		put_be(text, 2, 51);
		one = leave_length(text, 2);
		for (size_t i = 0; i < plan->key_share_sz; i++)
			put_be(text, 1, i & 0xff);
		set_length(text, one, 2);
	}
	if (plan->version) {
		put_be(text, 2, 43);
		put_be(text, 2, 2);
		put_be(text, 2, plan->version);
	}
	if (plan->server_name) {
		put_be(text, 2, 0);
		one = leave_length(text, 2);
		list = leave_length(text, 2);
		put_be(text, 1, 0);
		put_be(text, 2, strlen(plan->server_name));
		put_bytes(text, plan->server_name, strlen(plan->server_name));
		set_length(text, list, 2);
		set_length(text, one, 2);
	}
	if (plan->protocols[0]) {
		put_be(text, 2, 16);
		one = leave_length(text, 2);
		list = leave_length(text, 2);
		for (int i = 0; i < 3 && plan->protocols[i]; i++) {
			put_be(text, 1, strlen(plan->protocols[i]));
			put_bytes(text, plan->protocols[i], strlen(plan->protocols[i]));
		}
		set_length(text, list, 2);
		set_length(text, one, 2);
	}
	set_length(text, all, 2);
}

static inline struct hello_text hello_of(const struct hello_plan *plan)
{
	struct hello_text text = {.n = 0};
	size_t record, message;

	put_be(&text, 3, 0x160301);
	record = leave_length(&text, 2);
	put_be(&text, 1, plan->from_client ? 1 : 2);
	message = leave_length(&text, 3);
	put_be(&text, 2, TLS_1_2);
	put_bytes(&text, "0123456789abcdef0123456789abcdef", 32);
	put_be(&text, 1, 8);
	put_bytes(&text, "session.", 8);
	if (plan->from_client)
		put_be(&text, 2, 4);
	put_be(&text, 2, 0x1301);
	if (plan->from_client) {
		put_be(&text, 2, 0xc02f);
		put_be(&text, 1, 1);
	}
	put_be(&text, 1, 0);
	if (!plan->extensions_none)
		put_extensions(&text, plan);
	set_length(&text, message, 3);
	set_length(&text, record, 2);
	return text;
}

#endif
