/* SPDX-License-Identifier: MIT */
/*
 * An instruction depends on where it stands in three ways: control flow, which is not our
 * business, a RIP-relative operand, and `syscall`, which leaves the address behind itself in RCX.
 *
 * A RIP-relative operand keeps its meaning with another displacement. Where that does not reach,
 * the operand is addressed through a register instead. ModRM mod 00 rm 101, disp32 becomes mod 10
 * rm REG, disp32 = 0: the same length, nothing else moves.
 *
 *	lea	-128(%rsp),%rsp		# the red zone is the program's
 *	push	%rsi
 *	movabs	$operand,%rsi
 *	INSN	0(%rsi)
 *	pop	%rsi
 *	lea	128(%rsp),%rsp
 *
 * RSI, RDI and RBP need no REX, which would turn AH..BH into other registers, and none of them is
 * ever an implicit operand of an instruction with a ModRM memory operand. It can name at most two
 * registers otherwise, by ModRM.reg and VEX.vvvv, so one of the three is always free.
 */
#include "fallback-xol/relocate.h"

#include <string.h>

#include "fallback-xol/guarded.h"
#include "x86/encode.h"

enum {
	RCX = 1,
	RSP = 4,
	RBP = 5,
	RSI = 6,
	RDI = 7,
};

static bool is_opcode(const struct x86_insn *insn, enum x86_map map, uint8_t opcode)
{
	return insn->encoding == X86_LEGACY && insn->map == map && insn->opcode == opcode;
}

/* int3, `int 3` and int1 report an address behind themselves with a SIGTRAP: ours is meant. */
static bool is_breakpoint(const struct x86_insn *insn)
{
	return is_opcode(insn, X86_MAP_1B, 0xcc) || is_opcode(insn, X86_MAP_1B, 0xf1) ||
	       (is_opcode(insn, X86_MAP_1B, 0xcd) && (insn->imm & 0xff) == 3);
}

bool xol_is_relocatable(const struct x86_insn *insn)
{
	switch (x86_insn_flow(insn)) {
	case X86_FLOW_NONE:
	case X86_FLOW_SYSCALL:
		return true;
	case X86_FLOW_TRAP:
		return !is_breakpoint(insn);
	default:
		return false;
	}
}

/* With an address-size prefix the whole calculation is one of 32 bits. */
uint64_t xol_operand_address(const struct x86_insn *insn)
{
	uint64_t address = x86_insn_end(insn) + (uint64_t)insn->disp;

	return insn->prefixes & X86_PREFIX_67 ? (uint32_t)address : address;
}

/* ---- by displacement ----------------------------------------------------------------------- */

static void put_disp(uint8_t *bytes, const struct x86_insn *insn, uint64_t disp)
{
	uint32_t low = (uint32_t)disp;

	memcpy(bytes + insn->disp_offset, &low, sizeof(low));
}

static bool displacement_reaches(const struct x86_insn *insn, uint64_t here)
{
	return (insn->prefixes & X86_PREFIX_67) ||
	       x86_reaches(here, insn->length, xol_operand_address(insn));
}

int xol_relocate_operand(const struct x86_insn *insn, struct xol_builder *to)
{
	uint64_t here = xol_build_here(to);
	uint8_t bytes[X86_INSN_MAX];

	memcpy(bytes, insn->bytes, sizeof(bytes));
	if (x86_insn_is_rip_relative(insn)) {
		if (!displacement_reaches(insn, here))
			return -EP_OUT_OF_REACH;
		put_disp(bytes, insn, xol_operand_address(insn) - (here + insn->length));
	}
	xol_build_bytes(to, bytes, insn->length);
	return 0;
}

/* ---- through a register -------------------------------------------------------------------- */

/* C4 is no legacy prefix, so three bytes in front of the opcode it can only be a VEX. */
static bool is_vex3(const struct x86_insn *insn)
{
	unsigned int opcode = insn->modrm_offset - 1u;

	return opcode >= 3 && insn->bytes[opcode - 3] == 0xc4;
}

