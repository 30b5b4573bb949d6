// SPDX-License-Identifier: Apache-2.0
/* Responses: built by protobuf-c, read back; cut short anywhere; text made fit for a terminal. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "build/proto/rpc_status.pb-c.h"
#include "build/proto/trace_service.pb-c.h"
#include "user/export/otlp_response.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceResponse Response;
typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTracePartialSuccess Partial;

#define RESPONSE_INIT \
	OPENTELEMETRY__PROTO__COLLECTOR__TRACE__V1__EXPORT_TRACE_SERVICE_RESPONSE__INIT
#define PARTIAL_INIT OPENTELEMETRY__PROTO__COLLECTOR__TRACE__V1__EXPORT_TRACE_PARTIAL_SUCCESS__INIT

/* In an allocation of its exact size. */
static struct slice pack(const ProtobufCMessage *message)
{
	size_t n = protobuf_c_message_get_packed_size(message);
	uint8_t *p = malloc(n ? n : 1);

	protobuf_c_message_pack(message, p);
	return slice_of((char *)p, n);
}

static struct slice make_response(int64_t rejected, const char *message)
{
	Partial partial = PARTIAL_INIT;
	Response response = RESPONSE_INIT;

	partial.rejected_spans = rejected;
	partial.error_message = (char *)message;
	response.partial_success = &partial;
	return pack(&response.base);
}

static struct slice make_status(const char *message)
{
	Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;

	status.code = 3;
	status.message = (char *)message;
	return pack(&status.base);
}

static void test_read(void **state)
{
	static const int64_t counts[] = {0, 1, 8192, INT64_MAX, -1, INT64_MIN};
	struct otlp_response out;

	(void)state;
	assert_int_equal(otlp_response__read(SLICE(""), &out), 0);
	assert_int_equal(out.rejected_cnt, 0);
	assert_string_equal(out.message, "");
	for (size_t i = 0; i < LEN(counts); i++) {
		struct slice body = make_response(counts[i], "too old");

		assert_int_equal(otlp_response__read(body, &out), 0);
		assert_true(out.rejected_cnt == counts[i]);
		assert_string_equal(out.message, "too old");
		free((char *)body.p);
	}
}

static void test_read_error(void **state)
{
	/* details, which we do not define, and a field that does not exist yet */
	static const struct slice more = SLICE("\x12\x02no\x1A\x03\x0A\x01x\x98\x06\x05");
	struct slice body = make_status("no such tenant");
	struct otlp_response out;

	(void)state;
	assert_int_equal(otlp_response__read_error(body, &out), 0);
	assert_int_equal(out.rejected_cnt, 0);
	assert_string_equal(out.message, "no such tenant");
	assert_int_equal(otlp_response__read_error(more, &out), 0);
	assert_string_equal(out.message, "no");
	free((char *)body.p);
}

/* Cut anywhere, it is refused or read as less, and no byte beyond is touched. */
static void test_every_prefix(void **state)
{
	struct slice body = make_response(300, "some spans were too old");

	(void)state;
	for (size_t n = 0; n < body.n; n++) {
		char *exact = malloc(n ? n : 1);
		struct otlp_response out;
		int err;

		memcpy(exact, body.p, n);
		err = otlp_response__read(slice_of(exact, n), &out);
		assert_int_equal(err, n == 0 ? 0 : -EPROTO);
		assert_int_equal(out.rejected_cnt, 0);
		assert_string_equal(out.message, "");
		otlp_response__read_error(slice_of(exact, n), &out);
		free(exact);
	}
	free((char *)body.p);
}

static void test_text(void **state)
{
	static const struct {
		const char *raw, *want;
	} cases[] = {
		{"", ""},
		{"plain", "plain"},
		{"two\nlines\r\n\t.", "two lines   ."},
		{"\x1B[31mred\x7F", " [31mred "},
		{"gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F"},
		{"C1 \xC2\x9B"
		 "2J",
		 "C1  2J"},
		{"\xC2\xA0", "\xC2\xA0"},
		{"bad \xFF\xC3", "bad ??"},
	};
	struct otlp_response out;

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct slice body = make_status(cases[i].raw);

		assert_int_equal(otlp_response__read_error(body, &out), 0);
		assert_string_equal(out.message, cases[i].want);
		free((char *)body.p);
	}
}

/* Cut to fit, between characters. */
static void test_long_text(void **state)
{
	char text[3 * OTLP_MESSAGE_SZ + 1] = "";
	struct otlp_response out;
	struct slice body;

	(void)state;
	for (size_t i = 0; i < OTLP_MESSAGE_SZ; i++)
		memcpy(text + 3 * i, "\xE2\x82\xAC", 4);
	for (size_t shift = 0; shift < 3; shift++) {
		memset(text, 'x', 3);
		body = make_status(text + 3 - shift);
		assert_int_equal(otlp_response__read_error(body, &out), 0);
		assert_int_equal(strlen(out.message),
				 shift + (OTLP_MESSAGE_SZ - 1 - shift) / 3 * 3);
		free((char *)body.p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),	     cmocka_unit_test(test_read_error),
		cmocka_unit_test(test_every_prefix), cmocka_unit_test(test_text),
		cmocka_unit_test(test_long_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
