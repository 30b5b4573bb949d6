/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of TLS libraries, where plaintext can be seen, in an ELF file: a shared library, or an
 * executable that has one linked into it. The file is hostile input. Any thread.
 */
#ifndef SONDE_PROBE_TLS_LIBRARY_H
#define SONDE_PROBE_TLS_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>

#include "user/probe/go_program.h"
#include "user/base/insn.h"

#define TLS_SITES_MAX 24
#define TLS_WHY_SZ 256

/* A place for a probe. */
struct tls_site {
	uint64_t file_off;
	uint64_t cookie;   /* what the BPF program is to know, see include/abi/tls.h */
	struct insn insn;  /* on which it sits */
	bool returns;	   /* there shall be a return probe as well, at the same place */
	char function[48]; /* for people; cut */
};

struct tls_sites {
	const char *library; /* "OpenSSL", "GnuTLS", ...; NULL: the file has none that is known */
	uint32_t cnt;
	struct tls_site v[TLS_SITES_MAX];
	char why[TLS_WHY_SZ]; /* there is a library, but no or not all probes: which are missing, and why */
	struct go_program go; /* of an executable of Go, whatever it has of TLS */
};

/* 0, or a negative errno: what is no ELF file, or cannot be read. Borrows fd. */
int tls_library_find(int fd, struct tls_sites *out);

#endif
