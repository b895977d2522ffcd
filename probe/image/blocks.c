/* SPDX-License-Identifier: MIT */
/*
 * All roads are followed from where functions begin: what a road leads to is code, and what it does not
 * lead to may be a table that hand-written assembly keeps between instructions. A byte that is taken for
 * the beginning of a block is going to be replaced, so nothing is guessed by its looks, with one
 * exception: a function that jumps to an address which is computed in an unknown way has code to
 * which no other road leads. There, what lies between known instructions, and was made by a compiler,
 * is taken for code.
 *
 *	seeds: functions' first bytes
 *	        |
 *	        v
 *	follow(): jcc, jmp, call -> more roads <--- read_table(): cmp; ja; lea; movslq; jmp *reg
 *	        |
 *	        v
 *	fill_gaps(): of functions with a jump that remains unknown
 *
 * One byte of marks for each byte of code says what is known of it.
 */
#include "probe/image/blocks.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "include/emuprobe.h"
#include "probe/image/functions.h"
#include "x86/insn.h"

#define CODE_MAX    (1ul << 28) /* bytes of code of one object */
#define ENTRIES_MAX 4096	/* of a jump table */
#define RECENT	    16		/* instructions that are remembered, for jump tables */

enum mark {
	OF_FUNCTION = 1, /* inside of an extent that a symbol or an FDE states */
	BEGINS = 2,	 /* an instruction begins here */
	INSIDE = 4,	 /* the rest of one */
	LEADER = 8,	 /* a block begins here, if an instruction does */
	ENTRY = 16,	 /* a function, likewise */
	UNKNOWN = 32,	 /* this jump leads to an unknown place */
	PADDING = 64,	 /* nothing but a distance */
};

struct blocks {
	struct objects_object *object;
	uint64_t start, end; /* of the code */
	uint8_t *marks;
	uint64_t *roads; /* that are left to be followed */
	size_t road_count, road_room;
	bool failed; /* there was no memory for a road */
};

static uint8_t *mark_at(const struct blocks *blocks, uint64_t address)
{
	return &blocks->marks[address - blocks->start];
}

static bool is_in(const struct blocks *blocks, uint64_t address)
{
	return address >= blocks->start && address < blocks->end;
}

static bool is_of_function(const struct blocks *blocks, uint64_t address)
{
	return is_in(blocks, address) && *mark_at(blocks, address) & OF_FUNCTION;
}

/* ---- functions ----------------------------------------------------------------------------- */

static bool decode(const struct blocks *blocks, uint64_t address, struct x86_insn *ret)
{
	uint64_t left = blocks->end - address;

	return x86_decode((const uint8_t *)address, left < X86_INSN_MAX ? left : X86_INSN_MAX,
			  address, ret) == 0;
}

static bool is_endbr(const struct x86_insn *insn)
{
	return insn->map == X86_MAP_0F && insn->opcode == 0x1e && insn->modrm == 0xfa;
}

/*
 * What the linker makes has unwind information and no name: jmp or push of what stands in the global
 * offset table.
 */
static bool is_linkage(const struct blocks *blocks, const struct objects_function *function)
{
	struct x86_insn insn;

	if (function->name || !decode(blocks, function->start, &insn))
		return false;
	if (is_endbr(&insn) && !decode(blocks, x86_insn_end(&insn), &insn))
		return false;
	return insn.map == X86_MAP_1B && insn.opcode == 0xff && x86_insn_is_rip_relative(&insn) &&
	       ((insn.modrm >> 3 & 7) == 4 || (insn.modrm >> 3 & 7) == 6);
}

/* mov $15,%rax; syscall: by these bytes, unwinders know the frame of a signal. */
static bool is_sigreturn(const struct blocks *blocks, uint64_t address)
{
	struct x86_insn mov, call;

	return decode(blocks, address, &mov) && mov.map == X86_MAP_1B &&
	       (mov.opcode == 0xc7 || mov.opcode == 0xb8) && mov.imm == SYS_rt_sigreturn &&
	       decode(blocks, x86_insn_end(&mov), &call) &&
	       x86_insn_flow(&call) == X86_FLOW_SYSCALL;
}

static void mark_function(struct blocks *blocks, const struct objects_function *function)
{
	uint64_t end = function->end < blocks->end ? function->end : blocks->end;

	if (!is_in(blocks, function->start) || function->guessed_end ||
	    is_linkage(blocks, function) || is_sigreturn(blocks, function->start))
		return;
	for (uint64_t at = function->start; at < end; at++)
		*mark_at(blocks, at) |= OF_FUNCTION;
	*mark_at(blocks, function->start) |= LEADER | ENTRY;
}

