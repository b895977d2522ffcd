// SPDX-License-Identifier: MIT
/*
 * Where time may not be read from the time stamp counter, the kernel's own function knows how to
 * make it without a system call. It is called on a hit, with no vector register saved and on the
 * program's stack: kernels are built so that this does no harm, but that is looked at, not
 * believed. All instructions that can be reached are decoded; each that moves the stack pointer
 * down is taken to be executed once in one go, so that the sum is a bound of the stack.
 */
#include "trace/vdso.h"

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>

#include "x86/insn.h"
#include "x86/vector.h"

#define INSNS_MAX 1024
#define ROADS_MAX 64
#define RED_ZONE  128u
#define ALIGNMENT 64u /* what `and $-N, %rsp` may cost */

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

enum { RSP = 4 };

struct walk {
	const struct image *image;
	uint64_t seen[INSNS_MAX], roads[ROADS_MAX];
	size_t seen_count, road_count;
	uint64_t stack;
};

static bool is_seen(const struct walk *walk, uint64_t address)
{
	for (size_t i = 0; i < walk->seen_count; i++)
		if (walk->seen[i] == address)
			return true;
	return false;
}

static bool add_road(struct walk *walk, uint64_t address)
{
	if (walk->road_count == ROADS_MAX)
		return false;
	walk->roads[walk->road_count++] = address;
	return true;
}

/* An ALU instruction with an immediate, on RSP: 81 or 83, and its digit. */
static bool is_on_rsp(const struct x86_insn *insn, unsigned int digit)
{
	return insn->map == X86_MAP_1B && (insn->opcode == 0x81 || insn->opcode == 0x83) &&
	       insn->modrm == (0xc0 | digit << 3 | RSP) && !(insn->rex & X86_REX_B);
}

/* How far it can move the stack pointer down. False: nobody knows. */
static bool add_stack(struct walk *walk, const struct x86_insn *insn)
{
	if (insn->map != X86_MAP_1B)
		return true;
	if (is_on_rsp(insn, 5)) /* sub */
		walk->stack += insn->imm > 0 ? (uint64_t)insn->imm : 0;
	else if (is_on_rsp(insn, 0)) /* add */
		walk->stack += insn->imm < 0 ? (uint64_t)-insn->imm : 0;
	else if (is_on_rsp(insn, 4)) /* and */
		walk->stack += ALIGNMENT;
	else if ((insn->opcode & 0xf8) == 0x50 || insn->opcode == 0xe8 || insn->opcode == 0x68 ||
		 insn->opcode == 0x6a || insn->opcode == 0x9c)
		walk->stack += 8;      /* push, call, pushf */
	else if (insn->opcode == 0xc8) /* enter */
		return false;
	return true;
}

/* @ret_on: does it go on behind the instruction? */
static bool add_branches(struct walk *walk, const struct x86_insn *insn, bool *ret_on)
{
	*ret_on = true;
	switch (x86_insn_flow(insn)) {
	case X86_FLOW_NONE:
	case X86_FLOW_SYSCALL: /* for clocks that the vDSO does not know */
		return true;
	case X86_FLOW_JCC:
	case X86_FLOW_CALL:
		return add_road(walk, x86_insn_target(insn));
	case X86_FLOW_JMP:
		*ret_on = false;
		return add_road(walk, x86_insn_target(insn));
	case X86_FLOW_RET:
		*ret_on = false;
		return true;
	default:
		return false;
	}
}

static bool follow(struct walk *walk, uint64_t at)
{
	bool goes_on = true;

	while (goes_on && !is_seen(walk, at)) {
		struct x86_insn insn;

		if (at < walk->image->start || at >= walk->image->end ||
		    walk->seen_count == INSNS_MAX)
			return false;
		if (x86_decode((const uint8_t *)at, walk->image->end - at, at, &insn) ||
		    !x86_insn_is_general(&insn))
			return false;
		walk->seen[walk->seen_count++] = at;
		if (!add_stack(walk, &insn) || !add_branches(walk, &insn, &goes_on))
			return false;
		at = x86_insn_end(&insn);
	}
	return true;
}

uint64_t trace_vdso_find(const char *name, unsigned int *ret_stack)
{
	struct image image;
	struct walk walk = {.image = &image, .stack = 8 + RED_ZONE};
	uint64_t address = read_image(&image) ? find_symbol(&image, name) : 0;

	if (!address || !add_road(&walk, address))
		return 0;
	while (walk.road_count)
		if (!follow(&walk, walk.roads[--walk.road_count]))
			return 0;
	if (walk.stack > TRACE_VDSO_STACK_MAX)
		return 0;
	if (ret_stack)
		*ret_stack = (unsigned int)walk.stack;
	return address;
}
