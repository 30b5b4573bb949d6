// SPDX-License-Identifier: Apache-2.0
/* Hostile HTTP/2: memory stays what it is, each request is accounted for, and others are not disturbed. */
#include "tests/unit/flow_rig.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
#define EXCHANGES_MAX 256
#define FLOOD 20000u
#define BYTES(lit) lit, sizeof(lit) - 1

enum type {
	DATA,
	HEADERS,
	RST_STREAM = 3,
	CONTINUATION = 9,
};

static void pass_frame(struct end *end, enum sender sender, enum type type, uint8_t flags,
		       uint32_t stream, struct slice payload)
{
	char bytes[9 + 4096] = {
		0,
		(char)(payload.n >> 8),
		(char)payload.n,
		(char)type,
		(char)flags,
		(char)(stream >> 24),
		(char)(stream >> 16),
		(char)(stream >> 8),
		(char)stream,
	};

	memcpy(bytes + 9, payload.p, payload.n);
	end_op(end, sends(end, sender), bytes, (uint32_t)(9 + payload.n));
}

/* A server that is attacked, and one beside it with which all is well. */
struct scene {
	struct rig *rig;
	struct end attacked, other;
	uint32_t answered_cnt;
};

static struct scene begin(void)
{
	const struct flow_options options = {.max_exchanges = EXCHANGES_MAX};
	struct scene scene = {.rig = rig_new(&options)};

	scene.attacked = end_new(scene.rig, ROLE_SERVER);
	scene.attacked.copy_op = COPY_MAX; /* as flow has it for such a connection */
	scene.attacked.copy_turn = 1024 * 1024;
	scene.other = end_new(scene.rig, ROLE_SERVER);
	end_op(&scene.attacked, false, BYTES(PREFACE));
	end_op(&scene.attacked, true, BYTES("\0\0\0\4\0\0\0\0\0"));
	return scene;
}

static void open_stream(struct scene *scene, uint32_t number, uint8_t flags)
{
	scene->rig->made++;
	pass_frame(&scene->attacked, FROM_CLIENT, HEADERS, flags, 2 * number + 1,
		   SLICE("\x82\x86\x84"));
}

static void use_other(struct scene *scene)
{
	ask(&scene->other, "GET /well HTTP/1.1\r\nHost: x\r\n\r\n");
	answer(&scene->other, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	scene->answered_cnt++;
}

/* All that the other was asked has a span. */
static void finish_scene(struct scene *scene)
{
	uint32_t well_cnt = 0;

	rig_wait(scene->rig, 200 * MS);
	for (uint32_t i = 0; i < scene->rig->spans_cnt; i++)
		well_cnt += strcmp(scene->rig->spans[i].path, "/well") == 0;
	assert_int_equal(well_cnt, scene->answered_cnt);
	rig_finish(scene->rig);
}

static void test_streams_without_answer(void **state)
{
	struct scene scene = begin();

	(void)state;
	for (uint32_t i = 0; i < FLOOD; i++) {
		open_stream(&scene, i, 5);
		if (i % 97 == 0)
			use_other(&scene);
	}
	check_count(ACCOUNT_LOST_UNPARSED, 0);
	finish_scene(&scene);
}

/* Each stream is reset as soon as it was opened. */
static void test_rapid_reset(void **state)
{
	struct scene scene = begin();

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		open_stream(&scene, i, 5);
		pass_frame(&scene.attacked, FROM_CLIENT, RST_STREAM, 0, 2 * i + 1,
			   SLICE("\0\0\0\x08"));
		if (i % 97 == 0)
			use_other(&scene);
	}
	assert_int_equal(rig_lost(), 0);
	finish_scene(&scene);
}

/* A header block that never ends, of fields large and small. */
static void test_continuations(void **state)
{
	char large[4096];
	struct scene scene = begin();

	(void)state;
	memset(large, 'v', sizeof(large));
	memcpy(large, BYTES("\x40\x01x\x7f\xf9\x1e")); /* of 4088 bytes */
	open_stream(&scene, 0, 1);
	for (uint32_t i = 0; i < FLOOD; i++) {
		pass_frame(&scene.attacked, FROM_CLIENT, CONTINUATION, 0, 1,
			   i % 2 ? slice_of(large, sizeof(large)) : SLICE("\x40\x01x\x01y"));
		if (i % 97 == 0)
			use_other(&scene);
	}
	finish_scene(&scene);
}

/* Different names without end go into the header table. */
static void test_full_table(void **state)
{
	struct scene scene = begin();

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		char block[] = "\x82\x86\x84\x40\x04nnnn\x04vvvv";

		memcpy(block + 5, &i, sizeof(i));
		scene.rig->made++;
		pass_frame(&scene.attacked, FROM_CLIENT, HEADERS, 5, 2 * i + 1,
			   slice_of(block, sizeof(block) - 1));
		pass_frame(&scene.attacked, FROM_SERVER, HEADERS, 5, 2 * i + 1, SLICE("\x88"));
		if (i % 97 == 0)
			use_other(&scene);
	}
	assert_int_equal(rig_lost(), 0);
	finish_scene(&scene);
}

/* What was not copied of headers is no body. */
static void test_large_headers(void **state)
{
	char block[4000] = "\x83\x86\x84\x40\x01x\x7f\x9e\x1e"; /* a value of 3997 bytes */
	struct scene scene = begin();

	(void)state;
	scene.attacked.copy_op = 100;
	scene.rig->made++;
	pass_frame(&scene.attacked, FROM_CLIENT, HEADERS, 4, 1, slice_of(block, sizeof(block)));
	pass_frame(&scene.attacked, FROM_CLIENT, DATA, 1, 1, SLICE("abc"));
	pass_frame(&scene.attacked, FROM_SERVER, HEADERS, 5, 1, SLICE("\x88"));
	use_other(&scene);
	rig_wait(scene.rig, 200 * MS);
	assert_int_equal(span_of(scene.rig, SPAN_SERVER, 0)->code, 200);
	assert_int_equal(span_of(scene.rig, SPAN_SERVER, 0)->request_sz, 3);
	finish_scene(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams_without_answer), cmocka_unit_test(test_rapid_reset),
		cmocka_unit_test(test_continuations),	       cmocka_unit_test(test_full_table),
		cmocka_unit_test(test_large_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
