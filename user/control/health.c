// SPDX-License-Identifier: Apache-2.0
/* Health and metrics by libmicrohttpd, which no other file includes. */
#include "user/control/health.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "user/base/account.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/control/listen.h"

#define CONNECTIONS_MAX 8u
#define CONNECTION_TIMEOUT_S 5u
#define CONNECTION_MEMORY_SZ ((size_t)16384)
#define STALL_NS 10000000000ull
#define TEXT_TYPE "text/plain; charset=utf-8"
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct health {
	struct MHD_Daemon *daemon;
	const struct health_gauge *gauges;
	size_t gauges_cnt;
	void (*append)(FILE *out, void *arg);
	void *append_arg;
	char version[64];
	uint64_t stall_ns;
	uint16_t port;
	_Atomic uint64_t tick_ns;
	atomic_bool ready;
};

struct answer {
	unsigned int status;
	const char *type;
	char *body; /* malloc'd; NULL: out of memory */
};

/* ---- metrics ---- */

/* Is there an earlier row of that stem? */
static bool stem_done(size_t row)
{
	for (size_t i = 0; i < row; i++)
		if (strcmp(account_rows[i].stem, account_rows[row].stem) == 0)
			return true;
	return false;
}

/* HELP and TYPE of a stem, then its counters, one for each cause. */
static void write_stem(FILE *out, size_t first)
{
	const char *stem = account_rows[first].stem, *sep = "";

	fprintf(out, "# HELP sonde_%s_total ", stem);
	for (size_t i = first; i < ACCOUNT_CNT; i++) {
		const struct account_row *row = &account_rows[i];

		if (strcmp(row->stem, stem) != 0)
			continue;
		fprintf(out, "%s%s%s%s", sep, row->cause, *row->cause ? ": " : "", row->help);
		sep = "; ";
	}
	fprintf(out, "\n# TYPE sonde_%s_total counter\n", stem);
	for (size_t i = first; i < ACCOUNT_CNT; i++) {
		const struct account_row *row = &account_rows[i];

		if (strcmp(row->stem, stem) != 0)
			continue;
		fprintf(out, "sonde_%s_total", stem);
		if (*row->cause)
			fprintf(out, "{cause=\"%s\"}", row->cause);
		fprintf(out, " %llu\n", (unsigned long long)account_get((enum account_entry)i));
	}
}

static double resident_memory(void)
{
	FILE *statm = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	if (!statm)
		return 0;
	if (fscanf(statm, "%*u %llu", &pages) != 1)
		pages = 0;
	fclose(statm);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double cpu_seconds(void)
{
	struct rusage usage = {0};

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void write_metric(FILE *out, const char *name, const char *type, const char *help,
			 double value)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, type, name, value);
}

static void write_metrics(const struct health *h, FILE *out)
{
	for (size_t i = 0; i < ACCOUNT_CNT; i++)
		if (!stem_done(i))
			write_stem(out, i);
	write_metric(out, "sonde_resident_memory_bytes", "gauge", "Memory that sonde occupies",
		     resident_memory());
	write_metric(out, "sonde_cpu_seconds_total", "counter", "CPU time that sonde used",
		     cpu_seconds());
	for (size_t i = 0; i < h->gauges_cnt; i++)
		write_metric(out, h->gauges[i].name, "gauge", h->gauges[i].help,
			     h->gauges[i].read(h->gauges[i].arg));
	fprintf(out,
		"# HELP sonde_build_info Version of sonde, in the label\n"
		"# TYPE sonde_build_info gauge\nsonde_build_info{version=\"%s\"} 1\n",
		h->version);
	if (h->append)
		h->append(out, h->append_arg);
}

/* ---- pages ---- */

static struct answer text_answer(unsigned int status, const char *text)
{
	return (struct answer){.status = status, .type = TEXT_TYPE, .body = strdup(text)};
}

static struct answer get_metrics(const struct health *h)
{
	struct answer answer = {.status = MHD_HTTP_OK, .type = METRICS_TYPE};
	size_t len;
	FILE *out = open_memstream(&answer.body, &len);
	bool failed;

	if (!out)
		return answer;
	write_metrics(h, out);
	failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		free(answer.body);
		answer.body = NULL;
	}
	return answer;
}

static struct answer get_healthz(const struct health *h)
{
	uint64_t tick_ns = atomic_load(&h->tick_ns), now_ns = clock_mono_ns();
	uint64_t silent_ns = now_ns > tick_ns ? now_ns - tick_ns : 0;
	char text[96];

