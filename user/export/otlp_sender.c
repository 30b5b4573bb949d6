// SPDX-License-Identifier: Apache-2.0
/*
 * One request after the other; while one is retried the queue behind it fills, which is the
 * back-pressure. A request is split in halves when it is too large for us or for the receiver.
 */
#include "user/export/otlp_sender.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "user/base/account.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/export/http_client.h"
#include "user/export/otlp_encode.h"
#include "user/export/otlp_response.h"

#define NS_PER_MS 1000000ull

enum verdict {
	VERDICT_ACCEPTED,
	VERDICT_REFUSED,
	VERDICT_FAILED,
	VERDICT_TOO_LARGE,
	VERDICT_RETRY,
};

struct otlp_sender {
	struct http_client *http;
	struct pb_writer writer;
	char *version;
	const char *url; /* of the http client; without secrets */
	uint64_t retry_first_ns, retry_longest_ns, give_up_ns;
	uint64_t not_before_ns; /* Retry-After binds the next request, too */
	uint64_t outage_ns;	/* since when nothing got through; 0 = all is well */
	struct log_limit refused_limit;
	pthread_mutex_t lock; /* guards aborted */
	pthread_cond_t woken;
	bool aborted;
};

static void init_wait(struct otlp_sender *s)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->woken, &attr);
	pthread_condattr_destroy(&attr);
}

static struct http_client *open_http(struct otlp_sender *s, const struct exporter_options *o)
{
	char user_agent[128];

	snprintf(user_agent, sizeof(user_agent), "sonde/%s OTel-OTLP-Exporter-C/%s", s->version,
		 s->version);
	return http_client__new(&(struct http_options){
		.url = o->endpoint,
		.user_agent = user_agent,
		.content_type = "application/x-protobuf",
		.headers = o->headers,
		.headers_cnt = o->headers_cnt,
		.timeout_ms = o->timeout_ms,
		.gzip_level = o->gzip_level,
		.response_max_sz = OTLP_RESPONSE_MAX_SZ,
		.ca_file = o->ca_file,
		.client_cert = o->client_cert,
		.client_key = o->client_key,
		.connected = o->connected,
		.ctx = o->ctx,
	});
}

struct otlp_sender *otlp_sender__new(const struct exporter_options *o)
{
	struct otlp_sender *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	init_wait(s);
	pb_writer__init(&s->writer, OTLP_REQUEST_MAX_SZ);
	s->retry_first_ns = o->retry_first_ms * NS_PER_MS;
	s->retry_longest_ns = o->retry_longest_ms * NS_PER_MS;
	s->give_up_ns = o->retry_give_up_ms * NS_PER_MS;
	s->version = strdup(o->version);
	s->http = s->version ? open_http(s, o) : NULL;
	if (!s->http) {
		otlp_sender__free(s);
		return NULL;
	}
	s->url = http_client__url(s->http);
	return s;
}

void otlp_sender__free(struct otlp_sender *s)
{
	if (!s)
		return;
	http_client__free(s->http);
	pb_writer__free(&s->writer);
	pthread_cond_destroy(&s->woken);
	pthread_mutex_destroy(&s->lock);
	free(s->version);
	free(s);
}

void otlp_sender__abort(struct otlp_sender *s)
{
	pthread_mutex_lock(&s->lock);
	s->aborted = true;
	pthread_cond_signal(&s->woken);
	pthread_mutex_unlock(&s->lock);
	http_client__abort(s->http);
}

/* Sleeps until then, CLOCK_MONOTONIC; false when aborted. */
static bool wait_until(struct otlp_sender *s, uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(ns / 1000000000u),
		.tv_nsec = (long)(ns % 1000000000u),
	};
	bool aborted;
	int err = 0;

	pthread_mutex_lock(&s->lock);
	while (!s->aborted && !err)
		err = pthread_cond_timedwait(&s->woken, &s->lock, &ts);
	aborted = s->aborted;
	pthread_mutex_unlock(&s->lock);
	return !aborted;
}

/* The n-th pause (from 0): doubled each time up to the longest, give or take a half. */
static uint64_t backoff_ns(const struct otlp_sender *s, unsigned int n)
{
	uint64_t base = n < 16 ? s->retry_first_ns << n : s->retry_longest_ns, random = 0;

	base = base < s->retry_longest_ns ? base : s->retry_longest_ns;
	if (getrandom(&random, sizeof(random), 0) < 0)
		random = clock_mono_ns();
	return base / 2 + random % (base + 1);
}

/* What to tell the user about a status that means "no". */
static const char *hint(long status)
{
	static const struct {
		long status;
		const char *text;
	} hints[] = {
		{.status = 401, .text = "; set the credentials in the headers"},
		{.status = 403, .text = "; check the credentials in the headers"},
		{.status = 404, .text = "; is the path right? OTLP/HTTP receivers use /v1/traces"},
		{.status = 405, .text = "; is the path right? OTLP/HTTP receivers use /v1/traces"},
		{.status = 413, .text = "; one span alone is too large for it"},
		{.status = 415, .text = "; does it speak OTLP/HTTP with protobuf?"},
	};

	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (hints[i].status == status)
			return hints[i].text;
	return "";
}

static void log_refused(struct otlp_sender *s, long status, struct slice body, uint32_t cnt)
{
	struct otlp_response error;
	unsigned long missed;

	if (!log_limit_pass(&s->refused_limit, &missed))
		return;
	if (otlp_response__read_error(body, &error))
		error.message[0] = '\0';
	log_error("%s refused %u spans: HTTP status %ld%s%s%s", s->url, cnt, status,
		  error.message[0] ? ": " : "", error.message, hint(status));
}

