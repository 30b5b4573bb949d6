/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all flame graphs have in common: one file that needs nothing else, its style, its script, and how text
 * gets into it. The script (flame_graph.js) knows the names that are given to elements here and by the writers.
 */
#ifndef SONDE_EXPORT_FLAME_PAGE_H
#define SONDE_EXPORT_FLAME_PAGE_H

#include <stdbool.h>
#include <stdio.h>

#include "user/base/slice.h"

/* In px of the picture; the script has the same margin, row and column. */
#define FLAME_WIDTH 1200
#define FLAME_MARGIN 10
#define FLAME_TOP 70 /* of the first row */
#define FLAME_ROW 18
#define FLAME_FOOT 34
#define FLAME_COLUMN 7.25 /* a character of the frames' font */
#define FLAME_COLUMNS_MIN 3
#define FLAME_NARROWEST 0.1
#define FLAME_LEGEND_LETTER 7 /* its width */

struct flame_page {
	struct slice title; /* any text */
	bool html;	    /* a page with the picture in it, else the picture as SVG 1.1 */
};

/* Everything up to the title, which is at 26 px; what follows stands within the picture. */
void flame_page_begin(const struct flame_page *page, uint32_t height, FILE *out);
/* The script, and the end. */
void flame_page_end(const struct flame_page *page, FILE *out);

/* A frame's rectangle, and as much of its label as fits in; x and width in px, row counts from 0. */
void flame_page_frame(FILE *out, const char *class, double x, double width, uint32_t row,
		      struct slice label);
/* Untrusted text, escaped, in text or in an attribute. */
void flame_page_text(FILE *out, struct slice s);

#endif
