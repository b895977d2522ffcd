/* SPDX-License-Identifier: MIT */
/*
 * A fault must look as if nobody had been here: each function of faults.S runs without a probe,
 * and then with one on each of its instructions, under each plan. All that its SIGSEGV, SIGBUS,
 * SIGFPE or SIGILL handler can see is compared, and what comes of it when it escapes, repairs or
 * redirects.
 *
 * A probe that traps is an interruption, and there are machines that cannot return from any while the
 * stack pointer is not canonical. So each function also runs with a bare breakpoint in it, which does
 * nothing but return: what a program sees of that, it may see of a probe that traps.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "tests/unit/probe/faults.h"
#include "tests/unit/probe/functions.h"
#include "x86/insn.h"

TestSuite(faults, .timeout = 400);

#define PAGE 4096u

enum reaction { ESCAPE, REPAIR, REDIRECT, REACTIONS };

static const char *const reaction_names[] = {"escaped", "repaired", "redirected"};

struct seen {
	uint32_t signals; /* how often the handler was called */
	int sig, code;
	uint64_t address;
	gregset_t gregs;
	uint16_t x87[4];
	uint32_t mxcsr;
	uint8_t xmm[16 * 16];
	uint64_t mask; /* while the handler runs */
	uint64_t out[18];
};

static const struct fault_case *current;
static enum reaction reaction;
static struct seen seen;
static sigjmp_buf escape;
static uint8_t *hole, *read_only, *no_file, *no_exec, *good;
static int file = -1;

/* ---- memory -------------------------------------------------------------------------------- */

static uint8_t *map(size_t pages, int protection)
{
	uint8_t *at = mmap(NULL, (pages + 2) * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(at, MAP_FAILED);
	cr_assert_eq(mprotect(at + PAGE, pages * PAGE, protection), 0);
	return at + PAGE;
}

static void prepare_memory(void)
{
	good = map(1, PROT_READ | PROT_WRITE);
	hole = map(1, PROT_NONE);
	read_only = map(1, PROT_READ);
	no_exec = map(1, PROT_READ | PROT_WRITE);
	*no_exec = 0xc3; /* ret */
	file = memfd_create("no_file", 0);
	no_file = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	cr_assert_neq(no_file, MAP_FAILED);
}

static uint64_t argument_of(const struct fault_case *c)
{
	uint64_t arguments[FAULT_ARGUMENTS] = {
		[FAULT_HOLE] = (uint64_t)hole,
		[FAULT_BEFORE_HOLE] = (uint64_t)hole - 4,
		[FAULT_READ_ONLY] = (uint64_t)read_only + 64,
		[FAULT_NO_FILE] = (uint64_t)no_file,
		[FAULT_NO_EXEC] = (uint64_t)no_exec,
		[FAULT_NONCANONICAL] = 0x8000000000001000u,
		[FAULT_NUMBER] = 0,
		[FAULT_ODD] = (uint64_t)good + 1,
		[FAULT_DATA] = 0,
	};

	return arguments[c->argument];
}

static void protect(int of_hole, int of_read_only, int of_no_exec, off_t size)
{
	mprotect(hole, PAGE, of_hole);
	mprotect(fault_page, PAGE, of_hole);
	mprotect(read_only, PAGE, of_read_only);
	mprotect(no_exec, PAGE, of_no_exec);
	if (ftruncate(file, size))
		_exit(1);
}

static void damage(void)
{
	protect(PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PAGE);
	memset(good, 7, PAGE);
	memset(hole - PAGE, 8, 2 * PAGE);
	memset(read_only - PAGE, 9, 2 * PAGE);
	memset(no_file, 3, PAGE);
	memset(fault_page, 6, PAGE);
	protect(PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, 0);
}

/* Can @c go on after repair()? What is left out has a return address or a result to invent. */
static bool is_repairable(const struct fault_case *c)
{
	static const char *const not [] = {"call_memory", "call_hole",	      "jmp_memory",
					   "jmp_hole",	  "ret_noncanonical", "ret_hole",
					   "popf_hole"};

	for (size_t i = 0; i < sizeof(not ) / sizeof(not [0]); i++)
		if (!strncmp(c->name, not [i], strlen(not [i])))
			return false;
	return true;
}

static void repair(ucontext_t *context)
{
	greg_t *gregs = context->uc_mcontext.gregs;

	switch (current->argument) {
	case FAULT_NONCANONICAL:
		if (!strncmp(current->name, "call_noncanonical_stack", 23) ||
		    !strncmp(current->name, "pop", 3))
			gregs[REG_RSP] = (greg_t)(good + 512);
		else
			gregs[REG_RDI] = (greg_t)(strstr(current->name, "load") ||
								  strstr(current->name, "store")
							  ? good + 64
							  : current->skip);
		if (strstr(current->name, "call_noncanonical") && !strstr(current->name, "stack"))
			gregs[REG_RIP] = (greg_t)current->skip;
		break;
	case FAULT_NUMBER:
		gregs[REG_RDI] = 3;
		if (strstr(current->name, "divide"))
			context->uc_mcontext.fpregs->mxcsr |= 0x200,
				context->uc_mcontext.fpregs->cwd |= 4;
		else if (!strstr(current->name, "div"))
			gregs[REG_RIP] = (greg_t)current->skip;
		break;
	case FAULT_ODD:
		gregs[REG_RDI] = (greg_t)good;
		break;
	default:
		/* Lets the call return, rather than fault at the very same instruction. */
		protect(PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC,
			PAGE);
		if (!strcmp(current->name, "div_memory") ||
		    !strcmp(current->name, "div_memory_first"))
			memset(hole, 1, 8);
	}
}

/* ---- one run ------------------------------------------------------------------------------- */

static void keep(int sig, const siginfo_t *info, const ucontext_t *context)
{
	const struct _libc_fpstate *fp = context->uc_mcontext.fpregs;
	sigset_t mask;

	seen.sig = sig;
	seen.code = info->si_code;
	seen.address = (uint64_t)info->si_addr;
	memcpy(seen.gregs, context->uc_mcontext.gregs, sizeof(seen.gregs));
	seen.x87[0] = fp->cwd;
	seen.x87[1] = fp->swd;
	seen.x87[2] = fp->ftw;
	seen.x87[3] = fp->fop;
	seen.mxcsr = fp->mxcsr;
	memcpy(seen.xmm, fp->_xmm, sizeof(seen.xmm));
	sigprocmask(SIG_SETMASK, NULL, &mask);
	memcpy(&seen.mask, &mask, sizeof(seen.mask));
}

static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
	ucontext_t *context = ucontext;

	if (seen.signals++ > 0)
		siglongjmp(escape, 1); /* once is enough to see it */
	keep(sig, info, context);
	if (reaction == ESCAPE)
		siglongjmp(escape, 1);
	else if (reaction == REPAIR)
		repair(context);
	else
		context->uc_mcontext.gregs[REG_RIP] = (greg_t)current->skip;
}

