// SPDX-License-Identifier: Apache-2.0
/* Answers that are read before the call is back that sent what they answer. */
#include "tests/unit/flow_frames.h"
#include "user/flow/internal.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: app\r\n\r\n"
#define OK(n) "HTTP/1.1 20" #n " X\r\nContent-Length: 0\r\n\r\n"

static struct end new_client(struct rig *rig)
{
	struct end client = end_new(rig, ROLE_CLIENT);

	ask(&client, GET("/0"));
	answer(&client, OK(0));
	return client;
}

static void leave(struct end *client, const char *text)
{
	client->rig->made++;
	client->untold += (uint32_t)strlen(text);
}

static void tell(struct end *client, const char *text)
{
	end_told(client, text, (uint32_t)strlen(text));
}

/* The answer is read, and has waited long enough, before the call is back. */
static void tell_too_late(struct end *client, const char *text, const char *response)
{
	leave(client, text);
	answer(client, response);
	rig_wait(client->rig, 60 * MS);
	tell(client, text);
}

/* So many spans have been made so far, without more time passing. */
static void check_made(const struct rig *rig, uint32_t cnt)
{
	flow__tick(rig->flow, rig->now_ns, RIG_UNIX_OFFSET);
	assert_int_equal(rig->spans_cnt, cnt);
}

static void check(const struct rig *rig, uint32_t n, const char *path, int code)
{
	check_made(rig, n + 1);
	assert_non_null(strstr(rig->spans[n].path, path));
	assert_int_equal(rig->spans[n].code, code);
}

/* Each answer belongs to its request, and those that follow do. */
static void test_in_order(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = new_client(rig);

	(void)state;
	for (int i = 0; i < 3; i++) {
		leave(&client, GET("/1"));
		client.left_ns = rig->now_ns += MS;
		answer(&client, "HTTP/1.1 201 X\r\n");
		answer(&client, "Content-Length: 0\r\n\r\n");
		check_made(rig, 1 + 2 * (uint32_t)i);
		tell(&client, GET("/1"));
		check(rig, 1 + 2 * (uint32_t)i, "/1", 201);
		assert_int_equal(rig->spans[1 + 2 * i].start_ns, client.left_ns);
		assert_int_equal(rig->spans[1 + 2 * i].end_ns, client.left_ns + 2 * MS);
		client.left_ns = 0;
		ask(&client, GET("/2"));
		answer(&client, OK(2));
		check(rig, 2 + 2 * (uint32_t)i, "/2", 202);
	}
	finish(&client, END_CLOSED, 0);
	check_count(ACCOUNT_GAPS, 0);
	rig_finish(rig);
}

/* It was half read when the call came back. */
static void test_in_parts(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = new_client(rig);

	(void)state;
	leave(&client, GET("/1"));
	answer(&client, "HTTP/1.1 201 X\r\n");
	tell(&client, GET("/1"));
	answer(&client, "Content-Length: 3\r\n\r\nab");
	answer(&client, "c");
	check(rig, 1, "/1", 201);
	ask(&client, GET("/2"));
	answer(&client, OK(2));
	check(rig, 2, "/2", 202);
	check_count(ACCOUNT_GAPS, 0);
	rig_finish(rig);
}

/* A client without numbers, whose second request was answered before its call was back. */
static struct end overtaken_client(struct rig *rig)
{
	struct end client, server;

	ends_new(rig, &client, &server);
	make_unix(&client, &server);
	ask(&client, GET("/0"));
	answer(&client, OK(0));
	answer(&client, OK(1));
	ask(&client, GET("/1"));
	return client;
}

/* It cannot be told which: the request is lost, and no answer goes to another's. */
static void test_unix(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = overtaken_client(rig);

	(void)state;
	ask(&client, GET("/2"));
	answer(&client, OK(2));
	check(rig, 1, "/2", 202);
	check_count(ACCOUNT_LOST_GAP, 1);
	rig_finish(rig);
}

/* Two in a row: nothing is paired until it was quiet. */
static void test_unix_twice(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = overtaken_client(rig);

	(void)state;
	answer(&client, OK(2));
	ask(&client, GET("/2"));
	ask(&client, GET("/3"));
	answer(&client, OK(3));
	check_made(rig, 1);
	rig->now_ns += 2 * SECOND;
	ask(&client, GET("/4"));
	answer(&client, OK(4));
	check(rig, 1, "/4", 204);
	check_count(ACCOUNT_LOST_GAP, 3);
	rig_finish(rig);
}

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS "\0\0\0\4\0\0\0\0\0"
/* GET http://./ and 200, of that stream */
#define GET2(stream) "\0\0\3\1\5\0\0\0" stream "\x82\x86\x84"
#define OK2(stream) "\0\0\1\1\5\0\0\0" stream "\x88"

