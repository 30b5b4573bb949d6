// SPDX-License-Identifier: Apache-2.0
/* The flame graph's file: where frames are, what is left out, and that text stays text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/profile_rig.h"

#include "user/base/utf8.h"
#include "user/export/flame_svg.h"

static const char *title = "title";

static int write_svg(const struct profile *p, FILE *out)
{
	return flame_svg_write(p, &(struct flame_page){.title = slice_str(title)}, out);
}

/* The file as a string that the caller frees. */
static char *svg_of(const struct profile *p)
{
	return (char *)rig_written(write_svg, p).p;
}

/* What stands between two texts, each of which must be there. */
static struct slice between(const char *text, const char *before, const char *after)
{
	const char *start = strstr(text, before), *end;

	assert_non_null(start);
	start += strlen(before);
	end = strstr(start, after);
	assert_non_null(end);
	return slice_of(start, (size_t)(end - start));
}

static void check(const char *svg, const char *before, const char *after, const char *want)
{
	struct slice got = between(svg, before, after);

	if (!slice_eq(got, slice_str(want)))
		print_error("got: %.*s\n", (int)got.n, got.p);
	assert_true(slice_eq(got, slice_str(want)));
}

/* Each frame as wide as its share, its parts below it from the left, itself what is left. */
static void frames(void **state)
{
	struct profile *p = rig_profile();
	char *svg;

	(void)state;
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, "main work"), 5);
	rig_samples(p, "t", rig_named_stack(p, FRAME_KERNEL, "syscall"), 3);
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, "main"), 2);
	svg = svg_of(p);
	check(svg, "<g id=\"frames\">\n", "\n</g>",
	      "<g data-at=\"0\" data-n=\"10\">"
	      "<title>all\n10 samples, 100.00 %, 0.101 s of CPU time\n0.00 % in itself</title>"
	      "<rect class=\"r0\" x=\"10.00\" y=\"70\" width=\"1179.00\" height=\"17\"/>"
	      "<text x=\"14.00\" y=\"83\">all</text></g>\n"
	      "<g data-at=\"0\" data-n=\"10\">"
	      "<title>t\n10 samples, 100.00 %, 0.101 s of CPU time\n0.00 % in itself</title>"
	      "<rect class=\"r5\" x=\"10.00\" y=\"88\" width=\"1179.00\" height=\"17\"/>"
	      "<text x=\"14.00\" y=\"101\">t</text></g>\n"
	      "<g data-at=\"0\" data-n=\"7\">"
	      "<title>main\nnative, 7 samples, 70.00 %, 0.071 s of CPU time\n"
	      "20.00 % in itself</title>"
	      "<rect class=\"n2\" x=\"10.00\" y=\"106\" width=\"825.00\" height=\"17\"/>"
	      "<text x=\"14.00\" y=\"119\">main</text></g>\n"
	      "<g data-at=\"0\" data-n=\"5\">"
	      "<title>work\nnative, 5 samples, 50.00 %, 0.051 s of CPU time\n"
	      "50.00 % in itself</title>"
	      "<rect class=\"n2\" x=\"10.00\" y=\"124\" width=\"589.00\" height=\"17\"/>"
	      "<text x=\"14.00\" y=\"137\">work</text></g>\n"
	      "<g data-at=\"7\" data-n=\"3\">"
	      "<title>syscall\nkernel, 3 samples, 30.00 %, 0.030 s of CPU time\n"
	      "30.00 % in itself</title>"
	      "<rect class=\"k0\" x=\"836.00\" y=\"106\" width=\"353.00\" height=\"17\"/>"
	      "<text x=\"840.00\" y=\"119\">syscall</text></g>");
	check(svg, "<text id=\"about\" x=\"10\" y=\"44\">", "<",
	      "10 samples, 0.10 s of CPU time  \xC2\xB7  10.0 s from 2026-09-21 14:13:20 UTC");
	check(svg, "<text id=\"foot\" x=\"10\" y=\"164\">", "<", "");
	assert_non_null(strstr(svg, ">native</text>"));
	assert_null(strstr(svg, ">JIT</text>")); /* the legend has what is there */
	free(svg);
	profile__free(p);
}

