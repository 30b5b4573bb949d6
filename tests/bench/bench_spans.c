// SPDX-License-Identifier: Apache-2.0
/*
 * What it costs to put spans into bytes: our OTLP encoder, the same with gzip as requests go out,
 * protobuf-c packing the same message, and the JSON line; and what the stages before it cost.
 * Prints JSON: spans per second of one core (the median of the runs) and bytes per span.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "build/proto/trace_service.pb-c.h"
#include "user/export/gzip.h"
#include "user/export/otlp_encode.h"
#include "user/export/otlp_json.h"
#include "user/policy/red.h"
#include "user/policy/redact.h"
#include "user/policy/tail_sampler.h"
#include "user/protocols/protocol.h"

#define RUNS 5
#define RUN_NS 100000000u
#define SPANS_PER_LOOK 8192 /* at the clock */
#define BATCHES 128	    /* of SPAN_BATCH_MAX spans: a request of 8192 */
#define ROUTES 100
#define SAMPLER_WAIT_NS 1000000 /* with the clock below: about 1,000 batches wait */
#define BATCH_NS 1000
#define LEN(array) (sizeof(array) / sizeof((array)[0]))

#define REQUEST(f) opentelemetry__proto__collector__trace__v1__export_trace_service_request__##f

struct bench {
	struct span_batch *batches[BATCHES];
	struct span_groups groups;
	struct pb_writer pb;
	struct json_writer json;
	struct red *red;
	struct tail_sampler *sampler;
	struct span_batch *spare[2 * SAMPLER_WAIT_NS / BATCH_NS];
	uint32_t spare_cnt;
	uint64_t now_ns;
	struct gzip *gzip;
	struct redactor *redactor;
	struct arena arena;
	Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest *message;
	uint8_t *packed, *body;
};

