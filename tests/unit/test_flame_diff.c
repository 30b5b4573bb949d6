// SPDX-License-Identifier: Apache-2.0
/* The flame graph of two sides: where frames are, what colour they have, and what is said where too little is known. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/profile_rig.h"

#include "user/export/flame_diff.h"

static uint8_t sides[20000];
static struct flame_page page = {.title = SLICE("title")};
static uint32_t requests[FRAME_SIDES];

static int write_diff(const struct profile *p, FILE *out)
{
	struct flame_diff diff = {
		.profile = p,
		.sides = sides,
		.side = {{"slow", requests[0]}, {"typical", requests[1]}},
	};

	return flame_diff_write(&diff, &page, out);
}

static char *svg_of(const struct profile *p)
{
	return (char *)rig_written(write_diff, p).p;
}

/* cnt samples of that side. */
static void add(struct profile *p, uint8_t side, const char *names, uint32_t cnt)
{
	memset(sides + p->samples.cnt, side, cnt);
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, names), cnt);
}

static void has(const char *text, const char *wanted)
{
	if (!strstr(text, wanted))
		print_error("not there: %s\n", wanted);
	assert_non_null(strstr(text, wanted));
}

/* Half of the width is either side's, so what only one has is there; both numbers are in the details. */
static void frames(void **state)
{
	struct profile *p = rig_profile();
	char *svg;

	(void)state;
	requests[0] = 2;
	requests[1] = 1;
	add(p, 1, "main old", 10);
	add(p, 2, "main left_out", 100);
	add(p, 0, "main work", 30);
	add(p, 1, "main work", 10);
	add(p, 0, "main", 10);
	svg = svg_of(p);
	has(svg, "<g id=\"frames\" data-sides=\"slow typical\">\n"
		 "<g data-at=\"0\" data-n=\"40\" data-at2=\"0\" data-n2=\"20\">"
		 "<title>all\n"
		 "slow: 100.00 %, 40 samples, 202.02 ms a request, 0.00 % in itself\n"
		 "typical: 100.00 %, 20 samples, 202.02 ms a request, 0.00 % in itself\n"
		 "+0.00 points, which may be chance</title>"
		 "<rect class=\"d0\" x=\"10.00\" y=\"70\" width=\"1179.00\" height=\"17\"/>");
	has(svg, "<g data-at=\"0\" data-n=\"0\" data-at2=\"0\" data-n2=\"10\">"
		 "<title>old\n"
		 "slow: 0.00 %, 0 samples, 0.00 ms a request, 0.00 % in itself\n"
		 "typical: 50.00 %, 10 samples, 101.01 ms a request, 50.00 % in itself\n"
		 "-50.00 points</title>"
		 "<rect class=\"l4\" x=\"10.00\" y=\"124\" width=\"294.00\" height=\"17\"/>");
	has(svg, "<g data-at=\"0\" data-n=\"30\" data-at2=\"10\" data-n2=\"10\"><title>work\n");
	has(svg, "+25.00 points, which may be chance</title>"
		 "<rect class=\"d0\" x=\"305.00\" y=\"124\" width=\"736.50\"");
	has(svg, "y=\"44\">slow: 2 requests, 40 samples, 202.02 ms a request"
		 "  \xC2\xB7  typical: 1 request, 20 samples, 202.02 ms a request</text>");
	has(svg, ">slow has less</text>");
	assert_null(strstr(svg, "left_out"));
	free(svg);
	profile__free(p);
}

