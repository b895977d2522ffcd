/* SPDX-License-Identifier: MIT */
/*
 * A tracer that dies leaves the thread with the registers that it has just then. So it never has others
 * than those that lead it back by itself: whatever it is made to do, behind that stands a return into
 * rt_sigreturn, with its own registers below.
 *
 *	rsp -> | address of "mov $15, %eax; syscall" |
 *	       | struct ucontext                     | -> fpstate
 *	       | the vector registers, at 64 bytes   |
 */
#include "attach/frame.h"

#include <asm/unistd.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <ucontext.h>

#define CONTEXT_FLAGS 7 /* asm/ucontext.h: UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS */
#define NO_STACK      0x7fff /* no flags of sigaltstack(2): the kernel leaves it alone then */
#define SOFTWARE      464    /* in the legacy area: struct _fpx_sw_bytes */
#define MAGIC_1	      0x46505853u
#define MAGIC_2	      0x46505845u
#define VECTORS	      1024 /* from the beginning */
#define SYSCALL_SIZE  2

/* Results of system calls that only the kernel sees (linux/errno.h). */
#define ERESTARTSYS	      512
#define ERESTARTNOHAND	      514
#define ERESTART_RESTARTBLOCK 516

_Static_assert(8 + offsetof(ucontext_t, uc_sigmask) + 8 <= VECTORS, "they do not overlap");

/* As sigreturn(2) wants it. */
struct software {
	uint32_t magic, extended_size;
	uint64_t features;
	uint32_t size, padding[7];
};

size_t frame_size(const struct frame_state *state)
{
	return VECTORS + state->vectors_size + sizeof(uint32_t);
}

static bool is_restarted(const struct user_regs_struct *regs)
{
	long result = -(long)regs->rax;

	return (long)regs->orig_rax >= 0 && ((result >= ERESTARTSYS && result <= ERESTARTNOHAND) ||
					     result == ERESTART_RESTARTBLOCK);
}

static void put_registers(const struct user_regs_struct *regs, uint64_t call, greg_t *ret)
{
	bool again = is_restarted(regs);

	ret[REG_R8] = (greg_t)regs->r8;
	ret[REG_R9] = (greg_t)regs->r9;
	ret[REG_R10] = (greg_t)regs->r10;
	ret[REG_R11] = (greg_t)regs->r11;
	ret[REG_R12] = (greg_t)regs->r12;
	ret[REG_R13] = (greg_t)regs->r13;
	ret[REG_R14] = (greg_t)regs->r14;
	ret[REG_R15] = (greg_t)regs->r15;
	ret[REG_RDI] = (greg_t)regs->rdi;
	ret[REG_RSI] = (greg_t)regs->rsi;
	ret[REG_RBP] = (greg_t)regs->rbp;
	ret[REG_RBX] = (greg_t)regs->rbx;
	ret[REG_RDX] = (greg_t)regs->rdx;
	ret[REG_RAX] = (greg_t)(again ? call : regs->rax);
	ret[REG_RCX] = (greg_t)regs->rcx;
	ret[REG_RSP] = (greg_t)regs->rsp;
	ret[REG_RIP] = (greg_t)(again ? regs->rip - SYSCALL_SIZE : regs->rip);
	ret[REG_EFL] = (greg_t)regs->eflags;
	ret[REG_CSGSFS] = (greg_t)(regs->cs | regs->ss << 48);
}

/* Without them the kernel would clear what else the thread has there. */
static void put_vectors(const struct frame_state *state, unsigned char *ret)
{
	struct software software = {
		.magic = MAGIC_1,
		.extended_size = (uint32_t)(state->vectors_size + sizeof(uint32_t)),
		.size = (uint32_t)state->vectors_size,
	};
	const uint32_t magic = MAGIC_2;

	memcpy(ret, state->vectors, state->vectors_size);
	memcpy(&software.features, ret + SOFTWARE, sizeof(software.features));
	memcpy(ret + SOFTWARE, &software, sizeof(software));
	memcpy(ret + state->vectors_size, &magic, sizeof(magic));
}

void frame_put(const struct frame_state *state, uint64_t restore, uint64_t at, unsigned char *ret)
{
	ucontext_t context = {.uc_flags = CONTEXT_FLAGS};

	context.uc_stack.ss_flags = NO_STACK;
	put_registers(&state->regs, state->call, context.uc_mcontext.gregs);
	context.uc_mcontext.fpregs = (void *)(at + VECTORS);
	memcpy(&context.uc_sigmask, &state->mask, sizeof(state->mask));
	memset(ret, 0, frame_size(state));
	memcpy(ret, &restore, sizeof(restore));
	memcpy(ret + sizeof(restore), &context, offsetof(ucontext_t, uc_sigmask) + 8);
	put_vectors(state, ret + VECTORS);
}

bool frame_is_left(const unsigned char *bytes, uint64_t restore)
{
	ucontext_t context;
	uint64_t first;

	memcpy(&first, bytes, sizeof(first));
	memcpy(&context, bytes + sizeof(first), sizeof(context));
	return first == restore && context.uc_flags == CONTEXT_FLAGS &&
	       context.uc_stack.ss_flags == NO_STACK;
}
