/* SPDX-License-Identifier: MIT */
/*
 * What functions do with their return address, and how they are left: assembly that says so, and those
 * of libc that are known for it.
 */
#include "probe/image/exits.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <wchar.h>

#include "probe/engine/lock.h"
#include "probe/image/functions.h"
#include "probe/image/objects.h"

TestSuite(exits, .timeout = 400);

#define FUNCTION(name, code)                                                                       \
	__asm__(".text\n\t.type " #name ", @function\n" #name ":\n\t.cfi_startproc\n\t" code       \
		"\n\t.cfi_endproc\n\t.size " #name ", . - " #name "\n");                           \
	extern const uint8_t name[]

/* Without unwind information; @size of the symbol. */
#define BARE(name, code, size)                                                                     \
	__asm__(".text\n\t.type " #name ", @function\n" #name ":\n\t" code "\n\t.size " #name      \
		", " size "\n");                                                                   \
	extern const uint8_t name[]

#define PUSH(reg) "push %" #reg "; .cfi_adjust_cfa_offset 8;"
#define POP(reg)  "pop %" #reg "; .cfi_adjust_cfa_offset -8;"
#define FRAME	  PUSH(rbp) "mov %rsp, %rbp; .cfi_def_cfa_register %rbp;"
#define LEAVE	  "leave; .cfi_def_cfa %rsp, 8;"

static struct exits find(const void *function)
{
	struct exits ret;

	engine_lock();
	cr_assert_eq(exits_find((uint64_t)function, &ret), 0);
	engine_unlock();
	return ret;
}

static enum exits_reading reading(const void *function)
{
	return find(function).reading;
}

#define expect_reading(function, expected)                                                         \
	cr_expect_eq(reading(function), EXITS_READING_##expected, #function ": %s",                \
		     exits_reading_text(reading(function)))
#define expect_refusal(function, expected)                                                         \
	cr_expect_eq(find(function).refusal, EXITS_REFUSAL_##expected, #function ": %s",           \
		     exits_refusal_text(find(function).refusal))

/* ---- what leaves it alone ------------------------------------------------------------------ */

FUNCTION(exits_leaf, "lea (%rdi, %rsi), %rax; ret");
FUNCTION(exits_frame, FRAME "push %rbx; sub $24, %rsp; mov -8(%rbp), %rax; mov 16(%rbp), %rcx;"
			    "add $24, %rsp; pop %rbx;" LEAVE "ret");
FUNCTION(exits_red_zone, "mov %rdi, -8(%rsp); movsd %xmm0, -16(%rsp); movups -16(%rsp), %xmm1;"
			 "movss %xmm0, -4(%rsp); mov %al, -1(%rsp); ret");
FUNCTION(exits_arguments,
	 "mov 8(%rsp), %rax; lea 8(%rsp), %rcx; movups 8(%rsp), %xmm0;" PUSH(rbx)
		 PUSH(r12) "mov 24(%rsp), %rdx; mov 8(%rsp), %rcx;" POP(r12) POP(rbx) "ret");
FUNCTION(exits_barrier, "lock orq $0, (%rsp); nopw (%rsp); prefetcht0 (%rsp); ret");
FUNCTION(exits_alloca,
	 FRAME "push %rbx; push %r12; mov %rsp, %r12; sub %rdi, %rsp; and $-32, %rsp;"
	       "mov %rsp, %rdi; mov (%rdi), %rax; mov %r12, %rsp;"
	       "lea -16(%rbp), %rsp; pop %r12; pop %rbx;" POP(rbp) ".cfi_def_cfa %rsp, 8; ret");
FUNCTION(exits_early, PUSH(rbx) "test %edi, %edi; jz 1f; .cfi_remember_state;" POP(
			      rbx) "ret; nop;"
				   ".cfi_restore_state; 1: mov (%rsp), %rax;" POP(rbx) "ret");
FUNCTION(exits_other_stack, "mov (%rdi), %rax; mov 8(%rax), %rcx; lea 8(%rax), %rdx; ret");
FUNCTION(exits_adjusts, "lea -24(%rsp), %rsp; .cfi_adjust_cfa_offset 24; lea 24(%rsp), %rsp;"
			".cfi_adjust_cfa_offset -24; ret");
FUNCTION(exits_bytes, PUSH(rbx) "or $1, %ah; mov $1, %ch; movzbl %ah, %eax; setz %dh;"
				"mov %bh, (%rdi);" POP(rbx) "ret");

Test(exits, most_functions_leave_it_alone)
{
	expect_reading(exits_leaf, NONE);
	expect_reading(exits_frame, NONE);
	expect_reading(exits_red_zone, NONE);
	expect_reading(exits_arguments, NONE);
	expect_reading(exits_barrier, NONE);
	expect_reading(exits_alloca, NONE);
	expect_reading(exits_early, NONE);
	expect_reading(exits_other_stack, NONE);
	expect_reading(exits_adjusts, NONE);
	expect_reading(exits_bytes, NONE);
}

/* ---- what does not ------------------------------------------------------------------------- */

FUNCTION(exits_loads, "mov (%rsp), %rax; ret");
FUNCTION(exits_loads_byte, "movzbl 7(%rsp), %eax; ret");
FUNCTION(exits_loads_later, PUSH(rbx) "sub $16, %rsp; .cfi_adjust_cfa_offset 16;"
				      "mov 24(%rsp), %rax; add $16, %rsp;"
				      ".cfi_adjust_cfa_offset -16;" POP(rbx) "ret");
FUNCTION(exits_loads_by_rbp, FRAME "mov 8(%rbp), %rax;" LEAVE "ret");
FUNCTION(exits_loads_by_copy, "lea 8(%rsp), %rax; mov %rax, %r9; mov -8(%r9), %rcx; ret");
FUNCTION(exits_loads_by_sum, "lea -56(%rsp), %r11; add $48, %r11; mov 8(%r11), %rcx; ret");
FUNCTION(exits_loads_aligned, "lea 8(%rsp), %r10; .cfi_def_cfa %r10, 0; and $-32, %rsp;"
			      "pushq -8(%r10); lea -8(%r10), %rsp; .cfi_def_cfa %rsp, 8; ret");
FUNCTION(exits_loads_vector, "movups -8(%rsp), %xmm0; ret");
FUNCTION(exits_loads_vex, "vmovdqu -24(%rsp), %ymm0; ret");
FUNCTION(exits_loads_vex3, "mov %rsp, %r10; lea -8(%r10), %r10; vmovdqu 8(%r10), %xmm8; ret");
FUNCTION(exits_loads_evex, "vmovdqu64 -64(%rsp), %zmm16; vmovdqu64 -24(%rsp), %zmm16; ret");
FUNCTION(exits_loads_evex_scaled, "lea -128(%rsp), %r11; vmovdqu64 128(%r11), %zmm1; ret");
FUNCTION(exits_compares, "cmp %rdi, (%rsp); ret");
FUNCTION(exits_stores, "mov %rdi, (%rsp); ret");
FUNCTION(exits_stores_half, "movl $0, 4(%rsp); ret");
FUNCTION(exits_exchanges, "xchg %rax, (%rsp); ret");
FUNCTION(exits_saves_state, "fxsave -512+8(%rsp); ret");
FUNCTION(exits_pushes, "pushq (%rsp); .cfi_adjust_cfa_offset 8;" POP(rax) "ret");
FUNCTION(exits_pops, "pop %rdi; .cfi_adjust_cfa_offset -8; .cfi_register %rip, %rdi;"
		     "push %rdi; .cfi_adjust_cfa_offset 8; .cfi_offset %rip, -8; ret");
FUNCTION(exits_calls, "call *(%rsp); ret");
FUNCTION(exits_second_way, PUSH(rbx) "test %edi, %edi; jz 1f; .cfi_remember_state;" POP(
				   rbx) "mov (%rsp), %rax; ret; .cfi_restore_state; 1: pop %rbx;"
					".cfi_adjust_cfa_offset -8; ret");

Test(exits, an_access_is_seen)
{
	expect_reading(exits_loads, ACCESS);
	expect_reading(exits_loads_byte, ACCESS);
	expect_reading(exits_loads_later, ACCESS);
	expect_reading(exits_loads_by_rbp, ACCESS);
	expect_reading(exits_loads_by_copy, ACCESS);
	expect_reading(exits_loads_by_sum, ACCESS);
	expect_reading(exits_loads_aligned, ACCESS);
	expect_reading(exits_loads_vector, ACCESS);
	expect_reading(exits_loads_vex, ACCESS);
	expect_reading(exits_loads_vex3, ADDRESS); /* before that */
	expect_reading(exits_loads_evex, ACCESS);
	expect_reading(exits_loads_evex_scaled, ACCESS);
	expect_reading(exits_compares, ACCESS);
	expect_reading(exits_stores, ACCESS);
	expect_reading(exits_stores_half, ACCESS);
	expect_reading(exits_exchanges, ACCESS);
	expect_reading(exits_saves_state, ACCESS);
	expect_reading(exits_pushes, ACCESS);
	expect_reading(exits_pops, ACCESS);
	expect_reading(exits_calls, ACCESS);
	expect_reading(exits_second_way, ACCESS);
	cr_expect_eq(find(exits_loads_by_rbp).reading_at, (uint64_t)exits_loads_by_rbp + 4);
}

FUNCTION(exits_address_lea, "lea (%rsp), %rdi; ret");
FUNCTION(exits_address_lea_rbp, FRAME "lea 8(%rbp), %rdi;" LEAVE "ret");
FUNCTION(exits_address_mov, "mov %rsp, %rdi; ret");
FUNCTION(exits_address_add, FRAME "mov %rbp, %rdi; add $8, %rdi;" LEAVE "ret");
FUNCTION(exits_address_stored, "mov %rsp, (%rdi); ret");
FUNCTION(exits_address_pushed, "push %rsp; .cfi_adjust_cfa_offset 8;" POP(rax) "ret");

Test(exits, its_address_is_seen)
{
	expect_reading(exits_address_lea, ADDRESS);
	expect_reading(exits_address_lea_rbp, ADDRESS);
	expect_reading(exits_address_mov, ADDRESS);
	expect_reading(exits_address_add, ADDRESS);
	expect_reading(exits_address_stored, ADDRESS);
	expect_reading(exits_address_pushed, ADDRESS);
}

FUNCTION(exits_switches, "mov %rdi, %rsp; ret");
FUNCTION(exits_switches_load, "mov (%rdi), %rsp; ret");
FUNCTION(exits_switches_exchange, "xchg %rdi, %rsp; ret");
FUNCTION(exits_switches_pop, "pop %rsp; ret");
FUNCTION(exits_switches_in_frame, FRAME "mov 16(%rdi), %rsp; pop %rbx;" LEAVE "ret");
FUNCTION(exits_drops, "add $8, %rsp; .cfi_adjust_cfa_offset -8; jmp *%rdi");
FUNCTION(exits_untold, "push %rbx; mov %rdi, %rax; pop %rbx; ret");
FUNCTION(exits_pushed_target, "push %rdi; .cfi_adjust_cfa_offset 8; ret");
FUNCTION(exits_aligns, "and $-16, %rsp; ret");

Test(exits, a_stack_that_moves_is_seen)
{
	expect_reading(exits_switches, STACK);
	expect_reading(exits_switches_load, STACK);
	expect_reading(exits_switches_exchange, ADDRESS);
	expect_reading(exits_switches_pop, ACCESS);
	expect_reading(exits_switches_in_frame, STACK);
	expect_reading(exits_drops, STACK);
	expect_reading(exits_untold, STACK);
	expect_reading(exits_pushed_target, STACK);
	expect_reading(exits_aligns, STACK);
}

FUNCTION(exits_expression, ".cfi_escape 0x0f, 3, 0x77, 8, 6; nop; ret");
FUNCTION(exits_undefined, "nop; .cfi_undefined %rip; nop; ret");
FUNCTION(exits_moved, "nop; .cfi_offset %rip, -16; nop; ret");

Test(exits, a_rule_that_does_not_tell_is_seen)
{
	expect_reading(exits_expression, RULE);
	expect_reading(exits_undefined, RULE);
	expect_reading(exits_moved, RULE);
}

/* ---- ways out ------------------------------------------------------------------------------ */

FUNCTION(exits_two_returns, "test %edi, %edi; jz 1f; ret; 1: nop; ret $8");
FUNCTION(exits_jumps, "jmp exits_leaf");
FUNCTION(exits_jumps_if, "test %edi, %edi; jz exits_leaf; jns exits_frame; ret");
FUNCTION(exits_jumps_to_start, "dec %edi; jnz exits_jumps_to_start; jz 1f; 1: ret");
FUNCTION(exits_jumps_register, "jmp *%rax");
FUNCTION(exits_jumps_memory, "mov (%rdi), %rax; jmp *24(%rax)");
FUNCTION(exits_jumps_with_frame, PUSH(rbx) "jmp *%rax; 1:" POP(rbx) "ret");
FUNCTION(exits_jumps_by_index_with_frame,
	 PUSH(rbx) "mov (%rdi, %rsi, 8), %rax; jmp *%rax; 1:" POP(rbx) "ret");
FUNCTION(exits_table, "lea 9f(%rip), %rdx; movslq (%rdx, %rdi, 4), %rax; add %rdx, %rax; jmp *%rax;"
		      ".pushsection .rodata; .balign 4; 9: .long 1f - 9b, 2f - 9b; .popsection;"
		      "1: ret; 2: nop; ret");
FUNCTION(exits_table_moved,
	 "lea 9f(%rip), %r11; movslq (%r11, %rdi, 4), %rdi; lea (%r11, %rdi), %rdi; jmp *%rdi;"
	 ".pushsection .rodata; .balign 4; 9: .long 1f - 9b, 2f - 9b; .popsection;"
	 "1: ret; 2: nop; ret");
FUNCTION(exits_table_wide, "lea 9f(%rip), %rdx; mov (%rdx, %rdi, 8), %rax; jmp *%rax;"
			   ".pushsection .data.rel.ro, \"aw\"; .balign 8; 9: .quad 1f, 2f;"
			   ".popsection; 1: ret; 2: nop; ret");
FUNCTION(exits_table_memory, "lea 9f(%rip), %rdx; jmp *(%rdx, %rdi, 8);"
			     ".pushsection .data.rel.ro, \"aw\"; .balign 8; 9: .quad 1f, 2f;"
			     ".popsection; 1: ret; 2: nop; ret");
FUNCTION(exits_table_of_others, "lea 9f(%rip), %rdx; jmp *(%rdx, %rdi, 8);"
				".pushsection .data.rel.ro, \"aw\"; .balign 8;"
				"9: .quad exits_leaf, exits_frame; .popsection");
FUNCTION(exits_notrack, "notrack jmp *%rax; 1: ret");
FUNCTION(exits_padded_jump, ".byte 0x2e; jmp *%rax; 1: ret");
FUNCTION(exits_undecided, "mov (%rdi, %rsi, 8), %rax; jmp *%rax; 1: ret");
FUNCTION(exits_never, "nop; 1: jmp 1b");

/* "r" ret, "j" jmp, "c" jcc, "i" indirect, "?" undecided, in the order in which they are found. */
static void expect_ways(const void *function, const char *expected, int line)
{
	struct exits exits = find(function);
	char ways[EXITS_MAX + 1] = "";

	for (size_t i = 0; i < exits.count; i++)
		ways[i] = "rjci?"[exits.ways[i].kind];
	cr_expect_str_eq(ways, expected, "line %d", line);
	cr_expect_eq(exits.refusal, EXITS_REFUSAL_NONE, "line %d: %s", line,
		     exits_refusal_text(exits.refusal));
}
#define expect_ways(function, expected) expect_ways(function, expected, __LINE__)

Test(exits, returns_are_found)
{
	struct exits exits = find(exits_two_returns);

	expect_ways(exits_leaf, "r");
	expect_ways(exits_two_returns, "rr");
	expect_ways(exits_early, "rr");
	expect_ways(exits_never, "");
	cr_expect_eq(exits.ways[0].address, (uint64_t)exits_two_returns + 4);
	cr_expect_eq(exits.ways[1].address, (uint64_t)exits_two_returns + 6);
	cr_expect_eq(exits.extents[0].start, (uint64_t)exits_two_returns);
	cr_expect_eq(exits.extents[0].end, (uint64_t)exits_two_returns + 9);
}

Test(exits, jumps_to_others_are_found)
{
	expect_ways(exits_jumps, "j");
	expect_ways(exits_jumps_if, "ccr");
	expect_ways(exits_jumps_register, "i");
	expect_ways(exits_jumps_memory, "i");
	expect_ways(exits_table_of_others, "i");
	expect_ways(exits_undecided, "?r");
	expect_ways(exits_notrack, "?r");
	expect_ways(exits_padded_jump, "ir");
	cr_expect(find(exits_jumps_register).tail_is_unknown);
	cr_expect(find(exits_undecided).tail_is_unknown);
	cr_expect_not(find(exits_jumps).tail_is_unknown);
}

/* A probe at the start is hit again. */
Test(exits, a_jump_to_the_own_start_is_one)
{
	expect_ways(exits_jumps_to_start, "cr");
}

Test(exits, jump_tables_stay_inside)
{
	expect_ways(exits_table, "rr");
	expect_ways(exits_table_moved, "rr");
	expect_ways(exits_table_wide, "rr");
	expect_ways(exits_table_memory, "rr");
	expect_ways(exits_jumps_with_frame, "r");
	expect_ways(exits_jumps_by_index_with_frame, "r");
	cr_expect_not(find(exits_table).tail_is_unknown);
}

/* ---- parts --------------------------------------------------------------------------------- */

FUNCTION(exits_split, PUSH(rbx) "test %edi, %edi; jz exits_split_part;"
				"exits_split_back:" POP(rbx) "ret");
FUNCTION(exits_split_part,
	 ".cfi_def_cfa_offset 16; nop; test %esi, %esi; js 1f;"
	 ".cfi_remember_state;" POP(rbx) "ret; .cfi_restore_state;"
					 "1: mov 8(%rsp), %rax; jmp exits_split_back");
FUNCTION(exits_fresh, "test %edi, %edi; jz exits_fresh_part; exits_fresh_back: nop; ret");
FUNCTION(exits_fresh_part, "test %esi, %esi; js exits_fresh_back; ret");
FUNCTION(exits_falls, "test %edi, %edi; jz exits_leaf");
FUNCTION(exits_fallen_into, "mov %rdi, %rax; ret");

Test(exits, parts_belong_to_it)
{
	struct exits exits = find(exits_split);

	cr_assert_eq(exits.extent_count, 2);
	cr_expect_eq(exits.extents[1].start, (uint64_t)exits_split_part);
	expect_ways(exits_split, "rr");
	expect_reading(exits_split, ACCESS);
	cr_expect_eq(exits.reading_at & -64ul, (uint64_t)exits_split_part & -64ul);
	expect_refusal(exits_split_part, NOT_A_START);
}

Test(exits, a_part_without_a_frame_is_known_by_its_jump_back)
{
	expect_ways(exits_fresh, "rr");
	cr_expect_eq(find(exits_fresh).extent_count, 2);
}

Test(exits, what_it_falls_into_belongs_to_it)
{
	expect_ways(exits_falls, "cr");
	cr_expect_eq(find(exits_falls).extent_count, 2);
}

/* ---- what it goes on in -------------------------------------------------------------------- */

FUNCTION(exits_tail_loads, "nop; jmp exits_loads");
FUNCTION(exits_tail_tail_loads, "test %edi, %edi; jz exits_tail_loads; ret");
FUNCTION(exits_tail_plt, "jmp dlsym@PLT");
FUNCTION(exits_tail_got, "jmp *dlsym@GOTPCREL(%rip)");
FUNCTION(exits_tail_plain, "jmp *ldiv@GOTPCREL(%rip)");
FUNCTION(exits_tail_own_pointer, "jmp *1f(%rip); .pushsection .data; 1: .quad 0; .popsection");

Test(exits, who_goes_on_in_a_reader_is_one)
{
	cr_assert_not_null(dlsym(RTLD_DEFAULT, "dlsym")); /* binds it */
	expect_reading(exits_tail_loads, TAIL);
	expect_reading(exits_tail_tail_loads, TAIL);
	expect_reading(exits_tail_plt, TAIL);
	expect_reading(exits_tail_got, TAIL);
	expect_reading(exits_tail_plain, NONE);
	cr_expect_not(find(exits_tail_plain).tail_is_unknown);
	expect_reading(exits_tail_own_pointer, TAIL); /* it may be that of a reader by then */
}

static bool is_bound_at_start(void)
{
	for (const ElfW(Dyn) *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++)
		if (entry->d_tag == DT_BIND_NOW ||
		    (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_BIND_NOW)) ||
		    (entry->d_tag == DT_FLAGS_1 && (entry->d_un.d_val & DF_1_NOW)))
			return true;
	return getenv("LD_BIND_NOW") != NULL;
}

