// SPDX-License-Identifier: Apache-2.0
/*
 * Shares, not amounts, are compared, so sides of different size can be. Whether a difference is beyond chance is judged
 * by the interval of Agresti and Caffo for two proportions (one sample more in the frame and one more out of it on either
 * side), as if samples came independently; those of one request do not quite, hence three standard errors.
 */
#include "user/export/flame_diff.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "user/export/stream.h"

#define FOOT_MORE 18 /* a line more than other pictures have */
#define STEPS 4
#define ERRORS 3.0
#define SWATCH 16
#define NSEC 1000000000.0
#define MSEC 1000000.0

struct picture {
	const struct flame_diff *diff;
	const struct frame_tree *tree;
	uint64_t samples[FRAME_SIDES];
	uint64_t weight[FRAME_SIDES];  /* of all */
	uint64_t (*next)[FRAME_SIDES]; /* by depth: where the next frame begins, of each side */
	uint32_t rows;		       /* drawn */
	uint32_t narrow_cnt;	       /* frames not drawn */
	FILE *out;
};

/* Are weights numbers of samples, and not times? */
static bool is_counted(const struct flame_diff *diff)
{
	return diff->counts || !diff->profile->off_cpu;
}

void flame_diff_count(const struct flame_diff *diff, uint64_t samples[FRAME_SIDES])
{
	for (int i = 0; i < FRAME_SIDES; i++)
		samples[i] = 0;
	for (uint32_t i = 0; i < diff->profile->samples.cnt; i++)
		if (diff->sides[i] < FRAME_SIDES)
			samples[diff->sides[i]] +=
				diff->counts ? profile_weight(diff->profile,
							      &diff->profile->samples.v[i])
					     : 1;
}

bool flame_diff_is_enough(const struct flame_diff *diff, const uint64_t samples[FRAME_SIDES])
{
	uint32_t least = is_counted(diff) ? FLAME_DIFF_SAMPLES_MIN : 1;

	return samples[0] >= least && samples[1] >= least;
}

/* --- numbers ----------------------------------------------------------------------------------- */

static uint64_t total_of(const struct frame_node *node, int side)
{
	return side ? node->other_total : node->total;
}

static uint64_t self_of(const struct frame_node *node, int side)
{
	return side ? node->other_self : node->self;
}

/* From 0 to 1. */
static double share(const struct picture *pic, uint64_t weight, int side)
{
	return (double)weight / (double)pic->weight[side];
}

/* How much more the first side has of it, in shares. */
static double more_of(const struct picture *pic, const struct frame_node *node)
{
	return share(pic, node->total, 0) - share(pic, node->other_total, 1);
}

/* In samples; of time spent waiting nothing is known about chance. */
static bool beyond_chance(const struct picture *pic, const struct frame_node *node)
{
	double estimate[FRAME_SIDES], variance = 0;

	if (!is_counted(pic->diff))
		return fabs(more_of(pic, node)) >= 0.01;
	for (int i = 0; i < FRAME_SIDES; i++) {
		double n = (double)pic->weight[i] + 2;

		estimate[i] = ((double)total_of(node, i) + 1) / n;
		variance += estimate[i] * (1 - estimate[i]) / n;
	}
	return fabs(estimate[0] - estimate[1]) > ERRORS * sqrt(variance);
}

/* "m3": the first side has much more of it; "l1": a little less; "d0": nothing that is beyond chance. */
static void class_of(const struct picture *pic, const struct frame_node *node, char class[3])
{
	static const double from[STEPS] = {0, 0.05, 0.15, 0.3};
	double more = more_of(pic, node);
	int step = 0;

	while (step < STEPS && fabs(more) >= from[step])
		step++;
	if (!beyond_chance(pic, node))
		step = 0;
	class[0] = !step ? 'd' : more > 0 ? 'm' : 'l';
	class[1] = (char)('0' + step);
	class[2] = '\0';
}

/* In the picture as it is first shown. */
static double width_of(const struct picture *pic, const struct frame_node *node)
{
	double mean = (share(pic, node->total, 0) + share(pic, node->other_total, 1)) / 2;

	return mean * (FLAME_WIDTH - 2 * FLAME_MARGIN);
}

