/* SPDX-License-Identifier: MIT */
/*
 * Claim: each detour for handlers that use vector registers stores all of those that it is for, and
 * loads each from where it was stored. Read off the code, so that it holds for processors that are
 * not at hand, too; jump_region runs what this one can.
 */
#include "fallback-xol/detour.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "x86/insn.h"

#define REGISTERS_MAX 32
#define INSNS_MAX     600

struct kept {
	unsigned int stored_at[REGISTERS_MAX], stores, loads;
};

/* "mnemonic first, second" in Intel's order; @return the offset from RSP, -1: not on the stack. */
static long stack_offset(const char *operand)
{
	const char *rsp = strstr(operand, "[rsp");

	if (!rsp)
		return -1;
	return rsp[4] == ']' ? 0 : strtol(rsp + 7, NULL, 16);
}

/* The number of the register @operand if that is one of @kind, as "zmm"; else -1. */
static long register_number(const char *operand, const char *kind)
{
	size_t size = strlen(kind);

	if (strncmp(operand, kind, size) != 0 || operand[size] < '0' || operand[size] > '9')
		return -1;
	return strtol(operand + size, NULL, 10);
}

static void note_store(struct kept *kept, long number, long offset, const char *text)
{
	if (number < 0 || number >= REGISTERS_MAX || offset < 0)
		return;
	cr_expect_eq(kept->stored_at[number], 0, "%s: twice", text);
	kept->stored_at[number] = (unsigned int)offset + 1;
	kept->stores++;
}

static void note_load(struct kept *kept, long number, long offset, const char *text)
{
	if (number < 0 || number >= REGISTERS_MAX || offset < 0)
		return;
	cr_expect_eq(kept->stored_at[number], (unsigned int)offset + 1, "%s: from elsewhere", text);
	kept->loads++;
}

/*
 * kmovw and kmovq, which the decoder has no text for: VEX, 0f 91 to memory, 0f 90 from there. VEX.W,
 * which the shorter prefix does not have, makes it kmovq.
 */
static void note_mask(const struct x86_insn *insn, const char *kind, struct kept *kept)
{
	if (insn->encoding != X86_VEX || insn->map != X86_MAP_0F || insn->modrm >= 0xc0 ||
	    (insn->opcode & 0xfe) != 0x90)
		return;
	cr_expect_eq(insn->bytes[0], strcmp(kind, "kmovq") == 0 ? 0xc4 : 0xc5, "not %s", kind);
	if (insn->opcode == 0x91)
		note_store(kept, insn->modrm >> 3 & 7, insn->disp, kind);
	else
		note_load(kept, insn->modrm >> 3 & 7, insn->disp, kind);
}

static void note(const struct x86_insn *insn, const char *text, const char *kind, struct kept *kept)
{
	const char *first = strchr(text, ' '), *second = first ? strstr(first, ", ") : NULL;

	if (*kind == 'k')
		note_mask(insn, kind, kept);
	if (*kind == 'k' || !second)
		return;
	first++, second += 2;
	note_store(kept, register_number(second, kind), stack_offset(first), text);
	note_load(kept, register_number(first, kind), stack_offset(second), text);
}

static void expect_apart(const struct kept *kept, unsigned int count, unsigned int size)
{
	for (unsigned int i = 0; i < count; i++)
		for (unsigned int k = 0; k < i; k++) {
			unsigned int a = kept->stored_at[i], b = kept->stored_at[k];

			cr_expect(a >= b + size || b >= a + size, "%u and %u", i, k);
		}
}

/* The code ends where the general registers come back, with ret. */
static void check(const uint8_t *code, const char *kind, unsigned int count, unsigned int size)
{
	struct kept kept = {{0}, 0, 0};
	char text[96] = "";

	for (int i = 0; i < INSNS_MAX && strncmp(text, "ret", 3) != 0; i++) {
		struct x86_insn insn;

		cr_assert_eq(x86_decode(code, X86_INSN_MAX, (uint64_t)code, &insn), 0);
		x86_insn_text(&insn, text, sizeof(text));
		note(&insn, text, kind, &kept);
		code += insn.length;
		if (code == xol_detour_avx || code == xol_detour_avx512 ||
		    code == xol_detour_avx512f)
			break;
	}
	cr_expect_eq(kept.stores, count, "%u %s stored", kept.stores, kind);
	cr_expect_eq(kept.loads, count, "%u %s loaded", kept.loads, kind);
	expect_apart(&kept, count, size);
}

Test(detour, keeps_each_register_that_it_is_for)
{
	check(xol_detour_sse, "xmm", 16, 16);
	check(xol_detour_avx, "ymm", 16, 32);
	check(xol_detour_avx512, "zmm", 32, 64);
	check(xol_detour_avx512, "kmovq", 8, 8);
	check(xol_detour_avx512f, "zmm", 32, 64);
	check(xol_detour_avx512f, "kmovw", 8, 2);
}
