// SPDX-License-Identifier: Apache-2.0
/* The writers of profiles, each of their allocations failing in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/failing_writer.h"

#include "user/export/firefox.h"
#include "user/export/flame_diff.h"
#include "user/export/flame_svg.h"
#include "user/export/folded.h"
#include "user/export/otlp_profile.h"
#include "user/export/pprof.h"

static int write_svg(const struct profile *p, FILE *out)
{
	return flame_svg_write(p, &(struct flame_page){.title = SLICE("title")}, out);
}

static int write_firefox(const struct profile *p, FILE *out)
{
	return firefox_write(p, "title", out);
}

static int write_diff(const struct profile *p, FILE *out)
{
	struct flame_diff diff = {
		.profile = p,
		.sides = (const uint8_t[]){0, 1, 0, 1, 2, 0},
		.side = {{.name = "slow"}, {.name = "typical"}},
	};

	return flame_diff_write(&diff, &(struct flame_page){.title = SLICE("title")}, out);
}

static int write_otlp(const struct profile *p, FILE *out)
{
	struct pb_writer w;
	int err;

	(void)out;
	pb_writer__init(&w, OTLP_REQUEST_MAX_SZ);
	err = otlp_profile_encode(&w, p, "1.2.3");
	pb_writer__free(&w);
	return err;
}

static void every_allocation_fails_in_turn(void **state)
{
	rig_writer *const writers[] = {folded_write,  write_svg,   write_diff,
				       write_firefox, pprof_write, write_otlp};
	struct rig_frame nameless = {.file = "/usr/lib/libfoo.so", .build_id = "00"};
	struct profile *p = rig_profile();

	(void)state;
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, "a b"), 3);
	rig_samples(p, "u", rig_stack(p, (const struct rig_frame *[]){&nameless}, 1), 3);
	for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++)
		check_failing_writer(writers[i], p);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_fails_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