/* Of libc, which nobody else calls; wcsncmp() is indirect. */
FUNCTION(exits_tail_lazy, "jmp lcong48@PLT");
FUNCTION(exits_tail_lazy_reader, "jmp dlmopen@PLT");
FUNCTION(exits_tail_lazy_indirect, "jmp wcsncmp@PLT");

Test(exits, an_unbound_plt_leads_to_the_function_that_it_names)
{
	unsigned short parameters[7] = {0};

	cr_expect_not(find(exits_tail_lazy).tail_is_unknown);
	expect_reading(exits_tail_lazy, NONE);
	expect_reading(exits_tail_lazy_reader, TAIL);
	lcong48(parameters);
	expect_reading(exits_tail_lazy, NONE);
}

/* Which implementation that will be, its resolver says. */
Test(exits, an_unbound_plt_of_an_indirect_function_leads_to_what_its_resolver_says)
{
	cr_expect_not(find(exits_tail_lazy_indirect).tail_is_unknown);
	expect_reading(exits_tail_lazy_indirect, NONE);
	cr_expect_eq(wcsncmp(L"a", L"a", 1), 0);
	expect_reading(exits_tail_lazy_indirect, NONE);
}

/* The loader may take either: that of libc, or that of the object, which reads. */
FUNCTION(exits_tail_lazy_both, "jmp lcong48_r@PLT");

