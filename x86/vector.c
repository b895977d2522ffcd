/* SPDX-License-Identifier: MIT */
/* Read off the Intel SDM, "Opcode Map". */
#include "x86/vector.h"

#define ALL 0xff /* of the values of ModRM.reg */

/* Of the two-byte map: for which values of ModRM.reg it is general. */
static const uint8_t two_byte[256] = {
	[0x02 ... 0x03] = ALL, /* lar, lsl */
	[0x05] = ALL,	       /* syscall */
	[0x0b] = ALL,	       /* ud2 */
	[0x18 ... 0x1f] = ALL, /* prefetch, nop, endbr64 */
	[0x31] = ALL,	       /* rdtsc */
	[0x40 ... 0x4f] = ALL, /* cmovcc */
	[0x80 ... 0x9f] = ALL, /* jcc, setcc */
	[0xa2 ... 0xa5] = ALL, /* cpuid, bt, shld */
	[0xab ... 0xad] = ALL, /* bts, shrd */
	[0xaf ... 0xb1] = ALL, /* imul, cmpxchg */
	[0xb3] = ALL,	       /* btr */
	[0xb6 ... 0xb8] = ALL, /* movzx, popcnt */
	[0xba ... 0xc1] = ALL, /* bit tests and scans, movsx, xadd */
	[0xc3] = ALL,	       /* movnti */
	[0xc7] = 0xc2,	       /* cmpxchg8b and 16b, rdrand, rdseed; not xsavec and its like */
	[0xc8 ... 0xcf] = ALL, /* bswap */
};

static bool is_fence(const struct x86_insn *insn)
{
	return insn->opcode == 0xae && insn->modrm >= 0xe8 && !insn->prefixes;
}

static bool is_rdtscp(const struct x86_insn *insn)
{
	return insn->opcode == 0x01 && insn->modrm == 0xf9;
}

static bool is_general_0f(const struct x86_insn *insn)
{
	return (two_byte[insn->opcode] >> (insn->modrm >> 3 & 7) & 1) || is_fence(insn) ||
	       is_rdtscp(insn);
}

bool x86_insn_is_general(const struct x86_insn *insn)
{
	if (insn->encoding != X86_LEGACY)
		return false;
	if (insn->map == X86_MAP_1B) /* but fwait and x87 */
		return insn->opcode != 0x9b && (insn->opcode & 0xf8) != 0xd8;
	return insn->map == X86_MAP_0F && is_general_0f(insn);
}
