// SPDX-License-Identifier: Apache-2.0
/* user/base/process_context and pb_reader: what this process itself publishes, as an SDK would, and what no SDK would. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/otel_ctx.h"
#include "user/base/pb_reader.h"
#include "user/base/process_context.h"
#include "user/base/procfs.h"

#define ATTRS_CNT 8

struct fixture {
	int dir_fd;
	struct otel_ctx *ctx;
	uint64_t published_ns;
	char *buf;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir_fd = procfs_open("/proc", (uint32_t)getpid());
	assert_true(f->dir_fd >= 0);
	f->buf = malloc(PROCESS_CONTEXT_MAX_SZ);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->ctx)
		munmap(f->ctx, OTEL_CTX_SZ);
	close(f->dir_fd);
	free(f->buf);
	free(f);
	return 0;
}

static void map(struct fixture *f)
{
	f->ctx = otel_ctx_map();
	assert_non_null(f->ctx);
}

static void publish(struct fixture *f, uint64_t at_ns, const char *service)
{
	otel_ctx_publish_pairs(f->ctx, at_ns, (const char *const[][2]){{"service.name", service}},
			       1);
}

static ssize_t read_it(struct fixture *f)
{
	return process_context_read(f->dir_fd, &f->published_ns, f->buf);
}

static void expect_service(struct fixture *f, const char *name)
{
	struct attr rows[ATTRS_CNT];
	struct attrs resource = {.v = rows, .cap = ATTRS_CNT};
	ssize_t len = read_it(f);

	assert_true(len > 0);
	assert_int_equal(process_context_decode(slice_of(f->buf, (size_t)len), &resource, NULL), 0);
	assert_int_equal(resource.cnt, 1);
	assert_true(slice_eq(attrs_get_str(&resource, SLICE("service.name")), slice_str(name)));
}

static void test_none(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_it(f), 0);
}

static void check_publishing(struct fixture *f)
{
	publish(f, 7, "shop");
	expect_service(f, "shop");
	assert_int_equal(f->published_ns, 7);
	assert_int_equal(read_it(f), 0); /* nothing new */
	publish(f, 8, "kiosk");
	expect_service(f, "kiosk");
}

static void test_memfd(void **state)
{
	map(*state);
	check_publishing(*state);
}

static void test_anonymous(void **state)
{
	struct fixture *f = *state;
	void *at =
		mmap(NULL, OTEL_CTX_SZ, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	f->ctx = at;
	if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, at, OTEL_CTX_SZ, "OTEL_CTX"))
		assert_int_equal(errno, EINVAL); /* a kernel without CONFIG_ANON_VMA_NAME */
	else
		check_publishing(f);
}

static void test_payload_elsewhere(void **state)
{
	struct fixture *f = *state;
	char *elsewhere;

	map(f);
	publish(f, 7, "shop");
	elsewhere = malloc(f->ctx->payload_sz);
	memcpy(elsewhere, f->ctx + 1, f->ctx->payload_sz);
	memset(f->ctx + 1, 0, f->ctx->payload_sz);
	f->ctx->payload = (uint64_t)elsewhere;
	expect_service(f, "shop");
	free(elsewhere);
}

