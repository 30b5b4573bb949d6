// SPDX-License-Identifier: Apache-2.0
/* Words and JSON for the account. */
#include "user/cli/account_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "user/base/account.h"
#include "user/cli/unknown_view.h"

struct text {
	char *buf;
	size_t sz, used;
};

static void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *text, const char *format, ...)
{
	va_list args;
	int n;

	if (text->used >= text->sz)
		return;
	va_start(args, format);
	n = vsnprintf(text->buf + text->used, text->sz - text->used, format, args);
	va_end(args);
	if (n > 0)
		text->used += (size_t)n;
}

/* "12 gap, 3 evicted" of the counters of one stem; returns their sum. */
static uint64_t put_causes(struct text *text, const char *stem, const char *before)
{
	uint64_t sum = 0;

	for (int i = 0; i < ACCOUNT_CNT; i++) {
		uint64_t n = account_get((enum account_entry)i);

		if (!n || strcmp(account_rows[i].stem, stem) != 0 || !account_rows[i].cause[0])
			continue;
		put(text, "%s%" PRIu64 " %s", sum ? ", " : before, n, account_rows[i].cause);
		sum += n;
	}
	return sum;
}

static void put_if(struct text *text, enum account_entry entry, const char *what)
{
	uint64_t n = account_get(entry);

	if (n)
		put(text, "; %" PRIu64 " %s", n, what);
}

static void put_samples(struct text *text, const char *before)
{
	uint64_t linked = account_get(ACCOUNT_SAMPLES_LINKED);

	put(text, "%s%" PRIu64 " samples", before, account_get(ACCOUNT_SAMPLES));
	if (linked)
		put(text, ", %" PRIu64 " linked to spans", linked);
	if (!put_causes(text, "samples_lost", ", lost: "))
		put(text, ", none lost");
	put_if(text, ACCOUNT_SAMPLES_PUBLISHED, "of spans that their programs' own SDK names");
	put_if(text, ACCOUNT_SAMPLES_SENT, "samples exported");
	put_if(text, ACCOUNT_STACKS_WHOLE, "stacks whole");
	put_causes(text, "stacks_cut", "; stacks cut: ");
	put_causes(text, "source_lines_lost", "; addresses without lines: ");
}

void account_text(char *buf, size_t buf_sz)
{
	uint64_t spans = account_get(ACCOUNT_SPANS), profiled = account_get(ACCOUNT_PROFILES);
	struct text text = {.buf = buf, .sz = buf_sz};

	if (spans || !profiled || account_get(ACCOUNT_CONNECTIONS)) {
		put(&text, "%" PRIu64 " spans", spans);
		if (!put_causes(&text, "lost", ", lost: "))
			put(&text, ", nothing lost");
		put_if(&text, ACCOUNT_LEFT_OUT_SDK, "left out beside their programs' own");
		put_if(&text, ACCOUNT_SAMPLED_OUT, "sampled out");
		put_if(&text, ACCOUNT_PARENTS_REFUSED,
		       "without their parent, whose trace has grown to its bounds");
	}
	if (profiled)
		put_samples(&text, text.used ? "; " : "");
	put_causes(&text, "exported", "; exported: ");
	put_causes(&text, "export_lost", "; not delivered: ");
	put_if(&text, ACCOUNT_RING_FULL, "records did not fit the ring (raise capture.ring_size)");
	put_if(&text, ACCOUNT_UNRETURNED, "operations whose return the kernel did not report");
	put_if(&text, ACCOUNT_TLS_UNBOUND, "TLS operations of which the socket was not known");
	put_if(&text, ACCOUNT_TLS_BUSY, "TLS operations that found no room");
	put_if(&text, ACCOUNT_RESPONSES_EARLY, "responses to requests from before the start");
	put_if(&text, ACCOUNT_CONNECTIONS_UNKNOWN, "connections of no known protocol");
}

void account_line(FILE *out, bool json, const struct unknown_row *rows, size_t cnt)
{
	const char *between = "";
	char line[1024];

	if (!json) {
		unknown_view(out, VIEW_TEXT, rows, cnt);
		account_text(line, sizeof(line));
		fprintf(out, "%s\n", line);
		return;
	}
	fprintf(out, "account: {");
	for (int i = 0; i < ACCOUNT_CNT; i++) {
		uint64_t n = account_get((enum account_entry)i);
		const struct account_row *row = &account_rows[i];

		if (!n)
			continue;
		fprintf(out, "%s\"%s%s%s\":%" PRIu64, between, row->stem, row->cause[0] ? "." : "",
			row->cause, n);
		between = ",";
	}
	if (cnt)
		fprintf(out, "%s\"unknown\":", between);
	unknown_view(out, VIEW_JSON, rows, cnt);
	fprintf(out, "}\n");
}
