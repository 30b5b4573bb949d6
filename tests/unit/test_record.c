// SPDX-License-Identifier: Apache-2.0
/* Validation of records, and recordings: written, read back, cut, and what is no recording. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/base/account.h"
#include "user/capture/record.h"
#include "user/capture/recording.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define RECORD_ROOM 2048

/* A whole record of a kind, valid as it is. */
union any_record {
	struct record_head head;
	struct record_process process;
	struct record_connection connection;
	struct record_op op;
	struct record_end end;
	struct record_exit exit;
	struct record_sample sample;
	char bytes[RECORD_ROOM];
};

static const size_t sizes[] = {
	[RECORD_PROCESS] = sizeof(struct record_process),
	[RECORD_CONNECTION] = sizeof(struct record_connection),
	[RECORD_OP] = sizeof(struct record_op),
	[RECORD_TAIL] = sizeof(struct record_op),
	[RECORD_END] = sizeof(struct record_end),
	[RECORD_EXIT] = sizeof(struct record_exit),
	[RECORD_SAMPLE] = sizeof(struct record_sample),
	[RECORD_CAUSE] = sizeof(struct record_cause),
	[RECORD_TIMES] = sizeof(struct record_times),
};

static void make(union any_record *r, enum record_kind kind, uint32_t payload_len)
{
	memset(r, 0, sizeof(*r));
	r->head.kind = (uint16_t)kind;
	r->head.size = (uint32_t)sizes[kind] + payload_len;
	memset(r->bytes + sizes[kind], 'p', payload_len);
	if (kind == RECORD_PROCESS) {
		r->process.args_len = payload_len / 3;
		r->process.env_len = payload_len - r->process.args_len;
	}
	if (kind == RECORD_OP)
		r->op.len = payload_len + 5;
	if (kind == RECORD_SAMPLE) {
		r->sample.kernel_cnt = (uint16_t)(payload_len / 24);
		r->sample.user_cnt = (uint16_t)(payload_len / 8 - r->sample.kernel_cnt);
	}
}

static bool has_payload(enum record_kind kind)
{
	return kind == RECORD_PROCESS || kind == RECORD_OP || kind == RECORD_SAMPLE;
}

/* What record_valid says of an allocation of exactly len bytes of the record. */
static bool valid_of(const union any_record *r, size_t len)
{
	void *exact = malloc(len ? len : 1);
	bool valid;

	assert_non_null(exact);
	memcpy(exact, r, len < sizeof(*r) ? len : sizeof(*r));
	valid = record_valid(exact, len);
	free(exact);
	return valid;
}

/* Every kind, with and without a payload where it may have one; every prefix of it is refused. */
static void test_sizes(void **state)
{
	(void)state;
	for (int kind = RECORD_PROCESS; kind <= RECORD_TIMES; kind++) {
		if (!sizes[kind])
			continue;
		for (uint32_t payload = 0; payload <= 40; payload += 8) {
			bool may = has_payload((enum record_kind)kind) || !payload;
			union any_record r;

			make(&r, (enum record_kind)kind, payload);
			if (valid_of(&r, r.head.size) != may)
				fail_msg("kind %d with %u bytes of payload", kind, payload);
			for (size_t n = 0; n < r.head.size; n++)
				assert_false(valid_of(&r, n));
			/* The ring may hand out more than the record has. */
			assert_int_equal(valid_of(&r, r.head.size + 8), may);
			r.head.size = (uint32_t)sizes[kind] - 1;
			assert_false(valid_of(&r, sizes[kind]));
			r.head.size = UINT32_MAX;
			assert_false(valid_of(&r, sizes[kind]));
		}
	}
}

/* No more payload than the datagram had. */
static void test_datagrams(void **state)
{
	const uint32_t sz = sizeof(struct record_datagram);
	union any_record r = {.head = {.kind = RECORD_DATAGRAM, .size = sz + 8}};

	(void)state;
	((struct record_datagram *)&r)->len = 8;
	assert_true(valid_of(&r, sz + 8));
	assert_false(valid_of(&r, sz + 7));
	r.head.size = sz;
	assert_true(valid_of(&r, sz));
	r.head.size = sz - 1;
	assert_false(valid_of(&r, sz));
	r.head.size = sz + 9;
	assert_false(valid_of(&r, sz + 9));
}

