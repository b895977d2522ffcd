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
#include "x86/regs.h"
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
	bool is_scratch; /* so far */
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

static bool is_low(unsigned int number, unsigned int extended, unsigned int reg)
{
	return (number & 7) == reg && !extended;
}

static bool is_rsp(unsigned int number, unsigned int extended)
{
	return is_low(number, extended, RSP);
}

/* Is @reg, one of the lower eight, an operand by itself? */
static bool mentions(const struct x86_insn *insn, unsigned int reg)
{
	if (!insn->modrm_offset)
		return names_register(insn) && is_low(insn->opcode, insn->rex & X86_REX_B, reg);
	return (insn->modrm >= 0xc0 && is_low(insn->modrm, insn->rex & X86_REX_B, reg)) ||
	       (!is_group(insn) && is_low(insn->modrm >> 3, insn->rex & X86_REX_R, reg));
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
	if (mentions(insn, RSP) || moves_stack(insn) || (is_on_stack(insn) && !only_loads(insn)))
		return false;
	if (insn->map == X86_MAP_1B && (insn->opcode & 0xf0) == 0x50) {
		*depth += insn->opcode & 8 ? -WORD : WORD;
		return *depth >= 0 && !(insn->prefixes & X86_PREFIX_66);
	}
	return x86_insn_flow(insn) != X86_FLOW_RET || *depth == 0;
}

/* ---- the registers that it is given ----------------------------------------------------------- */

/*
 * RSI has their address from the first instruction on. Each instruction that names RSI must use it to
 * address one of those that a called function may change, or else give up: so it never changes, and is copied
 * nowhere.
 */

enum { RSI = 6 };

#define BIT(offset) (1u << (offset) / WORD)
#define SCRATCH                                                                                    \
	(BIT(EP_REGS_R8) | BIT(EP_REGS_R9) | BIT(EP_REGS_R10) | BIT(EP_REGS_R11) |                 \
	 BIT(EP_REGS_RDI) | BIT(EP_REGS_RSI) | BIT(EP_REGS_RDX) | BIT(EP_REGS_RAX) |               \
	 BIT(EP_REGS_RCX))
#define READABLE                                                                                   \
	(SCRATCH | BIT(EP_REGS_RBP) | BIT(EP_REGS_RSP) | BIT(EP_REGS_RIP) | BIT(EP_REGS_RFLAGS))

/* Those that use RSI and do not name it: strings, and what the kernel is asked for. */
static bool uses_rsi_unnamed(const struct x86_insn *insn)
{
	uint8_t opcode = insn->opcode;

	if (insn->map != X86_MAP_1B)
		return x86_insn_flow(insn) == X86_FLOW_SYSCALL;
	return (opcode & 0xfc) == 0xa4 || (opcode & 0xfe) == 0xac || (opcode & 0xfe) == 0x6e;
}

/* lea copies the address; bt and its kin, and cmpxchg16b, reach further than eight bytes. */
static bool reaches_further(const struct x86_insn *insn)
{
	uint8_t opcode = insn->opcode;

	if (insn->map == X86_MAP_1B)
		return opcode == 0x8d;
	return insn->map != X86_MAP_0F || (opcode & 0xe7) == 0xa3 || opcode == 0xc7 ||
	       opcode == 0xae;
}

static bool has_base_rsi(const struct x86_insn *insn)
{
	return insn->modrm_offset && insn->modrm < 0xc0 &&
	       is_low(insn->sib_offset ? insn->sib : insn->modrm, insn->rex & X86_REX_B, RSI);
}

static bool has_index(const struct x86_insn *insn, unsigned int reg)
{
	return insn->sib_offset && insn->modrm < 0xc0 &&
	       is_low(insn->sib >> 3, insn->rex & X86_REX_X, reg);
}

static bool is_plain_address(const struct x86_insn *insn)
{
	return !(insn->prefixes & (X86_PREFIX_67 | X86_PREFIX_FS | X86_PREFIX_GS)) &&
	       (!insn->sib_offset || has_index(insn, RSP)); /* which stands for none */
}

/* Of its operand in memory, it does not write it. */
static bool only_reads(const struct x86_insn *insn)
{
	uint8_t opcode = insn->opcode;
	unsigned int digit = insn->modrm >> 3 & 7;

	if (insn->map == X86_MAP_0F)
		return (opcode & 0xf6) == 0xb6 || (opcode & 0xf0) == 0x40;
	return only_loads(insn) || opcode == 0x8a || opcode == 0x39 || opcode == 0x85 ||
	       (opcode & 0xc6) == 0x02 || (opcode == 0x83 && digit == 7) ||
	       (opcode == 0x81 && digit == 7) || (opcode == 0xf7 && digit == 0) ||
	       (opcode == 0xf6 && digit == 0);
}

static bool reaches_scratch(const struct x86_insn *insn)
{
	unsigned int allowed = only_reads(insn) ? READABLE : SCRATCH;

	return is_plain_address(insn) && !reaches_further(insn) && insn->disp >= 0 &&
	       insn->disp < EP_REGS_SIZE && insn->disp % WORD == 0 &&
	       allowed >> insn->disp / WORD & 1;
}

static bool keeps_to_scratch(const struct x86_insn *insn)
{
	if (insn->encoding != X86_LEGACY || uses_rsi_unnamed(insn) || mentions(insn, RSI) ||
	    has_index(insn, RSI))
		return false;
	return !has_base_rsi(insn) || reaches_scratch(insn);
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
		walk->is_scratch &= keeps_to_scratch(&insn);
		if (!goes_on(walk, &insn, at.depth, &ok) || !ok)
			return ok;
		at.address = x86_insn_end(&insn);
	}
	return seen->depth == at.depth;
}

static enum leaf_use look(uint64_t function)
{
	struct walk walk = {.object = objects_find(function), .is_scratch = true};

	if (!walk.object || !add_road(&walk, function, 0))
		return LEAF_ANY;
	while (walk.road_count)
		if (!follow(&walk, walk.roads[--walk.road_count]))
			return LEAF_ANY;
	return walk.is_scratch ? LEAF_SCRATCH : LEAF_GENERAL;
}

enum leaf_use leaf_use(uint64_t function)
{
	static struct {
		uint64_t function, generation;
		enum leaf_use use;
	} last;

	if (last.function != function || last.generation != objects_generation()) {
		last.use = look(function);
		last.generation = objects_generation();
		last.function = function;
	}
	return last.use;
}
