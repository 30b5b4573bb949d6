/* SPDX-License-Identifier: Apache-2.0 */
/* Names of C++ and Rust symbols as people write them. Hostile input; any thread. */
#ifndef SONDE_BASE_DEMANGLE_H
#define SONDE_BASE_DEMANGLE_H

#include "user/base/slice.h"

#define DEMANGLED_MAX 2048 /* bytes; longer names end in "..." */
#define MANGLED_MAX 4096   /* bytes; longer names are left as they are */

/*
 * The name that the symbol stands for, without parameters, clone marks and Rust's hash, in buf;
 * empty if it is not mangled.
 */
struct slice demangle(const char *symbol, char buf[DEMANGLED_MAX]);

#endif
