// SPDX-License-Identifier: MIT
/*
 * All roads from the function's first instruction are followed, into calls too. A handler that is
 * found to use general registers only is called without saving the others, which is most of what a
 * call costs. Generated code is not looked at: it may be another tomorrow.
 */
#include "probe/leaf.h"

#include <stddef.h>

#include "probe/objects.h"
#include "probe/place.h"
#include "x86/vector.h"

#define INSNS_MAX 512
#define ROADS_MAX 64

struct walk {
	uint64_t seen[INSNS_MAX]; /* a hash table; 0: free */
	uint64_t roads[ROADS_MAX];
	size_t insn_count, road_count;
	const struct objects_object *object;
};

/* False: it has been there already. */
static bool enter(struct walk *walk, uint64_t address)
{
	size_t i = address * 0x9e3779b97f4a7c15u >> 55;

	while (walk->seen[i] && walk->seen[i] != address)
		i = (i + 1) % INSNS_MAX;
	if (walk->seen[i])
		return false;
	walk->seen[i] = address;
	walk->insn_count++;
	return true;
}

static bool add_road(struct walk *walk, uint64_t address)
{
	if (walk->road_count == ROADS_MAX)
		return false;
	walk->roads[walk->road_count++] = address;
	return true;
}

/* Does the road go on behind @insn? @ret_ok: false if it may lead anywhere. */
static bool goes_on(struct walk *walk, const struct x86_insn *insn, bool *ret_ok)
{
	switch (x86_insn_flow(insn)) {
	case X86_FLOW_NONE:
	case X86_FLOW_SYSCALL:
		return true;
	case X86_FLOW_JCC:
	case X86_FLOW_CALL:
		*ret_ok = add_road(walk, x86_insn_target(insn));
		return true;
	case X86_FLOW_JMP:
		*ret_ok = add_road(walk, x86_insn_target(insn));
		return false;
	case X86_FLOW_RET:
		return false;
	default:
		*ret_ok = false;
		return false;
	}
}

/*
 * A `ret` goes anywhere, if its address was put there by something else than a call (retpolines).
 * So RSP may only move as compilers move it, nothing is stored at the top of the stack, and no push
 * comes before a ret.
 */

enum { RSP = 4, RBP = 5 };

static bool has_rsp(const struct x86_insn *insn)
{
	return insn->modrm_offset && !(insn->rex & X86_REX_R) && (insn->modrm >> 3 & 7) == RSP;
}

static bool changes_rm_rsp(const struct x86_insn *insn)
{
	return insn->modrm_offset && insn->modrm >= 0xc0 && !(insn->rex & X86_REX_B) &&
	       (insn->modrm & 7) == RSP;
}

static bool is_on_stack(const struct x86_insn *insn)
{
	return insn->sib_offset && insn->modrm < 0xc0 && !(insn->rex & X86_REX_B) &&
	       (insn->sib & 7) == RSP;
}

/* add, and, sub rsp, imm; mov rsp, rbp; what only reads it. */
static bool moves_rsp_plainly(const struct x86_insn *insn)
{
	unsigned int reg = insn->modrm >> 3 & 7;

	if (insn->opcode == 0x81 || insn->opcode == 0x83)
		return reg == 0 || reg == 4 || reg == 5;
	return insn->opcode == 0x89 && reg == RBP && !(insn->rex & X86_REX_R);
}

static bool only_loads(const struct x86_insn *insn)
{
	return insn->opcode == 0x8b || insn->opcode == 0x8d || insn->opcode == 0x3b ||
	       insn->opcode == 0x63;
}

/* Which general instructions of the one-byte map have a register in ModRM.reg, and change it. */
static bool changes_reg(const struct x86_insn *insn)
{
	uint8_t opcode = insn->opcode;

	if (opcode < 0x40)
		return (opcode & 7) == 2 || (opcode & 7) == 3;
	return opcode == 0x63 || opcode == 0x69 || opcode == 0x6b || opcode == 0x86 ||
	       opcode == 0x87 || opcode == 0x8a || opcode == 0x8b || opcode == 0x8d;
}

static bool keeps_stack(const struct x86_insn *insn)
{
	if (insn->map != X86_MAP_1B)
		return !has_rsp(insn) && !changes_rm_rsp(insn) && !is_on_stack(insn);
	if (insn->opcode == 0x94 || insn->opcode == 0x5c || insn->opcode == 0xbc ||
	    insn->opcode == 0xc2 || insn->opcode == 0xc8) /* xchg, pop, mov rsp; ret imm; enter */
		return false;
	if (changes_rm_rsp(insn))
		return moves_rsp_plainly(insn);
	if (has_rsp(insn) && changes_reg(insn))
		return insn->opcode == 0x8d && is_on_stack(insn);
	return !is_on_stack(insn) || only_loads(insn);
}

static bool is_push(const struct x86_insn *insn)
{
	uint8_t opcode = insn->opcode;

	return insn->map == X86_MAP_1B &&
	       ((opcode & 0xf8) == 0x50 || opcode == 0x68 || opcode == 0x6a ||
		(opcode == 0xff && (insn->modrm >> 3 & 7) == 6) || opcode == 0x9c);
}

static bool follow(struct walk *walk, uint64_t at)
{
	bool pushed = false;
	bool ok = true;

	while (enter(walk, at)) {
		struct x86_insn insn;

		if (walk->insn_count > INSNS_MAX / 2 || at < walk->object->start ||
		    at >= walk->object->end || place_decode(at, &insn) ||
		    !x86_insn_is_general(&insn) || !keeps_stack(&insn) ||
		    (pushed && x86_insn_flow(&insn) == X86_FLOW_RET))
			return false;
		pushed = is_push(&insn);
		if (!goes_on(walk, &insn, &ok) || !ok)
			return ok;
		at = x86_insn_end(&insn);
	}
	return true;
}

static bool look(uint64_t function)
{
	struct walk walk = {.object = objects_find(function)};

	if (!walk.object || !add_road(&walk, function))
		return false;
	while (walk.road_count)
		if (!follow(&walk, walk.roads[--walk.road_count]))
			return false;
	return true;
}

bool leaf_is_general(uint64_t function)
{
	static struct {
		uint64_t function, generation;
		bool is_general;
	} last;

	if (last.function != function || last.generation != objects_generation()) {
		last.is_general = look(function);
		last.generation = objects_generation();
		last.function = function;
	}
	return last.is_general;
}
