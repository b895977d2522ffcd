/* SPDX-License-Identifier: MIT */
/*
 * What leads from a function to its caller depends on the instruction, and an FDE says it in a program of
 * its own (rules.c): to run that takes some hundred nanoseconds. But a program returns to few addresses,
 * and to these again and again. So what was worked out for an address is kept, as one word, in a table of a
 * fixed size, in which a newer address takes the place of an older one:
 *
 *	address -> row:  CFA = RSP + 48, RBP is saved at CFA - 16
 *
 * Two words make an entry, and threads write it at once: the key is mixed with the row, so that halves
 * of two entries are an entry for no address. The version of what is loaded is in the key, too: after a
 * dlopen() or dlclose() nothing is found any more.
 *
 * Rows know RSP, RBP and RIP. Where CFA is computed from another register (the loader's resolver, some
 * functions in assembly), all registers are followed from the beginning, and nothing is kept.
 *
 * Where no FDE is, a frame pointer may be. What it leads to is believed only if a call stands in front of
 * it. At the first instruction of a function there is no frame yet: the return address is on top.
 *
 * Whatever the stack holds, each step is one word of the result, and each load may fault.
 */
#include "probe/image/walk.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "fallback-xol/stub.h"
#include "probe/image/callers.h"
#include "probe/image/rules.h"
#include "sys/abi.h"
#include "sys/mapping.h"
#include "sys/memory.h"
#include "sys/table.h"

#define ENTRIES	  32768u /* a power of two; 512 KiB, of which the kernel gives what is used */
#define FRAME_MAX (64ul << 20)
#define MIXER                                                                                      \
	0xd6e8feb86659fd93u /* odd, and as many ones as zeroes: each row has its own product */

enum { WORD = sizeof(uint64_t) };

/* The kernel's signal frame, from where RSP is when the handler has returned: struct ucontext. */
#define SIGNAL_REGS(name) (40 + offsetof(struct ep_regs, name))

/* ---- rows ---------------------------------------------------------------------------------- */

/* In the lowest bits of a row. */
enum row_kind {
	ROW_NONE,
	ROW_RSP,    /* CFA = RSP + offset, RBP may be saved relative to CFA */
	ROW_RBP,    /* CFA = RBP + offset, likewise */
	ROW_LOADED, /* CFA is what lies at RBP + offset, RBP may be saved relative to itself */
	ROW_SIGNAL, /* what a signal handler returns to */
	ROW_FIRST,  /* nobody has called it */
	ROW_OTHER,  /* other registers are needed */
	ROW_UNKNOWN,
};

#define ROW_KIND       7u
#define ROW_SAVES_RBP  8u
#define ROW_OFFSET     8  /* bit from which on 32 bits are the offset */
#define ROW_PLACE      40 /* 24 bits: where RBP is saved, in words */
#define ROW_PLACE_BITS 24

EP_TRAP_PATH SYS_INLINE int64_t row_offset(uint64_t row)
{
	return (int32_t)(row >> ROW_OFFSET);
}

EP_TRAP_PATH SYS_INLINE uint64_t row_place(uint64_t row)
{
	return (uint64_t)((int64_t)row >> ROW_PLACE) * WORD;
}

EP_TRAP_PATH static bool fits_place(int64_t offset)
{
	int64_t words = offset / WORD;

	return offset % WORD == 0 && words < 1l << (ROW_PLACE_BITS - 1) &&
	       words >= -(1l << (ROW_PLACE_BITS - 1));
}

EP_TRAP_PATH static uint64_t make_row(enum row_kind kind, const struct rules *rules)
{
	const struct rules_value *rbp = &rules->rbp;
	uint64_t row = kind | (uint64_t)(uint32_t)rules->cfa.offset << ROW_OFFSET;

	if (rbp->kind == RULES_SAME || rbp->kind == RULES_UNDEFINED)
		return row;
	if (rbp->kind != RULES_LOADED || rbp->more || !fits_place(rbp->offset) ||
	    rbp->base != (kind == ROW_LOADED ? RULES_RBP : RULES_CFA))
		return ROW_OTHER;
	return row | ROW_SAVES_RBP | (uint64_t)(rbp->offset / WORD) << ROW_PLACE;
}