static void handle_faults(int flags)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | flags};

	sigaddset(&action.sa_mask, SIGUSR1);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGFPE, &action, NULL);
	sigaction(SIGILL, &action, NULL);
}

static void give_stack(void)
{
	static uint8_t stack[8192];
	const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};

	cr_assert_eq(sigaltstack(&alternate, NULL), 0);
}

static __attribute__((noinline)) void run(const struct fault_case *c, struct seen *ret)
{
	uint64_t in[18];

	current = c;
	damage();
	memset(&seen, 0, sizeof(seen));
	for (uint64_t i = 0; i < 18; i++)
		in[i] = 0x0101010101010101u * i;
	in[8] = argument_of(c);	     /* rdi */
	in[9] = (uint64_t)good + 64; /* rsi */
	in[12] = 0;		     /* rdx */
	in[13] = 1;		     /* rax */
	in[14] = 8;		     /* rcx */
	in[17] = 0x202;
	if (sigsetjmp(escape, 1) == 0)
		fault_call(c->start, in, seen.out);
	*ret = seen;
	ret->out[16] = 0; /* not stored */
}

static void show(const char *what, const struct seen *s)
{
	fprintf(stderr, "%s: %u signals, signal %d, code %d, address %#lx\n", what, s->signals,
		s->sig, s->code, s->address);
	for (int i = 0; i < NGREG; i++)
		fprintf(stderr, "  %d:%llx", i, (unsigned long long)s->gregs[i]);
	fprintf(stderr, "\n  mxcsr %x x87 %x %x %x %x mask %lx\n", s->mxcsr, s->x87[0], s->x87[1],
		s->x87[2], s->x87[3], s->mask);
	for (int i = 0; i < 18; i++)
		fprintf(stderr, "  %lx", s->out[i]);
	fputc('\n', stderr);
}

static void count_call(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	++*(uint64_t *)cookie;
}

/*
 * Handlers under a jump run on the program's stack: where there is none, the fault comes before
 * the hit. So does that of a call, which has been replaced by a call.
 */
static uint64_t least_hits(const struct fault_case *c, const struct ep_info *info)
{
	bool no_stack = c->argument == FAULT_NONCANONICAL &&
			(strstr(c->name, "stack") || strstr(c->name, "pop"));
	bool pushes = !strncmp(info->insn, "call ", 5);

	return info->plan == EP_PLAN_JUMP && (no_stack || pushes) && reaction != REPAIR ? 0 : 1;
}