/* A restartable sequence would be aborted by a trap. */
static void leave_out_rseq(struct blocks *blocks)
{
	const struct objects_object *object = blocks->object;

	for (size_t i = 0; i < object->rseq_count; i++)
		for (uint64_t at = object->rseq[i][0]; at < object->rseq[i][1]; at++)
			if (is_in(blocks, at))
				*mark_at(blocks, at) &= (uint8_t)~OF_FUNCTION;
}

/* ---- roads --------------------------------------------------------------------------------- */

static void add_road(struct blocks *blocks, uint64_t address)
{
	if (!is_of_function(blocks, address))
		return;
	*mark_at(blocks, address) |= LEADER;
	if (*mark_at(blocks, address) & BEGINS)
		return;
	if (blocks->road_count == blocks->road_room) {
		size_t room = blocks->road_room ? 2 * blocks->road_room : 4096;
		uint64_t *grown = reallocarray(blocks->roads, room, sizeof(*grown));

		if (!grown) {
			blocks->failed = true;
			return;
		}
		blocks->roads = grown;
		blocks->road_room = room;
	}
	blocks->roads[blocks->road_count++] = address;
}

/* All of its bytes, if none of them is known as something else. */
static bool take(const struct blocks *blocks, const struct x86_insn *insn)
{
	for (uint64_t at = insn->address; at < x86_insn_end(insn); at++)
		if (!is_of_function(blocks, at) || *mark_at(blocks, at) & (BEGINS | INSIDE))
			return false;
	*mark_at(blocks, insn->address) |= BEGINS;
	for (uint64_t at = insn->address + 1; at < x86_insn_end(insn); at++)
		*mark_at(blocks, at) |= INSIDE;
	return true;
}

/* ---- jump tables --------------------------------------------------------------------------- */

/* What a road has passed last: list[count % RECENT] is the next one. */
struct recent {
	struct x86_insn list[RECENT];
	size_t count;
};

static const struct x86_insn *recent_at(const struct recent *recent, size_t back)
{
	if (back >= RECENT || back >= recent->count)
		return NULL;
	return &recent->list[(recent->count - 1 - back) % RECENT];
}

static unsigned int reg_of(const struct x86_insn *insn)
{
	return (insn->modrm >> 3 & 7) | (insn->rex & X86_REX_R ? 8 : 0);
}

static unsigned int base_of(const struct x86_insn *insn)
{
	return (insn->sib & 7) | (insn->rex & X86_REX_B ? 8 : 0);
}

/* movslq (base, index, 4), reg: the entry of a table of distances from the table. */
static const struct x86_insn *find_entry(const struct recent *recent, size_t *at)
{
	const struct x86_insn *insn;

	for (; (insn = recent_at(recent, *at)); ++*at)
		if (insn->map == X86_MAP_1B && insn->opcode == 0x63 && insn->sib_offset &&
		    insn->modrm < 0x40 && insn->sib >> 6 == 2)
			return insn;
	return NULL;
}

/* lea table(%rip), base */
static uint64_t find_base(const struct recent *recent, size_t at, unsigned int base)
{
	const struct x86_insn *insn;

	for (; (insn = recent_at(recent, at)); at++)
		if (insn->map == X86_MAP_1B && insn->opcode == 0x8d &&
		    x86_insn_is_rip_relative(insn) && reg_of(insn) == base)
			return x86_insn_end(insn) + (uint64_t)insn->disp;
	return 0;
}

/* cmp $last, ...; ja elsewhere. 0: it is not known. */
static uint64_t find_count(const struct recent *recent, size_t at)
{
	const struct x86_insn *jump, *insn;

	for (; (jump = recent_at(recent, at)); at++)
		if (x86_insn_flow(jump) == X86_FLOW_JCC && (jump->opcode & 0xf) == 0x7)
			break;
	insn = recent_at(recent, at + 1);
	if (!jump || !insn || insn->map != X86_MAP_1B)
		return 0;
	if (insn->opcode == 0x3c || insn->opcode == 0x3d ||
	    ((insn->opcode & 0xfc) == 0x80 && (insn->modrm >> 3 & 7) == 7))
		return insn->imm >= 0 && insn->imm < ENTRIES_MAX ? (uint64_t)insn->imm + 1 : 0;
	return 0;
}

