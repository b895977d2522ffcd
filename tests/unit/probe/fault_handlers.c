/* SPDX-License-Identifier: MIT */
/*
 * The program's handlers run as it asked for: stack, mask, flags, whenever and however they were
 * installed. Each setting is tried in a process of its own, without and with a probe.
 */
#include <criterion/criterion.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "tests/support/patience.h"
#include "tests/unit/probe/faults.h"
#include "tests/unit/probe/functions.h"

TestSuite(fault_handlers, .timeout = 400);

/* In @run, in a process of its own. @return wait status. */
static int in_child(void (*run)(const void *), const void *data)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		for (int sig = 1; sig < 32; sig++) /* Criterion's */
			signal(sig, SIG_DFL);
		alarm(patience(60));
		run(data);
		_exit(0);
	}
	cr_assert_gt(child, 0);
	waitpid(child, &status, 0);
	return status;
}

static void expect_success(void (*run)(const void *), const void *data, enum ep_plan plan)
{
	int status = in_child(run, data);

	cr_expect_eq(status, 0, "under %s: status %#x", ep_plan_name(plan), (unsigned int)status);
}

static const struct fault_case *find_case(const char *name)
{
	for (const struct fault_case *c = fault_cases; c < fault_cases_end; c++)
		if (!strcmp(c->name, name))
			return c;
	abort();
}

static struct ep_probe *probe_at(const void *addr, enum ep_plan plan, ep_handler handler,
				 void *cookie)
{
	struct ep_options options = {
		.size = sizeof(options), .plan = plan, .handler = handler, .cookie = cookie};
	struct ep_probe *probe = NULL;
	int error = ep_probe_create(addr, &options, &probe);

	if (error && error != -EP_NOT_EMULATED && error != -EP_NOT_BOOSTED)
		_exit(90);
	return probe;
}

static uint64_t hits_of(const struct ep_probe *probe)
{
	struct ep_info info = {.size = sizeof(info)};

	ep_probe_info(probe, &info);
	return info.hits;
}

static void call_case(const struct fault_case *c, uint64_t argument)
{
	uint64_t in[18] = {[17] = 0x202}, out[18];

	in[8] = argument;
	in[9] = (uint64_t)in;
	call_with_registers(c->start, in, out); /* on this stack: it may be nested */
}

/* ---- settings ------------------------------------------------------------------------------ */

enum way { BY_SIGACTION, BY_SIGNAL, BY_SYSV_SIGNAL };

struct setting {
	enum way way;
	bool before; /* the first probe */
	int flags;
	int masks; /* 0: empty, 1: some, 2: all */
};

struct seen {
	int sig, code;
	uint64_t address, rip;
	bool on_alternate;
	uint64_t mask, mask_behind;	 /* in the handler, and after it */
	struct sigaction inside, behind; /* what sigaction() shows */
};

static const char *const names[] = {"load", "div32", "ud2", "load_no_file", "load_sse"};

static struct seen seen;
static const struct fault_case *current;
static uint8_t *hole, *no_file;
static uint8_t alternate[16384];
static struct setting setting;

static void note(int sig)
{
	uint8_t local;

	memset(&seen, 0, sizeof(seen));
	seen.sig = sig;
	seen.on_alternate = &local >= alternate && &local < alternate + sizeof(alternate);
	sigaction(sig, NULL, &seen.inside);
}

/* sigset_t is larger than what the kernel has. */
static uint64_t current_mask(void)
{
	sigset_t mask;
	uint64_t ret;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	memcpy(&ret, &mask, sizeof(ret));
	return ret;
}

static void on_fault_info(int sig, siginfo_t *info, void *ucontext)
{
	ucontext_t *context = ucontext;

	note(sig);
	seen.mask = current_mask();
	seen.code = info->si_code;
	seen.address = (uint64_t)info->si_addr;
	seen.rip = (uint64_t)context->uc_mcontext.gregs[REG_RIP];
	context->uc_mcontext.gregs[REG_RIP] = (greg_t)current->skip;
}

