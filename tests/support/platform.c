/* SPDX-License-Identifier: MIT */
/*
 * Whatever may kill is tried in a child, which reports through a pipe. The trap is timed in the
 * process itself, since a fork of a traced or loaded process is not what tests pay for; its handler
 * is put back. All of it takes some milliseconds, and is done when first asked for.
 */
#include "tests/support/platform.h"

#include <cpuid.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "x86/cpu.h"

#define NOT_CANONICAL 0x8000000000001000ul
#define ROUNDS	      101
#define TRAP_FLAG     0x100
#define USUAL_TRAP_US 2.5 /* a guest with a kernel in ring 0; what fixed limits were chosen for */
#define SLOWNESS_MAX  40.0

static struct platform found;

/* ---- children ------------------------------------------------------------------------------- */

static int report_to = -1;

static void report(const struct platform_end *end)
{
	if (write(report_to, end, sizeof(*end)) != (ssize_t)sizeof(*end))
		_exit(1);
	_exit(0);
}

extern const char platform_push[], platform_resumed[];
void platform_try_push(uint64_t stack);
void platform_try_fsgsbase(void);

static void on_end(int sig, siginfo_t *info, void *context)
{
	const greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)gregs[REG_RIP];
	const struct platform_end end = {
		.signal = sig,
		.code = info->si_code,
		.trapno = (int)gregs[REG_TRAPNO],
		.at_insn = rip == (uint64_t)platform_push || rip == (uint64_t)platform_resumed,
	};

	report(&end);
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *))
{
	const struct sigaction action = {.sa_sigaction = handler,
					 .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigaction(sig, &action, NULL);
}

static void handle_ends(void)
{
	static uint8_t stack[65536];
	sigset_t all;

	sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL);
	handle(SIGSEGV, on_end);
	handle(SIGBUS, on_end);
	handle(SIGILL, on_end);
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
}

/* @run in a child. What nobody reports: a signal of -1. */
static struct platform_end end_of(void (*run)(void))
{
	struct platform_end ret = {.signal = -1};
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return ret;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		report_to = ends[1];
		handle_ends();
		alarm(60);
		run();
		report(&(struct platform_end){0});
	}
	close(ends[1]);
	if (read(ends[0], &ret, sizeof(ret)) != (ssize_t)sizeof(ret))
		ret.signal = -1;
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return ret;
}

/* ---- a stack pointer that is not canonical --------------------------------------------------- */

__asm__("	.text\n"
	"	.globl	platform_try_push, platform_push, platform_resumed, platform_try_fsgsbase\n"
	"platform_try_push:\n"
	"	mov	%rsp, %r11\n"
	"	mov	%rdi, %rsp\n"
	"platform_push:\n"
	"	push	%rax\n"
	"platform_resumed:\n" /* with the good stack pointer in r11 */
	"	mov	%r11, %rsp\n"
	"	ret\n"
	"platform_try_fsgsbase:\n"
	"	rdfsbase %rax\n"
	"	ret\n");

static void push_bare(void)
{
	platform_try_push(NOT_CANONICAL);
}

/* As a handler leaves that has emulated `mov %rdi, %rsp`. */
static void on_moved(int sig, siginfo_t *info, void *context)
{
	greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	gregs[REG_R11] = gregs[REG_RSP];
	gregs[REG_RSP] = (greg_t)NOT_CANONICAL;
	gregs[REG_RIP] = (greg_t)platform_resumed;
}

/* int3 in a function that has nothing below its stack pointer: it returns to its caller. */
static __attribute__((noinline)) void trap(void)
{
	__asm__ volatile("int3" : : : "r11", "memory");
}

/* platform_resumed returns by the stack pointer that was at the trap: a return address is there. */
__attribute__((naked)) static void trap_and_return(void)
{
	__asm__("int3\n\tret");
}

static void resume_bare(void)
{
	handle(SIGTRAP, on_moved);
	trap_and_return();
}

/* ---- the trap flag over cpuid ----------------------------------------------------------------- */

extern const char platform_step_start[], platform_step_behind[], platform_step_end[];
void platform_step_cpuid(void);

__asm__("	.text\n"
	"	.globl	platform_step_cpuid, platform_step_start, platform_step_behind\n"
	"	.globl	platform_step_end\n"
	"platform_step_cpuid:\n"
	"	push	%rbx\n"
	"	xor	%eax, %eax\n"
	"	pushfq\n"
	"	orl	$0x100, (%rsp)\n"
	"	popfq\n"
	"platform_step_start:\n"
	"	cpuid\n"
	"platform_step_behind:\n"
	"	nop\n"
	"	nop\n"
	"platform_step_end:\n"
	"	nop\n"
	"	pushfq\n"
	"	andl	$~0x100, (%rsp)\n"
	"	popfq\n"
	"	pop	%rbx\n"
	"	ret\n");

static volatile sig_atomic_t stops, stops_behind;

static void on_step(int sig, siginfo_t *info, void *context)
{
	greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)gregs[REG_RIP];

	(void)sig;
	(void)info;
	stops++;
	stops_behind += rip == (uint64_t)platform_step_behind;
	if (rip >= (uint64_t)platform_step_end)
		gregs[REG_EFL] &= ~TRAP_FLAG;
}

static void step_bare(void)
{
	handle(SIGTRAP, on_step);
	platform_step_cpuid();
	report(&(struct platform_end){.at_insn = stops_behind == 1, .code = stops});
}

