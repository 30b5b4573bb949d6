// SPDX-License-Identifier: Apache-2.0
/* The flame graph of a profile. */
#include "user/export/flame_svg.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "user/export/flame_page.h"
#include "user/export/frame_tree.h"
#include "user/export/stream.h"

#define SHADES 6

#define NSEC 1000000000.0

static const struct kind {
	const char *name;
	char letter; /* of its classes in the style */
} kinds[] = {
	[FRAME_NONE] = {"", 'r'},	    [FRAME_NATIVE] = {"native", 'n'},
	[FRAME_KERNEL] = {"kernel", 'k'},   [FRAME_JIT] = {"JIT", 'j'},
	[FRAME_CPYTHON] = {"Python", 'p'},  [FRAME_V8JS] = {"JavaScript", 'j'},
	[FRAME_ERROR] = {"error", 'e'},	    [FRAME_WAIT] = {"wait", 'w'},
	[FRAME_INLINED] = {"inlined", 'i'},
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
	flame_page_text(pic->out, node->label);
	fprintf(pic->out, "\n%s%s", kind, *kind ? ", " : "");
	put_amount(pic, node->total, 3, percent(pic, node->total));
	fprintf(pic->out, "\n%.2f %% in itself</title>", percent(pic, node->self));
}

static void put_frame(struct picture *pic, const struct frame_node *node, uint64_t at, double width)
{
	unsigned int shade = (unsigned int)(slice_hash(node->label) % SHADES);
	char class[4] = {kinds[node->type].letter, (char)('0' + shade)};

	fprintf(pic->out, "<g data-at=\"%" PRIu64 "\" data-n=\"%" PRIu64 "\">", at, node->total);
	put_details(pic, node);
	flame_page_frame(pic->out, class, FLAME_MARGIN + (double)at * pic->px_per_weight, width,
			 node->depth, node->label);
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
		if (width_of(pic, node) >= FLAME_NARROWEST) {
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
		if (width_of(pic, node) >= FLAME_NARROWEST)
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
	fprintf(pic->out, "<text id=\"about\" x=\"%d\" y=\"44\">", FLAME_MARGIN);
	put_amount(pic, pic->tree->v[0].total, 2, -1);
	fprintf(pic->out, "  \xC2\xB7  %.1f s from %s UTC</text>\n",
		(double)(p->end_ns - p->start_ns) / NSEC, when);
}

/* Only the kinds that are there. Placed from right to left, which keeps the order for readers. */
static void put_legend(struct picture *pic)
{
	int x = 0;

	fprintf(pic->out, "<g id=\"right\" transform=\"translate(%d 0)\">\n",
		FLAME_WIDTH - FLAME_MARGIN);
	for (size_t i = KINDS_CNT; i-- > FRAME_NATIVE;) {
		if (!pic->seen[i])
			continue;
		x -= (int)strlen(kinds[i].name) * FLAME_LEGEND_LETTER + 18;
		fprintf(pic->out,
			"<rect class=\"%c1\" x=\"%d\" y=\"12\" width=\"12\" height=\"12\"/>"
			"<text class=\"legend\" x=\"%d\" y=\"22\">%s</text>\n",
			kinds[i].letter, x, x + 17, kinds[i].name);
		x -= 14;
	}
	fputs("<text id=\"matched\" x=\"-240\" y=\"56\"></text>\n</g>\n", pic->out);
}

static void put_foot(struct picture *pic, uint32_t height)
{
	fprintf(pic->out, "<text id=\"foot\" x=\"%d\" y=\"%u\">", FLAME_MARGIN, height - 12);
	if (pic->narrow_cnt)
		fprintf(pic->out, "Not drawn, as narrower than %.1f px: %u frames of ",
			FLAME_NARROWEST, pic->narrow_cnt);
	if (pic->narrow_cnt && pic->profile->off_cpu)
		put_amount(pic, pic->narrow, 3, -1);
	else if (pic->narrow_cnt)
		fprintf(pic->out, "%" PRIu64 " samples", pic->narrow);
	fputs("</text>\n", pic->out);
}

static void put_picture(struct picture *pic, const struct flame_page *page)
{
	uint64_t weight = pic->tree->v[0].total;
	uint32_t height;

	if (weight) {
		pic->px_per_weight = (FLAME_WIDTH - 2 * FLAME_MARGIN) / (double)weight;
		measure(pic);
	}
	height = FLAME_TOP + pic->rows * FLAME_ROW + FLAME_FOOT;
	flame_page_begin(page, height, pic->out);
	put_about(pic);
	put_legend(pic);
	put_frames(pic);
	put_foot(pic, height);
	flame_page_end(page, pic->out);
}

int flame_svg_write(const struct profile *p, const struct flame_page *page, FILE *out)
{
	struct frame_tree tree;
	struct picture pic = {.profile = p, .tree = &tree, .out = out};
	int err = frame_tree__init(&tree, p);

	if (err)
		return err;
	pic.next = calloc(tree.depth_max + 2, sizeof(*pic.next));
	if (pic.next)
		put_picture(&pic, page);
	err = pic.next ? stream_result(out) : -ENOMEM;
	free(pic.next);
	frame_tree__free(&tree);
	return err;
}