static sigjmp_buf escape;

static void on_fault(int sig)
{
	note(sig);
	seen.mask = current_mask();
	siglongjmp(escape, 1);
}

static void install(int sig)
{
	struct sigaction action = {.sa_flags = setting.flags};

	if (setting.flags & SA_SIGINFO)
		action.sa_sigaction = on_fault_info;
	else
		action.sa_handler = on_fault;
	if (setting.masks == 1)
		sigaddset(&action.sa_mask, SIGUSR1);
	if (setting.masks == 2)
		sigfillset(&action.sa_mask);
	if (setting.way == BY_SIGNAL)
		signal(sig, on_fault);
	else if (setting.way == BY_SYSV_SIGNAL)
		sysv_signal(sig, on_fault);
	else
		sigaction(sig, &action, NULL);
}

static void install_all(void)
{
	install(SIGSEGV);
	install(SIGBUS);
	install(SIGFPE);
	install(SIGILL);
}

static __attribute__((noinline)) void run(const struct fault_case *c, struct seen *ret)
{
	uint64_t argument = c->argument == FAULT_HOLE	   ? (uint64_t)hole
			    : c->argument == FAULT_NO_FILE ? (uint64_t)no_file
							   : 0;

	current = c;
	if (sigsetjmp(escape, 1) == 0)
		call_case(c, argument);
	seen.mask_behind = current_mask();
	sigaction(seen.sig, NULL, &seen.behind);
	*ret = seen;
}

/* What the kernel has of it. */
static bool is_same_setting(const struct sigaction *a, const struct sigaction *b)
{
	return a->sa_handler == b->sa_handler && a->sa_flags == b->sa_flags &&
	       a->sa_mask.__val[0] == b->sa_mask.__val[0];
}

static bool is_same(const struct seen *a, const struct seen *b)
{
	return a->sig == b->sig && a->code == b->code && a->address == b->address &&
	       a->rip == b->rip && a->on_alternate == b->on_alternate && a->mask == b->mask &&
	       a->mask_behind == b->mask_behind && is_same_setting(&a->inside, &b->inside) &&
	       is_same_setting(&a->behind, &b->behind);
}

static void show(const char *what, const struct seen *s)
{
	fprintf(stderr,
		"%s: signal %d code %d address %lx rip %lx alternate %d mask %lx %lx "
		"inside %p %x %lx behind %p %x %lx\n",
		what, s->sig, s->code, s->address, s->rip, s->on_alternate, s->mask, s->mask_behind,
		(void *)s->inside.sa_handler, s->inside.sa_flags, s->inside.sa_mask.__val[0],
		(void *)s->behind.sa_handler, s->behind.sa_flags, s->behind.sa_mask.__val[0]);
}

static void compare(const struct fault_case *c, const struct seen *bare, enum ep_plan plan)
{
	struct ep_probe *probe = probe_at(c->fault, plan, NULL, NULL);
	struct seen probed;

	if (!probe)
		return;
	install_all();
	run(c, &probed);
	if (!is_same(bare, &probed)) {
		show("bare", bare);
		show("probed", &probed);
		fprintf(stderr, "%s under %s: way %d before %d flags %x masks %d\n", c->name,
			ep_plan_name(plan), setting.way, setting.before, setting.flags,
			setting.masks);
		_exit(1);
	}
	if (hits_of(probe) != 1)
		_exit(2);
	ep_probe_remove(probe);
}

