/* SPDX-License-Identifier: MIT */
/*
 * From an instruction to an operation: find its row, see where the operands are, pick the function.
 * All that depends on the encoding is settled here, so that a hit only computes.
 */
#include "emu/rules.h"
#include "x86/cpu.h"
#include "x86/regs.h"

/* ---- which row ----------------------------------------------------------------------------- */

static bool prefixes_fit(const struct emu_rule *rule, const struct x86_insn *insn)
{
	unsigned int repeat = insn->prefixes & (X86_PREFIX_F2 | X86_PREFIX_F3);

	if ((rule->prefixes & EMU_NO_REX_B) && (insn->rex & X86_REX_B))
		return false;
	if (rule->prefixes & EMU_NEEDS_F3)
		return repeat == X86_PREFIX_F3;
	return !(repeat & ~(unsigned int)rule->prefixes);
}

static bool fits(const struct emu_rule *rule, const struct x86_insn *insn)
{
	unsigned int digit = insn->modrm >> 3 & 7;

	return rule->map == insn->map && rule->opcode == (insn->opcode & rule->mask) &&
	       (rule->digit == EMU_DIGIT_ANY || rule->digit == digit) && prefixes_fit(rule, insn);
}

const struct emu_rule *emu_find_rule(const struct x86_insn *insn)
{
	if (insn->encoding != X86_LEGACY || (insn->prefixes & X86_PREFIX_F0))
		return NULL;
	for (size_t i = 0; i < emu_rules_count; i++)
		if (fits(&emu_rules[i], insn))
			return &emu_rules[i];
	return NULL;
}

/* ---- operands ------------------------------------------------------------------------------ */

/* Column of struct emu_variants, -1: not in this size. */
static int column_of(const struct emu_rule *rule, const struct x86_insn *insn)
{
	bool wide = insn->rex & X86_REX_W, narrow = !wide && (insn->prefixes & X86_PREFIX_66);

	switch (rule->width) {
	case EMU_BYTE:
		return 0;
	case EMU_FULL:
		return wide ? 3 : narrow ? 1 : 2;
	case EMU_STACK:
		return narrow ? 1 : 3;
	default: /* EMU_NEAR */
		return narrow ? -1 : 3;
	}
}

/* Without REX, registers 4 to 7 of 8 bits are AH, CH, DH and BH: the second bytes of 0 to 3. */
static uint8_t register_offset(const struct x86_insn *insn, unsigned int number, bool byte)
{
	bool high = byte && !insn->rex && number >= 4;
	unsigned int whole = high ? number - 4 : number;

	return (uint8_t)(8 * x86_reg_index[whole] + high);
}

static unsigned int extended(const struct x86_insn *insn, unsigned int number, unsigned int rex_bit)
{
	return (number & 7) | (insn->rex & rex_bit ? 8 : 0);
}

static uint8_t reg_operand(const struct x86_insn *insn, bool byte)
{
	return register_offset(insn, extended(insn, insn->modrm >> 3, X86_REX_R), byte);
}

static uint8_t rm_operand(const struct x86_insn *insn, bool byte)
{
	return register_offset(insn, extended(insn, insn->modrm, X86_REX_B), byte);
}

static uint8_t opcode_operand(const struct x86_insn *insn, bool byte)
{
	return register_offset(insn, extended(insn, insn->opcode, X86_REX_B), byte);
}

static void set_base(const struct x86_insn *insn, unsigned int number, struct emu_op *op)
{
	op->base = register_offset(insn, extended(insn, number, X86_REX_B), false);
	op->base_mask = -1;
}

static void set_sib(const struct x86_insn *insn, struct emu_op *op)
{
	unsigned int index = extended(insn, insn->sib >> 3, X86_REX_X);

	if ((insn->sib & 7) != 5 || insn->modrm >> 6 != 0)
		set_base(insn, insn->sib, op);
	if (index == 4) /* RSP cannot be an index */
		return;
	op->index = register_offset(insn, index, false);
	op->index_mask = -1;
	op->scale = insn->sib >> 6;
}

static void set_memory(const struct x86_insn *insn, struct emu_op *op)
{
	op->disp = insn->disp;
	op->segment = insn->prefixes & (X86_PREFIX_FS | X86_PREFIX_GS);
	if (x86_insn_is_rip_relative(insn))
		op->disp = (int64_t)(x86_insn_end(insn) + (uint64_t)insn->disp);
	else if (insn->sib_offset)
		set_sib(insn, op);
	else
		set_base(insn, insn->modrm, op);
}

/* moffs: the address is the immediate. */
static void set_absolute(const struct x86_insn *insn, struct emu_op *op)
{
	op->disp = insn->imm;
	op->segment = insn->prefixes & (X86_PREFIX_FS | X86_PREFIX_GS);
}