/* Of the first byte of a VEX, EVEX or XOP prefix. */
static unsigned int prefix_offset(const struct x86_insn *insn)
{
	unsigned int opcode = insn->modrm_offset - 1u;

	if (insn->encoding == X86_EVEX)
		return opcode - 4;
	return insn->encoding == X86_VEX && !is_vex3(insn) ? opcode - 2 : opcode - 3;
}

static unsigned int vvvv(const struct x86_insn *insn)
{
	unsigned int at = insn->encoding == X86_VEX && !is_vex3(insn) ? 1 : 2;

	if (insn->encoding == X86_LEGACY)
		return 0;
	return ~(unsigned int)(insn->bytes[prefix_offset(insn) + at] >> 3) & 15;
}

/* Only the lower three bits count: better one too many than one too few. */
static unsigned int choose_scratch(const struct x86_insn *insn)
{
	static const uint8_t candidates[] = {RSI, RDI, RBP};
	unsigned int reg = insn->modrm >> 3 & 7, other = vvvv(insn) & 7;

	for (unsigned int i = 0; i < 2; i++)
		if (candidates[i] != reg && candidates[i] != other)
			return candidates[i];
	return RBP;
}

/* The base register is one of the lower eight. */
static void clear_base_extension(uint8_t *bytes, const struct x86_insn *insn)
{
	static const uint8_t opcode_size[] = {
		[X86_MAP_1B] = 1, [X86_MAP_0F] = 2, [X86_MAP_0F38] = 3, [X86_MAP_0F3A] = 3};

	if (insn->encoding == X86_LEGACY && insn->rex)
		bytes[insn->modrm_offset - opcode_size[insn->map] - 1] &= (uint8_t)~X86_REX_B;
	else if (insn->encoding == X86_EVEX)
		bytes[prefix_offset(insn) + 1] |= 0x60;		/* X and B are stored inverted */
	else if (insn->encoding != X86_LEGACY && is_vex3(insn)) /* the short one has no B */
		bytes[prefix_offset(insn) + 1] |= 0x20;
}

/* Opcodes whose ModRM.reg or VEX.vvvv is a general register when there is a memory operand. */
static const struct {
	uint8_t map, first, last;
} general[] = {
	{X86_MAP_1B, 0x00, 0x3b},   /* add .. cmp */
	{X86_MAP_1B, 0x63, 0x63},   /* movsxd */
	{X86_MAP_1B, 0x69, 0x6b},   /* imul */
	{X86_MAP_1B, 0x84, 0x8b},   /* test, xchg, mov */
	{X86_MAP_1B, 0x8d, 0x8d},   /* lea */
	{X86_MAP_0F, 0x02, 0x03},   /* lar, lsl */
	{X86_MAP_0F, 0x2c, 0x2d},   /* cvttss2si, cvtss2si .. */
	{X86_MAP_0F, 0x40, 0x4f},   /* cmovcc */
	{X86_MAP_0F, 0x78, 0x79},   /* vmread, vmwrite, vcvttss2usi .. */
	{X86_MAP_0F, 0xa3, 0xaf},   /* bt .. imul */
	{X86_MAP_0F, 0xb0, 0xb9},   /* cmpxchg .. popcnt */
	{X86_MAP_0F, 0xbb, 0xc1},   /* btc .. xadd */
	{X86_MAP_0F, 0xc3, 0xc3},   /* movnti */
	{X86_MAP_0F38, 0x80, 0x82}, /* invept, invvpid, invpcid */
	{X86_MAP_0F38, 0xe0, 0xff}, /* cmpccxadd, movbe, crc32, andn .. movdir64b */
	{X86_MAP_0F3A, 0xf0, 0xf0}, /* rorx */
	{X86_MAP_OTHER, 0x00, 0xff},
};

static bool names_general_register(const struct x86_insn *insn)
{
	for (unsigned int i = 0; i < sizeof(general) / sizeof(general[0]); i++)
		if (insn->map == general[i].map && insn->opcode >= general[i].first &&
		    insn->opcode <= general[i].last)
			return true;
	return false;
}

