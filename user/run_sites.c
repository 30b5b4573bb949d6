// SPDX-License-Identifier: Apache-2.0
/* `sonde sites`: where the functions of a file are probed, and why some are not. */
#include "user/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/abi/tls.h"
#include "user/base/json_writer.h"
#include "user/base/log.h"
#include "user/cli/columns.h"
#include "user/cli/line.h"
#include "user/probe/site_list.h"
#include "user/probe/tls_library.h"

#define EXIT_NOT_ALL 3
#define JSON_MAX 65536u
#define OFFSET_COLUMN 44u
#define INSN_COLUMN 58u
#define LAST_COLUMN 68u

struct view {
	const struct options *options;
	struct json_writer json;
	struct line line;
	uint64_t functions_cnt, unreadable_cnt;
	uint64_t counts[SITE_PROBE_CNT][SITE_FAULT_CNT];
};

static const char *const probe_names[SITE_PROBE_CNT] = {"entry", "return"};

static const char *call_name(uint64_t cookie)
{
	switch (TLS_COOKIE_CALL(cookie)) {
	case TLS_READ:
	case TLS_GO_READ:
		return "read";
	case TLS_WRITE:
	case TLS_GO_WRITE:
		return "write";
	case TLS_SEND_FILE:
		return "file";
	case TLS_HANDSHAKE:
	case TLS_GO_HANDSHAKE:
		return "handshake";
	case TLS_SHUTDOWN:
		return "shutdown";
	case TLS_GO_CLOSE:
		return "close";
	case TLS_FEED:
		return "ciphertext in";
	case TLS_DRAIN:
		return "ciphertext out";
	default:
		return "free";
	}
}

static void end_json(struct view *view)
{
	struct slice text;

	jw_lit(&view->json, "\n");
	text = json_writer__text(&view->json);
	fwrite(text.p, 1, text.n, stdout);
	json_writer__reset(&view->json);
}

static void put_text(struct json_writer *json, struct slice before, const char *text)
{
	jw_raw(json, before);
	jw_string(json, slice_str(text));
}

static void put_number(struct json_writer *json, struct slice before, uint64_t number)
{
	jw_raw(json, before);
	jw_u64(json, number);
}

static void write_row(struct view *view, const char *function, const char *off, const char *insn,
		      const char *last)
{
	line_text(&view->line, slice_str(function), OFFSET_COLUMN - 2);
	line_pad(&view->line, OFFSET_COLUMN);
	line_text(&view->line, slice_str(off), 0);
	line_pad(&view->line, INSN_COLUMN);
	line_text(&view->line, slice_str(insn), 0);
	line_pad(&view->line, LAST_COLUMN);
	line_text(&view->line, slice_str(last), 0);
	line__write(&view->line, stdout);
}

static void write_header(struct view *view, const char *last)
{
	line_style(&view->line, STYLE_BOLD);
	write_row(view, "FUNCTION", "FILE OFFSET", "ON", last);
}

static void hex(char out[32], uint64_t number)
{
	snprintf(out, 32, "%#" PRIx64, number);
}

/* --- of the TLS library ------------------------------------------------------------------------ */

static void write_tls_json(struct view *view, const struct tls_sites *sites)
{
	struct json_writer *json = &view->json;

	jw_lit(json, "{\"library\":");
	if (sites->library)
		jw_string(json, slice_str(sites->library));
	else
		jw_lit(json, "null");
	put_text(json, SLICE(",\"missing\":"), sites->why);
	jw_lit(json, ",\"sites\":[");
	for (const struct tls_site *site = sites->v; site < sites->v + sites->cnt; site++) {
		put_text(json,
			 site == sites->v ? SLICE("{\"function\":") : SLICE(",{\"function\":"),
			 site->function);
		put_text(json, SLICE(",\"call\":"), call_name(site->cookie));
		put_number(json, SLICE(",\"file_offset\":"), site->file_off);
		put_text(json, SLICE(",\"on\":"), insn_kind_name(site->insn.kind));
		jw_raw(json,
		       site->returns ? SLICE(",\"return\":true}") : SLICE(",\"return\":false}"));
	}
	jw_lit(json, "]}");
	end_json(view);
}

static void write_tls_text(struct view *view, const struct tls_sites *sites)
{
	if (!sites->library) {
		printf("no TLS library that is known is in this file\n");
		return;
	}
	line_text(&view->line, slice_str(sites->library), 0);
	line__write(&view->line, stdout);
	write_header(view, "CALL");
	for (const struct tls_site *site = sites->v; site < sites->v + sites->cnt; site++) {
		char off[32], call[64];

		hex(off, site->file_off);
		snprintf(call, sizeof(call), "%s%s", call_name(site->cookie),
			 site->returns ? ", and its return" : "");
		write_row(view, site->function, off, insn_kind_name(site->insn.kind), call);
	}
	if (sites->why[0])
		printf("no probe: %s\n", sites->why);
}

static int show_tls(struct view *view, int fd)
{
	struct tls_sites sites;
	int err = tls_library_find(fd, &sites);

	if (err)
		return err;
	if (view->options->json)
		write_tls_json(view, &sites);
	else
		write_tls_text(view, &sites);
	view->unreadable_cnt = !sites.library || sites.why[0];
	return 0;
}

/* --- of functions ------------------------------------------------------------------------------ */

