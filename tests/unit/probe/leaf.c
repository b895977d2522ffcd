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
FUNCTION(leaf_base_r12, "mov %r12, %rax; mov (%r12), %rcx; xchg %rax, %r12; mov %rcx, (%r12); ret");
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

/* What is done with the registers that RSI has the address of. */
FUNCTION(leaf_reads,
	 "mov 0x40(%rsi), %rax; mov 0x48(%rsi), %ecx; movzbl 0x60(%rsi), %edx; add 0(%rsi), %rax; "
	 "cmpq $0, 0x80(%rsi); mov 0x78(%rsi), %rdi; cmp %rax, 0x88(%rsi); test %rax, 0x50(%rsi); "
	 "testb $1, 0x88(%rsi); cmovz 0x18(%rsi), %rax; imul 0x70(%rsi), %rax; ret");
FUNCTION(leaf_writes,
	 "incq 0x68(%rsi); mov %rax, 0x10(%rsi); movl $1, 8(%rsi); xchg %rax, 0x70(%rsi); "
	 "setz 0x40(%rsi); ret");
FUNCTION(leaf_passes_on, "push %rbx; call leaf_reads; call leaf_writes; pop %rbx; jmp leaf_reads");
FUNCTION(
	leaf_r14,
	"mov 0x30(%r14), %rax; mov %r14, %rcx; mov (%rax,%r14), %rdx; ret"); /* RSI, but for a bit */
#define KEPT(name, offset) FUNCTION(leaf_##name, "mov " #offset "(%rsi), %rax; ret")
KEPT(r12, 0x20);
KEPT(r13, 0x28);
KEPT(last, 0x38);
KEPT(rbx, 0x58);
KEPT(behind, 0x90);
KEPT(before, -8);
KEPT(across, 0x1c);
FUNCTION(leaf_writes_rbx, "movq $0, 0x58(%rsi); ret");
FUNCTION(leaf_writes_rbp, "movq $0, 0x50(%rsi); ret");
FUNCTION(leaf_writes_rsp, "addq $8, 0x78(%rsi); ret");
FUNCTION(leaf_writes_rip, "mov %rax, 0x80(%rsi); ret");
FUNCTION(leaf_writes_flags, "orl $1, 0x88(%rsi); ret");
FUNCTION(leaf_clears_flag, "notl 0x88(%rsi); ret");
FUNCTION(leaf_increments_rip, "incq 0x80(%rsi); ret");
FUNCTION(leaf_exchanges_rip, "xchg %rax, 0x80(%rsi); ret");
FUNCTION(leaf_sets_flag, "setz 0x88(%rsi); ret");
FUNCTION(leaf_copies_rsi, "mov %rsi, %rax; ret");
FUNCTION(leaf_copies_half, "mov %esi, %eax; ret");
FUNCTION(leaf_copies_by_lea_of, "lea 8(%rsi), %rax; ret");
FUNCTION(leaf_stores_rsi, "mov %rsi, 0x40(%rsi); ret");
FUNCTION(leaf_pushes_rsi, "push %rsi; pop %rax; ret");
FUNCTION(leaf_changes_rsi, "add $0x50, %rsi; mov 8(%rsi), %rax; ret");
FUNCTION(leaf_index, "mov 0x40(%rsi,%rax,8), %rax; ret");
FUNCTION(leaf_is_index, "mov 0x40(%rax,%rsi), %rax; ret");
FUNCTION(leaf_string, "lodsq; ret");
FUNCTION(leaf_string_copy, "rep movsb; ret");
FUNCTION(leaf_asks_kernel, "syscall; ret");
FUNCTION(leaf_bit, "bt %rax, 0x40(%rsi); ret");
FUNCTION(leaf_sets_bit, "bts %rax, 0x40(%rsi); ret");
FUNCTION(leaf_sixteen, "cmpxchg16b 0x10(%rsi); ret");
FUNCTION(leaf_half_address, "mov 0x40(%esi), %rax; ret");
FUNCTION(leaf_of_segment, "mov %fs:0x40(%rsi), %rax; ret");
FUNCTION(leaf_calls_reader, "call leaf_rbx; ret");

static enum leaf_use use_of(const uint8_t *function)
{
	enum leaf_use ret;

	engine_lock();
	ret = leaf_use((uint64_t)function);
	engine_unlock();
	return ret;
}

static bool is_general(const uint8_t *function)
{
	bool ret;

	engine_lock();
	ret = leaf_use((uint64_t)function) != LEAF_ANY;
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
	cr_expect(is_general(leaf_base_r12));
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

Test(leaf, sees_scratch_registers)
{
	cr_expect_eq(use_of(leaf_empty), LEAF_SCRATCH);
	cr_expect_eq(use_of(leaf_reads), LEAF_SCRATCH);
	cr_expect_eq(use_of(leaf_writes), LEAF_SCRATCH);
	cr_expect_eq(use_of(leaf_passes_on), LEAF_SCRATCH);
	cr_expect_eq(use_of(leaf_r14), LEAF_SCRATCH);
}

Test(leaf, sees_what_is_more)
{
	const struct {
		const char *name;
		const uint8_t *function;
	} more[] = {
#define MORE(name) {#name, leaf_##name}
		MORE(r12),
		MORE(r13),
		MORE(last),
		MORE(rbx),
		MORE(behind),
		MORE(before),
		MORE(across),
		MORE(writes_rbx),
		MORE(writes_rbp),
		MORE(writes_rsp),
		MORE(writes_rip),
		MORE(writes_flags),
		MORE(clears_flag),
		MORE(increments_rip),
		MORE(exchanges_rip),
		MORE(sets_flag),
		MORE(copies_rsi),
		MORE(copies_half),
		MORE(copies_by_lea_of),
		MORE(stores_rsi),
		MORE(pushes_rsi),
		MORE(changes_rsi),
		MORE(index),
		MORE(is_index),
		MORE(string),
		MORE(string_copy),
		MORE(asks_kernel),
		MORE(bit),
		MORE(sets_bit),
		MORE(sixteen),
		MORE(half_address),
		MORE(of_segment),
		MORE(calls_reader),
	};

	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		cr_expect_eq(use_of(more[i].function), LEAF_GENERAL, "%s", more[i].name);
}
