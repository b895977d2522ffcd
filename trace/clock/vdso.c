/* SPDX-License-Identifier: MIT */
/*
 * Where time may not be read from the time stamp counter, the kernel's own function knows how to
 * make it without a system call. It is called on a hit, with no vector register saved and on the
 * program's stack: kernels are built so that this does no harm, but that is looked at, not
 * believed. All instructions that can be reached are decoded. The stack pointer is followed through
 * constants and RBP as a frame pointer, and must be the same wherever two roads meet, and at each
 * ret what it was at the call: so its greatest depth is known. What may set it otherwise is
 * refused.
 */
#include "trace/clock/vdso.h"

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>

#include "x86/insn.h"
#include "x86/vector.h"

#define INSNS_MAX   512 /* of one function */
#define ROADS_MAX   64
#define NESTING_MAX 3 /* calls */
#define STACK_STEP  4096
#define RED_ZONE    128u

/* ---- symbols --------------------------------------------------------------------------------- */

struct image {
	uint64_t base, start, end; /* to be added to addresses; the code */
	const ElfW(Sym) * symbols;
	const char *strings;
	const uint32_t *hash; /* DT_HASH: its second word is the number of symbols */
	const uint32_t *gnu_hash;
};

static void read_segments(struct image *image, const ElfW(Ehdr) * header, const ElfW(Dyn) * *ret)
{
	const ElfW(Phdr) *phdr = (const void *)((const char *)header + header->e_phoff);

	for (int i = 0; i < header->e_phnum; i++) {
		if (phdr[i].p_type == PT_LOAD) {
			image->base = (uint64_t)header + phdr[i].p_offset - phdr[i].p_vaddr;
			image->start = (uint64_t)header;
			image->end = (uint64_t)header + phdr[i].p_memsz;
		}
		if (phdr[i].p_type == PT_DYNAMIC)
			*ret = (const void *)((const char *)header + phdr[i].p_offset);
	}
}

static bool read_image(struct image *image)
{
	const ElfW(Ehdr) *header = (const void *)getauxval(AT_SYSINFO_EHDR);
	const ElfW(Dyn) *dynamic = NULL;

	*image = (struct image){0};
	if (!header)
		return false;
	read_segments(image, header, &dynamic);
	for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
		const void *at = (const void *)(image->base + dynamic->d_un.d_ptr);

		if (dynamic->d_tag == DT_SYMTAB)
			image->symbols = at;
		else if (dynamic->d_tag == DT_STRTAB)
			image->strings = at;
		else if (dynamic->d_tag == DT_HASH)
			image->hash = at;
		else if (dynamic->d_tag == DT_GNU_HASH)
			image->gnu_hash = at;
	}
	return image->symbols && image->strings && (image->hash || image->gnu_hash);
}

/* The last symbol of the last chain; newer kernels have this table only. */
static uint32_t count_by_gnu_hash(const uint32_t *table)
{
	uint32_t buckets = table[0], first = table[1], words = table[2], last = 0;
	const uint32_t *bucket = table + 4 + 2 * words, *chain = bucket + buckets;

	for (uint32_t i = 0; i < buckets; i++)
		if (bucket[i] > last)
			last = bucket[i];
	if (last < first)
		return first;
	while (!(chain[last - first] & 1))
		last++;
	return last + 1;
}

static uint64_t find_symbol(const struct image *image, const char *name)
{
	uint32_t count = image->hash ? image->hash[1] : count_by_gnu_hash(image->gnu_hash);

	for (uint32_t i = 0; i < count; i++)
		if (image->symbols[i].st_value &&
		    strcmp(image->strings + image->symbols[i].st_name, name) == 0)
			return image->base + image->symbols[i].st_value;
	return 0;
}

/* ---- what it does ---------------------------------------------------------------------------- */

enum { RSP = 4, RBP = 5, UNKNOWN = -1 };

/* An address in a function, and how far the stack has grown since that was called, in bytes. */
struct point {
	uint64_t address;
	int depth;
	int frame; /* depth that RBP holds; UNKNOWN: none */
};

struct walk {
	uint64_t start, end;
	struct point seen[INSNS_MAX], roads[ROADS_MAX];
	size_t seen_count, road_count;
	int nesting, deepest;
};

static bool check_function(uint64_t start, uint64_t end, uint64_t function, int nesting,
			   int *ret_deepest);

