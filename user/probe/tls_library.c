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
#include "user/probe/go_tls.h"
#include "user/probe/rustls.h"

#define DEPTH_MAX 3 /* calls that are followed */
#define STUB_SZ 32
#define TARGETS_MAX 64

/*
 * A function comes behind those that may do its work: where it calls one of them that is probed, or one that
 * those pass their work on to, it needs no probe of its own.
 */
static const struct known {
	const char *library, *function;
	enum tls_call call;
	enum tls_answer answer;
} known[] = {
	{"OpenSSL", "SSL_read_ex", TLS_READ, TLS_ANSWER_FLAG_3},
	{"OpenSSL", "SSL_read", TLS_READ, TLS_ANSWER_COUNT},
	{"OpenSSL", "SSL_write_ex2", TLS_WRITE, TLS_ANSWER_FLAG_4},
	{"OpenSSL", "SSL_write_ex", TLS_WRITE, TLS_ANSWER_FLAG_3},
	{"OpenSSL", "SSL_write", TLS_WRITE, TLS_ANSWER_COUNT},
	{"OpenSSL", "SSL_sendfile", TLS_SEND_FILE, TLS_ANSWER_COUNT},
	{"OpenSSL", "SSL_do_handshake", TLS_HANDSHAKE, TLS_ANSWER_NONE},
	{"OpenSSL", "SSL_connect", TLS_HANDSHAKE, TLS_ANSWER_NONE},
	{"OpenSSL", "SSL_accept", TLS_HANDSHAKE, TLS_ANSWER_NONE},
	{"OpenSSL", "SSL_shutdown", TLS_SHUTDOWN, TLS_ANSWER_NONE},
	{"OpenSSL", "SSL_free", TLS_FREE, TLS_ANSWER_NONE},
	/* Leads to a function that reads other records as well, within gnutls_handshake and gnutls_bye. */
	{"GnuTLS", "gnutls_record_recv_seq", TLS_READ, TLS_ANSWER_COUNT},
	{"GnuTLS", "gnutls_record_recv", TLS_READ, TLS_ANSWER_COUNT},
	{"GnuTLS", "gnutls_record_send2", TLS_WRITE, TLS_ANSWER_COUNT},
	{"GnuTLS", "gnutls_record_send", TLS_WRITE, TLS_ANSWER_COUNT},
	{"GnuTLS", "gnutls_handshake", TLS_HANDSHAKE, TLS_ANSWER_NONE},
	/* Sends what was given to gnutls_record_send before, by calling that once more. */
	{"GnuTLS", "gnutls_record_uncork", TLS_HANDSHAKE, TLS_ANSWER_NONE},
	{"GnuTLS", "gnutls_bye", TLS_SHUTDOWN, TLS_ANSWER_NONE},
	{"GnuTLS", "gnutls_deinit", TLS_FREE, TLS_ANSWER_NONE},
};
#define KNOWN_CNT (sizeof(known) / sizeof(known[0]))

/* Where a known function is probed. */
struct place {
	bool found;
	uint64_t file_off;
	struct insn insn;
	enum tls_answer answer;
	uint8_t buffer;			 /* which argument, from 0; its length is the next */
	uint64_t through[DEPTH_MAX + 1]; /* the function, and those that were followed */
	uint32_t through_cnt;
	uint32_t site; /* index in what is handed out */
};

struct search {
	struct code *code;
	struct elf_function functions[KNOWN_CNT];
	struct place places[KNOWN_CNT];
	struct tls_sites *out;
};

static uint32_t argument_register(uint8_t argument)
{
	static const uint8_t numbers[ARGUMENTS_MAX] = {7, 6, 2, 1, 8, 9};

	return REGISTER(numbers[argument]);
}

static bool has_buffer(const struct known *k)
{
	return k->call == TLS_READ || k->call == TLS_WRITE;
}

static void add_why(struct tls_sites *out, const char *function, const char *reason)
{
	size_t n = strlen(out->why);

	snprintf(out->why + n, sizeof(out->why) - n, "%s%s: %s", n ? "; " : "", function, reason);
}

/* --- what is called ---------------------------------------------------------------------------- */