/* Each is refused, and looked at again once it has changed. */
static void test_refused(void **state)
{
	struct fixture *f = *state;
	char name[] = "/tmp/test_process_context.XXXXXX";
	int fd = mkstemp(name);
	void *of_file;

	map(f);
	publish(f, 0, "shop");
	assert_int_equal(read_it(f), -EAGAIN);
	publish(f, 7, "shop");
	f->ctx->version = 3;
	assert_int_equal(read_it(f), -ENOTSUP);
	publish(f, 7, "shop");
	f->ctx->signature[0] = 'X';
	assert_int_equal(read_it(f), -ENOTSUP);
	publish(f, 7, "shop");
	f->ctx->payload_sz = PROCESS_CONTEXT_MAX_SZ + 1;
	assert_int_equal(read_it(f), -EMSGSIZE);
	f->ctx->payload_sz = OTEL_CTX_SZ;
	assert_int_equal(read_it(f), -EFAULT);
	f->ctx->payload = UINT64_MAX - 4;
	assert_int_equal(read_it(f), -EFAULT);
	/* A file may keep who reads it waiting. */
	assert_true(fd >= 0 && ftruncate(fd, OTEL_CTX_SZ) == 0);
	of_file = mmap(NULL, OTEL_CTX_SZ, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(of_file, MAP_FAILED);
	publish(f, 7, "shop");
	f->ctx->payload = (uint64_t)of_file;
	assert_int_equal(read_it(f), -EFAULT);
	munmap(of_file, OTEL_CTX_SZ);
	close(fd);
	unlink(name);
	assert_int_equal(f->published_ns, 0);
	publish(f, 7, "shop");
	expect_service(f, "shop");
}

/* A value of each type, then one of the reader's own, then a field that nobody knows. Returns the length. */
static size_t put_all_types(char *to)
{
	static const struct {
		const char *key;
		struct slice value; /* an AnyValue */
	} pairs[] = {
		{"a", SLICE("\x0a\x04text")},
		{"b", SLICE("\x10\x01")},
		{"c", SLICE("\x18\xac\x02")},
		{"d", SLICE("\x21\x00\x00\x00\x00\x00\x00\xf8\x3f")},
		{"e", SLICE("\x2a\x04\x0a\x02\x0a\x00")}, /* an array */
		{"z", SLICE("")},
	};
	char resource[128], *end = resource;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		end = put_pair(end, 1, pairs[i].key, pairs[i].value.p, pairs[i].value.n);
	end = put_field(to, 1, resource, (size_t)(end - resource));
	end = put_text_pair(end, 2, "k", "threadctx");
	memcpy(end, "\x18\x05", 2);
	return (size_t)(end + 2 - to);
}

static void test_types(void **state)
{
	struct attr rows[ATTRS_CNT], own_rows[ATTRS_CNT];
	struct attrs resource = {.v = rows, .cap = ATTRS_CNT};
	struct attrs own = {.v = own_rows, .cap = ATTRS_CNT};
	char payload[256];
	size_t n = put_all_types(payload);

	(void)state;
	assert_int_equal(process_context_decode(slice_of(payload, n), &resource, &own), 0);
	assert_int_equal(resource.cnt, 4); /* arrays, and what has no value, are passed over */
	assert_true(slice_eq(resource.v[0].str, SLICE("text")));
	assert_int_equal(resource.v[1].type, ATTR_BOOL);
	assert_int_equal(resource.v[1].num, 1);
	assert_int_equal(resource.v[2].num, 300);
	assert_true(resource.v[3].real == 1.5);
	assert_int_equal(own.cnt, 1);
	assert_true(slice_eq(attrs_get_str(&own, SLICE("k")), SLICE("threadctx")));
}

/* Cut anywhere it is malformed, or ends with a whole field, and nothing beyond it is read. */
static void test_cut(void **state)
{
	uint32_t whole_cnt = 0;
	char payload[256];
	size_t n = put_all_types(payload);

	(void)state;
	for (size_t i = 0; i <= n; i++) {
		char *exact = malloc(i ?: 1);
		struct attr rows[ATTRS_CNT];
		struct attrs all = {.v = rows, .cap = ATTRS_CNT};

		memcpy(exact, payload, i);
		whole_cnt += process_context_decode(slice_of(exact, i), &all, &all) == 0;
		free(exact);
	}
	assert_int_equal(whole_cnt, 4); /* nothing, and after each field */
}

static void test_malformed(void **state)
{
	static const struct slice messages[] = {
		SLICE("\x00\x01"), /* a field of number 0 */
		SLICE("\x0b\x0c"), /* a group */
		SLICE("\x0f\x01"), /* a type that there is not */
		SLICE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), /* beyond 64 bits */
		SLICE("\xf8\xff\xff\xff\xff\x01\x01"), /* a field's number beyond 29 */
		SLICE("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01"), /* longer than memory */
	};
	struct pb_field field;

	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		struct slice rest = messages[i];

		if (pb_next(&rest, &field) || rest.n != messages[i].n)
			fail_msg("message %zu was taken", i);
	}
}

#define WITH_MAPPING(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_MAPPING(test_none),      WITH_MAPPING(test_memfd),
		WITH_MAPPING(test_anonymous), WITH_MAPPING(test_payload_elsewhere),
		WITH_MAPPING(test_refused),   cmocka_unit_test(test_types),
		cmocka_unit_test(test_cut),   cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