static bool is_same(const struct seen *a, const struct seen *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* A probe at @at changes nothing in what @c does; @interrupted: with a bare breakpoint. */
static void check_probed(const struct fault_case *c, const struct seen *bare,
			 const struct seen *interrupted, uint64_t at, enum ep_plan plan,
			 bool with_handler)
{
	uint64_t calls = 0;
	struct ep_options options = {.size = sizeof(options),
				     .plan = plan,
				     .handler = with_handler ? count_call : NULL,
				     .cookie = &calls};
	struct ep_info info = {.size = sizeof(info)};
	struct ep_probe *probe;
	struct seen probed;
	int error = ep_probe_create((const void *)at, &options, &probe);

	if (error == -EP_NOT_EMULATED || error == -EP_NOT_BOOSTED)
		return;
	cr_assert_eq(error, 0, "%s+%lu: %s", c->name, at - (uint64_t)c->start, ep_strerror(error));
	run(c, &probed);
	ep_probe_info(probe, &info);
	ep_probe_remove(probe);
	if (!is_same(&probed, bare) &&
	    (info.plan == EP_PLAN_JUMP || !is_same(&probed, interrupted))) {
		show("bare", bare);
		if (!is_same(bare, interrupted))
			show("interrupted", interrupted);
		show("probed", &probed);
		cr_expect_fail("%s+%lu (%s) under %s (%s), %s", c->name, at - (uint64_t)c->start,
			       info.insn, ep_plan_name(plan), ep_plan_name(info.plan),
			       reaction_names[reaction]);
	}
	cr_expect(info.hits <= 1 && info.hits >= least_hits(c, &info),
		  "%s+%lu (%s) under %s, %s: %lu hits", c->name, at - (uint64_t)c->start, info.insn,
		  ep_plan_name(info.plan), reaction_names[reaction], info.hits);
}

static void check_plans(const struct fault_case *c, const struct seen *bare,
			const struct seen *interrupted, uint64_t at)
{
	for (int plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++) {
		check_probed(c, bare, interrupted, at, (enum ep_plan)plan, false);
		check_probed(c, bare, interrupted, at, (enum ep_plan)plan, true);
	}
}

/* ---- a bare breakpoint ----------------------------------------------------------------------- */

#define CASES_MAX 256

static struct seen interrupted_by_int3[CASES_MAX];

static uint8_t write_text(const uint8_t *at, uint8_t byte)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	uint8_t old = *at;

	if (pwrite(fd, &byte, 1, (off_t)at) != 1)
		_exit(1);
	close(fd);
	return old;
}

static uint8_t under_int3;

static void on_int3(int sig, siginfo_t *info, void *ucontext)
{
	(void)sig;
	(void)info;
	((ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RIP] = (greg_t)current->fault;
	write_text(current->fault, under_int3);
}

/* Before the first probe, so that nobody else has to do with it. */
static void interrupt_all(enum reaction how)
{
	const struct sigaction action = {.sa_sigaction = on_int3,
					 .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigaction(SIGTRAP, &action, NULL);
	cr_assert_lt(fault_cases_end - fault_cases, CASES_MAX);
	for (const struct fault_case *c = fault_cases; c < fault_cases_end; c++) {
		if (how == REPAIR && !is_repairable(c))
			continue;
		under_int3 = write_text(c->fault, 0xcc);
		run(c, &interrupted_by_int3[c - fault_cases]);
	}
	signal(SIGTRAP, SIG_DFL);
}

static void check_case(const struct fault_case *c)
{
	const struct seen *interrupted = &interrupted_by_int3[c - fault_cases];
	uint64_t at = (uint64_t)c->start;
	struct seen bare;
	struct x86_insn insn;

	run(c, &bare);
	/* A push in front of an unmapped stack is no fault, and there is nothing to repair. */
	if (!bare.signals)
		return;
	if (!is_same(&bare, interrupted) && c->argument != FAULT_NONCANONICAL) {
		show("bare", &bare);
		show("interrupted", interrupted);
		cr_expect_fail("%s: this machine cannot be interrupted there", c->name);
	}
	while (at <= (uint64_t)c->fault) {
		check_plans(c, &bare, interrupted, at);
		cr_assert_eq(x86_decode((const uint8_t *)at, X86_INSN_MAX, at, &insn), 0);
		at += insn.length;
	}
}

static void check_all(enum reaction how)
{
	reaction = how;
	prepare_memory();
	give_stack();
	handle_faults(SA_ONSTACK);
	interrupt_all(how);
	for (const struct fault_case *c = fault_cases; c < fault_cases_end; c++)
		if (how != REPAIR || is_repairable(c))
			check_case(c);
}

Test(faults, look_the_same_to_a_handler_that_jumps_away)
{
	check_all(ESCAPE);
}

Test(faults, go_on_when_repaired_without_a_second_hit)
{
	check_all(REPAIR);
}

Test(faults, obey_a_handler_that_changes_rip)
{
	check_all(REDIRECT);
}
