// SPDX-License-Identifier: Apache-2.0
/*
 * One request after the other; while one is retried the queue behind it fills, which is the
 * back-pressure. A request is the bytes of its parcels one after the other (its only field is
 * repeated), so when it is too large for the receiver each half of the parcels is one again.
 */
#include "user/export/otlp_sender.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "user/base/account.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/thread.h"
#include "user/export/http_client.h"
#include "user/export/otlp_response.h"

#define NS_PER_MS 1000000ull

enum verdict {
	VERDICT_ACCEPTED,
	VERDICT_REFUSED,
	VERDICT_FAILED,
	VERDICT_TOO_LARGE,
	VERDICT_RETRY,
	VERDICT_ABSENT,
};

/* What one request carries. */
struct shipment {
	const struct parcel *first;
	uint32_t parcels_cnt, items_cnt;
	struct slice body; /* in the sender's buffer */
};

struct otlp_sender {
	const struct signal_row *signal;
	struct http_client *http;
	char *body; /* the parcels' bytes, gathered */
	size_t body_cap;
	const char *url; /* of the http client; without secrets */
	uint64_t retry_first_ns, retry_longest_ns, give_up_ns;
	uint64_t not_before_ns; /* Retry-After binds the next request, too */
	uint64_t outage_ns;	/* since when nothing got through; 0 = all is well */
	struct log_limit refused_limit;
	atomic_bool absent;
	pthread_mutex_t lock; /* guards aborted */
	pthread_cond_t woken;
	bool aborted;
};

static void init_wait(struct otlp_sender *s)
{
	pthread_mutex_init(&s->lock, NULL);
	thread_cond_init(&s->woken);
}

static struct http_client *open_http(const struct exporter_options *o,
				     const struct otlp_endpoint *endpoint)
{
	char user_agent[128];

	snprintf(user_agent, sizeof(user_agent), "sonde/%s OTel-OTLP-Exporter-C/%s", o->version,
		 o->version);
	return http_client__new(&(struct http_options){
		.url = endpoint->url,
		.user_agent = user_agent,
		.content_type = "application/x-protobuf",
		.headers = endpoint->headers,
		.headers_cnt = endpoint->headers_cnt,
		.timeout_ms = endpoint->timeout_ms,
		.gzip_level = endpoint->gzip_level,
		.response_max_sz = OTLP_RESPONSE_MAX_SZ,
		.ca_file = endpoint->ca_file,
		.client_cert = endpoint->client_cert,
		.client_key = endpoint->client_key,
		.connected = o->connected,
		.ctx = o->ctx,
	});
}

struct otlp_sender *otlp_sender__new(const struct exporter_options *o, enum signal signal)
{
	struct otlp_sender *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	init_wait(s);
	s->signal = &signal_rows[signal];
	s->retry_first_ns = o->retry_first_ms * NS_PER_MS;
	s->retry_longest_ns = o->retry_longest_ms * NS_PER_MS;
	s->give_up_ns = o->retry_give_up_ms * NS_PER_MS;
	s->http = open_http(o, &o->endpoints[signal]);
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
	pthread_cond_destroy(&s->woken);
	pthread_mutex_destroy(&s->lock);
	free(s->body);
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
	bool aborted;

	pthread_mutex_lock(&s->lock);
	while (!s->aborted && thread_wait_until(&s->woken, &s->lock, ns))
		;
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
		{.status = 404, .text = "; is the path right?"},
		{.status = 405, .text = "; is the path right?"},
		{.status = 413,
		 .text = "; no fewer go at a time: raise its limit on the size of requests"},
		{.status = 415, .text = "; does it speak OTLP/HTTP with protobuf?"},
	};

	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (hints[i].status == status)
			return hints[i].text;
	return "";
}

static void log_absent(const struct otlp_sender *s, long status)
{
	log_warn("%s is not there (HTTP status %ld): its receiver takes no %s; none are sent until "
		 "sonde is started again",
		 s->url, status, s->signal->items);
}

