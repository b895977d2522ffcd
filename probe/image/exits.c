/* SPDX-License-Identifier: MIT */
/*
 * Compilers split functions: seldom executed parts stand elsewhere, with an FDE of their own, and are
 * reached by a jump with the frame as it is. A jump with nothing on the stack but the return address
 * is a call of another function in disguise, which returns in the place of this one; that it finds
 * the same return address matters as much as what the function itself does with it.
 *
 *	f:       push ...             part of f:           g:
 *	         je  ──────────────>  call abort
 *	         pop ...
 *	         jmp ────────────────────────────────────> mov (%rsp), ...
 *
 * Where anything is not certain the function counts as one that reads its return address: that costs
 * time, and nothing else.
 */
#include "probe/image/exits.h"

#include <string.h>

#include "include/emuprobe.h"
#include "probe/image/cfa.h"
#include "probe/image/code.h"
#include "probe/image/frame.h"
#include "probe/image/functions.h"
#include "probe/image/place.h"
#include "probe/image/slots.h"
#include "sys/copy.h"

#define EXTENT_MAX  0x100000u /* bytes of code */
#define BACK_MAX    0x4000u   /* of code that is searched for jumps back */
#define TARGETS_MAX 128
#define ENTRIES_MAX 4u	/* of a jump table that are looked at */
#define PADDING_MAX 64u /* bytes: what code is aligned to at most */

/* Direct jumps out of extents lead there. */
struct targets {
	uint64_t at[TARGETS_MAX];
	size_t count;
	bool are_more;
};

struct work {
	struct objects_object *object;
	struct exits *ret;
	uint64_t function;
	bool has_fde;
	struct targets targets; /* of jumps out of its extents */
	struct targets *tails;	/* other functions that it goes on in, and those that they do */
};

static bool is_in(const struct exits_extent *extent, uint64_t address)
{
	return address >= extent->start && address < extent->end;
}

static bool is_inside(const struct exits *exits, uint64_t address)
{
	for (size_t i = 0; i < exits->extent_count; i++)
		if (is_in(&exits->extents[i], address))
			return true;
	return false;
}

/* False: it is there already, or there is no room. */
static bool add_target(struct targets *targets, uint64_t target)
{
	for (size_t i = 0; i < targets->count; i++)
		if (targets->at[i] == target)
			return false;
	if (targets->count == TARGETS_MAX) {
		targets->are_more = true;
		return false;
	}
	targets->at[targets->count++] = target;
	return true;
}

/* ---- verdicts: the first counts ------------------------------------------------------------ */

static void set_reading(struct exits *exits, enum exits_reading reading, uint64_t at)
{
	if (exits->reading)
		return;
	exits->reading = reading;
	exits->reading_at = at;
}

static void set_refusal(struct exits *exits, enum exits_refusal refusal, uint64_t at)
{
	if (exits->refusal)
		return;
	exits->refusal = refusal;
	exits->refusal_at = at;
}

static void set_undecodable(struct exits *exits, uint64_t at)
{
	set_reading(exits, EXITS_READING_UNDECODABLE, at);
	set_refusal(exits, EXITS_REFUSAL_UNDECODABLE, at);
}

static void set_too_large(struct exits *exits)
{
	set_reading(exits, EXITS_READING_TOO_LARGE, 0);
	set_refusal(exits, EXITS_REFUSAL_TOO_LARGE, 0);
}

static enum exits_reading reading_of(enum frame_use use)
{
	switch (use) {
	case FRAME_ACCESSES:
		return EXITS_READING_ACCESS;
	case FRAME_TAKES_ADDRESS:
		return EXITS_READING_ADDRESS;
	case FRAME_LOSES_STACK:
		return EXITS_READING_STACK;
	case FRAME_RULE_IS_UNKNOWN:
		return EXITS_READING_RULE;
	default:
		return EXITS_READING_NONE;
	}
}

/* ---- the function and its parts ------------------------------------------------------------ */

/* Nothing on the stack but the return address: as at the start of a function. */
static bool is_fresh(const struct cfa_rule *rule)
{
	const struct cfa_rule start = {
		.known = true, .return_address_there = true, .reg = RSP, .offset = 8};

	return rule->known && rule->return_address_there && rule->reg == start.reg &&
	       rule->offset == start.offset;
}

