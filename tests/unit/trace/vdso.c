/* SPDX-License-Identifier: MIT */
/* Which code may be called on a hit, and how much stack it takes. */
#include <criterion/criterion.h>
#include <time.h>

#include "trace/clock/vdso.h"

TestSuite(trace_vdso, .timeout = 60);

#define CODE(name, text)                                                                           \
	__asm__(".pushsection .text; " #name ": " text "\n" #name "_end: int3; .popsection");      \
	extern const char name[], name##_end[]

/* The return address and the red zone. */
#define LEAST (8 + 128)

static unsigned int stack_of(const char *start, const char *end)
{
	unsigned int ret = 0;

	return trace_vdso_check((uint64_t)start, (uint64_t)end, (uint64_t)start, &ret) ? ret : 0;
}

#define EXPECT_STACK(name, wanted)                                                                 \
	cr_expect_eq(stack_of(name, name##_end), wanted, "%s: %u", #name,                          \
		     stack_of(name, name##_end))

CODE(plain, "mov %edi, %eax; ret");
CODE(saves, "push %rbx; push %rbp; sub $24, %rsp; add $24, %rsp; pop %rbp; pop %rbx; ret");
CODE(frame, "push %rbp; mov %rsp, %rbp; push %rbx; and $-16, %rsp; sub $16, %rsp; "
	    "lea -8(%rbp), %rsp; pop %rbx; pop %rbp; ret");
CODE(leaves, "push %rbp; mov %rsp, %rbp; sub $0x40, %rsp; leave; ret");
CODE(loops, "push %rbx; 1: pause; dec %edi; jnz 1b; pop %rbx; ret");
CODE(calls, "push %rbx; call 1f; pop %rbx; ret; 1: push %rbx; pop %rbx; ret");
CODE(syscalls, "mov $228, %eax; syscall; ret");
/* How Linux tells the processor's number where there is no RDPID. */
CODE(segment_limit, "mov $0x7b, %eax; lsl %eax, %eax; mov %eax, (%rdi); ret");
CODE(segment_limit_to_stack_pointer, "mov $0x7b, %eax; lsl %eax, %esp; ret");

Test(trace_vdso, what_compilers_make_of_functions_is_followed)
{
	EXPECT_STACK(plain, LEAST);
	EXPECT_STACK(saves, LEAST + 40);
	EXPECT_STACK(frame, LEAST + 48);
	EXPECT_STACK(leaves, LEAST + 72);
	EXPECT_STACK(loops, LEAST + 8);
	EXPECT_STACK(calls, LEAST + 24);
	EXPECT_STACK(syscalls, LEAST);
	EXPECT_STACK(segment_limit, LEAST);
}

CODE(vector, "movd %xmm0, %eax; ret");
CODE(avx, "vpxor %xmm0, %xmm0, %xmm0; ret");
CODE(indirect_jump, "jmp *%rax");
CODE(indirect_call, "call *(%rdi); ret");
CODE(outside, "jmp plain");
CODE(grows_in_loop, "1: push %rax; dec %edi; jnz 1b; ret");
CODE(recursive, "call recursive; ret");
CODE(unbalanced, "push %rax; ret");
CODE(by_register, "sub %rax, %rsp; add %rax, %rsp; ret");
CODE(pivots, "mov %rdi, %rsp; ret");
CODE(exchanges, "xchg %rax, %rsp; ret");
CODE(pops_it, "push %rdi; pop %rsp; ret");
CODE(frame_elsewhere, "push %rbp; mov %rsp, %rbp; mov %rdi, %rbp; leave; ret");
CODE(no_frame, "leave; ret");
CODE(large, "sub $512, %rsp; add $512, %rsp; ret");
CODE(huge, "sub $0x7fffffff, %rsp; add $0x7fffffff, %rsp; ret");
CODE(falls_out, "nop");
CODE(traps, "ud2");

Test(trace_vdso, all_else_is_refused)
{
	EXPECT_STACK(vector, 0);
	EXPECT_STACK(avx, 0);
	EXPECT_STACK(indirect_jump, 0);
	EXPECT_STACK(indirect_call, 0);
	EXPECT_STACK(outside, 0);
	EXPECT_STACK(grows_in_loop, 0);
	EXPECT_STACK(recursive, 0);
	EXPECT_STACK(unbalanced, 0);
	EXPECT_STACK(by_register, 0);
	EXPECT_STACK(pivots, 0);
	EXPECT_STACK(exchanges, 0);
	EXPECT_STACK(pops_it, 0);
	EXPECT_STACK(segment_limit_to_stack_pointer, 0);
	EXPECT_STACK(frame_elsewhere, 0);
	EXPECT_STACK(no_frame, 0);
	EXPECT_STACK(large, 0);
	EXPECT_STACK(huge, 0);
	EXPECT_STACK(falls_out, 0);
	EXPECT_STACK(traps, 0);
}

/* A kernel whose clock is not shown to be harmless costs system calls: that should be noticed. */
Test(trace_vdso, this_kernels_clock_may_be_called)
{
	static const char *const names[] = {"__vdso_clock_gettime", "__vdso_getcpu"};

	for (int i = 0; i < 2; i++) {
		unsigned int stack = 0;

		cr_expect(trace_vdso_find(names[i], &stack), "%s", names[i]);
		cr_expect_geq(stack, LEAST);
		cr_expect_leq(stack, TRACE_VDSO_STACK_MAX);
		cr_log_info("%s: %u bytes of stack", names[i], stack);
	}
	cr_expect_eq(trace_vdso_find("__vdso_nothing", NULL), 0);
}
