// SPDX-License-Identifier: Apache-2.0
/*
 * What is known is kept by module and address. Modules' numbers are never given out again, so it
 * cannot be another file's; when it fills its room all of it is forgotten.
 */
#include "user/profile/lines.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/account.h"
#include "user/base/arena.h"
#include "user/base/clock.h"
#include "user/base/demangle.h"
#include "user/base/log.h"
#include "user/profile/line_frames.h"
#include "user/profile/line_reader.h"

#define KNOWN_MAX (1u << 16)
#define KNOWN_MAX_SZ (16u * 1024 * 1024)
#define KNOWN ((enum account_entry)0) /* no entry of this subsystem */
#define WHOLE_FILE UINT64_MAX	      /* instead of an address: the file is not read again */

/* module 0: free. Without frames: there is nothing to know, or it is not to be known. */
struct known {
	uint64_t address;
	uint32_t module;
	enum account_entry
		lost; /* why it is not to be known; KNOWN: it is, or there is nothing to know */
	struct slice frames;
};

struct lines {
	struct known *known; /* 2 * KNOWN_MAX, open addressing */
	uint32_t known_cnt;
	struct arena arena;
	uint64_t counted[ACCOUNT_CNT]; /* addresses of the profile that is being made */
	enum account_entry put_off;    /* why files wait for the next profile; KNOWN: none does */
	const struct symbols *symbols; /* during lines__add */
};

/* An address that a profile wants to know of. */
struct asked {
	uint32_t module, location;
	uint64_t address;
};

struct lines *lines__new(void)
{
	struct lines *l = calloc(1, sizeof(*l));

	if (l)
		l->known = calloc(2 * KNOWN_MAX, sizeof(*l->known));
	if (!l || !l->known) {
		free(l);
		errno = ENOMEM;
		return NULL;
	}
	arena__init(&l->arena, KNOWN_MAX_SZ);
	return l;
}

void lines__free(struct lines *l)
{
	if (!l)
		return;
	free(l->known);
	arena__free(&l->arena);
	free(l);
}

/* --- what is known ---------------------------------------------------------------------------- */

/* Where it is, or belongs. */
static struct known *place_of(const struct lines *l, uint32_t module, uint64_t address)
{
	uint32_t mask = 2 * KNOWN_MAX - 1;
	uint64_t hash = (address + module * 0xd6e8feb86659fd93ull) * 0x9e3779b97f4a7c15ull;
	uint32_t at = (uint32_t)(hash >> 32) & mask;

	while (l->known[at].module &&
	       (l->known[at].module != module || l->known[at].address != address))
		at = (at + 1) & mask;
	return &l->known[at];
}

static void learn(struct lines *l, const struct known *new)
{
	struct known *known = place_of(l, new->module, new->address);
	bool failed = false;
	struct slice frames = arena__copy(&l->arena, new->frames, &failed);

	if (known->module || l->known_cnt >= KNOWN_MAX)
		return;
	*known = *new;
	known->frames = frames;
	if (failed)
		known->lost = ACCOUNT_LINES_MEMORY;
	l->known_cnt++;
}

/* Room for as much again, or all is forgotten. */
static void make_room(struct lines *l)
{
	if (l->known_cnt <= KNOWN_MAX / 2 && l->arena.used_sz <= KNOWN_MAX_SZ / 2)
		return;
	memset(l->known, 0, 2 * KNOWN_MAX * sizeof(*l->known));
	l->known_cnt = 0;
	arena__reset(&l->arena);
}

/* --- reading ---------------------------------------------------------------------------------- */

struct reading {
	struct lines *lines;
	uint32_t module;
	const uint64_t *addresses;
};

static void take(void *ctx, uint32_t i, struct slice frames)
{
	const struct reading *r = ctx;

	learn(r->lines,
	      &(struct known){.address = r->addresses[i], .module = r->module, .frames = frames});
}

