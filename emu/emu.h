/* SPDX-License-Identifier: MIT */
/* Performs one instruction on saved registers, exactly as this CPU would. */
#ifndef EMUPROBE_EMU_EMU_H
#define EMUPROBE_EMU_EMU_H

#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"
#include "x86/insn.h"

/*
 * An instruction made ready: a function and its operands, so that a hit neither decodes nor
 * branches on encodings. Position-free: copy it at will.
 */
struct emu_op {
	bool (*run)(const struct emu_op *op, struct ep_regs *regs);
	uint64_t next; /* address behind the instruction */
	union {
		uint64_t target; /* of a direct branch */
		uint64_t imm;	 /* immediate operand, sign-extended */
	};
	int64_t disp;		       /* displacement; RIP-relative ones are absolute here */
	uint8_t dst, src, base, index; /* byte offsets into struct ep_regs */
	int8_t base_mask, index_mask;  /* 0: there is none, -1: there is one */
	uint8_t scale;		       /* shift of the index */
	uint8_t unused_address_bits;   /* 32 with an address size prefix, 0 without */
	uint8_t segment;	       /* X86_PREFIX_FS, X86_PREFIX_GS or 0 */
	uint8_t condition;	       /* code of a jcc, setcc, cmovcc */
};

#define EMU_INLINE static inline __attribute__((always_inline))

/**
 * @return   0, or -EP_NOT_EMULATED: no rule; boost it.
 * Context:  any thread.
 */
int emu_prepare(const struct x86_insn *insn, struct emu_op *ret);

/**
 * Perform @op: registers, flags, memory, and RIP moved on.
 *
 * @return   false: an access would fault (or a divide error would be raised) and nothing has
 *           changed; let the real instruction fault by itself.
 * Context:  TRAP_PATH. Needs the fault handler to ask sys_fault_fixup().
 */
EP_TRAP_PATH bool emu_run(const struct emu_op *op, struct ep_regs *regs);

#endif
