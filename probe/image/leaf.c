/* SPDX-License-Identifier: MIT */
/*
 * All roads from the function's first instruction are followed, into calls too. A handler that is
 * found to use general registers only is called without saving the others, which is most of what a
 * call costs. Generated code is not looked at: it may be another tomorrow.
 */
#include "probe/image/leaf.h"

#include <stddef.h>

#include "probe/image/objects.h"
#include "probe/image/place.h"
#include "sys/table.h"
#include "x86/vector.h"

#define INSNS_MAX 256
#define TABLE	  512
#define ROADS_MAX 64

/* Where a road leads, and by how much the stack has grown since its function was called. */
struct point {
	uint64_t address; /* 0: none */
	int64_t depth;
};

struct walk {
	struct point seen[TABLE]; /* hashed */
	struct point roads[ROADS_MAX];
	size_t insn_count, road_count;
	const struct objects_object *object;
};

static struct point *find(struct walk *walk, uint64_t address)
{
	size_t i = sys_table_hash(address) % TABLE;

	while (walk->seen[i].address && walk->seen[i].address != address)
		i = (i + 1) % TABLE;
	return &walk->seen[i];
}

static bool add_road(struct walk *walk, uint64_t address, int64_t depth)
{
	if (walk->road_count == ROADS_MAX)
		return false;
	walk->roads[walk->road_count++] = (struct point){address, depth};
	return true;
}

/* ---- the stack ------------------------------------------------------------------------------- */

/*
 * A `ret` goes anywhere, if something else than a call has put its address there, as retpolines
 * do. So RSP may be moved by constants only, by which it is known at each ret, and may not be
 * copied, so that nothing else leads to what lies there.
 */

enum { RSP = 4, WORD = 8 };

static bool is_group(const struct x86_insn *insn)
{
	uint8_t opcode = insn->opcode;

	if (insn->map == X86_MAP_1B)
		return (opcode & 0xfc) == 0x80 || opcode == 0x8f || (opcode & 0xee) == 0xc0 ||
		       (opcode & 0xfe) == 0xc6 || (opcode & 0xfc) == 0xd0 ||
		       (opcode & 0xf6) == 0xf6;
	return (opcode & 0xf8) == 0x18 || opcode == 0x01 || opcode == 0xae || opcode == 0xba ||
	       opcode == 0xc7 || (opcode & 0xf0) == 0x90;
}

/* Does the opcode byte itself name a register: push, pop, xchg, mov, bswap? */
static bool names_register(const struct x86_insn *insn)
{
	uint8_t high = insn->opcode & 0xf8;

	if (insn->map != X86_MAP_1B)
		return high == 0xc8;
	return high == 0x50 || high == 0x58 || high == 0x90 || (high & 0xf0) == 0xb0;
}

static bool is_rsp(unsigned int number, unsigned int extended)
{
	return (number & 7) == RSP && !extended;
}

static bool mentions_rsp(const struct x86_insn *insn)
{
	if (!insn->modrm_offset)
		return names_register(insn) && is_rsp(insn->opcode, insn->rex & X86_REX_B);
	return (insn->modrm >= 0xc0 && is_rsp(insn->modrm, insn->rex & X86_REX_B)) ||
	       (!is_group(insn) && is_rsp(insn->modrm >> 3, insn->rex & X86_REX_R));
}

static bool is_on_stack(const struct x86_insn *insn)
{
	return insn->sib_offset && insn->modrm < 0xc0 && is_rsp(insn->sib, insn->rex & X86_REX_B);
}

static bool only_loads(const struct x86_insn *insn)
{
	return insn->map == X86_MAP_1B &&
	       (insn->opcode == 0x8b || insn->opcode == 0x3b || insn->opcode == 0x63);
}

/* add rsp, imm and sub rsp, imm. */
static bool is_adjustment(const struct x86_insn *insn)
{
	unsigned int digit = insn->modrm >> 3 & 7;

	return insn->map == X86_MAP_1B && (insn->opcode == 0x81 || insn->opcode == 0x83) &&
	       (insn->rex & X86_REX_W) && insn->modrm >= 0xc0 &&
	       is_rsp(insn->modrm, insn->rex & X86_REX_B) && (digit == 0 || digit == 5);
}

/* What other one-byte opcodes move RSP: pop m, pushf, popf, ret imm, enter, leave. */
static bool moves_stack(const struct x86_insn *insn)
{
	uint8_t opcode = insn->opcode;

	return insn->map == X86_MAP_1B &&
	       (opcode == 0x8f || opcode == 0x9c || opcode == 0x9d || opcode == 0xc2 ||
		opcode == 0xc8 || opcode == 0xc9 || opcode == 0x68 || opcode == 0x6a ||
		(opcode == 0xff && (insn->modrm >> 3 & 7) == 6));
}

/* False: nobody knows where it is now. */
static bool follow_stack(const struct x86_insn *insn, int64_t *depth)
{
	if (is_adjustment(insn)) {
		*depth += (insn->modrm >> 3 & 7) == 5 ? insn->imm : -insn->imm;
		return *depth >= 0;
	}
	if (mentions_rsp(insn) || moves_stack(insn) || (is_on_stack(insn) && !only_loads(insn)))
		return false;
	if (insn->map == X86_MAP_1B && (insn->opcode & 0xf0) == 0x50) {
		*depth += insn->opcode & 8 ? -WORD : WORD;
		return *depth >= 0 && !(insn->prefixes & X86_PREFIX_66);
	}
	return x86_insn_flow(insn) != X86_FLOW_RET || *depth == 0;
}

/* ---- the roads ------------------------------------------------------------------------------- */

/* Does the road go on behind @insn? @ret_ok: false if it may lead anywhere. */
static bool goes_on(struct walk *walk, const struct x86_insn *insn, int64_t depth, bool *ret_ok)
{
	switch (x86_insn_flow(insn)) {
	case X86_FLOW_NONE:
	case X86_FLOW_SYSCALL:
		return true;
	case X86_FLOW_JCC:
		*ret_ok = add_road(walk, x86_insn_target(insn), depth);
		return true;
	case X86_FLOW_CALL:
		*ret_ok = add_road(walk, x86_insn_target(insn), 0);
		return true;
	case X86_FLOW_JMP:
		*ret_ok = add_road(walk, x86_insn_target(insn), depth);
		return false;
	case X86_FLOW_RET:
		return false;
	default:
		*ret_ok = false;
		return false;
	}
}

static bool is_known(struct walk *walk, struct point at, struct x86_insn *ret)
{
	return walk->insn_count++ < INSNS_MAX && at.address >= walk->object->start &&
	       at.address < walk->object->end && place_decode(at.address, ret) == 0 &&
	       x86_insn_is_general(ret);
}

static bool follow(struct walk *walk, struct point at)
{
	struct point *seen;
	bool ok = true;

	while (!(seen = find(walk, at.address))->address) {
		struct x86_insn insn;

		*seen = at;
		if (!is_known(walk, at, &insn) || !follow_stack(&insn, &at.depth))
			return false;
		if (!goes_on(walk, &insn, at.depth, &ok) || !ok)
			return ok;
		at.address = x86_insn_end(&insn);
	}
	return seen->depth == at.depth;
}

static bool look(uint64_t function)
{
	struct walk walk = {.object = objects_find(function)};

	if (!walk.object || !add_road(&walk, function, 0))
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