/* ---- what a trap costs ------------------------------------------------------------------------ */

static void on_trap(int sig)
{
	(void)sig;
}

static double microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double trap_cost(void)
{
	struct sigaction action = {.sa_handler = on_trap}, old;
	double took[ROUNDS];
	sigset_t mask, old_mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTRAP);
	sigaction(SIGTRAP, &action, &old);
	sigprocmask(SIG_UNBLOCK, &mask, &old_mask);
	for (int i = 0; i < ROUNDS; i++) {
		double start = microseconds();

		trap();
		took[i] = microseconds() - start;
	}
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
	sigaction(SIGTRAP, &old, NULL);
	qsort(took, ROUNDS, sizeof(took[0]), by_size);
	return took[ROUNDS / 2];
}

static double load(void)
{
	FILE *file = fopen("/proc/loadavg", "re");
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	double ret = 0;

	if (!file)
		return 1;
	if (fscanf(file, "%lf", &ret) != 1)
		ret = 0;
	fclose(file);
	ret /= (double)(processors > 0 ? processors : 1);
	return ret > 1 ? ret : 1;
}

/* ---- who is below us --------------------------------------------------------------------------- */

static bool read_line(const char *path, char *ret, size_t size)
{
	FILE *file = fopen(path, "re");
	bool done = file && fgets(ret, (int)size, file);

	if (file)
		fclose(file);
	if (!done)
		*ret = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return done;
}

static const char *guest(void)
{
	static char text[64];
	uint32_t a, b, c, d, name[4] = {0};

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 31))
		return "none";
	__cpuid(0x40000000, a, name[0], name[1], name[2]);
	snprintf(text, sizeof(text), "%s",
		 memcmp(name, "KVMKVMKVM", 9) == 0 ? "KVM" : (const char *)name);
	/* No kernel in ring 0 lets a program read its bases and does not say so, and dies of iret. */
	if (found.resume.signal > 0 && found.fsgsbase_executes && !x86_cpu_has(X86_CPU_FSGSBASE))
		strncat(text, ", kernel in ring 3 (PVM?)", sizeof(text) - strlen(text) - 1);
	return text;
}

static int shadow_stack(void)
{
	const int status = 0x5005; /* ARCH_SHSTK_STATUS, Linux 6.6 */
	uint64_t features = 0;

	if (syscall(SYS_arch_prctl, status, &features))
		return -1;
	return features & 1;
}

static void measure(void)
{
	char line[128];

	found.trap_us = trap_cost();
	found.load = load();
	found.slowness =
		found.load * (found.trap_us > USUAL_TRAP_US ? found.trap_us / USUAL_TRAP_US : 1);
	if (found.slowness > SLOWNESS_MAX)
		found.slowness = SLOWNESS_MAX;
	found.push = end_of(push_bare);
	found.resume = end_of(resume_bare);
	found.steps_over_cpuid = end_of(step_bare).at_insn;
	found.fsgsbase_executes = end_of(platform_try_fsgsbase).signal == 0;
	read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource",
		  found.clocksource, sizeof(found.clocksource));
	found.pti =
		read_line("/sys/devices/system/cpu/vulnerabilities/meltdown", line, sizeof(line)) &&
		strstr(line, "PTI");
	found.shadow_stack = shadow_stack();
	found.guest = guest();
}

const struct platform *platform(void)
{
	if (!found.guest)
		measure();
	return &found;
}

/* ---- one line ---------------------------------------------------------------------------------- */

static void describe_end(const struct platform_end *end, char *text, size_t size)
{
	if (end->signal < 0)
		snprintf(text, size, "cannot be measured");
	else if (!end->signal)
		snprintf(text, size, "goes on");
	else
		snprintf(text, size, "SIG%s (trap %d, code %d)", sigabbrev_np(end->signal),
			 end->trapno, end->code);
}

static void describe_features(char *text, size_t size)
{
	static const char *const names[] = {
#define NAME(feature, name) [X86_CPU_##feature] = (name),
		X86_CPU_FEATURES(NAME)
#undef NAME
	};
	size_t at = 0;

	*text = '\0';
	for (int i = 0; i < X86_CPU_FEATURE_COUNT && at < size; i++)
		if (x86_cpu_has((enum x86_cpu_feature)i))
			at += (size_t)snprintf(text + at, size - at, "%s%s", at ? " " : "",
					       names[i]);
}

void platform_describe(char *text, size_t size)
{
	const struct platform *p = platform();
	char features[128], push[64], resume[64];

	describe_features(features, sizeof(features));
	describe_end(&p->push, push, sizeof(push));
	describe_end(&p->resume, resume, sizeof(resume));
	snprintf(text, size,
		 "guest %s; trap %.1f us, load %.1f: limits x %.1f; clock %s; has %s; without a "
		 "canonical stack pointer: push %s, return %s; trap flag over cpuid %s; "
		 "fsgsbase %s; page table isolation %s; shadow stacks %s",
		 p->guest, p->trap_us, p->load, p->slowness, p->clocksource, features, push, resume,
		 p->steps_over_cpuid ? "exact" : "late",
		 p->fsgsbase_executes ? "executes" : "does not execute", p->pti ? "on" : "off",
		 p->shadow_stack < 0   ? "unknown to the kernel"
		 : p->shadow_stack > 0 ? "on"
				       : "off");
}