/* What was done at one go. */
struct work {
	size_t spans_cnt, bytes;
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_spans: %s\n", what);
	exit(1);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* --- spans as an agent makes them -------------------------------------------------------------- */

static uint64_t random64(void)
{
	static uint64_t state = 0x9E3779B97F4A7C15u; /* xorshift: the same spans each time */

	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

/* A resource of a program in a container: its encoding takes about 700 bytes. */
static struct resource *make_resource(void)
{
	static const struct slice args[] = {SLICE("/usr/bin/orders"), SLICE("--port=8080")};
	static const char *const texts[][2] = {
		{"service.name", "orders"},
		{"service.instance.id", "5f0a3b1e-66c5-4c2e-9d4e-0f0d3ad5a7c1"},
		{"service.version", "2.14.3"},
		{"telemetry.sdk.name", "sonde"},
		{"telemetry.sdk.language", "cpp"},
		{"telemetry.sdk.version", "0.1.0"},
		{"process.executable.name", "orders"},
		{"process.executable.path", "/usr/bin/orders"},
		{"host.name", "node-17.cluster.example"},
		{"host.id", "8c3f0b6e2d9a4f51a7c4f0be3d215a90"},
		{"os.type", "linux"},
		{"container.id",
		 "4f66ad9a0b2e7c5d8e1f3a6b9c0d2e4f5a7b8c9d0e1f2a3b4c5d6e7f8091a2b3"},
	};
	struct attr v[16];
	struct attrs attrs = {.v = v, .cap = LEN(v)};

	for (size_t i = 0; i < LEN(texts); i++)
		attrs_add_str(&attrs, slice_str(texts[i][0]), slice_str(texts[i][1]));
	attrs_add_int(&attrs, SLICE("process.pid"), 4711);
	attrs_add_strs(&attrs, SLICE("process.command_args"), args, LEN(args));
	return resource__new(&attrs, 4711);
}

static struct slice print(struct arena *arena, const char *format, uint64_t number)
{
	char text[64];
	bool failed = false;
	int n = snprintf(text, sizeof(text), format, (unsigned int)(number & 0xFFFF));
	struct slice s = arena__copy(arena, slice_of(text, (size_t)n), &failed);

	must(!failed, "out of memory");
	return s;
}

/* A server span of HTTP with twelve attributes. */
static void add_span(struct span_batch *b, struct resource *r)
{
	struct span *span = span_batch__add(b, 12, r);
	uint64_t id[3] = {random64(), random64(), random64()};
	struct attrs *attrs;

	must(span, "out of memory");
	memcpy(span->trace_id.bytes, id, sizeof(span->trace_id));
	memcpy(span->span_id.bytes, id + 2, sizeof(span->span_id));
	span->flags = SPAN_FLAG_SAMPLED | SPAN_FLAG_HAS_IS_REMOTE;
	span->kind = SPAN_SERVER;
	span->scope = SLICE("http");
	span->start_ns = 1790000000000000000u + (random64() >> 24);
	span->end_ns = span->start_ns + (random64() >> 40); /* up to 17 ms */
	span->name = SLICE("GET /orders/{id}");
	attrs = &span->attrs;
	attrs_add_str(attrs, SLICE("http.request.method"), SLICE("GET"));
	attrs_add_str(attrs, SLICE("url.path"), print(&b->arena, "/orders/%u", random64()));
	attrs_add_str(attrs, SLICE("url.scheme"), SLICE("http"));
	attrs_add_int(attrs, SLICE("http.response.status_code"), 200);
	attrs_add_str(attrs, SLICE("http.route"),
		      print(&b->arena, "/orders/{id}/%u", random64() % ROUTES));
	attrs_add_str(attrs, SLICE("network.protocol.version"), SLICE("1.1"));
	attrs_add_str(attrs, SLICE("server.address"), SLICE("orders.example"));
	attrs_add_int(attrs, SLICE("server.port"), 8080);
	attrs_add_str(attrs, SLICE("client.address"), SLICE("10.1.2.3"));
	attrs_add_str(attrs, SLICE("network.peer.address"), SLICE("10.1.2.3"));
	attrs_add_int(attrs, SLICE("network.peer.port"), (int64_t)(random64() & 0xFFFF));
	attrs_add_str(attrs, SLICE("user_agent.original"), SLICE("curl/7.88.1"));
}

static struct span_batch *make_batch(struct resource *r)
{
	struct span_batch *b = span_batch__new();

	must(b, "out of memory");
	while (b->cnt < SPAN_BATCH_MAX)
		add_span(b, r);
	return b;
}

/* --- what is measured -------------------------------------------------------------------------- */

static void group(struct bench *b, const struct span_batch *batch, uint32_t cnt)
{
	const struct span *spans[SPAN_BATCH_MAX];

	for (uint32_t i = 0; i < cnt; i++)
		spans[i] = &batch->spans[i];
	span_groups__set(&b->groups, spans, cnt);
}

static struct slice encode(struct bench *b, const struct span_batch *batch, uint32_t cnt)
{
	group(b, batch, cnt);
	must(otlp_encode(&b->pb, &b->groups, "0.1.0") == 0, "otlp_encode failed");
	return pb_writer__bytes(&b->pb);
}

/* Spans that are in the cache, as when they are pushed. */
static struct work encode_batch(struct bench *b)
{
	return (struct work){SPAN_BATCH_MAX, encode(b, b->batches[0], SPAN_BATCH_MAX).n};
}

static struct work encode_single(struct bench *b)
{
	return (struct work){1, encode(b, b->batches[0], 1).n};
}

/* A whole request, from spans to what goes over the wire; as http_client does it. */
static struct work encode_gzip(struct bench *b)
{
	struct slice packed;
	size_t n = 0;

	for (uint32_t i = 0; i < BATCHES; i++) {
		struct slice bytes = encode(b, b->batches[i], SPAN_BATCH_MAX);

		memcpy(b->body + n, bytes.p, bytes.n);
		n += bytes.n;
	}
	must(gzip__pack(b->gzip, slice_of((char *)b->body, n), &packed) == 0, "gzip failed");
	return (struct work){(size_t)BATCHES * SPAN_BATCH_MAX, packed.n};
}

/* In its favour, the message is there already and so is a buffer that is large enough. */
static struct work pack_protobuf_c(struct bench *b)
{
	return (struct work){SPAN_BATCH_MAX, REQUEST(pack)(b->message, b->packed)};
}

static struct work encode_json(struct bench *b)
{
	group(b, b->batches[0], SPAN_BATCH_MAX);
	must(otlp_json_encode(&b->json, &b->groups, "0.1.0") == 0, "otlp_json_encode failed");
	return (struct work){SPAN_BATCH_MAX, json_writer__text(&b->json).n};
}

static struct work count_metrics(struct bench *b)
{
	for (uint32_t i = 0; i < BATCHES; i++)
		red__observe(b->red, b->batches[i]);
	return (struct work){(size_t)BATCHES * SPAN_BATCH_MAX, 0};
}

static void recycle(void *ctx, struct span_batch *batch)
{
	struct bench *b = ctx;

	span_batch__reset(batch);
	b->spare[b->spare_cnt++] = batch;
}

static struct span_batch *take_spare(struct bench *b)
{
	struct span_batch *batch = b->spare_cnt ? b->spare[--b->spare_cnt] : span_batch__new();

	must(batch, "out of memory");
	return batch;
}

static struct span_batch *drop_kept(void *ctx, struct span_batch *batch)
{
	recycle(ctx, batch);
	return take_spare(ctx);
}

/* A batch like another, since who pushes one to the sampler gives it away. */
static struct span_batch *copy_batch(struct bench *b)
{
	const struct span_batch *from = b->batches[b->now_ns / BATCH_NS % BATCHES];
	struct span_batch *batch = take_spare(b);

	for (uint32_t i = 0; i < from->cnt; i++)
		must(span_batch__copy(batch, &from->spans[i]), "out of memory");
	return batch;
}

static struct work copy_only(struct bench *b)
{
	b->now_ns += BATCH_NS;
	recycle(b, copy_batch(b));
	return (struct work){SPAN_BATCH_MAX, 0};
}

/* The copy included. */
static struct work sample(struct bench *b)
{
	b->now_ns += BATCH_NS;
	tail_sampler__push(b->sampler, copy_batch(b), b->now_ns);
	tail_sampler__tick(b->sampler, b->now_ns);
	return (struct work){SPAN_BATCH_MAX, 0};
}

/* Nothing in these spans is to be redacted: what looking costs. */
static struct work redact(struct bench *b)
{
	struct span_batch *batch = b->batches[0];

	arena__reset(&b->arena);
	for (uint32_t i = 0; i < batch->cnt; i++)
		redactor__span(b->redactor, &batch->spans[i], &b->arena);
	return (struct work){batch->cnt, 0};
}

#define HEAD(more)                                                                                    \
	"GET /orders/4711?all=1 HTTP/1.1\r\nHost: orders.example:8080\r\nUser-Agent: curl/7.88.1\r\n" \
	"Accept: */*\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n"                 \
	"X-Forwarded-For: 10.1.2.3\r\nX-Request-Id: 5f0a3b1e66c54c2e\r\nCookie: a=b\r\n" more         \
	"Content-Type: application/json\r\nContent-Length: 0\r\n\r\n"

/* A request's head to a message; its spans are requests here. */
static struct work parse_head(struct slice head)
{
	static const struct protocol *http;
	static char room[MSG_ROOM_SZ];
	struct attr v[MSG_ATTRS_MAX];
	uint64_t state[2] = {0};

	if (!http)
		FOR_EACH_PROTOCOL (protocol)
			if (slice_eq(slice_str(protocol->name), SLICE("http")))
				http = protocol;
	must(http && http->state_size <= sizeof(state), "no HTTP");
	for (int i = 0; i < SPAN_BATCH_MAX; i++) {
		struct msg msg = {
			.attrs = {.v = v, .cap = MSG_ATTRS_MAX},
			.room = room,
			.room_sz = sizeof(room),
		};

		must(http->parse(state, FROM_CLIENT, head, false, &msg) == (ssize_t)head.n,
		     "a head does not parse");
	}
	return (struct work){SPAN_BATCH_MAX, SPAN_BATCH_MAX * head.n};
}

static struct work parse_plain(struct bench *b)
{
	(void)b;
	return parse_head(SLICE(HEAD("")));
}

static struct work parse_traceparent(struct bench *b)
{
	(void)b;
	return parse_head(SLICE(
		HEAD("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n")));
}

static struct work parse_b3(struct bench *b)
{
	(void)b;
	return parse_head(SLICE(HEAD("X-B3-TraceId: 0af7651916cd43dd8448eb211c80319c\r\n"
				     "X-B3-SpanId: b7ad6b7169203331\r\nX-B3-Sampled: 1\r\n")));
}

static const struct {
	const char *name;
	struct work (*once)(struct bench *b);
} rows[] = {
	{"http_request_head", parse_plain},
	{"http_request_head_traceparent", parse_traceparent},
	{"http_request_head_b3", parse_b3},
	{"otlp_encode", encode_batch},
	{"otlp_encode_single_spans", encode_single},
	{"otlp_encode_gzip_1", encode_gzip},
	{"protobuf_c_pack", pack_protobuf_c},
	{"otlp_json", encode_json},
	{"metrics", count_metrics},
	{"copy_batch", copy_only},
	{"copy_batch_and_sample_10_percent", sample},
	{"redact", redact},
};

/* --- runs -------------------------------------------------------------------------------------- */

static void prepare(struct bench *b)
{
	static const char *const patterns[] = {"card", "jwt", "bearer", "basic", "email"};
	struct redact_options options = {.patterns = patterns, .patterns_cnt = LEN(patterns)};
	struct resource *r = make_resource();
	char why[REDACT_WHY_SZ];
	struct slice bytes;
	size_t body_sz;

	must(r, "out of memory");
	for (size_t i = 0; i < BATCHES; i++)
		b->batches[i] = make_batch(r);
	b->red = red__new(2000, r, 1);
	b->sampler = tail_sampler__new(&(struct tail_sampler_options){
		.wait_ns = SAMPLER_WAIT_NS,
		.max_waiting_sz = 1u << 30,
		.emit = drop_kept,
		.recycle = recycle,
		.ctx = b,
	});
	must(b->red && b->sampler && tail_sampler__set(b->sampler, 100000, 1000000000) == 0,
	     "out of memory");
	resource__release(r);
	b->redactor = redactor__new(&options, why);
	must(b->redactor, "out of memory");
	arena__init(&b->arena, 1u << 20);
	must(span_groups__init(&b->groups, SPAN_BATCH_MAX) == 0, "out of memory");
	pb_writer__init(&b->pb, OTLP_REQUEST_MAX_SZ);
	json_writer__init(&b->json, OTLP_JSON_MAX_SZ);
	bytes = encode(b, b->batches[0], SPAN_BATCH_MAX);
	b->message = REQUEST(unpack)(NULL, bytes.n, (const uint8_t *)bytes.p);
	must(b->message, "protobuf-c does not read what we wrote");
	b->packed = malloc(bytes.n);
	body_sz = 2 * BATCHES * bytes.n; /* the batches differ by a few digits */
	b->gzip = gzip__new(1);
	b->body = malloc(body_sz);
	must(b->packed && b->body && b->gzip, "out of memory");
	must(REQUEST(get_packed_size)(b->message) == bytes.n &&
		     REQUEST(pack)(b->message, b->packed) == bytes.n &&
		     memcmp(b->packed, bytes.p, bytes.n) == 0,
	     "protobuf-c encodes the same message otherwise");
}

static void clear(struct bench *b)
{
	for (size_t i = 0; i < BATCHES; i++)
		span_batch__free(b->batches[i]);
	red__free(b->red);
	tail_sampler__free(b->sampler);
	while (b->spare_cnt)
		span_batch__free(b->spare[--b->spare_cnt]);
	REQUEST(free_unpacked)(b->message, NULL);
	redactor__free(b->redactor);
	arena__free(&b->arena);
	span_groups__free(&b->groups);
	pb_writer__free(&b->pb);
	json_writer__free(&b->json);
	gzip__free(b->gzip);
	free(b->packed);
	free(b->body);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Prints the row's member of the object. */
static void run(struct bench *b, size_t row)
{
	struct work last = rows[row].once(b); /* warms up */
	double rates[RUNS];

	for (size_t i = 0; i < RUNS; i++) {
		uint64_t started = cpu_ns(), spent = 0, spans_cnt = 0;

		while (spent < RUN_NS) {
			size_t n;

			for (n = 0; n < SPANS_PER_LOOK; n += last.spans_cnt)
				last = rows[row].once(b);
			spans_cnt += n;
			spent = cpu_ns() - started;
		}
		rates[i] = (double)spans_cnt * 1e9 / (double)spent;
	}
	qsort(rates, RUNS, sizeof(rates[0]), compare);
	printf("%s\n  \"%s\": {\"spans_per_s\": %.0f, \"ns_per_span\": %.0f, "
	       "\"bytes_per_span\": %.1f}",
	       row ? "," : "", rows[row].name, rates[RUNS / 2], 1e9 / rates[RUNS / 2],
	       (double)last.bytes / (double)last.spans_cnt);
}

int main(void)
{
	static struct bench b;

	prepare(&b);
	printf("{");
	for (size_t i = 0; i < LEN(rows); i++)
		run(&b, i);
	printf("\n}\n");
	clear(&b);
	return 0;
}
