/* SPDX-License-Identifier: MIT */
/* What the oracle cannot ask: withdrawal, the fixup table, segments, what has no rule. */
#include "emu/emu.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "emu/rules.h"
#include "x86/condition.h"
#include "x86/cpu.h"

static int fixups;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t fixup = sys_fault_fixup((uint64_t)gregs[REG_RIP]);

	(void)info;
	if (!fixup)
		signal(sig, SIG_DFL);
	fixups++;
	gregs[REG_RIP] = fixup ? (greg_t)fixup : gregs[REG_RIP];
}

static uint8_t *page; /* one page that can be written, and nothing behind it */

static void init(void)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	page = mmap(NULL, 0x2000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(page + 0x1000, 0x1000);
}

TestSuite(emu, .init = init, .timeout = 400);

#define AT 0x123456000u

static int prepared(const uint8_t *bytes, size_t size, struct emu_op *ret)
{
	struct x86_insn insn;

	cr_assert_eq(x86_decode(bytes, size, AT, &insn), 0, "does not decode");
	return emu_prepare(&insn, ret);
}

#define PREPARED(ret, ...)                                                                         \
	prepared((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), ret)

static struct ep_regs some_regs(void)
{
	struct ep_regs regs = {.rip = AT, .rflags = X86_IF | 2, .rsp = (uint64_t)page + 0x800};

	return regs;
}

/* ---- no rule --------------------------------------------------------------------------------- */

Test(emu, prepare_leaves_to_boost)
{
	struct emu_op op;

	cr_expect_eq(PREPARED(&op, 0xf0, 0xff, 0x00), -EP_NOT_EMULATED); /* lock inc [rax] */
	cr_expect_eq(PREPARED(&op, 0x87, 0x00), -EP_NOT_EMULATED);	 /* xchg [rax], eax */
	cr_expect_eq(PREPARED(&op, 0x0f, 0xb1, 0x08), -EP_NOT_EMULATED); /* cmpxchg */
	cr_expect_eq(PREPARED(&op, 0xf3, 0xa4), -EP_NOT_EMULATED);	 /* rep movsb */
	cr_expect_eq(PREPARED(&op, 0x66, 0x0f, 0xc8), -EP_NOT_EMULATED); /* bswap ax */
	cr_expect_eq(PREPARED(&op, 0xc8, 8, 0, 1), -EP_NOT_EMULATED);	 /* enter 8, 1 */
	cr_expect_eq(PREPARED(&op, 0x0f, 0xa0), -EP_NOT_EMULATED);	 /* push fs */
	cr_expect_eq(PREPARED(&op, 0x66, 0xc3), -EP_NOT_EMULATED);	 /* data16 ret */
	cr_expect_eq(PREPARED(&op, 0x66, 0x74, 0), -EP_NOT_EMULATED);	 /* data16 je */
	cr_expect_eq(PREPARED(&op, 0xf3, 0x41, 0x90), -EP_NOT_EMULATED); /* xchg or pause */
	cr_expect_eq(PREPARED(&op, 0x0f, 0x10, 0x00), -EP_NOT_EMULATED); /* movups */
	cr_expect_eq(PREPARED(&op, 0xc5, 0xf8, 0x77), -EP_NOT_EMULATED); /* vzeroupper */
	cr_expect_eq(PREPARED(&op, 0xf3, 0x48, 0x0f, 0x1e, 0xc8), -EP_NOT_EMULATED); /* rdsspq */
	cr_expect_eq(PREPARED(&op, 0xf2, 0x89, 0x00), -EP_NOT_EMULATED); /* xacquire mov */
}

Test(emu, prepare_takes_prefixes_without_effect)
{
	struct emu_op op;

	cr_expect_eq(PREPARED(&op, 0xf3, 0xc3), 0);			    /* rep ret */
	cr_expect_eq(PREPARED(&op, 0xf2, 0xff, 0x25, 0, 0, 0, 0), 0);	    /* bnd jmp [rip] */
	cr_expect_eq(PREPARED(&op, 0x3e, 0xff, 0xe0), 0);		    /* notrack jmp rax */
	cr_expect_eq(PREPARED(&op, 0x66, 0x66, 0x48, 0xe8, 0, 0, 0, 0), 0); /* of TLS calls */
	cr_expect_eq(PREPARED(&op, 0x2e, 0x74, 0), 0);			    /* je, predicted */
	cr_expect_eq(PREPARED(&op, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0), 0); /* nop */
	cr_expect_eq(PREPARED(&op, 0xf3, 0x0f, 0x1e, 0xfa), 0);			     /* endbr64 */
	cr_expect_eq(PREPARED(&op, 0xf3, 0x90), 0);				     /* pause */
}

/* No two rows may claim the same bytes, but for those that a mandatory prefix tells apart. */
Test(emu, rules_do_not_overlap)
{
	for (size_t a = 0; a < emu_rules_count; a++)
		for (size_t b = a + 1; b < emu_rules_count; b++) {
			const struct emu_rule *x = &emu_rules[a], *y = &emu_rules[b];
			uint8_t both = x->mask & y->mask;
			bool digits = x->digit == y->digit || x->digit == EMU_DIGIT_ANY ||
				      y->digit == EMU_DIGIT_ANY;

			cr_expect(x->map != y->map || (x->opcode & both) != (y->opcode & both) ||
					  !digits || x->prefixes != y->prefixes,
				  "%s and %s", x->instruction, y->instruction);
		}
}

