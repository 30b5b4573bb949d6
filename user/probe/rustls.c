// SPDX-License-Identifier: Apache-2.0
/*
 * What is probed has its arguments in registers, as Rust passes a reference, a slice (address and length) and
 * an io::Result<usize> (0 or 1, and the number). The structures of rustls are not looked into, but for the
 * reference that a Reader begins with, and for a Payload, whose words tell themselves what they are.
 */
#include "user/probe/rustls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/abi/tls.h"
#include "user/base/demangle.h"

#define NAMES_MAX_SZ (256u << 20)
#define CRATE "rustls"

#define RDI REGISTER(7)
#define RSI REGISTER(6)
#define RDX REGISTER(2)

/* What a session needs, one of each. */
enum part {
	PART_FEED,
	PART_DRAIN,
	PART_READ,
	PART_WRITE,
	PART_CNT
};

static const char *const part_names[PART_CNT] = {
	[PART_FEED] = "read_tls",
	[PART_DRAIN] = "write_tls",
	[PART_READ] = "take_received_plaintext or Reader::read",
	[PART_WRITE] = "Writer::write",
};

#define APART(call, answer) (TLS_COOKIE(call, answer) | TLS_COOKIE_APART)

static const struct known {
	const char *function; /* glob, without angle brackets */
	const char *shown;
	enum part part;
	uint32_t cookie, registers;
} known[] = {
	{"rustls::msgs::deframer::MessageDeframer::read", "read_tls", PART_FEED,
	 APART(TLS_FEED, TLS_ANSWER_NONE), RDI},
	{"rustls::msgs::deframer::*DeframerVecBuffer::read", "read_tls", PART_FEED,
	 APART(TLS_FEED, TLS_ANSWER_NONE), RDI},
	{"rustls::vecbuf::ChunkVecBuffer::write_to", "write_tls", PART_DRAIN,
	 APART(TLS_DRAIN, TLS_ANSWER_NONE), RDI},
	{"rustls::common_state::CommonState::take_received_plaintext", "take_received_plaintext",
	 PART_READ, APART(TLS_READ, TLS_ANSWER_ALL) | TLS_COOKIE_PAYLOAD, RDI | RSI},
	{"rustls::conn::*Reader as std::io::Read::read", "Reader::read", PART_READ,
	 APART(TLS_READ, TLS_ANSWER_RESULT) | TLS_COOKIE_BORROWED, RDI | RSI | RDX},
	{"rustls::conn::ConnectionCommon* as rustls::conn::*PlaintextSink::write", "Writer::write",
	 PART_WRITE, APART(TLS_WRITE, TLS_ANSWER_RESULT), RDI | RSI | RDX},
	{"rustls::conn::ConnectionCommon* as rustls::conn::*PlaintextSink::write_vectored",
	 "Writer::write_vectored", PART_WRITE,
	 APART(TLS_WRITE, TLS_ANSWER_RESULT) | TLS_COOKIE_VECTOR, RDI | RSI | RDX},
};
#define KNOWN_CNT (sizeof(known) / sizeof(known[0]))

struct search {
	struct code *code;
	struct tls_sites *out;
	uint32_t begun_at; /* of the sites in out */
	bool seen;	   /* the crate is in the file */
	bool by_payload;   /* what is received is seen when it is decrypted, not when it is read */
	bool found[PART_CNT];
	const char *reason; /* why there is no place; NULL: none was looked for in vain */
};

/* The name that people know, without angle brackets. */
static struct slice plain_name(const char *symbol, char buf[DEMANGLED_MAX])
{
	struct slice name = demangle(symbol, buf);
	size_t n = 0;

	for (size_t i = 0; i < name.n; i++)
		if (buf[i] != '<' && buf[i] != '>')
			buf[n++] = buf[i];
	return slice_of(buf, n);
}

