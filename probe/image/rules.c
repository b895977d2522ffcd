/* SPDX-License-Identifier: MIT */
/*
 * Runs the small program in an FDE, up to an instruction: all of it, while cfa.c follows only what it
 * needs, and not in a hit. It may have been written by anybody: each step reads at least one byte, there
 * are no loops, and there is a limit of steps.
 */
#include "probe/image/rules.h"

#include "probe/image/call_frame.h"

#define REMEMBERED_MAX 8
#define STEPS_MAX      20000 /* the largest functions of compilers have some thousand */

struct run {
	struct rules now, initial, remembered[REMEMBERED_MAX];
	int remembered_count;
	struct live_reader program;
	const struct live_fde *fde;
	uint64_t location, address, rip;
	bool is_there; /* the next step is behind @address */
	bool failed;
};

/* Plain copies: a compiler would call memcpy() for all at once. */
EP_TRAP_PATH static void copy(struct rules *to, const struct rules *from)
{
	struct rules_value *values = &to->cfa;
	const struct rules_value *others = &from->cfa;

	for (int i = 0; i < RULES_VALUES; i++) {
		values[i] = others[i];
		__asm__ volatile("" : : : "memory");
	}
}

_Static_assert(sizeof(struct rules) == RULES_VALUES * sizeof(struct rules_value), "see copy()");

/* NULL: of a register that nobody asks for. */
EP_TRAP_PATH static struct rules_value *value_of(struct rules *rules, uint64_t column)
{
	switch (column) {
	case RULES_RBX:
		return &rules->rbx;
	case RULES_RBP:
		return &rules->rbp;
	case RULES_R12:
		return &rules->r12;
	case RULES_R12 + 1:
		return &rules->r13;
	case RULES_R12 + 2:
		return &rules->r14;
	case RULES_R12 + 3:
		return &rules->r15;
	case RULES_RETURN:
		return &rules->ret;
	default:
		return NULL;
	}
}

EP_TRAP_PATH static void set(struct rules_value *value, uint8_t kind, uint64_t base, int64_t offset)
{
	if (!value)
		return;
	value->kind = base > RULES_CFA || offset != (int32_t)offset ? RULES_UNKNOWN : kind;
	value->base = (uint8_t)base;
	value->offset = (int32_t)offset;
	value->more = 0;
}

EP_TRAP_PATH static int64_t factored(struct run *run, int64_t number)
{
	int64_t ret;

	if (__builtin_mul_overflow(number, run->fde->data_alignment, &ret))
		run->failed = true;
	return ret;
}

EP_TRAP_PATH static void restore(struct run *run, uint64_t column)
{
	struct rules_value *value = value_of(&run->now, column);

	if (value)
		*value = *value_of(&run->initial, column);
}

EP_TRAP_PATH static struct live_reader take_block(struct run *run)
{
	uint64_t size = live_take_uleb128(&run->program);
	struct live_reader ret = run->program;

	live_skip(&run->program, size);
	ret.failed = run->program.failed;
	ret.end = run->program.at;
	return ret;
}

/* @address: it says where the register lies, not what it is. */
EP_TRAP_PATH static void set_by_expression(struct run *run, uint64_t column, bool address)
{
	struct rules_value *value = value_of(&run->now, column);
	struct live_reader block = take_block(run);

	if (!value)
		return;
	rules_evaluate(block, run->rip, true, value);
	if (address)
		value->kind = value->kind == RULES_SUM ? RULES_LOADED : RULES_UNKNOWN;
}

EP_TRAP_PATH static void remember(struct run *run)
{
	if (run->remembered_count == REMEMBERED_MAX)
		run->failed = true;
	else
		copy(&run->remembered[run->remembered_count++], &run->now);
}

EP_TRAP_PATH static void recall(struct run *run)
{
	if (run->remembered_count == 0)
		run->failed = true;
	else
		copy(&run->now, &run->remembered[--run->remembered_count]);
}

/* ---- instructions -------------------------------------------------------------------------- */

/* False: it says nothing of CFA. */
EP_TRAP_PATH static bool run_cfa(struct run *run, uint8_t op)
{
	struct live_reader *program = &run->program;
	struct rules_value *cfa = &run->now.cfa;
	uint64_t column;

	switch (op) {
	case DW_CFA_DEF_CFA:
		column = live_take_uleb128(program);
		set(cfa, RULES_SUM, column, (int64_t)live_take_uleb128(program));
		return true;
	case DW_CFA_DEF_CFA_SF:
		column = live_take_uleb128(program);
		set(cfa, RULES_SUM, column, factored(run, live_take_sleb128(program)));
		return true;
	case DW_CFA_DEF_CFA_REGISTER:
		set(cfa, RULES_SUM, live_take_uleb128(program), cfa->offset);
		return true;
	case DW_CFA_DEF_CFA_OFFSET:
		set(cfa, RULES_SUM, cfa->base, (int64_t)live_take_uleb128(program));
		return true;
	case DW_CFA_DEF_CFA_OFFSET_SF:
		set(cfa, RULES_SUM, cfa->base, factored(run, live_take_sleb128(program)));
		return true;
	case DW_CFA_DEF_CFA_EXPRESSION:
		rules_evaluate(take_block(run), run->rip, false, cfa);
		return true;
	default:
		return false;
	}
}

