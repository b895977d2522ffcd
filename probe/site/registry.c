/* SPDX-License-Identifier: MIT */
/*
 * A trap finds its site here. Sites are malloc()ed, and so is the table: a leak checker finds them
 * through it.
 */
#include "probe/site/registry.h"

#include <stdlib.h>
#include <string.h>

#include "probe/image/original.h"
#include "sys/abi.h"
#include "sys/copy.h"
#include "sys/memory.h"
#include "sys/table.h"
#include "x86/encode.h"

static void *zeroed(size_t size)
{
	return calloc(1, size);
}

static struct sys_table sites = {.alloc = zeroed}; /* by address */

/*
 * Most addresses that are asked for have no site: each byte of text that looks like a jump is one.
 * A bit for each address that was ever added tells that from 8 KiB, which stay in the cache, where
 * the table is a hundred times as large. When there are so many that most bits are set, only the
 * bit has been looked at in vain.
 */
#define FILTER_BITS 16

static _Atomic uint64_t filter[(1u << FILTER_BITS) / 64];

EP_TRAP_PATH static inline uint64_t filter_bit(uint64_t address)
{
	return sys_table_hash(address) >> (32 - FILTER_BITS);
}

EP_TRAP_PATH static inline bool may_be_there(uint64_t address)
{
	uint64_t bit = filter_bit(address);

	return atomic_load_explicit(&filter[bit / 64], memory_order_relaxed) >> (bit % 64) & 1;
}

static void note_in_filter(uint64_t address)
{
	uint64_t bit = filter_bit(address);

	atomic_fetch_or(&filter[bit / 64], (uint64_t)1 << (bit % 64));
}

EP_TRAP_PATH struct probe_site *registry_find(uint64_t address)
{
	return may_be_there(address) ? (struct probe_site *)sys_table_find(&sites, address) : NULL;
}

int registry_insert(struct probe_site *site)
{
	int error;

	note_in_filter(site->address);
	error = sys_table_put(&sites, site->address, (uint64_t)site);

	if (!error)
		original_set_reader(registry_read_original);
	return error;
}

EP_TRAP_PATH uint64_t registry_find_boundary(uint64_t address, bool *ret_late)
{
	*ret_late = false;
	for (uint64_t k = 1; k < XOL_JUMP_SIZE; k++) {
		struct probe_site *site = registry_find(address - k);
		const struct probe_jump *jump;
		uint64_t entry;

		if (!site)
			continue;
		jump = atomic_load_explicit(&site->jump, memory_order_acquire);
		entry = jump ? xol_jump_entry(&jump->jump, address) : 0;
		if (entry)
			return entry;
		jump = atomic_load_explicit(&site->jumps, memory_order_acquire);
		for (; jump; jump = jump->next)
			*ret_late |= xol_jump_entry(&jump->jump, address) != 0;
	}
	return 0;
}

struct probe_site *registry_find_cover(uint64_t address)
{
	for (uint64_t k = 1; k < XOL_JUMP_SIZE; k++) {
		struct probe_site *site = registry_find(address - k);

		if (site && atomic_load(&site->jump) && registry_stands(site))
			return site;
	}
	return NULL;
}

EP_TRAP_PATH bool registry_stands(const struct probe_site *site)
{
	const struct probe_jump *jump = atomic_load_explicit(&site->jump, memory_order_acquire);
	uint8_t bytes[XOL_JUMP_SIZE];

	if (!site_is_armed(site) ||
	    !sys_read_memory(bytes, site->address, jump ? sizeof(bytes) : 1))
		return false;
	if (bytes[0] == X86_INT3)
		return true;
	if (!jump)
		return false;
	for (int i = 0; i < XOL_JUMP_SIZE; i++)
		if (bytes[i] != jump->jump.bytes[i])
			return false;
	return true;
}

