// SPDX-License-Identifier: Apache-2.0
/* `sonde redact`: what redaction makes of lines from standard input. */
#include "user/run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/account.h"
#include "user/base/log.h"
#include "user/policy/redact_json.h"
#include "user/redaction.h"

#define LINE_MAX_SZ (1u << 20)
#define ARENA_MAX (16u << 20) /* texts of one line */

struct redacting {
	struct redactor *redactor;
	struct slice attribute; /* that a line of plain text is the value of */
	struct arena arena;
	struct json_writer json;
	uint64_t lines_cnt, long_cnt;
};

static void redact_line(struct redacting *r, struct slice line)
{
	struct attr attr = {.key = r->attribute, .type = ATTR_STRING, .str = line};

	r->lines_cnt++;
	arena__reset(&r->arena);
	json_writer__reset(&r->json);
	if (redact_json(r->redactor, line, &r->json, &r->arena))
		attr.str = json_writer__text(&r->json);
	else if (line.n && !redactor__attr(r->redactor, &attr, &r->arena))
		return; /* a rule deletes it */
	fwrite(attr.str.p, 1, attr.str.n, stdout);
	putchar('\n');
}

/* Too long to look at: none of it is shown. */
static void hide_line(struct redacting *r)
{
	if (!r->long_cnt++)
		log_warn("lines longer than %u bytes are not shown", LINE_MAX_SZ);
	account_add(ACCOUNT_REDACT_ALL, 1);
	puts("REDACTED");
}

static int redact_lines(struct redacting *r, char *buf)
{
	size_t n = 0;
	bool hidden = false;
	int c;

	while ((c = getchar_unlocked()) != EOF) {
		if (c != '\n') {
			hidden |= n == LINE_MAX_SZ;
			if (n < LINE_MAX_SZ)
				buf[n++] = (char)c;
			continue;
		}
		if (hidden)
			hide_line(r);
		else
			redact_line(r, slice_of(buf, n));
		n = 0;
		hidden = false;
		if (ferror(stdout))
			return -EIO;
	}
	if (hidden)
		hide_line(r);
	else if (n)
		redact_line(r, slice_of(buf, n));
	return ferror(stdin) ? -EIO : 0;
}

static void tell(void *ctx, const char *what, uint64_t hits)
{
	(void)ctx;
	fprintf(stderr, "%8" PRIu64 "  %s\n", hits, what);
}

static void explain(const struct redacting *r)
{
	fprintf(stderr, "%8" PRIu64 "  lines\n", r->lines_cnt + r->long_cnt);
	redactor__hits(r->redactor, tell, NULL);
	if (account_get(ACCOUNT_REDACT_ALL))
		tell(NULL, "redacted whole", account_get(ACCOUNT_REDACT_ALL));
}

int run_redact(const struct options *options)
{
	struct redacting r = {.attribute = slice_str(options->attribute ?: "text")};
	char *buf = malloc(LINE_MAX_SZ);
	char why[REDACT_WHY_SZ] = "out of memory";
	int err = -EIO;

	arena__init(&r.arena, ARENA_MAX);
	json_writer__init(&r.json, ARENA_MAX);
	r.redactor = buf ? redaction_new(&options->config, why) : NULL;
	if (!r.redactor) {
		log_error("%s", why);
		goto cleanup;
	}
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* somebody may be looking at tail -f */
	err = redact_lines(&r, buf);
	if (err)
		log_error("cannot read standard input, or write standard output");
	if (options->explain)
		explain(&r);
cleanup:
	redactor__free(r.redactor);
	json_writer__free(&r.json);
	arena__free(&r.arena);
	free(buf);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
