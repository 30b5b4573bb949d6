/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MongoDB messages out of text, for tests. Documents are written as {key: 1, other: 'text', list: [1.5,
 * true, null]}: whole numbers are 32 bits, numbers with a point doubles, #5 is binary of five bytes. All
 * lies in one buffer that is never freed.
 */
#ifndef SONDE_TESTS_BSON_TEXT_H
#define SONDE_TESTS_BSON_TEXT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/base/slice.h"

#define MADE_MAX (256u * 1024)

static char made[MADE_MAX];
static size_t made_len;

static inline void make(const void *p, size_t n)
{
	assert_true(n <= MADE_MAX - made_len);
	memcpy(made + made_len, p, n);
	made_len += n;
}

static inline void make_u32(uint32_t number)
{
	const uint8_t bytes[4] = {(uint8_t)number, (uint8_t)(number >> 8), (uint8_t)(number >> 16),
				  (uint8_t)(number >> 24)};

	make(bytes, sizeof(bytes));
}

static inline void set_u32(size_t at, uint32_t number)
{
	size_t len = made_len;

	made_len = at;
	make_u32(number);
	made_len = len;
}

static inline const char *pass(const char *text, const char *what)
{
	return text + strspn(text, what);
}

static inline const char *make_document(const char *text);

static inline const char *make_number(const char *text, size_t type_at)
{
	char *end;
	double real = strtod(text, &end);

	if (memchr(text, '.', (size_t)(end - text))) {
		made[type_at] = 0x01;
		make(&real, sizeof(real));
	} else {
		made[type_at] = 0x10;
		make_u32((uint32_t)(int32_t)real);
	}
	return end;
}

/* The value at the front of text; returns what follows it. */
static inline const char *make_value(const char *text, size_t type_at)
{
	if (*text == '{' || *text == '[') {
		made[type_at] = *text == '{' ? 0x03 : 0x04;
		return make_document(text);
	}
	if (*text == '\'') {
		size_t len = strcspn(text + 1, "'");

		made[type_at] = 0x02;
		make_u32((uint32_t)len + 1);
		make(text + 1, len);
		make("", 1);
		return text + len + 2;
	}
	if (*text == '#') {
		char *end;
		unsigned long len = strtoul(text + 1, &end, 10);

		made[type_at] = 0x05;
		make_u32((uint32_t)len);
		for (size_t i = 0; i <= len; i++)
			make("\x04", 1);
		return end;
	}
	if (*text == 't') {
		made[type_at] = 0x08;
		make("\x01", 1);
		return text + 4;
	}
	if (*text == 'n') {
		made[type_at] = 0x0a;
		return text + 4;
	}
	return make_number(text, type_at);
}

static inline const char *make_document(const char *text)
{
	bool array = *text == '[';
	size_t start = made_len;

	make_u32(0);
	text = pass(text + 1, " ");
	for (unsigned int i = 0; *text != '}' && *text != ']'; i++) {
		size_t type_at = made_len, len = strcspn(text, ":");
		char index[12];

		make("", 1);
		if (array) {
			len = (size_t)snprintf(index, sizeof(index), "%u", i);
			make(index, len + 1);
		} else {
			make(text, len);
			make("", 1);
			text = pass(text + len + 1, " ");
		}
		text = pass(make_value(text, type_at), " ,");
	}
	make("", 1);
	set_u32(start, (uint32_t)(made_len - start));
	return text + 1;
}

static inline size_t begin_message(uint32_t id, uint32_t to, uint32_t opcode)
{
	size_t start = made_len;

	make_u32(0);
	make_u32(id);
	make_u32(to);
	make_u32(opcode);
	return start;
}

static inline struct slice end_message(size_t start)
{
	set_u32(start, (uint32_t)(made_len - start));
	return slice_of(made + start, made_len - start);
}

/* An OP_MSG of one document and, if name is not NULL, a sequence of documents: `{...} {...}`. */
static inline struct slice op_msg_with(uint32_t id, uint32_t to, uint32_t flags,
				       const char *document, const char *name, const char *sequence)
{
	size_t start = begin_message(id, to, 2013), section;

	make_u32(flags);
	make("", 1);
	make_document(document);
	if (name) {
		make("\x01", 1);
		section = made_len;
		make_u32(0);
		make(name, strlen(name) + 1);
		while (*sequence)
			sequence = pass(make_document(sequence), " ");
		set_u32(section, (uint32_t)(made_len - section));
	}
	if (flags & 1)
		make_u32(0x12345678);
	return end_message(start);
}

static inline struct slice op_msg(uint32_t id, uint32_t to, uint32_t flags, const char *document)
{
	return op_msg_with(id, to, flags, document, NULL, NULL);
}

/* An opcode whose body is flags, a name, perhaps two numbers (of a query), and a document. */
static inline struct slice op_named(uint32_t id, uint32_t opcode, const char *name,
				    const char *document)
{
	size_t start = begin_message(id, 0, opcode);

	make_u32(0);
	make(name, strlen(name) + 1);
	make_u32(0);
	if (opcode == 2004)
		make_u32(0xffffffff);
	if (document)
		make_document(document);
	return end_message(start);
}

static inline struct slice op_reply(uint32_t id, uint32_t to, uint32_t flags, const char *document)
{
	size_t start = begin_message(id, to, 1);

	make_u32(flags);
	make_u32(0);
	make_u32(0);
	make_u32(0);
	make_u32(document ? 1 : 0);
	if (document)
		make_document(document);
	return end_message(start);
}

static inline struct slice op_compressed(uint32_t id, uint32_t to, uint32_t opcode,
					 uint8_t compressor)
{
	size_t start = begin_message(id, to, 2012);

	make_u32(opcode);
	make_u32(77);
	make(&compressor, 1);
	make("0123456789", 10);
	return end_message(start);
}

/* One after the other. */
static inline struct slice both(struct slice a, struct slice b)
{
	size_t start = made_len;

	make(a.p, a.n);
	make(b.p, b.n);
	return slice_of(made + start, made_len - start);
}

#endif
