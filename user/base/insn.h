/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One machine instruction, and what a probe on it means: whether the kernel's uprobes emulate it
 * (arch/x86/kernel/uprobes.c: nop, push, jumps, calls; arch/arm64/kernel/probes) or must let the program
 * run it in single steps, which costs some thirty times as much. Pure; code is hostile input.
 */
#ifndef SONDE_BASE_INSN_H
#define SONDE_BASE_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum insn_kind {
	INSN_OTHER,
	INSN_NOP,
	INSN_PUSH,
	INSN_JUMP,
	INSN_BRANCH, /* conditional */
	INSN_CALL,
	INSN_RETURN,
	INSN_STOP, /* nothing runs behind it: ud2, hlt, int3 */
	INSN_KIND_CNT,
};

/* General registers by the numbers that the instruction set gives them: rax 0, rcx 1, rdx 2, rbx 3, rsp 4 ... */
#define REGISTER(number) (1u << (number))

struct insn {
	uint8_t len; /* bytes */
	enum insn_kind kind;
	bool emulated;	  /* no single step */
	bool moves_stack; /* the return address is elsewhere after it */
	bool has_target;  /* of a jump, branch or call that is relative */
	int64_t target;	  /* from where at counts */
	bool has_slot;	  /* of a jump that is not: the address that holds its target is known */
	int64_t slot;	  /* the same */
	uint32_t writes;  /* general registers, REGISTER()s */
	bool copies;	  /* what it writes becomes what from is ... */
	bool narrow;	  /* ... or its low half */
	uint8_t from;	  /* number of a general register */
};

/* "push" and the like, for people. */
const char *insn_kind_name(enum insn_kind kind);
/* Decodes the instruction that begins at code, at bytes behind some beginning. False if there is none. */
bool insn_decode_x86(const uint8_t *code, size_t n, uint64_t at, struct insn *out);

#endif
