/* SPDX-License-Identifier: MIT */
/* Boost: a copy of an instruction in a slot, followed by a jump back behind the original. */
#ifndef EMUPROBE_FALLBACK_XOL_BOOST_H
#define EMUPROBE_FALLBACK_XOL_BOOST_H

#include <stdbool.h>
#include <stdint.h>

#include "fallback-xol/guarded.h"
#include "include/emuprobe.h"
#include "x86/insn.h"

/**
 * Put a copy of @insn where its RIP-relative operand and a jump back still reach; failing that,
 * anywhere, with the operand addressed through a register that is saved around it.
 *
 * Boosted are all instructions that go on behind themselves, `syscall` and `int 0x80` included, and
 * those that can only fault (ud2, hlt). The copy of an x87 instruction leaves its own address in
 * the FPU's last instruction pointer, which fnstenv and xsave show; nothing else is different.
 *
 * @ret      Where to send a thread: the entry of the slot.
 *
 * @return   0, -EP_NOT_BOOSTED (control flow), -EP_OUT_OF_REACH or -EP_NO_MEMORY.
 * Context:  any thread that holds the registry lock.
 */
int xol_boost(const struct x86_insn *insn, uint64_t *ret);

/** The same for a syscall that @guard is shown first; NULL: none. */
int xol_boost_guarded(const struct x86_insn *insn, const struct xol_guard *guard, uint64_t *ret);

/**
 * A slot for control flow whose emulation met a fault: it makes the same accesses at the same
 * addresses, so that the fault is the program's own, and should that not fault after all, goes
 * where the original leads. Changes no register but RSP, and no flag.
 *
 * @return   as xol_boost(); -EP_NOT_EMULATED for what accesses no memory.
 */
int xol_provoke(const struct x86_insn *insn, uint64_t *ret);

/*
 * Where a thread found inside a slot really is.
 */
struct xol_origin {
	uint64_t address; /* RIP that the program should see: of the instruction, or behind it
			     when it has been executed already */
	bool executed;	  /* the copy is done, only the jump back is left */
	uint64_t resume;  /* where a thread that has the registers made exact goes on without a
			     second hit */
	uint16_t state;	  /* of enum xol_state: what xol_origin_restore() has to put right */
	uint64_t rcx_from, rcx_too,
		rcx_to; /* RCXs to correct: the address behind a syscall, and what
					       that is; both the same where there is one */
};

/**
 * @return   false: @rip is in no slot.
 * Context:  TRAP_PATH; wait-free.
 */
EP_TRAP_PATH bool xol_origin(uint64_t rip, struct xol_origin *ret);

/**
 * Make of the registers of a thread found inside a slot those that it would have at the original
 * address, RIP included: most often that is all there is to do, but some copies borrow a register
 * or move the stack pointer for a moment. Reads the thread's stack, no deeper than it wrote to it.
 *
 * @origin   Of @regs->rip.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH void xol_origin_restore(const struct xol_origin *origin, struct ep_regs *regs);

#endif