/* Where the call leads in the end, if that is a known function in this file and a stub is on the way. */
static uint64_t behind_stub(struct search *s, uint64_t address)
{
	struct code_function stub;
	const char *name = NULL;
	int64_t slot;

	if (code__read(s->code, address, STUB_SZ, &stub) == 0 &&
	    follow_stub_x86(stub.bytes, stub.n, &slot))
		name = elf_file__slot_name(code__elf(s->code), address + (uint64_t)slot);
	for (size_t i = 0; name && i < KNOWN_CNT; i++)
		if (strcmp(known[i].function, name) == 0 && s->functions[i].address)
			return s->functions[i].address;
	return address;
}

/* That does the same, and passes through address. */
static const struct place *find_through(const struct search *s, const struct known *k,
					uint64_t address)
{
	for (const struct known *other = known; other < k; other++) {
		const struct place *place = &s->places[other - known];

		if (!place->found || other->call != k->call ||
		    strcmp(other->library, k->library) != 0)
			continue;
		for (uint32_t i = 0; i < place->through_cnt; i++)
			if (place->through[i] == address)
				return place;
	}
	return NULL;
}

/* The place that sees the function's calls anyway. */
static const struct place *find_covering(struct search *s, const struct known *k)
{
	const struct elf_function *function = &s->functions[k - known];
	uint64_t targets[TARGETS_MAX];
	struct code_function code;
	uint32_t cnt = 0;
	size_t at = 0;
	int64_t target;

	if (code__read(s->code, function->address, function->size, &code))
		return NULL;
	while (cnt < TARGETS_MAX && follow_next_x86(code.bytes, code.n, &at, &target))
		targets[cnt++] = function->address + (uint64_t)target;
	for (uint32_t i = 0; i < cnt; i++) {
		const struct place *place = find_through(s, k, behind_stub(s, targets[i]));

		if (place)
			return place;
	}
	return NULL;
}

/* --- places ------------------------------------------------------------------------------------ */

static struct site_want want_of(const struct known *k, const struct place *place)
{
	struct site_want want = {
		.registers = argument_register(0),
		.is_return = k->call != TLS_FREE,
	};

	if (has_buffer(k))
		want.registers |=
			argument_register(place->buffer) | argument_register(place->buffer + 1);
	if (place->answer == TLS_ANSWER_FLAG_3)
		want.registers |= argument_register(3);
	if (place->answer == TLS_ANSWER_FLAG_4)
		want.registers |= argument_register(4);
	return want;
}

/* Where the function that is called has an argument of the calling one, in first or first + 1; 0: nowhere. */
static uint8_t passed_at(const struct follow *f, uint8_t first, uint8_t argument)
{
	if (f->arguments[first] == argument + 1)
		return first;
	return f->arguments[first + 1] == argument + 1 ? first + 1 : 0;
}

/* Goes on to the function that does the work. */
static bool follow(const struct known *k, const struct code_function *function, uint64_t *address,
		   struct place *place)
{
	uint8_t buffer, flag = place->answer == TLS_ANSWER_FLAG_4 ? 4 : 3;
	struct follow f;

	if (!follow_x86(function->bytes, function->n, &f) || f.arguments[0] != 1)
		return false;
	if (has_buffer(k)) {
		buffer = passed_at(&f, 1, place->buffer);
		if (!buffer || f.arguments[buffer + 1] != place->buffer + 2)
			return false;
		place->buffer = buffer;
	}
	if (place->answer == TLS_ANSWER_FLAG_3 || place->answer == TLS_ANSWER_FLAG_4) {
		flag = passed_at(&f, 3, flag);
		if (!flag)
			return false;
		place->answer = flag == 3 ? TLS_ANSWER_FLAG_3 : TLS_ANSWER_FLAG_4;
	} else if (!f.jumps) {
		return false; /* what the other answers need not be what this one does */
	}
	*address += (uint64_t)f.target;
	return true;
}

/* NULL, or why there is no place. */
static const char *find_place(struct search *s, const struct known *k, struct place *out)
{
	uint64_t address = s->functions[k - known].address, size = s->functions[k - known].size;
	enum site_fault fault = SITE_NONE;

	*out = (struct place){.answer = k->answer, .buffer = 1};
	for (int depth = 0; depth <= DEPTH_MAX; depth++, size = 0) {
		struct code_function function;
		struct site site;
		int err = code__read(s->code, address, size, &function);

		if (err)
			return err == -ENODATA ? "nothing tells where it ends"
					       : "its code cannot be read";
		out->through[out->through_cnt++] = address;
		fault = site_pick_x86(function.bytes, function.n, want_of(k, out), &site);
		if (fault == SITE_FOUND) {
			out->found = true;
			out->file_off = function.file_off + site.off;
			out->insn = site.insn;
			return NULL;
		}
		if ((fault != SITE_STACK_MOVED && fault != SITE_REGISTER_LOST) ||
		    !follow(k, &function, &address, out))
			break;
	}
	return site_fault_text(fault);
}