static const struct known *find_known(const char *symbol)
{
	char buf[DEMANGLED_MAX];
	struct slice name = plain_name(symbol, buf);

	for (size_t i = 0; i < KNOWN_CNT; i++)
		if (slice_fits_glob(name, slice_str(known[i].function)))
			return &known[i];
	return NULL;
}

static void add_site(struct search *s, const struct known *k, const struct elf_symbol *symbol)
{
	struct site_want want = {.registers = k->registers, .is_return = true};
	struct tls_sites *out = s->out;
	enum site_fault fault = SITE_NONE;
	struct code_function function;
	struct tls_site *to;
	struct site site;

	if (out->cnt == TLS_SITES_MAX) {
		s->reason = "there are too many";
		return;
	}
	if (code__read(s->code, symbol->address, symbol->unsized ? 0 : symbol->size, &function) ==
	    0)
		fault = site_pick_x86(function.bytes, function.n, want, &site);
	if (fault != SITE_FOUND) {
		s->reason = site_fault_text(fault);
		return;
	}
	to = &out->v[out->cnt++];
	*to = (struct tls_site){
		.file_off = function.file_off + site.off,
		.cookie = k->cookie,
		.insn = site.insn,
		.returns = true,
	};
	snprintf(to->function, sizeof(to->function), "%s", k->shown);
	s->found[k->part] = true;
}

static bool is_payload(const struct known *k)
{
	return k->cookie & TLS_COOKIE_PAYLOAD;
}

/* Calls what for each known function among the symbols. */
static void each_known(struct search *s, const struct elf_table *table, const char *names,
		       void (*what)(struct search *, const struct known *,
				    const struct elf_symbol *))
{
	for (uint32_t i = 0; i < table->cnt; i++) {
		const struct elf_symbol *symbol = &table->v[i];
		const char *name = symbol->name < table->names.size ? names + symbol->name : "";
		const struct known *k = strstr(name, CRATE) ? find_known(name) : NULL;

		if (k)
			what(s, k, symbol);
	}
}

static void note(struct search *s, const struct known *k, const struct elf_symbol *symbol)
{
	(void)symbol;
	s->seen = true;
	s->by_payload = s->by_payload || is_payload(k);
}

static void take(struct search *s, const struct known *k, const struct elf_symbol *symbol)
{
	if (k->part != PART_READ || s->by_payload == is_payload(k))
		add_site(s, k, symbol);
}

/* All that is needed, or nothing and why. */
static void tell(struct search *s)
{
	struct tls_sites *out = s->out;
	size_t n = strlen(out->why);
	const char *and = n ? "; " : "";
	int part = 0;

	if (!out->library)
		out->library = CRATE;
	while (part < PART_CNT && s->found[part])
		part++;
	if (!s->reason && part == PART_CNT)
		return;
	out->cnt = s->begun_at;
	if (s->reason)
		snprintf(out->why + n, sizeof(out->why) - n, "%srustls: %s", and, s->reason);
	else
		snprintf(out->why + n, sizeof(out->why) - n,
			 "%s%s of rustls: the compiler has left none to be probed", and,
			 part_names[part]);
}

void rustls_find(int fd, struct code *code, struct tls_sites *out)
{
	struct search s = {.code = code, .out = out, .begun_at = out->cnt};
	struct elf_table table = {0};
	char *names = NULL;

	if (elf_file__symbols(code__elf(code), false, &table) || table.names.size > NAMES_MAX_SZ)
		goto cleanup;
	names = calloc(1, table.names.size + 1);
	if (!names || pread(fd, names, table.names.size, (off_t)table.names.file_off) !=
			      (ssize_t)table.names.size)
		goto cleanup;
	if (!memmem(names, table.names.size, CRATE, strlen(CRATE)))
		goto cleanup;
	each_known(&s, &table, names, note);
	if (!s.seen)
		goto cleanup;
	each_known(&s, &table, names, take);
	tell(&s);
cleanup:
	free(names);
	free(table.v);
	free(table.names.memory);
}
