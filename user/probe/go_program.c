// SPDX-License-Identifier: Apache-2.0
/*
 * Of most goroutines nobody can tell what for they were created. Of some the function that creates them does: there
 * is a probe where it calls runtime.newproc, and one where they begin, in a closure of its own, which linkers name
 * after it. net/http's client has a goroutine to write for each connection; who sends a request tells it in roundTrip.
 * Offsets are those that DWARF tells of each version's own programs.
 */
#include "user/probe/go_program.h"

#include <stdio.h>
#include <string.h>

enum {
	NEWPROC,
	ROUND_TRIP,
	WRITE_LOOP,
	RUNTIME_MAIN, /* these are in every program, and tell where its text is */
	SCHED_INIT,
	GC_START,
	READ_AHEAD,
	QUEUE,
	WRITE_HEADER,
};

#define BOTH(name, call, part)                               \
	{"net/http.(*http2" name, call, part},               \
	{                                                    \
		"golang.org/x/net/http2.(*" name, call, part \
	}
#define GROUP "golang.org/x/sync/errgroup.(*Group)."
#define GRPC "google.golang.org/grpc."
#define GRPC_TRANSPORT "google.golang.org/grpc/internal/transport.(*"

/* The names of closures differ between versions. */
static const struct {
	const char *name;
	enum go_call call;
	enum go_part part;
} known[GO_PROGRAM_FUNCTIONS] = {
	[NEWPROC] = {"runtime.newproc", 0, 0},
	[ROUND_TRIP] = {"net/http.(*persistConn).roundTrip", GO_ROUND_TRIP, 0},
	[WRITE_LOOP] = {"net/http.(*persistConn).writeLoop", GO_WRITE_LOOP, 0},
	[RUNTIME_MAIN] = {"runtime.main", 0, 0},
	[SCHED_INIT] = {"runtime.schedinit", 0, 0},
	[GC_START] = {"runtime.gcStart", 0, 0},
	[READ_AHEAD] = {"net/http.(*connReader).startBackgroundRead", 0, 0},
	[QUEUE] = {GRPC_TRANSPORT "controlBuffer).executeAndPut", 0, 0},
	[WRITE_HEADER] = {GRPC_TRANSPORT "loopyWriter).writeHeader", 0, 0},
	BOTH("serverConn).serve", GO_CREATES, GO_READS),
	BOTH("serverConn).serve.gowrap7", GO_BEGINS, GO_READS),
	BOTH("serverConn).serve.gowrap8", GO_BEGINS, GO_READS),
	BOTH("serverConn).serve.func7", GO_BEGINS, GO_READS),
	BOTH("serverConn).serve.func8", GO_BEGINS, GO_READS),
	BOTH("serverConn).scheduleHandler", GO_CREATES, GO_DOES),
	BOTH("serverConn).scheduleHandler.gowrap1", GO_BEGINS, GO_DOES),
	BOTH("serverConn).scheduleHandler.func1", GO_BEGINS, GO_DOES),
	BOTH("serverConn).processHeaders", GO_CREATES, GO_DOES),
	BOTH("serverConn).processHeaders.func1", GO_BEGINS, GO_DOES),
	BOTH("ClientConn).roundTrip", GO_CREATES, GO_ASKS),
	BOTH("ClientConn).roundTrip.gowrap1", GO_BEGINS, GO_ASKS),
	BOTH("ClientConn).RoundTrip", GO_CREATES, GO_ASKS),
	BOTH("ClientConn).RoundTrip.gowrap1", GO_BEGINS, GO_ASKS),
	BOTH("ClientConn).RoundTrip.func3", GO_BEGINS, GO_ASKS),
	BOTH("ClientConn).RoundTrip.func4", GO_BEGINS, GO_ASKS),
	{GROUP "Go", GO_CREATES, GO_DOES},
	{GROUP "Go.func1", GO_BEGINS, GO_DOES},
	{GROUP "TryGo", GO_CREATES, GO_DOES},
	{GROUP "TryGo.func1", GO_BEGINS, GO_DOES},
	{"sync.(*WaitGroup).Go", GO_CREATES, GO_DOES},
	{"sync.(*WaitGroup).Go.func1", GO_BEGINS, GO_DOES},
	BOTH("serverConn).processHeaders", GO_STREAM, 0),
	{GRPC "(*Server).handleRawConn", GO_CREATES, GO_GOES_ON},
	{GRPC "(*Server).handleRawConn.func1", GO_BEGINS, GO_GOES_ON},
	{GRPC_TRANSPORT "http2Server).operateHeaders", GO_STREAM, 0},
	{GRPC "(*Server).serveStreams.func1", GO_GIVES, 0},
	{GRPC "(*Server).serveStreams.func2", GO_GIVES, 0},
	{GRPC "(*Server).handleStream", GO_TAKES, 0},
	{GRPC_TRANSPORT "http2Client).NewStream", GO_QUEUES, 0},
	{GRPC_TRANSPORT "loopyWriter).originateStream", GO_WRITES, 0},
	{GRPC_TRANSPORT "loopyWriter).clientHeaderHandler", GO_WRITES, 0},
};

