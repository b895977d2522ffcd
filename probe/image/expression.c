/* SPDX-License-Identifier: MIT */
/*
 * DWARF expressions (DWARF 4, "DWARF Expressions"), as far as unwind information has them: of procedure
 * linkage tables, whose frames depend on the last bits of RIP, of functions that align their stack, and
 * of signal frames. RIP is known, registers are not: what is on the stack is a number, or the sum of
 * a register and a number, or what lies there.
 */
#include "probe/image/rules.h"

#define DEPTH	  8
#define STEPS_MAX 64 /* operations; there are no loops, since there are no branches */

enum {
	DW_OP_DEREF = 0x06,
	DW_OP_CONST1U = 0x08,
	DW_OP_CONST1S = 0x09,
	DW_OP_CONST2U = 0x0a,
	DW_OP_CONST2S = 0x0b,
	DW_OP_CONST4U = 0x0c,
	DW_OP_CONST4S = 0x0d,
	DW_OP_CONST8U = 0x0e,
	DW_OP_CONST8S = 0x0f,
	DW_OP_CONSTU = 0x10,
	DW_OP_CONSTS = 0x11,
	DW_OP_DUP = 0x12,
	DW_OP_DROP = 0x13,
	DW_OP_AND = 0x1a,
	DW_OP_MINUS = 0x1c,
	DW_OP_MUL = 0x1e,
	DW_OP_OR = 0x21,
	DW_OP_PLUS = 0x22,
	DW_OP_PLUS_UCONST = 0x23,
	DW_OP_SHL = 0x24,
	DW_OP_SHR = 0x25,
	DW_OP_XOR = 0x27,
	DW_OP_EQ = 0x29,
	DW_OP_GE = 0x2a,
	DW_OP_GT = 0x2b,
	DW_OP_LE = 0x2c,
	DW_OP_LT = 0x2d,
	DW_OP_NE = 0x2e,
	DW_OP_LIT0 = 0x30,
	DW_OP_LIT31 = 0x4f,
	DW_OP_BREG0 = 0x70,
	DW_OP_BREG16 = 0x80,
	DW_OP_NOP = 0x96,
};

enum kind { NUMBER, SUM, LOADED };

struct value {
	enum kind kind;
	uint8_t base;
	int64_t offset, more; /* of a number .offset */
};

struct stack {
	struct value values[DEPTH];
	unsigned int count;
	bool failed;
};

EP_TRAP_PATH static void push(struct stack *stack, enum kind kind, uint8_t base, int64_t offset)
{
	struct value *value = &stack->values[stack->count];

	if (stack->count == DEPTH) {
		stack->failed = true;
		return;
	}
	value->kind = kind;
	value->base = base;
	value->offset = offset;
	value->more = 0;
	stack->count++;
}

/* The last, which stays where it is until something else is pushed. */
EP_TRAP_PATH static struct value *pop(struct stack *stack)
{
	if (stack->count == 0) {
		stack->failed = true;
		return &stack->values[0];
	}
	return &stack->values[--stack->count];
}

EP_TRAP_PATH static int64_t pop_number(struct stack *stack)
{
	const struct value *value = pop(stack);

	stack->failed |= value->kind != NUMBER;
	return value->offset;
}

EP_TRAP_PATH static void add(struct stack *stack, int64_t number)
{
	struct value *value = pop(stack);
	int64_t *sum = value->kind == LOADED ? &value->more : &value->offset;

	if (__builtin_add_overflow(*sum, number, sum))
		stack->failed = true;
	stack->count++;
}

/* Either may be the number. */
EP_TRAP_PATH static void add_two(struct stack *stack)
{
	struct value *second = pop(stack), *first = pop(stack), sum;

	if (stack->failed || (first->kind != NUMBER && second->kind != NUMBER)) {
		stack->failed = true;
		return;
	}
	if (first->kind == NUMBER) {
		sum = *first;
		*first = *second;
		*second = sum;
	}
	stack->count++;
	add(stack, second->offset);
}

EP_TRAP_PATH static void load(struct stack *stack)
{
	struct value *value = pop(stack);

	if (value->kind != SUM)
		stack->failed = true;
	value->kind = LOADED;
	stack->count++;
}

