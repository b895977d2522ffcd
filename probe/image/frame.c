/* SPDX-License-Identifier: MIT */
/*
 * Unwind information says which register leads to CFA; copies of that register are followed by what
 * instructions do. It is followed in the order of memory, not of execution: what is known of a
 * register is not forgotten at a label, since too much suspicion only costs time.
 */
#include "probe/image/frame.h"

#define CALL_CLOBBERS                                                                              \
	(1u << RAX | 1u << RCX | 1u << RDX | 1u << RSI | 1u << RDI | 0xfu << R8) /* psABI */

static const struct frame_value unknown = {FRAME_UNKNOWN, 0};
static const struct frame_value in_stack = {FRAME_STACK, 0};

static struct frame_value plus(struct frame_value value, int64_t offset)
{
	if (value.kind == FRAME_OFFSET || value.kind == FRAME_CONSTANT)
		value.value = (int64_t)((uint64_t)value.value + (uint64_t)offset);
	else if (value.kind != FRAME_STACK)
		value = unknown;
	return value;
}

static bool is_in_stack(struct frame_value value)
{
	return value.kind == FRAME_STACK || value.kind == FRAME_OFFSET;
}

/* Of the operand, leaving its index aside. */
static struct frame_value base_address(const struct frame *frame, const struct x86_insn *insn,
				       const struct operand *operand)
{
	struct frame_value base = {FRAME_CONSTANT, 0};

	if (insn->prefixes & (X86_PREFIX_FS | X86_PREFIX_GS | X86_PREFIX_67))
		return unknown;
	if (operand->is_rip_relative)
		base.value = (int64_t)x86_insn_end(insn);
	else if (operand->base != OPERAND_NONE)
		base = frame->regs[operand->base];
	return plus(base, insn->disp);
}

/* Of the operand; somewhere in the stack, if it is of an array there. */
static struct frame_value address_of(const struct frame *frame, const struct x86_insn *insn)
{
	struct operand operand = operand_memory(insn);
	struct frame_value ret = base_address(frame, insn, &operand);

	if (operand.index == OPERAND_NONE)
		return ret;
	return is_in_stack(ret) || is_in_stack(frame->regs[operand.index]) ? in_stack : unknown;
}

/* ---- accesses ------------------------------------------------------------------------------ */

static bool touches_slot(struct frame_value address, int64_t size)
{
	return address.kind == FRAME_OFFSET && address.value < FRAME_SLOT + 8 &&
	       address.value > FRAME_SLOT - size;
}

/*
 * A displacement of one byte is multiplied there, by the size of what is accessed or of one of its
 * elements (Intel SDM, "Compressed Displacement").
 */
static bool touches_slot_evex(struct frame_value address, const struct x86_insn *insn)
{
	for (int shift = 0; shift <= 6 && insn->disp_size == 1; shift++)
		if (touches_slot(plus(address, insn->disp * ((1 << shift) - 1)),
				 operand_size(insn)))
			return true;
	return touches_slot(address, operand_size(insn));
}

static bool operand_touches_slot(const struct frame *frame, const struct x86_insn *insn)
{
	struct frame_value address;

	if (!operand_is_accessed(insn))
		return false;
	address = address_of(frame, insn);
	return insn->encoding == X86_EVEX ? touches_slot_evex(address, insn)
					  : touches_slot(address, operand_size(insn));
}

static bool is_push(const struct x86_insn *insn)
{
	uint8_t op = insn->opcode;

	return operand_is_legacy(insn, X86_MAP_1B)
		       ? (op & 0xf8) == 0x50 || op == 0x68 || op == 0x6a || op == 0x9c ||
				 (op == 0xff && operand_digit(insn) == 6)
		       : operand_is_legacy(insn, X86_MAP_0F) &&
				 (op == 0xa0 || op == 0xa8); /* fs, gs */
}

static bool is_pop(const struct x86_insn *insn)
{
	uint8_t op = insn->opcode;

	return operand_is_legacy(insn, X86_MAP_1B)
		       ? (op & 0xf8) == 0x58 || op == 0x8f || op == 0x9d
		       : operand_is_legacy(insn, X86_MAP_0F) && (op == 0xa1 || op == 0xa9);
}

