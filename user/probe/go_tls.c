// SPDX-License-Identifier: Apache-2.0
/*
 * Go passes arguments in registers (rax, rbx, rcx, rdi, rsi ... in that order, and answers likewise), and has g, the
 * goroutine, in r14. A return probe would break it, whose stacks move: a read is seen behind the call, within
 * readRecordOrCCS, that decrypts.
 */
#include "user/probe/go_tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "include/abi/tls.h"
#include "user/probe/gopclntab.h"
#include "user/probe/window.h"

#define TEXT_ALIGN 16
/* What decrypt answers: bytes, their number, the record's type, an error. */
#define ANSWER_REGISTERS (REGISTER(0) | REGISTER(3) | REGISTER(7) | REGISTER(6))

enum {
	DECRYPT,
	WRITE,
	READ,
	CLIENT_HANDSHAKE,
	SERVER_HANDSHAKE,
	CLOSE,
	FUNCTION_CNT
};

static const struct known {
	const char *name;
	enum tls_call call;
} known[FUNCTION_CNT] = {
	[DECRYPT] = {.name = "crypto/tls.(*halfConn).decrypt"},
	[WRITE] = {.name = "crypto/tls.(*Conn).writeRecordLocked", .call = TLS_GO_WRITE},
	[READ] = {.name = "crypto/tls.(*Conn).readRecordOrCCS", .call = TLS_GO_READ},
	[CLIENT_HANDSHAKE] = {.name = "crypto/tls.(*Conn).clientHandshake",
			      .call = TLS_GO_HANDSHAKE},
	[SERVER_HANDSHAKE] = {.name = "crypto/tls.(*Conn).serverHandshake",
			      .call = TLS_GO_HANDSHAKE},
	[CLOSE] = {.name = "crypto/tls.(*Conn).Close", .call = TLS_GO_CLOSE},
};

struct search {
	struct code *code;
	struct window *window;
	uint64_t text; /* where all of Go's code begins */
	struct go_function functions[FUNCTION_CNT];
	struct tls_sites *out;
};

static void add_why(struct tls_sites *out, const char *function, const char *reason)
{
	size_t n = strlen(out->why);

	snprintf(out->why + n, sizeof(out->why) - n, "%s%s: %s", n ? "; " : "", function, reason);
}

/* Linkers other than Go's own may put the table into another section. */
static bool may_be_go(struct elf_file *elf)
{
	struct elf_segment build;

	return !elf_file__has_sections(elf) || elf_file__section(elf, ".go.buildinfo", &build);
}

static bool find_functions(int fd, struct code *code, struct go_function *functions)
{
	static const char *const sections[] = {".gopclntab", ".data.rel.ro.gopclntab"};
	struct elf_file *elf = code__elf(code);
	struct elf_segment table = {.size = 0};

	for (size_t i = 0; i < FUNCTION_CNT; i++)
		functions[i] = (struct go_function){.name = known[i].name};
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]) && !table.size; i++)
		elf_file__section(elf, sections[i], &table);
	if (!table.size && may_be_go(elf) && gopclntab_scan(fd, &table.file_off))
		table.size = UINT64_MAX - table.file_off;
	return table.size &&
	       gopclntab_find(fd, table.file_off, table.size, functions, FUNCTION_CNT) == 0 &&
	       (functions[WRITE].found || functions[READ].found);
}

/* Would all functions begin as those of Go do, if the text were at that place in the segment? */
static bool all_begin(struct search *s, const struct elf_segment *segment, uint64_t at)
{
	for (size_t i = 0; i < FUNCTION_CNT; i++) {
		const struct go_function *f = &s->functions[i];
		const uint8_t *bytes;

		if (!f->found)
			continue;
		if (f->off >= segment->size - at ||
		    window__read(s->window, segment->file_off + at + f->off, SITE_GO_START_SZ,
				 &bytes) < SITE_GO_START_SZ ||
		    !site_is_go_start_x86(bytes))
			return false;
	}
	return true;
}

/*
 * The table no longer says where the text is, and never did so in files that are relocated. It is where all
 * functions begin as they should.
 */
static bool find_text(int fd, struct search *s)
{
	struct elf_segment segments[SEGMENTS_MAX];
	uint32_t cnt = elf_file__segments(code__elf(s->code), segments);
	uint32_t first = s->functions[WRITE].found ? WRITE : READ;
	struct window *ahead = window__new(fd);
	bool found = false;

	for (uint32_t i = 0; ahead && i < cnt && !found; i++) {
		uint64_t off = s->functions[first].off;
		const uint8_t *bytes;

		for (uint64_t at = 0;
		     !found && off < segments[i].size && at < segments[i].size - off &&
		     window__read(ahead, segments[i].file_off + at + off, SITE_GO_START_SZ,
				  &bytes) >= SITE_GO_START_SZ;
		     at += TEXT_ALIGN) {
			found = site_is_go_start_x86(bytes) && all_begin(s, &segments[i], at);
			s->text = segments[i].address + at;
		}
	}
	window__free(ahead);
	return found;
}

static const char *pick(struct search *s, uint32_t which, struct tls_site *out)
{
	const struct go_function *f = &s->functions[which];
	struct code_function function;
	enum site_fault fault;
	struct site site;
	uint32_t slot = 0;

	if (code__read(s->code, s->text + f->off, f->size, &function))
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
		.cookie = known[which].call | (uint64_t)slot << TLS_COOKIE_SLOT_SHIFT,
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
	bool seen[FUNCTION_CNT] = {false};

	for (uint32_t i = WRITE; i < FUNCTION_CNT; i++) {
		const char *reason = "the program has it only as part of others";
		struct tls_site *site = &s->out->v[s->out->cnt];

		if (s->functions[i].found)
			reason = pick(s, i, site);
		else if (i == CLIENT_HANDSHAKE || i == SERVER_HANDSHAKE)
			continue; /* it only has the other */
		if (!reason && is_taken(s->out, site))
			reason = "another is in the same place";
		if (reason)
			add_why(s->out, known[i].name, reason);
		else
			s->out->cnt++;
		seen[i] = !reason;
	}
	if (!seen[READ] || !seen[WRITE])
		s->out->cnt = 0;
}

void go_tls_find(int fd, struct code *code, struct tls_sites *out)
{
	struct search s = {.code = code, .out = out};
	const char *machine = elf_file__machine(code__elf(code));

	if (!find_functions(fd, code, s.functions))
		return;
	out->library = "Go crypto/tls";
	s.window = window__new(fd);
	if (strcmp(machine, "x86-64") != 0)
		add_why(out, machine, "sites are known for x86-64 only");
	else if (!s.window || !find_text(fd, &s))
		add_why(out, known[WRITE].name, "its code is not found");
	else
		find_sites(&s);
	window__free(s.window);
}
