/* SPDX-License-Identifier: MIT */
/*
 * Operations with flags, each in its four sizes and five kinds of operands, made from the mnemonic
 * alone: the CPU knows the rest. A memory destination is changed by one instruction that reads and
 * writes, as in the program, so that a fault leaves nothing half done.
 */
#ifndef EMUPROBE_EMU_ARITHMETIC_H
#define EMUPROBE_EMU_ARITHMETIC_H

#include "emu/rules.h"

/* A function's name is its operation, kind and type: emu_add_r_uint64_t adds 64-bit registers. */
#define EMU_ROW(name, kind)                                                                        \
	{                                                                                          \
		name##_##kind##_uint8_t, name##_##kind##_uint16_t, name##_##kind##_uint32_t,       \
			name##_##kind##_uint64_t                                                   \
	}
#define EMU_ROW_NOT_8(name, kind)                                                                  \
	{                                                                                          \
		NULL, name##_##kind##_uint16_t, name##_##kind##_uint32_t, name##_##kind##_uint64_t \
	}

/*
 * "insn src, dst" on values: @in is the constraint of src, "c" where it must be in CL. The value
 * that is written back is dst; cmp, test and bt have a constraint that says so but leave it.
 */
#define EMU_ON_VALUES(insn, in, to, from, flags)                                                   \
	__asm__ volatile(EMU_LOAD_FLAGS insn "\n\t" EMU_SAVE_FLAGS                                 \
			 : [dst] "+&r"(to), "+&a"(flags)                                           \
			 : [src] in(from)                                                          \
			 : "cc")

/* The same with dst or src in memory: @insn says which. mov keeps the flags for EMU_SAVE_FLAGS. */
#define EMU_ON_MEMORY(insn, in, address, to, from, flags, success)                                 \
	__asm__ volatile(EMU_LOAD_FLAGS "1:\t" insn "\n\t"                                         \
					"movl $1, %[ok]\n"                                         \
					"2:\t" EMU_SAVE_FLAGS SYS_FIXUP                            \
			 : [dst] "+&r"(to), "+&a"(flags), [ok] "+&r"(success)                      \
			 : [src] in(from), [mem] "r"(address)                                      \
			 : "cc", "memory")

/* dst and src are registers or an immediate. */
#define EMU_DEFINE_VALUE_FORM(type, suffix, name, mnemonic, kind, in, src_type, source,            \
			      write_back)                                                          \
	EP_TRAP_PATH static bool name##_##kind##_##type(const struct emu_op *op,                   \
							struct ep_regs *regs)                      \
	{                                                                                          \
		type dst = emu_read_##type(regs, op->dst);                                         \
		src_type src = (src_type)(source);                                                 \
		uint32_t ax = emu_pack_flags(regs->rflags);                                        \
                                                                                                   \
		EMU_ON_VALUES(mnemonic suffix " %[src], %[dst]", in, dst, src, ax);                \
		if (write_back)                                                                    \
			emu_write_##type(regs, op->dst, dst);                                      \
		regs->rflags = emu_unpack_flags(regs->rflags, ax);                                 \
		return emu_done(op, regs);                                                         \
	}

/* dst is memory. */
#define EMU_DEFINE_MEMORY_FORM(type, suffix, name, mnemonic, kind, in, src_type, source)           \
	EP_TRAP_PATH static bool name##_##kind##_##type(const struct emu_op *op,                   \
							struct ep_regs *regs)                      \
	{                                                                                          \
		uint64_t address = emu_address(op, regs);                                          \
		src_type src = (src_type)(source);                                                 \
		uint32_t unused = 0, ok = 0, ax = emu_pack_flags(regs->rflags);                    \
                                                                                                   \
		EMU_ON_MEMORY(mnemonic suffix " %[src], (%[mem])", in, address, unused, src, ax,   \
			      ok);                                                                 \
		if (!ok)                                                                           \
			return false;                                                              \
		regs->rflags = emu_unpack_flags(regs->rflags, ax);                                 \
		return emu_done(op, regs);                                                         \
	}

/* src is memory. */
#define EMU_DEFINE_LOAD_FORM(type, suffix, name, mnemonic, write_back)                             \
	EP_TRAP_PATH static bool name##_rm_##type(const struct emu_op *op, struct ep_regs *regs)   \
	{                                                                                          \
		uint64_t address = emu_address(op, regs);                                          \
		type dst = emu_read_##type(regs, op->dst);                                         \
		uint32_t unused = 0, ok = 0, ax = emu_pack_flags(regs->rflags);                    \
                                                                                                   \
		EMU_ON_MEMORY(mnemonic suffix " (%[mem]), %[dst]", "r", address, dst, unused, ax,  \
			      ok);                                                                 \
		if (!ok)                                                                           \
			return false;                                                              \
		if (write_back)                                                                    \
			emu_write_##type(regs, op->dst, dst);                                      \
		regs->rflags = emu_unpack_flags(regs->rflags, ax);                                 \
		return emu_done(op, regs);                                                         \
	}

#endif