static bool is_one_byte(const struct x86_insn *insn, uint8_t opcode)
{
	return operand_is_legacy(insn, X86_MAP_1B) && insn->opcode == opcode;
}

static bool is_call(const struct x86_insn *insn)
{
	enum x86_flow flow = x86_insn_flow(insn);

	return flow == X86_FLOW_CALL || flow == X86_FLOW_CALL_IND;
}

static bool stack_touches_slot(const struct frame *frame, const struct x86_insn *insn)
{
	struct frame_value rsp = frame->regs[RSP];

	if (is_push(insn) || is_call(insn))
		return touches_slot(plus(rsp, -8), 8);
	if (is_pop(insn))
		return touches_slot(rsp, 8);
	return is_one_byte(insn, 0xc9) && touches_slot(frame->regs[RBP], 8); /* leave */
}

/* Does it store what RSP is, which is the slot's address? mov m, rsp; push rsp. */
static bool stores_slot_address(const struct frame *frame, const struct x86_insn *insn)
{
	struct frame_value rsp = frame->regs[RSP];

	if (rsp.kind != FRAME_OFFSET || rsp.value != FRAME_SLOT)
		return false;
	return (is_one_byte(insn, 0x89) && operand_is_memory(insn) && operand_reg(insn) == RSP) ||
	       (is_one_byte(insn, 0x54) && !(insn->rex & X86_REX_B));
}

/* ---- effects ------------------------------------------------------------------------------- */

static bool is_rsp_rule(const struct frame *frame)
{
	return frame->has_rule && frame->rule_is_rsp;
}

static bool is_same(struct frame_value a, struct frame_value b)
{
	return a.kind == b.kind && a.value == b.value;
}

static enum frame_use set_rsp(struct frame *frame, struct frame_value value)
{
	bool is_lost = !is_in_stack(value) || (value.kind == FRAME_STACK && is_rsp_rule(frame)) ||
		       (value.kind == FRAME_OFFSET && value.value > FRAME_SLOT);

	frame->regs[RSP] = value;
	return is_lost ? FRAME_LOSES_STACK : FRAME_LEAVES_ALONE;
}

static enum frame_use set(struct frame *frame, int reg, struct frame_value value)
{
	const struct frame_value slot = {FRAME_OFFSET, FRAME_SLOT};
	bool is_news;

	if (reg < 0)
		return FRAME_LEAVES_ALONE;
	if (reg == RSP)
		return set_rsp(frame, value);
	is_news = is_same(value, slot) && !is_same(value, frame->regs[reg]);
	frame->regs[reg] = value;
	return is_news ? FRAME_TAKES_ADDRESS : FRAME_LEAVES_ALONE;
}

/* Loaded by index: an entry of a table, perhaps. */
static struct frame_value indexed(const struct frame *frame, const struct x86_insn *insn,
				  unsigned int scale, enum frame_kind kind)
{
	struct operand operand = operand_memory(insn);
	struct frame_value base = base_address(frame, insn, &operand);

	if (operand.index == OPERAND_NONE || operand.scale != scale || is_in_stack(base))
		return unknown;
	if (base.kind != FRAME_CONSTANT)
		return (struct frame_value){FRAME_INDEXED, 0};
	return (struct frame_value){kind, base.value};
}

/* mov r64, m: what was loaded from the stack into RSP was there before, most likely. */
static struct frame_value loaded(const struct frame *frame, const struct x86_insn *insn)
{
	struct frame_value address = address_of(frame, insn);

	if (operand_reg(insn) == RSP && is_in_stack(address))
		return in_stack;
	return indexed(frame, insn, 8, FRAME_TARGET64);
}

static struct frame_value sum(struct frame_value a, struct frame_value b)
{
	if (a.kind == FRAME_CONSTANT && b.kind == FRAME_ENTRY)
		return sum(b, a);
	if (a.kind == FRAME_ENTRY && b.kind == FRAME_CONSTANT && a.value == b.value)
		return (struct frame_value){FRAME_TARGET32, a.value};
	if (a.kind >= FRAME_ENTRY || b.kind >= FRAME_ENTRY)
		return (struct frame_value){FRAME_INDEXED, 0};
	return is_in_stack(a) || is_in_stack(b) ? in_stack : unknown;
}