static void no_samples(void **state)
{
	struct profile *p = rig_profile();
	char *svg = svg_of(p);

	(void)state;
	check(svg, "<g id=\"frames\">\n", "</g>", "");
	assert_null(strstr(svg, "nan"));
	free(svg);
	profile__free(p);
}

/* 1180 px: of 20,000 samples one is 0.059 px wide, two are 0.118. */
static void narrow_frames_are_counted(void **state)
{
	struct profile *p = rig_profile();
	char *svg;

	(void)state;
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, "wide"), 19996);
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, "wide drawn"), 2);
	rig_samples(p, "t", rig_named_stack(p, FRAME_JIT, "narrow above and_this"), 1);
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, "wide hair"), 1);
	svg = svg_of(p);
	check(svg, "<text id=\"foot\" x=\"10\" y=\"164\">", "<",
	      "Not drawn, as narrower than 0.1 px: 4 frames of 2 samples");
	assert_non_null(strstr(svg, "<title>drawn\n"));
	assert_null(strstr(svg, "narrow\n"));
	assert_null(strstr(svg, "hair"));
	assert_null(strstr(svg, ">JIT</text>"));
	free(svg);
	profile__free(p);
}

/* 40 px of frame hold 4 columns, so a name of 5 is cut to 3 and an ellipsis; a wide character is 2. */
static void labels_fit(void **state)
{
	static const struct {
		const char *name;
		uint32_t samples; /* of 1180: px */
		const char *label;
	} cases[] = {
		{"name", 40, "name"},
		{"names", 40, "nam\xE2\x80\xA6"},
		{"names", 43, "names"},
		{"nam", 27, NULL},
		{"nam", 28, "nam"},
		{"gr\xC3\xBC\xC3\x9F", 40, "gr\xC3\xBC\xC3\x9F"},
		{"\xE6\x97\xA5\xE6\x9C\xAC", 40, "\xE6\x97\xA5\xE6\x9C\xAC"},
		{"\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E", 40, "\xE6\x97\xA5\xE2\x80\xA6"},
		{"<&>xy", 40, "&lt;&amp;&gt;\xE2\x80\xA6"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct profile *p = rig_profile();
		char want[64] = "</text></g>\n</g>", *svg;

		rig_samples(p, "t", 0, 1180 - cases[i].samples);
		rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, cases[i].name),
			    cases[i].samples);
		svg = svg_of(p);
		if (cases[i].label)
			snprintf(want, sizeof(want), ">%s</text></g>\n</g>", cases[i].label);
		else
			snprintf(want, sizeof(want), "height=\"17\"/></g>\n</g>");
		assert_non_null(strstr(svg, want));
		free(svg);
		profile__free(p);
	}
}

/* Reads text back as an XML parser would; false where it is not well-formed text. */
static bool unescape(struct slice s, char *to, size_t *n)
{
	static const struct {
		struct slice entity;
		char c;
	} entities[] = {
		{SLICE("&amp;"), '&'},	{SLICE("&lt;"), '<'},	{SLICE("&gt;"), '>'},
		{SLICE("&quot;"), '"'}, {SLICE("&#39;"), '\''},
	};

	for (*n = 0; s.n; (*n)++) {
		size_t i = 0, len = 1;

		to[*n] = s.p[0];
		if (memchr("<>\"'", s.p[0], 4) || (unsigned char)s.p[0] < 0x20)
			return false;
		if (s.p[0] == '&') {
			while (i < 5 && !slice_starts_with(s, entities[i].entity))
				i++;
			if (i == 5)
				return false;
			to[*n] = entities[i].c;
			len = entities[i].entity.n;
		}
		s = slice_after(s, len);
	}
	return true;
}