/* Ids are never all zero, and of one of three kinds. */
static void test_contexts(void **state)
{
	const uint32_t sz = sizeof(struct record_context);

	(void)state;
	for (uint16_t what = 0; what < 8; what++) {
		union any_record r = {.head = {.kind = RECORD_CONTEXT, .size = sz, .flags = what}};
		struct record_context *c = (struct record_context *)&r;
		bool known =
			what == CONTEXT_SENT || what == CONTEXT_RECEIVED || what == CONTEXT_GIVEN;

		assert_false(valid_of(&r, sz));
		c->trace_id[15] = 1;
		assert_int_equal(valid_of(&r, sz), what == CONTEXT_GIVEN);
		c->span_id[0] = 1;
		assert_int_equal(valid_of(&r, sz), known);
		assert_false(valid_of(&r, sz - 1));
		r.head.size = sz + 8;
		assert_false(valid_of(&r, sz + 8));
		r.head.size = sz;
		c->trace_id[15] = 0;
		assert_false(valid_of(&r, sz));
	}
}

static void test_kinds(void **state)
{
	static const uint16_t unknown[] = {0, 11, 255, UINT16_MAX};
	union any_record r;

	(void)state;
	for (size_t i = 0; i < CNT(unknown); i++) {
		make(&r, RECORD_PROCESS, 0);
		r.head.kind = unknown[i];
		assert_false(valid_of(&r, r.head.size));
	}
}

/* What the readers take for granted. */
static void spoil_comm(union any_record *r)
{
	memset(r->process.comm, 'c', sizeof(r->process.comm));
}

static void spoil_exe(union any_record *r)
{
	memset(r->process.exe, 'e', sizeof(r->process.exe));
}

static void spoil_cgroup(union any_record *r)
{
	memset(r->process.cgroup, 'g', sizeof(r->process.cgroup));
}

static void spoil_args(union any_record *r)
{
	r->process.args_len++;
}

static void spoil_sum(union any_record *r)
{
	/* As 32 bits the sum would be right. */
	r->process.args_len = UINT32_MAX;
	r->process.env_len = r->head.size - (uint32_t)sizeof(r->process) + 1;
}

static void spoil_path(union any_record *r)
{
	memset(r->connection.unix_path, 'u', sizeof(r->connection.unix_path));
}

static void spoil_role(union any_record *r)
{
	r->connection.role = ROLE_SERVER_LIKELY + 1;
}

static void spoil_len(union any_record *r)
{
	r->op.len = r->head.size - (uint32_t)sizeof(r->op) - 1;
}

static void spoil_op_tail(union any_record *r)
{
	r->op.tail_direction = 2;
}

static void spoil_thread_comm(union any_record *r)
{
	memset(r->sample.comm, 'c', sizeof(r->sample.comm));
}

static void spoil_kernel_cnt(union any_record *r)
{
	r->sample.kernel_cnt++;
}

/* As 16 bits the sum would be right. */
static void spoil_user_cnt(union any_record *r)
{
	r->sample.kernel_cnt = (uint16_t)(r->sample.kernel_cnt + 4);
	r->sample.user_cnt = (uint16_t)(r->sample.user_cnt - 4);
}

/* More than there is room for. */
static void spoil_python_cnt(union any_record *r)
{
	r->sample.python_cnt = 1;
}

static void spoil_v8_cnt(union any_record *r)
{
	r->sample.v8_cnt = 1;
}

static void spoil_sample_size(union any_record *r)
{
	r->head.size -= 4;
}

static void spoil_end_tail(union any_record *r)
{
	r->end.tail_direction = 2;
}

static void test_contents(void **state)
{
	static const struct {
		enum record_kind kind;
		void (*spoil)(union any_record *);
	} cases[] = {
		{RECORD_PROCESS, spoil_comm},	    {RECORD_PROCESS, spoil_exe},
		{RECORD_PROCESS, spoil_cgroup},	    {RECORD_PROCESS, spoil_args},
		{RECORD_PROCESS, spoil_sum},	    {RECORD_CONNECTION, spoil_path},
		{RECORD_CONNECTION, spoil_role},    {RECORD_OP, spoil_len},
		{RECORD_OP, spoil_op_tail},	    {RECORD_TAIL, spoil_op_tail},
		{RECORD_END, spoil_end_tail},	    {RECORD_SAMPLE, spoil_thread_comm},
		{RECORD_SAMPLE, spoil_kernel_cnt},  {RECORD_SAMPLE, spoil_user_cnt},
		{RECORD_SAMPLE, spoil_python_cnt},  {RECORD_SAMPLE, spoil_v8_cnt},
		{RECORD_SAMPLE, spoil_sample_size},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		union any_record r;

		make(&r, cases[i].kind, has_payload(cases[i].kind) ? 24 : 0);
		assert_true(valid_of(&r, r.head.size));
		cases[i].spoil(&r);
		if (valid_of(&r, r.head.size))
			fail_msg("case %zu is not refused", i);
	}
}

