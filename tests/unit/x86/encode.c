/* SPDX-License-Identifier: MIT */
/* What is written is read back by the decoder. */
#include "x86/encode.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "x86/insn.h"

#define AT 0x10000000000u

static struct x86_insn read_back(const uint8_t *bytes, size_t size)
{
	struct x86_insn insn = {0};

	cr_assert_eq(x86_decode(bytes, size, AT, &insn), 0);
	cr_assert_eq(insn.length, size);
	return insn;
}

static void expect_text(const uint8_t *bytes, size_t size, const char *expected)
{
	struct x86_insn insn = read_back(bytes, size);
	char text[96];

	x86_insn_text(&insn, text, sizeof(text));
	cr_expect_str_eq(text, expected);
}

Test(encode, branches_reach_their_targets)
{
	const uint64_t targets[] = {AT, AT + 5, AT + 0x7fffffff, AT - 0x7ffffff0};
	uint8_t bytes[16];

	for (size_t i = 0; i < 4; i++) {
		struct x86_insn jmp = read_back(bytes, x86_put_jmp(bytes, AT, targets[i]));

		cr_expect_eq(x86_insn_flow(&jmp), X86_FLOW_JMP);
		cr_expect_eq(x86_insn_target(&jmp), targets[i]);
		struct x86_insn call = read_back(bytes, x86_put_call(bytes, AT, targets[i]));

		cr_expect_eq(x86_insn_flow(&call), X86_FLOW_CALL);
		cr_expect_eq(x86_insn_target(&call), targets[i]);
		struct x86_insn jcc = read_back(bytes, x86_put_jcc(bytes, AT, 0xd, targets[i]));

		cr_expect_eq(jcc.opcode, 0x8d);
		cr_expect_eq(x86_insn_target(&jcc), targets[i]);
	}
}

Test(encode, reach_ends_at_2_gib)
{
	cr_expect(x86_reaches(AT, 5, AT + 5 + 0x7fffffff));
	cr_expect(!x86_reaches(AT, 5, AT + 5 + 0x80000000));
	cr_expect(x86_reaches(1ull << 40, 5, (1ull << 40) + 5 - 0x80000000));
	cr_expect(!x86_reaches(1ull << 40, 5, (1ull << 40) + 5 - 0x80000001));
}

Test(encode, nops_are_one_instruction_of_each_length)
{
	uint8_t bytes[X86_NOP_MAX];

	for (size_t size = 1; size <= X86_NOP_MAX; size++) {
		cr_expect_eq(x86_put_nop(bytes, size), size);
		struct x86_insn insn = read_back(bytes, size);

		cr_expect(insn.opcode == 0x90 || insn.opcode == 0x1f);
	}
}

Test(encode, registers_are_those_asked_for)
{
	uint8_t bytes[16];

	expect_text(bytes, x86_put_push(bytes, 5), "push rbp");
	expect_text(bytes, x86_put_push(bytes, 12), "push r12");
	expect_text(bytes, x86_put_pop(bytes, 0), "pop rax");
	expect_text(bytes, x86_put_pop(bytes, 15), "pop r15");
	expect_text(bytes, x86_put_mov_imm64(bytes, 11, 0x1122334455667788),
		    "movabs r11, 0x1122334455667788");
	expect_text(bytes, x86_put_add_rsp(bytes, -128), "lea rsp, [rsp - 0x80]");
	expect_text(bytes, x86_put_push_imm32(bytes, 0x1234), "push 0x1234");
	expect_text(bytes, x86_put_int3(bytes), "int3");
}

Test(encode, far_jump_carries_its_target)
{
	const uint64_t target = 0x7fff12345678;
	uint8_t bytes[X86_JMP_ABS64_SIZE];
	uint64_t carried;

	cr_expect_eq(x86_put_jmp_abs(bytes, target), sizeof(bytes));
	struct x86_insn jmp = read_back(bytes, 6);

	cr_expect_eq(x86_insn_flow(&jmp), X86_FLOW_JMP_IND);
	cr_expect_eq(jmp.disp, 0);
	memcpy(&carried, bytes + 6, sizeof(carried));
	cr_expect_eq(carried, target);
}
