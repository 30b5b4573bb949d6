// SPDX-License-Identifier: Apache-2.0
/*
 * Columns: when, how it ended, how long, body sizes, who, what, with whom. What has a fixed width
 * comes first, so that all columns line up however deep the tree. A narrow terminal shows no sizes.
 */
#include "user/cli/span_row.h"

#include <time.h>

#include "user/base/utf8.h"
#include "user/cli/amount.h"

#define NS_PER_S 1000000000u
#define NARROW 120u

/* Columns at which each part begins or, for numbers, ends. */
struct layout {
	bool sizes;
	unsigned int status, duration_end, request_end, response_end, service, exchange, peer;
};

static struct layout lay_out(unsigned int width)
{
	bool narrow = width && width < NARROW;
	unsigned int service = narrow ? 33 : 51, exchange = service + (narrow ? 14 : 18);
	unsigned int rest = width > exchange ? (width - exchange) * 3 / 5 : 0;

	return (struct layout){
		.sizes = !narrow,
		.status = 14,
		.duration_end = 31,
		.request_end = 40,
		.response_end = 49,
		.service = service,
		.exchange = exchange,
		.peer = exchange + (!width || rest > 42 ? 42 : (rest < 20 ? 20 : rest)),
	};
}

/* --- taking ----------------------------------------------------------------------------------- */

/* Copies at most max bytes, whole characters if the text is UTF-8; returns how many. */
static uint8_t keep(struct span_row *row, size_t *used, struct slice s, size_t max)
{
	s = utf8_first(s, max);
	if (s.n)
		memcpy(row->text + *used, s.p, s.n);
	*used += s.n;
	return (uint8_t)s.n;
}

/* How it ended, if by no HTTP status. */
static struct slice get_code(const struct span *span)
{
	struct slice code = attrs_get_str(&span->attrs, SLICE("error.type"));

	if (!code.n)
		code = attrs_get_str(&span->attrs, SLICE("rpc.status_code"));
	if (!code.n)
		code = attrs_get_str(&span->attrs, SLICE("db.response.status_code"));
	if (!code.n && span->status == SPAN_STATUS_ERROR)
		code = SLICE("error");
	return code;
}

/* address:port, composed in buf. */
static struct slice with_port(struct slice address, int64_t port, char *buf, size_t buf_sz)
{
	bool colons = slice_find(address, ':') >= 0;
	int n;

	if (!address.n || port <= 0 || address.n > buf_sz - 32)
		return address;
	n = snprintf(buf, buf_sz, "%s%.*s%s:%lld", colons ? "[" : "", (int)address.n, address.p,
		     colons ? "]" : "", (long long)port);
	return slice_of(buf, (size_t)n);
}

static struct slice get_peer(const struct span *span, char *buf, size_t buf_sz)
{
	bool server = span->kind == SPAN_SERVER || span->kind == SPAN_CONSUMER;
	struct slice address = attrs_get_str(&span->attrs, SLICE("server.address"));
	int64_t port = attrs_get_int(&span->attrs, SLICE("server.port"), 0);

	if (server) { /* its client's port says nothing */
		address = attrs_get_str(&span->attrs, SLICE("client.address"));
		port = 0;
	}
	if (!address.n) {
		address = attrs_get_str(&span->attrs, SLICE("network.peer.address"));
		port = server ? 0 : attrs_get_int(&span->attrs, SLICE("network.peer.port"), 0);
	}
	return with_port(address, port, buf, buf_sz);
}

static enum row_parent parent_of(const struct span *span)
{
	struct slice method = attrs_get_str(&span->attrs, SLICE("sonde.parent.method"));

	if (slice_eq(method, SLICE("ambiguous")))
		return ROW_PARENT_UNDECIDED;
	if (span_is_root(span) || !method.n || slice_eq(method, SLICE("header")))
		return ROW_PARENT_ELSEWHERE;
	return slice_eq(method, SLICE("socket")) ? ROW_PARENT_SOCKET : ROW_PARENT_HERE;
}

static uint8_t small(int64_t n)
{
	return (uint8_t)(n < 0 ? 0 : n < UINT8_MAX ? n : UINT8_MAX);
}