static uint8_t rm_kind(const struct x86_insn *insn, struct emu_op *op, uint8_t in_register,
		       uint8_t in_memory)
{
	if (insn->modrm >> 6 == 3)
		return in_register;
	set_memory(insn, op);
	return in_memory;
}

/* r/m is the destination, and the other operand is already set. */
static uint8_t rm_first(const struct x86_insn *insn, bool byte, struct emu_op *op,
			uint8_t in_register, uint8_t in_memory)
{
	op->dst = rm_operand(insn, byte);
	return rm_kind(insn, op, in_register, in_memory);
}

static uint8_t rm_second(const struct x86_insn *insn, bool byte, bool byte_source,
			 struct emu_op *op)
{
	op->dst = reg_operand(insn, byte);
	op->src = rm_operand(insn, byte_source);
	return rm_kind(insn, op, EMU_KIND_R, EMU_KIND_RM);
}

/* Fill @op as the shape says; @return the row of struct emu_variants. */
static uint8_t set_operands(const struct emu_rule *rule, const struct x86_insn *insn,
			    struct emu_op *op)
{
	bool byte = rule->width == EMU_BYTE;

	op->dst = op->src = EP_REGS_RAX;
	op->imm = (uint64_t)insn->imm;
	switch (rule->shape) {
	case EMU_D:
		op->dst = EP_REGS_RDX;
		return EMU_KIND_R;
	case EMU_RM:
		return rm_first(insn, byte, op, EMU_KIND_R, EMU_KIND_MR);
	case EMU_RM_R:
		op->src = reg_operand(insn, byte);
		return rm_first(insn, byte, op, EMU_KIND_R, EMU_KIND_MR);
	case EMU_RM_CL:
		op->src = EP_REGS_RCX;
		return rm_first(insn, byte, op, EMU_KIND_R, EMU_KIND_MR);
	case EMU_RM_1:
		op->imm = 1;
		return rm_first(insn, byte, op, EMU_KIND_RI, EMU_KIND_MI);
	case EMU_RM_IMM:
		return rm_first(insn, byte, op, EMU_KIND_RI, EMU_KIND_MI);
	case EMU_R_RM:
	case EMU_R_RM_IMM:
		return rm_second(insn, byte, byte, op);
	case EMU_R_RM8:
		return rm_second(insn, byte, true, op);
	case EMU_O:
	case EMU_O_A:
		op->dst = opcode_operand(insn, byte);
		return EMU_KIND_R;
	case EMU_O_IMM:
		op->dst = opcode_operand(insn, byte);
		return EMU_KIND_RI;
	case EMU_A_MOFFS:
		set_absolute(insn, op);
		return EMU_KIND_RM;
	case EMU_MOFFS_A:
		set_absolute(insn, op);
		return EMU_KIND_MR;
	case EMU_A_IMM:
	case EMU_IMM:
		return EMU_KIND_RI;
	case EMU_REL:
		op->target = x86_insn_target(insn);
		return EMU_KIND_R;
	default: /* EMU_NONE */
		return EMU_KIND_R;
	}
}

/* ---- what a row cannot say ------------------------------------------------------------------ */

/* lea and nop have an operand in memory and do not go there: a segment means nothing to them. */
static bool ignores_segments(const struct emu_rule *rule)
{
	return rule->variants == &emu_lea || rule->variants == &emu_nop;
}

static bool is_nested_enter(const struct emu_rule *rule, const struct emu_op *op)
{
	return rule->variants == &emu_enter && (op->imm >> 16 & 0x1f);
}

int emu_prepare(const struct x86_insn *insn, struct emu_op *ret)
{
	const struct emu_rule *rule = emu_find_rule(insn);
	struct emu_op op = {.next = x86_insn_end(insn)};
	int column;

	if (!rule)
		return -EP_NOT_EMULATED;
	column = column_of(rule, insn);
	if (column < 0)
		return -EP_NOT_EMULATED;
	op.condition = insn->opcode & 0xf;
	op.unused_address_bits = insn->prefixes & X86_PREFIX_67 ? 32 : 0;
	op.run = rule->variants->run[set_operands(rule, insn, &op)][column];
	if (!op.run || is_nested_enter(rule, &op))
		return -EP_NOT_EMULATED;
	if (ignores_segments(rule))
		op.segment = 0;
	if (op.segment && !x86_cpu_has(X86_CPU_FSGSBASE))
		return -EP_NOT_EMULATED;
	*ret = op;
	return 0;
}

EP_TRAP_PATH bool emu_run(const struct emu_op *op, struct ep_regs *regs)
{
	return op->run(op, regs);
}
