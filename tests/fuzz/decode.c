/* SPDX-License-Identifier: MIT */
/*
 * Whatever the bytes, decoding reads no further than it may, and what it says of an instruction is
 * consistent.
 */
#include <stdlib.h>
#include <string.h>

#include "emu/emu.h"
#include "tests/fuzz/harness.h"
#include "x86/insn.h"

static void check_parts(const struct x86_insn *insn, size_t size)
{
	check(insn->length > 0 && insn->length <= size && insn->length <= X86_INSN_MAX);
	check(insn->modrm_offset < insn->length);
	check(insn->disp_offset + insn->disp_size <= insn->length);
	check(!insn->imm_size || insn->imm_offset + insn->imm_size == insn->length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct x86_insn insn, again;
	struct emu_op op;
	char text[96];
	uint8_t *exact = malloc(size ? size : 1); /* the sanitizer sees a read past its end */

	memcpy(exact, data, size);
	if (x86_decode(exact, size, 0x400000, &insn) == 0) {
		check_parts(&insn, size);
		check(x86_decode(insn.bytes, insn.length, 0x400000, &again) == 0);
		check(again.length == insn.length);
		x86_insn_text(&insn, text, sizeof(text));
		check(x86_insn_flow(&insn) <= X86_FLOW_OTHER);
		emu_prepare(&insn, &op);
	}
	free(exact);
	return 0;
}
