/* SPDX-License-Identifier: MIT */
/*
 * What a function does to the place where its return address stands, right below CFA: followed from
 * one instruction to the next, in the order in which they stand in memory.
 */
#ifndef EMUPROBE_PROBE_IMAGE_FRAME_H
#define EMUPROBE_PROBE_IMAGE_FRAME_H

#include "probe/image/cfa.h"
#include "probe/image/operand.h"
#include "x86/insn.h"

#define FRAME_SLOT (-8) /* of the return address, from CFA */

/* What is known of a register's value. */
enum frame_kind {
	FRAME_UNKNOWN,
	FRAME_STACK,	/* somewhere in the stack */
	FRAME_OFFSET,	/* CFA + value */
	FRAME_CONSTANT, /* value */
	FRAME_ENTRY,	/* a distance of 32 bits, loaded by index from the table at value */
	FRAME_TARGET32, /* the table at value, and a distance from it */
	FRAME_TARGET64, /* loaded by index from the table of addresses at value */
	FRAME_INDEXED,	/* loaded by index from anywhere, or made of that */
};

struct frame_value {
	enum frame_kind kind;
	int64_t value;
};

/* What an instruction does to the return address. */
enum frame_use {
	FRAME_LEAVES_ALONE,
	FRAME_ACCESSES,	     /* loads, stores, pushes or pops it */
	FRAME_TAKES_ADDRESS, /* of it */
	FRAME_LOSES_STACK,   /* RSP goes where unwind information does not say, or above the slot */
	FRAME_RULE_IS_UNKNOWN, /* unwind information computes CFA, or moves the return address */
};

struct frame {
	struct frame_value regs[OPERAND_REGISTERS];
	bool has_rule, rule_is_rsp; /* CFA is computed from a register; from RSP */
	bool falls;		    /* the instruction before is what was executed before */
	bool just_popped;	    /* an epilogue may have got here */
};

/** As it is at the first instruction of a function. Context of all of these: any thread. */
void frame_init(struct frame *frame);

/** Unwind information says where CFA is in front of the next instruction. */
enum frame_use frame_rule(struct frame *frame, const struct cfa_rule *rule);

/** Follow one instruction. A return is no access. */
enum frame_use frame_step(struct frame *frame, const struct x86_insn *insn);

/** Is what stands behind @insn executed next? @before: was what stands in front of it? */
bool frame_falls_through(bool before, const struct x86_insn *insn);

/** Where an indirect jump goes to, as far as is known in front of it. */
struct frame_value frame_jump(const struct frame *frame, const struct x86_insn *insn);

/** Is RSP where it was at the function's first instruction? False: that is not known. */
bool frame_is_gone(const struct frame *frame);

/** Is it known that it is not? */
bool frame_is_there(const struct frame *frame);

#endif