static const struct {
	enum account_entry lost;
	const char *why;
} results[] = {
	[LINES_DONE] = {KNOWN, NULL},
	[LINES_TOO_BIG] = {ACCOUNT_LINES_BIG, "its debug information is too large"},
	[LINES_LATE] = {ACCOUNT_LINES_LATE, "reading its debug information takes too long"},
	[LINES_FAILED] = {ACCOUNT_LINES_FAILED, "its debug information cannot be read"},
	[LINES_NOT_STARTED] = {ACCOUNT_LINES_MEMORY, NULL}, /* which is no fault of the file's */
};

/* Not read again. name: the file's. */
static void give_up(struct lines *l, uint32_t module, enum line_result result, struct slice name)
{
	log_info("not all source lines of %.*s: %s", (int)name.n, name.p, results[result].why);
	learn(l, &(struct known){
			 .address = WHOLE_FILE, .module = module, .lost = results[result].lost});
}

/*
 * Looks up addresses that are not known, cnt of one module, until until_ns, which is when their time is up. A file
 * for which others have left little time, or that nobody could be started to read, is read with the next profile.
 */
static void read_module(struct lines *l, const struct symbols *symbols, uint32_t module,
			const uint64_t *addresses, uint32_t cnt, const struct line_bounds *bounds,
			uint64_t until_ns, struct slice name)
{
	struct reading reading = {.lines = l, .module = module, .addresses = addresses};
	const struct known *whole = place_of(l, module, WHOLE_FILE);
	int fd = symbols__lines_fd(symbols, module);
	enum account_entry lost = ACCOUNT_LINES_FORGOTTEN;

	if (whole->module) {
		lost = whole->lost;
	} else if (fd < 0 && symbols__has(symbols, module)) {
		lost = KNOWN; /* no server had its debug file, or that has no lines */
	} else if (fd >= 0) {
		uint64_t now_ns = clock_mono_ns();
		bool hurried = now_ns + bounds->time_ns / 2 > until_ns;
		enum line_result result = LINES_LATE;

		if (now_ns < until_ns)
			result = line_reader_run(fd, addresses, cnt, until_ns, bounds->memory_sz,
						 take, &reading);
		lost = results[result].lost;
		if (result == LINES_NOT_STARTED || (result == LINES_LATE && hurried)) {
			l->put_off = lost;
			return;
		}
		if (lost != KNOWN)
			give_up(l, module, result, name);
	}
	for (uint32_t i = 0; i < cnt; i++)
		learn(l, &(struct known){.address = addresses[i], .module = module, .lost = lost});
}

/* --- what a profile asks ---------------------------------------------------------------------- */

/* A return address is looked up at its call. */
static uint64_t address_of(const struct profile_location *location)
{
	return location->address - location->returns;
}

static int compare(const void *a, const void *b)
{
	const struct asked *x = a, *y = b;

	if (x->module != y->module)
		return x->module < y->module ? -1 : 1;
	return x->address < y->address ? -1 : x->address > y->address;
}

/* To be freed; in order. */
static struct asked *list_asked(const struct profile *p, uint32_t *cnt)
{
	struct asked *asked = calloc(p->locations.cnt, sizeof(*asked));

	*cnt = 0;
	for (uint32_t i = 0; asked && i < p->locations.cnt; i++) {
		const struct profile_location *location = &p->locations.v[i];

		if (location->module)
			asked[(*cnt)++] = (struct asked){
				.module = location->module,
				.location = i,
				.address = address_of(location),
			};
	}
	if (asked)
		qsort(asked, *cnt, sizeof(*asked), compare);
	return asked;
}

static struct slice file_of(const struct profile *p, uint32_t location)
{
	return p->strings.v[p->mappings.v[p->locations.v[location].mapping].file];
}

