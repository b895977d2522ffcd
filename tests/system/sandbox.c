/* SPDX-License-Identifier: MIT */
/*
 * A hit makes no system call, after a thread's first: a sandbox that is entered later and kills for
 * everything but write() and exit_group() changes nothing.
 */
#include "tests/system/cli.h"

TestSuite(sandbox, .timeout = 400);

#define SANDBOXED EP_PROGRAMS "/sandboxed"
#define HITS	  "5000" /* their events fill less than half a ring: the reader is not woken */

static const char *const clocks[] = {"", "tsc", "rseq", "tsc,rseq,rdpid,rdtscp"};

enum { CLOCKS = sizeof(clocks) / sizeof(clocks[0]) };

static void expect_alive_with(const char *plan, const char *how, const char *options,
			      const char *mask)
{
	struct command_result result = command_shell(
		"EMUPROBE_MASK_CPU=%s '%s' %s --plan=%s -o /dev/null -- '%s' " HITS " %s", mask,
		EMUPROBE, options, plan, SANDBOXED, how);

	cr_expect_str_eq(result.output, "survived\n", "%s %s: %s", plan, mask,
			 command_describe(&result));
	expect_status(result, 0);
	expect_contains(result, error, "        5001  ");
	command_result_deinit(&result);
}

static void expect_alive(const char *plan, const char *how, bool counts, const char *mask)
{
	expect_alive_with(plan, how, counts ? "-c -e 'p:t target'" : "-e 'p:t target'", mask);
}

Test(sandbox, without_a_trap_not_even_sigreturn)
{
	for (int counts = 0; counts < 2; counts++)
		for (int i = 0; i < CLOCKS; i++)
			expect_alive("jump", "strict", counts, clocks[i]);
}

Test(sandbox, with_traps)
{
	for (int counts = 0; counts < 2; counts++)
		for (int i = 0; i < CLOCKS; i++)
			expect_alive("trap", "", counts, clocks[i]);
}

/* Nor does it where conditions and answers are about the thread. */
Test(sandbox, with_questions_about_the_thread)
{
#define ABOUT                                                                                      \
	"-e 'p:t target c=$comm t=$tid p=$pid if $tid > 0 && $pid > 0 && $comm ~ \"s*\"' "         \
	"--top t:c,t,p"
	expect_alive_with("jump", "strict", "-c " ABOUT, "");
	expect_alive_with("jump", "strict", ABOUT, "");
	expect_alive_with("trap", "", "-c " ABOUT, "");
}
