/* SPDX-License-Identifier: MIT */
/* Text is copied by the kilobyte: an instruction is decoded in less time than it takes to ask for it. */
#include "probe/image/code.h"

#include "include/emuprobe.h"
#include "probe/image/objects.h"
#include "probe/image/original.h"
#include "probe/image/place.h"
#include "sys/copy.h"

void code_init(struct code *code, uint64_t start, uint64_t end)
{
	*code = (struct code){.end = end, .next = start, .copied = start};
}

static bool refill(struct code *code)
{
	uint64_t left = code->end - code->next;

	code->copied = code->next;
	code->size = left < CODE_CHUNK ? left : CODE_CHUNK;
	return original_read(code->copied, code->bytes, code->size);
}

int code_next(struct code *code, struct x86_insn *ret)
{
	uint64_t at = code->next - code->copied;

	if (code->next >= code->end)
		return 0;
	if (at + X86_INSN_MAX > code->size && code->copied + code->size < code->end) {
		if (!refill(code))
			return -EP_UNDECODABLE;
		at = 0;
	}
	if (x86_decode(code->bytes + at, code->size - at, code->next, ret))
		return -EP_UNDECODABLE;
	code->next += ret->length;
	return 1;
}

uint64_t code_jump_target(const struct x86_insn *insn)
{
	return x86_insn_flow(insn) == X86_FLOW_CALL ? 0 : x86_insn_target(insn);
}

static bool is_push(const struct x86_insn *insn)
{
	return insn->encoding == X86_LEGACY && insn->map == X86_MAP_1B && insn->opcode == 0x68;
}

/* rep nop edx */
static bool is_endbr64(const struct x86_insn *insn)
{
	return insn->encoding == X86_LEGACY && insn->map == X86_MAP_0F && insn->opcode == 0x1e &&
	       insn->modrm == 0xfa && (insn->prefixes & X86_PREFIX_F3);
}

bool code_first(uint64_t address, struct x86_insn *ret)
{
	return place_decode(address, ret) == 0 &&
	       (!is_endbr64(ret) || place_decode(x86_insn_end(ret), ret) == 0);
}

bool code_jumps_through_pointer(const struct x86_insn *insn)
{
	return x86_insn_flow(insn) == X86_FLOW_JMP_IND && x86_insn_is_rip_relative(insn);
}

uint64_t code_pointer(const struct x86_insn *jump)
{
	return x86_insn_end(jump) + (uint64_t)jump->disp;
}

bool code_read_pointer(const struct x86_insn *jump, uint64_t *ret)
{
	struct x86_insn insn;

	return sys_copy_all(code_pointer(jump), ret, sizeof(*ret)) && objects_find(*ret) &&
	       code_first(*ret, &insn) && !is_push(&insn);
}