/* Does code in @extent jump into the function, and not to its start? */
static bool jumps_back(const struct work *work, struct exits_extent extent)
{
	struct x86_insn insn;
	struct code code;

	if (extent.end - extent.start > BACK_MAX)
		return false;
	code_init(&code, extent.start, extent.end);
	while (code_next(&code, &insn) > 0) {
		uint64_t target = code_jump_target(&insn);

		if (target && target != work->function && is_inside(work->ret, target))
			return true;
	}
	return false;
}

static void add_extent(struct work *work, struct exits_extent extent)
{
	struct exits *exits = work->ret;

	if (extent.end - extent.start > EXTENT_MAX) {
		set_too_large(exits);
	} else if (objects_code_end(work->object, extent.start) < extent.end) {
		set_undecodable(exits, extent.start);
	} else if (exits->extent_count == EXITS_EXTENTS_MAX) {
		set_reading(exits, EXITS_READING_TOO_LARGE, 0);
		set_refusal(exits, EXITS_REFUSAL_TOO_MANY, 0);
	} else {
		exits->extents[exits->extent_count++] = extent;
	}
}

/* Is what stands at @target a part of the function? */
static int look_at_target(struct work *work, uint64_t target)
{
	struct exits_extent extent;
	struct cfa_rule rule;
	struct cfa cfa;
	int error = cfa_init(work->object, target, &cfa);

	if (error)
		return error == -EP_NO_FUNCTION ? 0 : error;
	rule = cfa_at(&cfa, target);
	extent = (struct exits_extent){cfa.start, cfa.end};
	cfa_deinit(&cfa);
	if (rule.known && (!is_fresh(&rule) || jumps_back(work, extent)))
		add_extent(work, extent);
	return 0;
}

static bool is_padding(const struct x86_insn *insn)
{
	return !frame_falls_through(false, insn) && x86_insn_flow(insn) == X86_FLOW_NONE;
}

/* The first instruction behind padding, if there is no more of that than code is aligned by. */
static uint64_t skip_padding(uint64_t at)
{
	uint64_t end = at + PADDING_MAX;
	struct x86_insn insn;

	while (at < end && place_decode(at, &insn) == 0 && is_padding(&insn))
		at = x86_insn_end(&insn);
	return at;
}

/* Hand-written functions fall into each other, through padding in between. */
static int go_on_behind(struct work *work, uint64_t end)
{
	uint64_t next = skip_padding(end);
	struct cfa cfa;
	int error = is_inside(work->ret, next) ? 0 : cfa_init(work->object, next, &cfa);

	if (is_inside(work->ret, next) || error == -EP_NO_MEMORY)
		return error;
	if (error) {
		set_reading(work->ret, EXITS_READING_RULE, next);
		set_refusal(work->ret, EXITS_REFUSAL_END, next);
		return 0;
	}
	add_extent(work, (struct exits_extent){cfa.start, cfa.end});
	cfa_deinit(&cfa);
	return 0;
}

/* Find parts among what @extent jumps to directly. */
static int look_at_extent(struct work *work, struct exits_extent extent)
{
	struct x86_insn insn;
	struct code code;
	bool falls = false;
	int more, error = 0;

	code_init(&code, extent.start, extent.end);
	while ((more = code_next(&code, &insn)) > 0 && !error) {
		uint64_t target = code_jump_target(&insn);

		if (target && !is_inside(work->ret, target) && add_target(&work->targets, target))
			error = look_at_target(work, target);
		falls = frame_falls_through(falls, &insn);
	}
	if (more < 0)
		set_undecodable(work->ret, code.next);
	if (error)
		return error;
	return more == 0 && falls ? go_on_behind(work, extent.end) : 0;
}

static int find_parts(struct work *work)
{
	int error = 0;

	for (size_t i = 0; i < work->ret->extent_count && work->has_fde && !error; i++)
		error = look_at_extent(work, work->ret->extents[i]);
	if (work->targets.are_more) {
		set_reading(work->ret, EXITS_READING_TOO_LARGE, 0);
		set_refusal(work->ret, EXITS_REFUSAL_TOO_MANY, 0);
	}
	return error;
}

/* ---- ways out ------------------------------------------------------------------------------ */

static void add_way(struct exits *exits, uint64_t address, enum exits_kind kind)
{
	if (exits->count == EXITS_MAX)
		set_refusal(exits, EXITS_REFUSAL_TOO_MANY, address);
	else
		exits->ways[exits->count++] = (struct exits_way){address, kind};
}

