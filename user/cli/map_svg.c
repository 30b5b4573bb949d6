// SPDX-License-Identifier: Apache-2.0
/*
 * The picture. A line is as wide as its calls are many, and red inside as far as they failed. Text of
 * the graph goes into text and nowhere else, escaped.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "user/base/utf8.h"
#include "user/cli/amount.h"
#include "user/cli/columns.h"
#include "user/cli/map_layout.h"
#include "user/cli/map_view.h"

/* In px. */
#define MARGIN 24
#define TITLE 44
#define FOOT 36
#define NODE_W 156
#define NODE_H 46
#define GAP 196 /* between layers, for the labels */
#define ROW 84
#define NAME_COLUMNS 19u
#define WIDEST 9.0
#define LETTER 6.4 /* of a label, about */
#define PROTOCOL_SZ 20
#define ARROW 9.0

struct picture {
	FILE *out;
	const struct service_graph *graph;
	const struct map_layout *layout;
	double width, height;
	uint64_t most; /* calls on one link */
};

/* --- text ------------------------------------------------------------------------------------- */

static void put_text(FILE *out, struct slice s, unsigned int columns)
{
	unsigned int used = 0;

	while (s.n) {
		int32_t code;
		size_t n = utf8_decode(s, &code);
		int own = columns_of(code);

		used += own > 0 ? (unsigned int)own : 1;
		if (columns && used >= columns && s.n > n) {
			fputs("…", out);
			return;
		}
		if (code == '&')
			fputs("&amp;", out);
		else if (code == '<')
			fputs("&lt;", out);
		else if (code == '>')
			fputs("&gt;", out);
		else if (own < 0 || code == 0xFFFE || code == 0xFFFF)
			fputs(UTF8_REPLACEMENT, out);
		else
			fwrite(s.p, 1, n, out);
		s = slice_after(s, n);
	}
}

static void put_amount(FILE *out, const char *before, struct slice amount, const char *behind)
{
	while (amount.n && amount.p[amount.n - 1] == ' ')
		amount.n--;
	fputs(before, out);
	put_text(out, amount, 0);
	fputs(behind, out);
}

/* --- links ------------------------------------------------------------------------------------ */

static double x_of(const struct layout_point *point)
{
	return MARGIN + point->layer * (double)(NODE_W + GAP);
}

static double y_of(const struct layout_point *point)
{
	return TITLE + point->y * ROW;
}

/* What all edges of a link are together. */
struct sum {
	uint64_t cnt, errors_cnt, p95_ns;
	uint32_t protocols_cnt;
	struct slice protocol; /* of the most */
};

static struct sum sum_of(const struct picture *pic, const struct layout_link *link)
{
	struct sum sum = {0};
	uint64_t most = 0;

	for (uint32_t i = 0; i < pic->graph->edges_cnt; i++) {
		const struct graph_edge *edge = &pic->graph->edges[i];

		if (edge->from != link->from || edge->to != link->to)
			continue;
		sum.cnt += edge->cnt;
		sum.errors_cnt += edge->errors_cnt;
		sum.protocols_cnt++;
		if (edge->cnt > most) {
			most = edge->cnt;
			sum.protocol = edge->protocol;
			sum.p95_ns = latency_quantile(edge->latency, 0.95);
		}
	}
	return sum;
}

/* How far down a link goes that leads back. */
static double low_of(const struct layout_point *from, const struct layout_point *to)
{
	return fmax(y_of(from), y_of(to)) + NODE_H + 24;
}

/* From the right of one node to the arrow at the left of the other, by way of its points. */
static void put_path(const struct picture *pic, const struct layout_link *link)
{
	const struct map_layout *l = pic->layout;
	const struct layout_point *from = &l->points[l->point_of[link->from]],
				  *to = &l->points[l->point_of[link->to]];
	double x = x_of(from) + NODE_W, y = y_of(from);

	if (link->back) { /* below both */
		double low = low_of(from, to);

		fprintf(pic->out, "M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f", x, y + 12, x + 90,
			low, x_of(to) - 90, low, x_of(to) - ARROW, y_of(to) + 12);
		return;
	}
	fprintf(pic->out, "M%.1f %.1f", x, y);
	for (uint32_t i = 0; i <= link->passes_cnt; i++) {
		const struct layout_point *next =
			i < link->passes_cnt ? &l->points[link->first + i] : to;
		bool last = i == link->passes_cnt;
		double at_x = x_of(next) - (last ? ARROW : 0), at_y = y_of(next);
		double bend = (at_x - x) / 2;

		fprintf(pic->out, "C%.1f %.1f %.1f %.1f %.1f %.1f", x + bend, y, at_x - bend, at_y,
			at_x, at_y);
		if (!last)
			fprintf(pic->out, "H%.1f", at_x + NODE_W);
		x = at_x + (last ? 0 : NODE_W);
		y = at_y;
	}
}