/* lea r64, m */
static struct frame_value computed(const struct frame *frame, const struct x86_insn *insn)
{
	struct operand operand = operand_memory(insn);
	struct frame_value base = base_address(frame, insn, &operand);

	if (operand.index == OPERAND_NONE)
		return base;
	return sum(base, operand.scale == 1 ? frame->regs[operand.index] : unknown);
}

/* add, or, and, sub, xor ... of 64 bits with a constant. */
static struct frame_value with_constant(struct frame_value value, const struct x86_insn *insn)
{
	if (operand_digit(insn) == 0)
		return plus(value, insn->imm);
	if (operand_digit(insn) == 5)
		return plus(value, -insn->imm);
	return is_in_stack(value) && (operand_digit(insn) == 4 || operand_digit(insn) == 1)
		       ? in_stack
		       : unknown;
}

/* @reg becomes what it was, changed by @by: add, sub and the others by bits 3 to 5 of the opcode. */
static struct frame_value combined(const struct x86_insn *insn, struct frame_value value,
				   struct frame_value by)
{
	unsigned int operation = insn->opcode >> 3 & 7;

	if (operation == 0)
		return sum(value, by);
	return operation == 5 && is_in_stack(value) && !is_in_stack(by) ? in_stack : unknown;
}

/* Instructions of 64 bits that are understood. False: it is none of them. */
static bool step_wide(struct frame *frame, const struct x86_insn *insn, enum frame_use *ret)
{
	int reg = operand_reg(insn),
	    rm = operand_is_register(insn) ? operand_rm(insn) : OPERAND_NONE;
	struct frame_value of_rm = rm == OPERAND_NONE ? unknown : frame->regs[rm];
	uint8_t op = insn->opcode;

	if (op == 0x89 && rm != OPERAND_NONE)
		*ret = set(frame, rm, frame->regs[reg]);
	else if (op == 0x8b)
		*ret = set(frame, reg, rm != OPERAND_NONE ? of_rm : loaded(frame, insn));
	else if (op == 0x63)
		*ret = set(frame, reg,
			   rm != OPERAND_NONE ? unknown : indexed(frame, insn, 4, FRAME_ENTRY));
	else if (op == 0x8d && rm == OPERAND_NONE)
		*ret = set(frame, reg, computed(frame, insn));
	else if ((op == 0x81 || op == 0x83) && rm != OPERAND_NONE && operand_digit(insn) != 7)
		*ret = set(frame, rm, with_constant(of_rm, insn));
	else if (op < 0x38 && (op & 7) == 1 && rm != OPERAND_NONE)
		*ret = set(frame, rm, combined(insn, of_rm, frame->regs[reg]));
	else if (op < 0x38 && (op & 7) == 3)
		*ret = set(frame, reg, combined(insn, frame->regs[reg], of_rm));
	else
		return false;
	return true;
}

static enum frame_use exchange(struct frame *frame, int a, int b)
{
	struct frame_value old = frame->regs[a];
	enum frame_use first = set(frame, a, frame->regs[b]), second = set(frame, b, old);

	return first ? first : second;
}

/* Of a byte: without REX, 4 to 7 are the second bytes of 0 to 3. */
static int byte_register(const struct x86_insn *insn, int reg)
{
	return !insn->rex && reg >= RSP && reg <= RDI ? reg - RSP : reg;
}