static const struct point *find_seen(const struct walk *walk, uint64_t address)
{
	for (size_t i = 0; i < walk->seen_count; i++)
		if (walk->seen[i].address == address)
			return &walk->seen[i];
	return NULL;
}

static bool add_road(struct walk *walk, uint64_t address, const struct point *from)
{
	if (walk->road_count == ROADS_MAX)
		return false;
	walk->roads[walk->road_count++] = (struct point){address, from->depth, from->frame};
	return true;
}

static bool is(const struct x86_insn *insn, uint8_t opcode, uint8_t modrm)
{
	return insn->map == X86_MAP_1B && insn->opcode == opcode && insn->modrm == modrm &&
	       insn->rex == (0x40 | X86_REX_W);
}

/* Does ModRM.reg say what is done, and no register? */
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

/* Might the register be an operand? Asked of any instruction, so sometimes for nothing. */
static bool may_name(const struct x86_insn *insn, unsigned int number)
{
	bool by_opcode = insn->map == X86_MAP_1B
				 ? (insn->opcode & 0xf8) == 0x50 || (insn->opcode & 0xf8) == 0x58 ||
					   (insn->opcode & 0xf8) == 0x90 ||
					   (insn->opcode & 0xf0) == 0xb0
				 : (insn->opcode & 0xf8) == 0xc8;

	if (!insn->modrm_offset)
		return by_opcode && (insn->opcode & 7) == number && !(insn->rex & X86_REX_B);
	return (insn->modrm >= 0xc0 && (insn->modrm & 7) == number && !(insn->rex & X86_REX_B)) ||
	       (!is_group(insn) && (insn->modrm >> 3 & 7) == number && !(insn->rex & X86_REX_R));
}

/* sub, add or and of a constant; 81 and 83 only. */
static bool adjust(const struct x86_insn *insn, struct point *at, bool *ret_ok)
{
	unsigned int digit = insn->modrm >> 3 & 7;

	if (insn->map != X86_MAP_1B || (insn->opcode != 0x81 && insn->opcode != 0x83) ||
	    insn->modrm < 0xc0 || (insn->modrm & 7) != RSP || insn->rex != (0x40 | X86_REX_W))
		return false;
	*ret_ok = insn->imm >= -STACK_STEP && insn->imm <= STACK_STEP &&
		  (digit == 5 || digit == 0 || (digit == 4 && insn->imm < 0));
	at->depth += (int)(digit == 0 || digit == 4 ? -insn->imm : insn->imm);
	return true;
}

/* lea of RBP or RSP and a constant into RSP. */
static bool load_address(const struct x86_insn *insn, struct point *at, bool *ret_ok)
{
	bool of_frame = (insn->modrm & 7) == RBP, of_stack = insn->sib_offset && insn->sib == 0x24;

	if (insn->map != X86_MAP_1B || insn->opcode != 0x8d || (insn->modrm >> 3 & 7) != RSP ||
	    insn->rex != (0x40 | X86_REX_W) || insn->modrm < 0x40 || insn->modrm >= 0xc0)
		return false;
	*ret_ok = (of_frame ? at->frame != UNKNOWN : of_stack) && insn->disp >= -STACK_STEP &&
		  insn->disp <= STACK_STEP;
	at->depth = (of_frame ? at->frame : at->depth) - (int)insn->disp;
	return true;
}

static bool push_or_pop(const struct x86_insn *insn, struct point *at, bool *ret_ok)
{
	uint8_t opcode = insn->opcode;

	if (insn->map != X86_MAP_1B)
		return false;
	if ((opcode & 0xf0) == 0x50) {
		at->depth += opcode & 8 ? -8 : 8;
		*ret_ok = !may_name(insn, RSP) && !(insn->prefixes & X86_PREFIX_66);
		if (opcode & 8 && may_name(insn, RBP))
			at->frame = UNKNOWN;
		return true;
	}
	if (opcode == 0xc9) { /* leave */
		*ret_ok = at->frame != UNKNOWN;
		at->depth = at->frame - 8;
		at->frame = UNKNOWN;
		return true;
	}
	/* pushes of other kinds, pop m, popf, ret imm16, enter: no kernel has needed them. */
	*ret_ok = false;
	return opcode == 0x68 || opcode == 0x6a || opcode == 0x8f || opcode == 0x9c ||
	       opcode == 0x9d || opcode == 0xc2 || opcode == 0xc8 ||
	       (opcode == 0xff && (insn->modrm >> 3 & 7) == 6);
}

