// SPDX-License-Identifier: Apache-2.0
/* Responses, decoded by protobuf-c from the definitions in proto/. */
#include "user/export/otlp_response.h"

#include <errno.h>

#include "build/proto/rpc_status.pb-c.h"
#include "build/proto/trace_service.pb-c.h"
#include "user/base/utf8.h"

/*
 * The peer's words end up in a log on a terminal: control characters (C0, DEL, C1) become spaces,
 * what is not UTF-8 becomes '?'.
 */
static void set_message(struct otlp_response *out, const char *text)
{
	struct slice s = slice_str(text);
	size_t len = 0;

	while (s.n) {
		int32_t code;
		size_t n = utf8_decode(s, &code);
		struct slice put = code < 0		   ? SLICE("?")
				   : utf8_is_control(code) ? SLICE(" ")
							   : slice_first(s, n);

		if (len + put.n >= sizeof(out->message))
			break;
		memcpy(out->message + len, put.p, put.n);
		len += put.n;
		s = slice_after(s, n);
	}
	out->message[len] = '\0';
}

int otlp_response__read(struct slice body, struct otlp_response *out)
{
	Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceResponse *response;

	*out = (struct otlp_response){0};
	response =
		opentelemetry__proto__collector__trace__v1__export_trace_service_response__unpack(
			NULL, body.n, (const uint8_t *)body.p);
	if (!response)
		return -EPROTO;
	if (response->partial_success) {
		out->rejected_cnt = response->partial_success->rejected_spans;
		set_message(out, response->partial_success->error_message);
	}
	opentelemetry__proto__collector__trace__v1__export_trace_service_response__free_unpacked(
		response, NULL);
	return 0;
}

int otlp_response__read_error(struct slice body, struct otlp_response *out)
{
	Google__Rpc__Status *status;

	*out = (struct otlp_response){0};
	status = google__rpc__status__unpack(NULL, body.n, (const uint8_t *)body.p);
	if (!status)
		return -EPROTO;
	set_message(out, status->message);
	google__rpc__status__free_unpacked(status, NULL);
	return 0;
}