/* --- recordings ------------------------------------------------------------------------------- */

static char path[64];

static int new_path(void **state)
{
	int fd;

	(void)state;
	strncpy(path, "/tmp/sonde-test-XXXXXX", sizeof(path) - 1);
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	close(fd);
	account_set(ACCOUNT_RECORDS, 0);
	account_set(ACCOUNT_RECORD_BYTES, 0);
	account_set(ACCOUNT_RECORDS_INVALID, 0);
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

/* Writes one of each kind, those with a payload in all lengths from 0 to 16. */
static size_t write_recording(void)
{
	struct recorder *recorder = recorder__new(path, 12345);
	size_t cnt = 0;

	assert_non_null(recorder);
	for (int kind = RECORD_PROCESS; kind <= RECORD_SAMPLE; kind++) {
		uint32_t payload_step = kind == RECORD_SAMPLE ? 8 : 1;
		uint32_t max = has_payload((enum record_kind)kind) ? 16 : 0;

		for (uint32_t payload = 0; payload <= max; payload += payload_step) {
			union any_record r;

			make(&r, (enum record_kind)kind, payload);
			assert_int_equal(recorder__write(recorder, &r.head), 0);
			cnt++;
		}
	}
	assert_int_equal(recorder__close(recorder), 0);
	return cnt;
}

/* How many records the file yields. */
static size_t read_recording(bool *broken)
{
	uint64_t offset_ns = 0;
	struct replay *replay = replay__open(path, &offset_ns);
	const struct record_head *head;
	size_t cnt = 0;

	assert_non_null(replay);
	assert_int_equal(offset_ns, 12345);
	*broken = false;
	while ((head = replay__next(replay, broken))) {
		assert_true(record_valid(head, head->size));
		assert_int_equal((uintptr_t)head % 8, 0);
		cnt++;
	}
	replay__close(replay);
	return cnt;
}

static void test_write_and_read(void **state)
{
	size_t cnt = write_recording();
	uint64_t offset_ns;
	struct replay *replay = replay__open(path, &offset_ns);
	bool broken = false;

	(void)state;
	assert_non_null(replay);
	for (int kind = RECORD_PROCESS; kind <= RECORD_SAMPLE; kind++) {
		uint32_t payload_step = kind == RECORD_SAMPLE ? 8 : 1;
		uint32_t max = has_payload((enum record_kind)kind) ? 16 : 0;

		for (uint32_t payload = 0; payload <= max; payload += payload_step) {
			const struct record_head *head = replay__next(replay, &broken);
			union any_record r;

			make(&r, (enum record_kind)kind, payload);
			assert_non_null(head);
			assert_int_equal(head->size, r.head.size);
			assert_memory_equal(head, &r, head->size);
		}
	}
	assert_null(replay__next(replay, &broken));
	assert_false(broken);
	assert_int_equal(account_get(ACCOUNT_RECORDS), cnt);
	assert_int_equal(account_get(ACCOUNT_RECORDS_INVALID), 0);
	replay__close(replay);
}

/* A recording that ends anywhere: whole records are read, and the rest is said to be missing. */
static void test_cut(void **state)
{
	size_t cnt = write_recording(), last = 0;
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	for (off_t sz = sizeof(struct recording_head); sz <= st.st_size; sz++) {
		bool broken;
		size_t n;

		assert_int_equal(truncate(path, sz), 0);
		n = read_recording(&broken);
		assert_true(n <= last + 1 && n <= cnt);
		if (!broken) /* at the end of a record */
			last = n;
		(void)write_recording();
	}
	assert_int_equal(last, cnt);
}

static void append(const void *bytes, size_t n)
{
	FILE *file = fopen(path, "ae");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, n, 1, file), 1);
	assert_int_equal(fclose(file), 0);
}