/* Which register an instruction of the one-byte map writes that is not understood. */
static int written_one_byte(const struct x86_insn *insn)
{
	int rm = operand_is_register(insn) ? operand_rm(insn) : OPERAND_NONE;
	uint8_t op = insn->opcode;

	if (op < 0x38)
		return (op & 4) ? RAX : (op & 2) ? operand_reg(insn) : rm;
	if ((op & 0xfc) == 0x80)
		return operand_digit(insn) != 7 ? rm : OPERAND_NONE;
	if ((op & 0xfe) == 0x86 || (op & 0xfe) == 0x88 || (op & 0xfe) == 0xc0 ||
	    (op & 0xfe) == 0xc6 || (op & 0xfc) == 0xd0)
		return rm;
	if ((op & 0xfe) == 0x8a || op == 0x63 || op == 0x69 || op == 0x6b || op == 0x8d)
		return operand_reg(insn);
	if ((op & 0xf0) == 0xb0)
		return operand_in_opcode(insn);
	if ((op & 0xfe) == 0xf6)
		return operand_digit(insn) == 2 || operand_digit(insn) == 3 ? rm
		       : operand_digit(insn) > 3			    ? RAX
									    : OPERAND_NONE;
	if ((op & 0xfe) == 0xfe)
		return operand_digit(insn) < 2 ? rm : OPERAND_NONE;
	return op == 0x98 || (op & 0xfc) == 0xa0 || (op & 0xfe) == 0xac ? RAX : OPERAND_NONE;
}

static int written_0f(const struct x86_insn *insn)
{
	uint8_t op = insn->opcode;

	if ((op & 0xf0) == 0x40 || op == 0xaf || op == 0x2c || op == 0x2d || op == 0xd7 ||
	    (op & 0xf6) == 0xb6 || op == 0xb8 || op == 0xbc || op == 0xbd)
		return operand_reg(insn);
	if ((op & 0xf8) == 0xc8)
		return operand_in_opcode(insn);
	if (((op & 0xf0) == 0x90 || (op & 0xfe) == 0xc0 || (op & 0xfe) == 0xb0 || op == 0x7e) &&
	    operand_is_register(insn))
		return operand_rm(insn);
	return op == 0x31 || op == 0xa2 ? RAX : OPERAND_NONE; /* rdtsc, cpuid */
}

static enum frame_use step_others(struct frame *frame, const struct x86_insn *insn)
{
	int reg = OPERAND_NONE;

	if (operand_is_legacy(insn, X86_MAP_1B))
		reg = written_one_byte(insn);
	else if (operand_is_legacy(insn, X86_MAP_0F))
		reg = written_0f(insn);
	return set(frame, operand_is_byte(insn) ? byte_register(insn, reg) : reg, unknown);
}

static enum frame_use step_stack(struct frame *frame, const struct x86_insn *insn)
{
	struct frame_value rsp = frame->regs[RSP];
	int64_t size = insn->prefixes & X86_PREFIX_66 ? 2 : 8;
	enum frame_use ret;

	if (is_push(insn))
		return set(frame, RSP, plus(rsp, -size));
	ret = set(frame, RSP, plus(rsp, size));
	if (!ret && (insn->opcode & 0xf8) == 0x58 && insn->map == X86_MAP_1B)
		ret = set(frame, operand_in_opcode(insn), unknown);
	return ret;
}

static enum frame_use step_leave(struct frame *frame)
{
	struct frame_value rbp = frame->regs[RBP];

	frame->regs[RBP] = unknown;
	return set(frame, RSP, is_in_stack(rbp) ? plus(rbp, 8) : in_stack);
}

static void forget(struct frame *frame, uint32_t regs)
{
	for (int i = 0; i < OPERAND_REGISTERS; i++)
		if (regs & 1u << i)
			frame->regs[i] = unknown;
}

static enum frame_use step_one_byte(struct frame *frame, const struct x86_insn *insn)
{
	enum frame_use ret;

	if (insn->opcode == 0xc9)
		return step_leave(frame);
	if (insn->opcode == 0xc8) /* enter */
		return set(frame, RSP, in_stack);
	if (insn->opcode == 0x87 && operand_is_register(insn) && (insn->rex & X86_REX_W))
		return exchange(frame, operand_reg(insn), operand_rm(insn));
	if (insn->opcode == 0x87 && operand_is_memory(insn))
		return set(frame, operand_reg(insn), unknown);
	if ((insn->opcode & 0xf8) == 0x90 && (insn->rex & X86_REX_W))
		return exchange(frame, RAX, operand_in_opcode(insn));
	if ((insn->rex & X86_REX_W) && step_wide(frame, insn, &ret))
		return ret;
	return step_others(frame, insn);
}