/* A success may still reject some. These must not be sent again. */
static void count_accepted(struct otlp_sender *s, struct slice body, uint32_t cnt)
{
	struct otlp_response response;
	unsigned long missed;
	uint32_t rejected;

	if (otlp_response__read(body, &response))
		log_debug("%s: the response is not OTLP, its status counts", s->url);
	rejected = response.rejected_cnt <= 0	 ? 0
		   : response.rejected_cnt > cnt ? cnt
						 : (uint32_t)response.rejected_cnt;
	account_add(ACCOUNT_SENT, cnt - rejected);
	account_add(ACCOUNT_REFUSED, rejected);
	if ((rejected || response.message[0]) && log_limit_pass(&s->refused_limit, &missed))
		log_warn("%s rejected %u of %u spans: %s", s->url, rejected, cnt,
			 response.message[0] ? response.message : "it gave no reason");
}

static void log_outage(struct otlp_sender *s, int err, long status)
{
	uint64_t now = clock_mono_ns();

	if (s->outage_ns) /* said before */
		return;
	s->outage_ns = now;
	if (err)
		log_warn("cannot reach %s: %s;%s will retry", s->url, http_client__error(s->http),
			 err == -ENOTCONN ? " is the Collector listening?"
			 : err == -EPROTO ? " check the certificates,"
					  : "");
	else
		log_warn("%s is not ready: HTTP status %ld; will retry", s->url, status);
}

static void log_recovery(struct otlp_sender *s)
{
	if (s->outage_ns)
		log_info("%s answers again, after %.1f s", s->url,
			 (double)(clock_mono_ns() - s->outage_ns) / 1e9);
	s->outage_ns = 0;
}

static enum verdict judge(long status)
{
	if (status >= 200 && status < 300)
		return VERDICT_ACCEPTED;
	if (status == 413)
		return VERDICT_TOO_LARGE;
	if (status == 429 || status == 502 || status == 503 || status == 504)
		return VERDICT_RETRY;
	return VERDICT_REFUSED;
}

/* One request and its response. Never VERDICT_TOO_LARGE for a single span. */
static enum verdict post(struct otlp_sender *s, struct slice body, uint32_t cnt)
{
	struct http_response response;
	enum verdict verdict;
	int err = http_client__post(s->http, body, &response);

	if (err == -ENOMEM)
		log_error("cannot send %u spans: out of memory", cnt);
	if (err == -ECANCELED || err == -ENOMEM)
		return VERDICT_FAILED;
	verdict = err ? VERDICT_RETRY : judge(response.status);
	if (verdict == VERDICT_TOO_LARGE && cnt == 1)
		verdict = VERDICT_REFUSED;
	if (verdict == VERDICT_RETRY) {
		log_outage(s, err, response.status);
		if (!err && response.retry_after_s)
			s->not_before_ns =
				clock_mono_ns() + response.retry_after_s * 1000 * NS_PER_MS;
		return verdict;
	}
	log_recovery(s);
	if (verdict == VERDICT_ACCEPTED)
		count_accepted(s, response.body, cnt);
	if (verdict == VERDICT_REFUSED)
		log_refused(s, response.status, response.body, cnt);
	return verdict;
}

/* Posts again until there is an answer or time is up; never VERDICT_RETRY. */
static enum verdict post_with_retry(struct otlp_sender *s, struct slice body, uint32_t cnt)
{
	uint64_t give_up = clock_mono_ns() + s->give_up_ns;

	for (unsigned int n = 0;; n++) {
		uint64_t next = s->not_before_ns;
		enum verdict verdict;

		if (n && next < clock_mono_ns())
			next = clock_mono_ns() + backoff_ns(s, n - 1);
		if (!wait_until(s, next < give_up ? next : give_up))
			return VERDICT_FAILED;
		if (clock_mono_ns() >= give_up)
			break;
		account_add(n ? ACCOUNT_EXPORT_RETRIES : ACCOUNT_EXPORT_REQUESTS, 1);
		verdict = post(s, body, cnt);
		if (verdict != VERDICT_RETRY)
			return verdict;
	}
	log_error("gave up on %u spans: %s has taken nothing for %g s", cnt, s->url,
		  (double)s->give_up_ns / 1e9);
	return VERDICT_FAILED;
}

static enum verdict try_send(struct otlp_sender *s, struct span_groups *groups,
			     const struct span *const *spans, uint32_t cnt)
{
	unsigned long missed;
	int err;

	span_groups__set(groups, spans, cnt);
	err = otlp_encode(&s->writer, groups, s->version);
	if (err == -EMSGSIZE && cnt > 1)
		return VERDICT_TOO_LARGE;
	if (err) {
		if (log_limit_pass(&s->refused_limit, &missed))
			log_error("cannot encode %u spans: %s", cnt, strerror(-err));
		return VERDICT_FAILED;
	}
	return post_with_retry(s, pb_writer__bytes(&s->writer), cnt);
}

void otlp_sender__send(struct otlp_sender *s, struct span_groups *groups,
		       const struct span *const *spans, uint32_t cnt)
{
	switch (try_send(s, groups, spans, cnt)) {
	case VERDICT_TOO_LARGE:
		otlp_sender__send(s, groups, spans, cnt / 2);
		otlp_sender__send(s, groups, spans + cnt / 2, cnt - cnt / 2);
		break;
	case VERDICT_REFUSED:
		account_add(ACCOUNT_REFUSED, cnt);
		break;
	case VERDICT_FAILED:
	case VERDICT_RETRY:
		account_add(ACCOUNT_FAILED, cnt);
		break;
	case VERDICT_ACCEPTED: /* counted with the response */
		break;
	}
}
