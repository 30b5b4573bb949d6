// SPDX-License-Identifier: Apache-2.0
/*
 * What each library's functions do is in its manual pages: SSL_read(3), SSL_do_handshake(3). Where one that
 * needs a return probe has no place for it, its work is followed into the function that it calls.
 */
#include "user/probe/tls_library.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "include/abi/tls.h"
#include "user/probe/code.h"
#include "user/probe/follow.h"

#define RDI REGISTER(7)
#define BUFFER (REGISTER(6) | REGISTER(2)) /* rsi, and rdx for its length */
#define RCX REGISTER(1)
#define R8 REGISTER(8)
#define DEPTH_MAX 3 /* calls that are followed */

static const struct known {
	const char *library, *function;
	enum tls_call call;
	enum tls_answer answer;
	const char *same_as; /* of the same library, where both are followed */
} known[] = {
	{"OpenSSL", "SSL_read", TLS_READ, TLS_ANSWER_COUNT, "SSL_read_ex"},
	{"OpenSSL", "SSL_read_ex", TLS_READ, TLS_ANSWER_FLAG_3, NULL},
	{"OpenSSL", "SSL_write", TLS_WRITE, TLS_ANSWER_COUNT, "SSL_write_ex"},
	{"OpenSSL", "SSL_write_ex", TLS_WRITE, TLS_ANSWER_FLAG_3, NULL},
	{"OpenSSL", "SSL_do_handshake", TLS_HANDSHAKE, TLS_ANSWER_NONE, NULL},
	{"OpenSSL", "SSL_connect", TLS_HANDSHAKE, TLS_ANSWER_NONE, NULL},
	{"OpenSSL", "SSL_accept", TLS_HANDSHAKE, TLS_ANSWER_NONE, NULL},
	{"OpenSSL", "SSL_shutdown", TLS_SHUTDOWN, TLS_ANSWER_NONE, NULL},
	{"OpenSSL", "SSL_free", TLS_FREE, TLS_ANSWER_NONE, NULL},
};
#define KNOWN_CNT (sizeof(known) / sizeof(known[0]))

/* Where a known function is probed. */
struct place {
	uint64_t file_off;
	struct insn insn;
	enum tls_answer answer;
	bool found, followed;
};

static void add_why(struct tls_sites *out, const char *function, const char *reason)
{
	size_t n = strlen(out->why);

	snprintf(out->why + n, sizeof(out->why) - n, "%s%s: %s", n ? "; " : "", function, reason);
}

static struct site_want want_of(const struct known *k, enum tls_answer answer)
{
	struct site_want want = {.registers = RDI, .is_return = k->call != TLS_FREE};

	if (k->call == TLS_READ || k->call == TLS_WRITE)
		want.registers |= BUFFER;
	if (answer == TLS_ANSWER_FLAG_3)
		want.registers |= RCX;
	if (answer == TLS_ANSWER_FLAG_4)
		want.registers |= R8;
	return want;
}

/* How the function answers that is called, -1 if that does not tell what the calling one answers. */
static int answer_of(const struct follow *f, enum tls_answer answer)
{
	int wanted = answer == TLS_ANSWER_FLAG_3   ? 4
		     : answer == TLS_ANSWER_FLAG_4 ? 5
						   : FOLLOW_LOCAL;

	if (f->jumps && (answer == TLS_ANSWER_COUNT || answer == TLS_ANSWER_NONE))
		return answer;
	if (answer == TLS_ANSWER_NONE || (f->arguments[3] == wanted) == (f->arguments[4] == wanted))
		return -1;
	return f->arguments[3] == wanted ? TLS_ANSWER_FLAG_3 : TLS_ANSWER_FLAG_4;
}

/* Goes on to the function that does the work. */
static bool follow(const struct known *k, const struct code_function *function, uint64_t *address,
		   enum tls_answer *answer)
{
	struct follow f;
	int passed;

	if (!follow_x86(function->bytes, function->n, &f) || f.arguments[0] != 1)
		return false;
	if ((k->call == TLS_READ || k->call == TLS_WRITE) &&
	    (f.arguments[1] != 2 || f.arguments[2] != 3))
		return false;
	passed = answer_of(&f, *answer);
	if (passed < 0)
		return false;
	*answer = (enum tls_answer)passed;
	*address += (uint64_t)f.target;
	return true;
}

