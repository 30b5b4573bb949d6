// SPDX-License-Identifier: Apache-2.0
/*
 * Executables of a few functions whose names are those of rustls, put together here: which are probed, and what
 * is said of those that are not. Real programs are in tests/e2e/test_tls_rust.py.
 */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "include/abi/tls.h"
#include "user/probe/tls_library.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define NAMES_MAX 32
#define CODE "\x55\x48\x89\xe5\x5d\xc3" /* push %rbp; mov %rsp,%rbp; pop %rbp; ret */
#define CODE_SZ (sizeof(CODE) - 1)
#define ADDRESS 0x1000

#define HASH "17h0123456789abcdefE"
#define FEED "_ZN6rustls4msgs8deframer15MessageDeframer4read" HASH
#define FEED_BUFFER                                                                \
	"_ZN6rustls4msgs8deframer7buffers59_$LT$impl$u20$rustls..msgs..deframer.." \
	"DeframerVecBuffer$GT$4read" HASH
#define DRAIN "_ZN6rustls6vecbuf14ChunkVecBuffer8write_to" HASH
#define PAYLOAD "_ZN6rustls12common_state11CommonState23take_received_plaintext" HASH
#define READ "_ZN54_$LT$rustls..conn..Reader$u20$as$u20$std..io..Read$GT$4read" HASH
#define SINK                                                                          \
	"_ZN99_$LT$rustls..conn..ConnectionCommon$LT$T$GT$$u20$as$u20$rustls..conn.." \
	"connection..PlaintextSink$GT$"
#define WRITE SINK "5write" HASH
#define WRITE_VECTORED SINK "14write_vectored" HASH

struct image {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	Elf64_Shdr sections[4]; /* none, code, symbols, names */
	Elf64_Sym symbols[NAMES_MAX + 1];
	char code[NAMES_MAX * CODE_SZ];
	char names[8192];
};

static int fd;

/* A file with a function for each name. unfit: the one whose code is none. */
static void make(const char *const *names, size_t cnt, size_t unfit)
{
	static struct image image;
	size_t names_sz = 1;

	image = (struct image){
		.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT},
			   .e_type = ET_DYN,
			   .e_machine = EM_X86_64,
			   .e_version = EV_CURRENT,
			   .e_phoff = offsetof(struct image, segment),
			   .e_shoff = offsetof(struct image, sections),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 1,
			   .e_shentsize = sizeof(Elf64_Shdr),
			   .e_shnum = 4},
		.segment = {.p_type = PT_LOAD,
			    .p_flags = PF_R | PF_X,
			    .p_offset = offsetof(struct image, code),
			    .p_vaddr = ADDRESS,
			    .p_filesz = sizeof(image.code),
			    .p_memsz = sizeof(image.code)},
		.sections = {[1] = {.sh_type = SHT_PROGBITS,
				    .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
				    .sh_addr = ADDRESS,
				    .sh_offset = offsetof(struct image, code),
				    .sh_size = sizeof(image.code)},
			     [2] = {.sh_type = SHT_SYMTAB,
				    .sh_offset = offsetof(struct image, symbols),
				    .sh_size = (cnt + 1) * sizeof(Elf64_Sym),
				    .sh_entsize = sizeof(Elf64_Sym),
				    .sh_link = 3},
			     [3] = {.sh_type = SHT_STRTAB,
				    .sh_offset = offsetof(struct image, names),
				    .sh_size = sizeof(image.names)}},
	};
	for (size_t i = 0; i < cnt; i++) {
		size_t n = strlen(names[i]) + 1;

		assert_true(i < NAMES_MAX && names_sz + n <= sizeof(image.names));
		memcpy(image.names + names_sz, names[i], n);
		memcpy(image.code + i * CODE_SZ, i == unfit ? "\x06\x06\x06\x06\x06\x06" : CODE,
		       CODE_SZ);
		image.symbols[i + 1] = (Elf64_Sym){
			.st_name = (Elf64_Word)names_sz,
			.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
			.st_shndx = 1,
			.st_value = ADDRESS + i * CODE_SZ,
			.st_size = CODE_SZ,
		};
		names_sz += n;
	}
	assert_int_equal(pwrite(fd, &image, sizeof(image), 0), sizeof(image));
}

