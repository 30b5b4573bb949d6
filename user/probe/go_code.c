// SPDX-License-Identifier: Apache-2.0
/* Where the table of functions is, where the text is, and what Go's package debug/buildinfo reads. */
#include "user/probe/go_code.h"

#include <string.h>

#include "user/probe/window.h"

#define TEXT_ALIGN 16
#define BUILD_ALIGN 16
#define BUILD_MAGIC "\xff Go buildinf:"
#define BUILD_FLAGS_AT 15
#define BUILD_VERSION_AT 32
#define BUILD_SZ 64	/* enough for the beginning of the version */
#define BUILD_INLINE 2u /* flag: the version stands there itself */
#define VERSION_BEGIN "go1."
#define MINOR_MAX 999u

/* Linkers other than Go's own may put the table into another section. */
static bool may_be_go(struct elf_file *elf)
{
	struct elf_segment build;

	return !elf_file__has_sections(elf) || elf_file__section(elf, ".go.buildinfo", &build);
}

static bool find_functions(int fd, struct elf_file *elf, struct go_function *functions, size_t cnt)
{
	static const char *const sections[] = {".gopclntab", ".data.rel.ro.gopclntab"};
	struct elf_segment table = {.size = 0};

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]) && !table.size; i++)
		elf_file__section(elf, sections[i], &table);
	if (!table.size && may_be_go(elf) && gopclntab_scan(fd, &table.file_off))
		table.size = UINT64_MAX - table.file_off;
	return table.size && gopclntab_find(fd, table.file_off, table.size, functions, cnt) == 0;
}

/* --- text ------------------------------------------------------------------------------------- */

/* Would all those functions begin as those of Go do, if the text were at that place in the segment? */
static bool all_begin(const struct go_code *go, struct window *w, const bool *starts,
		      const struct elf_segment *segment, uint64_t at)
{
	for (size_t i = 0; i < go->functions_cnt; i++) {
		const struct go_function *f = &go->functions[i];
		const uint8_t *bytes;

		if (!f->found || !starts[i])
			continue;
		if (f->off >= segment->size - at ||
		    window__read(w, segment->file_off + at + f->off, SITE_GO_START_SZ, &bytes) <
			    SITE_GO_START_SZ ||
		    !site_is_go_start_x86(bytes))
			return false;
	}
	return true;
}

static bool find_text_in(struct go_code *go, struct window *ahead, struct window *w,
			 const bool *starts, const struct elf_segment *segment, uint64_t off)
{
	const uint8_t *bytes;

	for (uint64_t at = 0; off < segment->size && at < segment->size - off &&
			      window__read(ahead, segment->file_off + at + off, SITE_GO_START_SZ,
					   &bytes) >= SITE_GO_START_SZ;
	     at += TEXT_ALIGN) {
		go->text = segment->address + at;
		if (site_is_go_start_x86(bytes) && all_begin(go, w, starts, segment, at))
			return true;
	}
	return false;
}

static uint64_t lowest(const struct elf_segment *segments, uint32_t cnt)
{
	uint64_t address = UINT64_MAX;

	for (uint32_t i = 0; i < cnt; i++)
		if (segments[i].address < address)
			address = segments[i].address;
	return address;
}

/*
 * The table no longer says where the text is, and never did so in files that are relocated. It is where all
 * functions begin as they should.
 */
static bool find_text(int fd, struct go_code *go, const bool *starts)
{
	struct elf_segment segments[SEGMENTS_MAX];
	uint32_t cnt = elf_file__segments(code__elf(go->code), segments);
	struct window *ahead = window__new(fd), *w = window__new(fd);
	bool found = false;
	size_t first = 0;

	while (first < go->functions_cnt && !(starts[first] && go->functions[first].found))
		first++;
	for (uint32_t i = 0; ahead && w && first < go->functions_cnt && i < cnt && !found; i++)
		found = find_text_in(go, ahead, w, starts, &segments[i], go->functions[first].off);
	go->text_off = found ? go->text - lowest(segments, cnt) : 0;
	window__free(ahead);
	window__free(w);
	return found;
}

/* --- version ---------------------------------------------------------------------------------- */

static uint32_t parse_minor(const uint8_t *bytes)
{
	const uint8_t *at = bytes + BUILD_VERSION_AT;
	uint8_t n = *at++; /* of the version; less than 128 */
	uint32_t minor = 0;

	if (memcmp(bytes, BUILD_MAGIC, strlen(BUILD_MAGIC)) != 0 ||
	    !(bytes[BUILD_FLAGS_AT] & BUILD_INLINE) || n <= strlen(VERSION_BEGIN) || n >= 128 ||
	    memcmp(at, VERSION_BEGIN, strlen(VERSION_BEGIN)) != 0)
		return 0;
	n = n < BUILD_SZ - BUILD_VERSION_AT - 1 ? n : BUILD_SZ - BUILD_VERSION_AT - 1;
	for (size_t i = strlen(VERSION_BEGIN); i < n && at[i] >= '0' && at[i] <= '9'; i++) {
		minor = minor * 10 + (at[i] - '0');
		if (minor > MINOR_MAX)
			return 0;
	}
	return minor;
}

static uint32_t find_minor(int fd, struct elf_file *elf)
{
	struct window *w = window__new(fd);
	struct elf_segment build;
	const uint8_t *bytes;
	uint32_t minor = 0;

	if (w && elf_file__section(elf, ".go.buildinfo", &build)) {
		if (window__read(w, build.file_off, BUILD_SZ, &bytes) >= BUILD_SZ)
			minor = parse_minor(bytes);
	} else if (w && !elf_file__has_sections(elf)) {
		for (uint64_t at = 0; !minor && window__read(w, at, BUILD_SZ, &bytes) >= BUILD_SZ;
		     at += BUILD_ALIGN)
			minor = parse_minor(bytes);
	}
	window__free(w);
	return minor;
}

bool go_code_open(int fd, struct code *code, struct go_function *functions, size_t cnt,
		  const bool *starts, struct go_code *out)
{
	*out = (struct go_code){.code = code, .functions = functions, .functions_cnt = cnt};
	if (!find_functions(fd, code__elf(code), functions, cnt))
		return false;
	out->minor = find_minor(fd, code__elf(code));
	out->has_text = strcmp(elf_file__machine(code__elf(code)), "x86-64") == 0 &&
			find_text(fd, out, starts);
	return true;
}

int go_code_read(const struct go_code *go, const struct go_function *function,
		 struct code_function *out)
{
	return code__read(go->code, go->text + function->off, function->size, out);
}
