// SPDX-License-Identifier: Apache-2.0
/* Metrics from spans: buckets, what makes a series, their bound, and their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/base/account.h"
#include "user/policy/red.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define MS 1000000ull
#define START_NS 1000

struct rig {
	struct red *red;
	struct resource *resource, *beyond;
	struct span_batch *batch;
	struct metric_snapshot snapshot;
};

static struct resource *resource_of(const char *service, uint32_t pid)
{
	struct attr v[1];
	struct attrs attrs = {.v = v, .cap = LEN(v)};

	attrs_add_str(&attrs, SLICE("service.name"), slice_str(service));
	return resource__new(&attrs, pid);
}

static void open_rig(struct rig *r, uint32_t max_series, uint32_t pid)
{
	*r = (struct rig){
		.resource = resource_of("shop", pid),
		.beyond = resource_of("beyond", 0),
		.batch = span_batch__new(),
	};
	r->red = red__new(max_series, r->beyond, START_NS);
	assert_non_null(r->red);
	account_set(ACCOUNT_SERIES_OVERFLOW, 0);
}

static void close_rig(struct rig *r)
{
	metric_snapshot__free(&r->snapshot);
	red__free(r->red);
	span_batch__free(r->batch);
	assert_int_equal(r->resource->refs, 1); /* nobody else holds them any more */
	assert_int_equal(r->beyond->refs, 1);
	resource__release(r->resource);
	resource__release(r->beyond);
}

static struct span *add_span(struct rig *r, enum span_kind kind, uint64_t duration_ns)
{
	struct span *span = span_batch__add(r->batch, 12, r->resource);

	assert_non_null(span);
	span->scope = SLICE("http");
	span->kind = kind;
	span->start_ns = 5000000000000;
	span->end_ns = span->start_ns + duration_ns;
	return span;
}

/* Of HTTP, with nothing but what makes it so. */
static void add_call(struct rig *r, enum span_kind kind, uint64_t duration_ns)
{
	struct span *span = add_span(r, kind, duration_ns);

	attrs_add_str(&span->attrs, SLICE("http.request.method"), SLICE("GET"));
}

static void add_request(struct rig *r, const char *method, int64_t status, const char *route)
{
	struct span *span = add_span(r, SPAN_SERVER, MS);

	attrs_add_str(&span->attrs, SLICE("url.path"), SLICE("/of/high/cardinality"));
	attrs_add_str(&span->attrs, SLICE("http.request.method"), slice_str(method));
	attrs_add_int(&span->attrs, SLICE("http.response.status_code"), status);
	attrs_add_str(&span->attrs, SLICE("http.route"), slice_str(route));
}

/* Counts the batch and takes a snapshot; their number of points. */
static uint32_t observe(struct rig *r)
{
	red__observe(r->red, r->batch);
	span_batch__reset(r->batch);
	metric_snapshot__free(&r->snapshot);
	assert_int_equal(red__snapshot(r->red, 7777, &r->snapshot), 0);
	assert_true(r->snapshot.time_ns == 7777);
	return r->snapshot.cnt;
}

/* A bound is the last value of its bucket. */
static void test_buckets(void **state)
{
	static const uint64_t bounds_ms[] = {5,	  10,  25,   50,   75,	 100,  250,
					     500, 750, 1000, 2500, 5000, 7500, 10000};

	(void)state;
	for (size_t i = 0; i < LEN(bounds_ms); i++) {
		const struct histogram_point *point;
		struct rig r;

		open_rig(&r, 10, 0);
		add_call(&r, SPAN_SERVER, bounds_ms[i] * MS);
		add_call(&r, SPAN_SERVER, bounds_ms[i] * MS + 1);
		assert_int_equal(observe(&r), 1);
		point = &r.snapshot.v[0];
		assert_int_equal(point->instrument->bounds_cnt, LEN(bounds_ms));
		assert_true(point->instrument->bounds_ns[i] == bounds_ms[i] * MS);
		assert_true(point->cnt == 2 && point->sum_ns == 2 * bounds_ms[i] * MS + 1);
		assert_true(point->buckets[i] == 1 && point->buckets[i + 1] == 1);
		assert_true(point->start_ns == START_NS);
		close_rig(&r);
	}
}

static void check_attrs(const struct attrs *attrs, const char *want)
{
	char text[512] = "";
	size_t n = 0;

	for (uint16_t i = 0; i < attrs->cnt; i++) {
		const struct attr *attr = &attrs->v[i];

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s=", (int)attr->key.n,
				      attr->key.p);
		if (attr->type == ATTR_STRING)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s ", (int)attr->str.n,
					      attr->str.p);
		else
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%d ", (int)attr->num);
	}
	assert_string_equal(text, want);
}

