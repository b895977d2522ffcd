/* SPDX-License-Identifier: MIT */
/* Register numbers: of encodings, of struct ep_regs, of the kernel's frame. */
#include "x86/regs.h"

#include <stddef.h>
#include <ucontext.h>

/* The constants for .S files, struct ep_regs and gregs say the same. */
#define SAME(field, constant, greg)                                                                \
	_Static_assert(offsetof(struct ep_regs, field) == (constant) && (constant) == 8 * (greg),  \
		       #field " is elsewhere")
SAME(r8, EP_REGS_R8, REG_R8);
SAME(r9, EP_REGS_R9, REG_R9);
SAME(r10, EP_REGS_R10, REG_R10);
SAME(r11, EP_REGS_R11, REG_R11);
SAME(r12, EP_REGS_R12, REG_R12);
SAME(r13, EP_REGS_R13, REG_R13);
SAME(r14, EP_REGS_R14, REG_R14);
SAME(r15, EP_REGS_R15, REG_R15);
SAME(rdi, EP_REGS_RDI, REG_RDI);
SAME(rsi, EP_REGS_RSI, REG_RSI);
SAME(rbp, EP_REGS_RBP, REG_RBP);
SAME(rbx, EP_REGS_RBX, REG_RBX);
SAME(rdx, EP_REGS_RDX, REG_RDX);
SAME(rax, EP_REGS_RAX, REG_RAX);
SAME(rcx, EP_REGS_RCX, REG_RCX);
SAME(rsp, EP_REGS_RSP, REG_RSP);
SAME(rip, EP_REGS_RIP, REG_RIP);
SAME(rflags, EP_REGS_RFLAGS, REG_EFL);
_Static_assert(sizeof(struct ep_regs) == EP_REGS_SIZE, "struct ep_regs has grown");
_Static_assert(sizeof(greg_t) == sizeof(uint64_t), "gregs are of another size");

const uint8_t x86_reg_index[16] = {
	EP_REGS_RAX / 8, EP_REGS_RCX / 8, EP_REGS_RDX / 8, EP_REGS_RBX / 8,
	EP_REGS_RSP / 8, EP_REGS_RBP / 8, EP_REGS_RSI / 8, EP_REGS_RDI / 8,
	EP_REGS_R8 / 8,	 EP_REGS_R9 / 8,  EP_REGS_R10 / 8, EP_REGS_R11 / 8,
	EP_REGS_R12 / 8, EP_REGS_R13 / 8, EP_REGS_R14 / 8, EP_REGS_R15 / 8,
};