/* Classes by numbers of samples in the frame and in all, of the one side and of the other. */
static void colours(void **state)
{
	static const struct {
		uint32_t in, all, other_in, other_all;
		const char *class;
	} cases[] = {
		{50, 100, 50, 100, "d0"},     {60, 100, 40, 100, "d0"},
		{65, 100, 40, 100, "m3"},     {40, 100, 65, 100, "l3"},
		{600, 1000, 400, 1000, "m3"}, {10, 10, 0, 10, "m4"},
		{0, 10, 10, 10, "l4"},	      {3, 10, 0, 10, "d0"},
		{1, 1000, 40, 1000, "l1"},    {100, 1000, 40, 1000, "m2"},
		{40, 1000, 45, 1000, "d0"},   {9, 10, 100, 1000, "m4"},
		{500, 5000, 590, 5000, "d0"}, {500, 5000, 600, 5000, "l1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct profile *p = rig_profile();
		char *svg, wanted[32];
		const char *at;

		add(p, 0, "frame", cases[i].in);
		add(p, 0, "rest", cases[i].all - cases[i].in);
		add(p, 1, "frame", cases[i].other_in);
		add(p, 1, "rest", cases[i].other_all - cases[i].other_in);
		svg = svg_of(p);
		at = strstr(svg, "<title>frame\n");
		assert_non_null(at);
		snprintf(wanted, sizeof(wanted), "<rect class=\"%s\"", cases[i].class);
		at = strstr(at, "<rect class");
		if (strncmp(at, wanted, strlen(wanted)) != 0)
			print_error("case %zu: %.20s, not %s\n", i, at, wanted);
		assert_memory_equal(at, wanted, strlen(wanted));
		free(svg);
		profile__free(p);
	}
}

static void too_few(void **state)
{
	struct profile *p = rig_profile();
	char *svg;

	(void)state;
	add(p, 0, "main", FLAME_DIFF_SAMPLES_MIN);
	add(p, 1, "main", FLAME_DIFF_SAMPLES_MIN - 1);
	svg = svg_of(p);
	has(svg, "Too few samples to tell: slow 10, typical 9; 10 of each are needed.");
	assert_null(strstr(svg, "id=\"frames\""));
	free(svg);
	add(p, 1, "main", 1);
	svg = svg_of(p);
	assert_null(strstr(svg, "Too few"));
	free(svg);
	profile__free(p);
}

/* Of waiting, time is compared, not samples, and there is no word of chance. */
static void off_cpu(void **state)
{
	struct profile *p = rig_profile();
	char *svg;

	(void)state;
	requests[0] = requests[1] = 0;
	p->off_cpu = true;
	add(p, 0, "a", 10);
	add(p, 0, "b", 10);
	add(p, 1, "a", 20);
	for (uint32_t i = 0; i < p->samples.cnt; i++)
		p->samples.v[i].value_ns = i < 10 ? 300000000 : 100000000;
	svg = svg_of(p);
	has(svg, "<title>a\nslow: 75.00 %, 3.000 s, 75.00 % in itself\n"
		 "typical: 100.00 %, 2.000 s, 100.00 % in itself\n-25.00 points</title>"
		 "<rect class=\"l3\"");
	has(svg, "grey: less than 1 point");
	free(svg);
	profile__free(p);
}

/* The page is the picture, without what says that it is XML. */
static void page_of_html(void **state)
{
	struct profile *p = rig_profile();
	char *svg, *html;

	(void)state;
	add(p, 0, "main", 20);
	add(p, 1, "main", 20);
	page.title = SLICE("</title><script>");
	svg = svg_of(p);
	page.html = true;
	html = svg_of(p);
	page = (struct flame_page){.title = SLICE("title")};
	assert_memory_equal(html, "<!DOCTYPE html>\n", 16);
	has(html, "<title>&lt;/title&gt;&lt;script&gt;</title>");
	has(html, strstr(svg, "<svg"));
	has(html, "</body>\n</html>\n");
	free(svg);
	free(html);
	profile__free(p);
}

static void a_full_disk_is_an_error(void **state)
{
	struct profile *p = rig_profile();

	(void)state;
	assert_true(rig_disk_full(write_diff, p) < 0);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames),	cmocka_unit_test(colours),
		cmocka_unit_test(too_few),	cmocka_unit_test(off_cpu),
		cmocka_unit_test(page_of_html), cmocka_unit_test(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