/* ---- withdrawal ------------------------------------------------------------------------------ */

static void expect_withdrawal(const uint8_t *bytes, size_t size, struct ep_regs regs)
{
	struct ep_regs before = regs;
	struct emu_op op;

	cr_assert_eq(prepared(bytes, size, &op), 0);
	cr_expect(!emu_run(&op, &regs));
	cr_expect_eq(memcmp(&regs, &before, sizeof(regs)), 0, "registers have changed");
}

#define EXPECT_WITHDRAWAL(regs, ...)                                                               \
	expect_withdrawal((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}),  \
			  regs)

Test(emu, withdraws_with_nothing_changed)
{
	struct ep_regs regs = some_regs();

	regs.rax = (uint64_t)page + 0x1000;
	regs.rsp = regs.rbp = (uint64_t)page + 0x1010;
	EXPECT_WITHDRAWAL(regs, 0x8b, 0x00);	   /* mov eax, [rax] */
	EXPECT_WITHDRAWAL(regs, 0x89, 0x00);	   /* mov [rax], eax */
	EXPECT_WITHDRAWAL(regs, 0x48, 0x01, 0x00); /* add [rax], rax */
	EXPECT_WITHDRAWAL(regs, 0x55);		   /* push rbp */
	EXPECT_WITHDRAWAL(regs, 0x58);		   /* pop rax */
	EXPECT_WITHDRAWAL(regs, 0xc3);		   /* ret */
	EXPECT_WITHDRAWAL(regs, 0xe8, 0, 0, 0, 0); /* call */
	EXPECT_WITHDRAWAL(regs, 0xff, 0x10);	   /* call [rax] */
	EXPECT_WITHDRAWAL(regs, 0xc9);		   /* leave */
	EXPECT_WITHDRAWAL(regs, 0xc8, 0x10, 0, 0); /* enter */
	EXPECT_WITHDRAWAL(regs, 0x9d);		   /* popf */
	EXPECT_WITHDRAWAL(regs, 0xff, 0x30);	   /* push [rax] */
	EXPECT_WITHDRAWAL(regs, 0x0f, 0x45, 0x00); /* cmovne */
	cr_expect_geq(fixups, 13);
}

/* pop [rax]: the load is done, RSP has moved, and then the store faults. */
Test(emu, pop_to_memory_takes_back_rsp)
{
	struct ep_regs regs = some_regs();

	regs.rax = (uint64_t)page + 0x1000;
	EXPECT_WITHDRAWAL(regs, 0x8f, 0x00);
}

/* call [rax]: the target is read, and then the push faults. */
Test(emu, call_withdraws_when_the_push_faults)
{
	struct ep_regs regs = some_regs();

	regs.rax = (uint64_t)page;
	regs.rsp = (uint64_t)page + 0x1100;
	EXPECT_WITHDRAWAL(regs, 0xff, 0x10);
}

/* An address that is not canonical is another exception, but the same signal. */
Test(emu, withdraws_from_non_canonical_addresses)
{
	struct ep_regs regs = some_regs();

	regs.rax = regs.rsp = 0x8000000000000000;
	EXPECT_WITHDRAWAL(regs, 0x8b, 0x00); /* mov eax, [rax] */
	EXPECT_WITHDRAWAL(regs, 0x50);	     /* push rax: a stack fault, SIGBUS */
}

Test(emu, withdraws_from_divide_errors)
{
	struct ep_regs regs = some_regs();

	EXPECT_WITHDRAWAL(regs, 0xf7, 0xf1); /* div ecx, by 0 */
	EXPECT_WITHDRAWAL(regs, 0xf7, 0xf9); /* idiv ecx, by 0 */
	regs.rax = 0x80000000;
	regs.rdx = regs.rcx = UINT64_MAX;
	EXPECT_WITHDRAWAL(regs, 0xf7, 0xf9); /* INT_MIN / -1 */
	regs.rdx = 0x8000000000000000;
	regs.rax = 0;
	EXPECT_WITHDRAWAL(regs, 0x48, 0xf7, 0xf9); /* the least of all dividends */
}

/* The signal return would not set TF: the real popf must. */
Test(emu, popf_withdraws_where_tf_changes)
{
	struct ep_regs regs = some_regs();

	*(uint64_t *)regs.rsp = X86_IF | X86_TF | 2;
	EXPECT_WITHDRAWAL(regs, 0x9d);
}

/* ---- segments -------------------------------------------------------------------------------- */