/* Where entry @i of a table of code leads to; 0: it cannot be read. */
static uint64_t entry_of(struct frame_value table, unsigned int i)
{
	uint64_t at = (uint64_t)table.value, ret;
	int32_t distance;

	if (table.kind == FRAME_TARGET64)
		return sys_copy_all(at + i * sizeof(ret), &ret, sizeof(ret)) ? ret : 0;
	return sys_copy_all(at + i * sizeof(distance), &distance, sizeof(distance))
		       ? at + (uint64_t)(int64_t)distance
		       : 0;
}

/* Is it a table of places in the function? The first may lie in parts that nothing else leads to. */
static bool is_table_inside(const struct work *work, struct frame_value table)
{
	if (table.kind != FRAME_TARGET32 && table.kind != FRAME_TARGET64)
		return false;
	for (unsigned int i = 0; i < ENTRIES_MAX; i++)
		if (is_inside(work->ret, entry_of(table, i)))
			return true;
	return false;
}

/* notrack jmp: of a compiler's jump table, most likely. */
static bool is_notrack(const struct x86_insn *insn)
{
	return (insn->prefixes & X86_PREFIX_SEG) && memchr(insn->bytes, 0x3e, insn->length - 2u);
}

/* What @insn goes on in, by a pointer at a fixed place. */
static void add_pointed(struct work *work, const struct x86_insn *insn)
{
	struct slots_targets later;
	uint64_t pointer;

	if (code_read_pointer(insn, &pointer))
		add_target(work->tails, pointer);
	else if (slots_find(code_pointer(insn), &later))
		for (uint32_t i = 0; i < later.count; i++)
			add_target(work->tails, later.at[i]);
	else
		set_reading(work->ret, EXITS_READING_TAIL, insn->address);
}

static void add_indirect(struct work *work, const struct frame *frame, const struct x86_insn *insn)
{
	struct frame_value to = frame_jump(frame, insn);

	if (frame_is_there(frame) || is_table_inside(work, to))
		return;
	if (to.kind == FRAME_INDEXED || to.kind == FRAME_ENTRY || is_notrack(insn))
		add_way(work->ret, insn->address, EXITS_JUMP_UNDECIDED);
	else if (frame_is_gone(frame))
		add_way(work->ret, insn->address, EXITS_JUMP_INDIRECT);
	else if (frame->just_popped)
		add_way(work->ret, insn->address, EXITS_JUMP_UNDECIDED);
	else
		return;
	if (!code_jumps_through_pointer(insn))
		work->ret->tail_is_unknown = true;
	else
		add_pointed(work, insn);
}

static void add_direct(struct work *work, const struct frame *frame, const struct x86_insn *insn)
{
	uint64_t target = x86_insn_target(insn);
	bool is_conditional = x86_insn_flow(insn) == X86_FLOW_JCC;

	if (target != work->function && is_inside(work->ret, target))
		return;
	if (frame_is_there(frame))
		set_refusal(work->ret, EXITS_REFUSAL_FRAME, insn->address);
	add_way(work->ret, insn->address, is_conditional ? EXITS_JUMP_IF : EXITS_JUMP);
	if (target != work->function)
		add_target(work->tails, target);
}

/* c7 f8: xbegin, which goes on in the function itself. */
static bool is_xbegin(const struct x86_insn *insn)
{
	return insn->map == X86_MAP_1B && insn->opcode == 0xc7;
}

static void look_at_flow(struct work *work, const struct frame *frame, const struct x86_insn *insn)
{
	switch (x86_insn_flow(insn)) {
	case X86_FLOW_RET:
		add_way(work->ret, insn->address, EXITS_RET);
		if (frame_is_there(frame))
			set_reading(work->ret, EXITS_READING_STACK, insn->address);
		break;
	case X86_FLOW_JMP:
	case X86_FLOW_JCC:
		add_direct(work, frame, insn);
		break;
	case X86_FLOW_JMP_IND:
		add_indirect(work, frame, insn);
		break;
	case X86_FLOW_OTHER:
		if (!is_xbegin(insn))
			set_refusal(work->ret, EXITS_REFUSAL_OTHER, insn->address);
		break;
	default:
		break;
	}
}