/* Makes known, as far as can be, what is asked. False if memory is out. */
static bool look_up(struct lines *l, const struct symbols *symbols, const struct profile *p,
		    const struct line_bounds *bounds, uint64_t until_ns)
{
	uint32_t cnt, unknown_cnt = 0;
	struct asked *asked = list_asked(p, &cnt);
	uint64_t *unknown = calloc(cnt ?: 1, sizeof(*unknown));

	for (uint32_t i = 0; asked && unknown && i < cnt; i++) {
		const struct asked *a = &asked[i];

		if (!place_of(l, a->module, a->address)->module &&
		    (!unknown_cnt || unknown[unknown_cnt - 1] != a->address))
			unknown[unknown_cnt++] = a->address;
		if (!unknown_cnt || (i + 1 < cnt && a[1].module == a->module))
			continue;
		if (!symbols__lines_awaited(symbols, a->module))
			read_module(l, symbols, a->module, unknown, unknown_cnt, bounds, until_ns,
				    file_of(p, a->location));
		unknown_cnt = 0;
	}
	free(asked);
	free(unknown);
	return asked && unknown;
}

/* --- the copy --------------------------------------------------------------------------------- */

/* name: what the function is called already; 0: it is not known by another source. */
static uint32_t function_of(struct profile *to, const struct source_frame *frame,
			    const struct profile_function *name)
{
	struct profile_function function = name ? *name : (struct profile_function){0};
	char raw[MANGLED_MAX + 1], buf[DEMANGLED_MAX];
	struct slice shown;

	function.file = profile__string(to, frame->file);
	if (!function.name && frame->name.n) {
		struct slice cut = slice_first(frame->name, MANGLED_MAX);

		memcpy(raw, cut.p, cut.n);
		raw[cut.n] = 0;
		shown = demangle(raw, buf);
		function.system_name = shown.n ? profile__string(to, slice_str(raw)) : 0;
		function.name = profile__string(to, shown.n ? shown : slice_str(raw));
	}
	return function.name || function.file ? profile__function(to, &function) : 0;
}

/* Adds a location with its frames. */
static uint32_t add_frames(struct profile *to, const struct profile_location *location,
			   struct slice rest)
{
	struct profile_location made = *location;
	struct source_frame frame;
	bool more = line_frames_next(&rest, &frame);

	while (more) {
		struct source_frame inner = frame;

		made.line = inner.line;
		more = line_frames_next(&rest, &frame);
		if (more) {
			made.type = FRAME_INLINED;
			made.function = function_of(to, &inner, NULL);
			made.inlined = profile__location(to, &made);
			if (!made.inlined)
				return 0;
			continue;
		}
		made.type = location->type;
		made.function = function_of(to, &inner, &to->functions.v[location->function]);
	}
	return profile__location(to, &made);
}

static uint32_t add_location(void *ctx, struct profile *to, uint32_t i,
			     const struct profile_location *location)
{
	struct lines *l = ctx;
	struct profile_location made = *location;
	const struct known *known;

	(void)i;
	made.module = 0;
	made.returns = false;
	if (!location->module)
		return profile__location(to, &made);
	known = place_of(l, location->module, address_of(location));
	if (known->lost != KNOWN)
		l->counted[known->lost]++;
	else if (known->frames.n)
		l->counted[ACCOUNT_LINES]++;
	else if (symbols__lines_awaited(l->symbols, location->module))
		l->counted[ACCOUNT_LINES_AWAITED]++;
	else if (!known->module)
		l->counted[l->put_off != KNOWN ? l->put_off : ACCOUNT_LINES_MEMORY]++;
	return add_frames(to, &made, known->frames);
}

struct profile *lines__add(struct lines *l, const struct symbols *symbols,
			   const struct profile *from, const struct line_bounds *bounds)
{
	struct profile *with;

	l->put_off = KNOWN;
	l->symbols = symbols;
	memset(l->counted, 0, sizeof(l->counted));
	make_room(l);
	if (!look_up(l, symbols, from, bounds, clock_mono_ns() + bounds->time_ns))
		return NULL;
	with = profile__relocate(from, add_location, l);
	for (int i = 0; i < ACCOUNT_CNT; i++)
		if (l->counted[i])
			account_add(with ? (enum account_entry)i : ACCOUNT_LINES_MEMORY,
				    l->counted[i]);
	return with;
}