/* What it does to the stack pointer. False: nobody knows. */
static bool follow_stack(const struct x86_insn *insn, struct point *at)
{
	bool ok = true;

	if (is(insn, 0x89, 0xe5) || is(insn, 0x8b, 0xec)) { /* mov rbp, rsp */
		at->frame = at->depth;
	} else if (is(insn, 0x89, 0xec) || is(insn, 0x8b, 0xe5)) { /* mov rsp, rbp */
		ok = at->frame != UNKNOWN;
		at->depth = at->frame;
	} else if (!adjust(insn, at, &ok) && !load_address(insn, at, &ok) &&
		   !push_or_pop(insn, at, &ok)) {
		ok = !may_name(insn, RSP) || x86_insn_flow(insn) != X86_FLOW_NONE;
		if (may_name(insn, RBP))
			at->frame = UNKNOWN;
	}
	return ok && at->depth >= 0;
}

static bool follow_call(struct walk *walk, uint64_t target, const struct point *at)
{
	int deepest;

	if (!check_function(walk->start, walk->end, target, walk->nesting + 1, &deepest))
		return false;
	if (at->depth + 8 + deepest > walk->deepest)
		walk->deepest = at->depth + 8 + deepest;
	return true;
}

/* @ret_on: does it go on behind the instruction? */
static bool add_branches(struct walk *walk, const struct x86_insn *insn, const struct point *at,
			 bool *ret_on)
{
	*ret_on = true;
	switch (x86_insn_flow(insn)) {
	case X86_FLOW_NONE:
	case X86_FLOW_SYSCALL: /* for clocks that the vDSO does not know */
		return true;
	case X86_FLOW_JCC:
		return add_road(walk, x86_insn_target(insn), at);
	case X86_FLOW_CALL:
		return follow_call(walk, x86_insn_target(insn), at);
	case X86_FLOW_JMP:
		*ret_on = false;
		return add_road(walk, x86_insn_target(insn), at);
	case X86_FLOW_RET:
		*ret_on = false;
		return at->depth == 0;
	default:
		return false;
	}
}

/*
 * An instruction that is reached twice must be reached with the same stack: so no loop lets it
 * grow.
 */
static bool follow(struct walk *walk, struct point at)
{
	bool goes_on = true;

	while (goes_on) {
		const struct point *seen = find_seen(walk, at.address);
		struct x86_insn insn;

		if (seen)
			return seen->depth == at.depth && seen->frame == at.frame;
		if (at.address < walk->start || at.address >= walk->end ||
		    walk->seen_count == INSNS_MAX)
			return false;
		if (x86_decode((const uint8_t *)at.address, walk->end - at.address, at.address,
			       &insn) ||
		    !x86_insn_is_general(&insn))
			return false;
		walk->seen[walk->seen_count++] = at;
		if (!follow_stack(&insn, &at) || !add_branches(walk, &insn, &at, &goes_on))
			return false;
		if (at.depth > walk->deepest)
			walk->deepest = at.depth;
		at.address = x86_insn_end(&insn);
	}
	return true;
}

static bool check_function(uint64_t start, uint64_t end, uint64_t function, int nesting,
			   int *ret_deepest)
{
	struct walk walk = {.start = start, .end = end, .nesting = nesting};
	const struct point entry = {function, 0, UNKNOWN};

	if (nesting > NESTING_MAX || !add_road(&walk, function, &entry))
		return false;
	while (walk.road_count)
		if (!follow(&walk, walk.roads[--walk.road_count]))
			return false;
	*ret_deepest = walk.deepest;
	return true;
}

bool trace_vdso_check(uint64_t start, uint64_t end, uint64_t function, unsigned int *ret_stack)
{
	int deepest;

	if (!check_function(start, end, function, 0, &deepest) ||
	    deepest > (int)(TRACE_VDSO_STACK_MAX - RED_ZONE - 8))
		return false;
	*ret_stack = (unsigned int)deepest + 8 + RED_ZONE;
	return true;
}

uint64_t trace_vdso_find(const char *name, unsigned int *ret_stack)
{
	struct image image;
	uint64_t address = read_image(&image) ? find_symbol(&image, name) : 0;
	unsigned int stack;

	if (!address || !trace_vdso_check(image.start, image.end, address, &stack))
		return 0;
	if (ret_stack)
		*ret_stack = stack;
	return address;
}
