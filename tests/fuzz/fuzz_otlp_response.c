// SPDX-License-Identifier: Apache-2.0
/*
 * libFuzzer harness for what an OTLP endpoint answers. The first byte chooses success or error;
 * the message must come out as valid UTF-8 without control characters, whatever went in.
 */
#include "tests/fuzz/check.h"
#include "user/export/otlp_response.h"
#include "user/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(const struct otlp_response *response)
{
	struct slice s =
		slice_of(response->message, strnlen(response->message, sizeof(response->message)));

	CHECK(s.n < sizeof(response->message));
	CHECK(utf8_is_valid(s));
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = (uint8_t)s.p[i];

		CHECK(c >= 0x20 && c != 0x7F);
		CHECK(c != 0xC2 || (uint8_t)s.p[i + 1] >= 0xA0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct otlp_response response;
	struct slice body;
	int err;

	if (!size)
		return 0;
	body = slice_of((const char *)data + 1, size - 1);
	err = data[0] & 1 ? otlp_response__read_error(body, &response)
			  : otlp_response__read(body, &response);
	check_message(&response);
	CHECK(!err || (response.rejected_cnt == 0 && response.message[0] == '\0'));
	CHECK(!(data[0] & 1) || response.rejected_cnt == 0);
	return 0;
}
