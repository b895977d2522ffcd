/* SPDX-License-Identifier: MIT */
/*
 * Hand-written assembly keeps tables between functions, and a `ret` may be followed by data: bytes
 * that look like instructions need not be any. So extents are believed, not looks. Branches are
 * only looked for to see what pays; missing one costs time, never correctness, so only direct ones
 * inside of the function itself are.
 */
#include "probe/image/flow.h"

#include <stdlib.h>
#include <string.h>

#include "probe/image/functions.h"
#include "probe/image/original.h"
#include "probe/image/place.h"
#include "x86/flags.h"

#define FUNCTION_MAX 0x100000u /* bytes that are decoded in search of branches */
#define STRAIGHT_MAX 16	       /* instructions that are decoded in search of what they do */

static bool is_wide_nop(const struct x86_insn *insn)
{
	return insn->encoding == X86_LEGACY && insn->map == X86_MAP_0F && insn->opcode == 0x1f;
}

static bool is_padding(const struct x86_insn *insn)
{
	if (insn->encoding == X86_LEGACY && insn->map == X86_MAP_1B)
		return insn->opcode == 0xcc || (insn->opcode == 0x90 && !(insn->rex & X86_REX_B));
	return is_wide_nop(insn);
}

static bool is_known_code(const struct flow_region *region, const struct x86_insn *insn)
{
	uint64_t at = insn->address, end = x86_insn_end(insn);
	const struct objects_function *function = region->function;

	for (size_t i = 0; i < region->object->rseq_count; i++)
		if (at < region->object->rseq[i][1] && end > region->object->rseq[i][0])
			return false;
	if (at >= function->start && end <= function->end)
		return true;
	if (at < function->end)
		return false;
	/* Behind the function: the next one, or nothing but padding. */
	function = objects_function_at(region->object, at);
	if (!function)
		return is_padding(insn);
	return !function->guessed_end && end <= function->end;
}

int flow_region(const struct x86_insn *insn, struct flow_region *ret)
{
	uint64_t at = insn->address;

	ret->count = 0;
	ret->object = objects_find(at);
	if (!ret->object)
		return -EP_JUMP_CODE; /* generated: nothing is known */
	if (objects_read_functions(ret->object))
		return -EP_NO_MEMORY;
	ret->function = objects_function_at(ret->object, at);
	if (!ret->function || ret->function->guessed_end)
		return -EP_JUMP_CODE;
	while (at < insn->address + XOL_JUMP_SIZE) {
		struct x86_insn *next = &ret->insns[ret->count++];

		if (place_decode(at, next) || !is_known_code(ret, next))
			return -EP_JUMP_CODE;
		at = x86_insn_end(next);
	}
	return 0;
}

int flow_region_straight(const struct x86_insn *insn, struct flow_region *ret)
{
	uint64_t at = insn->address;

	*ret = (struct flow_region){.object = objects_find(at)};
	while (ret->object && at < insn->address + XOL_JUMP_SIZE) {
		struct x86_insn *next = &ret->insns[ret->count++];

		if (place_decode(at, next))
			return -EP_JUMP_CODE;
		at = x86_insn_end(next);
		/* What follows a jump is another matter. */
		if (x86_insn_flow(next) != X86_FLOW_NONE && x86_insn_flow(next) != X86_FLOW_JCC &&
		    x86_insn_flow(next) != X86_FLOW_SYSCALL && at < insn->address + XOL_JUMP_SIZE)
			return -EP_JUMP_CODE;
	}
	return ret->object ? 0 : -EP_JUMP_CODE;
}

bool flow_is_entry(const struct flow_region *region, uint64_t address)
{
	size_t count = objects_count_up_to(region->object, address);

	for (size_t i = count; i-- > 0 && region->object->functions[i].start == address;)
		if (!region->object->functions[i].is_part)
			return true;
	return false;
}

/* A fault shows the flags to a handler, which may go on elsewhere. Of the stack nobody expects one. */
static bool may_fault(const struct x86_insn *insn)
{
	bool is_lea = insn->map == X86_MAP_1B && insn->opcode == 0x8d;
	bool is_absolute = insn->map == X86_MAP_1B && (insn->opcode & 0xfc) == 0xa0;
	bool is_memory = insn->modrm_offset && insn->modrm < 0xc0;

	return is_absolute || (is_memory && !is_lea && !is_wide_nop(insn));
}

