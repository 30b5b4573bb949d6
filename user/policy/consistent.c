// SPDX-License-Identifier: Apache-2.0
/* Thresholds, randomness, and where both stand in a W3C tracestate. */
#include "user/policy/consistent.h"

#define DIGITS 14
#define PRECISION 4
#define MEMBERS_MAX 32
#define VALUE_MAX 256

/* --- numbers ---------------------------------------------------------------------------------- */

uint64_t threshold_of(uint64_t millionths)
{
	unsigned __int128 kept = (unsigned __int128)THRESHOLD_NEVER * millionths / 1000000;
	uint64_t threshold = THRESHOLD_NEVER - (uint64_t)kept;
	uint64_t first = threshold >> 52; /* digit */
	unsigned int shift = 4 * (DIGITS - PRECISION);

	if (!threshold || threshold == THRESHOLD_NEVER)
		return threshold;
	if (first == 0 || first == 0xF)
		for (unsigned int at = 52; shift && (threshold >> at & 0xF) == first; at -= 4)
			shift -= 4;
	if (shift)
		threshold += 1ull << (shift - 1);
	return threshold >> shift << shift;
}

struct slice threshold_text(uint64_t threshold, char text[THRESHOLD_TEXT_SZ])
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	do
		text[n++] = hex[threshold >> 52 & 0xF];
	while ((threshold = threshold << 4 & (THRESHOLD_NEVER - 1)));
	text[n] = '\0';
	return slice_of(text, n);
}

/* --- members ---------------------------------------------------------------------------------- */

/* Takes what stands before the next separator off *rest. */
static struct slice take_until(struct slice *rest, char separator)
{
	ptrdiff_t at = slice_find(*rest, separator);
	struct slice part = at < 0 ? *rest : slice_first(*rest, (size_t)at);

	*rest = slice_after(*rest, part.n + (at >= 0));
	return part;
}

/* The value of the member "ot", empty if there is none. */
static struct slice ot_value(struct slice state)
{
	while (state.n) {
		struct slice member = slice_trim(take_until(&state, ','));

		if (slice_starts_with(member, SLICE("ot=")))
			return slice_after(member, 3);
	}
	return SLICE("");
}

static bool read_hex(struct slice text, uint64_t *out)
{
	uint64_t number = 0;

	if (text.n != DIGITS)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		bool digit = c >= '0' && c <= '9';

		if (!digit && (c < 'a' || c > 'f'))
			return false;
		number = number << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
	}
	*out = number;
	return true;
}

uint64_t randomness_of(const struct span *span)
{
	struct slice rest = span->trace_state.n ? ot_value(span->trace_state) : SLICE("");
	uint64_t number = 0;

	while (rest.n) {
		struct slice part = take_until(&rest, ';');

		if (slice_starts_with(part, SLICE("rv:")) &&
		    read_hex(slice_after(part, 3), &number))
			return number;
	}
	for (size_t i = 9; i < sizeof(span->trace_id.bytes); i++)
		number = number << 8 | span->trace_id.bytes[i];
	return number;
}

/* --- writing ---------------------------------------------------------------------------------- */

struct out {
	char *text;
	size_t n;
};

static void put(struct out *out, struct slice s)
{
	memcpy(out->text + out->n, s.p, s.n);
	out->n += s.n;
}

/* Our member: th, and what else the old one said as far as it fits. */
static void put_ot(struct out *out, struct slice old, struct slice th)
{
	put(out, SLICE("ot=th:"));
	put(out, th);
	while (old.n) {
		struct slice part = take_until(&old, ';');

		if (!part.n || slice_starts_with(part, SLICE("th:")) ||
		    out->n - 3 + 1 + part.n > VALUE_MAX)
			continue;
		put(out, SLICE(";"));
		put(out, part);
	}
}

struct slice tracestate_with_th(struct slice state, struct slice th, char text[TRACESTATE_SZ])
{
	struct out out = {.text = text};
	int members_cnt = 1;

	put_ot(&out, ot_value(state), th);
	while (state.n) {
		struct slice member = slice_trim(take_until(&state, ','));

		if (!member.n || slice_starts_with(member, SLICE("ot=")))
			continue;
		if (++members_cnt > MEMBERS_MAX || out.n + 1 + member.n > TRACESTATE_SZ)
			break;
		put(&out, SLICE(","));
		put(&out, member);
	}
	return slice_of(text, out.n);
}