/* What s must read back as. */
static size_t expected(struct slice s, char *to)
{
	size_t n = utf8_clean_len(s), cnt = 0;
	char clean[1024];

	assert_in_range(n, 0, sizeof(clean));
	utf8_clean(clean, s);
	for (struct slice rest = slice_of(clean, n); rest.n;) {
		int32_t code;
		size_t len = utf8_decode(rest, &code);

		if (utf8_is_control(code)) {
			to[cnt++] = ' ';
		} else {
			memcpy(to + cnt,
			       code == 0xFFFE || code == 0xFFFF ? UTF8_REPLACEMENT : rest.p, len);
			cnt += len;
		}
		rest = slice_after(rest, len);
	}
	return cnt;
}

/* Random text of what is hard, as the title and as a function's name. */
static void text_stays_text(void **state)
{
	static const char *const pieces[] = {
		"<",
		">",
		"&",
		"\"",
		"'",
		"]]>",
		"<script>",
		"-->",
		"&amp;",
		"&#0;",
		"\x01",
		"\n",
		"\x7F",
		"\xC2\x85",
		"\xFF",
		"\xEF\xBF\xBE",
		"\xEF\xBF\xBF",
		"\xED\xA0\x80",
		"\xC3",
		"\xF0\x9F\x98\x80",
		"\xE2\x80\xAE",
		"a",
		" ",
		";",
		"${x}",
		"\\",
		"</title>",
	};
	uint32_t random = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		char text[256] = "", want[1024], got[1024];
		struct profile *p = rig_profile();
		struct rig_frame frame = {.type = FRAME_NATIVE, .name = text};
		size_t want_len, got_len = 0, len = 0;
		struct slice read;
		char *svg;

		for (uint32_t i = 0; i < 1 + round % 12u; i++) {
			const char *piece;

			random = random * 1664525 + 1013904223;
			piece = pieces[(random >> 8) % (sizeof(pieces) / sizeof(pieces[0]))];
			memcpy(text + len, piece, strlen(piece) + 1);
			len += strlen(piece);
		}
		want_len = expected(slice_str(text), want);
		title = text;
		rig_samples(p, "t", rig_stack(p, (const struct rig_frame *[]){&frame}, 1), 1);
		svg = svg_of(p);
		title = "title";
		assert_true(unescape(between(svg, "y=\"26\">", "</text>\n<text id=\"about\""), got,
				     &got_len));
		assert_int_equal(got_len, want_len);
		assert_memory_equal(got, want, want_len);
		read = between(svg, "CPU time\n0.00 % in itself</title><rect class=\"r5\"",
			       "\nnative, 1 samples");
		read = between(read.p, "<title>", "\nnative, 1 samples");
		assert_true(unescape(read, got, &got_len));
		assert_int_equal(got_len, want_len);
		assert_memory_equal(got, want, want_len);
		free(svg);
		profile__free(p);
	}
}

static void deepest_stack(void **state)
{
	struct profile *p = rig_profile();
	char names[2 * PROFILE_FRAMES_MAX], *svg;

	(void)state;
	for (size_t i = 0; i < PROFILE_FRAMES_MAX; i++) {
		names[2 * i] = 'f';
		names[2 * i + 1] = i + 1 < PROFILE_FRAMES_MAX ? ' ' : '\0';
	}
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, names), 1);
	svg = svg_of(p);
	assert_non_null(strstr(svg, "viewBox=\"0 0 1200 7340\"")); /* 70 + 402 * 18 + 34 */
	assert_non_null(strstr(svg, "y=\"7288\" width=\"1179.00\""));
	free(svg);
	profile__free(p);
}

static void a_full_disk_is_an_error(void **state)
{
	struct profile *p = rig_profile();

	(void)state;
	rig_samples(p, "t", 0, 1);
	assert_true(rig_disk_full(write_svg, p) < 0);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames),
		cmocka_unit_test(no_samples),
		cmocka_unit_test(narrow_frames_are_counted),
		cmocka_unit_test(labels_fit),
		cmocka_unit_test(text_stays_text),
		cmocka_unit_test(deepest_stack),
		cmocka_unit_test(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