static void add_everything(struct rig *r, enum span_kind kind)
{
	static const char *const keys[] = {
		"network.protocol.version",
		"error.type",
		"http.route",
		"http.request.method",
		"url.scheme",
		"url.path",
		"url.query",
		"server.address",
		"client.address",
	};
	struct span *span = add_span(r, kind, MS);

	attrs_add_int(&span->attrs, SLICE("server.port"), 80);
	attrs_add_int(&span->attrs, SLICE("http.response.status_code"), 500);
	for (size_t i = 0; i < LEN(keys); i++)
		attrs_add_str(&span->attrs, slice_str(keys[i]), SLICE("x"));
}

/* Which attributes of a span count, whatever their order; on a server not its address. */
static void test_attributes(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, 10, 0);
	add_everything(&r, SPAN_CLIENT);
	add_everything(&r, SPAN_SERVER);
	assert_int_equal(observe(&r), 2);
	assert_true(
		slice_eq(r.snapshot.v[0].instrument->name, SLICE("http.server.request.duration")));
	check_attrs(&r.snapshot.v[0].attrs,
		    "http.request.method=x url.scheme=x http.response.status_code=500 "
		    "http.route=x error.type=x network.protocol.version=x ");
	assert_true(
		slice_eq(r.snapshot.v[1].instrument->name, SLICE("http.client.request.duration")));
	check_attrs(&r.snapshot.v[1].attrs,
		    "http.request.method=x server.address=x server.port=80 "
		    "http.response.status_code=500 error.type=x network.protocol.version=x ");
	close_rig(&r);
}

static void test_databases(void **state)
{
	struct span *span;
	struct rig r;

	(void)state;
	open_rig(&r, 10, 0);
	span = add_span(&r, SPAN_CLIENT, MS);
	attrs_add_str(&span->attrs, SLICE("db.system.name"), SLICE("mongodb"));
	attrs_add_str(&span->attrs, SLICE("db.operation.name"), SLICE("find"));
	attrs_add_str(&span->attrs, SLICE("db.query.text"), SLICE("{}"));
	attrs_add_str(&span->attrs, SLICE("db.response.status_code"), SLICE("59"));
	attrs_add_int(&span->attrs, SLICE("server.port"), 7);
	span = add_span(&r, SPAN_SERVER, MS); /* not measured */
	attrs_add_str(&span->attrs, SLICE("db.system.name"), SLICE("mongodb"));
	assert_int_equal(observe(&r), 1);
	assert_true(
		slice_eq(r.snapshot.v[0].instrument->name, SLICE("db.client.operation.duration")));
	assert_true(r.snapshot.v[0].buckets[0] == 1);
	check_attrs(&r.snapshot.v[0].attrs, "db.system.name=mongodb db.operation.name=find "
					    "db.response.status_code=59 server.port=7 ");
	close_rig(&r);
}

static void add_rpc(struct rig *r, enum span_kind kind)
{
	struct span *span = add_span(r, kind, 6 * MS);

	span->scope =
		SLICE("http2"); /* a family has many protocols, and a protocol more than one */
	attrs_add_str(&span->attrs, SLICE("rpc.system.name"), SLICE("grpc"));
	attrs_add_str(&span->attrs, SLICE("rpc.method"), SLICE("a.B/C"));
	attrs_add_str(&span->attrs, SLICE("server.address"), SLICE("b"));
	attrs_add_str(&span->attrs, SLICE("rpc.status_code"), SLICE("OK"));
}

static void test_calls(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, 10, 0);
	add_rpc(&r, SPAN_SERVER);
	add_rpc(&r, SPAN_CLIENT);
	assert_int_equal(observe(&r), 2);
	assert_true(slice_eq(r.snapshot.v[0].instrument->name, SLICE("rpc.server.call.duration")));
	assert_true(slice_eq(r.snapshot.v[1].instrument->name, SLICE("rpc.client.call.duration")));
	assert_true(r.snapshot.v[0].buckets[1] == 1 && r.snapshot.v[1].buckets[1] == 1);
	check_attrs(&r.snapshot.v[0].attrs,
		    "rpc.system.name=grpc rpc.method=a.B/C rpc.status_code=OK ");
	check_attrs(&r.snapshot.v[1].attrs, "rpc.system.name=grpc rpc.method=a.B/C "
					    "server.address=b rpc.status_code=OK ");
	close_rig(&r);
}

