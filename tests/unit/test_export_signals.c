// SPDX-License-Identifier: Apache-2.0
/* Signals beside traces: each to its own endpoint, unsplit, by a queue of its own. */
#include "tests/unit/export_rig.h"

static const struct slice metrics_body = SLICE("any bytes: they go as they are");

/* What becomes of five data points pushed twice, each in a request of its own. */
static void test_other_signal(void **state)
{
	static const struct {
		const char *name;
		struct reply script[3];
		uint32_t sent, refused, seen;
		bool wanted; /* still */
	} cases[] = {
		{.name = "accepted", .sent = 10, .seen = 2, .wanted = true},
		{.name = "partial",
		 .script = {R(200, .body = PARTIAL("\x03", "nope"))},
		 .sent = 7,
		 .refused = 3,
		 .seen = 2,
		 .wanted = true},
		{.name = "retried", .script = {R(503)}, .sent = 10, .seen = 3, .wanted = true},
		{.name = "too large",
		 .script = {R(413)},
		 .sent = 5,
		 .refused = 5,
		 .seen = 2,
		 .wanted = true},
		{.name = "400",
		 .script = {R(400)},
		 .sent = 5,
		 .refused = 5,
		 .seen = 2,
		 .wanted = true},
		{.name = "404", .script = {R(404)}, .refused = 10, .seen = 1},
		{.name = "501", .script = {R(503), R(501)}, .refused = 10, .seen = 2},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct harness h;

		prepare(&h, cases[i].script, script_len(cases[i].script, LEN(cases[i].script)));
		h.options.TRACES.url = NULL;
		snprintf(h.url, sizeof(h.url), "http://127.0.0.1:%d/v1/metrics", h.server->port);
		h.options.endpoints[SIGNAL_METRICS].url = h.url;
		h.options.endpoints[SIGNAL_METRICS].gzip_level = 0;
		start(&h);
		assert_true(exporter__wants(h.exporter, SIGNAL_METRICS));
		assert_false(exporter__wants(h.exporter, SIGNAL_PROFILES));
		for (int k = 0; k < 2; k++)
			exporter__push_encoded(h.exporter, SIGNAL_METRICS, metrics_body, 5);
		assert_int_equal(exporter__flush(h.exporter, STOP_MS), 0);
		assert_int_equal(exporter__wants(h.exporter, SIGNAL_METRICS), cases[i].wanted);
		exporter__stop(h.exporter, STOP_MS);
		check_account(cases[i].name, ACCOUNT_POINTS_SENT, cases[i].sent);
		check_account(cases[i].name, ACCOUNT_POINTS_REFUSED, cases[i].refused);
		check_account(cases[i].name, ACCOUNT_POINTS_FAILED, 0);
		check_account(cases[i].name, ACCOUNT_SENT, 0);
		assert_int_equal(h.server->seen_cnt, cases[i].seen);
		check_header(&h.server->seen[0], "POST /v1/metrics HTTP/1.1\r\n", true);
		check_header(&h.server->seen[0], "\r\nContent-Length: 30\r\n", true);
		finish(&h);
	}
}

/* Spans arrive while the receiver of another signal is silent, and its queue is bounded. */
static void test_signals_are_apart(void **state)
{
	static const struct reply silent[] = {R(SILENCE)};
	struct otlp_server *profiles = otlp_server__new(silent, LEN(silent));
	struct harness h;
	char url[64];

	(void)state;
	prepare(&h, NULL, 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1development/profiles", profiles->port);
	h.options.endpoints[SIGNAL_PROFILES].url = url;
	h.options.queue_max_bytes = 4096;
	start(&h);
	for (int i = 0; i < 100; i++)
		exporter__push_encoded(h.exporter, SIGNAL_PROFILES, metrics_body, 2);
	push(&h, 1, 3);
	while (account_get(ACCOUNT_SENT) < 3)
		usleep(1000);
	assert_true(account_get(ACCOUNT_SAMPLES_QUEUE) > 0);
	exporter__stop(h.exporter, 1);
	check_account("silent", ACCOUNT_SAMPLES_SENT, 0);
	check_account("silent", ACCOUNT_SAMPLES_FAILED, 200 - account_get(ACCOUNT_SAMPLES_QUEUE));
	check_account("beside it", ACCOUNT_SENT, 3);
	finish(&h);
	otlp_server__free(profiles);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_other_signal),
		cmocka_unit_test(test_signals_are_apart),
	};

	setenv("no_proxy", "*", 1); /* loopback only, whatever the environment says */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
