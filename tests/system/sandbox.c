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

static void expect_alive(const char *plan, const char *how, bool counts, const char *mask)
{
	struct command_result result = command_shell(
		"EMUPROBE_MASK_CPU=%s '%s' %s --plan=%s -o /dev/null -e 'p:t target' -- '%s' " HITS
		" %s",
		mask, EMUPROBE, counts ? "-c" : "", plan, SANDBOXED, how);

	cr_expect_str_eq(result.output, "survived\n", "%s %s: %s", plan, mask,
			 command_describe(&result));
	expect_status(result, 0);
	expect_contains(result, error, "        5001  ");
	command_result_deinit(&result);
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
