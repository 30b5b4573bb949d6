// SPDX-License-Identifier: Apache-2.0
/*
 * The flame graph's picture (SVG 1.1). Style and script stand beside this file as what they are and
 * come in as strings. Text of the profile goes into text and nowhere else, escaped.
 */
#include "user/export/flame_svg.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "build/text/flame_graph.css.h"
#include "build/text/flame_graph.js.h"
#include "user/base/utf8.h"
#include "user/export/frame_tree.h"
#include "user/export/stream.h"

/* In px of the picture; the script has the same margin and column. */
#define WIDTH 1200
#define MARGIN 10
#define TOP 70 /* of the first row */
#define ROW 18
#define FOOT 34
#define COLUMN 7.25 /* a character of the frames' font */
#define COLUMNS_MIN 3
#define NARROWEST 0.1
#define SHADES 6
#define LEGEND_LETTER 7 /* its width */

#define NSEC 1000000000.0

static const struct kind {
	const char *name;
	char letter; /* of its classes in the style */
} kinds[] = {
	[FRAME_NONE] = {"", 'r'},	   [FRAME_NATIVE] = {"native", 'n'},
	[FRAME_KERNEL] = {"kernel", 'k'},  [FRAME_JIT] = {"JIT", 'j'},
	[FRAME_CPYTHON] = {"Python", 'p'}, [FRAME_ERROR] = {"error", 'e'},
	[FRAME_WAIT] = {"wait", 'w'},
};

#define KINDS_CNT (sizeof(kinds) / sizeof(kinds[0]))

struct picture {
	const struct profile *profile;
	const struct frame_tree *tree;
	double px_per_weight;
	uint64_t *next;	     /* by depth: the weight at which the next frame begins */
	uint32_t rows;	     /* drawn */
	uint32_t narrow_cnt; /* frames not drawn */
	uint64_t narrow;     /* their weight */
	bool seen[KINDS_CNT];
	FILE *out;
};

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

static void put_text(FILE *out, struct slice s)
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
		put_text(out, s);
		return;
	}
	put_text(out, slice_first(s, keep));
	fputs("\xE2\x80\xA6", out);
}

/* --- frames ------------------------------------------------------------------------------------ */

static double percent(const struct picture *pic, uint64_t weight)
{
	return 100 * (double)weight / (double)pic->tree->v[0].total;
}

/* share: in percent; below 0: none. */
static void put_amount(struct picture *pic, uint64_t weight, int digits, double share)
{
	const struct profile *p = pic->profile;

	if (!p->off_cpu)
		fprintf(pic->out, "%" PRIu64 " samples, ", weight);
	if (share >= 0)
		fprintf(pic->out, "%.2f %%, ", share);
	fprintf(pic->out, "%.*f s %s", digits,
		(double)weight * (p->off_cpu ? 1 : (double)p->period_ns) / NSEC,
		p->off_cpu ? "off the CPUs" : "of CPU time");
}

/* The first line is the name: the script takes it from there. */
static void put_details(struct picture *pic, const struct frame_node *node)
{
	const char *kind = kinds[node->type].name;

	fputs("<title>", pic->out);
	put_text(pic->out, node->label);
	fprintf(pic->out, "\n%s%s", kind, *kind ? ", " : "");
	put_amount(pic, node->total, 3, percent(pic, node->total));
	fprintf(pic->out, "\n%.2f %% in itself</title>", percent(pic, node->self));
}

static void put_frame(struct picture *pic, const struct frame_node *node, uint64_t at, double width)
{
	double x = MARGIN + (double)at * pic->px_per_weight;
	uint32_t y = TOP + node->depth * ROW;
	uint32_t columns = width > 6 ? (uint32_t)((width - 6) / COLUMN) : 0;

	fprintf(pic->out, "<g data-at=\"%" PRIu64 "\" data-n=\"%" PRIu64 "\">", at, node->total);
	put_details(pic, node);
	fprintf(pic->out, "<rect class=\"%c%u\" x=\"%.2f\" y=\"%u\" width=\"%.2f\" height=\"%d\"/>",
		kinds[node->type].letter, (unsigned int)(slice_hash(node->label) % SHADES), x, y,
		width - fmin(1, width / 4), ROW - 1);
	if (columns >= COLUMNS_MIN) {
		fprintf(pic->out, "<text x=\"%.2f\" y=\"%u\">", x + 4, y + 13);
		put_fitted(pic->out, node->label, columns);
		fputs("</text>", pic->out);
	}
	fputs("</g>\n", pic->out);
}

static double width_of(const struct picture *pic, const struct frame_node *node)
{
	return (double)node->total * pic->px_per_weight;
}