static void add_lookup(struct rig *r, const char *name)
{
	struct span *span = add_span(r, SPAN_CLIENT, MS);

	span->scope = SLICE("dns");
	if (name)
		attrs_add_str(&span->attrs, SLICE("dns.question.name"), slice_str(name));
	attrs_add_str(&span->attrs, SLICE("dns.answers"), SLICE("192.0.2.1"));
}

/* Names without end leave room for others. */
static void test_lookups(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, 8, 0);
	for (int i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d.example", i % 10);
		add_lookup(&r, name);
		assert_int_equal(observe(&r), i < 2 ? i + 1 : 3);
	}
	for (uint32_t i = 0; i < 3; i++)
		assert_true(
			slice_eq(r.snapshot.v[i].instrument->name, SLICE("dns.lookup.duration")));
	assert_true(account_get(ACCOUNT_SERIES_OVERFLOW) == 16);
	for (int i = 0; i < 6; i++) {
		char route[16];

		snprintf(route, sizeof(route), "/%d", i);
		add_request(&r, "GET", 200, route);
		assert_int_equal(observe(&r), 4 + i);
	}
	assert_true(account_get(ACCOUNT_SERIES_OVERFLOW) == 16);
	close_rig(&r);
}

/* Whoever wants no names outside has the names deleted, not the durations. */
static void test_nameless_lookup(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, 8, 0);
	add_lookup(&r, NULL);
	assert_int_equal(observe(&r), 1);
	assert_true(slice_eq(r.snapshot.v[0].instrument->name, SLICE("dns.lookup.duration")));
	check_attrs(&r.snapshot.v[0].attrs, "");
	close_rig(&r);
}

/*
 * Those who send and those who ask, in one metric; a topic of too many names is counted by what stands
 * for it.
 */
static void test_messaging(void **state)
{
	struct span *span;
	struct rig r;

	(void)state;
	open_rig(&r, 10, 0);
	span = add_span(&r, SPAN_PRODUCER, MS);
	span->scope = SLICE("kafka");
	attrs_add_str(&span->attrs, SLICE("messaging.system"), SLICE("kafka"));
	attrs_add_str(&span->attrs, SLICE("messaging.destination.name"), SLICE("orders"));
	attrs_add_str(&span->attrs, SLICE("messaging.message.id"), SLICE("1"));
	for (int i = 0; i < 2; i++) {
		span = add_span(&r, SPAN_CLIENT, MS);
		span->scope = SLICE("mqtt");
		attrs_add_str(&span->attrs, SLICE("messaging.system"), SLICE("mqtt"));
		attrs_add_str(&span->attrs, SLICE("messaging.destination.name"),
			      i ? SLICE("a/1") : SLICE("a/2"));
		attrs_add_str(&span->attrs, SLICE("messaging.destination.template"), SLICE("a/+"));
	}
	attrs_add_str(&add_span(&r, SPAN_CONSUMER, MS)->attrs, SLICE("messaging.system"),
		      SLICE("kafka")); /* not measured */
	assert_int_equal(observe(&r), 2);
	assert_true(slice_eq(r.snapshot.v[0].instrument->name,
			     SLICE("messaging.client.operation.duration")));
	assert_ptr_equal(r.snapshot.v[0].instrument, r.snapshot.v[1].instrument);
	for (int i = 0; i < 2; i++)
		if (r.snapshot.v[i].cnt == 1)
			check_attrs(&r.snapshot.v[i].attrs,
				    "messaging.system=kafka messaging.destination.name=orders ");
		else
			check_attrs(&r.snapshot.v[i].attrs,
				    "messaging.system=mqtt messaging.destination.template=a/+ ");
	close_rig(&r);
}

/* What differs in one attribute, or is another's, is a series of its own; the rest adds up. */
static void test_series(void **state)
{
	struct resource *mine, *other = resource_of("other", 0);
	struct rig r;

	(void)state;
	open_rig(&r, 10, 0);
	for (int round = 0; round < 3; round++) {
		add_request(&r, "GET", 200, "/a");
		add_request(&r, "PUT", 200, "/a");
		add_request(&r, "GET", 404, "/a");
		add_request(&r, "GET", 200, "/b");
		add_request(&r, "GET", 200, "");
		add_call(&r, SPAN_SERVER, MS); /* without the others */
		mine = r.resource;
		r.resource = other;
		add_request(&r, "GET", 200, "/a");
		r.resource = mine;
		add_call(&r, SPAN_INTERNAL, MS); /* not measured */
		add_span(&r, SPAN_SERVER, MS);
		assert_int_equal(observe(&r), 7);
		for (uint32_t i = 0; i < 7; i++)
			assert_true(r.snapshot.v[i].cnt == (uint64_t)round + 1);
	}
	close_rig(&r);
	resource__release(other);
}

