// SPDX-License-Identifier: Apache-2.0
/*
 * POST by libcurl. The multi interface drives the one transfer because only it can be woken up
 * from another thread, which a shutdown with a deadline needs.
 */
#include "user/export/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/base/log.h"
#include "user/export/gzip.h"

#define POLL_MAX_MS 1000
#define CONNECT_TIMEOUT_MS 5000

struct http_client {
	CURLM *multi;
	CURL *easy;
	char *shown_url;
	struct curl_slist *headers;
	void (*connected)(void *ctx, const char *local_ip, int local_port);
	void *ctx;
	struct gzip *gzip; /* NULL: bodies go as they are */
	char *received;	   /* the response's body */
	size_t received_len, received_cap, received_max;
	bool too_long;
	_Atomic bool aborted;
	char error[HTTP_ERROR_SZ > CURL_ERROR_SIZE ? HTTP_ERROR_SZ : CURL_ERROR_SIZE];
};

static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int before_request(void *clientp, char *peer_ip, char *local_ip, int peer_port,
			  int local_port)
{
	struct http_client *c = clientp;

	(void)peer_ip;
	(void)peer_port;
	c->connected(c->ctx, local_ip, local_port);
	return CURL_PREREQFUNC_OK;
}

static size_t receive(char *p, size_t one, size_t n, void *userp)
{
	struct http_client *c = userp;
	size_t cap = c->received_cap ? c->received_cap : 4096;
	char *bigger;

	(void)one;
	if (n > c->received_max - c->received_len) {
		c->too_long = true;
		return 0;
	}
	while (cap < c->received_len + n)
		cap *= 2;
	if (cap > c->received_cap) {
		bigger = realloc(c->received, cap);
		if (!bigger)
			return 0;
		c->received = bigger;
		c->received_cap = cap;
	}
	memcpy(c->received + c->received_len, p, n);
	c->received_len += n;
	return n;
}

/* The absolute http or https URL without what may be secret; NULL, logged, if it is none. */
static char *parse_url(const char *url)
{
	CURLU *parsed = curl_url();
	char *scheme = NULL, *shown = NULL, *copy = NULL;
	CURLUcode code =
		parsed ? curl_url_set(parsed, CURLUPART_URL, url, 0) : CURLUE_OUT_OF_MEMORY;

	code = code ?: curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0);
	if (!code && strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
		code = CURLUE_UNSUPPORTED_SCHEME;
	code = code ?: curl_url_set(parsed, CURLUPART_USER, NULL, 0);
	code = code ?: curl_url_set(parsed, CURLUPART_PASSWORD, NULL, 0);
	code = code ?: curl_url_set(parsed, CURLUPART_QUERY, NULL, 0);
	code = code ?: curl_url_get(parsed, CURLUPART_URL, &shown, 0);
	if (code)
		log_error("cannot export to %s: %s; expected a URL like "
			  "http://localhost:4318/v1/traces",
			  url, curl_url_strerror(code));
	else
		copy = strdup(shown);
	curl_free(scheme);
	curl_free(shown);
	curl_url_cleanup(parsed);
	return copy;
}

static bool check_file(const char *path, const char *what)
{
	if (!path || access(path, R_OK) == 0)
		return true;
	log_error("cannot read the %s %s: %s", what, path, strerror(errno));
	return false;
}

static bool check_files(const struct http_options *o)
{
	return check_file(o->ca_file, "certificate authorities") &&
	       check_file(o->client_cert, "client certificate") &&
	       check_file(o->client_key, "client key");
}

static bool add_header(struct http_client *c, const char *name, const char *value)
{
	char line[512];
	struct curl_slist *list;
	int n = snprintf(line, sizeof(line), "%s: %s", name, value);

	list = n < (int)sizeof(line) ? curl_slist_append(c->headers, line) : NULL;
	if (list)
		c->headers = list;
	return list;
}

static bool set_headers(struct http_client *c, const struct http_options *o)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* no 100-continue */
	bool ok = list;

	c->headers = list;
	ok = ok && add_header(c, "Content-Type", o->content_type);
	if (c->gzip)
		ok = ok && add_header(c, "Content-Encoding", "gzip");
	for (size_t i = 0; ok && i < o->headers_cnt; i++) {
		list = curl_slist_append(c->headers, o->headers[i]);
		ok = list;
		c->headers = ok ? list : c->headers;
	}
	return ok && !curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
}

static bool set_transfer(struct http_client *c, const struct http_options *o)
{
	CURL *e = c->easy;

	return !curl_easy_setopt(e, CURLOPT_URL, o->url) &&
	       !curl_easy_setopt(e, CURLOPT_POST, 1L) &&
	       !curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
	       !curl_easy_setopt(e, CURLOPT_USERAGENT, o->user_agent) &&
	       !curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) &&
	       !curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)o->timeout_ms) &&
	       !curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS) &&
	       !curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L) &&
	       !curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error) &&
	       !curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, receive) &&
	       !curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
}