EP_TRAP_PATH static bool is_below_cfa(const struct rules_value *ret)
{
	return ret->kind == RULES_LOADED && ret->base == RULES_CFA && ret->offset == -WORD &&
	       !ret->more;
}

EP_TRAP_PATH static uint64_t row_of(const struct rules *rules)
{
	const struct rules_value *cfa = &rules->cfa;

	if (rules->ret.kind == RULES_UNDEFINED)
		return ROW_FIRST;
	if (cfa->kind == RULES_UNKNOWN || rules->ret.kind == RULES_UNKNOWN)
		return ROW_UNKNOWN;
	if (!is_below_cfa(&rules->ret))
		return ROW_OTHER;
	if (cfa->kind == RULES_SUM && cfa->base == RULES_RSP)
		return make_row(ROW_RSP, rules);
	if (cfa->kind == RULES_SUM && cfa->base == RULES_RBP)
		return make_row(ROW_RBP, rules);
	if (cfa->kind == RULES_LOADED && cfa->base == RULES_RBP && !cfa->more)
		return make_row(ROW_LOADED, rules);
	return ROW_OTHER;
}

/* ---- the table ----------------------------------------------------------------------------- */

struct entry {
	_Atomic uint64_t key, row;
};

static struct entry *_Atomic entries;

/* Addresses have 47 bits. */
EP_TRAP_PATH SYS_INLINE uint64_t key_of(uint64_t version, uint64_t address)
{
	return address + (version << 48);
}

EP_TRAP_PATH SYS_INLINE uint64_t mixed(uint64_t key, uint64_t row)
{
	return key ^ row * MIXER;
}

/* 0: it is not there. */
EP_TRAP_PATH SYS_INLINE uint64_t read_entry(const struct entry *entry, uint64_t key)
{
	uint64_t row = atomic_load_explicit(&entry->row, memory_order_relaxed);

	return atomic_load_explicit(&entry->key, memory_order_relaxed) == mixed(key, row) ? row : 0;
}

EP_TRAP_PATH static void write_entry(struct entry *entry, uint64_t key, uint64_t row)
{
	atomic_store_explicit(&entry->row, row, memory_order_relaxed);
	atomic_store_explicit(&entry->key, mixed(key, row), memory_order_relaxed);
}

/* Where @rip stands: in front of the instruction, or behind a call. */
struct where {
	uint64_t rip;
	bool is_return;
};

/* The call's last byte: what is behind it may be another function. */
EP_TRAP_PATH SYS_INLINE uint64_t looked_up(const struct where *where)
{
	return where->rip - where->is_return;
}

/* False: there are none; @ret->is_signal may be set. */
EP_TRAP_PATH static bool find_rules(uint64_t version, const struct where *where,
				    struct live_fde *ret_fde, struct rules *ret)
{
	uint64_t address = looked_up(where);

	ret_fde->is_signal = false;
	return callers_find(version, address, ret_fde) &&
	       (ret_fde->is_signal || rules_find(ret_fde, address, where->rip, ret));
}

/* mov $15, %rax; syscall: libraries without unwind information have it, too. */
EP_TRAP_PATH static bool is_restorer(const struct where *where)
{
	uint64_t first;
	uint8_t last;

	return where->is_return && sys_load_uint64_t(where->rip, &first) &&
	       first == 0x0f0000000fc0c748u && sys_load_uint8_t(where->rip + WORD, &last) &&
	       last == 0x05;
}

EP_TRAP_PATH static uint64_t work_out(uint64_t version, const struct where *where)
{
	struct live_fde fde;
	struct rules rules;

	if (!find_rules(version, where, &fde, &rules))
		return is_restorer(where) ? ROW_SIGNAL : ROW_UNKNOWN;
	return fde.is_signal ? ROW_SIGNAL : row_of(&rules);
}

