/* SPDX-License-Identifier: MIT */
/*
 * Where each register stands in struct ep_regs, for C and for .S files. The order is that of gregs
 * in a signal frame (Linux, struct sigcontext), so a frame's gregs are an ep_regs as they are.
 */
#ifndef EMUPROBE_X86_REGS_H
#define EMUPROBE_X86_REGS_H

/* Byte offsets. */
#define EP_REGS_R8     0
#define EP_REGS_R9     8
#define EP_REGS_R10    16
#define EP_REGS_R11    24
#define EP_REGS_R12    32
#define EP_REGS_R13    40
#define EP_REGS_R14    48
#define EP_REGS_R15    56
#define EP_REGS_RDI    64
#define EP_REGS_RSI    72
#define EP_REGS_RBP    80
#define EP_REGS_RBX    88
#define EP_REGS_RDX    96
#define EP_REGS_RAX    104
#define EP_REGS_RCX    112
#define EP_REGS_RSP    120
#define EP_REGS_RIP    128
#define EP_REGS_RFLAGS 136
#define EP_REGS_SIZE   144

#ifndef __ASSEMBLER__
#include <stdint.h>

#include "include/emuprobe.h"

/* Index into the registers, seen as an array of uint64_t, of the register that an encoding means:
 * 0 rax, 1 rcx, 2 rdx, 3 rbx, 4 rsp, 5 rbp, 6 rsi, 7 rdi, 8..15. */
extern const uint8_t x86_reg_index[16];

#define X86_REGS_COUNT (EP_REGS_SIZE / 8)
#define X86_RSP	       (EP_REGS_RSP / 8)
#define X86_RAX	       (EP_REGS_RAX / 8)
#define X86_RCX	       (EP_REGS_RCX / 8)
#define X86_RDX	       (EP_REGS_RDX / 8)
#define X86_RBX	       (EP_REGS_RBX / 8)
#define X86_RBP	       (EP_REGS_RBP / 8)
#define X86_RIP	       (EP_REGS_RIP / 8)

/**
 * The registers of a signal frame: uc_mcontext.gregs of a ucontext_t.
 * Context:  TRAP_PATH.
 */
static inline __attribute__((always_inline)) struct ep_regs *x86_regs_of_frame(long long *gregs)
{
	return (struct ep_regs *)(void *)gregs;
}
#endif

#endif