Test(exits, an_unbound_plt_may_lead_to_each_function_of_that_name)
{
	struct drand48_data data;

	expect_reading(exits_tail_lazy_both, NONE);
	cr_assert_not_null(dlopen(EP_INDIRECT, RTLD_NOW));
	cr_expect_eq(find(exits_tail_lazy_both).reading,
		     is_bound_at_start() ? EXITS_READING_NONE : EXITS_READING_TAIL);
	lcong48_r((unsigned short[7]){0}, &data);
	expect_reading(exits_tail_lazy_both, NONE);
}

/* ---- refusals ------------------------------------------------------------------------------ */

FUNCTION(exits_data, "jmp 1f; .byte 0x06, 0x07; 1: ret");
FUNCTION(exits_many, ".rept 200; jz 1f; ret; 1:; .endr; ret");
FUNCTION(exits_many_targets, ".set exits_to, 0; .rept 200; jz exits_large + exits_to;"
			     ".set exits_to, exits_to + 1; .endr; ret");
FUNCTION(exits_large, ".fill 0x110000, 1, 0x90; ret");
FUNCTION(exits_far, "test %edi, %edi; jz 1f; lretq; 1: ret");
FUNCTION(exits_with_frame, PUSH(rbx) "jmp exits_leaf");
FUNCTION(exits_long_padding, "test %edi, %edi");
__asm__(".fill 100, 1, 0x90\n");
FUNCTION(exits_behind_padding, "ret");
FUNCTION(exits_has_no_end, "test %edi, %edi; nop");
BARE(exits_bare, "nop; test %edi, %edi; jz exits_leaf; ret", ". - exits_bare");
BARE(exits_sizeless, "nop; ret", "0");