/* Beyond the bound nothing is lost: it is told apart no longer. */
static void test_overflow(void **state)
{
	uint64_t sum = 0;
	struct rig r;

	(void)state;
	open_rig(&r, 3, 0);
	for (int i = 0; i < 50; i++) {
		char route[16];

		snprintf(route, sizeof(route), "/%d", i % 10);
		add_request(&r, "GET", 200, route);
		assert_int_equal(observe(&r), i < 3 ? i + 1 : 4);
	}
	for (uint32_t i = 0; i < 4; i++) {
		bool beyond = r.snapshot.v[i].resource == r.beyond;

		sum += r.snapshot.v[i].cnt;
		assert_true(r.snapshot.v[i].cnt == (beyond ? 35 : 5));
		if (beyond)
			check_attrs(&r.snapshot.v[i].attrs, "otel.metric.overflow=1 ");
	}
	assert_true(sum == 50);
	assert_true(account_get(ACCOUNT_SERIES_OVERFLOW) == 35);
	close_rig(&r);
}

/* Texts beyond the maximum are cut between characters. */
static void test_long_text(void **state)
{
	char text[4096];
	struct rig r;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text + 254, "\xC3\xBC", 2);
	text[sizeof(text) - 1] = '\0';
	open_rig(&r, 10, 0);
	add_request(&r, text, 200, text);
	assert_int_equal(observe(&r), 1);
	assert_int_equal(r.snapshot.v[0].attrs.v[0].str.n, 254);
	close_rig(&r);
}

static uint32_t ended_pid(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return (uint32_t)pid;
}

/* Series of a process that has ended go after some intervals in which they were idle. */
static void test_end(void **state)
{
	const uint32_t pids[] = {(uint32_t)getpid(), ended_pid()};

	(void)state;
	for (size_t i = 0; i < LEN(pids); i++) {
		bool ended = i == 1;
		struct rig r;

		open_rig(&r, 10, pids[i]);
		add_request(&r, "GET", 200, "/busy");
		add_request(&r, "GET", 200, "/idle");
		assert_int_equal(observe(&r), 2);
		for (uint64_t n = 1; n <= 20; n++) {
			red__next_interval(r.red, START_NS + n);
			add_request(&r, "GET", 200, "/busy");
			assert_int_equal(observe(&r), ended && n > 5 ? 1 : 2);
		}
		add_request(&r, "GET", 200, "/idle"); /* as if new */
		assert_int_equal(observe(&r), 2);
		for (uint32_t k = 0; k < 2; k++) {
			const struct histogram_point *point = &r.snapshot.v[k];
			bool fresh = ended && slice_eq(point->attrs.v[2].str, SLICE("/idle"));

			assert_true(point->start_ns == (fresh ? START_NS + 20 : START_NS));
			assert_true(!fresh || point->cnt == 1);
		}
		close_rig(&r);
	}
}

/* Requests with the statuses from 0 that step divides. */
static uint32_t observe_statuses(struct rig *r, int step)
{
	for (int i = 0; i < 2000; i += step) {
		add_request(r, "GET", i, "/");
		if (r->batch->cnt == SPAN_BATCH_MAX)
			observe(r);
	}
	return observe(r);
}

/* Many series, most of them let go: each of the others is found again. */
static void test_many(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, 2000, ended_pid());
	assert_int_equal(observe_statuses(&r, 1), 2000);
	for (int n = 0; n < 5; n++)
		red__next_interval(r.red, START_NS);
	assert_int_equal(observe_statuses(&r, 3), 2000);
	red__next_interval(r.red, START_NS);
	assert_int_equal(observe(&r), 667);
	assert_int_equal(observe_statuses(&r, 1), 2000);
	for (uint32_t i = 0; i < 2000; i++)
		assert_true(r.snapshot.v[i].cnt == (r.snapshot.v[i].attrs.v[1].num % 3 ? 1 : 3));
	assert_true(account_get(ACCOUNT_SERIES_OVERFLOW) == 0);
	close_rig(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets),	  cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_databases), cmocka_unit_test(test_calls),
		cmocka_unit_test(test_series),	  cmocka_unit_test(test_lookups),
		cmocka_unit_test(test_messaging), cmocka_unit_test(test_nameless_lookup),
		cmocka_unit_test(test_overflow),  cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_end),	  cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