/* @cfa: NULL where there is none. */
static void follow_extent(struct work *work, struct exits_extent extent, struct cfa *cfa)
{
	struct x86_insn insn;
	struct frame frame;
	struct code code;

	frame_init(&frame);
	code_init(&code, extent.start, extent.end);
	while (code_next(&code, &insn) > 0) {
		if (cfa) {
			struct cfa_rule rule = cfa_at(cfa, insn.address);

			set_reading(work->ret, reading_of(frame_rule(&frame, &rule)), insn.address);
		}
		look_at_flow(work, &frame, &insn);
		set_reading(work->ret, reading_of(frame_step(&frame, &insn)), insn.address);
	}
	if (code.next < extent.end)
		set_undecodable(work->ret, code.next);
}

static int follow_extents(struct work *work)
{
	for (size_t i = 0; i < work->ret->extent_count; i++) {
		struct exits_extent extent = work->ret->extents[i];
		struct cfa cfa;
		int error = work->has_fde ? cfa_init(work->object, extent.start, &cfa) : 0;

		if (error == -EP_NO_MEMORY)
			return error;
		follow_extent(work, extent, work->has_fde && !error ? &cfa : NULL);
		if (work->has_fde && !error)
			cfa_deinit(&cfa);
	}
	return 0;
}

/* ---- one function -------------------------------------------------------------------------- */

static int find_by_symbol(struct work *work)
{
	const struct objects_function *function;
	int error = objects_read_functions(work->object);

	set_reading(work->ret, EXITS_READING_NO_FDE, 0);
	if (error)
		return error;
	function = objects_function_at(work->object, work->function);
	if (function && function->start == work->function && !function->guessed_end)
		add_extent(work, (struct exits_extent){function->start, function->end});
	else
		set_refusal(work->ret, EXITS_REFUSAL_NO_EXTENT, 0);
	return 0;
}

static int find_extent(struct work *work)
{
	struct cfa_rule rule;
	struct cfa cfa;
	int error = cfa_init(work->object, work->function, &cfa);

	if (error == -EP_NO_FUNCTION)
		return find_by_symbol(work);
	if (error)
		return error;
	work->has_fde = true;
	rule = cfa_at(&cfa, work->function);
	if (!is_fresh(&rule)) {
		set_reading(work->ret, EXITS_READING_RULE, work->function);
		set_refusal(work->ret, EXITS_REFUSAL_NOT_A_START, work->function);
	}
	add_extent(work, (struct exits_extent){cfa.start, cfa.end});
	cfa_deinit(&cfa);
	return 0;
}

static int look_at_function(struct work *work)
{
	bool is_go = false;
	int error;

	work->object = objects_find(work->function);
	if (!work->object) {
		set_reading(work->ret, EXITS_READING_NO_FDE, 0);
		set_refusal(work->ret, EXITS_REFUSAL_NO_EXTENT, 0);
		return 0;
	}
	error = objects_is_go(work->object, &is_go);
	if (is_go) {
		set_reading(work->ret, EXITS_READING_GO, 0);
		set_refusal(work->ret, EXITS_REFUSAL_GO, 0);
		return error;
	}
	if (!error)
		error = find_extent(work);
	if (!error)
		error = find_parts(work);
	return error ? error : follow_extents(work);
}

/* ---- what it goes on in -------------------------------------------------------------------- */

/* Another function, which finds the same return address. A PLT is none, but leads to one. */
static int look_at_tail(struct work *work, uint64_t tail)
{
	struct exits other = {0};
	struct work inner = {.ret = &other, .tails = work->tails, .function = tail};
	struct x86_insn insn;
	int error;

	if (code_first(tail, &insn) && code_jumps_through_pointer(&insn)) {
		add_pointed(work, &insn);
		return 0;
	}
	error = look_at_function(&inner);
	if (other.reading)
		set_reading(work->ret, EXITS_READING_TAIL, tail);
	work->ret->tail_is_unknown |= other.tail_is_unknown;
	return error;
}

int exits_find(uint64_t function, struct exits *ret)
{
	struct targets tails = {0};
	struct work work = {.ret = ret, .tails = &tails, .function = function};
	int error;

	*ret = (struct exits){0};
	error = look_at_function(&work);
	for (size_t i = 0; i < tails.count && !error && !ret->reading; i++)
		error = look_at_tail(&work, tails.at[i]);
	ret->tail_is_unknown |= tails.are_more;
	return error;
}
