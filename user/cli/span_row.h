/* SPDX-License-Identifier: Apache-2.0 */
/* What of a span a person sees in one line of `sonde trace`: taken from the span, and shown. */
#ifndef SONDE_CLI_SPAN_ROW_H
#define SONDE_CLI_SPAN_ROW_H

#include "user/cli/line.h"
#include "user/model/span.h"

#define SPAN_ROW_TEXT_SZ 384 /* for all texts of a row together */

struct span_row {
	uint64_t start_ns, duration_ns;
	int64_t request_sz, response_sz; /* bytes; negative: not known */
	int64_t http_status;		 /* 0: none */
	uint8_t kind;			 /* enum span_kind */
	uint8_t links_cnt;
	bool error;
	bool url; /* peer is a URL */
	/* Copies, cut to bounds, in this order in text. */
	uint8_t service_len, name_len, code_len, peer_len;
	char text[SPAN_ROW_TEXT_SZ];
};

/* Copies what it needs of span. */
void span_row__fill(struct span_row *row, const struct span *span);
/* Writes the row to line, tree being the branches in front of its name. */
void span_row__show(const struct span_row *row, struct slice tree, struct line *line);
/* Writes the header to line. */
void span_row__show_header(struct line *line);

#endif