/* Two threads' requests; both are answered before the second one's call is back. */
static void test_by_id(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = end_new(rig, ROLE_CLIENT);

	(void)state;
	end_op(&client, true, BYTES(PREFACE SETTINGS GET2("\1")));
	end_op(&client, false, BYTES(SETTINGS OK2("\1")));
	end_op(&client, true, BYTES(GET2("\3")));
	client.untold = sizeof(GET2("\5")) - 1;
	end_op(&client, false, BYTES(OK2("\3")));
	end_op(&client, false, BYTES(OK2("\5")));
	check_made(rig, 1);
	end_told(&client, BYTES(GET2("\5")));
	check_made(rig, 3);
	end_op(&client, true, BYTES(GET2("\7")));
	end_op(&client, false, BYTES(OK2("\7")));
	rig->made += 4;
	check_made(rig, 4);
	check_count(ACCOUNT_GAPS, 0);
	check_count(ACCOUNT_RESPONSES_EARLY, 0);
	rig_finish(rig);
}

/* By id, too: no answer comes to it any more. */
static void test_by_id_too_late(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = end_new(rig, ROLE_CLIENT);

	(void)state;
	end_op(&client, true, BYTES(PREFACE SETTINGS GET2("\1")));
	end_op(&client, false, BYTES(SETTINGS OK2("\1")));
	client.untold = sizeof(GET2("\3")) - 1;
	end_op(&client, false, BYTES(OK2("\3")));
	rig_wait(rig, 60 * MS);
	end_told(&client, BYTES(GET2("\3")));
	finish(&client, END_CLOSED, 0);
	rig->made += 2;
	check_made(rig, 1);
	check_count(ACCOUNT_LOST_GAP, 1);
	rig_finish(rig);
}

/* The record of the send is lost: nothing waits for it for long, nor again, nor beyond the next request. */
static void test_lost_send(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = new_client(rig);

	(void)state;
	rig->drop_cnt = 1;
	ask(&client, GET("/1"));
	answer(&client, OK(1));
	ask(&client, GET("/2"));
	answer(&client, OK(2));
	check(rig, 1, "/2", 202);
	check_count(ACCOUNT_LOST_RING, 1);
	rig_finish(rig);
}

/* It is told after the answer could wait no longer, or had to be taken as the connection ended: it is lost. */
static void test_too_late(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = new_client(rig), closed = new_client(rig);

	(void)state;
	tell_too_late(&client, GET("/1"), OK(1));
	ask(&client, GET("/2"));
	answer(&client, OK(2));
	check(rig, 2, "/2", 202);
	check_count(ACCOUNT_LOST_GAP, 1);
	leave(&closed, GET("/3"));
	answer(&closed, OK(3));
	finish(&closed, END_EOF, 0);
	tell(&closed, GET("/3"));
	finish(&closed, END_CLOSED, 0);
	check_made(rig, 3);
	check_count(ACCOUNT_LOST_GAP, 2);
	rig_finish(rig);
}

/* The first of all: it was read before anything was told, or the connection is older than the trace. */
static void test_first_too_late(void **state)
{
	(void)state;
	for (int is_fresh = 0; is_fresh < 2; is_fresh++) {
		struct rig *rig = rig_new(NULL);
		struct end client = end_new(rig, ROLE_CLIENT);

		client.about.fresh = (uint8_t)is_fresh;
		tell_too_late(&client, GET("/1"), OK(1));
		ask(&client, GET("/2"));
		answer(&client, OK(2));
		check(rig, 0, "/2", 202);
		check_count(ACCOUNT_LOST_GAP, 1);
		rig_finish(rig);
	}
}

/* What waits too long answers what was told before: nothing is lost. */
static void test_pipelined(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = new_client(rig);

	(void)state;
	ask(&client, GET("/1") GET("/2"));
	rig->made++;
	tell_too_late(&client, GET("/3"), OK(1));
	answer(&client, OK(2) OK(3));
	ask(&client, GET("/4"));
	answer(&client, OK(4));
	check(rig, 4, "/4", 204);
	for (int i = 1; i <= 3; i++)
		assert_int_equal(rig->spans[i].code, 200 + i);
	check_count(ACCOUNT_LOST_GAP, 0);
	rig_finish(rig);
}

