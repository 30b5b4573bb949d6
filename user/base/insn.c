// SPDX-License-Identifier: Apache-2.0
/* By Zydis, of which nothing else is used. */
#include "user/base/insn.h"

#include <Zydis/Zydis.h>
#include <string.h>

#define OPERAND_SIZE_PREFIX 0x66
#define REX_B 0x41

static enum insn_kind kind_of(const ZydisDecodedInstruction *in)
{
	switch (in->meta.category) {
	case ZYDIS_CATEGORY_NOP:
	case ZYDIS_CATEGORY_WIDENOP:
		return INSN_NOP;
	case ZYDIS_CATEGORY_PUSH:
		return INSN_PUSH;
	case ZYDIS_CATEGORY_UNCOND_BR:
		return INSN_JUMP;
	case ZYDIS_CATEGORY_COND_BR:
		return INSN_BRANCH;
	case ZYDIS_CATEGORY_CALL:
		return INSN_CALL;
	case ZYDIS_CATEGORY_RET:
		return INSN_RETURN;
	default:
		break;
	}
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_HLT:
	case ZYDIS_MNEMONIC_INT3:
		return INSN_STOP;
	default:
		return INSN_OTHER;
	}
}

static bool has_prefix(const ZydisDecodedInstruction *in, uint8_t value)
{
	for (uint8_t i = 0; i < in->raw.prefix_count; i++)
		if (in->raw.prefixes[i].value == value)
			return true;
	return false;
}

/* What all kernels emulate that have uprobes; some do more. */
static bool is_emulated(const ZydisDecodedInstruction *in, const uint8_t *code)
{
	bool two_bytes = in->opcode_map == ZYDIS_OPCODE_MAP_0F;

	if (two_bytes)
		return in->opcode >= 0x80 && in->opcode <= 0x8f &&
		       !has_prefix(in, OPERAND_SIZE_PREFIX);
	if (in->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
		return false;
	if (in->opcode >= 0x50 && in->opcode <= 0x57)
		return in->length == 1 || (in->length == 2 && code[0] == REX_B);
	if (in->opcode == 0x90)
		return in->mnemonic == ZYDIS_MNEMONIC_NOP;
	return (in->opcode == 0xe8 || in->opcode == 0xe9 || in->opcode == 0xeb ||
		(in->opcode >= 0x70 && in->opcode <= 0x7f)) &&
	       !has_prefix(in, OPERAND_SIZE_PREFIX);
}

static int general_register(ZydisRegister reg)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
		return -1;
	return (int)(whole - ZYDIS_REGISTER_RAX);
}

static void note_operand(const ZydisDecodedOperand *operand, uint64_t next, struct insn *out)
{
	if (operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operand->imm.is_relative) {
		out->has_target = true;
		out->target = (int64_t)next + operand->imm.value.s;
	}
	if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY && out->kind == INSN_JUMP &&
	    operand->mem.base == ZYDIS_REGISTER_RIP) {
		out->has_slot = true;
		out->slot = (int64_t)next + operand->mem.disp.value;
	}
	if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) {
		int reg = general_register(operand->reg.value);

		if (reg >= 0)
			out->writes |= REGISTER(reg);
	}
}

/* mov and movsxd from register to register. */
static void note_copy(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *operands,
		      struct insn *out)
{
	const ZydisDecodedOperand *to = &operands[0], *from = &operands[1];

	if ((in->mnemonic != ZYDIS_MNEMONIC_MOV && in->mnemonic != ZYDIS_MNEMONIC_MOVSXD) ||
	    to->type != ZYDIS_OPERAND_TYPE_REGISTER || from->type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    to->size < 32 || from->size < 32 || general_register(from->reg.value) < 0)
		return;
	out->copies = true;
	out->narrow = from->size < 64;
	out->from = (uint8_t)general_register(from->reg.value);
}

bool insn_decode_x86(const uint8_t *code, size_t n, uint64_t at, struct insn *out)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;
	ZydisDecoder decoder;

	memset(out, 0, sizeof(*out));
	if (!ZYAN_SUCCESS(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
	    !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, n, &in, operands)))
		return false;
	out->len = in.length;
	out->kind = kind_of(&in);
	out->emulated = is_emulated(&in, code);
	for (uint8_t i = 0; i < in.operand_count; i++)
		note_operand(&operands[i], at + in.length, out);
	note_copy(&in, operands, out);
	out->moves_stack = out->writes & REGISTER(4);
	return true;
}

const char *insn_kind_name(enum insn_kind kind)
{
	static const char *const names[INSN_KIND_CNT] = {
		[INSN_OTHER] = "other",	  [INSN_NOP] = "nop",	    [INSN_PUSH] = "push",
		[INSN_JUMP] = "jump",	  [INSN_BRANCH] = "branch", [INSN_CALL] = "call",
		[INSN_RETURN] = "return", [INSN_STOP] = "stop",
	};

	return names[kind];
}