/* All that is known of a link, for whoever points at it. */
static void put_details(const struct picture *pic, const struct layout_link *link)
{
	char buf[AMOUNT_SZ];

	fputs("<title>", pic->out);
	put_text(pic->out, pic->graph->nodes[link->from].name, 0);
	fputs(" to ", pic->out);
	put_text(pic->out, pic->graph->nodes[link->to].name, 0);
	for (uint32_t i = 0; i < pic->graph->edges_cnt; i++) {
		const struct graph_edge *edge = &pic->graph->edges[i];

		if (edge->from != link->from || edge->to != link->to)
			continue;
		fputs("\n", pic->out);
		put_text(pic->out, edge->protocol, 0);
		fprintf(pic->out, ": %llu requests", (unsigned long long)edge->cnt);
		put_amount(pic->out, ", errors ", amount_share(edge->errors_cnt, edge->cnt, buf),
			   "");
		put_amount(pic->out, ", p50 ",
			   amount_duration(latency_quantile(edge->latency, 0.5), buf), "");
		put_amount(pic->out, ", p95 ",
			   amount_duration(latency_quantile(edge->latency, 0.95), buf), "");
		put_amount(pic->out, ", p99 ",
			   amount_duration(latency_quantile(edge->latency, 0.99), buf), "");
	}
	fputs("</title>", pic->out);
}

static void put_link(const struct picture *pic, const struct layout_link *link)
{
	struct sum sum = sum_of(pic, link);
	double width = 1.5 + (WIDEST - 1.5) * sqrt((double)sum.cnt / (double)pic->most);
	double share = sum.cnt ? (double)sum.errors_cnt / (double)sum.cnt : 0;
	const struct layout_point *to = &pic->layout->points[pic->layout->point_of[link->to]];
	double x = x_of(to) - 1, y = y_of(to) + (link->back ? 12 : 0);

	fputs("<g>", pic->out);
	put_details(pic, link);
	fprintf(pic->out, "<path class=\"l\" stroke-width=\"%.1f\" d=\"", width);
	put_path(pic, link);
	fputs("\"/>", pic->out);
	if (share > 0) {
		fprintf(pic->out, "<path class=\"l e\" stroke-width=\"%.1f\" d=\"",
			fmax(1.2, width * share));
		put_path(pic, link);
		fputs("\"/>", pic->out);
	}
	fprintf(pic->out, "<path class=\"a%s\" d=\"M%.1f %.1fl-%.1f -%.1fv%.1fz\"/></g>\n",
		share >= 0.5 ? " f" : "", x, y, ARROW, ARROW * 0.6, ARROW * 1.2);
}

