/* SPDX-License-Identifier: Apache-2.0 */
/* Publishes a process context as an SDK would (OTEP 4719), for the tests that read it. */
#ifndef SONDE_TESTS_OTEL_CTX_H
#define SONDE_TESTS_OTEL_CTX_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define OTEL_CTX_SZ 8192

struct otel_ctx {
	char signature[8];
	uint32_t version, payload_sz;
	uint64_t published_ns, payload;
};

/* A field of bytes, at most 127; returns its end. */
static inline char *put_field(char *at, uint32_t number, const char *bytes, size_t n)
{
	*at++ = (char)(number << 3 | 2);
	*at++ = (char)n;
	memcpy(at, bytes, n);
	return at + n;
}

/* A KeyValue of such a number, its value an AnyValue as it stands on the wire. */
static inline char *put_pair(char *at, uint32_t number, const char *key, const char *value,
			     size_t value_n)
{
	char pair[128];
	char *end = put_field(put_field(pair, 1, key, strlen(key)), 2, value, value_n);

	return put_field(at, number, pair, (size_t)(end - pair));
}

static inline char *put_text_pair(char *at, uint32_t number, const char *key, const char *text)
{
	char value[128];
	char *end = put_field(value, 1, text, strlen(text));

	return put_pair(at, number, key, value, (size_t)(end - value));
}

/* A mapping of memory that is shared, named OTEL_CTX; NULL if there is none. */
static inline struct otel_ctx *otel_ctx_map(void)
{
	int fd = memfd_create("OTEL_CTX", MFD_CLOEXEC);
	void *at = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, OTEL_CTX_SZ) == 0)
		at = mmap(NULL, OTEL_CTX_SZ, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return at == MAP_FAILED ? NULL : at;
}

/* The payload behind the header. */
static inline void otel_ctx_publish(struct otel_ctx *ctx, uint64_t at_ns, const char *payload,
				    size_t n)
{
	ctx->version = 2;
	ctx->payload_sz = (uint32_t)n;
	ctx->payload = (uint64_t)(ctx + 1);
	memcpy(ctx + 1, payload, n);
	ctx->published_ns = at_ns;
	memcpy(ctx->signature, "OTEL_CTX", sizeof(ctx->signature));
}

/* With a resource of these strings. */
static inline void otel_ctx_publish_pairs(struct otel_ctx *ctx, uint64_t at_ns,
					  const char *const pairs[][2], size_t pairs_cnt)
{
	char resource[128], payload[256], *end = resource;

	for (size_t i = 0; i < pairs_cnt; i++)
		end = put_text_pair(end, 1, pairs[i][0], pairs[i][1]);
	end = put_field(payload, 1, resource, (size_t)(end - resource));
	otel_ctx_publish(ctx, at_ns, payload, (size_t)(end - payload));
}

#endif