static const char *unreadable_text(const struct listed_function *function)
{
	return function->address ? "its code cannot be read" : "there is no such function";
}

static void write_function_json(struct view *view, const struct listed_function *function)
{
	struct json_writer *json = &view->json;

	put_text(json, SLICE("{\"function\":"), function->name);
	put_number(json, SLICE(",\"address\":"), function->address);
	if (!function->readable)
		put_text(json, SLICE(",\"why\":"), unreadable_text(function));
	for (int probe = 0; function->readable && probe < SITE_PROBE_CNT; probe++) {
		const struct listed_site *listed = &function->sites[probe];

		jw_lit(json, ",\"");
		jw_raw(json, slice_str(probe_names[probe]));
		if (listed->fault) {
			put_text(json, SLICE("\":{\"why\":"), site_fault_text(listed->fault));
		} else {
			put_number(json, SLICE("\":{\"offset\":"), listed->site.off);
			put_number(json, SLICE(",\"file_offset\":"),
				   function->file_off + listed->site.off);
			put_text(json, SLICE(",\"on\":"), insn_kind_name(listed->site.insn.kind));
		}
		jw_lit(json, "}");
	}
	jw_lit(json, "}");
	end_json(view);
}

static void write_function_text(struct view *view, const struct listed_function *function)
{
	if (!function->readable) {
		write_row(view, function->name, "", "", unreadable_text(function));
		return;
	}
	for (int probe = 0; probe < SITE_PROBE_CNT; probe++) {
		const struct listed_site *listed = &function->sites[probe];
		char off[32] = "", what[96];

		if (!listed->fault)
			hex(off, function->file_off + listed->site.off);
		snprintf(what, sizeof(what), "%s%s%s", probe_names[probe],
			 listed->fault ? ": " : "",
			 listed->fault ? site_fault_text(listed->fault) : "");
		write_row(view, function->name, off,
			  listed->fault ? "" : insn_kind_name(listed->site.insn.kind), what);
	}
}

static void tell(void *ctx, const struct listed_function *function)
{
	struct view *view = ctx;

	view->functions_cnt++;
	view->unreadable_cnt += !function->readable;
	for (int probe = 0; function->readable && probe < SITE_PROBE_CNT; probe++)
		view->counts[probe][function->sites[probe].fault]++;
	if (view->options->json)
		write_function_json(view, function);
	else
		write_function_text(view, function);
}

static void write_counts(struct view *view)
{
	struct json_writer *json = &view->json;

	put_number(json, SLICE("{\"functions\":"), view->functions_cnt);
	put_number(json, SLICE(",\"unreadable\":"), view->unreadable_cnt);
	if (!view->options->json)
		printf("%8" PRIu64 "  functions, of which %" PRIu64 " cannot be read\n",
		       view->functions_cnt, view->unreadable_cnt);
	for (int probe = 0; probe < SITE_PROBE_CNT; probe++) {
		put_text(json, SLICE(","), probe_names[probe]);
		for (int fault = 0; fault < SITE_FAULT_CNT; fault++) {
			put_text(json, fault ? SLICE(",") : SLICE(":{"),
				 site_fault_text((enum site_fault)fault));
			put_number(json, SLICE(":"), view->counts[probe][fault]);
			if (!view->options->json && view->counts[probe][fault])
				printf("%8" PRIu64 "  %s: %s\n", view->counts[probe][fault],
				       probe_names[probe], site_fault_text((enum site_fault)fault));
		}
		jw_lit(json, "}");
	}
	jw_lit(json, "}");
	if (view->options->json)
		end_json(view);
}

static int show_functions(struct view *view, int fd)
{
	const struct options *options = view->options;
	int err;

	if (!options->json)
		write_header(view, "PROBE");
	if (!options->all)
		return site_list_named(fd, options->functions, options->functions_cnt, tell, view);
	err = site_list_all(fd, tell, view);
	if (!err)
		write_counts(view);
	return err;
}

/* Some function without a site? */
static bool is_incomplete(const struct view *view)
{
	uint64_t without_cnt = view->unreadable_cnt;

	for (int probe = 0; probe < SITE_PROBE_CNT; probe++)
		for (int fault = SITE_FOUND + 1; fault < SITE_FAULT_CNT; fault++)
			without_cnt += view->counts[probe][fault];
	return without_cnt > 0;
}

static const char *reason_of(int err)
{
	switch (err) {
	case -EINVAL:
		return "it is no ELF file";
	case -ENOTSUP:
		return "it is for another machine: sites are known for x86-64 only";
	case -ENOENT:
		return "it has no symbols of functions";
	default:
		return strerror(-err);
	}
}

int run_sites(const struct options *options)
{
	struct view view = {
		.options = options,
		.line = {.colour = options__colour(options), .utf8 = locale_is_utf8()},
	};
	int fd = open(options->file, O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0) {
		log_error("cannot open %s: %s", options->file, strerror(errno));
		return EXIT_FAILURE;
	}
	json_writer__init(&view.json, JSON_MAX);
	err = options->all || options->functions_cnt ? show_functions(&view, fd)
						     : show_tls(&view, fd);
	if (err)
		log_error("no sites in %s: %s", options->file, reason_of(err));
	json_writer__free(&view.json);
	close(fd);
	if (err)
		return EXIT_FAILURE;
	return is_incomplete(&view) ? EXIT_NOT_ALL : EXIT_SUCCESS;
}