static bool read_entry(const struct blocks *blocks, uint64_t table, uint64_t i, uint64_t *ret)
{
	uint64_t at = table + i * sizeof(int32_t);
	int32_t distance;

	if (at < blocks->object->start || at + sizeof(distance) > blocks->object->end)
		return false;
	memcpy(&distance, (const void *)at, sizeof(distance));
	*ret = table + (uint64_t)(int64_t)distance;
	return is_of_function(blocks, *ret) && !(*mark_at(blocks, *ret) & INSIDE);
}

/* Is it a table of places in functions, each of them? */
static bool is_table(const struct blocks *blocks, uint64_t table, uint64_t count)
{
	uint64_t to;

	for (uint64_t i = 0; i < count; i++)
		if (!read_entry(blocks, table, i, &to))
			return false;
	return true;
}

/* False: nobody knows where the jump that was passed last leads to. */
static bool read_table(struct blocks *blocks, const struct recent *recent)
{
	size_t at = 1;
	const struct x86_insn *entry = find_entry(recent, &at);
	uint64_t table = entry ? find_base(recent, at + 1, base_of(entry)) : 0;
	uint64_t count = table ? find_count(recent, at + 1) : 0, to;

	if (!count || !is_table(blocks, table, count))
		return false;
	for (uint64_t i = 0; i < count; i++)
		if (read_entry(blocks, table, i, &to))
			add_road(blocks, to);
	return true;
}

/* ---- to follow a road ---------------------------------------------------------------------- */

/* Does the road go on behind it? */
static bool goes_on(struct blocks *blocks, const struct x86_insn *insn, const struct recent *recent)
{
	switch (x86_insn_flow(insn)) {
	case X86_FLOW_NONE:
	case X86_FLOW_SYSCALL:
	case X86_FLOW_CALL_IND:
		return true;
	case X86_FLOW_CALL:
		add_road(blocks, x86_insn_target(insn));
		return true;
	case X86_FLOW_JCC:
		add_road(blocks, x86_insn_target(insn));
		if (is_of_function(blocks, x86_insn_end(insn)))
			*mark_at(blocks, x86_insn_end(insn)) |= LEADER;
		return true;
	case X86_FLOW_JMP:
		add_road(blocks, x86_insn_target(insn));
		return false;
	case X86_FLOW_JMP_IND:
		if (!read_table(blocks, recent))
			*mark_at(blocks, insn->address) |= UNKNOWN;
		return false;
	default:
		return false;
	}
}

static void follow(struct blocks *blocks, uint64_t at)
{
	struct recent recent = {.count = 0};

	for (;;) {
		struct x86_insn *insn = &recent.list[recent.count % RECENT];

		if (!is_of_function(blocks, at) || !decode(blocks, at, insn) || !take(blocks, insn))
			return;
		recent.count++;
		if (!goes_on(blocks, insn, &recent))
			return;
		at = x86_insn_end(insn);
	}
}

static void follow_all(struct blocks *blocks)
{
	while (blocks->road_count)
		follow(blocks, blocks->roads[--blocks->road_count]);
}

/* ---- what no road leads to ----------------------------------------------------------------- */

static bool is_padding(const struct x86_insn *insn)
{
	if (insn->encoding != X86_LEGACY)
		return false;
	if (insn->map == X86_MAP_0F)
		return insn->opcode == 0x1f;
	return insn->map == X86_MAP_1B &&
	       (insn->opcode == 0xcc || (insn->opcode == 0x90 && !(insn->rex & X86_REX_B)));
}

static bool has_unknown_jump(const struct blocks *blocks, const struct objects_function *function)
{
	for (uint64_t at = function->start; at < function->end && at < blocks->end; at++)
		if (*mark_at(blocks, at) & UNKNOWN)
			return true;
	return false;
}

static void fill_gap(struct blocks *blocks, uint64_t at)
{
	struct x86_insn insn;

	if (!decode(blocks, at, &insn))
		return;
	if (is_padding(&insn) && take(blocks, &insn)) {
		*mark_at(blocks, at) |= PADDING;
		return;
	}
	add_road(blocks, at);
	follow_all(blocks);
}

static void fill_gaps(struct blocks *blocks, const struct objects_function *function)
{
	if (function->guessed_end || !is_of_function(blocks, function->start) ||
	    !has_unknown_jump(blocks, function))
		return;
	for (uint64_t at = function->start; at < function->end && at < blocks->end; at++)
		if (!(*mark_at(blocks, at) & (BEGINS | INSIDE)) && is_of_function(blocks, at))
			fill_gap(blocks, at);
}

