/* SPDX-License-Identifier: MIT */
/*
 * Claim: a provoker faults as the control flow that it stands for would: the same signal, code and
 * address, all registers as before; and if nothing is wrong it goes where the original leads.
 */
#include <criterion/criterion.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "fallback-xol/boost.h"
#include "tests/unit/fallback-xol/prepare.h"

static struct ep_regs fault_regs;
static siginfo_t fault_info;
static sigjmp_buf back;

static void on_fault(int signal, siginfo_t *info, void *context)
{
	struct xol_origin origin;

	(void)signal;
	fault_info = *info;
	fault_regs = *(struct ep_regs *)(void *)((ucontext_t *)context)->uc_mcontext.gregs;
	if (xol_origin(fault_regs.rip, &origin))
		xol_origin_restore(&origin, &fault_regs);
	siglongjmp(back, 1);
}

static void handle_faults(void)
{
	static uint8_t stack[65536];
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

/* @return did it fault? */
static bool faults(uint64_t rip, uint64_t rsp, uint64_t rax)
{
	if (sigsetjmp(back, 1))
		return true;
	run_prepare(rip, 0);
	run_in.regs.rsp = rsp;
	run_in.regs.rax = rax;
	run();
	return false;
}

static void check(const uint8_t *code, uint64_t rsp, uint64_t rax)
{
	struct ep_regs native;
	siginfo_t native_info;
	struct x86_insn insn;
	uint64_t slot;

	cr_assert_eq(x86_decode(code, X86_INSN_MAX, (uint64_t)code, &insn), 0);
	cr_assert_eq(xol_provoke(&insn, &slot), 0);
	cr_assert(faults((uint64_t)code, rsp, rax));
	native = fault_regs;
	native_info = fault_info;
	cr_assert(faults(slot, rsp, rax));
	cr_expect_arr_eq(&fault_regs, &native, sizeof(native));
	cr_expect_eq(fault_info.si_signo, native_info.si_signo);
	cr_expect_eq(fault_info.si_code, native_info.si_code);
	cr_expect_eq(fault_info.si_addr, native_info.si_addr);
}

static uint64_t good_stack(void)
{
	return (uint64_t)run_stack + RUN_STACK_SIZE - RUN_STACK_USED;
}

#define NON_CANONICAL 0x8000000000000000

/* The original comes back here: it must be code of this program. */
extern const uint8_t call_rel[], call_rax[], call_mem[], call_rsp[], call_rip[], jmp_mem[],
	jmp_rax[], ret_near[], ret_imm[], jcc_rel[];

__asm__("	.text\n"
	"call_rel:	call	1f\n"
	"1:	jmp	run_exit\n"
	"call_rax:	call	*%rax\n"
	"	jmp	run_exit\n"
	"call_mem:	call	*8(%rax)\n"
	"	jmp	run_exit\n"
	"call_rsp:	call	*16(%rsp)\n"
	"	jmp	run_exit\n"
	"call_rip:	call	*run_exit_pointer(%rip)\n"
	"	jmp	run_exit\n"
	"jmp_mem:	jmp	*(%rax,%rcx,8)\n"
	"jmp_rax:	jmp	*%rax\n"
	"ret_near:	ret\n"
	"ret_imm:	ret	$16\n"
	"jcc_rel:	je	ret_near\n"
	"	.section .data.rel, \"aw\"\n"
	"run_exit_pointer: .quad run_exit\n"
	"	.text\n");

Test(provoke_call, faults_on_its_stack, .init = handle_faults)
{
	check(call_rel, 8, 0);
	check(call_rel, NON_CANONICAL, 0);
	check(call_rax, 16, (uint64_t)run_exit);
	check(call_rip, 16, 0);
}

Test(provoke_call, faults_on_its_operand, .init = handle_faults)
{
	check(call_mem, good_stack(), 0);
	check(call_mem, good_stack(), NON_CANONICAL);
	check(call_rsp, 16, 0);
	check(call_rsp, NON_CANONICAL, 0);
}

Test(provoke_call, faults_on_its_target, .init = handle_faults)
{
	check(call_rax, good_stack(), NON_CANONICAL);
}

Test(provoke_jump, faults_on_its_operand, .init = handle_faults)
{
	check(jmp_mem, good_stack(), 8);
	check(jmp_rax, good_stack(), NON_CANONICAL);
}

Test(provoke_return, faults_on_its_stack, .init = handle_faults)
{
	check(ret_near, 8, 0);
	check(ret_imm, NON_CANONICAL, 0);
}

Test(provoke_call, goes_on_when_nothing_is_wrong, .init = handle_faults)
{
	static const uint8_t *const calls[] = {call_rel, call_rip, call_rax};

	for (int i = 0; i < 3; i++) {
		struct x86_insn insn;
		uint64_t slot;

		x86_decode(calls[i], X86_INSN_MAX, (uint64_t)calls[i], &insn);
		cr_assert_eq(xol_provoke(&insn, &slot), 0);
		cr_assert_not(faults(slot, good_stack(), (uint64_t)run_exit));
		cr_assert_eq(run_out.regs.rsp, good_stack() - 8);
		cr_assert_eq(*(uint64_t *)run_out.regs.rsp, x86_insn_end(&insn));
		cr_assert_eq(run_out.regs.rflags, run_in.regs.rflags);
	}
}

Test(provoke, refuses_what_accesses_no_memory)
{
	struct x86_insn insn;
	uint64_t slot;

	x86_decode(jcc_rel, X86_INSN_MAX, (uint64_t)jcc_rel, &insn);
	cr_assert_eq(xol_provoke(&insn, &slot), -EP_NOT_EMULATED);
}

Test(boost, refuses_control_flow_and_breakpoints)
{
	static const uint8_t refused[][16] = {
		{0xe8, 0, 0, 0, 0},
		{0xeb, 0},
		{0x74, 0},
		{0xc3},
		{0xff, 0xe0},
		{0xff, 0xd0},
		{0xcc},
		{0xf1},
		{0xcd, 0x03},
		{0xcf},
		{0xcb},
		{0x0f, 0x34},
		{0xc7, 0xf8, 0, 0, 0, 0}, /* xbegin */
	};
	struct x86_insn insn;
	uint64_t slot;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		cr_assert_eq(x86_decode(refused[i], 15, (uint64_t)run, &insn), 0, "%zu", i);
		cr_expect_eq(xol_boost(&insn, &slot), -EP_NOT_BOOSTED, "%zu", i);
	}
}