/* What says where registers are saved. */
EP_TRAP_PATH static void run_saved(struct run *run, uint8_t op)
{
	struct live_reader *program = &run->program;
	uint64_t column = op >= DW_CFA_ADVANCE_LOC ? op & 0x3fu : live_take_uleb128(program);
	struct rules_value *value = value_of(&run->now, column);

	switch (op >= DW_CFA_ADVANCE_LOC ? op & 0xc0 : op) {
	case DW_CFA_OFFSET:
	case DW_CFA_OFFSET_EXTENDED:
		set(value, RULES_LOADED, RULES_CFA,
		    factored(run, (int64_t)live_take_uleb128(program)));
		break;
	case DW_CFA_OFFSET_EXTENDED_SF:
		set(value, RULES_LOADED, RULES_CFA, factored(run, live_take_sleb128(program)));
		break;
	case DW_CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		set(value, RULES_LOADED, RULES_CFA,
		    factored(run, (int64_t)(0 - live_take_uleb128(program))));
		break;
	case DW_CFA_VAL_OFFSET:
		set(value, RULES_SUM, RULES_CFA,
		    factored(run, (int64_t)live_take_uleb128(program)));
		break;
	case DW_CFA_VAL_OFFSET_SF:
		set(value, RULES_SUM, RULES_CFA, factored(run, live_take_sleb128(program)));
		break;
	case DW_CFA_REGISTER:
		set(value, RULES_SUM, live_take_uleb128(program), 0);
		break;
	case DW_CFA_RESTORE:
	case DW_CFA_RESTORE_EXTENDED:
		restore(run, column);
		break;
	case DW_CFA_EXPRESSION:
	case DW_CFA_VAL_EXPRESSION:
		set_by_expression(run, column, op == DW_CFA_EXPRESSION);
		break;
	case DW_CFA_UNDEFINED:
		set(value, RULES_UNDEFINED, 0, 0);
		break;
	case DW_CFA_SAME_VALUE:
		set(value, RULES_SAME, 0, 0);
		break;
	default:
		run->failed = true;
	}
}

/* False: it is no step to a later address. */
EP_TRAP_PATH static bool run_advance(struct run *run, uint8_t op)
{
	uint64_t steps;

	if ((op & 0xc0) == DW_CFA_ADVANCE_LOC)
		steps = op & 0x3f;
	else if (op == DW_CFA_ADVANCE_LOC1)
		steps = live_take(&run->program, 1);
	else if (op == DW_CFA_ADVANCE_LOC2)
		steps = live_take(&run->program, 2);
	else if (op == DW_CFA_ADVANCE_LOC4)
		steps = live_take(&run->program, 4);
	else
		return false;
	run->location += steps * run->fde->code_alignment;
	run->is_there = run->location > run->address;
	return true;
}

EP_TRAP_PATH static void run_one(struct run *run, uint8_t op)
{
	if (op == DW_CFA_NOP || run_advance(run, op))
		return;
	if (op == DW_CFA_SET_LOC)
		run->failed = true; /* compilers do without */
	else if (op == DW_CFA_GNU_ARGS_SIZE)
		live_take_uleb128(&run->program);
	else if (op == DW_CFA_REMEMBER_STATE)
		remember(run);
	else if (op == DW_CFA_RESTORE_STATE)
		recall(run);
	else if (!run_cfa(run, op))
		run_saved(run, op);
}

EP_TRAP_PATH static void run_all(struct run *run, const struct live_reader *program)
{
	run->program = *program;
	for (int i = 0;
	     i < STEPS_MAX && run->program.at < run->program.end && !run->is_there && !run->failed;
	     i++) {
		run_one(run, (uint8_t)live_take(&run->program, 1));
		run->failed |= run->program.failed;
	}
}

/* Nothing is said yet. */
EP_TRAP_PATH static void init(struct rules *rules)
{
	struct rules_value *values = &rules->cfa;

	for (int i = 0; i < RULES_VALUES; i++)
		set(&values[i], RULES_SAME, 0, 0);
	rules->cfa.kind = rules->ret.kind = RULES_UNKNOWN;
}

EP_TRAP_PATH bool rules_find(const struct live_fde *fde, uint64_t address, uint64_t rip,
			     struct rules *ret)
{
	struct run run;

	run.fde = fde;
	run.location = fde->start;
	run.address = address;
	run.rip = rip;
	run.remembered_count = 0;
	run.is_there = run.failed = false;
	init(&run.now);
	run_all(&run, &fde->common);
	copy(&run.initial, &run.now);
	run.remembered_count = 0;
	run_all(&run, &fde->program);
	if (run.failed || fde->return_column != RULES_RETURN)
		return false;
	copy(ret, &run.now);
	return true;
}