/* What is called where a probe is at a call. */
static uint32_t callee(enum go_call call)
{
	return call == GO_QUEUES ? QUEUE : call == GO_WRITES ? WRITE_HEADER : NEWPROC;
}

const char *go_program_function(size_t i, bool *starts)
{
	*starts = i <= GC_START;
	return known[i].name;
}

static const struct {
	uint32_t from, to; /* minor versions */
	struct go_exe exe;
} versions[] = {
	{19, 20, {.goid_at = 152, .receivers_at = 56, .created_at = 296}},
	{21, 22, {.goid_at = 152, .receivers_at = 56, .created_at = 280}},
	{23, 24, {.goid_at = 160, .receivers_at = 64, .created_at = 288}},
	{25, 25, {.goid_at = 152, .receivers_at = 64, .created_at = 280}},
	{26, 26, {.goid_at = 152, .receivers_at = 64, .created_at = 288}},
};

static void add_why(struct go_program *out, const char *function, const char *reason)
{
	size_t n = strlen(out->why);

	snprintf(out->why + n, sizeof(out->why) - n, "%s%s: %s", n ? "; " : "", function, reason);
}

static enum site_fault pick_in(const struct code_function *code,
			       const struct go_function *functions, const struct go_function *f,
			       enum go_call call, struct site *out)
{
	if (call < GO_AT_CALL)
		return site_pick_go_entry_x86(code->bytes, code->n, out);
	return site_pick_call_x86(code->bytes, code->n,
				  (int64_t)functions[callee(call)].off - f->off, out);
}

static void add_site(const struct go_code *go, const struct go_function *functions, uint32_t which,
		     struct go_program *out)
{
	const struct go_function *f = &functions[which];
	enum go_call call = known[which].call;
	struct code_function code;
	enum site_fault fault;
	struct site site;

	if (go_code_read(go, f, &code)) {
		add_why(out, f->name, "its code cannot be read");
		return;
	}
	fault = pick_in(&code, functions, f, call, &site);
	if (fault == SITE_NO_CALL) /* in this version another function creates them */
		return;
	if (fault != SITE_FOUND || out->cnt == GO_SITES_MAX) {
		add_why(out, f->name,
			fault != SITE_FOUND ? site_fault_text(fault) : "there are too many");
		return;
	}
	out->v[out->cnt++] = (struct go_site){
		.file_off = code.file_off + site.off,
		.cookie = call | (uint64_t)known[which].part << 8,
	};
}

/* Of a client's connections both are needed: its writer works for none but the last to ask. */
static bool is_half(const struct go_function *functions, struct go_program *out)
{
	if (functions[ROUND_TRIP].found == functions[WRITE_LOOP].found)
		return false;
	add_why(out, functions[ROUND_TRIP].name, "the program has it only as part of others");
	return true;
}

static void find_sites(const struct go_code *go, const struct go_function *functions,
		       struct go_program *out)
{
	bool half = is_half(functions, out);

	for (uint32_t i = NEWPROC + 1; i < GO_PROGRAM_FUNCTIONS; i++)
		if (functions[i].found && known[i].call && !(half && i <= WRITE_LOOP) &&
		    (known[i].call < GO_AT_CALL || functions[callee(known[i].call)].found))
			add_site(go, functions, i, out);
	if (functions[READ_AHEAD].found) {
		out->exe.ahead_off = (uint32_t)(go->text_off + functions[READ_AHEAD].off);
		out->exe.ahead_sz = functions[READ_AHEAD].size;
	}
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