static double time_ns(const struct picture *pic, uint64_t weight)
{
	const struct profile *p = pic->diff->profile;

	return (double)weight * (p->off_cpu ? 1 : (double)p->period_ns);
}

/* --- frames ------------------------------------------------------------------------------------ */

/* "320 samples", "45.1 ms a request" or, of no requests, "1.23 s". */
static void put_amount(struct picture *pic, uint64_t weight, int side)
{
	uint32_t requests = pic->diff->side[side].requests_cnt;
	double ns = time_ns(pic, weight);

	if (is_counted(pic->diff))
		fprintf(pic->out, "%" PRIu64 " samples", weight);
	if (pic->diff->counts)
		return;
	if (is_counted(pic->diff))
		fputs(", ", pic->out);
	if (requests)
		fprintf(pic->out, "%.2f ms a request", ns / requests / MSEC);
	else
		fprintf(pic->out, "%.3f s", ns / NSEC);
}

/* The first line is the name: the script takes it from there. */
static void put_details(struct picture *pic, const struct frame_node *node)
{
	fputs("<title>", pic->out);
	flame_page_text(pic->out, node->label);
	for (int i = 0; i < FRAME_SIDES; i++) {
		fprintf(pic->out, "\n%s: %.2f %%, ", pic->diff->side[i].name,
			100 * share(pic, total_of(node, i), i));
		put_amount(pic, total_of(node, i), i);
		fprintf(pic->out, ", %.2f %% in itself", 100 * share(pic, self_of(node, i), i));
	}
	fprintf(pic->out, "\n%+.2f points%s</title>", 100 * more_of(pic, node),
		beyond_chance(pic, node) ? "" : ", which may be chance");
}

static void put_frame(struct picture *pic, const struct frame_node *node,
		      const uint64_t at[FRAME_SIDES])
{
	double x = (share(pic, at[0], 0) + share(pic, at[1], 1)) / 2;
	char class[3];

	class_of(pic, node, class);
	fputs("<g", pic->out);
	for (int i = 0; i < FRAME_SIDES; i++)
		fprintf(pic->out, " data-at%s=\"%" PRIu64 "\" data-n%s=\"%" PRIu64 "\"",
			i ? "2" : "", at[i], i ? "2" : "", total_of(node, i));
	fputs(">", pic->out);
	put_details(pic, node);
	flame_page_frame(pic->out, class, FLAME_MARGIN + x * (FLAME_WIDTH - 2 * FLAME_MARGIN),
			 width_of(pic, node), node->depth, node->label);
	fputs("</g>\n", pic->out);
}

static void put_frames(struct picture *pic)
{
	fprintf(pic->out, "<g id=\"frames\" data-sides=\"%s %s\">\n", pic->diff->side[0].name,
		pic->diff->side[1].name);
	for (uint32_t i = 0; i < pic->tree->cnt; i++) {
		const struct frame_node *node = &pic->tree->v[i];
		uint64_t at[FRAME_SIDES];

		for (int side = 0; side < FRAME_SIDES; side++) {
			at[side] = pic->next[node->depth][side];
			pic->next[node->depth][side] += total_of(node, side);
			pic->next[node->depth + 1][side] = at[side];
		}
		if (width_of(pic, node) >= FLAME_NARROWEST)
			put_frame(pic, node, at);
	}
	fputs("</g>\n", pic->out);
}

/* --- around them ------------------------------------------------------------------------------- */

static void measure(struct picture *pic)
{
	for (uint32_t i = 0; i < pic->tree->cnt; i++) {
		const struct frame_node *node = &pic->tree->v[i];

		if (width_of(pic, node) < FLAME_NARROWEST)
			pic->narrow_cnt++;
		else if (node->depth >= pic->rows)
			pic->rows = node->depth + 1;
	}
}

static void put_about(struct picture *pic)
{
	fprintf(pic->out, "<text id=\"about\" x=\"%d\" y=\"44\">", FLAME_MARGIN);
	for (int i = 0; i < FRAME_SIDES; i++) {
		uint32_t requests = pic->diff->side[i].requests_cnt;

		fprintf(pic->out, "%s%s: ", i ? "  \xC2\xB7  " : "", pic->diff->side[i].name);
		if (requests)
			fprintf(pic->out, "%" PRIu32 " request%s, ", requests,
				requests == 1 ? "" : "s");
		put_amount(pic, pic->weight[i], i);
	}
	fputs("</text>\n", pic->out);
}

