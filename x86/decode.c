/* SPDX-License-Identifier: MIT */
/*
 * Is this an instruction, how long is it, and where are its parts?
 *
 * Two witnesses must agree. The splitter below knows the encoding: prefixes, map, opcode, ModRM,
 * SIB, displacement, immediate, and so the length. Whether such an instruction exists it knows for
 * the plain integer opcodes, which are most of what is probed, and for VEX and EVEX, where the
 * encoding alone determines the length and a table says which opcodes exist. For all else
 * libcapstone has the last word; where it disagrees about the length the bytes are refused,
 * never guessed at, but for a short list of instructions that are newer than Debian's capstone.
 *
 * Capstone always prints text, which is why the plain opcodes do not ask it.
 */
#include <string.h>

#include "include/emuprobe.h"
#include "x86/disasm.h"
#include "x86/insn.h"
#include "x86/opcodes.h"

/* ---- the splitter -------------------------------------------------------------------------- */

/* Reads the bytes one by one; past the end it reads zeros and remembers it. */
struct cursor {
	const uint8_t *code;
	size_t size, at;
	bool overrun;
};

static uint8_t peek(const struct cursor *in)
{
	return in->at < in->size ? in->code[in->at] : 0;
}

static uint8_t take(struct cursor *in)
{
	uint8_t byte = peek(in);

	if (in->at >= in->size)
		in->overrun = true;
	in->at++;
	return byte;
}

/* Little-endian and sign-extended. */
static int64_t take_signed(struct cursor *in, unsigned int size)
{
	unsigned int unused = 64 - 8 * size;
	uint64_t value = 0;

	if (!size)
		return 0;
	for (unsigned int i = 0; i < size; i++)
		value |= (uint64_t)take(in) << (8 * i);
	return (int64_t)(value << unused) >> unused;
}

static unsigned int legacy_prefix(uint8_t byte)
{
	switch (byte) {
	case 0x66:
		return X86_PREFIX_66;
	case 0x67:
		return X86_PREFIX_67;
	case 0xf0:
		return X86_PREFIX_F0;
	case 0xf2:
		return X86_PREFIX_F2;
	case 0xf3:
		return X86_PREFIX_F3;
	case 0x64:
		return X86_PREFIX_FS;
	case 0x65:
		return X86_PREFIX_GS;
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		return X86_PREFIX_SEG;
	default:
		return 0;
	}
}

/*
 * Of several F2 and F3 the last counts, and of several FS and GS; a REX that does not stand
 * right before the opcode is ignored (Intel SDM, "REX Prefixes").
 */
static void split_prefixes(struct cursor *in, struct x86_insn *insn)
{
	const unsigned int repeat = X86_PREFIX_F2 | X86_PREFIX_F3;
	const unsigned int segment = X86_PREFIX_FS | X86_PREFIX_GS;
	unsigned int prefixes = 0;
	uint8_t rex = 0;

	while (in->at < X86_INSN_MAX) {
		unsigned int prefix = legacy_prefix(peek(in));

		if (prefix) {
			if (prefix & repeat)
				prefixes &= ~repeat;
			if (prefix & segment)
				prefixes &= ~segment;
			prefixes |= prefix;
			rex = 0;
		} else if ((peek(in) & 0xf0) == 0x40) {
			rex = peek(in);
		} else {
			break;
		}
		take(in);
	}
	insn->prefixes = (uint8_t)prefixes;
	insn->rex = rex;
}

static uint8_t map_of(unsigned int number)
{
	return number >= 1 && number <= 3 ? (uint8_t)(X86_MAP_1B + number) : (uint8_t)X86_MAP_OTHER;
}

/* What a VEX or EVEX prefix says besides the registers. */
struct vex {
	unsigned int map; /* number, as encoded */
	unsigned int pp;  /* implied prefix: none, 66, F3, F2 */
};

static bool split_vex(struct cursor *in, struct x86_insn *insn, struct vex *vex)
{
	const unsigned int forbidden =
		X86_PREFIX_66 | X86_PREFIX_F0 | X86_PREFIX_F2 | X86_PREFIX_F3;
	uint8_t second;

	if ((insn->prefixes & forbidden) || insn->rex)
		return false;
	switch (take(in)) {
	case 0xc5:
		insn->encoding = X86_VEX;
		vex->map = 1;
		vex->pp = take(in) & 3;
		return true;
	case 0xc4:
		insn->encoding = X86_VEX;
		vex->map = take(in) & 0x1f;
		vex->pp = take(in) & 3;
		return true;
	default: /* 62 */
		insn->encoding = X86_EVEX;
		vex->map = take(in) & 0xf; /* bit 3 must be zero: no such map then */
		second = take(in);
		take(in);
		vex->pp = second & 3;
		return second & 4;
	}
}