static void try_setting(const void *data)
{
	enum { CASES = sizeof(names) / sizeof(names[0]) };
	const stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
	struct seen bare[CASES], first;

	setting = *(const struct setting *)data;
	hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	no_file = mmap(NULL, 4096, PROT_READ, MAP_SHARED, memfd_create("empty", 0), 0);
	sigaltstack(&stack, NULL);
	for (int i = 0; i < CASES; i++) {
		install_all();
		run(find_case(names[i]), &bare[i]);
	}
	for (int sig = 1; !setting.before && sig < 32; sig++)
		signal(sig, SIG_DFL);
	if (setting.before)
		install_all();
	probe_at((const void *)starts_with_sse, EP_PLAN_TRAP, NULL, NULL);
	if (setting.before) {
		run(find_case(names[0]), &first);
		if (!is_same(&bare[0], &first))
			_exit(3);
	}
	for (int plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++)
		for (int i = 0; i < CASES; i++)
			compare(find_case(names[i]), &bare[i], (enum ep_plan)plan);
}

static void check_setting(enum way way, bool before, int flags, int masks)
{
	struct setting s = {way, before, flags, masks};
	int status = in_child(try_setting, &s);

	cr_expect_eq(status, 0, "way %d before %d flags %x masks %d: status %#x", way, before,
		     (unsigned int)flags, masks, (unsigned int)status);
}

Test(fault_handlers, have_the_stack_mask_and_flags_that_they_asked_for)
{
	static const int flags[] = {SA_SIGINFO, SA_ONSTACK, SA_NODEFER, (int)SA_RESETHAND};

	for (unsigned int set = 0; set < 16; set++) {
		int wanted = 0;

		for (unsigned int i = 0; i < 4; i++)
			wanted |= set & (1u << i) ? flags[i] : 0;
		for (int masks = 0; masks < 3; masks++) {
			check_setting(BY_SIGACTION, true, wanted, masks);
			check_setting(BY_SIGACTION, false, wanted, masks);
		}
	}
	for (enum way way = BY_SIGNAL; way <= BY_SYSV_SIGNAL; way++) {
		check_setting(way, true, 0, 0);
		check_setting(way, false, 0, 0);
	}
}

/* ---- what sigaction() shows ---------------------------------------------------------------- */

static void on_signal(int sig)
{
	(void)sig;
}

static void each_setting(struct sigaction *shown)
{
	for (int sig = 1; sig < 65; sig++) {
		struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | 0x800};

		if (sig == 32 || sig == 33) /* libc's */
			continue;
		sigfillset(&action.sa_mask);
		sigaction(sig, &action, NULL);
		action.sa_handler = sig % 3 ? SIG_IGN : SIG_DFL;
		if (sig % 2)
			sigaction(sig, &action, NULL);
		sigaction(sig, NULL, &shown[sig]);
	}
}

static void compare_settings(const void *data)
{
	static struct sigaction bare[65], probed[65];

	(void)data;
	each_setting(bare);
	probe_at((const void *)starts_with_sse, EP_PLAN_TRAP, NULL, NULL);
	for (int sig = 1; sig < 65; sig++) {
		sigaction(sig, NULL, &probed[sig]);
		if (sig != 32 && sig != 33 && !is_same_setting(&bare[sig], &probed[sig]))
			_exit(sig);
	}
	each_setting(probed);
	for (int sig = 1; sig < 65; sig++)
		if (!is_same_setting(&bare[sig], &probed[sig]))
			_exit(100 + sig);
	if (sigaction(SIGKILL, &bare[1], NULL) == 0 || sigaction(0, NULL, &bare[1]) == 0 ||
	    sigaction(65, NULL, &bare[1]) == 0)
		_exit(99);
}

Test(fault_handlers, sigaction_shows_the_programs_own_settings)
{
	expect_success(compare_settings, NULL, EP_PLAN_TRAP);
}

/* ---- sent, ignored, blocked, nested -------------------------------------------------------- */

static volatile siginfo_t sent;

static void keep_info(int sig, siginfo_t *info, void *ucontext)
{
	(void)sig;
	(void)ucontext;
	sent = *info;
}

