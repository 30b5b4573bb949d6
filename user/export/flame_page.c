// SPDX-License-Identifier: Apache-2.0
/*
 * The frame around flame graphs (SVG 1.1, or HTML with the same in it). Style and script stand beside this file as what
 * they are and come in as strings. Text of the profile goes into text and nowhere else, escaped.
 */
#include "user/export/flame_page.h"

#include <math.h>

#include "build/text/flame_graph.css.h"
#include "build/text/flame_graph.js.h"
#include "user/base/utf8.h"
#include "user/export/stream.h"

/* --- text -------------------------------------------------------------------------------------- */

/* What XML has no way to write. */
static bool is_forbidden(int32_t code)
{
	return code < 0 || code == 0xFFFE || code == 0xFFFF;
}

/* The first character of s, safe in text and in attributes. Returns its length in s. */
static size_t put_character(FILE *out, struct slice s)
{
	static const struct {
		char c;
		const char *entity;
	} entities[] = {
		{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"},
	};
	int32_t code;
	size_t n = utf8_decode(s, &code);

	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
		if (code == entities[i].c) {
			fputs(entities[i].entity, out);
			return n;
		}
	if (is_forbidden(code))
		fputs(UTF8_REPLACEMENT, out);
	else if (utf8_is_control(code))
		fputc(' ', out);
	else
		stream_put(out, slice_first(s, n));
	return n;
}

void flame_page_text(FILE *out, struct slice s)
{
	while (s.n)
		s = slice_after(s, put_character(out, s));
}

/* How many columns the first character of s may need; *n is its length. */
static uint32_t columns_of(struct slice s, size_t *n)
{
	int32_t code;

	*n = utf8_decode(s, &code);
	return code < 0x1100 ? 1 : 2;
}

/* As much of s as fits; what is cut ends in an ellipsis. */
static void put_fitted(FILE *out, struct slice s, uint32_t columns)
{
	uint32_t used = 0;
	size_t keep = 0, n;

	for (struct slice rest = s; rest.n; rest = slice_after(rest, n)) {
		used += columns_of(rest, &n);
		if (used < columns)
			keep = (size_t)(rest.p - s.p) + n;
	}
	if (used <= columns) {
		flame_page_text(out, s);
		return;
	}
	flame_page_text(out, slice_first(s, keep));
	fputs("\xE2\x80\xA6", out);
}

/* --- the page ---------------------------------------------------------------------------------- */

void flame_page_begin(const struct flame_page *page, uint32_t height, FILE *out)
{
	if (page->html) {
		fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>",
		      out);
		flame_page_text(out, page->title);
		fputs("</title>\n<style>body { margin: 0; }</style>\n</head>\n<body>\n", out);
	} else {
		fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", out);
	}
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"%d\" "
		"height=\"%u\" viewBox=\"0 0 %d %u\">\n"
		"<style>\n%s</style>\n"
		"<rect class=\"sheet\" width=\"100%%\" height=\"100%%\"/>\n"
		"<text id=\"title\" x=\"%d\" y=\"26\">",
		FLAME_WIDTH, height, FLAME_WIDTH, height, flame_graph_css, FLAME_MARGIN);
	flame_page_text(out, page->title);
	fputs("</text>\n", out);
}

void flame_page_end(const struct flame_page *page, FILE *out)
{
	fprintf(out, "<script><![CDATA[\n%s]]></script>\n</svg>\n", flame_graph_js);
	if (page->html)
		fputs("</body>\n</html>\n", out);
}

void flame_page_frame(FILE *out, const char *class, double x, double width, uint32_t row,
		      struct slice label)
{
	uint32_t y = FLAME_TOP + row * FLAME_ROW;
	uint32_t columns = width > 6 ? (uint32_t)((width - 6) / FLAME_COLUMN) : 0;

	fprintf(out, "<rect class=\"%s\" x=\"%.2f\" y=\"%u\" width=\"%.2f\" height=\"%d\"/>", class,
		x, y, width - fmin(1, width / 4), FLAME_ROW - 1);
	if (columns >= FLAME_COLUMNS_MIN) {
		fprintf(out, "<text x=\"%.2f\" y=\"%u\">", x + 4, y + 13);
		put_fitted(out, label, columns);
		fputs("</text>", out);
	}
}
