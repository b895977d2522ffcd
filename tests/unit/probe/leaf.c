/* SPDX-License-Identifier: MIT */
/* Which handlers are seen to use general registers only: those here are assembly that says so. */
#include "probe/image/leaf.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#include "include/emuprobe.h"
#include "probe/engine/lock.h"

#define FUNCTION(name, code)                                                                       \
	__asm__(".text\n\t.type " #name ", @function\n" #name ":\n\t" code "\n\t.size " #name      \
		", . - " #name "\n");                                                              \
	extern const uint8_t name[]

FUNCTION(leaf_empty, "ret");
FUNCTION(leaf_plain, "endbr64; push %rbx; lock incq (%rsi); cpuid; rdtsc; lfence; rep stosb; "
		     "cmpxchg16b (%rdi); pop %rbx; syscall; ret");
FUNCTION(leaf_loops, "1: dec %eax; jnz 1b; jmp 2f; ud2; 2: ret");
FUNCTION(leaf_recurses, "call leaf_recurses; ret");
FUNCTION(leaf_calls, "call leaf_plain; jmp leaf_loops");
FUNCTION(leaf_moves_vector, "test %eax, %eax; jz 1f; ret; 1: movaps %xmm0, %xmm1; ret");
FUNCTION(leaf_calls_vector, "call leaf_moves_vector; ret");
FUNCTION(leaf_avx, "vpaddd %ymm1, %ymm2, %ymm3; ret");
FUNCTION(leaf_vzeroupper, "vzeroupper; ret");
FUNCTION(leaf_mask, "kxorw %k1, %k1, %k1; ret");
FUNCTION(leaf_x87, "fld1; fstp %st; ret");
FUNCTION(leaf_fwait, "fwait; ret");
FUNCTION(leaf_mmx, "movd %eax, %mm0; ret");
FUNCTION(leaf_emms, "emms; ret");
FUNCTION(leaf_mxcsr, "ldmxcsr (%rsp); ret");
FUNCTION(leaf_xsavec, "xsavec (%rdi); ret");
FUNCTION(leaf_xrstor, "xrstor (%rdi); ret");
FUNCTION(leaf_pointer, "call *%rax; ret");
FUNCTION(leaf_tail, "jmp *(%rdi)");
FUNCTION(leaf_crc, "crc32b %al, %ecx; ret"); /* general, but not known to be */
FUNCTION(leaf_frame, "push %rbx; push %r12; sub $24, %rsp; mov 8(%rsp), %rax; test %eax, %eax; "
		     "jz 1f; xor %ebx, %ebx; 1: add $24, %rsp; pop %r12; pop %rbx; ret");
FUNCTION(leaf_r12, "mov %r12, %rax; mov (%r12), %rcx; xchg %rax, %r12; mov %rcx, (%r12); ret");
FUNCTION(leaf_frame_pointer, "push %rbp; mov %rsp, %rbp; pop %rbp; ret"); /* copies RSP */
FUNCTION(leaf_leaves, "push %rbp; leave; ret");
FUNCTION(leaf_push_later_ret, "push %rax; xor %ecx, %ecx; ret");
FUNCTION(leaf_push_one_way, "test %eax, %eax; jz 1f; push %rbx; 1: pop %rbx; ret");
FUNCTION(leaf_pops_return, "pop %rax; push %rcx; ret");
FUNCTION(leaf_adds_past, "add $8, %rsp; ret");
FUNCTION(leaf_subtracts_less, "sub $16, %rsp; add $8, %rsp; ret");
FUNCTION(leaf_push_word, "pushw %ax; pop %rax; ret");
FUNCTION(leaf_copies, "mov %rsp, %rax; mov %rcx, (%rax); ret");
FUNCTION(leaf_copies_by_push, "push %rsp; pop %rax; mov %rcx, (%rax); ret");
FUNCTION(leaf_copies_by_lea, "lea 8(%rsp), %rax; mov %rcx, -8(%rax); ret");
FUNCTION(leaf_subtracts_half, "push %rbx; sub $8, %esp; ret");
FUNCTION(leaf_retpoline, "call 1f; 2: pause; jmp 2b; 1: mov %rax, (%rsp); ret");
FUNCTION(leaf_push_ret, "push %rax; ret");
FUNCTION(leaf_pushf_ret, "pushf; ret");
FUNCTION(leaf_push_mem_ret, "pushq (%rdi); ret");
FUNCTION(leaf_switch, "mov %rdi, %rsp; ret");
FUNCTION(leaf_load_stack, "mov (%rdi), %rsp; ret");
FUNCTION(leaf_exchange, "xchg %rax, %rsp; ret");
FUNCTION(leaf_exchange_memory, "xchg %rsp, (%rdi); ret");
FUNCTION(leaf_pop_stack, "pop %rsp; ret");
FUNCTION(leaf_constant_stack, "mov $0x1000, %esp; ret");
FUNCTION(leaf_add_stack, "add %rdi, %rsp; ret");
FUNCTION(leaf_add_to_stack, "add (%rdi), %rsp; ret");
FUNCTION(leaf_cmov_stack, "cmovz %rdi, %rsp; ret");
FUNCTION(leaf_lea_stack, "lea (%rdi), %rsp; ret");
FUNCTION(leaf_ret_imm, "ret $8");
FUNCTION(leaf_add_at_stack, "addq $8, (%rsp); ret");
FUNCTION(leaf_xadd_at_stack, "xadd %rax, (%rsp); ret");
FUNCTION(leaf_pop_at_stack, "popq (%rsp); ret");
FUNCTION(leaf_long, ".rept 1000; inc %eax; .endr; ret");
FUNCTION(leaf_many_roads, ".rept 100; jz leaf_empty; .endr; ret");

static bool is_general(const uint8_t *function)
{
	bool ret;

	engine_lock();
	ret = leaf_is_general((uint64_t)function);
	engine_unlock();
	return ret;
}

Test(leaf, sees_general_registers)
{
	cr_expect(is_general(leaf_empty));
	cr_expect(is_general(leaf_plain));
	cr_expect(is_general(leaf_loops));
	cr_expect(is_general(leaf_recurses));
	cr_expect(is_general(leaf_frame));
	cr_expect(is_general(leaf_r12));
	cr_expect(is_general(leaf_calls));
	cr_expect(is_general(leaf_calls), "the last answer is remembered");
}

Test(leaf, sees_everything_else)
{
	cr_expect_not(is_general(leaf_moves_vector));
	cr_expect_not(is_general(leaf_calls_vector));
	cr_expect_not(is_general(leaf_avx));
	cr_expect_not(is_general(leaf_vzeroupper));
	cr_expect_not(is_general(leaf_mask));
	cr_expect_not(is_general(leaf_x87));
	cr_expect_not(is_general(leaf_fwait));
	cr_expect_not(is_general(leaf_mmx));
	cr_expect_not(is_general(leaf_emms));
	cr_expect_not(is_general(leaf_mxcsr));
	cr_expect_not(is_general(leaf_xsavec));
	cr_expect_not(is_general(leaf_xrstor));
}

Test(leaf, doubts_what_it_cannot_follow)
{
	cr_expect_not(is_general(leaf_pointer));
	cr_expect_not(is_general(leaf_tail));
	cr_expect_not(is_general(leaf_crc));
	cr_expect_not(is_general(leaf_long));
	cr_expect_not(is_general(leaf_many_roads));
	cr_expect_not(is_general((const uint8_t *)strlen), "of another object, by way of a PLT");
}

Test(leaf, doubts_a_return_that_nobody_called)
{
	cr_expect_not(is_general(leaf_retpoline));
	cr_expect_not(is_general(leaf_frame_pointer));
	cr_expect_not(is_general(leaf_leaves));
	cr_expect_not(is_general(leaf_push_later_ret));
	cr_expect_not(is_general(leaf_push_one_way));
	cr_expect_not(is_general(leaf_pops_return));
	cr_expect_not(is_general(leaf_adds_past));
	cr_expect_not(is_general(leaf_subtracts_less));
	cr_expect_not(is_general(leaf_push_word));
	cr_expect_not(is_general(leaf_copies));
	cr_expect_not(is_general(leaf_copies_by_push));
	cr_expect_not(is_general(leaf_copies_by_lea));
	cr_expect_not(is_general(leaf_subtracts_half));
	cr_expect_not(is_general(leaf_push_ret));
	cr_expect_not(is_general(leaf_pushf_ret));
	cr_expect_not(is_general(leaf_push_mem_ret));
	cr_expect_not(is_general(leaf_switch));
	cr_expect_not(is_general(leaf_load_stack));
	cr_expect_not(is_general(leaf_exchange));
	cr_expect_not(is_general(leaf_exchange_memory));
	cr_expect_not(is_general(leaf_pop_stack));
	cr_expect_not(is_general(leaf_constant_stack));
	cr_expect_not(is_general(leaf_add_stack));
	cr_expect_not(is_general(leaf_add_to_stack));
	cr_expect_not(is_general(leaf_cmov_stack));
	cr_expect_not(is_general(leaf_lea_stack));
	cr_expect_not(is_general(leaf_ret_imm));
	cr_expect_not(is_general(leaf_add_at_stack));
	cr_expect_not(is_general(leaf_xadd_at_stack));
	cr_expect_not(is_general(leaf_pop_at_stack));
}

Test(leaf, does_not_believe_generated_code)
{
	uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(code, MAP_FAILED);
	code[0] = 0xc3; /* ret */
	cr_expect_not(is_general(code));
}