static void log_refused(struct otlp_sender *s, long status, struct slice body, uint32_t cnt)
{
	struct otlp_response error;
	unsigned long missed;

	if (!log_limit_pass(&s->refused_limit, &missed))
		return;
	if (otlp_response__read_error(body, &error))
		error.message[0] = '\0';
	log_error("%s refused %u %s: HTTP status %ld%s%s%s", s->url, cnt, s->signal->items, status,
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
	account_add(s->signal->sent, cnt - rejected);
	account_add(s->signal->refused, rejected);
	if ((rejected || response.message[0]) && log_limit_pass(&s->refused_limit, &missed))
		log_warn("%s rejected %u of %u %s: %s", s->url, rejected, cnt, s->signal->items,
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

static enum verdict judge(const struct otlp_sender *s, long status)
{
	if (status >= 200 && status < 300)
		return VERDICT_ACCEPTED;
	if (status == 413)
		return VERDICT_TOO_LARGE;
	if (status == 429 || status == 502 || status == 503 || status == 504)
		return VERDICT_RETRY;
	if ((status == 404 || status == 501) && !s->signal->basic)
		return VERDICT_ABSENT;
	return VERDICT_REFUSED;
}

/* One request and its response. Never VERDICT_TOO_LARGE for a single parcel. */
static enum verdict post(struct otlp_sender *s, const struct shipment *x)
{
	struct http_response response;
	enum verdict verdict;
	int err = http_client__post(s->http, x->body, &response);

	if (err == -ENOMEM)
		log_error("cannot send %u %s: out of memory", x->items_cnt, s->signal->items);
	if (err == -ECANCELED || err == -ENOMEM)
		return VERDICT_FAILED;
	verdict = err ? VERDICT_RETRY : judge(s, response.status);
	if (verdict == VERDICT_TOO_LARGE && x->parcels_cnt == 1)
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
		count_accepted(s, response.body, x->items_cnt);
	if (verdict == VERDICT_ABSENT)
		log_absent(s, response.status);
	if (verdict == VERDICT_REFUSED)
		log_refused(s, response.status, response.body, x->items_cnt);
	return verdict;
}

/* Posts again until there is an answer or time is up; never VERDICT_RETRY. */
static enum verdict post_with_retry(struct otlp_sender *s, const struct shipment *x)
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
		verdict = post(s, x);
		if (verdict != VERDICT_RETRY)
			return verdict;
	}
	log_error("gave up on %u %s: %s has taken nothing for %g s", x->items_cnt, s->signal->items,
		  s->url, (double)s->give_up_ns / 1e9);
	return VERDICT_FAILED;
}

/* Takes the first parcels_cnt parcels off x. */
static struct shipment cut(struct shipment *x, uint32_t parcels_cnt)
{
	struct shipment head = {.first = x->first, .parcels_cnt = parcels_cnt, .body = x->body};

	head.body.n = 0;
	for (uint32_t i = 0; i < parcels_cnt; i++, x->first = x->first->next) {
		head.items_cnt += x->first->items_cnt;
		head.body.n += x->first->request.n;
	}
	x->parcels_cnt -= parcels_cnt;
	x->items_cnt -= head.items_cnt;
	x->body = slice_after(x->body, head.body.n);
	return head;
}

static void ship(struct otlp_sender *s, struct shipment x)
{
	switch (post_with_retry(s, &x)) {
	case VERDICT_TOO_LARGE:
		ship(s, cut(&x, x.parcels_cnt / 2));
		ship(s, x);
		break;
	case VERDICT_ABSENT:
		atomic_store(&s->absent, true);
		/* fall through */
	case VERDICT_REFUSED:
		account_add(s->signal->refused, x.items_cnt);
		break;
	case VERDICT_FAILED:
	case VERDICT_RETRY:
		account_add(s->signal->failed, x.items_cnt);
		break;
	case VERDICT_ACCEPTED: /* counted with the response */
		break;
	}
}

/* Room for n bytes; what was in the buffer is lost. */
static bool reserve(struct otlp_sender *s, size_t n)
{
	if (n <= s->body_cap)
		return true;
	free(s->body);
	s->body = malloc(n);
	s->body_cap = s->body ? n : 0;
	return s->body;
}

bool otlp_sender__is_absent(const struct otlp_sender *s)
{
	return atomic_load(&s->absent);
}

void otlp_sender__send(struct otlp_sender *s, const struct parcel *first)
{
	struct shipment x = {.first = first};
	char *at;

	for (const struct parcel *p = first; p; p = p->next) {
		x.parcels_cnt++;
		x.items_cnt += p->items_cnt;
		x.body.n += p->request.n;
	}
	if (otlp_sender__is_absent(s)) {
		account_add(s->signal->refused, x.items_cnt);
		return;
	}
	if (!reserve(s, x.body.n)) {
		log_error("cannot send %u %s: out of memory", x.items_cnt, s->signal->items);
		account_add(s->signal->failed, x.items_cnt);
		return;
	}
	x.body.p = at = s->body;
	for (const struct parcel *p = first; p; p = p->next)
		at = mempcpy(at, p->request.p, p->request.n);
	ship(s, x);
}