static void take_sent_signals(const void *data)
{
	const int sigs[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGUSR1, SIGRTMIN + 3};
	struct sigaction action = {.sa_sigaction = keep_info, .sa_flags = SA_SIGINFO};

	(void)data;
	probe_at((const void *)starts_with_sse, EP_PLAN_TRAP, NULL, NULL);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		sigaction(sigs[i], &action, NULL);
		kill(getpid(), sigs[i]);
		if (sent.si_signo != sigs[i] || sent.si_code != SI_USER || sent.si_pid != getpid())
			_exit(10 + (int)i);
		sigqueue(getpid(), sigs[i], (union sigval){.sival_int = 77});
		if (sent.si_code != SI_QUEUE || sent.si_value.sival_int != 77)
			_exit(20 + (int)i);
		signal(sigs[i], SIG_IGN);
		kill(getpid(), sigs[i]);
		if (sent.si_code != SI_QUEUE)
			_exit(30 + (int)i);
	}
}

Test(fault_handlers, get_what_was_sent_as_it_was_sent)
{
	expect_success(take_sent_signals, NULL, EP_PLAN_TRAP);
}

struct death {
	const char *name;
	enum ep_plan plan;
	enum { UNHANDLED, IGNORED, BLOCKED, RESET } how;
};

static void fault_to_death(const void *data)
{
	const struct death *death = data;
	const struct fault_case *c = find_case(death->name);
	static const int sigs[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
	sigset_t set;

	hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	no_file = mmap(NULL, 4096, PROT_READ, MAP_SHARED, memfd_create("empty", 0), 0);
	if (!probe_at(c->fault, death->plan, NULL, NULL))
		probe_at(c->fault, EP_PLAN_TRAP, NULL, NULL);
	sigfillset(&set);
	for (int i = 0; i < 4; i++) {
		struct sigaction action = {.sa_handler = on_signal,
					   .sa_flags = (int)SA_RESETHAND | SA_NODEFER};

		if (death->how == IGNORED)
			signal(sigs[i], SIG_IGN);
		if (death->how == BLOCKED)
			signal(sigs[i], on_signal);
		if (death->how == RESET) /* returns, and faults again */
			sigaction(sigs[i], &action, NULL);
	}
	if (death->how == BLOCKED)
		sigprocmask(SIG_SETMASK, &set, NULL);
	call_case(c, c->argument == FAULT_HOLE	    ? (uint64_t)hole
		     : c->argument == FAULT_NO_FILE ? (uint64_t)no_file
						    : 0);
}

Test(fault_handlers, without_one_it_dies_of_the_fault)
{
	static const int signals[] = {SIGSEGV, SIGFPE, SIGILL, SIGBUS, SIGSEGV};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (int plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++) {
			for (int how = UNHANDLED; how <= RESET; how++) {
				struct death death = {names[i], (enum ep_plan)plan, how};
				int status = in_child(fault_to_death, &death);

				cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == signals[i],
					  "%s under %s, %d: status %#x", names[i],
					  ep_plan_name((enum ep_plan)plan), how,
					  (unsigned int)status);
			}
		}
	}
}

static int depth, deepest;

/* Each fault handler raises the next fault; all of them return. */
static void on_nested(int sig, siginfo_t *info, void *ucontext)
{
	static const char *const next[] = {"div32", "ud2", "load_sse", "load"};
	ucontext_t *context = ucontext;
	const struct fault_case *c = current;

	(void)sig;
	(void)info;
	if (context->uc_mcontext.gregs[REG_RIP] != (greg_t)c->fault)
		_exit(5);
	if (depth < 4) {
		deepest = ++depth;
		current = find_case(next[depth - 1]);
		call_case(current, current->argument == FAULT_HOLE ? (uint64_t)hole : 0);
	}
	context->uc_mcontext.gregs[REG_RIP] = (greg_t)c->skip;
}