/* AMD's, of processors until 2017; libraries still have some. Capstone knows which exist. */
static bool split_xop(struct cursor *in, struct x86_insn *insn, struct vex *vex)
{
	insn->encoding = X86_XOP;
	insn->map = X86_MAP_OTHER;
	vex->map = take(in) & 0x1f;
	take(in);
	insn->opcode = take(in);
	return !insn->rex;
}

/* Legacy opcode maps; VEX and EVEX set *vex instead. */
static bool split_opcode(struct cursor *in, struct x86_insn *insn, struct vex *vex)
{
	uint8_t byte = peek(in);

	if (byte == 0xc5 || byte == 0xc4 || byte == 0x62) {
		if (!split_vex(in, insn, vex))
			return false;
		insn->map = map_of(vex->map);
		insn->opcode = take(in);
		return true;
	}
	insn->map = X86_MAP_1B;
	insn->opcode = take(in);
	if (insn->opcode == 0x8f && (peek(in) & 0x1f) >= 8)
		return split_xop(in, insn, vex);
	if (insn->opcode != 0x0f)
		return true;
	insn->map = X86_MAP_0F;
	insn->opcode = take(in);
	if (insn->opcode == 0x38 || insn->opcode == 0x3a) {
		insn->map = insn->opcode == 0x38 ? X86_MAP_0F38 : X86_MAP_0F3A;
		insn->opcode = take(in);
	}
	return true;
}

static void split_modrm(struct cursor *in, struct x86_insn *insn)
{
	unsigned int mod, rm;

	insn->modrm_offset = (uint8_t)in->at;
	insn->modrm = take(in);
	mod = insn->modrm >> 6;
	rm = insn->modrm & 7;
	if (mod == 3)
		return;
	if (rm == 4) {
		insn->sib_offset = (uint8_t)in->at;
		insn->sib = take(in);
	}
	if (mod == 1)
		insn->disp_size = 1;
	else if (mod == 2 || rm == 5 || (rm == 4 && (insn->sib & 7) == 5))
		insn->disp_size = 4;
	if (insn->disp_size)
		insn->disp_offset = (uint8_t)in->at;
	insn->disp = take_signed(in, insn->disp_size);
}

static unsigned int imm_size(const struct x86_insn *insn, uint16_t form)
{
	bool wide = insn->rex & X86_REX_W, narrow = !wide && (insn->prefixes & X86_PREFIX_66);
	unsigned int reg = insn->modrm >> 3 & 7;

	switch (form & X86_IMM) {
	case X86_IMM8:
		return 1;
	case X86_IMM16:
		return 2;
	case X86_IMM24:
		return 3;
	case X86_IMMZ:
		return narrow ? 2 : 4;
	case X86_IMMV:
		return wide ? 8 : narrow ? 2 : 4;
	case X86_MOFFS:
		return insn->prefixes & X86_PREFIX_67 ? 4 : 8;
	case X86_IMM_GROUP3:
		return reg > 1 ? 0 : insn->opcode == 0xf6 ? 1 : narrow ? 2 : 4;
	case X86_IMM_SSE4A:
		return insn->prefixes & (X86_PREFIX_66 | X86_PREFIX_F2) ? 2 : 0;
	default:
		return 0;
	}
}

static uint16_t form_of(const struct x86_insn *insn, const struct vex *vex)
{
	bool evex = insn->encoding == X86_EVEX;

	if (insn->encoding == X86_LEGACY)
		return x86_legacy_form(insn->map, insn->opcode);
	if (insn->encoding == X86_XOP)
		return x86_xop_form(vex->map);
	if (!x86_vex_exists(evex, vex->map, vex->pp, insn->opcode))
		return X86_NONE;
	return x86_vex_form(insn->map, insn->opcode, evex);
}

/*
 * Intel ignores 66 before a near branch, AMD takes it as a 16-bit displacement and instruction
 * pointer: the length itself depends on the processor. With REX.W they agree.
 */
static bool differs_by_vendor(const struct x86_insn *insn, uint16_t form)
{
	return (form & X86_NEAR_REL32) && (insn->prefixes & X86_PREFIX_66) &&
	       !(insn->rex & X86_REX_W);
}

/* @return what the tables know of the opcode, X86_NONE: there is no such instruction. */
static uint16_t split(const uint8_t *code, size_t size, struct x86_insn *insn)
{
	struct cursor in = {.code = code, .size = size};
	struct vex vex = {0};
	uint16_t form;

	split_prefixes(&in, insn);
	if (!split_opcode(&in, insn, &vex))
		return X86_NONE;
	form = form_of(insn, &vex);
	if (differs_by_vendor(insn, form))
		return X86_NONE;
	if (form & X86_REGISTERS) {
		insn->modrm_offset = (uint8_t)in.at;
		insn->modrm = take(&in) | 0xc0;
	} else if (form & X86_MODRM) {
		split_modrm(&in, insn);
	}
	insn->imm_size = (uint8_t)imm_size(insn, form);
	if (insn->imm_size)
		insn->imm_offset = (uint8_t)in.at;
	insn->imm = take_signed(&in, insn->imm_size);
	if (in.overrun || in.at > X86_INSN_MAX)
		return X86_NONE;
	insn->length = (uint8_t)in.at;
	return form;
}

