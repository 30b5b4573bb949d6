// SPDX-License-Identifier: Apache-2.0
/*
 * The pprof file: its wrapping, and what must not depend on the order of samples. What is in it is
 * read by pprof itself and field by field in tests/formats.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>

#include "tests/unit/profile_rig.h"

#include "user/export/pprof.h"

/* Unpacks into a buffer that the caller frees. */
static struct slice unpack(struct slice packed)
{
	const size_t max = 1u << 20;
	z_stream z = {.next_in = (Bytef *)packed.p, .avail_in = (uInt)packed.n};
	char *out = malloc(max);

	assert_non_null(out);
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_out = (Bytef *)out;
	z.avail_out = (uInt)max;
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	inflateEnd(&z);
	return slice_of(out, z.total_out);
}

static void no_samples(void **state)
{
	struct profile *p = rig_profile();
	struct slice packed = rig_written(pprof_write, p), bytes = unpack(packed);

	(void)state;
	assert_non_null(memmem(bytes.p, bytes.n, "nanoseconds", 11));
	free((char *)packed.p);
	free((char *)bytes.p);
	profile__free(p);
}

/* One sample for each thread and stack, however their observations came. */
static void order_does_not_matter(void **state)
{
	struct slice packed[2];

	(void)state;
	for (uint32_t reversed = 0; reversed < 2; reversed++) {
		struct profile *p = rig_profile();
		uint32_t stacks[] = {rig_named_stack(p, FRAME_NATIVE, "a b"),
				     rig_named_stack(p, FRAME_NATIVE, "a c")};

		rig_string(p, "s");
		rig_string(p, "t");
		for (uint32_t i = 0; i < 40; i++) {
			uint32_t k = reversed ? 39 - i : i;

			rig_samples(p, k % 3 ? "t" : "s", stacks[k % 2], 1);
		}
		packed[reversed] = rig_written(pprof_write, p);
		profile__free(p);
	}
	assert_true(slice_eq(packed[0], packed[1]));
	free((char *)packed[0].p);
	free((char *)packed[1].p);
}

static void a_full_disk_is_an_error(void **state)
{
	struct profile *p = rig_profile();

	(void)state;
	rig_samples(p, "t", 0, 1);
	assert_int_equal(rig_disk_full(pprof_write, p), -ENOSPC);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_samples),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
