// SPDX-License-Identifier: Apache-2.0
/*
 * By libiberty. A short symbol can stand for a name that is exponentially long, so the name is taken
 * piece by piece and left when it is long enough: the demangler keeps its state on the stack only.
 */
#include "user/base/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>

struct output {
	char *buf;
	size_t len;
	jmp_buf full;
};

static void take(const char *piece, size_t len, void *opaque)
{
	static const struct slice more = SLICE("...");
	struct output *out = opaque;
	size_t room = DEMANGLED_MAX - out->len;

	if (!len) /* then there may be no piece */
		return;
	memcpy(out->buf + out->len, piece, len < room ? len : room);
	out->len += len < room ? len : room;
	if (len <= room)
		return;
	memcpy(out->buf + out->len - more.n, more.p, more.n);
	longjmp(out->full, 1);
}

/* False if it is no such name. */
static bool run(int (*demangler)(const char *, int, demangle_callbackref, void *),
		const char *symbol, int options, struct output *out)
{
	out->len = 0;
	if (setjmp(out->full))
		return true;
	return demangler(symbol, options, take, out) && out->len;
}

struct slice demangle(const char *symbol, char buf[DEMANGLED_MAX])
{
	struct output out = {.buf = buf};

	if (symbol[0] != '_' || (symbol[1] != 'Z' && symbol[1] != 'R') ||
	    strnlen(symbol, MANGLED_MAX + 1) > MANGLED_MAX)
		return SLICE("");
	/*
	 * Names of C++ are no deeper than they are long, which is bounded here; the library's own bound
	 * is on their length, at half a page. Rust's refer to themselves.
	 */
	if (run(rust_demangle_callback, symbol, 0, &out) ||
	    run(cplus_demangle_v3_callback, symbol, DMGL_NO_RECURSE_LIMIT, &out))
		return slice_of(buf, out.len);
	return SLICE("");
}