/* ---- the second witness -------------------------------------------------------------------- */

static bool is_instruction(const struct x86_insn *insn, uint16_t form)
{
	if (insn->encoding == X86_VEX || insn->encoding == X86_EVEX)
		return true;
	if (!(insn->prefixes & X86_PREFIX_F0) && x86_is_plain(insn, form))
		return true;
	if (x86_is_newer_than_capstone(insn))
		return true;
	return x86_disasm(insn->bytes, insn->length, insn->address, NULL, 0) == insn->length;
}

int x86_decode(const uint8_t *code, size_t size, uint64_t address, struct x86_insn *ret)
{
	struct x86_insn insn = {.address = address};
	uint16_t form = split(code, size, &insn);

	if (form & X86_NONE)
		return -EP_UNDECODABLE;
	memcpy(insn.bytes, code, insn.length);
	if (!is_instruction(&insn, form))
		return -EP_UNDECODABLE;
	*ret = insn;
	return 0;
}

void x86_insn_text(const struct x86_insn *insn, char *buf, size_t size)
{
	if (!size)
		return;
	if (x86_disasm(insn->bytes, insn->length, insn->address, buf, size) != insn->length)
		buf[0] = '\0';
}

/* ---- questions ----------------------------------------------------------------------------- */

static enum x86_flow flow_one_byte(const struct x86_insn *insn)
{
	static const enum x86_flow group5[8] = {
		[2] = X86_FLOW_CALL_IND,
		[3] = X86_FLOW_OTHER, /* call far */
		[4] = X86_FLOW_JMP_IND,
		[5] = X86_FLOW_OTHER, /* jmp far */
	};

	switch (insn->opcode) {
	case 0x70 ... 0x7f: /* jcc rel8 */
	case 0xe0 ... 0xe3: /* loopne, loope, loop, jrcxz */
		return X86_FLOW_JCC;
	case 0xeb:
	case 0xe9:
		return X86_FLOW_JMP;
	case 0xe8:
		return X86_FLOW_CALL;
	case 0xff:
		return group5[insn->modrm >> 3 & 7];
	case 0xc2:
	case 0xc3:
		return X86_FLOW_RET;
	case 0xca: /* retf imm16 */
	case 0xcb: /* retf */
	case 0xcf: /* iret */
		return X86_FLOW_OTHER;
	case 0xc7: /* c7 f8: xbegin; its abort path leaves from anywhere */
		return insn->modrm == 0xf8 ? X86_FLOW_OTHER : X86_FLOW_NONE;
	case 0xcc: /* int3 */
	case 0xcd: /* int n */
	case 0xf1: /* int1 */
	case 0xf4: /* hlt */
		return X86_FLOW_TRAP;
	default:
		return X86_FLOW_NONE;
	}
}

static enum x86_flow flow_0f(const struct x86_insn *insn)
{
	switch (insn->opcode) {
	case 0x80 ... 0x8f: /* jcc rel32 */
		return X86_FLOW_JCC;
	case 0x05: /* syscall */
		return X86_FLOW_SYSCALL;
	case 0x07: /* sysret */
	case 0x34: /* sysenter */
	case 0x35: /* sysexit */
	case 0xaa: /* rsm */
		return X86_FLOW_OTHER;
	case 0x0b: /* ud2 */
	case 0xb9: /* ud1 */
	case 0xff: /* ud0 */
		return X86_FLOW_TRAP;
	default:
		return X86_FLOW_NONE;
	}
}

enum x86_flow x86_insn_flow(const struct x86_insn *insn)
{
	if (insn->encoding != X86_LEGACY)
		return X86_FLOW_NONE;
	if (insn->map == X86_MAP_1B)
		return flow_one_byte(insn);
	return insn->map == X86_MAP_0F ? flow_0f(insn) : X86_FLOW_NONE;
}

bool x86_insn_is_rip_relative(const struct x86_insn *insn)
{
	return insn->modrm_offset && (insn->modrm & 0xc7) == 0x05;
}

uint64_t x86_insn_target(const struct x86_insn *insn)
{
	switch (x86_insn_flow(insn)) {
	case X86_FLOW_JMP:
	case X86_FLOW_JCC:
	case X86_FLOW_CALL:
		return x86_insn_end(insn) + (uint64_t)insn->imm;
	default:
		return 0;
	}
}
