/* SPDX-License-Identifier: MIT */
/*
 * See cpu.h. The code page has the instruction, and jumps out of it where it ends and where it may
 * branch to. A fault is turned into one more exit by the signal handler, so that the registers are
 * seen as they were. The handler also does for the emulator what the engine does: it asks
 * sys_fault_fixup().
 */
#include "tests/oracle/cpu.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "emu/emu.h"
#include "sys/memory.h"
#include "x86/condition.h"
#include "x86/encode.h"

extern struct ep_regs cpu_regs;
extern uint64_t cpu_start, cpu_outcome;
extern char cpu_exit_0[], cpu_exit_1[], cpu_exit_2[];
void cpu_enter(void);

static uint64_t branch_target, fault_rsp;
static size_t insn_length;
static bool may_be_interruption;

static bool is_canonical(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/*
 * Out of here by cpu_exit_2, which needs no stack; the stack pointer is kept apart, since some
 * machines cannot return from a signal to one that is not canonical. There an interrupt may kill,
 * too, wherever it comes.
 */
static void leave(greg_t *gregs, bool of_memory)
{
	fault_rsp = (uint64_t)gregs[REG_RSP];
	may_be_interruption = of_memory && !is_canonical(fault_rsp);
	gregs[REG_RSP] = 0;
	gregs[REG_RIP] = (greg_t)cpu_exit_2;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)gregs[REG_RIP], fixup = sys_fault_fixup(rip);

	if (fixup) {
		gregs[REG_RIP] = (greg_t)fixup;
	} else if (rip == CPU_INSN || !is_canonical((uint64_t)gregs[REG_RSP])) {
		leave(gregs, sig == SIGSEGV || sig == SIGBUS);
	} else {
		dprintf(STDERR_FILENO, "signal %d at %lx, address %p\n", sig, rip, info->si_addr);
		signal(sig, SIG_DFL);
	}
}

static void map(uint64_t address, size_t size, int protection)
{
	void *got = mmap((void *)address, size, protection,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (got == MAP_FAILED) {
		perror("the oracle's memory");
		exit(1);
	}
}

void cpu_init(void)
{
	static uint8_t stack[64 * 1024];
	const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	map(CPU_WINDOW, CPU_WINDOW_SIZE, PROT_READ | PROT_WRITE);
	map(CPU_READ_ONLY, 0x1000, PROT_READ);
	map(CPU_CODE, 0x1000, PROT_READ | PROT_WRITE | PROT_EXEC);
	sigaltstack(&alternate, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGFPE, &action, NULL);
	sigaction(SIGILL, &action, NULL);
}

/* Through a pointer that is aligned: the instruction may have set AC. */
static void put_exit(uint64_t at, unsigned int number, const void *to)
{
	uint64_t pointer = CPU_CODE + 0xfc0 + 8 * number;

	*(uint64_t *)pointer = (uint64_t)to;
	x86_put_jmp_mem((uint8_t *)at, (int32_t)(pointer - (at + 6)));
}

void cpu_load(const uint8_t *insn, size_t length, uint64_t target)
{
	uint8_t *at = (uint8_t *)(uint64_t)CPU_INSN;

	put_exit(target, 1, cpu_exit_1);
	memcpy(at, insn, length);
	put_exit(CPU_INSN + length, 0, cpu_exit_0);
	branch_target = target;
	insn_length = length;
}

bool cpu_run(struct ep_regs *regs)
{
	cpu_regs = *regs;
	cpu_start = CPU_INSN;
	may_be_interruption = false;
	cpu_enter();
	*regs = cpu_regs;
	regs->rip = cpu_outcome == 0   ? CPU_INSN + insn_length
		    : cpu_outcome == 1 ? branch_target
				       : CPU_INSN;
	if (cpu_outcome == 2) {
		regs->rsp = fault_rsp;
		regs->rflags &= ~(uint64_t)X86_RF; /* set for every fault, by the processor */
	}
	return cpu_outcome != 2;
}

bool cpu_may_be_interrupted(void)
{
	return may_be_interruption;
}
