/* SPDX-License-Identifier: Apache-2.0 */
/* A writer of profiles, each of its allocations failing in turn. */
#ifndef SONDE_TESTS_FAILING_WRITER_H
#define SONDE_TESTS_FAILING_WRITER_H

#include <errno.h>

#include "tests/unit/failing_alloc.h"
#include "tests/unit/profile_rig.h"

static inline void check_failing_writer(rig_writer *write, const struct profile *p)
{
	long n = 1, left = 0;
	int err = -ENOMEM;

	for (; left == 0; n++) {
		FILE *out = fopen("/dev/null", "w");

		assert_non_null(out);
		setvbuf(out, NULL, _IONBF, 0);
		allocations_left = n;
		err = write(p, out);
		left = allocations_left;
		allocations_left = -1;
		fclose(out);
		/* Some do without memory where there is none. */
		assert_true(err == 0 || err == -ENOMEM);
	}
	assert_int_equal(err, 0);
	assert_true(n > 5);
}

#endif
