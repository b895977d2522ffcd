/* SPDX-License-Identifier: MIT */
/*
 * A filter may kill for a call that the program has never made: mmap() with a right to execute, clone().
 * The kernel shows filters to root (ptrace(2), PTRACE_SECCOMP_GET_FILTER), as programs of classic BPF:
 * they are run here first, with the arguments that matter. The kernel has checked them when they were
 * installed; what it would not have let in ends the run.
 */
#include "attach/filter.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "include/emuprobe-attach.h"

#define LENGTH_MAX  4096 /* of a filter (BPF_MAXINSNS) */
#define FILTERS_MAX 64
#define THREAD                                                                                     \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |        \
	 CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

static const struct {
	int number;
	bool may_fail; /* there is another way */
	uint64_t args[4];
} calls[] = {
	{SYS_mmap, false, {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS}},
	{SYS_mmap, false, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_DENYWRITE}},
	{SYS_mprotect, false, {0, 4096, PROT_READ | PROT_EXEC}},
	{SYS_mprotect, false, {0, 4096, PROT_READ}},
	{SYS_munmap, false, {0, 4096}},
	{SYS_socketpair, false, {AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC}},
	{SYS_recvmsg, false, {0}},
	{SYS_sendto, false, {0}},
	{SYS_recvfrom, false, {0}},
	{SYS_close, false, {0}},
	{SYS_openat, false, {(uint64_t)-100}},
	{SYS_read, false, {0}},
	{SYS_pread64, false, {0}},
	{SYS_futex, false, {0}},
	{SYS_rt_sigprocmask, false, {0}},
	{SYS_exit, false, {0}},
	{SYS_clone, false, {THREAD}},
	{SYS_clone3, true, {0}},
	{SYS_set_robust_list, true, {0}},
	{SYS_rseq, true, {0}},
	{SYS_fstat, true, {0}},
	{SYS_newfstatat, true, {0}},
	{SYS_madvise, true, {0, 4096, MADV_DONTNEED}},
	{SYS_rt_sigreturn, true, {0}}, /* only if we die */
};

/* The registers of the machine (linux/filter.h). */
struct machine {
	uint32_t a, x, memory[BPF_MEMWORDS];
	struct seccomp_data data;
};

static uint32_t calculate(uint16_t code, uint32_t a, uint32_t b)
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

static bool holds(uint16_t code, uint32_t a, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	default:
		return a & b;
	}
}

static uint32_t load(const struct machine *machine, const struct sock_filter *insn)
{
	uint32_t word = 0;

	switch (BPF_MODE(insn->code)) {
	case BPF_ABS:
		if (insn->k <= sizeof(machine->data) - sizeof(word))
			memcpy(&word, (const char *)&machine->data + insn->k, sizeof(word));
		return word;
	case BPF_MEM:
		return machine->memory[insn->k % BPF_MEMWORDS];
	case BPF_LEN:
		return sizeof(machine->data);
	default:
		return insn->k;
	}
}

/* Returns how many instructions are skipped. */
static uint32_t do_jump(const struct machine *machine, const struct sock_filter *insn)
{
	uint32_t operand = BPF_SRC(insn->code) == BPF_X ? machine->x : insn->k;

	if (BPF_OP(insn->code) == BPF_JA)
		return insn->k;
	return holds(insn->code, machine->a, operand) ? insn->jt : insn->jf;
}

static void do_other(struct machine *machine, const struct sock_filter *insn)
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
	default:
		if (BPF_MISCOP(insn->code) == BPF_TXA)
			machine->a = machine->x;
		else
			machine->x = machine->a;
	}
}

static uint32_t run(struct machine *machine, const struct sock_filter *program, long length)
{
	for (long at = 0; at < length; at++) {
		const struct sock_filter *insn = &program[at];

		if (BPF_CLASS(insn->code) == BPF_RET)
			return BPF_RVAL(insn->code) == BPF_A ? machine->a : insn->k;
		if (BPF_CLASS(insn->code) == BPF_JMP)
			at += do_jump(machine, insn);
		else
			do_other(machine, insn);
	}
	return SECCOMP_RET_KILL_PROCESS;
}

static bool permits(const struct sock_filter *program, long length, size_t call)
{
	struct machine machine = {
		.data = {.nr = calls[call].number, .arch = AUDIT_ARCH_X86_64},
	};
	uint32_t action;

	memcpy(machine.data.args, calls[call].args, sizeof(calls[call].args));
	action = run(&machine, program, length) & SECCOMP_RET_ACTION_FULL;
	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG ||
	       (action == SECCOMP_RET_ERRNO && calls[call].may_fail);
}

int filter_check(int tid)
{
	static struct sock_filter program[LENGTH_MAX];

	for (long i = 0; i < FILTERS_MAX; i++) {
		long length =
			ptrace((enum __ptrace_request)PTRACE_SECCOMP_GET_FILTER, tid, i, NULL);

		if (length < 0 || length > LENGTH_MAX)
			return i ? 0 : EP_ATTACH_FILTER_UNKNOWN;
		length = ptrace((enum __ptrace_request)PTRACE_SECCOMP_GET_FILTER, tid, i, program);
		for (size_t k = 0; k < sizeof(calls) / sizeof(calls[0]); k++)
			if (length < 0 || !permits(program, length, k))
				return EP_ATTACH_SANDBOXED;
	}
	return 0;
}