/* Of several that were sent at once one was answered: which are not, nobody knows. */
static void test_part_answered(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = new_client(rig);

	(void)state;
	rig->made++;
	tell_too_late(&client, GET("/1") GET("/2"), OK(1));
	answer(&client, OK(2));
	ask(&client, GET("/3"));
	answer(&client, OK(3));
	check_made(rig, 1);
	rig->now_ns += 2 * SECOND;
	ask(&client, GET("/4"));
	answer(&client, OK(4));
	check(rig, 1, "/4", 204);
	check_count(ACCOUNT_LOST_GAP, 3);
	rig_finish(rig);
}

/* The drain that brings it began long ago; the next one brings the send. */
static void test_between_drains(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = new_client(rig);

	(void)state;
	leave(&client, GET("/1"));
	rig->now_ns += 30 * MS;
	answer(&client, OK(1));
	check_made(rig, 1);
	tell(&client, GET("/1"));
	check(rig, 1, "/1", 201);
	check_count(ACCOUNT_LOST_GAP, 0);
	rig_finish(rig);
}

/* Bytes leave in a way of which nobody tells. */
static void test_waived(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = new_client(rig);

	(void)state;
	ask(&client, "POST /1 HTTP/1.1\r\nContent-Length: 9\r\n\r\n");
	client.untold = 9;
	answer(&client, "HTTP/1.1 201 X\r\nContent-Length: 2\r\n\r\n");
	answer(&client, "a");
	check_made(rig, 1);
	rig_wait(rig, 60 * MS);
	answer(&client, "b");
	check(rig, 1, "/1", 201);
	rig_finish(rig);
}

/* A FIN is no byte. */
static void test_fin(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = new_client(rig);

	(void)state;
	ask(&client, GET("/1"));
	client.untold = 1;
	answer(&client, OK(1));
	check(rig, 1, "/1", 201);
	rig_finish(rig);
}

/* The connection ends, or is announced again, while something waits. */
static void test_end(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = new_client(rig), other = new_client(rig), third = new_client(rig);

	(void)state;
	ask(&client, GET("/1"));
	client.untold = 100;
	answer(&client, OK(1));
	check_made(rig, 3);
	finish(&client, END_CLOSED, 0);
	check(rig, 3, "/1", 201);
	ask(&other, GET("/2"));
	other.untold = 100;
	answer(&other, OK(2));
	announce(&other);
	check_count(ACCOUNT_RECORDS_STRAY, 1);
	check_count(ACCOUNT_LOST_GAP, 1);
	ask(&third, GET("/3"));
	third.untold = 100;
	answer(&third, OK(3));
	rig_finish(rig); /* what waits then is taken */
	check_count(ACCOUNT_SPANS, 5);
}

/* More waits than there is room for: it is taken before what does not fit, which may wait itself then. */
static void test_full(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = new_client(rig), other = new_client(rig), third = new_client(rig);

	(void)state;
	ask(&client, "POST /1 HTTP/1.1\r\nContent-Length: 9\r\n\r\n");
	client.untold = 9;
	client.copy_op = client.copy_turn = COPY_MAX;
	for (int i = 0; i < 1000; i++) {
		assert_true(rig->flow->early_cnt <= FLOW_EARLY_MAX);
		client.turn_left = COPY_MAX;
		answer(&client, "HTTP/1.1 103 Early Hints\r\nLink: a longer text, "
				"so that it is less often\r\n\r\n");
	}
	/* Nor does what follows wait for the same bytes. */
	assert_int_equal(rig->flow->early_cnt, 0);
	third.untold = 100;
	for (uint32_t i = 1; i < FLOW_EARLY_MAX; i++)
		answer(&third, "HTTP/1.1 103 Early Hints\r\n\r\n");
	leave(&other, GET("/2"));
	answer(&other, OK(2));
	assert_int_equal(rig->flow->early_cnt, FLOW_EARLY_MAX);
	tell(&other, GET("/2")); /* needs no room */
	assert_int_equal(rig->flow->early_cnt, FLOW_EARLY_MAX - 1);
	pass_body(&client, FROM_SERVER, 1, 1); /* is none of a body: the framing is lost */
	check_made(rig, 4);
	rig_wait(rig, 60 * MS);
	check_count(ACCOUNT_GAPS, 1);
	check_count(ACCOUNT_LOST_UNPARSED, 1);
	rig_finish(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),      cmocka_unit_test(test_in_parts),
		cmocka_unit_test(test_unix),	      cmocka_unit_test(test_unix_twice),
		cmocka_unit_test(test_by_id),	      cmocka_unit_test(test_by_id_too_late),
		cmocka_unit_test(test_lost_send),     cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_part_answered), cmocka_unit_test(test_between_drains),
		cmocka_unit_test(test_too_late),      cmocka_unit_test(test_first_too_late),
		cmocka_unit_test(test_waived),	      cmocka_unit_test(test_fin),
		cmocka_unit_test(test_end),	      cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