	if (silent_ns < h->stall_ns)
		return text_answer(MHD_HTTP_OK, "ok\n");
	snprintf(text, sizeof(text), "the capture loop has not run for %llu.%llu s\n",
		 (unsigned long long)(silent_ns / 1000000000),
		 (unsigned long long)(silent_ns / 100000000 % 10));
	return text_answer(MHD_HTTP_SERVICE_UNAVAILABLE, text);
}

static struct answer get_readyz(const struct health *h)
{
	if (atomic_load(&h->ready))
		return text_answer(MHD_HTTP_OK, "ok\n");
	return text_answer(MHD_HTTP_SERVICE_UNAVAILABLE, "the probes are not attached\n");
}

static const struct {
	const char *path;
	struct answer (*get)(const struct health *h);
} pages[] = {
	{.path = "/metrics", .get = get_metrics},
	{.path = "/healthz", .get = get_healthz},
	{.path = "/readyz", .get = get_readyz},
};

static struct answer answer_to(const struct health *h, const char *method, const char *path)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (strcmp(path, pages[i].path) != 0)
			continue;
		if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
			return text_answer(MHD_HTTP_METHOD_NOT_ALLOWED,
					   "only GET and HEAD are allowed\n");
		return pages[i].get(h);
	}
	return text_answer(MHD_HTTP_NOT_FOUND, "there are /metrics, /healthz and /readyz\n");
}

/* ---- libmicrohttpd ---- */

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_len, void **request)
{
	struct answer answer = answer_to(arg, method, url);
	struct MHD_Response *response;
	enum MHD_Result result;

	(void)version;
	(void)upload;
	(void)upload_len;
	(void)request;
	if (!answer.body)
		return MHD_NO;
	response = MHD_create_response_from_buffer(strlen(answer.body), answer.body,
						   MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(answer.body);
		return MHD_NO;
	}
	result = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.type);
	if (result && answer.status == MHD_HTTP_METHOD_NOT_ALLOWED)
		result = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (result)
		result = MHD_queue_response(connection, answer.status, response);
	MHD_destroy_response(response);
	return result;
}

static void __attribute__((format(printf, 2, 0)))
on_log(void *arg, const char *format, va_list args)
{
	char line[256];

	(void)arg;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("health endpoint: %s", line);
}

/* The daemon takes the socket. Its thread gets no signals: they are for the main thread. */
static struct MHD_Daemon *start_daemon(struct health *h, int fd)
{
	struct MHD_Daemon *daemon;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	daemon =
		MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ERROR_LOG,
				 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_log,
				 NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
				 CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
				 CONNECTION_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				 CONNECTION_MEMORY_SZ, MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return daemon;
}

static uint16_t port_of(int fd)
{
	union {
		struct sockaddr_in6 v6;
		struct sockaddr_in v4;
		struct sockaddr any;
	} address = {.v6 = {0}};
	socklen_t len = sizeof(address);

	getsockname(fd, &address.any, &len);
	return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port
						       : address.v4.sin_port);
}

struct health *health__new(const struct health_options *options, char *error, size_t error_sz)
{
	struct health *h = calloc(1, sizeof(*h));
	int fd = h ? listen_open(options->listen) : -ENOMEM, err = fd < 0 ? -fd : 0;

	if (!err) {
		h->gauges = options->gauges;
		h->gauges_cnt = options->gauges_cnt;
		h->append = options->append;
		h->append_arg = options->append_arg;
		h->stall_ns = options->stall_ns ?: STALL_NS;
		h->port = port_of(fd);
		snprintf(h->version, sizeof(h->version), "%s", options->version);
		health__tick(h);
		errno = 0;
		h->daemon = start_daemon(h, fd);
		if (h->daemon)
			return h;
		err = errno ?: EIO;
		close(fd);
	}
	snprintf(error, error_sz,
		 "cannot serve health and metrics on %s: %s; set control.listen "
		 "(SONDE_CONTROL_LISTEN) to another ADDRESS:PORT, or to \"\" for none",
		 options->listen, strerror(err));
	free(h);
	errno = err;
	return NULL;
}

uint16_t health__port(const struct health *h)
{
	return h->port;
}

void health__tick(struct health *h)
{
	atomic_store_explicit(&h->tick_ns, clock_mono_ns(), memory_order_relaxed);
}

void health__set_ready(struct health *h, bool ready)
{
	atomic_store(&h->ready, ready);
}

void health__free(struct health *h)
{
	if (!h)
		return;
	MHD_stop_daemon(h->daemon);
	free(h);
}