Test(emu, fs_is_that_of_the_thread)
{
	struct ep_regs regs = some_regs();
	struct emu_op op;
	uint64_t canary;

	if (!x86_cpu_has(X86_CPU_FSGSBASE))
		cr_skip_test("FSGSBASE is not announced: what reads memory by FS is boosted here");
	cr_assert_eq(PREPARED(&op, 0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0),
		     0); /* mov rax, fs:[0x28] */
	__asm__("movq %%fs:0x28, %0" : "=r"(canary));
	cr_expect(emu_run(&op, &regs));
	cr_expect_eq(regs.rax, canary);
}

Test(emu, lea_ignores_segments)
{
	struct ep_regs regs = some_regs();
	struct emu_op op;

	regs.rbx = 0x1000;
	cr_assert_eq(PREPARED(&op, 0x64, 0x48, 0x8d, 0x43, 0x08), 0); /* lea rax, fs:[rbx+8] */
	cr_expect(emu_run(&op, &regs));
	cr_expect_eq(regs.rax, 0x1008);
}

/* Wherever the bases cannot be read, what reads memory through them is boosted, and all else is not. */
Test(emu, segments_without_fsgsbase)
{
	struct ep_regs regs = some_regs();
	struct emu_op op;

	x86_cpu_mask("fsgsbase");
	cr_expect_eq(PREPARED(&op, 0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0), -EP_NOT_EMULATED);
	cr_expect_eq(PREPARED(&op, 0x65, 0x48, 0x01, 0x03),
		     -EP_NOT_EMULATED);					 /* add gs:[rbx], rax */
	cr_expect_eq(PREPARED(&op, 0x64, 0xff, 0x23), -EP_NOT_EMULATED); /* jmp fs:[rbx] */
	cr_expect_eq(PREPARED(&op, 0x64, 0xa1, 0, 0, 0, 0, 0, 0, 0, 0), -EP_NOT_EMULATED);
	cr_expect_eq(PREPARED(&op, 0x65, 0x0f, 0x1f, 0x03), 0);	      /* nop gs:[rbx] */
	cr_expect_eq(PREPARED(&op, 0x64, 0x0f, 0x18, 0x0b), 0);	      /* prefetcht0 fs:[rbx] */
	cr_expect_eq(PREPARED(&op, 0x64, 0x48, 0x89, 0xd8), 0);	      /* fs mov rax, rbx */
	cr_expect_eq(PREPARED(&op, 0x64, 0x48, 0x8d, 0x43, 0x08), 0); /* lea rax, fs:[rbx+8] */
	regs.rbx = 0x1000;
	cr_expect(emu_run(&op, &regs));
	cr_expect_eq(regs.rax, 0x1008);
}

/* ---- copies -----------------------------------------------------------------------------------
 */

Test(emu, copies_are_guarded)
{
	uint8_t buffer[32] = {0};

	memset(page, 0x5a, 32);
	cr_expect(sys_read_memory(buffer, (uint64_t)page, 32));
	cr_expect_eq(memcmp(buffer, page, 32), 0);
	cr_expect(sys_read_memory(buffer, (uint64_t)page, 8));
	cr_expect(sys_read_memory(buffer, (uint64_t)page, 0));
	cr_expect(!sys_read_memory(buffer, (uint64_t)page + 0xff8, 16));
	cr_expect(!sys_read_memory(buffer, 0, 8));
	cr_expect(sys_write_memory((uint64_t)page + 0xff8, buffer, 8));
	cr_expect(!sys_write_memory((uint64_t)page + 0xffc, buffer, 8));
	cr_expect(!sys_write_memory((uint64_t)page + 0xffc, buffer, 7));
}

/* All of it, and nothing around it. */
Test(emu, copies_have_any_size)
{
	for (size_t size = 0; size <= 32; size++) {
		uint8_t buffer[48], wanted[48];

		for (size_t i = 0; i < 32; i++)
			page[i] = (uint8_t)(i + 1);
		memset(buffer, 0xee, sizeof(buffer));
		memset(wanted, 0xee, sizeof(wanted));
		memcpy(wanted + 8, page, size);
		cr_expect(sys_read_memory(buffer + 8, (uint64_t)page, size));
		cr_expect_eq(memcmp(buffer, wanted, sizeof(buffer)), 0, "%zu bytes", size);
		cr_expect(size == 0 ||
			  !sys_read_memory(buffer, (uint64_t)page + 4097 - size, size));
	}
}

Test(emu, fault_fixup_knows_only_its_own)
{
	cr_expect_eq(sys_fault_fixup(0), 0);
	cr_expect_eq(sys_fault_fixup((uint64_t)emu_run), 0);
	cr_expect_eq(sys_fault_fixup((uint64_t)memcpy), 0);
}

/* An operation is data: it may be copied, and shared by threads. */
Test(emu, op_may_be_copied)
{
	struct emu_op op, copy;
	struct ep_regs regs = some_regs();

	cr_assert_eq(PREPARED(&op, 0x48, 0x8d, 0x05, 0x10, 0, 0, 0), 0); /* lea rax, [rip+0x10] */
	copy = op;
	memset(&op, 0xff, sizeof(op));
	cr_expect(emu_run(&copy, &regs));
	cr_expect_eq(regs.rax, AT + 7 + 0x10);
	cr_expect_eq(regs.rip, AT + 7);
}