static enum frame_use step_effect(struct frame *frame, const struct x86_insn *insn)
{
	if (is_push(insn) || is_pop(insn))
		return step_stack(frame, insn);
	if (is_call(insn)) {
		forget(frame, CALL_CLOBBERS);
		return FRAME_LEAVES_ALONE;
	}
	if (x86_insn_flow(insn) != X86_FLOW_NONE)
		return FRAME_LEAVES_ALONE;
	return operand_is_legacy(insn, X86_MAP_1B) ? step_one_byte(frame, insn)
						   : step_others(frame, insn);
}

/* xchg ax, ax is one too. */
static bool is_nop(const struct x86_insn *insn)
{
	return (is_one_byte(insn, 0x90) && !(insn->rex & X86_REX_B)) ||
	       (operand_is_legacy(insn, X86_MAP_0F) && insn->opcode == 0x1f);
}

/* A call may not return. Padding is executed only if something leads to it. */
bool frame_falls_through(bool before, const struct x86_insn *insn)
{
	enum x86_flow flow = x86_insn_flow(insn);

	if (is_nop(insn))
		return before;
	return flow == X86_FLOW_NONE || flow == X86_FLOW_JCC;
}

static bool never_falls_through(const struct x86_insn *insn)
{
	enum x86_flow flow = x86_insn_flow(insn);

	return flow == X86_FLOW_JMP || flow == X86_FLOW_JMP_IND || flow == X86_FLOW_RET ||
	       flow == X86_FLOW_TRAP || flow == X86_FLOW_OTHER;
}

enum frame_use frame_step(struct frame *frame, const struct x86_insn *insn)
{
	bool accesses = operand_touches_slot(frame, insn) || stack_touches_slot(frame, insn);
	bool stores = stores_slot_address(frame, insn);
	enum frame_use ret = step_effect(frame, insn);

	frame->falls = frame_falls_through(frame->falls, insn);
	frame->just_popped = is_pop(insn) || is_one_byte(insn, 0xc9);
	if (never_falls_through(insn) && !is_rsp_rule(frame))
		frame->regs[RSP] = in_stack;
	return accesses ? FRAME_ACCESSES : stores ? FRAME_TAKES_ADDRESS : ret;
}

/* ---- rules --------------------------------------------------------------------------------- */

void frame_init(struct frame *frame)
{
	*frame = (struct frame){0};
	frame->regs[RSP] = (struct frame_value){FRAME_OFFSET, FRAME_SLOT};
}

enum frame_use frame_rule(struct frame *frame, const struct cfa_rule *rule)
{
	struct frame_value rsp = frame->regs[RSP];
	bool was_rsp = is_rsp_rule(frame);

	frame->has_rule = rule->known;
	frame->rule_is_rsp = rule->reg == RSP;
	if (!rule->known || !rule->return_address_there)
		return FRAME_RULE_IS_UNKNOWN;
	frame->regs[rule->reg] = (struct frame_value){FRAME_OFFSET, -rule->offset};
	if (!frame->rule_is_rsp) {
		if (was_rsp && !frame->falls)
			frame->regs[RSP] = in_stack; /* another road leads here */
		return FRAME_LEAVES_ALONE;
	}
	if (-rule->offset > FRAME_SLOT)
		return FRAME_LOSES_STACK;
	return was_rsp && frame->falls && rsp.kind == FRAME_OFFSET && rsp.value != -rule->offset
		       ? FRAME_LOSES_STACK
		       : FRAME_LEAVES_ALONE;
}

bool frame_is_gone(const struct frame *frame)
{
	return frame->regs[RSP].kind == FRAME_OFFSET && frame->regs[RSP].value == FRAME_SLOT;
}

bool frame_is_there(const struct frame *frame)
{
	return frame->regs[RSP].kind == FRAME_OFFSET && frame->regs[RSP].value != FRAME_SLOT;
}

struct frame_value frame_jump(const struct frame *frame, const struct x86_insn *insn)
{
	if (operand_is_register(insn))
		return frame->regs[operand_rm(insn)];
	return indexed(frame, insn, 8, FRAME_TARGET64);
}