/* Number 4 is AH there, unless there is a REX. */
static bool is_byte_form(const struct x86_insn *insn)
{
	if (insn->map == X86_MAP_1B)
		return !(insn->opcode & 1); /* of those above */
	return is_opcode(insn, X86_MAP_0F, 0xb0) || is_opcode(insn, X86_MAP_0F, 0xc0);
}

/* Then it would see that the stack pointer has moved. VEX: R12 is taken for RSP, which is safe. */
static bool uses_rsp(const struct x86_insn *insn)
{
	unsigned int reg = insn->modrm >> 3 & 7;

	if (is_opcode(insn, X86_MAP_1B, 0x8f)) /* pop */
		return true;
	if (is_opcode(insn, X86_MAP_1B, 0xff) && reg == 6) /* push */
		return true;
	if (!names_general_register(insn) || (is_byte_form(insn) && !insn->rex))
		return false;
	return (reg == RSP && !(insn->rex & X86_REX_R)) || (vvvv(insn) & 7) == RSP;
}

static int relocate_through_register(const struct x86_insn *insn, struct xol_builder *to)
{
	unsigned int scratch = choose_scratch(insn);
	unsigned int saved = XOL_STATE_SCRATCH | scratch << XOL_STATE_SCRATCH_SHIFT;
	uint64_t end = x86_insn_end(insn);
	uint8_t bytes[X86_INSN_MAX];

	if (uses_rsp(insn))
		return -EP_OUT_OF_REACH;
	memcpy(bytes, insn->bytes, sizeof(bytes));
	bytes[insn->modrm_offset] = (uint8_t)(0x80 | (insn->modrm & 0x38) | scratch);
	clear_base_extension(bytes, insn);
	put_disp(bytes, insn, 0);
	xol_build_add_rsp(to, -XOL_RED_ZONE);
	xol_build_step(to, insn->address, XOL_STATE_BELOW);
	xol_build_push(to, scratch);
	xol_build_step(to, insn->address, saved);
	xol_build_mov(to, scratch, xol_operand_address(insn));
	xol_build_bytes(to, bytes, insn->length);
	xol_build_step(to, end, saved | XOL_STATE_EXECUTED);
	xol_build_pop(to, scratch);
	xol_build_step(to, end, XOL_STATE_BELOW | XOL_STATE_EXECUTED);
	xol_build_add_rsp(to, XOL_RED_ZONE);
	return 0;
}

/* ---- syscall ------------------------------------------------------------------------------- */

/*
 * The kernel restarts an interrupted call by going back to the copy, RCX already changed; so RCX
 * may be that of the copy in front of it, too.
 */
static void relocate_syscall(const struct x86_insn *insn, struct xol_builder *to)
{
	uint64_t end = x86_insn_end(insn);

	xol_build_step(to, insn->address, to->guard ? XOL_STATE_EXACT : XOL_STATE_SYSCALL);
	if (to->guard)
		xol_build_guarded(to, to->guard, insn);
	else
		xol_build_bytes(to, insn->bytes, insn->length);
	xol_build_step(to, end, XOL_STATE_SYSCALL | XOL_STATE_EXECUTED);
	xol_build_mov(to, RCX, end);
}

int xol_relocate(const struct x86_insn *insn, struct xol_builder *to)
{
	int error = 0;

	if (!xol_is_relocatable(insn))
		return -EP_NOT_BOOSTED;
	xol_build_step(to, insn->address, XOL_STATE_EXACT);
	if (x86_insn_flow(insn) == X86_FLOW_SYSCALL)
		relocate_syscall(insn, to);
	else if (x86_insn_is_rip_relative(insn) && !displacement_reaches(insn, xol_build_here(to)))
		error = relocate_through_register(insn, to);
	else
		error = xol_relocate_operand(insn, to);
	xol_build_step(to, x86_insn_end(insn), XOL_STATE_EXECUTED);
	return error;
}