/* What the frame of the picture must know before its frames are written. */
static void measure(struct picture *pic)
{
	uint32_t left_out = UINT32_MAX; /* depth of the frame below which we are */

	for (uint32_t i = 0; i < pic->tree->cnt; i++) {
		const struct frame_node *node = &pic->tree->v[i];

		if (node->depth <= left_out)
			left_out = UINT32_MAX;
		if (width_of(pic, node) >= NARROWEST) {
			pic->rows = node->depth >= pic->rows ? node->depth + 1 : pic->rows;
			pic->seen[node->type] = true;
			continue;
		}
		pic->narrow_cnt++;
		if (left_out == UINT32_MAX) {
			left_out = node->depth;
			pic->narrow += node->total;
		}
	}
}

static void put_frames(struct picture *pic)
{
	fputs("<g id=\"frames\">\n", pic->out);
	for (uint32_t i = 0; i < pic->tree->cnt; i++) {
		const struct frame_node *node = &pic->tree->v[i];
		uint64_t at = pic->next[node->depth];

		pic->next[node->depth] = at + node->total;
		pic->next[node->depth + 1] = at;
		if (width_of(pic, node) >= NARROWEST)
			put_frame(pic, node, at, width_of(pic, node));
	}
	fputs("</g>\n", pic->out);
}

/* --- around them ------------------------------------------------------------------------------- */

static void put_about(struct picture *pic)
{
	const struct profile *p = pic->profile;
	time_t start = (time_t)(p->start_ns / 1000000000);
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&start, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(pic->out, "<text id=\"about\" x=\"%d\" y=\"44\">", MARGIN);
	put_amount(pic, pic->tree->v[0].total, 2, -1);
	fprintf(pic->out, "  \xC2\xB7  %.1f s from %s UTC</text>\n",
		(double)(p->end_ns - p->start_ns) / NSEC, when);
}

/* Only the kinds that are there. Placed from right to left, which keeps the order for readers. */
static void put_legend(struct picture *pic)
{
	int x = 0;

	fprintf(pic->out, "<g id=\"right\" transform=\"translate(%d 0)\">\n", WIDTH - MARGIN);
	for (size_t i = KINDS_CNT; i-- > FRAME_NATIVE;) {
		if (!pic->seen[i])
			continue;
		x -= (int)strlen(kinds[i].name) * LEGEND_LETTER + 18;
		fprintf(pic->out,
			"<rect class=\"%c1\" x=\"%d\" y=\"12\" width=\"12\" height=\"12\"/>"
			"<text class=\"legend\" x=\"%d\" y=\"22\">%s</text>\n",
			kinds[i].letter, x, x + 17, kinds[i].name);
		x -= 14;
	}
	fputs("<text id=\"matched\" x=\"-240\" y=\"56\"></text>\n</g>\n", pic->out);
}

static void put_head(struct picture *pic, struct slice title, uint32_t height)
{
	fprintf(pic->out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"%d\" "
		"height=\"%u\" viewBox=\"0 0 %d %u\">\n"
		"<style>\n%s</style>\n"
		"<rect class=\"sheet\" width=\"100%%\" height=\"100%%\"/>\n"
		"<text id=\"title\" x=\"%d\" y=\"26\">",
		WIDTH, height, WIDTH, height, flame_graph_css, MARGIN);
	put_text(pic->out, title);
	fputs("</text>\n", pic->out);
	put_about(pic);
	put_legend(pic);
}

static void put_foot(struct picture *pic, uint32_t height)
{
	fprintf(pic->out, "<text id=\"foot\" x=\"%d\" y=\"%u\">", MARGIN, height - 12);
	if (pic->narrow_cnt)
		fprintf(pic->out, "Not drawn, as narrower than %.1f px: %u frames of ", NARROWEST,
			pic->narrow_cnt);
	if (pic->narrow_cnt && pic->profile->off_cpu)
		put_amount(pic, pic->narrow, 3, -1);
	else if (pic->narrow_cnt)
		fprintf(pic->out, "%" PRIu64 " samples", pic->narrow);
	fprintf(pic->out, "</text>\n<script><![CDATA[\n%s]]></script>\n</svg>\n", flame_graph_js);
}

static void put_picture(struct picture *pic, struct slice title)
{
	uint64_t weight = pic->tree->v[0].total;
	uint32_t height;

	if (weight) {
		pic->px_per_weight = (WIDTH - 2 * MARGIN) / (double)weight;
		measure(pic);
	}
	height = TOP + pic->rows * ROW + FOOT;
	put_head(pic, title, height);
	put_frames(pic);
	put_foot(pic, height);
}

int flame_svg_write(const struct profile *p, const char *title, FILE *out)
{
	struct frame_tree tree;
	struct picture pic = {.profile = p, .tree = &tree, .out = out};
	int err = frame_tree__init(&tree, p);

	if (err)
		return err;
	pic.next = calloc(tree.depth_max + 2, sizeof(*pic.next));
	if (pic.next)
		put_picture(&pic, slice_str(title));
	err = pic.next ? stream_result(out) : -ENOMEM;
	free(pic.next);
	frame_tree__free(&tree);
	return err;
}
