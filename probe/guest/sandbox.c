/* SPDX-License-Identifier: MIT */
/*
 * A probe that traps ends with rt_sigreturn(2), and a program that never handles a signal need not
 * list that call in its seccomp filter: OpenSSH's does not, and its processes died of the first
 * trap. The filter passes a guarded call on its way into the kernel, so we run it ourselves, for the one
 * question that matters, before it is in force. From then on a trap that is serviced goes back by
 * iretq, after one call of rt_sigprocmask(2), which also libc's own code depends on (leave.S).
 * What the program's own handlers return to is as it was: they would die without us, too.
 */
#include "probe/guest/sandbox.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

#include "probe/thread/altstack.h"
#include "sys/abi.h"
#include "sys/call.h"
#include "sys/memory.h"
#include "x86/regs.h"

#define OFFSET(field, number) _Static_assert(offsetof(ucontext_t, field) == (number), "see leave.S")

OFFSET(uc_mcontext.gregs, SANDBOX_GREGS);
OFFSET(uc_mcontext.fpregs, SANDBOX_FPREGS);
OFFSET(uc_sigmask, SANDBOX_SIGMASK);
_Static_assert(SANDBOX_IRET == EP_REGS_RIP, "see leave.S");
_Static_assert(SIG_SETMASK == 2, "see leave.S");
_Static_assert(sizeof(struct _fpstate) == SYS_XSAVE_LEGACY &&
		       sizeof(struct _fpstate) - sizeof(struct _fpx_sw_bytes) ==
			       SYS_XSAVE_SOFTWARE &&
		       offsetof(struct _fpx_sw_bytes, xstate_bv) == 8 &&
		       FP_XSTATE_MAGIC1 == SYS_XSAVE_MAGIC,
	       "see leave.S");

#define AUTODISARM 0x80000000u /* of sigaltstack(2): undone by rt_sigreturn(2) alone */

static _Atomic bool is_forbidden; /* never false again: filters cannot be taken away */

/* ---- what a filter says of a call ------------------------------------------------------------- */

/* The registers of the classic BPF machine (linux/filter.h). */
struct machine {
	uint32_t a, x, memory[BPF_MEMWORDS];
	struct seccomp_data data;
};

EP_TRAP_PATH static uint32_t calculate(uint16_t code, uint32_t a, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return b ? a / b : 0;
	case BPF_OR:
		return a | b;
	case BPF_AND:
		return a & b;
	case BPF_LSH:
		return b < 32 ? a << b : 0;
	case BPF_RSH:
		return b < 32 ? a >> b : 0;
	case BPF_NEG:
		return -a;
	default:
		return a ^ b;
	}
}

/* How many instructions are skipped. */
EP_TRAP_PATH static uint32_t jump(const struct sock_filter *insn, uint32_t a, uint32_t b)
{
	switch (BPF_OP(insn->code)) {
	case BPF_JEQ:
		return a == b ? insn->jt : insn->jf;
	case BPF_JGT:
		return a > b ? insn->jt : insn->jf;
	case BPF_JGE:
		return a >= b ? insn->jt : insn->jf;
	case BPF_JSET:
		return a & b ? insn->jt : insn->jf;
	default:
		return insn->k;
	}
}

EP_TRAP_PATH static uint32_t load(const struct machine *machine, const struct sock_filter *insn)
{
	const uint32_t *words = (const uint32_t *)&machine->data;

	switch (BPF_MODE(insn->code)) {
	case BPF_ABS:
		return insn->k < sizeof(machine->data) ? words[insn->k / sizeof(*words)] : 0;
	case BPF_MEM:
		return machine->memory[insn->k % BPF_MEMWORDS];
	case BPF_LEN:
		return sizeof(machine->data);
	default:
		return insn->k;
	}
}