void span_row__fill(struct span_row *row, const struct span *span)
{
	struct slice peer = attrs_get_str(&span->attrs, SLICE("url.full"));
	char buf[160];
	size_t used = 0;

	row->start_ns = span->start_ns;
	row->duration_ns = span->end_ns > span->start_ns ? span->end_ns - span->start_ns : 0;
	row->request_sz = attrs_get_int(&span->attrs, SLICE("http.request.body.size"), -1);
	row->response_sz = attrs_get_int(&span->attrs, SLICE("http.response.body.size"), -1);
	row->http_status = attrs_get_int(&span->attrs, SLICE("http.response.status_code"), 0);
	row->kind = (uint8_t)span->kind;
	row->error = span->status == SPAN_STATUS_ERROR;
	row->url = peer.n > 0;
	row->links_cnt = small(span->links_cnt);
	time_shares__fill(&row->times, span);
	row->method = (uint8_t)parent_of(span);
	row->candidates_cnt =
		small(attrs_get_int(&span->attrs, SLICE("sonde.parent.candidates"), 0));
	if (!peer.n)
		peer = get_peer(span, buf, sizeof(buf));
	row->service_len = keep(row, &used, span->resource->service_name, 48);
	row->name_len = keep(row, &used, span->name, 128);
	row->code_len = keep(row, &used, get_code(span), 48);
	row->peer_len = keep(row, &used, peer, 160);
}

/* --- showing ---------------------------------------------------------------------------------- */

static void show_time(uint64_t unix_ns, struct line *line)
{
	time_t s = (time_t)(unix_ns / NS_PER_S);
	unsigned int ms = (unsigned int)(unix_ns % NS_PER_S / 1000000);
	struct tm tm = {0};
	char text[32];
	int n;

	localtime_r(&s, &tm);
	n = snprintf(text, sizeof(text), "%02d:%02d:%02d.%03u", tm.tm_hour, tm.tm_min, tm.tm_sec,
		     ms);
	line_styled(line, STYLE_DIM, slice_of(text, (size_t)n));
}

static void show_duration(uint64_t ns, unsigned int end, struct line *line)
{
	char buf[AMOUNT_SZ];

	line_style(line, ns >= NS_PER_S ? STYLE_BOLD : STYLE_NONE);
	line_right(line, amount_duration(ns, buf), end);
	line_style(line, STYLE_NONE);
}

static void show_size(int64_t sz, unsigned int end, struct line *line)
{
	char buf[AMOUNT_SZ];

	line_right(line, sz < 0 ? SLICE("-  ") : amount_bytes((uint64_t)sz, buf), end);
}

static struct slice code_of(const struct span_row *row)
{
	return slice_of(row->text + row->service_len + row->name_len, row->code_len);
}

#define CODE_COLUMNS 8u
#define URL_COLUMNS 80u

static const char *status_style(const struct span_row *row)
{
	if (row->error || row->http_status >= 500)
		return row->http_status >= 400 && row->http_status < 500 ? STYLE_YELLOW : STYLE_RED;
	if (row->http_status >= 400)
		return STYLE_YELLOW;
	return row->http_status ? STYLE_GREEN : STYLE_NONE;
}

static void show_status(const struct span_row *row, struct line *line)
{
	struct slice code = code_of(row);
	char digits[24];

	line_style(line, status_style(row));
	if (row->http_status)
		code = slice_of(digits, (size_t)snprintf(digits, sizeof(digits), "%lld",
							 (long long)row->http_status));
	else if (!code.n)
		code = SLICE("-");
	line_text(line, code, CODE_COLUMNS);
	line_style(line, STYLE_NONE);
}

/* One colour for a name, the same each time. */
static const char *name_style(struct slice name)
{
	static const char *const styles[] = {"36", "35", "34", "96", "95", "94"};
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (unsigned char)name.p[i]) * 16777619u;
	return styles[(h >> 16) % (sizeof(styles) / sizeof(*styles))];
}

