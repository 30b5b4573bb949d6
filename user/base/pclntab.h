/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the table that each Go program of 1.18 or later has of its functions begins (Go's src/runtime/symtab.go: struct
 * pcHeader, functab). All of 64 bits, little endian.
 */
#ifndef SONDE_BASE_PCLNTAB_H
#define SONDE_BASE_PCLNTAB_H

#include <stdint.h>

#define PCLNTAB_MAGIC_118 0xfffffff0u
#define PCLNTAB_MAGIC_120 0xfffffff1u

struct pclntab_header {
	uint32_t magic;
	uint8_t pad[2], min_insn_sz, pointer_sz;
	uint64_t functions_cnt, files_cnt, text, names_off, units_off, files_off, pc_off,
		functions_off;
};

struct pclntab_function {
	uint32_t off, description_off;
};

#endif