static bool set_callback(struct http_client *c, const struct http_options *o)
{
	c->connected = o->connected;
	c->ctx = o->ctx;
	return !o->connected ||
	       (!curl_easy_setopt(c->easy, CURLOPT_PREREQFUNCTION, before_request) &&
		!curl_easy_setopt(c->easy, CURLOPT_PREREQDATA, c));
}

static bool set_tls(struct http_client *c, const struct http_options *o)
{
	return (!o->ca_file || !curl_easy_setopt(c->easy, CURLOPT_CAINFO, o->ca_file)) &&
	       (!o->client_cert || !curl_easy_setopt(c->easy, CURLOPT_SSLCERT, o->client_cert)) &&
	       (!o->client_key || !curl_easy_setopt(c->easy, CURLOPT_SSLKEY, o->client_key));
}

struct http_client *http_client__new(const struct http_options *o)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http_client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	pthread_once(&once, init_curl);
	c->shown_url = parse_url(o->url);
	if (!c->shown_url || !check_files(o)) {
		http_client__free(c);
		errno = EINVAL;
		return NULL;
	}
	c->received_max = o->response_max_sz;
	c->gzip = o->gzip_level > 0 ? gzip__new(o->gzip_level) : NULL;
	c->multi = curl_multi_init();
	c->easy = curl_easy_init();
	if (c->multi && c->easy && (c->gzip || o->gzip_level <= 0) && set_headers(c, o) &&
	    set_transfer(c, o) && set_callback(c, o) && set_tls(c, o))
		return c;
	log_error("cannot set up the HTTP client: out of memory or libcurl lacks a feature");
	http_client__free(c);
	errno = ENOMEM;
	return NULL;
}

void http_client__free(struct http_client *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->easy);
	curl_multi_cleanup(c->multi);
	curl_slist_free_all(c->headers);
	gzip__free(c->gzip);
	free(c->shown_url);
	free(c->received);
	free(c);
}

/* Drives the transfer to its end; the result as curl has it. */
static CURLcode run(struct http_client *c)
{
	int running = 1, left;
	CURLMsg *done;

	while (running && !c->aborted) {
		if (curl_multi_perform(c->multi, &running) != CURLM_OK)
			return CURLE_FAILED_INIT;
		if (running)
			curl_multi_poll(c->multi, NULL, 0, POLL_MAX_MS, NULL);
	}
	done = curl_multi_info_read(c->multi, &left);
	return done && done->msg == CURLMSG_DONE ? done->data.result : CURLE_ABORTED_BY_CALLBACK;
}

static void fill(struct http_client *c, struct http_response *response)
{
	curl_off_t retry_after = 0;

	*response = (struct http_response){0};
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &response->status);
	curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &retry_after);
	if (retry_after > 0)
		response->retry_after_s =
			retry_after < INT32_MAX ? (unsigned int)retry_after : INT32_MAX;
	if (!c->too_long)
		response->body = slice_of(c->received, c->received_len);
}

static int to_errno(CURLcode code)
{
	switch ((int)code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		return -ENOTCONN;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return -EPROTO;
	default:
		return -EIO;
	}
}

int http_client__post(struct http_client *c, struct slice body, struct http_response *response)
{
	int err = c->gzip ? gzip__pack(c->gzip, body, &body) : 0;
	long os_errno = 0;
	CURLcode code;

	if (err)
		return err;
	c->error[0] = '\0';
	c->received_len = 0;
	c->too_long = false;
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, body.p);
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
	if (curl_multi_add_handle(c->multi, c->easy) != CURLM_OK)
		return -ENOMEM;
	code = run(c);
	fill(c, response);
	curl_multi_remove_handle(c->multi, c->easy);
	/* Too long an answer is an answer: to post again would deliver twice. */
	if (code == CURLE_OK || c->too_long)
		return 0;
	if (code == CURLE_COULDNT_CONNECT)
		curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &os_errno);
	if (os_errno) /* "Connection refused" says more than curl's own words */
		snprintf(c->error, sizeof(c->error), "%s", strerror((int)os_errno));
	else if (!c->error[0])
		snprintf(c->error, sizeof(c->error), "%s", curl_easy_strerror(code));
	return c->aborted ? -ECANCELED : to_errno(code);
}

const char *http_client__error(const struct http_client *c)
{
	return c->error;
}

const char *http_client__url(const struct http_client *c)
{
	return c->shown_url;
}

void http_client__abort(struct http_client *c)
{
	c->aborted = true;
	curl_multi_wakeup(c->multi);
}
