/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line for a terminal or a file, with columns, colours and a maximum width. Text from the wire
 * cannot move the cursor, change colours or reorder what is shown: such characters are spelt out.
 */
#ifndef SONDE_CLI_LINE_H
#define SONDE_CLI_LINE_H

#include <stdio.h>

#include "user/base/slice.h"

#define LINE_SZ 4096

enum view_format {
	VIEW_TEXT,
	VIEW_JSON,
};

/* Select Graphic Rendition: parameters of the escape sequence, for line_style. */
#define STYLE_NONE ""
#define STYLE_BOLD "1"
#define STYLE_DIM "2"
#define STYLE_RED "31"
#define STYLE_GREEN "32"
#define STYLE_YELLOW "33"
#define STYLE_CYAN "36"

struct line {
	unsigned int width; /* columns at most; 0: no limit */
	bool colour;
	bool utf8; /* else only ASCII is written */
	/* below: of the line now being written */
	bool cut;
	bool styled;	      /* a style is on */
	unsigned int columns; /* so far */
	size_t n;
	size_t fit_n; /* bytes that leave a column for the mark of a cut */
	unsigned int fit_columns;
	char text[LINE_SZ];
};

/* Ends the line, writes it and begins the next. 0, or a negative errno. */
int line__write(struct line *line, FILE *out);

/* From here on in that style. */
void line_style(struct line *line, const char *style);
/* Untrusted text in at most max_columns columns (0: no limit), an ellipsis for what is cut. */
void line_text(struct line *line, struct slice text, unsigned int max_columns);
/* The same in a style, and then no style. */
void line_styled(struct line *line, const char *style, struct slice text);
/* Spaces until that many columns are written; none if they are. */
void line_pad(struct line *line, unsigned int columns);
/* Goes on at that column, which is beyond width so far, in lines of the new width. */
void line_widen(struct line *line, unsigned int column, unsigned int width);
/* A space, then untrusted text, its end at that column if it is short enough. */
void line_right(struct line *line, struct slice text, unsigned int columns);

#endif