/* ---- all of it ----------------------------------------------------------------------------- */

/* From the first executable segment to the last. */
static bool find_code(const struct objects_object *object, uint64_t *ret_start, uint64_t *ret_end)
{
	*ret_start = UINT64_MAX;
	*ret_end = 0;
	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];
		uint64_t start = object->base + phdr->p_vaddr;

		if (phdr->p_type != PT_LOAD || !(phdr->p_flags & PF_X))
			continue;
		*ret_start = start < *ret_start ? start : *ret_start;
		if (start + phdr->p_filesz > *ret_end)
			*ret_end = start + phdr->p_filesz;
	}
	return *ret_start >= object->start && *ret_start < *ret_end && *ret_end <= object->end &&
	       *ret_end - *ret_start <= CODE_MAX;
}

static void find_all(struct blocks *blocks)
{
	const struct objects_object *object = blocks->object;

	for (size_t i = 0; i < object->function_count; i++)
		mark_function(blocks, &object->functions[i]);
	leave_out_rseq(blocks);
	for (size_t i = 0; i < object->function_count; i++) {
		add_road(blocks, object->functions[i].start);
		follow_all(blocks);
	}
	for (size_t i = 0; i < object->function_count; i++)
		fill_gaps(blocks, &object->functions[i]);
}

int blocks_find(struct objects_object *object, struct blocks **ret)
{
	struct blocks *blocks = calloc(1, sizeof(*blocks));
	int error = blocks ? objects_read_functions(object) : -EP_NO_MEMORY;

	if (!error) {
		blocks->object = object;
		if (!find_code(object, &blocks->start, &blocks->end))
			blocks->start = blocks->end = 0;
		blocks->marks = calloc(blocks->end - blocks->start + 1, 1);
		error = blocks->marks ? 0 : -EP_NO_MEMORY;
	}
	if (!error) {
		find_all(blocks);
		error = blocks->failed ? -EP_NO_MEMORY : 0;
	}
	if (error)
		blocks_free(blocks);
	else
		*ret = blocks;
	return error;
}

void blocks_free(struct blocks *blocks)
{
	if (!blocks)
		return;
	free(blocks->marks);
	free(blocks->roads);
	free(blocks);
}

/* ---- what has been found ------------------------------------------------------------------- */

static bool begins_block(const struct blocks *blocks, uint64_t address)
{
	return (*mark_at(blocks, address) & (BEGINS | LEADER)) == (BEGINS | LEADER);
}

/* Where what is known as code, from @address on, ends, or another block begins. */
static uint64_t end_of(const struct blocks *blocks, uint64_t address)
{
	do
		address++;
	while (address < blocks->end && !begins_block(blocks, address) &&
	       (*mark_at(blocks, address) & (BEGINS | INSIDE)) &&
	       !(*mark_at(blocks, address) & PADDING));
	return address;
}

static const struct objects_function *function_of(const struct blocks *blocks, uint64_t address)
{
	const struct objects_object *object = blocks->object;
	const struct objects_function *best = objects_function_at(blocks->object, address);
	size_t i = best ? objects_count_up_to(object, best->start) : 0;

	while (i-- > 0 && object->functions[i].start == best->start)
		if (object->functions[i].name && (!best->name || best->weak))
			best = &object->functions[i];
	return best;
}

bool blocks_next(const struct blocks *blocks, uint64_t address, struct block *ret)
{
	uint64_t at = address < blocks->start ? blocks->start : address + 1;

	while (at < blocks->end && !begins_block(blocks, at))
		at++;
	if (at >= blocks->end)
		return false;
	*ret = (struct block){
		.start = at,
		.end = end_of(blocks, at),
		.is_entry = *mark_at(blocks, at) & ENTRY,
		.of = function_of(blocks, at),
	};
	return true;
}

void blocks_sizes(const struct blocks *blocks, uint64_t *ret_bytes, uint64_t *ret_unknown)
{
	*ret_bytes = *ret_unknown = 0;
	for (uint64_t at = blocks->start; at < blocks->end; at++) {
		*ret_bytes += (*mark_at(blocks, at) & OF_FUNCTION) != 0;
		*ret_unknown +=
			(*mark_at(blocks, at) & (OF_FUNCTION | BEGINS | INSIDE)) == OF_FUNCTION;
	}
}