static struct slice arrow(const struct span_row *row, bool utf8)
{
	static const struct {
		struct slice utf8, ascii;
	} arrows[] = {
		[SPAN_INTERNAL] = {.utf8 = SLICE("• "), .ascii = SLICE("-- ")},
		[SPAN_SERVER] = {.utf8 = SLICE("← "), .ascii = SLICE("<- ")},
		[SPAN_CLIENT] = {.utf8 = SLICE("→ "), .ascii = SLICE("-> ")},
		[SPAN_PRODUCER] = {.utf8 = SLICE("» "), .ascii = SLICE(">> ")},
		[SPAN_CONSUMER] = {.utf8 = SLICE("« "), .ascii = SLICE("<< ")},
	};

	return utf8 ? arrows[row->kind].utf8 : arrows[row->kind].ascii;
}

const char *span_row__style(const struct span_row *row)
{
	if (row->error || row->http_status >= 500)
		return STYLE_RED;
	return row->kind == SPAN_SERVER || row->kind == SPAN_CONSUMER ? STYLE_GREEN : STYLE_CYAN;
}

/* What else is worth knowing, discreetly. */
static void show_remarks(const struct span_row *row, bool late, struct line *line)
{
	char text[TIME_SHARES_SZ + 2] = "  ";
	size_t times_len = time_shares__text(&row->times, text + 2);
	int n = 0;

	if (times_len)
		line_styled(line, STYLE_DIM, slice_of(text, times_len + 2));
	if (row->links_cnt)
		n = snprintf(text, sizeof(text), "  %u link%s", row->links_cnt,
			     row->links_cnt == 1 ? "" : "s");
	if (late)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "  async");
	if (row->method == ROW_PARENT_UNDECIDED && row->candidates_cnt)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "  parent undecided (1 of %u)",
			      row->candidates_cnt);
	else if (row->method == ROW_PARENT_UNDECIDED)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "  parent undecided");
	line_styled(line, STYLE_DIM, slice_of(text, (size_t)n));
}

void span_row__show(const struct span_row *row, const struct span_row_place *place,
		    struct line *line)
{
	struct slice service = slice_of(row->text, row->service_len);
	struct slice name = slice_of(row->text + row->service_len, row->name_len);
	struct slice peer = slice_of(code_of(row).p + row->code_len, row->peer_len);
	struct layout at = lay_out(place->text_width);

	show_time(row->start_ns, line);
	line_pad(line, at.status);
	show_status(row, line);
	show_duration(row->duration_ns, at.duration_end, line);
	if (place->marked)
		line_styled(line, STYLE_BOLD, SLICE("*"));
	if (at.sizes) {
		line_style(line, STYLE_DIM);
		show_size(row->request_sz, at.request_end, line);
		show_size(row->response_sz, at.response_end, line);
	}
	line_pad(line, at.service);
	line_style(line, name_style(service));
	line_text(line, service, at.exchange - at.service - 2);
	line_style(line, STYLE_NONE);
	line_pad(line, at.exchange);
	line_styled(line, STYLE_DIM, place->tree);
	line_styled(line, name_style(service), arrow(row, line->utf8));
	line_text(line, name, 0);
	if (peer.n) {
		line_pad(line, at.peer - 2);
		line_style(line, STYLE_DIM);
		line_text(line, SLICE("  "), 0);
		line_text(line, peer, row->url ? URL_COLUMNS : 0);
		line_style(line, STYLE_NONE);
	}
	show_remarks(row, place->late, line);
	if (!row->http_status && row->code_len > CODE_COLUMNS) {
		line_text(line, SLICE("  "), 0);
		line_styled(line, status_style(row), code_of(row));
	}
}

void span_row__show_header(unsigned int text_width, struct line *line)
{
	struct layout at = lay_out(text_width);

	line_style(line, STYLE_BOLD);
	line_text(line, SLICE("TIME"), 0);
	line_pad(line, at.status);
	line_text(line, SLICE("STATUS"), 0);
	line_right(line, SLICE("DURATION"), at.duration_end);
	if (at.sizes) {
		line_right(line, SLICE("REQUEST"), at.request_end);
		line_right(line, SLICE("RESPONSE"), at.response_end);
	}
	line_pad(line, at.service);
	line_text(line, SLICE("SERVICE"), 0);
	line_pad(line, at.exchange);
	line_text(line, SLICE("EXCHANGE"), 0);
	line_pad(line, at.peer);
	line_text(line, SLICE("PEER"), 0);
}
