// SPDX-License-Identifier: Apache-2.0
/* A line is built character by character, so that a cut never falls inside one. */
#include "user/cli/line.h"

#include <errno.h>

#include "user/base/utf8.h"
#include "user/cli/columns.h"

#define STYLE_END SLICE("\033[0m")
#define TAIL_SZ 16 /* kept free for the ellipsis, the end of the style and the newline */

static void reset(struct line *line)
{
	line->cut = false;
	line->styled = false;
	line->columns = 0;
	line->n = 0;
	line->fit_n = 0;
	line->fit_columns = 0;
}

static void append(struct line *line, struct slice s)
{
	if (s.n)
		memcpy(line->text + line->n, s.p, s.n);
	line->n += s.n;
}

static struct slice ellipsis(const struct line *line)
{
	return line->utf8 ? SLICE("…") : SLICE("~");
}

/* One printable character. */
static void put(struct line *line, struct slice s, unsigned int columns)
{
	if (line->cut)
		return;
	if (!line->width || line->columns < line->width) {
		line->fit_n = line->n;
		line->fit_columns = line->columns;
	}
	if ((line->width && line->columns + columns > line->width) ||
	    line->n + s.n + TAIL_SZ > LINE_SZ) {
		line->n = line->fit_n;
		append(line, ellipsis(line));
		line->columns = line->fit_columns + 1;
		line->cut = true;
		line->styled = line->colour; /* its end may be what was taken back */
		return;
	}
	append(line, s);
	line->columns += columns;
}

static void put_ascii(struct line *line, const char *s)
{
	for (; *s; s++)
		put(line, slice_of(s, 1), 1);
}

int line__write(struct line *line, FILE *out)
{
	bool failed;

	if (line->styled)
		append(line, STYLE_END);
	append(line, SLICE("\n"));
	errno = 0;
	failed = fwrite(line->text, 1, line->n, out) != line->n;
	reset(line);
	return failed ? -(errno ?: EIO) : 0;
}

void line_style(struct line *line, const char *style)
{
	if (!line->colour || line->cut || line->n + 2 * TAIL_SZ > LINE_SZ)
		return;
	if (line->styled)
		append(line, STYLE_END);
	line->styled = *style;
	if (*style) {
		append(line, SLICE("\033["));
		append(line, slice_str(style));
		append(line, SLICE("m"));
	}
}

/* --- untrusted text --------------------------------------------------------------------------- */

/* A character as it will be shown. */
struct glyph {
	char spelt[12]; /* \xff or \u10ffff */
	struct slice text;
	unsigned int columns;
};

static void spell(struct glyph *glyph, const char *format, unsigned int code)
{
	int n = snprintf(glyph->spelt, sizeof(glyph->spelt), format, code);

	glyph->text = slice_of(glyph->spelt, (size_t)n);
	glyph->columns = (unsigned int)n;
}

/* Reads one character of s, which is not empty; returns its length. */
static size_t read_glyph(const struct line *line, struct slice s, struct glyph *glyph)
{
	int32_t code;
	size_t n = utf8_decode(s, &code);
	int columns = columns_of(code);

	glyph->text = slice_first(s, n);
	glyph->columns = (unsigned int)columns;
	if (code < 0) {
		spell(glyph, "\\x%02x", (unsigned char)s.p[0]);
		return 1; /* each byte of what is ill-formed is spelt out */
	}
	if (columns < 0)
		spell(glyph, code < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned int)code);
	else if (code >= 0x80 && !line->utf8)
		spell(glyph, "?", 0);
	return n;
}

/* Columns of all of the text, or more than max. */
static unsigned int measure(const struct line *line, struct slice text, unsigned int max)
{
	unsigned int columns = 0;
	struct glyph glyph;

	while (text.n && columns <= max) {
		text = slice_after(text, read_glyph(line, text, &glyph));
		columns += glyph.columns;
	}
	return columns;
}

void line_text(struct line *line, struct slice text, unsigned int max_columns)
{
	bool shorten = max_columns && measure(line, text, max_columns) > max_columns;
	unsigned int used = 0;
	struct glyph glyph;

	while (text.n && !line->cut) {
		text = slice_after(text, read_glyph(line, text, &glyph));
		used += glyph.columns;
		if (shorten && used >= max_columns) {
			put(line, ellipsis(line), 1);
			return;
		}
		if (glyph.text.p == glyph.spelt)
			for (size_t i = 0; i < glyph.text.n; i++)
				put(line, slice_of(glyph.spelt + i, 1), 1);
		else
			put(line, glyph.text, glyph.columns);
	}
}

void line_styled(struct line *line, const char *style, struct slice text)
{
	if (!text.n)
		return;
	line_style(line, style);
	line_text(line, text, 0);
	line_style(line, STYLE_NONE);
}

void line_pad(struct line *line, unsigned int columns)
{
	while (line->columns < columns && !line->cut)
		put_ascii(line, " ");
}

void line_widen(struct line *line, unsigned int column, unsigned int width)
{
	bool full = line->n + 2 * TAIL_SZ > LINE_SZ; /* cut for its bytes, not its columns */

	line->width = width;
	if (full)
		return;
	line->cut = false;
	line_style(line, STYLE_NONE);
	line_pad(line, column);
}

void line_right(struct line *line, struct slice text, unsigned int columns)
{
	unsigned int own = measure(line, text, columns);

	line_text(line, SLICE(" "), 0);
	if (own < columns)
		line_pad(line, columns - own);
	line_text(line, text, 0);
}