Test(exits, each_refusal_has_its_reason)
{
	expect_refusal(exits_data, UNDECODABLE);
	expect_refusal(exits_many, TOO_MANY);
	expect_refusal(exits_many_targets, TOO_MANY);
	expect_refusal(exits_large, TOO_LARGE);
	expect_refusal(exits_far, OTHER);
	expect_refusal(exits_with_frame, FRAME);
	expect_refusal(exits_has_no_end, END);
	expect_refusal(exits_long_padding, END);
	expect_refusal(exits_sizeless, NO_EXTENT);
}

Test(exits, who_is_not_read_as_a_whole_counts_as_reader)
{
	expect_reading(exits_data, UNDECODABLE);
	expect_reading(exits_many_targets, TOO_LARGE);
	expect_reading(exits_large, TOO_LARGE);
	expect_reading(exits_has_no_end, RULE);
	expect_reading(exits_sizeless, NO_FDE);
	expect_reading(exits_bare, NO_FDE);
}

Test(exits, a_symbol_s_extent_is_enough)
{
	expect_ways(exits_bare, "cr");
}

Test(exits, of_generated_code_nothing_is_known)
{
	uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(code, MAP_FAILED);
	code[0] = 0xc3; /* ret */
	expect_refusal(code, NO_EXTENT);
	expect_reading(code, NO_FDE);
}