/* NULL, or why there is no place. */
static const char *find_place(struct code *code, const struct known *k,
			      const struct elf_function *at, struct place *out)
{
	uint64_t address = at->address, size = at->size;
	enum site_fault fault = SITE_NONE;

	*out = (struct place){.answer = k->answer};
	for (int depth = 0; depth <= DEPTH_MAX; depth++, size = 0) {
		struct code_function function;
		struct site site;
		int err = code__read(code, address, size, &function);

		if (err)
			return err == -ENODATA ? "nothing tells where it ends"
					       : "its code cannot be read";
		fault = site_pick_x86(function.bytes, function.n, want_of(k, out->answer), &site);
		out->followed = depth > 0;
		out->found = fault == SITE_FOUND;
		if (out->found) {
			out->file_off = function.file_off + site.off;
			out->insn = site.insn;
			return NULL;
		}
		if ((fault != SITE_STACK_MOVED && fault != SITE_REGISTER_LOST) ||
		    !follow(k, &function, &address, &out->answer))
			break;
	}
	return site_fault_text(fault);
}

static void add_site(struct tls_sites *out, const struct known *k, const struct place *place)
{
	struct tls_site *site = &out->v[out->cnt];

	for (uint32_t i = 0; i < out->cnt; i++) {
		size_t n = strlen(out->v[i].function);

		if (out->v[i].file_off != place->file_off)
			continue;
		snprintf(out->v[i].function + n, sizeof(out->v[i].function) - n, ", %s",
			 k->function);
		return;
	}
	if (out->cnt == TLS_SITES_MAX)
		return;
	out->cnt++;
	*site = (struct tls_site){
		.file_off = place->file_off,
		.insn = place->insn,
		.cookie = TLS_COOKIE(k->call, place->answer),
		.returns = k->call != TLS_FREE,
	};
	snprintf(site->function, sizeof(site->function), "%s", k->function);
}

/* Do both lead to the same place? What is followed is sure only if they do. */
static bool agrees(const struct known *k, const struct place *places)
{
	const struct place *own = &places[k - known];

	for (size_t i = 0; own->followed && k->same_as && i < KNOWN_CNT; i++)
		if (strcmp(known[i].function, k->same_as) == 0 && places[i].found &&
		    places[i].followed)
			return places[i].file_off == own->file_off &&
			       places[i].answer == own->answer;
	return true;
}

static void find_sites(struct code *code, const struct elf_function *functions,
		       struct tls_sites *out)
{
	struct place places[KNOWN_CNT] = {0};

	for (size_t i = 0; i < KNOWN_CNT; i++) {
		const char *reason = functions[i].address ? find_place(code, &known[i],
								       &functions[i], &places[i])
							  : NULL;

		if (reason)
			add_why(out, known[i].function, reason);
	}
	for (size_t i = 0; i < KNOWN_CNT; i++) {
		if (!places[i].found)
			continue;
		if (agrees(&known[i], places))
			add_site(out, &known[i], &places[i]);
		else
			add_why(out, known[i].function, "it does not call what its like calls");
	}
}

int tls_library_find(int fd, struct tls_sites *out)
{
	struct elf_function functions[KNOWN_CNT];
	struct code *code = code__open(fd);
	const char *machine;

	*out = (struct tls_sites){0};
	if (!code)
		return -errno;
	for (size_t i = 0; i < KNOWN_CNT; i++)
		functions[i] = (struct elf_function){.name = known[i].function};
	elf_file__find(code__elf(code), functions, KNOWN_CNT);
	for (size_t i = 0; i < KNOWN_CNT; i++)
		if (functions[i].address &&
		    (known[i].call == TLS_READ || known[i].call == TLS_WRITE))
			out->library = known[i].library;
	machine = elf_file__machine(code__elf(code));
	if (out->library && strcmp(machine, "x86-64") != 0)
		add_why(out, machine, "probes are known for x86-64 only");
	else if (out->library)
		find_sites(code, functions, out);
	code__free(code);
	return 0;
}
