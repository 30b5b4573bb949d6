/* SPDX-License-Identifier: Apache-2.0 */
/* What the running kernel tells about its own functions. */
#ifndef SONDE_CAPTURE_KERNEL_H
#define SONDE_CAPTURE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

/* How many arguments that function takes, by BTF; -1 if there is none of that name. */
int kernel_function_args(const char *name);
/* True, with the reason in why, where programs on functions that sleep could crash the kernel. */
bool trampolines_unsafe(char *why, size_t why_sz);

#endif