/* Put the original bytes of the site at @at, if there is one, over the part of @ret it is in. */
static void overlay(uint64_t at, uint64_t address, uint8_t *ret, size_t size)
{
	struct probe_site *site = registry_find(at);
	const struct probe_jump *jump;
	const uint8_t *bytes;
	size_t count;

	if (!site || !registry_stands(site))
		return;
	jump = atomic_load(&site->jump);
	bytes = jump ? jump->original : site->insn.bytes;
	count = jump ? XOL_JUMP_SIZE : 1;
	for (size_t i = 0; i < count; i++)
		if (at + i >= address && at + i < address + size)
			ret[at + i - address] = bytes[i];
}

/* Does one of the eight bytes have the value of @pattern's? May say yes too often, never too
 * seldom. */
static bool has_byte(uint64_t bytes, uint64_t pattern)
{
	const uint64_t ones = 0x0101010101010101;

	bytes ^= pattern;
	return (bytes - ones) & ~bytes & (ones << 7);
}

static bool may_be_ours(uint64_t bytes)
{
	const uint64_t all_but_lowest = 0xfefefefefefefefe; /* a call is E8, a jump E9 */

	return has_byte(bytes, 0xcccccccccccccccc) ||
	       has_byte(bytes & all_but_lowest, 0xe8e8e8e8e8e8e8e8);
}

/* What stands there, @byte, tells where a site may be: an int3, a jump or a call. */
static void overlay_if_changed(uint8_t byte, uint64_t at, uint64_t address, uint8_t *ret,
			       size_t size)
{
	if (byte == X86_INT3 || byte == X86_JMP_REL32 || byte == X86_CALL_REL32)
		overlay(at, address, ret, size);
}

/* Jumps that begin below @address reach into it. */
static void overlay_from_below(uint64_t address, uint8_t *ret, size_t size)
{
	enum { BELOW = XOL_JUMP_SIZE - 1 };
	uint8_t bytes[BELOW] = {X86_INT3, X86_INT3, X86_INT3, X86_INT3};
	uint32_t all;

	/* On another page it may be that they cannot be read: then whatever is known is asked. */
	if ((address & (SYS_PAGE_SIZE - 1)) >= BELOW) {
		if (!sys_load_uint32_t(address - BELOW, &all) || !may_be_ours(all))
			return;
		memcpy(bytes, &all, sizeof(bytes));
	}
	for (uint64_t i = 0; i < BELOW; i++)
		overlay_if_changed(bytes[i], address - BELOW + i, address, ret, size);
}

/* Sites in eight bytes, from offset @i on. */
static void overlay_word(size_t i, uint64_t address, uint8_t *ret, size_t size)
{
	uint64_t bytes;

	memcpy(&bytes, ret + i, sizeof(bytes));
	if (!may_be_ours(bytes))
		return;
	for (size_t j = 0; j < sizeof(bytes); j++)
		overlay_if_changed(((uint8_t *)&bytes)[j], address + i + j, address, ret, size);
}

bool registry_read_original(uint64_t address, uint8_t *ret, size_t size)
{
	size_t i = 0;

	/* Generated code may vanish at any moment, and so may that of a file. */
	if (!sys_copy_all(address, ret, size))
		return false;
	overlay_from_below(address, ret, size);
	for (; i + sizeof(uint64_t) <= size; i += sizeof(uint64_t))
		overlay_word(i, address, ret, size);
	if (i < size && size > sizeof(uint64_t)) { /* some of them twice, which changes nothing */
		overlay_word(size - sizeof(uint64_t), address, ret, size);
		return true;
	}
	for (; i < size; i++)
		overlay_if_changed(ret[i], address + i, address, ret, size);
	return true;
}

EP_TRAP_PATH void registry_each(void (*visit)(struct probe_site *site, void *data), void *data)
{
	struct sys_table_walk walk = sys_table_begin(&sites);
	struct probe_site *site;

	while ((site = (struct probe_site *)sys_table_next(&walk)))
		visit(site, data);
}