EP_TRAP_PATH static int64_t result_of(struct stack *stack, uint8_t op, int64_t a, int64_t b)
{
	switch (op) {
	case DW_OP_AND:
		return a & b;
	case DW_OP_OR:
		return a | b;
	case DW_OP_XOR:
		return a ^ b;
	case DW_OP_MUL:
		return (int64_t)((uint64_t)a * (uint64_t)b);
	case DW_OP_SHL:
		return (uint64_t)b < 64 ? (int64_t)((uint64_t)a << b) : 0;
	case DW_OP_SHR:
		return (uint64_t)b < 64 ? (int64_t)((uint64_t)a >> b) : 0;
	case DW_OP_EQ:
		return a == b;
	case DW_OP_GE:
		return a >= b;
	case DW_OP_GT:
		return a > b;
	case DW_OP_LE:
		return a <= b;
	case DW_OP_LT:
		return a < b;
	case DW_OP_NE:
		return a != b;
	default:
		stack->failed = true;
		return 0;
	}
}

EP_TRAP_PATH static int64_t take_signed(struct live_reader *block, unsigned int size)
{
	unsigned int unused = 64 - 8 * size;

	return (int64_t)(live_take(block, size) << unused) >> unused;
}

/* False: it is none that stands for a number. */
EP_TRAP_PATH static bool take_number(struct live_reader *block, uint8_t op, int64_t *ret)
{
	if (op >= DW_OP_LIT0 && op <= DW_OP_LIT31)
		*ret = op - DW_OP_LIT0;
	else if (op == DW_OP_CONST1U)
		*ret = (int64_t)live_take(block, 1);
	else if (op == DW_OP_CONST1S)
		*ret = take_signed(block, 1);
	else if (op == DW_OP_CONST2U)
		*ret = (int64_t)live_take(block, 2);
	else if (op == DW_OP_CONST2S)
		*ret = take_signed(block, 2);
	else if (op == DW_OP_CONST4U)
		*ret = (int64_t)live_take(block, 4);
	else if (op == DW_OP_CONST4S)
		*ret = take_signed(block, 4);
	else if (op == DW_OP_CONST8U || op == DW_OP_CONST8S)
		*ret = (int64_t)live_take(block, 8);
	else if (op == DW_OP_CONSTU)
		*ret = (int64_t)live_take_uleb128(block);
	else if (op == DW_OP_CONSTS)
		*ret = live_take_sleb128(block);
	else
		return false;
	return true;
}

EP_TRAP_PATH static void duplicate(struct stack *stack)
{
	const struct value *value = pop(stack);

	stack->count++;
	push(stack, value->kind, value->base, value->offset);
	if (!stack->failed)
		stack->values[stack->count - 1].more = value->more;
}

EP_TRAP_PATH static void compute(struct stack *stack, uint8_t op)
{
	int64_t b = pop_number(stack), a = pop_number(stack);

	push(stack, NUMBER, 0, result_of(stack, op, a, b));
}

EP_TRAP_PATH static void run_one(struct stack *stack, struct live_reader *block, uint8_t op,
				 uint64_t rip)
{
	int64_t number;

	if (take_number(block, op, &number))
		push(stack, NUMBER, 0, number);
	else if (op >= DW_OP_BREG0 && op < DW_OP_BREG16)
		push(stack, SUM, op - DW_OP_BREG0, live_take_sleb128(block));
	else if (op == DW_OP_BREG16)
		push(stack, NUMBER, 0, (int64_t)(rip + (uint64_t)live_take_sleb128(block)));
	else if (op == DW_OP_PLUS_UCONST)
		add(stack, (int64_t)live_take_uleb128(block));
	else if (op == DW_OP_PLUS)
		add_two(stack);
	else if (op == DW_OP_MINUS)
		add(stack, (int64_t)(0 - (uint64_t)pop_number(stack)));
	else if (op == DW_OP_DEREF)
		load(stack);
	else if (op == DW_OP_DUP)
		duplicate(stack);
	else if (op == DW_OP_DROP)
		pop(stack);
	else if (op != DW_OP_NOP)
		compute(stack, op);
}

EP_TRAP_PATH void rules_evaluate(struct live_reader block, uint64_t rip, bool cfa,
				 struct rules_value *ret)
{
	const struct value *value;
	struct stack stack;

	stack.count = 0;
	stack.failed = false;
	if (cfa)
		push(&stack, SUM, RULES_CFA, 0);
	for (int i = 0; i < STEPS_MAX && block.at < block.end && !stack.failed; i++)
		run_one(&stack, &block, (uint8_t)live_take(&block, 1), rip);
	value = pop(&stack);
	ret->kind = RULES_UNKNOWN;
	if (stack.failed || block.failed || block.at < block.end || value->kind == NUMBER ||
	    value->offset != (int32_t)value->offset || value->more != (int32_t)value->more)
		return;
	ret->kind = value->kind == SUM ? RULES_SUM : RULES_LOADED;
	ret->base = value->base;
	ret->offset = (int32_t)value->offset;
	ret->more = (int32_t)value->more;
}