bool flow_flags_are_dead(const struct flow_region *region)
{
	struct x86_insn insn = region->insns[0];

	if (!region->function)
		return false;
	for (int i = 0; i < STRAIGHT_MAX; i++) {
		enum x86_flags_use use = x86_insn_flags_use(&insn);

		if (may_fault(&insn))
			return false;
		if (use != X86_FLAGS_IGNORED)
			return use == X86_FLAGS_REPLACED;
		if (place_decode(x86_insn_end(&insn), &insn) || !is_known_code(region, &insn))
			return false;
	}
	return false;
}

/* ---- direct branches ----------------------------------------------------------------------- */

/*
 * To find all branches of a function it must be decoded, which takes a microsecond for thirty of
 * its instructions. Most often one region is asked for, its entry, and no branch leads there: that
 * can be seen without decoding, by taking each byte for the displacement of one.
 */

#define CHUNK 512u

/* Addresses a branch to which is looked for, @last included. */
struct range {
	uint64_t first, last;
};

static bool is_in(struct range range, uint64_t address)
{
	return address - range.first <= range.last - range.first;
}

/* jcc, loop, jrcxz or jmp rel8 (Intel SDM, "One-byte Opcode Map"). */
static bool has_rel8(uint8_t opcode)
{
	return (opcode & 0xf0) == 0x70 || (opcode & 0xfc) == 0xe0 || opcode == 0xeb;
}

/* @code has @size bytes and four more, and stands at @address. */
static bool has_displacement(const uint8_t *code, size_t size, uint64_t address, struct range range)
{
	bool near = address + size + INT8_MAX + 2 > range.first && address < range.last - INT8_MIN;
	uint64_t rel32_end = address + sizeof(int32_t);

	for (size_t i = 0; i < size; i++) {
		int32_t rel32;

		memcpy(&rel32, code + i, sizeof(rel32));
		if (is_in(range, rel32_end + i + (uint64_t)(int64_t)rel32))
			return true;
		if (near && has_rel8(code[i]) &&
		    is_in(range, address + i + 2 + (uint64_t)(int64_t)(int8_t)code[i + 1]))
			return true;
	}
	return false;
}

static bool may_have_branch(const struct objects_function *function, struct range range)
{
	uint8_t code[CHUNK + sizeof(int32_t)];

	for (uint64_t at = function->start; at < function->end; at += CHUNK) {
		uint64_t left = function->end - at;
		size_t size = left < sizeof(code) ? left : sizeof(code);

		if (at - function->start >= FUNCTION_MAX)
			break;
		memset(code, 0, sizeof(code));
		if (!original_read(at, code, size))
			break;
		if (has_displacement(code, size < CHUNK ? size : CHUNK, at, range))
			return true;
	}
	return false;
}

/* Of the function that was asked for last: probes come in ascending order. */
static struct {
	uint64_t start, end, generation;
	bool decoded; /* targets are filled */
	uint64_t *targets;
	size_t count, room;
} known;

static int add_target(uint64_t target)
{
	if (known.count == known.room) {
		size_t room = known.room ? known.room * 2 : 256;
		uint64_t *grown = reallocarray(known.targets, room, sizeof(*grown));

		if (!grown)
			return -EP_NO_MEMORY;
		known.targets = grown;
		known.room = room;
	}
	known.targets[known.count++] = target;
	return 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void read_targets(void)
{
	struct x86_insn insn;

	known.count = 0;
	known.decoded = true;
	for (uint64_t at = known.start; at < known.end && at - known.start < FUNCTION_MAX;
	     at += insn.length) {
		uint64_t target;

		if (place_decode(at, &insn))
			break;
		target = x86_insn_target(&insn);
		if (target > known.start && target < known.end && add_target(target))
			break;
	}
	qsort(known.targets, known.count, sizeof(known.targets[0]), by_value);
}

/* Was it @function that was asked for last? It is from now on. */
static bool was_asked_for(const struct objects_function *function)
{
	if (known.start == function->start && known.end == function->end &&
	    known.generation == objects_generation())
		return true;
	known.start = function->start;
	known.end = function->end;
	known.generation = objects_generation();
	known.decoded = false;
	return false;
}

unsigned int flow_first_target(const struct flow_region *region)
{
	struct range range = {region->insns[0].address + 1,
			      region->insns[region->count - 1].address};

	if (region->count < 2 || !region->function || region->function->is_part)
		return 0;
	if (!was_asked_for(region->function) && !may_have_branch(region->function, range))
		return 0;
	if (!known.decoded)
		read_targets();
	for (unsigned int i = 1; i < region->count; i++)
		if (known.count && bsearch(&region->insns[i].address, known.targets, known.count,
					   sizeof(known.targets[0]), by_value))
			return i;
	return 0;
}