/* One line of a label, its middle at x. */
static void put_line(const struct picture *pic, double x, double y, const char *class,
		     const char *text)
{
	fprintf(pic->out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
	put_text(pic->out, slice_str(text), 0);
	fputs("</text>\n", pic->out);
}

static void put_label(const struct picture *pic, const struct layout_link *link)
{
	const struct map_layout *l = pic->layout;
	const struct layout_point
		*from = &l->points[l->point_of[link->from]],
		*to = &l->points[link->passes_cnt ? link->first : l->point_of[link->to]];
	double x = x_of(from) + NODE_W + GAP / 2.0, y = (y_of(from) + y_of(to)) / 2, width;
	struct sum sum = sum_of(pic, link);
	struct slice name = utf8_first(sum.protocol, PROTOCOL_SZ), rate, p95, share;
	char bufs[3][AMOUNT_SZ], more[16] = "", first[128], second[128];

	if (link->back) {
		x = (x_of(from) + x_of(to) + NODE_W) / 2;
		y = (y_of(from) + y_of(to) + 24 + 6 * low_of(from, to)) / 8;
	}
	if (!link->back && fabs(y_of(from) - y_of(to)) < 12) /* it would hide the line */
		y -= 20;
	rate = amount_rate(graph_rate(pic->graph, sum.cnt), bufs[0]);
	p95 = slice_trim(amount_duration(sum.p95_ns, bufs[1]));
	share = amount_share(sum.errors_cnt, sum.cnt, bufs[2]);
	if (sum.protocols_cnt > 1)
		snprintf(more, sizeof(more), " +%u", sum.protocols_cnt - 1);
	snprintf(first, sizeof(first), "%.*s%s %.*s/s", (int)name.n, name.p, more, (int)rate.n,
		 rate.p);
	snprintf(second, sizeof(second), "p95 %.*s%s%.*s%s", (int)p95.n, p95.p,
		 sum.errors_cnt ? ", " : "", sum.errors_cnt ? (int)share.n : 0, share.p,
		 sum.errors_cnt ? " failed" : "");
	width = LETTER * (double)(strlen(first) > strlen(second) ? strlen(first) : strlen(second));
	fprintf(pic->out,
		"<rect class=\"w\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"29\" rx=\"4\"/>",
		x - width / 2, y - 15, width);
	put_line(pic, x, y - 3, "t", first);
	put_line(pic, x, y + 10, sum.errors_cnt ? "t r" : "t", second);
}

/* --- nodes ------------------------------------------------------------------------------------ */

static void put_node(const struct picture *pic, const struct layout_point *point)
{
	static const struct {
		const char *class, *says;
	} kinds[] = {
		[GRAPH_OUTSIDE] = {"n o", "clients not seen here"},
		[GRAPH_OTHER] = {"n o", "all others"},
		[GRAPH_SERVICE] = {"n", ""},
		[GRAPH_PEER] = {"n o", "not seen here"},
	};
	const struct graph_node *node = &pic->graph->nodes[point->node];
	double x = x_of(point), y = y_of(point);
	char buf[AMOUNT_SZ];

	fputs("<g><title>", pic->out);
	put_text(pic->out, node->name, 0);
	fprintf(pic->out,
		"</title><rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" rx=\"7\"/>",
		kinds[node->kind].class, x, y - NODE_H / 2.0, NODE_W, NODE_H);
	fprintf(pic->out, "<text class=\"b\" x=\"%.1f\" y=\"%.1f\">", x + NODE_W / 2.0, y - 2);
	put_text(pic->out, node->name, NAME_COLUMNS);
	fprintf(pic->out, "</text><text class=\"s\" x=\"%.1f\" y=\"%.1f\">", x + NODE_W / 2.0,
		y + 14);
	if (node->kind == GRAPH_SERVICE)
		put_amount(pic->out, node->served_cnt ? "serves " : "makes ",
			   amount_rate(graph_rate(pic->graph, node->served_cnt ?: node->begun_cnt),
				       buf),
			   "/s");
	else
		fputs(kinds[node->kind].says, pic->out);
	fputs("</text></g>\n", pic->out);
}

/* --- all together ----------------------------------------------------------------------------- */

static const char style[] =
	"<style>text{font-family:system-ui,sans-serif;font-size:12px;fill:#1f2933}"
	".h{font-size:16px;font-weight:600}.b{font-size:14px;font-weight:600;text-anchor:middle}"
	".s{font-size:11px;fill:#52606d;text-anchor:middle}"
	".t{font-size:11px;fill:#323f4b;text-anchor:middle}.r{fill:#b91c1c}"
	".w{fill:#fff;fill-opacity:.85}"
	".n{fill:#e6f0fa;stroke:#2f6fb0;stroke-width:1.5}"
	".o{fill:#f5f7fa;stroke:#7b8794;stroke-dasharray:5 4}"
	".l{fill:none;stroke:#9fb3c8}.e{stroke:#d64545}.a{fill:#627d98}.f{fill:#d64545}</style>\n";

static void put_frame(const struct picture *pic)
{
	char buf[AMOUNT_SZ];

	fprintf(pic->out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		"viewBox=\"0 0 %.0f %.0f\">\n",
		pic->width, pic->height, pic->width, pic->height);
	fputs(style, pic->out);
	fprintf(pic->out,
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
		"<text class=\"h\" x=\"%d\" y=\"28\">Who calls whom</text>\n",
		MARGIN);
	fprintf(pic->out, "<text x=\"%d\" y=\"%.0f\">%llu spans", MARGIN, pic->height - 14,
		(unsigned long long)pic->graph->spans_cnt);
	put_amount(pic->out, " in ", amount_duration(pic->graph->window_ns, buf),
		   ". Width: requests. Red: share that failed.</text>\n");
}

static void draw(struct picture *pic)
{
	const struct map_layout *l = pic->layout;
	double low = 0;

	for (uint32_t i = 0; i < l->links_cnt; i++) {
		struct sum sum = sum_of(pic, &l->links[i]);

		if (l->links[i].back)
			low = NODE_H;
		pic->most = sum.cnt > pic->most ? sum.cnt : pic->most;
	}
	pic->width = 2 * MARGIN + NODE_W +
		     (l->layers_cnt > 1 ? l->layers_cnt - 1 : 1) * (double)(NODE_W + GAP);
	pic->height = TITLE + l->rows * ROW + low + FOOT;
	put_frame(pic);
	for (uint32_t i = 0; i < l->links_cnt; i++)
		put_link(pic, &l->links[i]);
	for (uint32_t i = 0; i < l->links_cnt; i++)
		put_label(pic, &l->links[i]);
	for (uint32_t i = 0; i < l->points_cnt; i++)
		if (l->points[i].node != LAYOUT_NONE)
			put_node(pic, &l->points[i]);
	fputs("</svg>\n", pic->out);
}

int map_svg(FILE *out, const struct service_graph *graph)
{
	struct map_layout *layout = map_layout__new(graph);
	struct picture pic = {.out = out, .graph = graph, .layout = layout, .most = 1};

	if (!layout)
		return -ENOMEM;
	draw(&pic);
	free(layout);
	errno = 0;
	return fflush(out) || ferror(out) ? -(errno ?: EIO) : 0;
}
