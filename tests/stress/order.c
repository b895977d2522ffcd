/* SPDX-License-Identifier: MIT */
/*
 * The order of writes and barriers, which no outcome on this processor may ever show: a child that
 * probes is watched by its system calls. Each write is noted as the offsets of its bytes from the
 * probed address, a barrier as |, anything that could stop or signal a thread as !.
 */
#include <criterion/criterion.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "tests/stress/patterns.h"

TestSuite(order, .timeout = 400);

#define PATTERN_14    7 /* boundaries at 1 and 4 */
#define NOT_PERMITTED 77

static void mark(void)
{
	syscall(SYS_getppid);
}

static void probe_and_remove(uint64_t address, enum ep_plan plan)
{
	struct ep_options options = {.size = sizeof(options), .plan = plan};
	struct ep_probe *probe, *first;

	/* What the first probe of a process does is not looked at. */
	ep_probe_create((const void *)patterns[0].function, NULL, &first);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(NOT_PERMITTED);
	raise(SIGSTOP);
	mark();
	ep_probe_create((const void *)address, &options, &probe);
	mark();
	ep_probe_remove(probe);
	_exit(0);
}

struct record {
	char text[256];
	size_t size;
	uint64_t address;
	bool marked;
};

static void note(struct record *record, char c)
{
	if (record->marked && record->size < sizeof(record->text) - 1)
		record->text[record->size++] = c;
}

static void note_call(struct record *record, const struct user_regs_struct *regs)
{
	switch (regs->orig_rax) {
	case SYS_getppid:
		note(record, ' ');
		record->marked = true;
		break;
	case SYS_pwrite64:
		for (uint64_t i = 0; i < regs->rdx; i++)
			note(record, (char)('0' + regs->r10 + i - record->address));
		break;
	case SYS_membarrier:
		if (regs->rdi == MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE)
			note(record, '|');
		break;
	case SYS_kill:
	case SYS_tkill:
	case SYS_tgkill:
	case SYS_rt_sigqueueinfo:
	case SYS_rt_tgsigqueueinfo:
	case SYS_ptrace:
	case SYS_futex:
		note(record, '!');
		break;
	default:
		break;
	}
}

static int watch(pid_t child, struct record *record)
{
	bool inside = false;
	int status;

	while (waitpid(child, &status, 0) == child && !WIFEXITED(status)) {
		struct user_regs_struct regs;
		bool is_call = WSTOPSIG(status) == (SIGTRAP | 0x80);

		cr_assert(WIFSTOPPED(status));
		ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
		if (is_call && !inside && ptrace(PTRACE_GETREGS, child, NULL, &regs) == 0)
			note_call(record, &regs);
		inside = is_call && !inside;
		ptrace(PTRACE_SYSCALL, child, NULL, NULL);
	}
	return WEXITSTATUS(status);
}

static void expect_order(enum ep_plan plan, const char *expected)
{
	struct record record = {.address = (uint64_t)patterns[PATTERN_14].function};
	pid_t child = fork();

	if (child == 0)
		probe_and_remove(record.address, plan);
	if (watch(child, &record) == NOT_PERMITTED)
		cr_skip_test("ptrace() is not permitted");
	cr_expect_str_eq(record.text, expected, "%s, not %s", record.text, expected);
}

Test(order, int3_then_barrier)
{
	expect_order(EP_PLAN_TRAP, "0| 0||");
}

Test(order, boundaries_then_what_is_between_then_the_first_byte)
{
	expect_order(EP_PLAN_AUTO, "0|14|23|0| 0|23|14|0||");
}