EP_TRAP_PATH static __attribute__((noinline)) uint64_t
work_out_and_keep(struct entry *pair, uint64_t key, uint64_t version, struct where where)
{
	uint64_t row = work_out(version, &where);
	bool second = atomic_load_explicit(&pair[0].key, memory_order_relaxed) && (key >> 1 & 1);

	if (callers_were_right(version))
		write_entry(&pair[second], key, row);
	return row;
}

/* Of a pair. Less than sys_table_hash(), since each frame waits for it; addresses in code are no pattern. */
EP_TRAP_PATH SYS_INLINE uint64_t place_of(uint64_t key)
{
	return (key ^ key >> 13) % (ENTRIES / 2) * 2;
}

EP_TRAP_PATH SYS_INLINE uint64_t find_row(uint64_t version, const struct where *where)
{
	struct entry *table = atomic_load_explicit(&entries, memory_order_acquire), *pair;
	uint64_t key = key_of(version, looked_up(where)), row;

	pair = &table[place_of(key)];
	row = read_entry(&pair[0], key);
	if (!row)
		row = read_entry(&pair[1], key);
	return __builtin_expect(row != 0, 1) ? row : work_out_and_keep(pair, key, version, *where);
}

/* ---- without unwind information ------------------------------------------------------------ */

struct walk {
	struct where at;
	uint64_t rsp, rbp;
	uint64_t version;
};

EP_TRAP_PATH static uint8_t byte_at(uint64_t address)
{
	uint8_t ret;

	return sys_load_uint8_t(address, &ret) ? ret : 0;
}

/* call rel32, and call r/m: ff /2, of two to seven bytes. */
EP_TRAP_PATH static bool is_behind_call(uint64_t address)
{
	if (byte_at(address - 5) == 0xe8)
		return true;
	for (unsigned int size = 2; size <= 7; size++)
		if (byte_at(address - size) == 0xff && (byte_at(address - size + 1) & 0x38) == 0x10)
			return true;
	return false;
}

/* Of a call that is followed the stack has a stub's. */
EP_TRAP_PATH SYS_INLINE uint64_t true_return(uint64_t address)
{
	if (__builtin_expect(address - (uint64_t)xol_stubs >= sizeof(xol_stubs), 1))
		return address;
	return xol_stub_is_return(address) ? xol_stub_at(address)->address : address;
}

/* At a function's first instruction, or in one that has no frame. */
EP_TRAP_PATH static bool step_from_top(struct walk *walk)
{
	uint64_t ret;

	if (walk->at.is_return || !sys_load_uint64_t(walk->rsp, &ret))
		return false;
	ret = true_return(ret);
	if (!is_behind_call(ret))
		return false;
	walk->at.rip = ret;
	walk->at.is_return = true;
	walk->rsp += WORD;
	return true;
}

EP_TRAP_PATH static bool step_by_frame_pointer(struct walk *walk)
{
	uint64_t frame = walk->rbp, next, ret;

	if (frame % WORD || frame - walk->rsp > FRAME_MAX || !sys_load_uint64_t(frame, &next) ||
	    !sys_load_uint64_t(frame + WORD, &ret))
		return false;
	ret = true_return(ret);
	if (!is_behind_call(ret))
		return false;
	walk->at.rip = ret;
	walk->at.is_return = true;
	walk->rsp = frame + 2 * WORD;
	walk->rbp = next;
	return true;
}

/* ---- by rows ------------------------------------------------------------------------------- */

EP_TRAP_PATH static bool step_signal(struct walk *walk)
{
	uint64_t context = walk->rsp;

	walk->at.is_return = false;
	return sys_load_uint64_t(context + SIGNAL_REGS(rip), &walk->at.rip) &&
	       sys_load_uint64_t(context + SIGNAL_REGS(rbp), &walk->rbp) &&
	       sys_load_uint64_t(context + SIGNAL_REGS(rsp), &walk->rsp);
}

