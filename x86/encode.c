/* SPDX-License-Identifier: MIT */
/* See encode.h. Bytes are stored one by one: what is written may be unaligned, and even live. */
#include "x86/encode.h"

#include <string.h>

static size_t put32(uint8_t *to, uint64_t value)
{
	uint32_t low = (uint32_t)value;

	memcpy(to, &low, sizeof(low));
	return sizeof(low);
}

static size_t put64(uint8_t *to, uint64_t value)
{
	memcpy(to, &value, sizeof(value));
	return sizeof(value);
}

bool x86_reaches(uint64_t at, size_t size, uint64_t target)
{
	int64_t rel = (int64_t)(target - (at + size));

	return rel == (int32_t)rel;
}

size_t x86_put_int3(uint8_t *to)
{
	to[0] = X86_INT3; /* int3 */
	return 1;
}

size_t x86_put_nop(uint8_t *to, size_t size)
{
	/* Intel SDM, "Recommended Multi-Byte Sequence of NOP Instruction" */
	static const uint8_t nops[X86_NOP_MAX][X86_NOP_MAX] = {
		{0x90},
		{0x66, 0x90},
		{0x0f, 0x1f, 0x00},
		{0x0f, 0x1f, 0x40, 0x00},
		{0x0f, 0x1f, 0x44, 0x00, 0x00},
		{0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
		{0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
		{0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
		{0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
	};

	memcpy(to, nops[size - 1], size);
	return size;
}

size_t x86_put_jmp(uint8_t *to, uint64_t at, uint64_t target)
{
	to[0] = X86_JMP_REL32;
	return 1 + put32(to + 1, target - (at + X86_JMP_REL32_SIZE));
}

size_t x86_put_jcc(uint8_t *to, uint64_t at, unsigned int code, uint64_t target)
{
	to[0] = 0x0f; /* jcc rel32 */
	to[1] = (uint8_t)(0x80 | code);
	return 2 + put32(to + 2, target - (at + X86_JCC_REL32_SIZE));
}

size_t x86_put_call(uint8_t *to, uint64_t at, uint64_t target)
{
	to[0] = X86_CALL_REL32;
	return 1 + put32(to + 1, target - (at + X86_CALL_REL32_SIZE));
}

size_t x86_put_jmp_abs(uint8_t *to, uint64_t target)
{
	size_t size = x86_put_jmp_mem(to, 0);

	return size + put64(to + size, target);
}

size_t x86_put_call_mem(uint8_t *to, int32_t disp)
{
	to[0] = 0xff; /* call [rip+disp] */
	to[1] = 0x15;
	return 2 + put32(to + 2, (uint64_t)disp);
}

size_t x86_put_jmp_rsp(uint8_t *to, int8_t disp)
{
	to[0] = 0xff; /* jmp [rsp+disp8] */
	to[1] = 0x64;
	to[2] = 0x24;
	to[3] = (uint8_t)disp;
	return 4;
}

size_t x86_put_push_mem(uint8_t *to, int32_t disp)
{
	to[0] = 0xff; /* push [rip+disp] */
	to[1] = 0x35;
	return 2 + put32(to + 2, (uint64_t)disp);
}

size_t x86_put_jmp_mem(uint8_t *to, int32_t disp)
{
	to[0] = 0xff; /* jmp [rip+disp] */
	to[1] = 0x25;
	return 2 + put32(to + 2, (uint64_t)disp);
}

/* A one-byte opcode with the register in its low bits, REX.B for the upper eight. */
static size_t put_with_reg(uint8_t *to, uint8_t opcode, unsigned int reg)
{
	size_t size = 0;

	if (reg >= 8)
		to[size++] = 0x41; /* rex.B */
	to[size++] = (uint8_t)(opcode | (reg & 7));
	return size;
}

size_t x86_put_push(uint8_t *to, unsigned int reg)
{
	return put_with_reg(to, 0x50, reg); /* push r64 */
}

size_t x86_put_pop(uint8_t *to, unsigned int reg)
{
	return put_with_reg(to, 0x58, reg); /* pop r64 */
}

size_t x86_put_push_top(uint8_t *to)
{
	static const uint8_t push_rsp[] = {0xff, 0x34, 0x24}; /* push (%rsp) */

	memcpy(to, push_rsp, sizeof(push_rsp));
	return sizeof(push_rsp);
}

size_t x86_put_ret(uint8_t *to)
{
	to[0] = 0xc3; /* ret */
	return 1;
}

size_t x86_put_push_imm32(uint8_t *to, int32_t imm)
{
	to[0] = 0x68; /* push imm32 */
	return 1 + put32(to + 1, (uint64_t)imm);
}

size_t x86_put_add_rsp(uint8_t *to, int32_t disp)
{
	static const uint8_t lea_rsp[] = {0x48, 0x8d, 0xa4, 0x24}; /* lea rsp, [rsp+disp32] */

	memcpy(to, lea_rsp, sizeof(lea_rsp));
	return sizeof(lea_rsp) + put32(to + sizeof(lea_rsp), (uint64_t)disp);
}

size_t x86_put_mov_imm64(uint8_t *to, unsigned int reg, uint64_t imm)
{
	to[0] = reg >= 8 ? 0x49 : 0x48; /* rex.W, rex.WB */
	to[1] = (uint8_t)(0xb8 | (reg & 7));
	return 2 + put64(to + 2, imm);
}

size_t x86_put_lea_rip(uint8_t *to, unsigned int reg, int32_t disp)
{
	to[0] = reg >= 8 ? 0x4c : 0x48; /* rex.W, rex.WR; lea r64, [rip+disp] */
	to[1] = 0x8d;
	to[2] = (uint8_t)(0x05 | (reg & 7) << 3);
	return 3 + put32(to + 3, (uint64_t)disp);
}

size_t x86_put_mov_imm32_rsp(uint8_t *to, int8_t disp, uint32_t imm)
{
	to[0] = 0xc7; /* mov dword [rsp+disp8], imm32 */
	to[1] = 0x44;
	to[2] = 0x24;
	to[3] = (uint8_t)disp;
	return 4 + put32(to + 4, imm);
}

size_t x86_put_mov_from_fs(uint8_t *to, unsigned int reg, int32_t disp)
{
	to[0] = 0x64;			/* fs */
	to[1] = reg >= 8 ? 0x4c : 0x48; /* rex.W, rex.WR; mov r64, fs:[disp32] */
	to[2] = 0x8b;
	to[3] = (uint8_t)(0x04 | (reg & 7) << 3);
	to[4] = 0x25;
	return 5 + put32(to + 5, (uint64_t)disp);
}

size_t x86_put_cmp_fs(uint8_t *to, int32_t disp, int32_t imm)
{
	static const uint8_t cmp[] = {0x64, 0x48, 0x81, 0x3c,
				      0x25}; /* cmp qword fs:[disp32], imm32 */
	size_t size = sizeof(cmp);

	memcpy(to, cmp, sizeof(cmp));
	size += put32(to + size, (uint64_t)disp);
	return size + put32(to + size, (uint64_t)imm);
}

size_t x86_put_inc_rcx(uint8_t *to, int32_t disp)
{
	static const uint8_t inc[] = {0x48, 0xff, 0x81}; /* inc qword [rcx+disp32] */

	memcpy(to, inc, sizeof(inc));
	return sizeof(inc) + put32(to + sizeof(inc), (uint64_t)disp);
}

size_t x86_put_mov_rip(uint8_t *to, unsigned int reg, int32_t disp)
{
	to[0] = reg >= 8 ? 0x4c : 0x48; /* rex.W, rex.WR; mov r64, [rip+disp32] */
	to[1] = 0x8b;
	to[2] = (uint8_t)(0x05 | (reg & 7) << 3);
	return 3 + put32(to + 3, (uint64_t)disp);
}

size_t x86_put_movzx_ecx_ax(uint8_t *to)
{
	static const uint8_t bytes[] = {0x0f, 0xb7, 0xc8}; /* movzx ecx, ax */

	memcpy(to, bytes, sizeof(bytes));
	return sizeof(bytes);
}

size_t x86_put_load_ecx_r11_rcx(uint8_t *to)
{
	static const uint8_t bytes[] = {0x41, 0x0f, 0xb6, 0x0c,
					0x0b}; /* movzx ecx, byte [r11+rcx] */

	memcpy(to, bytes, sizeof(bytes));
	return sizeof(bytes);
}

size_t x86_put_lea_rcx_rcx(uint8_t *to, int32_t disp)
{
	static const uint8_t lea[] = {0x48, 0x8d, 0x89}; /* lea rcx, [rcx+disp32] */

	memcpy(to, lea, sizeof(lea));
	return sizeof(lea) + put32(to + sizeof(lea), (uint64_t)disp);
}

size_t x86_put_jrcxz(uint8_t *to, int8_t disp)
{
	to[0] = 0xe3; /* jrcxz rel8 */
	to[1] = (uint8_t)disp;
	return 2;
}

size_t x86_put_add_one_rcx_rax(uint8_t *to, int32_t disp)
{
	static const uint8_t load[] = {0x48, 0x8b, 0x81};      /* mov rax, [rcx+disp32] */
	static const uint8_t add[] = {0x48, 0x8d, 0x40, 0x01}; /* lea rax, [rax+1] */
	static const uint8_t store[] = {0x48, 0x89, 0x81};     /* mov [rcx+disp32], rax */
	size_t size = sizeof(load);

	memcpy(to, load, sizeof(load));
	size += put32(to + size, (uint64_t)disp);
	memcpy(to + size, add, sizeof(add));
	size += sizeof(add);
	memcpy(to + size, store, sizeof(store));
	size += sizeof(store);
	return size + put32(to + size, (uint64_t)disp);
}

/* Opcode of an extension to rcx, behind rex.W, if that is in @ret_wide. */
static size_t put_extension(uint8_t *to, unsigned int size, bool is_signed, bool *ret_wide)
{
	static const uint8_t opcodes[] = {[1] = 0xb6, [2] = 0xb7}; /* 0f: movzx; + 8: movsx */

	*ret_wide = size == 8 || is_signed;
	if (size == 8 || (size == 4 && !is_signed)) {
		to[0] = 0x8b; /* mov */
		return 1;
	}
	if (size == 4) {
		to[0] = 0x63; /* movsxd */
		return 1;
	}
	to[0] = 0x0f;
	to[1] = (uint8_t)(opcodes[size] | (is_signed ? 8 : 0));
	return 2;
}

size_t x86_put_extend_to_rcx(uint8_t *to, unsigned int reg, unsigned int size, bool is_signed)
{
	bool wide;
	size_t length = put_extension(to + 1, size, is_signed, &wide);

	to[0] = (uint8_t)(0x40 | (wide ? 8 : 0) | (reg >= 8)); /* sil, not dh */
	to[1 + length] = (uint8_t)(0xc8 | (reg & 7));
	return 2 + length;
}

size_t x86_put_extend_top_to_rcx(uint8_t *to, unsigned int size, bool is_signed)
{
	bool wide;
	size_t length = put_extension(to + 1, size, is_signed, &wide);

	to[0] = (uint8_t)(0x40 | (wide ? 8 : 0));
	to[1 + length] = 0x0c; /* rcx, [rsp] */
	to[2 + length] = 0x24;
	return 3 + length;
}

size_t x86_put_lea_rcx_rsp(uint8_t *to, int32_t disp)
{
	static const uint8_t lea[] = {0x48, 0x8d, 0x8c, 0x24}; /* lea rcx, [rsp+disp32] */

	memcpy(to, lea, sizeof(lea));
	return sizeof(lea) + put32(to + sizeof(lea), (uint64_t)disp);
}

size_t x86_put_bswap_rcx(uint8_t *to)
{
	to[0] = 0x48; /* rex.W; bswap rcx */
	to[1] = 0x0f;
	to[2] = 0xc9;
	return 3;
}
