// SPDX-License-Identifier: Apache-2.0
/*
 * Goroutines are created on the scheduler's stack: by then the new one is known, and the one that is created from is
 * the one that the thread runs. net/http's client has a goroutine to write for each connection; who sends a request
 * tells it in roundTrip. Offsets are those that DWARF tells of each version's own programs.
 */
#include "user/probe/go_program.h"

#include <stdio.h>
#include <string.h>

enum {
	BIRTH,
	RUNNABLE,
	ROUND_TRIP,
	WRITE_LOOP,
	BIRTHS, /* enum go_birthplace from here on */
};

_Static_assert(BIRTHS + GO_BIRTHPLACES == GO_PROGRAM_FUNCTIONS, "all are in the header's count");

const char *const go_program_functions[GO_PROGRAM_FUNCTIONS] = {
	[BIRTH] = "runtime.newproc.func1",
	[RUNNABLE] = "runtime.runqput",
	[ROUND_TRIP] = "net/http.(*persistConn).roundTrip",
	[WRITE_LOOP] = "net/http.(*persistConn).writeLoop",
	[BIRTHS + GO_READS_AHEAD] = "net/http.(*connReader).startBackgroundRead",
	[BIRTHS + GO_READS_FRAMES] = "net/http.(*http2serverConn).serve",
	[BIRTHS + GO_READS_FRAMES_X] = "golang.org/x/net/http2.(*serverConn).serve",
	[BIRTHS + GO_SERVES] = "net/http.(*http2serverConn).scheduleHandler",
	[BIRTHS + GO_SERVES_X] = "golang.org/x/net/http2.(*serverConn).scheduleHandler",
	[BIRTHS + GO_SERVES_OLD] = "net/http.(*http2serverConn).processHeaders",
	[BIRTHS + GO_SERVES_OLD_X] = "golang.org/x/net/http2.(*serverConn).processHeaders",
	[BIRTHS + GO_GROUP] = "golang.org/x/sync/errgroup.(*Group).Go",
	[BIRTHS + GO_GROUP_TRY] = "golang.org/x/sync/errgroup.(*Group).TryGo",
	[BIRTHS + GO_WAIT_GROUP] = "sync.(*WaitGroup).Go",
	[BIRTHS + GO_ASKS] = "net/http.(*http2ClientConn).roundTrip",
	[BIRTHS + GO_ASKS_X] = "golang.org/x/net/http2.(*ClientConn).roundTrip",
	[BIRTHS + GO_ASKS_OLD] = "net/http.(*http2ClientConn).RoundTrip",
	[BIRTHS + GO_ASKS_OLD_X] = "golang.org/x/net/http2.(*ClientConn).RoundTrip",
};
const bool go_program_starts[GO_PROGRAM_FUNCTIONS] = {
	[BIRTH] = true,
	[ROUND_TRIP] = true,
	[WRITE_LOOP] = true,
};

static const struct {
	uint32_t from, to; /* minor versions */
	struct go_exe exe;
} versions[] = {
	{
		.from = 19,
		.to = 20,
		.exe = {.goid_at = 152,
			.current_at = 192,
			.receivers_at = 56,
			.birthplace_at = 296},
	},
	{
		.from = 21,
		.to = 22,
		.exe = {.goid_at = 152,
			.current_at = 192,
			.receivers_at = 56,
			.birthplace_at = 280},
	},
	{
		.from = 23,
		.to = 24,
		.exe = {.goid_at = 160,
			.current_at = 192,
			.receivers_at = 64,
			.birthplace_at = 288},
	},
	{
		.from = 25,
		.to = 25,
		.exe = {.goid_at = 152,
			.current_at = 184,
			.receivers_at = 64,
			.birthplace_at = 280},
	},
	{
		.from = 26,
		.to = 26,
		.exe = {.goid_at = 152,
			.current_at = 184,
			.receivers_at = 64,
			.birthplace_at = 288},
	},
};

static void add_why(struct go_program *out, const char *function, const char *reason)
{
	size_t n = strlen(out->why);

	snprintf(out->why + n, sizeof(out->why) - n, "%s%s: %s", n ? "; " : "", function, reason);
}

static const char *pick(const struct go_code *go, const struct go_function *functions,
			uint32_t which, struct go_site *out)
{
	const struct go_function *f = &functions[which];
	struct code_function code;
	enum site_fault fault;
	struct site site;

	if (go_code_read(go, f, &code))
		return "its code cannot be read";
	if (which != BIRTH)
		fault = site_pick_go_entry_x86(code.bytes, code.n, &site);
	else if (functions[RUNNABLE].found)
		fault = site_pick_call_x86(code.bytes, code.n,
					   (int64_t)functions[RUNNABLE].off - f->off, &site);
	else
		fault = SITE_NO_CALL;
	if (fault != SITE_FOUND)
		return site_fault_text(fault);
	out->file_off = code.file_off + site.off;
	out->function_off = site.off;
	out->insn = site.insn;
	snprintf(out->function, sizeof(out->function), "%s", f->name);
	return NULL;
}

static bool add_site(const struct go_code *go, const struct go_function *functions, uint32_t which,
		     enum go_call call, struct go_program *out)
{
	struct go_site *site = &out->v[out->cnt];
	const char *reason = pick(go, functions, which, site);

	if (reason) {
		add_why(out, functions[which].name, reason);
		return false;
	}
	site->cookie = call;
	out->cnt++;
	return true;
}

/* From the last site, which is that of births. */
static void find_births(const struct go_function *functions, struct go_program *out)
{
	uint32_t from = functions[BIRTH].off + out->v[out->cnt - 1].function_off;

	for (uint32_t i = 0; i < GO_BIRTHPLACES; i++) {
		const struct go_function *f = &functions[BIRTHS + i];

		if (f->found)
			out->exe.births[i] =
				(struct go_range){.off = (int32_t)(f->off - from), .sz = f->size};
	}
}

/*
 * Without a look at what a connection's requests are handed over, its writer would count as working for whoever
 * has made the connection.
 */
static void find_sites(const struct go_code *go, const struct go_function *functions,
		       struct go_program *out)
{
	if (functions[ROUND_TRIP].found != functions[WRITE_LOOP].found) {
		add_why(out, functions[ROUND_TRIP].name,
			"the program has it only as part of others");
		return;
	}
	if (functions[ROUND_TRIP].found &&
	    (!add_site(go, functions, ROUND_TRIP, GO_ROUND_TRIP, out) ||
	     !add_site(go, functions, WRITE_LOOP, GO_WRITE_LOOP, out))) {
		out->cnt = 0;
		return;
	}
	if (!functions[BIRTH].found)
		add_why(out, functions[BIRTH].name, "there is no such function");
	else if (add_site(go, functions, BIRTH, GO_BORN, out))
		find_births(functions, out);
}

void go_program_find(const struct go_code *go, const struct go_function *functions,
		     struct go_program *out)
{
	char version[32];

	out->found = true;
	out->minor = go->minor;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (go->minor >= versions[i].from && go->minor <= versions[i].to)
			out->exe = versions[i].exe;
	snprintf(version, sizeof(version), "Go 1.%u", go->minor);
	if (!out->exe.goid_at)
		add_why(out, go->minor ? version : "Go", "this version is not known");
	else if (!go->has_text)
		add_why(out, version, "its code is not found");
	else
		find_sites(go, functions, out);
}
