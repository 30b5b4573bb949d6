// SPDX-License-Identifier: Apache-2.0
/* The health endpoint, over real connections on the loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "user/base/account.h"
#include "user/control/health.h"
#include "user/control/listen.h"

#define CNT(array) (sizeof(array) / sizeof((array)[0]))

static char error[512];
static char reply[65536];

static struct health *start(const struct health_options *options)
{
	struct health *h = health__new(options, error, sizeof(error));

	if (!h)
		fail_msg("%s", error);
	return h;
}

static int dial(const struct health *h)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(health__port(h)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* One request; the whole reply goes to reply. Returns the status, 0 for none. */
static int ask(const struct health *h, const char *request)
{
	int fd = dial(h), status = 0;
	size_t len = 0;
	ssize_t n;

	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	while ((n = recv(fd, reply + len, sizeof(reply) - 1 - len, 0)) > 0)
		len += (size_t)n;
	reply[len] = '\0';
	close(fd);
	if (sscanf(reply, "HTTP/1.%*d %d", &status) != 1)
		return 0;
	return status;
}

static int get(const struct health *h, const char *path)
{
	char request[256];

	snprintf(request, sizeof(request),
		 "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
	return ask(h, request);
}

static const char *body(void)
{
	const char *end = strstr(reply, "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

static void test_pages(void **state)
{
	struct health *h =
		start(&(struct health_options){.listen = "127.0.0.1:0", .version = "1.2.3"});

	(void)state;
	assert_int_equal(get(h, "/healthz"), 200);
	assert_string_equal(body(), "ok\n");
	assert_int_equal(get(h, "/readyz"), 503);
	assert_string_equal(body(), "the probes are not attached\n");
	health__set_ready(h, true);
	assert_int_equal(get(h, "/readyz"), 200);
	health__set_ready(h, false);
	assert_int_equal(get(h, "/readyz"), 503);
	assert_int_equal(get(h, "/"), 404);
	assert_int_equal(get(h, "/metricsx"), 404);
	assert_int_equal(get(h, "/healthz?verbose=1"), 200);
	assert_int_equal(ask(h, "HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
			 200);
	assert_string_equal(body(), "");
	assert_int_equal(ask(h, "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
				"Content-Length: 3\r\n\r\nabc"),
			 405);
	assert_non_null(strstr(reply, "\r\nAllow: GET, HEAD\r\n"));
	assert_int_equal(ask(h, "BREW /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
			 405);
	/* what is not HTTP ends its own connection, nothing else */
	assert_int_not_equal(ask(h, "nonsense\r\n\r\n"), 200);
	assert_int_not_equal(ask(h, "\x16\x03\x01\x02\r\n\r\n"), 200);
	assert_int_equal(get(h, "/healthz"), 200);
	health__free(h);
}

static void test_stall(void **state)
{
	const struct timespec wait = {.tv_nsec = 150000000};
	struct health *h = start(&(struct health_options){
		.listen = "127.0.0.1:0", .version = "1", .stall_ns = 100000000});
	unsigned int tenths;

	(void)state;
	nanosleep(&wait, NULL);
	assert_int_equal(get(h, "/healthz"), 503);
	assert_int_equal(sscanf(body(), "the capture loop has not run for 0.%u s\n", &tenths), 1);
	assert_in_range(tenths, 1, 9);
	health__tick(h);
	assert_int_equal(get(h, "/healthz"), 200);
	health__free(h);
}

static double read_gauge(void *arg)
{
	return *(double *)arg;
}

/* How often needle stands in the body. */
static size_t times(const char *needle)
{
	size_t cnt = 0;

	for (const char *p = body(); (p = strstr(p, needle)); p++)
		cnt++;
	return cnt;
}

static void append(FILE *out, void *arg)
{
	fprintf(out, "more{a=\"%s\"} 1\n", (const char *)arg);
}

static void test_metrics(void **state)
{
	double open = 12, part = 0.25;
	const struct health_gauge gauges[] = {
		{.name = "sonde_connections_open",
		 .help = "Open",
		 .read = read_gauge,
		 .arg = &open},
		{.name = "sonde_part", .help = "Part", .read = read_gauge, .arg = &part},
	};
	struct health *h = start(&(struct health_options){.listen = "127.0.0.1:0",
							  .version = "1.2.3",
							  .gauges = gauges,
							  .gauges_cnt = CNT(gauges),
							  .append = append,
							  .append_arg = "b"});
	double memory;
	const char *at;
	char line[128];

	(void)state;
	account_set(ACCOUNT_RECORDS, UINT64_MAX);
	account_set(ACCOUNT_LOST_EVICTED, 7);
	assert_int_equal(get(h, "/metrics"), 200);
	assert_non_null(
		strstr(reply, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_int_equal(times("# TYPE sonde_records_total counter\n"
			       "sonde_records_total 18446744073709551615\n"),
			 1);
	assert_int_equal(times("# HELP sonde_lost_total gap: "), 1);
	assert_int_equal(times("# TYPE sonde_lost_total counter\n"), 1);
	assert_int_equal(times("\nsonde_lost_total{cause=\"evicted\"} 7\n"), 1);
	assert_int_equal(times("\nsonde_connections_open 12\n"), 1);
	assert_int_equal(times("\nsonde_part 0.25\n"), 1);
	assert_int_equal(times("\nsonde_build_info{version=\"1.2.3\"} 1\nmore{a=\"b\"} 1\n"), 1);
	for (size_t i = 0; i < ACCOUNT_CNT; i++) {
		const struct account_row *row = &account_rows[i];

		snprintf(line, sizeof(line), "\nsonde_%s_total%s%s%s ", row->stem,
			 *row->cause ? "{cause=\"" : "", row->cause, *row->cause ? "\"}" : "");
		assert_int_equal(times(line), 1);
		snprintf(line, sizeof(line), "# TYPE sonde_%s_total counter\n", row->stem);
		assert_int_equal(times(line), 1);
	}
	at = strstr(body(), "\nsonde_resident_memory_bytes ");
	assert_non_null(at);
	assert_int_equal(sscanf(at + 1, "%*s %lf", &memory), 1);
	assert_true(memory > 1e6);
	open = 13;
	assert_int_equal(get(h, "/metrics"), 200);
	assert_int_equal(times("\nsonde_connections_open 13\n"), 1);
	health__free(h);
	account_set(ACCOUNT_RECORDS, 0);
	account_set(ACCOUNT_LOST_EVICTED, 0);
}

static void test_port_in_use(void **state)
{
	struct health *h = start(&(struct health_options){.listen = "127.0.0.1:0", .version = "1"});
	char listen[32], expected[512];

	(void)state;
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", health__port(h));
	assert_null(health__new(&(struct health_options){.listen = listen, .version = "1"}, error,
				sizeof(error)));
	assert_int_equal(errno, EADDRINUSE);
	snprintf(
		expected, sizeof(expected),
		"cannot serve health and metrics on %s: Address already in use; set control.listen "
		"(SONDE_CONTROL_LISTEN) to another ADDRESS:PORT, or to \"\" for none",
		listen);
	assert_string_equal(error, expected);
	health__free(h);
	/* free again */
	h = start(&(struct health_options){.listen = listen, .version = "1"});
	health__free(h);
	health__free(NULL);
}

/* Unfinished requests take all places; those beyond wait, and stopping does not. */
static void test_crowd(void **state)
{
	const struct timeval patience = {.tv_usec = 300000};
	struct health *h = start(&(struct health_options){.listen = "127.0.0.1:0", .version = "1"});
	int fds[8], one_more;

	(void)state;
	assert_int_equal(get(h, "/healthz"), 200);
	for (size_t i = 0; i < CNT(fds); i++) {
		fds[i] = dial(h);
		assert_int_equal(send(fds[i], "GET", 3, MSG_NOSIGNAL), 3);
	}
	nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
	one_more = dial(h);
	setsockopt(one_more, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	send(one_more, "GET /healthz HTTP/1.0\r\n\r\n", 25, MSG_NOSIGNAL);
	assert_true(recv(one_more, reply, sizeof(reply), 0) <= 0);
	close(one_more);
	for (size_t i = 0; i < CNT(fds); i++)
		close(fds[i]);
	nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
	assert_int_equal(get(h, "/healthz"), 200);
	fds[0] = dial(h);
	health__free(h);
	close(fds[0]);
}

static void test_listen(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *host, *port;
	} cases[] = {
		{"127.0.0.1:9464", 0, "127.0.0.1", "9464"},
		{"[::1]:0", 0, "::1", "0"},
		{":80", 0, "", "80"},
		{"[]:80", 0, "", "80"},
		{"localhost:65535", 0, "localhost", "65535"},
		{"::1:80", -EINVAL, "", ""},
		{"localhost", -EINVAL, "", ""},
		{"localhost:", -EINVAL, "", ""},
		{"localhost:65536", -EINVAL, "", ""},
		{"localhost:000080", -EINVAL, "", ""},
		{"localhost:http", -EINVAL, "", ""},
		{"http://localhost:80", -EINVAL, "", ""},
		{"a b:80", -EINVAL, "", ""},
		{"", -EINVAL, "", ""},
	};
	char host[LISTEN_HOST_MAX], port[LISTEN_PORT_MAX];

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		assert_int_equal(listen_split(cases[i].text, host, port), cases[i].err);
		if (cases[i].err)
			continue;
		assert_string_equal(host, cases[i].host);
		assert_string_equal(port, cases[i].port);
	}
	assert_null(health__new(&(struct health_options){.listen = "x", .version = "1"}, error,
				sizeof(error)));
	assert_int_equal(errno, EINVAL);
	assert_null(health__new(&(struct health_options){.listen = "192.0.2.1:0", .version = "1"},
				error, sizeof(error)));
	assert_int_equal(errno, EADDRNOTAVAIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages),	cmocka_unit_test(test_stall),
		cmocka_unit_test(test_metrics), cmocka_unit_test(test_port_in_use),
		cmocka_unit_test(test_crowd),	cmocka_unit_test(test_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
