/* SPDX-License-Identifier: Apache-2.0 */
/* What of a span a person sees in one line of `sonde trace`: taken from the span, and shown. */
#ifndef SONDE_CLI_SPAN_ROW_H
#define SONDE_CLI_SPAN_ROW_H

#include "user/cli/line.h"
#include "user/cli/time_shares.h"
#include "user/model/span.h"

#define SPAN_ROW_TEXT_SZ 384 /* for all texts of a row together */

/* How its parent was found, as far as that matters to who looks. */
enum row_parent {
	ROW_PARENT_ELSEWHERE, /* none is known on this host */
	ROW_PARENT_SOCKET,    /* the other end of its connection */
	ROW_PARENT_HERE,      /* otherwise, on this host */
	ROW_PARENT_UNDECIDED,
};

struct span_row {
	uint64_t start_ns, duration_ns;
	int64_t request_sz, response_sz; /* bytes; negative: not known */
	int64_t http_status;		 /* 0: none */
	uint8_t kind;			 /* enum span_kind */
	uint8_t method;			 /* enum row_parent */
	uint8_t candidates_cnt;		 /* of ROW_PARENT_UNDECIDED; 0: not known */
	uint8_t links_cnt;
	bool error;
	bool url; /* peer is a URL */
	struct time_shares times;
	/* Copies, cut to bounds, in this order in text. */
	uint8_t service_len, name_len, code_len, peer_len;
	char text[SPAN_ROW_TEXT_SZ];
};

/* Where a row stands. */
struct span_row_place {
	struct slice tree;	 /* the guides in front of its name */
	unsigned int text_width; /* columns that the row has; 0: no limit */
	bool marked;		 /* on the critical path */
	bool late;		 /* it ended after its parent */
};

/* Copies what it needs of span. */
void span_row__fill(struct span_row *row, const struct span *span);
/* Writes the row to line. */
void span_row__show(const struct span_row *row, const struct span_row_place *place,
		    struct line *line);
/* Writes the header to line. */
void span_row__show_header(unsigned int text_width, struct line *line);
/* The style of a span's bar: by error, or by kind. */
const char *span_row__style(const struct span_row *row);

#endif