/* Does @insn, which is not the last. Returns how many instructions are skipped. */
EP_TRAP_PATH static uint32_t step(struct machine *machine, const struct sock_filter *insn)
{
	uint32_t operand = BPF_SRC(insn->code) == BPF_X ? machine->x : insn->k;

	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		machine->a = load(machine, insn);
		break;
	case BPF_LDX:
		machine->x = load(machine, insn);
		break;
	case BPF_ST:
		machine->memory[insn->k % BPF_MEMWORDS] = machine->a;
		break;
	case BPF_STX:
		machine->memory[insn->k % BPF_MEMWORDS] = machine->x;
		break;
	case BPF_ALU:
		machine->a = calculate(insn->code, machine->a, operand);
		break;
	case BPF_JMP:
		return jump(insn, machine->a, operand);
	default:
		if (BPF_MISCOP(insn->code) == BPF_TXA)
			machine->a = machine->x;
		else
			machine->x = machine->a;
	}
	return 0;
}

/* The answer to @machine's call. What cannot be read the kernel will not take either. */
EP_TRAP_PATH static uint32_t run(struct machine *machine, const struct sock_fprog *program)
{
	struct sock_filter insn;

	for (uint64_t at = 0; at < program->len; at++) {
		if (!sys_read_memory(&insn, (uint64_t)(program->filter + at), sizeof(insn)))
			break;
		if (BPF_CLASS(insn.code) == BPF_RET)
			return BPF_RVAL(insn.code) == BPF_A ? machine->a : insn.k;
		at += step(machine, &insn);
	}
	return SECCOMP_RET_ALLOW;
}

EP_TRAP_PATH static bool refuses(uint64_t address, uint32_t number)
{
	struct machine machine;
	struct sock_fprog program;
	uint32_t action;

	/* Not all at once, which some compilers do by a call of memset(). */
	for (size_t i = 0; i < sizeof(machine) / sizeof(uint32_t); i++)
		((volatile uint32_t *)(void *)&machine)[i] = 0;
	machine.data.nr = (int)number;
	machine.data.arch = AUDIT_ARCH_X86_64;
	if (!sys_read_memory(&program, address, sizeof(program)))
		return false;
	action = run(&machine, &program) & SECCOMP_RET_ACTION_FULL;
	return action == SECCOMP_RET_KILL_PROCESS || action == SECCOMP_RET_KILL_THREAD ||
	       action == SECCOMP_RET_TRAP || action == SECCOMP_RET_ERRNO;
}

EP_TRAP_PATH void sandbox_filter(uint64_t address)
{
	if (refuses(address, SYS_rt_sigreturn))
		atomic_store_explicit(&is_forbidden, true, memory_order_relaxed);
	if (refuses(address, SYS_sigaltstack) || refuses(address, SYS_mremap) ||
	    refuses(address, SYS_mprotect))
		altstack_stop();
}

void sandbox_forbids_return(void)
{
	atomic_store_explicit(&is_forbidden, true, memory_order_relaxed);
}

/* ---- going back -------------------------------------------------------------------------------- */

EP_TRAP_PATH void sandbox_return(ucontext_t *context)
{
	if (!atomic_load_explicit(&is_forbidden, memory_order_relaxed))
		return;
	if ((uint32_t)context->uc_stack.ss_flags & AUTODISARM)
		return;
	sandbox_leave(context);
}

EP_TRAP_PATH bool sandbox_view(struct ep_regs *regs)
{
	const volatile uint64_t *saved = (const uint64_t *)regs->rsp;
	volatile uint64_t *target = (volatile uint64_t *)regs;

	if (regs->rip < (uint64_t)sandbox_opened || regs->rip >= (uint64_t)sandbox_leave_end)
		return false;
	if (regs->rip >= (uint64_t)sandbox_last)
		saved -= SANDBOX_IRET / sizeof(*saved);
	for (unsigned int i = 0; i < EP_REGS_RIP / sizeof(*saved); i++)
		target[i] = saved[i];
	regs->rip = saved[SANDBOX_IRET / sizeof(*saved)];
	regs->rflags = saved[SANDBOX_IRET / sizeof(*saved) + 2];
	return true;
}
