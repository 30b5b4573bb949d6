/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold whatever the input is. */
#ifndef SONDE_TESTS_FUZZ_CHECK_H
#define SONDE_TESTS_FUZZ_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

#endif