EP_TRAP_PATH SYS_INLINE bool step_call(struct walk *walk, uint64_t row)
{
	uint64_t kind = row & ROW_KIND, base = kind == ROW_RSP ? walk->rsp : walk->rbp;
	uint64_t cfa = base + (uint64_t)row_offset(row), ret;

	if (__builtin_expect(kind == ROW_LOADED, 0) && !sys_load_uint64_t(cfa, &cfa))
		return false;
	if (!sys_load_uint64_t(cfa - WORD, &ret) || !ret)
		return false;
	if ((row & ROW_SAVES_RBP) &&
	    !sys_load_uint64_t((kind == ROW_LOADED ? base : cfa) + row_place(row), &walk->rbp))
		return false;
	walk->at.rip = true_return(ret);
	walk->at.is_return = true;
	walk->rsp = cfa;
	return true;
}

/* False: it ends here. */
EP_TRAP_PATH static bool step_by_row(struct walk *walk, uint64_t row)
{
	uint64_t kind = row & ROW_KIND;

	if (kind <= ROW_LOADED)
		return step_call(walk, row);
	if (kind == ROW_SIGNAL)
		return step_signal(walk);
	return kind == ROW_UNKNOWN && (step_from_top(walk) || step_by_frame_pointer(walk));
}

/* ---- with all registers -------------------------------------------------------------------- */

struct registers {
	struct walk walk; /* has RIP, RSP and RBP */
	uint64_t value[RULES_RETURN];
	uint32_t known; /* bits */
};

#define KNOWN_IN_CALLER (1u << RULES_RBX | 1u << RULES_RBP | 1u << RULES_RSP | 15u << RULES_R12)

/* In the order of struct ep_regs: what the psABI calls them. */
static const uint8_t columns[] = {8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7};

EP_TRAP_PATH static void set_registers(struct registers *all, const uint64_t *from)
{
	for (unsigned int i = 0; i < sizeof(columns); i++)
		all->value[columns[i]] = from[i];
	all->known = 0xffff;
}

EP_TRAP_PATH static bool load_registers(struct registers *all, uint64_t from)
{
	for (unsigned int i = 0; i < sizeof(columns); i++)
		if (!sys_load_uint64_t(from + i * WORD, &all->value[columns[i]]))
			return false;
	all->known = 0xffff;
	return true;
}

EP_TRAP_PATH static bool evaluate(const struct registers *all, uint64_t cfa,
				  const struct rules_value *value, uint64_t *ret)
{
	uint64_t base;

	if (value->kind != RULES_SUM && value->kind != RULES_LOADED)
		return false;
	if (value->base != RULES_CFA &&
	    (value->base >= RULES_RETURN || !(all->known & 1u << value->base)))
		return false;
	base = value->base == RULES_CFA ? cfa : all->value[value->base];
	*ret = base + (uint64_t)(int64_t)value->offset;
	if (value->kind == RULES_SUM)
		return true;
	if (!sys_load_uint64_t(*ret, ret))
		return false;
	*ret += (uint64_t)(int64_t)value->more;
	return true;
}

/* What cannot be found is not known in the caller. */
EP_TRAP_PATH static void restore(const struct registers *all, struct registers *caller,
				 uint64_t cfa, unsigned int column, const struct rules_value *value)
{
	caller->value[column] = all->value[column];
	if (value->kind == RULES_SAME)
		caller->known |= all->known & 1u << column;
	else if (evaluate(all, cfa, value, &caller->value[column]))
		caller->known |= 1u << column;
}

EP_TRAP_PATH static bool step_by_rules(struct registers *all, const struct rules *rules)
{
	const struct rules_value *saved = &rules->r12;
	struct registers caller;
	uint64_t cfa, ret;

	if (!evaluate(all, 0, &rules->cfa, &cfa) || !evaluate(all, cfa, &rules->ret, &ret) || !ret)
		return false;
	caller.known = 1u << RULES_RSP;
	restore(all, &caller, cfa, RULES_RBX, &rules->rbx);
	restore(all, &caller, cfa, RULES_RBP, &rules->rbp);
	for (unsigned int i = 0; i < 4; i++)
		restore(all, &caller, cfa, RULES_R12 + i, &saved[i]);
	for (unsigned int i = 0; i < RULES_RETURN; i++)
		if (KNOWN_IN_CALLER & 1u << i)
			all->value[i] = caller.value[i];
	all->value[RULES_RSP] = cfa;
	all->known = caller.known;
	all->walk.at.rip = true_return(ret);
	all->walk.at.is_return = true;
	return true;
}