/* From the strongest blue to the strongest red. */
static void put_legend(struct picture *pic)
{
	const char *name = pic->diff->side[0].name;
	int letters = (int)strlen(name) * FLAME_LEGEND_LETTER;
	int x = -(36 + (2 * STEPS + 1) * SWATCH + 6);

	fprintf(pic->out, "<g id=\"right\" transform=\"translate(%d 0)\">\n",
		FLAME_WIDTH - FLAME_MARGIN);
	fprintf(pic->out, "<text class=\"legend\" x=\"%d\" y=\"22\">%s has less</text>\n",
		x - letters - 62, name);
	for (int i = -STEPS; i <= STEPS; i++, x += SWATCH)
		fprintf(pic->out,
			"<rect class=\"%c%d\" x=\"%d\" y=\"12\" width=\"%d\" height=\"12\"/>\n",
			i < 0	? 'l'
			: i > 0 ? 'm'
				: 'd',
			abs(i), x, SWATCH - 1);
	fprintf(pic->out,
		"<text class=\"legend\" x=\"%d\" y=\"22\">more</text>\n"
		"<text id=\"matched\" x=\"-240\" y=\"56\"></text>\n</g>\n",
		x + 5);
}

static void put_foot(struct picture *pic, uint32_t height)
{
	const char *name = pic->diff->side[0].name, *other = pic->diff->side[1].name;

	fprintf(pic->out,
		"<text class=\"legend\" x=\"%d\" y=\"%u\">Width: the mean of a frame's shares of both. "
		"Colour: its share of %s minus that of %s; steps at 5, 15 and 30 points, ",
		FLAME_MARGIN, height - FOOT_MORE - 12, name, other);
	fputs(is_counted(pic->diff) ? "grey: may be chance (less than 3 standard errors)"
				    : "grey: less than 1 point",
	      pic->out);
	fprintf(pic->out, "</text>\n<text id=\"foot\" x=\"%d\" y=\"%u\">", FLAME_MARGIN,
		height - 12);
	if (pic->narrow_cnt)
		fprintf(pic->out, "Not drawn, as narrower than %.1f px: %" PRIu32 " frames",
			FLAME_NARROWEST, pic->narrow_cnt);
	fputs("</text>\n", pic->out);
}

static void put_too_few(struct picture *pic)
{
	fprintf(pic->out,
		"<text id=\"about\" x=\"%d\" y=\"44\">Too few samples to tell: %s %" PRIu64
		", %s %" PRIu64 "; %u of each are needed.</text>\n",
		FLAME_MARGIN, pic->diff->side[0].name, pic->samples[0], pic->diff->side[1].name,
		pic->samples[1], is_counted(pic->diff) ? FLAME_DIFF_SAMPLES_MIN : 1);
}

static void put_picture(struct picture *pic, const struct flame_page *page)
{
	uint32_t height = FLAME_TOP + FLAME_FOOT + FOOT_MORE;
	bool few = !flame_diff_is_enough(pic->diff, pic->samples);

	for (int i = 0; i < FRAME_SIDES; i++) {
		pic->weight[i] = total_of(&pic->tree->v[0], i);
		few |= !pic->weight[i];
	}
	if (few) {
		flame_page_begin(page, FLAME_TOP, pic->out);
		put_too_few(pic);
	} else {
		measure(pic);
		height += pic->rows * FLAME_ROW;
		flame_page_begin(page, height, pic->out);
		put_about(pic);
		put_legend(pic);
		put_frames(pic);
		put_foot(pic, height);
	}
	flame_page_end(page, pic->out);
}

int flame_diff_write(const struct flame_diff *diff, const struct flame_page *page, FILE *out)
{
	struct frame_tree tree;
	struct picture pic = {.diff = diff, .tree = &tree, .out = out};
	int err = frame_tree__init_sides(&tree, diff->profile, diff->sides);

	if (err)
		return err;
	flame_diff_count(diff, pic.samples);
	pic.next = calloc(tree.depth_max + 2, sizeof(*pic.next));
	if (pic.next)
		put_picture(&pic, page);
	err = pic.next ? stream_result(out) : -ENOMEM;
	free(pic.next);
	frame_tree__free(&tree);
	return err;
}
