// SPDX-License-Identifier: Apache-2.0
/*
 * Go passes arguments in registers (rax, rbx, rcx, rdi, rsi ... in that order, and answers likewise), and has g, the
 * goroutine, in r14. A return probe would break it, whose stacks move: a read is seen behind the call, within
 * readRecordOrCCS, that decrypts.
 */
#include "user/probe/go_tls.h"

#include <stdio.h>
#include <string.h>

#include "include/abi/tls.h"

/* What decrypt answers: bytes, their number, the record's type, an error. */
#define ANSWER_REGISTERS (REGISTER(0) | REGISTER(3) | REGISTER(7) | REGISTER(6))

enum {
	DECRYPT,
	WRITE,
	READ,
	CLIENT_HANDSHAKE,
	SERVER_HANDSHAKE,
	CLOSE,
};

_Static_assert(CLOSE == GO_TLS_FUNCTIONS - 1, "all are in the header's count");

const char *const go_tls_functions[GO_TLS_FUNCTIONS] = {
	[DECRYPT] = "crypto/tls.(*halfConn).decrypt",
	[WRITE] = "crypto/tls.(*Conn).writeRecordLocked",
	[READ] = "crypto/tls.(*Conn).readRecordOrCCS",
	[CLIENT_HANDSHAKE] = "crypto/tls.(*Conn).clientHandshake",
	[SERVER_HANDSHAKE] = "crypto/tls.(*Conn).serverHandshake",
	[CLOSE] = "crypto/tls.(*Conn).Close",
};

static const enum tls_call calls[GO_TLS_FUNCTIONS] = {
	[WRITE] = TLS_GO_WRITE,
	[READ] = TLS_GO_READ,
	[CLIENT_HANDSHAKE] = TLS_GO_HANDSHAKE,
	[SERVER_HANDSHAKE] = TLS_GO_HANDSHAKE,
	[CLOSE] = TLS_GO_CLOSE,
};

struct search {
	const struct go_code *go;
	const struct go_function *functions;
	struct tls_sites *out;
};

static void add_why(struct tls_sites *out, const char *function, const char *reason)
{
	size_t n = strlen(out->why);

	snprintf(out->why + n, sizeof(out->why) - n, "%s%s: %s", n ? "; " : "", function, reason);
}

static const char *pick(struct search *s, uint32_t which, struct tls_site *out)
{
	const struct go_function *f = &s->functions[which];
	struct code_function function;
	enum site_fault fault;
	struct site site;
	uint32_t slot = 0;

	if (go_code_read(s->go, f, &function))
		return "its code cannot be read";
	if (which != READ)
		fault = site_pick_go_entry_x86(function.bytes, function.n, &site);
	else if (s->functions[DECRYPT].found)
		fault = site_pick_go_call_x86(function.bytes, function.n,
					      (int64_t)s->functions[DECRYPT].off - f->off,
					      ANSWER_REGISTERS, &site, &slot);
	else
		fault = SITE_NO_CALL;
	if (fault != SITE_FOUND)
		return site_fault_text(fault);
	*out = (struct tls_site){
		.file_off = function.file_off + site.off,
		.cookie = calls[which] | (uint64_t)slot << TLS_COOKIE_SLOT_SHIFT,
		.insn = site.insn,
	};
	snprintf(out->function, sizeof(out->function), "%s", f->name);
	return NULL;
}

/* Two functions in one place: the table lies. */
static bool is_taken(const struct tls_sites *out, const struct tls_site *site)
{
	for (uint32_t i = 0; i < out->cnt; i++)
		if (out->v[i].file_off == site->file_off)
			return true;
	return false;
}

/* Half of what passes is worse than nothing. */
static void find_sites(struct search *s)
{
	bool seen[GO_TLS_FUNCTIONS] = {false};

	for (uint32_t i = WRITE; i < GO_TLS_FUNCTIONS; i++) {
		const char *reason = "the program has it only as part of others";
		struct tls_site *site = &s->out->v[s->out->cnt];

		if (s->functions[i].found)
			reason = pick(s, i, site);
		else if (i == CLIENT_HANDSHAKE || i == SERVER_HANDSHAKE)
			continue; /* it only has the other */
		if (!reason && is_taken(s->out, site))
			reason = "another is in the same place";
		if (reason)
			add_why(s->out, go_tls_functions[i], reason);
		else
			s->out->cnt++;
		seen[i] = !reason;
	}
	if (!seen[READ] || !seen[WRITE])
		s->out->cnt = 0;
}

void go_tls_find(const struct go_code *go, const struct go_function *functions,
		 struct tls_sites *out)
{
	struct search s = {.go = go, .functions = functions, .out = out};
	const char *machine = elf_file__machine(code__elf(go->code));

	if (!functions[WRITE].found && !functions[READ].found)
		return;
	out->library = "Go crypto/tls";
	if (strcmp(machine, "x86-64") != 0)
		add_why(out, machine, "sites are known for x86-64 only");
	else if (!go->has_text)
		add_why(out, go_tls_functions[WRITE], "its code is not found");
	else
		find_sites(&s);
}
