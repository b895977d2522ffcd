/* SPDX-License-Identifier: MIT */
/*
 * Displaced control flow must leave the same traces as the original: a call pushes the address
 * behind the original call, so that whoever looks at the stack (unwinders, position-independent
 * code, the callee) sees nothing of us. It then has no return of its own to be paired with, which
 * costs a misprediction at the callee's return, unless a call led here (jump.c).
 *
 *	call target	push $behind; jmp target
 *	call *operand	push $behind; jmp *operand	RSP in the operand is 8 lower by then
 *	jcc target	jcc target, rel32; or the inverse over an absolute jump
 *	loop target	loop 1f; jmp 2f; 1: jmp target; 2:
 *	jmp *operand, ret	as they are
 */
#include "fallback-xol/displace.h"

#include <string.h>

#include "fallback-xol/relocate.h"
#include "x86/encode.h"

enum {
	RSP = 4,
	CALL_DIGIT = 2, /* FF /2 */
	JMP_DIGIT = 4,	/* FF /4 */
};

struct sys_window xol_displace_window(const struct x86_insn *insn)
{
	uint64_t target = x86_insn_target(insn);

	if (target)
		return xol_code_reach(target, 0);
	if (!x86_insn_is_rip_relative(insn) || (insn->prefixes & X86_PREFIX_67))
		return SYS_ANYWHERE;
	return xol_code_reach(xol_operand_address(insn), 0);
}

/* ---- calls --------------------------------------------------------------------------------- */

static void push_return_address(const struct x86_insn *insn, struct xol_builder *to)
{
	xol_build_push_value(to, insn->address, x86_insn_end(insn));
}

static bool is_based_on_rsp(const struct x86_insn *insn)
{
	return insn->modrm < 0xc0 && insn->sib_offset && (insn->sib & 7) == RSP &&
	       !(insn->rex & X86_REX_B);
}

/* The operand overlaps what the call itself pushes, or is RSP: no other order will do. */
static bool sees_the_push(const struct x86_insn *insn)
{
	if ((insn->modrm & 0xc7) == (0xc0 | RSP))
		return !(insn->rex & X86_REX_B);
	return is_based_on_rsp(insn) && insn->disp < 0;
}

/* FF /2 with mod 10, so that there is room for the displacement to become 8 larger. */
static struct x86_insn jmp_for_call_on_stack(const struct x86_insn *call)
{
	struct x86_insn jmp = *call;
	int32_t disp = (int32_t)call->disp + 8;

	jmp.modrm = (uint8_t)(0x80 | JMP_DIGIT << 3 | RSP);
	jmp.bytes[jmp.modrm_offset] = jmp.modrm;
	jmp.disp_offset = (uint8_t)(jmp.sib_offset + 1);
	memcpy(jmp.bytes + jmp.disp_offset, &disp, sizeof(disp));
	jmp.length = (uint8_t)(jmp.disp_offset + sizeof(disp));
	return jmp;
}

static struct x86_insn jmp_for_call(const struct x86_insn *call)
{
	struct x86_insn jmp = *call;

	if (is_based_on_rsp(call))
		return jmp_for_call_on_stack(call);
	jmp.modrm = (uint8_t)((call->modrm & ~0x38) | JMP_DIGIT << 3);
	jmp.bytes[jmp.modrm_offset] = jmp.modrm;
	return jmp;
}

static int displace_call_indirect(const struct x86_insn *insn, struct xol_builder *to)
{
	struct x86_insn jmp = jmp_for_call(insn);

	if (sees_the_push(insn) || (insn->prefixes & X86_PREFIX_66) || insn->length > 11)
		return -EP_NOT_JUMPED;
	push_return_address(insn, to);
	return xol_relocate_operand(&jmp, to);
}

/* ---- branches ------------------------------------------------------------------------------ */

static bool is_loop(const struct x86_insn *insn)
{
	return insn->map == X86_MAP_1B && insn->opcode >= 0xe0 && insn->opcode <= 0xe3;
}

static void displace_loop(const struct x86_insn *insn, struct xol_builder *to)
{
	uint64_t target = x86_insn_target(insn), next;
	uint8_t bytes[X86_INSN_MAX];

	memcpy(bytes, insn->bytes, sizeof(bytes));
	bytes[insn->imm_offset] = X86_JMP_REL32_SIZE; /* over the next jump */
	xol_build_bytes(to, bytes, insn->length);
	next = xol_build_here(to) + X86_JMP_REL32_SIZE;
	next += x86_reaches(next, X86_JMP_REL32_SIZE, target) ? X86_JMP_REL32_SIZE
							      : X86_JMP_ABS64_SIZE;
	xol_build_step(to, x86_insn_end(insn), XOL_STATE_EXECUTED);
	xol_build_jmp(to, next);
	xol_build_step(to, target, XOL_STATE_EXECUTED);
	xol_build_jmp(to, target);
}

static void displace_jcc(const struct x86_insn *insn, struct xol_builder *to)
{
	if (is_loop(insn))
		displace_loop(insn, to);
	else
		xol_build_jcc(to, insn->opcode & 15u, x86_insn_target(insn));
}

int xol_displace(const struct x86_insn *insn, struct xol_builder *to)
{
	if (xol_is_relocatable(insn))
		return xol_relocate(insn, to);
	xol_build_step(to, insn->address, XOL_STATE_EXACT);
	switch (x86_insn_flow(insn)) {
	case X86_FLOW_JMP:
		xol_build_jmp(to, x86_insn_target(insn));
		return 0;
	case X86_FLOW_JCC:
		displace_jcc(insn, to);
		return 0;
	case X86_FLOW_CALL:
		push_return_address(insn, to);
		xol_build_jmp(to, x86_insn_target(insn));
		return 0;
	case X86_FLOW_CALL_IND:
		return displace_call_indirect(insn, to);
	case X86_FLOW_JMP_IND:
	case X86_FLOW_RET:
		return xol_relocate_operand(insn, to);
	default:
		return -EP_NOT_JUMPED;
	}
}