static void nest(const void *data)
{
	struct sigaction action = {.sa_sigaction = on_nested, .sa_flags = SA_SIGINFO | SA_NODEFER};
	struct ep_probe *probes[4];
	uint64_t expected[] = {2, 1, 1, 1};

	hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGFPE, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	for (int i = 0; i < 4; i++) {
		static const char *const all[] = {"load", "div32", "ud2", "load_sse"};
		const struct fault_case *c = find_case(all[i]);

		probes[i] = probe_at(c->fault, *(const enum ep_plan *)data, NULL, NULL);
		if (!probes[i])
			probes[i] = probe_at(c->fault, EP_PLAN_TRAP, NULL, NULL);
	}
	current = find_case("load");
	call_case(current, (uint64_t)hole);
	for (int i = 0; i < 4; i++)
		if (hits_of(probes[i]) != expected[i])
			_exit(20 + i);
	if (deepest != 4)
		_exit(6);
}

Test(fault_handlers, may_fault_themselves)
{
	for (enum ep_plan plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++)
		expect_success(nest, &plan, plan);
}

/* ---- the stack overflows ------------------------------------------------------------------- */

static volatile int levels;

/* Its first instructions push; those are what is probed. */
static __attribute__((noinline)) int recurse(int a)
{
	if (++levels < 0)
		return 0;
	return recurse(a + 1) + recurse(a + 2) + a;
}

static void count_call(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	++*(uint64_t *)cookie;
}

static void on_overflow(int sig)
{
	(void)sig;
	siglongjmp(escape, 1);
}

static void overflow(const void *data)
{
	static uint8_t stack[32768];
	const struct death *how = data;
	struct sigaction action = {.sa_handler = on_overflow, .sa_flags = SA_ONSTACK};
	uint64_t calls = 0;
	struct ep_probe *probe, *leaf;

	setrlimit(RLIMIT_STACK, &(struct rlimit){1 << 20, RLIM_INFINITY});
	sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL);
	sigaction(SIGSEGV, &action, NULL);
	probe = probe_at((const void *)recurse, how->plan,
			 how->how == UNHANDLED ? NULL : count_call, &calls);
	leaf = probe_at((const void *)starts_with_push, how->plan, count_call, &calls);
	if (!probe || !leaf)
		_exit(9);
	for (int round = 0; round < 5; round++) {
		uint64_t before = hits_of(leaf);

		levels = 0;
		if (sigsetjmp(escape, 1) == 0)
			recurse(1);
		if (levels < 100)
			_exit(7);
		if (starts_with_push(1, 2) != 3 || hits_of(leaf) != before + 1)
			_exit(8);
	}
	ep_probe_remove(probe);
	ep_probe_remove(leaf);
}

Test(fault_handlers, survive_a_stack_overflow_on_their_own_stack)
{
	for (enum ep_plan plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++) {
		for (int how = UNHANDLED; how <= IGNORED; how++) {
			struct death c = {NULL, plan, how};

			expect_success(overflow, &c, plan);
		}
	}
}

/* ---- a handler that jumps out of what it interrupted --------------------------------------- */

static volatile sig_atomic_t in_handler;

static void on_alarm(int sig)
{
	(void)sig;
	siglongjmp(escape, 1);
}

/* The timer starts here, not before: however long it takes to get here. */
static void wait_for_alarm(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	const struct itimerval soon = {.it_value = {.tv_usec = 2000}};

	(void)probe;
	(void)regs;
	++*(uint64_t *)cookie;
	if (in_handler)
		setitimer(ITIMER_REAL, &soon, NULL);
	while (in_handler)
		;
}

static void leave_a_handler(const void *data)
{
	uint64_t calls = 0;
	struct ep_probe *probe =
		probe_at((const void *)starts_with_push, EP_PLAN_JUMP, wait_for_alarm, &calls);

	(void)data;
	signal(SIGALRM, on_alarm);
	in_handler = 1;
	if (sigsetjmp(escape, 1) == 0)
		starts_with_push(1, 2);
	in_handler = 0;
	if (starts_with_push(1, 2) != 3 || calls != 2)
		_exit(4);
	alarm(patience(30));
	ep_probe_remove(probe);
}

Test(fault_handlers, may_jump_out_of_a_probe_handler)
{
	expect_success(leave_a_handler, NULL, EP_PLAN_JUMP);
}