static void test_functions(void **state)
{
	static const size_t none = NAMES_MAX;
	static const struct {
		const char *names[8];
		size_t unfit;
		const char *sites, *why; /* the names of those, each with a space */
	} cases[] = {
		{{FEED, DRAIN, PAYLOAD, WRITE, WRITE_VECTORED},
		 none,
		 "read_tls write_tls take_received_plaintext Writer::write Writer::write_vectored ",
		 ""},
		{{FEED_BUFFER, DRAIN, READ, WRITE},
		 none,
		 "read_tls write_tls Reader::read Writer::write ",
		 ""},
		/* Either shows all that is received: one is enough. */
		{{READ, FEED, DRAIN, WRITE, PAYLOAD},
		 none,
		 "read_tls write_tls Writer::write take_received_plaintext ",
		 ""},
		{{DRAIN, READ, WRITE},
		 none,
		 "",
		 "read_tls of rustls: the compiler has left none to be probed"},
		{{FEED, READ, WRITE},
		 none,
		 "",
		 "write_tls of rustls: the compiler has left none to be probed"},
		{{FEED, DRAIN, WRITE},
		 none,
		 "",
		 "take_received_plaintext or Reader::read of rustls: the compiler has left none to be "
		 "probed"},
		{{FEED, DRAIN, PAYLOAD},
		 none,
		 "",
		 "Writer::write of rustls: the compiler has left none to be probed"},
		{{FEED, DRAIN, PAYLOAD, WRITE}, 1, "", "rustls: bytes that are no instruction"},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct tls_sites sites;
		char text[256] = "";
		size_t cnt = 0;

		while (cases[i].names[cnt])
			cnt++;
		make(cases[i].names, cnt, cases[i].unfit);
		assert_int_equal(tls_library_find(fd, &sites), 0);
		assert_string_equal(sites.library, "rustls");
		for (uint32_t j = 0; j < sites.cnt; j++) {
			size_t n = strlen(text);

			snprintf(text + n, sizeof(text) - n, "%s ", sites.v[j].function);
			assert_true(sites.v[j].returns);
			assert_int_equal(
				(sites.v[j].file_off - offsetof(struct image, code)) % CODE_SZ, 0);
		}
		assert_string_equal(text, cases[i].sites);
		assert_string_equal(sites.why, cases[i].why);
	}
}

/* What a probe tells the kernel of its function. */
static void test_cookies(void **state)
{
	static const struct {
		const char *name;
		uint64_t cookie;
	} cases[] = {
		{FEED, TLS_COOKIE(TLS_FEED, TLS_ANSWER_NONE)},
		{DRAIN, TLS_COOKIE(TLS_DRAIN, TLS_ANSWER_NONE)},
		{READ, TLS_COOKIE(TLS_READ, TLS_ANSWER_RESULT) | TLS_COOKIE_BORROWED},
		{WRITE, TLS_COOKIE(TLS_WRITE, TLS_ANSWER_RESULT)},
		{WRITE_VECTORED, TLS_COOKIE(TLS_WRITE, TLS_ANSWER_RESULT) | TLS_COOKIE_VECTOR},
	};
	const char *names[CNT(cases)];
	struct tls_sites sites;

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++)
		names[i] = cases[i].name;
	make(names, CNT(cases), NAMES_MAX);
	assert_int_equal(tls_library_find(fd, &sites), 0);
	assert_int_equal(sites.cnt, CNT(cases));
	for (size_t i = 0; i < CNT(cases); i++)
		assert_int_equal(sites.v[i].cookie, cases[i].cookie | TLS_COOKIE_APART);
}

/* Copies of one function, more than there is room for. */
static void test_many(void **state)
{
	const char *names[TLS_SITES_MAX + 1] = {FEED, DRAIN, READ, WRITE};
	struct tls_sites sites;

	(void)state;
	for (size_t i = 4; i < CNT(names); i++)
		names[i] = FEED;
	make(names, TLS_SITES_MAX, NAMES_MAX);
	assert_int_equal(tls_library_find(fd, &sites), 0);
	assert_int_equal(sites.cnt, TLS_SITES_MAX);
	make(names, TLS_SITES_MAX + 1, NAMES_MAX);
	assert_int_equal(tls_library_find(fd, &sites), 0);
	assert_int_equal(sites.cnt, 0);
	assert_string_equal(sites.why, "rustls: there are too many");
}

/* The crate is there, but nothing of it that passes bytes. */
static void test_others(void **state)
{
	static const char *const names[] = {
		"_ZN6rustls6client9ClientHello3new" HASH,
		"_ZN6rustls6vecbuf14ChunkVecBuffer4read" HASH,
		"rustls_version",
	};
	struct tls_sites sites;

	(void)state;
	make(names, CNT(names), NAMES_MAX);
	assert_int_equal(tls_library_find(fd, &sites), 0);
	assert_null(sites.library);
	assert_int_equal(sites.cnt, 0);
	assert_string_equal(sites.why, "");
}

static int setup(void **state)
{
	(void)state;
	fd = memfd_create("program", MFD_CLOEXEC);
	return fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	return close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_cookies),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