static void add_name(struct tls_site *site, const char *function)
{
	size_t n = strlen(site->function);

	snprintf(site->function + n, sizeof(site->function) - n, ", %s", function);
}

static uint64_t cookie_of(const struct known *k, const struct place *place)
{
	return (uint64_t)TLS_COOKIE(k->call, place->answer) |
	       (place->buffer == 1 ? 0 : TLS_COOKIE_BUFFER_NEXT);
}

static void add_site(struct tls_sites *out, const struct known *k, struct place *place)
{
	struct tls_site *site = &out->v[out->cnt];

	/* Functions with the same code can be one in the file. */
	for (uint32_t i = 0; i < out->cnt; i++) {
		if (out->v[i].file_off != place->file_off)
			continue;
		if (out->v[i].cookie == cookie_of(k, place)) {
			place->site = i;
			add_name(&out->v[i], k->function);
		} else {
			place->found = false;
			add_why(out, k->function, "the same code does something else too");
		}
		return;
	}
	place->site = out->cnt++;
	*site = (struct tls_site){
		.file_off = place->file_off,
		.insn = place->insn,
		.cookie = cookie_of(k, place),
		.returns = k->call != TLS_FREE,
	};
	snprintf(site->function, sizeof(site->function), "%s", k->function);
}

static void search(struct search *s, const struct known *k)
{
	struct place *place = &s->places[k - known];
	const struct place *covering = find_covering(s, k);
	const char *reason;

	if (covering) {
		add_name(&s->out->v[covering->site], k->function);
		return;
	}
	reason = find_place(s, k, place);
	if (reason)
		add_why(s->out, k->function, reason);
	else
		add_site(s->out, k, place);
}

#define GO_FUNCTIONS (GO_TLS_FUNCTIONS + GO_PROGRAM_FUNCTIONS)

/* All names at once: the table of functions is long. */
static void search_go(int fd, struct search *s)
{
	struct go_function functions[GO_FUNCTIONS] = {0};
	bool starts[GO_FUNCTIONS];
	struct go_code go;

	for (size_t i = 0; i < GO_TLS_FUNCTIONS; i++) {
		functions[i].name = go_tls_functions[i];
		starts[i] = true;
	}
	for (size_t i = GO_TLS_FUNCTIONS; i < GO_FUNCTIONS; i++)
		functions[i].name = go_program_function(i - GO_TLS_FUNCTIONS, &starts[i]);
	if (!go_code_open(fd, s->code, functions, GO_FUNCTIONS, starts, &go))
		return;
	if (!s->out->library)
		go_tls_find(&go, functions, s->out);
	go_program_find(&go, functions + GO_TLS_FUNCTIONS, &s->out->go);
}

int tls_library_find(int fd, struct tls_sites *out)
{
	struct search s = {.code = code__open(fd), .out = out};
	const char *machine;

	*out = (struct tls_sites){0};
	if (!s.code)
		return -errno;
	for (size_t i = 0; i < KNOWN_CNT; i++)
		s.functions[i].name = known[i].function;
	elf_file__find(code__elf(s.code), s.functions, KNOWN_CNT);
	for (size_t i = 0; i < KNOWN_CNT; i++)
		if (!out->library && s.functions[i].address && has_buffer(&known[i]))
			out->library = known[i].library;
	machine = elf_file__machine(code__elf(s.code));
	if (out->library && strcmp(machine, "x86-64") != 0)
		add_why(out, machine, "sites are known for x86-64 only");
	else if (out->library)
		for (size_t i = 0; i < KNOWN_CNT; i++)
			if (s.functions[i].address)
				search(&s, &known[i]);
	search_go(fd, &s);
	if (strcmp(machine, "x86-64") == 0)
		rustls_find(fd, s.code, out);
	code__free(s.code);
	return 0;
}