EP_TRAP_PATH static bool step_signal_of_all(struct registers *all)
{
	uint64_t context = all->value[RULES_RSP];

	all->walk.at.is_return = false;
	return sys_load_uint64_t(context + SIGNAL_REGS(rip), &all->walk.at.rip) &&
	       load_registers(all, context + SIGNAL_REGS(r8));
}

EP_TRAP_PATH static bool step_without_rules(struct registers *all)
{
	bool ret;

	all->walk.rsp = all->value[RULES_RSP];
	all->walk.rbp = all->value[RULES_RBP];
	ret = step_by_row(&all->walk, ROW_UNKNOWN);
	all->value[RULES_RSP] = all->walk.rsp;
	all->value[RULES_RBP] = all->walk.rbp;
	all->known &= KNOWN_IN_CALLER;
	return ret;
}

EP_TRAP_PATH static bool step_of_all(struct registers *all)
{
	struct live_fde fde;
	struct rules rules;

	if (find_rules(all->walk.version, &all->walk.at, &fde, &rules))
		return fde.is_signal		       ? step_signal_of_all(all)
		       : row_of(&rules) == ROW_UNKNOWN ? step_without_rules(all)
						       : step_by_rules(all, &rules);
	return is_restorer(&all->walk.at) ? step_signal_of_all(all) : step_without_rules(all);
}

EP_TRAP_PATH static __attribute__((noinline)) size_t
walk_with_all(const struct ep_regs *regs, uint64_t version, uint64_t *ret, size_t max)
{
	struct registers all;
	size_t count = 1;

	set_registers(&all, &regs->r8);
	all.walk.at.rip = regs->rip;
	all.walk.at.is_return = false;
	all.walk.version = version;
	while (count < max && step_of_all(&all))
		ret[count++] = all.walk.at.rip;
	return count;
}

/* -------------------------------------------------------------------------------------------- */

/* The seldom steps, on a copy: what the common ones need stays in registers. */
EP_TRAP_PATH static __attribute__((noinline)) bool step_seldom(struct walk *walk, uint64_t row)
{
	return step_by_row(walk, row);
}

EP_TRAP_PATH SYS_INLINE bool step(struct walk *walk, uint64_t row)
{
	struct walk copy;
	bool ret;

	if (__builtin_expect((row & ROW_KIND) <= ROW_LOADED, 1))
		return step_call(walk, row);
	copy = *walk;
	ret = step_seldom(&copy, row);
	*walk = copy;
	return ret;
}

EP_TRAP_PATH size_t walk_stack(const struct ep_regs *regs, uint64_t *ret, size_t max)
{
	struct walk walk;
	size_t count = 0;
	uint64_t row;

	if (!regs || !max || !atomic_load_explicit(&entries, memory_order_relaxed))
		return 0;
	walk.at.rip = regs->rip;
	walk.at.is_return = false;
	walk.rsp = regs->rsp;
	walk.rbp = regs->rbp;
	walk.version = callers_version();
	for (ret[count++] = walk.at.rip; count < max; ret[count++] = walk.at.rip) {
		row = find_row(walk.version, &walk.at);
		if (__builtin_expect(row == ROW_OTHER, 0))
			return walk_with_all(regs, walk.version, ret, max);
		if (!step(&walk, row))
			break;
	}
	return count;
}

int walk_start(void)
{
	int error = callers_start();
	long memory;

	if (atomic_load(&entries))
		return 0;
	if (error)
		return error;
	memory = sys_mmap(0, ENTRIES * sizeof(struct entry), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_failed(memory))
		return -EP_NO_MEMORY;
	atomic_store(&entries, (struct entry *)memory);
	return 0;
}