Test(exits, go_is_refused)
{
	void *object = dlopen(EP_SMALL_GO_OBJECT, RTLD_NOW);

	cr_assert_not_null(object, "%s", dlerror());
	expect_refusal(dlsym(object, "small_add"), GO);
	expect_reading(dlsym(object, "small_add"), GO);
}

/* ---- libc ---------------------------------------------------------------------------------- */

/* Not what a sanitizer has in front of it. */
static const void *find_in(const char *library, const char *name)
{
	void *object = dlopen(library, RTLD_NOW | RTLD_NOLOAD);

	return object ? dlsym(object, name) : NULL;
}

static void expect_readers(const char *library, const char *const *names, bool reads)
{
	for (; *names; names++) {
		const void *function = find_in(library, *names);

		if (!function)
			continue;
		cr_expect_eq(reading(function) != EXITS_READING_NONE, reads, "%s %s", *names,
			     exits_reading_text(reading(function)));
	}
}

Test(exits, readers_are_known)
{
	static const char *const of_libc[] = {
		"dlsym",       "dlvsym",  "dlopen",	     "dlmopen",
		"setjmp",      "_setjmp", "getcontext",	     "swapcontext",
		"__sigsetjmp", "vfork",	  "_mcount",	     "mcount",
		"__fentry__",  "clone",	  "dl_iterate_phdr", "_dl_mcount_wrapper",
		NULL,
	};
	static const char *const of_libgcc[] = {
		"_Unwind_Backtrace", "_Unwind_RaiseException",	  "_Unwind_ForcedUnwind",
		"_Unwind_Resume",    "_Unwind_Resume_or_Rethrow", NULL,
	};

	dlopen("libgcc_s.so.1", RTLD_NOW);
	expect_readers("libc.so.6", of_libc, true);
	expect_readers("libgcc_s.so.1", of_libgcc, true);
}

