/* SPDX-License-Identifier: MIT */
/* Operands of a ready-made operation: registers, effective addresses, flags. */
#ifndef EMUPROBE_EMU_OPERANDS_H
#define EMUPROBE_EMU_OPERANDS_H

#include <stdint.h>

#include "emu/emu.h"
#include "sys/memory.h"
#include "x86/condition.h"
#include "x86/insn.h"

typedef bool emu_run_fn(const struct emu_op *op, struct ep_regs *regs);

/* The operand sizes, by type: X(type, AT&T suffix). Functions for them stand in this order. */
#define EMU_SIZES(X, ...)                                                                          \
	X(uint8_t, "b", __VA_ARGS__)                                                               \
	X(uint16_t, "w", __VA_ARGS__)                                                              \
	X(uint32_t, "l", __VA_ARGS__)                                                              \
	X(uint64_t, "q", __VA_ARGS__)

/*
 * Registers: @offset is in bytes, one more for AH, CH, DH, BH. Writing 32 bits clears the upper
 * half, writing 8 or 16 leaves the rest alone (Intel SDM, "General-Purpose Registers in 64-Bit
 * Mode").
 */
EMU_INLINE void *emu_reg(struct ep_regs *regs, uint8_t offset)
{
	return (uint8_t *)regs + offset;
}

#define EMU_DEFINE_READ(type, suffix, ...)                                                         \
	EMU_INLINE type emu_read_##type(struct ep_regs *regs, uint8_t offset)                      \
	{                                                                                          \
		return *(type *)emu_reg(regs, offset);                                             \
	}
EMU_SIZES(EMU_DEFINE_READ)

EMU_INLINE void emu_write_uint8_t(struct ep_regs *regs, uint8_t offset, uint8_t value)
{
	*(uint8_t *)emu_reg(regs, offset) = value;
}

EMU_INLINE void emu_write_uint16_t(struct ep_regs *regs, uint8_t offset, uint16_t value)
{
	*(uint16_t *)emu_reg(regs, offset) = value;
}

EMU_INLINE void emu_write_uint32_t(struct ep_regs *regs, uint8_t offset, uint32_t value)
{
	*(uint64_t *)emu_reg(regs, offset) = value;
}

EMU_INLINE void emu_write_uint64_t(struct ep_regs *regs, uint8_t offset, uint64_t value)
{
	*(uint64_t *)emu_reg(regs, offset) = value;
}

/*
 * Absent parts have a mask of 0, so that nothing is asked at run time; emu_address() is without
 * the segment, as lea wants it.
 */
EMU_INLINE uint64_t emu_offset(const struct emu_op *op, struct ep_regs *regs)
{
	uint64_t base = emu_read_uint64_t(regs, op->base) & (uint64_t)(int64_t)op->base_mask;
	uint64_t index = emu_read_uint64_t(regs, op->index) & (uint64_t)(int64_t)op->index_mask;
	uint64_t offset = base + (index << op->scale) + (uint64_t)op->disp;

	return offset << op->unused_address_bits >> op->unused_address_bits;
}

/* FSGSBASE is there: emu_prepare() has asked x86_cpu_has(). */
EMU_INLINE uint64_t emu_segment_base(uint8_t segment)
{
	uint64_t base;

	if (segment == X86_PREFIX_FS)
		__asm__("rdfsbase %0" : "=r"(base));
	else
		__asm__("rdgsbase %0" : "=r"(base));
	return base;
}

EMU_INLINE uint64_t emu_address(const struct emu_op *op, struct ep_regs *regs)
{
	uint64_t address = emu_offset(op, regs);

	if (__builtin_expect(op->segment, 0))
		address += emu_segment_base(op->segment);
	return address;
}

EMU_INLINE bool emu_done(const struct emu_op *op, struct ep_regs *regs)
{
	regs->rip = op->next;
	return true;
}

/*
 * The flags of an operation are those that this CPU leaves: the very operation is run, on the
 * operands' values, with the program's status flags loaded. They travel in AX: AH as lahf and
 * sahf have it, and AL = OF, which an addition of 127 turns into the flag. popfq would cost more
 * than everything else here.
 */
#define EMU_LOAD_FLAGS "addb $127, %%al\n\tsahf\n\t"
#define EMU_SAVE_FLAGS "lahf\n\tseto %%al\n\t"

EMU_INLINE uint32_t emu_pack_flags(uint64_t rflags)
{
	return (uint32_t)((rflags & 0xff) << 8 | (rflags >> 11 & 1));
}

EMU_INLINE uint64_t emu_unpack_flags(uint64_t rflags, uint32_t ax)
{
	const uint32_t low = X86_STATUS_FLAGS & 0xff;

	return (rflags & ~(uint64_t)X86_STATUS_FLAGS) | (ax >> 8 & low) | (uint64_t)(ax & 1) << 11;
}

#endif