/* An invalid record is counted and passed over; one whose size makes no sense ends it. */
static void test_invalid(void **state)
{
	static const uint32_t senseless[] = {0, 7, (1u << 20) + 1, UINT32_MAX};
	size_t cnt = write_recording();
	union any_record r;
	bool broken;

	(void)state;
	make(&r, RECORD_EXIT, 0);
	r.head.kind = 99;
	append(&r, sizeof(r.exit));
	make(&r, RECORD_EXIT, 0);
	append(&r, sizeof(r.exit));
	assert_int_equal(read_recording(&broken), cnt + 1);
	assert_false(broken);
	assert_int_equal(account_get(ACCOUNT_RECORDS_INVALID), 1);
	for (size_t i = 0; i < CNT(senseless); i++) {
		write_recording();
		r.head.size = senseless[i];
		append(&r, sizeof(r.exit));
		assert_int_equal(read_recording(&broken), cnt);
		assert_true(broken);
	}
}

static void test_no_recording(void **state)
{
	static const struct {
		struct recording_head head;
		size_t len;
		int err;
	} cases[] = {
		{{RECORDING_MAGIC, RECORD_VERSION, 0, 0}, sizeof(struct recording_head), 0},
		{{RECORDING_MAGIC, RECORD_VERSION + 1, 0, 0},
		 sizeof(struct recording_head),
		 EPROTO},
		{{RECORDING_MAGIC, 0, 0, 0}, sizeof(struct recording_head), EPROTO},
		{{"SONDEREX", RECORD_VERSION, 0, 0}, sizeof(struct recording_head), EPROTO},
		{{RECORDING_MAGIC, RECORD_VERSION, 0, 0},
		 sizeof(struct recording_head) - 1,
		 EPROTO},
		{{RECORDING_MAGIC, RECORD_VERSION, 0, 0}, 1, EPROTO},
	};
	uint64_t offset_ns;

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct replay *replay;

		assert_int_equal(truncate(path, 0), 0);
		append(&cases[i].head, cases[i].len);
		errno = 0;
		replay = replay__open(path, &offset_ns);
		assert_int_equal(replay ? 0 : errno, cases[i].err);
		replay__close(replay);
	}
	assert_null(replay__open("/nonexistent/file", &offset_ns));
	assert_int_equal(errno, ENOENT);
	assert_null(replay__open("/tmp", &offset_ns));
	assert_int_equal(errno, EISDIR);
	replay__close(NULL);
}

/* Payload is private: the file is its owner's, also where there was another one before. */
static void test_mode(void **state)
{
	struct recorder *recorder;
	struct stat st;

	(void)state;
	for (int there = 0; there < 2; there++) {
		if (there)
			assert_int_equal(chmod(path, 0644), 0);
		else
			assert_int_equal(unlink(path), 0);
		recorder = recorder__new(path, 0);
		assert_non_null(recorder);
		assert_int_equal(recorder__close(recorder), 0);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		assert_int_equal(st.st_size, sizeof(struct recording_head));
	}
}

static void test_cannot_write(void **state)
{
	struct recorder *recorder;
	union any_record r;
	int err = 0;

	(void)state;
	assert_null(recorder__new("/nonexistent/file", 0));
	assert_int_equal(errno, ENOENT);
	assert_null(recorder__new("/tmp", 0));
	assert_int_equal(errno, EISDIR);
	/* A full disk: said by a later write, or by close, and by every write after that. */
	recorder = recorder__new("/dev/full", 0);
	assert_non_null(recorder);
	make(&r, RECORD_OP, 1000);
	for (int i = 0; i < 100; i++)
		err = recorder__write(recorder, &r.head);
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(recorder__write(recorder, &r.head), -ENOSPC);
	assert_int_equal(recorder__close(recorder), -ENOSPC);
	recorder = recorder__new("/dev/full", 0);
	assert_non_null(recorder);
	assert_int_equal(recorder__close(recorder), -ENOSPC);
	assert_int_equal(recorder__close(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_contexts),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_contents),
		cmocka_unit_test_setup_teardown(test_write_and_read, new_path, remove_path),
		cmocka_unit_test_setup_teardown(test_cut, new_path, remove_path),
		cmocka_unit_test_setup_teardown(test_invalid, new_path, remove_path),
		cmocka_unit_test_setup_teardown(test_no_recording, new_path, remove_path),
		cmocka_unit_test_setup_teardown(test_mode, new_path, remove_path),
		cmocka_unit_test(test_cannot_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