Test(exits, most_of_libc_are_not)
{
	static const char *const names[] = {
		"malloc", "free",   "calloc",  "realloc", "memcpy", "memmove",	      "memset",
		"strlen", "printf", "qsort",   "read",	  "write",  "open",	      "getpid",
		"fopen",  "fclose", "fprintf", "strtol",  "sleep",  "pthread_create", NULL,
	};
	struct exits exits = find(find_in("libc.so.6", "malloc"));

	expect_readers("libc.so.6", names, false);
	cr_expect_eq(exits.refusal, EXITS_REFUSAL_NONE);
	cr_expect_gt(exits.count, 0);
}

static bool is_in_an_extent(const struct exits *exits, uint64_t address)
{
	for (size_t i = 0; i < exits->extent_count; i++)
		if (address >= exits->extents[i].start && address < exits->extents[i].end)
			return true;
	return false;
}

static void check_all_of(struct objects_object *object, size_t *ret_readers, size_t *ret_refused)
{
	struct exits exits;

	cr_assert_eq(objects_read_functions(object), 0);
	for (size_t i = 0; i < object->function_count; i++) {
		cr_assert_eq(exits_find(object->functions[i].start, &exits), 0);
		*ret_readers += exits.reading != EXITS_READING_NONE;
		*ret_refused += exits.refusal != EXITS_REFUSAL_NONE;
		for (size_t k = 0; k < exits.count; k++)
			cr_expect(is_in_an_extent(&exits, exits.ways[k].address));
		cr_expect(exits.reading || is_in_an_extent(&exits, object->functions[i].start));
	}
}

/* Most can be served by what is cheap. Parts, which nobody calls, are among those that cannot. */
Test(exits, all_of_libc_is_looked_at)
{
	size_t readers = 0, refused = 0;
	struct objects_object *libc;

	engine_lock();
	libc = objects_find((uint64_t)find_in("libc.so.6", "qsort"));
	cr_assert_not_null(libc);
	check_all_of(libc, &readers, &refused);
	engine_unlock();
	cr_expect_gt(libc->function_count, 1000);
	cr_expect_lt(readers, libc->function_count / 10, "%zu", readers);
	cr_expect_lt(refused, libc->function_count / 10, "%zu", refused);
}
