/* SPDX-License-Identifier: MIT */
/* What a program pays before it runs. */
#include <unistd.h>

#include "tests/system/cli.h"

static void need_strace(void)
{
	if (access("/usr/bin/strace", X_OK))
		cr_skip_test("strace is not installed");
}

TestSuite(start, .init = need_strace, .timeout = 400);

/* Each of some 2,500 probes is a jump of five bytes; there are 350 pages of text, and guards. */
Test(start, text_is_written_by_the_page)
{
	struct command_result result =
		RUN(EMUPROBE, "-q", "-c", "-e", "p libc.so.6:*", "--", "cat", "/proc/self/io");
	const char *at = strstr(result.output, "syscw: ");

	if (!at) {
		command_result_deinit(&result);
		cr_skip_test("the kernel does not count what a process writes");
	}
	cr_expect_lt(strtol(at + strlen("syscw: "), NULL, 10), 700, "%s",
		     command_describe(&result));
	command_result_deinit(&result);
}

/* What we call ourselves is probed, and must not trap for each probe. */
Test(start, takes_few_traps)
{
	struct command_result result = RUN("strace", "-f", "-o", "|grep -c rt_sigreturn", EMUPROBE,
					   "-q", "-c", "-e", "p libc.so.6:*", "--", "true");

	cr_expect_lt(strtol(result.output, NULL, 10), 50, "%s", command_describe(&result));
	cr_expect_gt(strtol(result.output, NULL, 10), 0, "%s", command_describe(&result));
	command_result_deinit(&result);
}

/* Whoever runs what was written gets right results. */
Test(start, pages_hold_what_they_should)
{
	struct command_result result =
		RUN(EMUPROBE, "-c", "-e", "p libc.so.6:*", "--", "sh", "-c",
		    "ls -l / | sort | cat > /dev/null; echo $(expr 6 \\* 7)");

	expect_status(result, 0);
	cr_expect_str_eq(result.output, "42\n");
	command_result_deinit(&result);
}

/* Some each, not one for each of 2,500 probes. */
Test(start, signals_are_not_blocked_for_each_probe)
{
	struct command_result result =
		RUN("strace", "-f", "-o", "|grep -c rt_sigprocmask", EMUPROBE, "-q", "-c", "-e",
		    "p libc.so.6:*", "--", "true");

	if (result.status == 127) {
		command_result_deinit(&result);
		cr_skip_test("strace is not installed");
	}
	cr_expect_lt(strtol(result.output, NULL, 10), 300, "%s", command_describe(&result));
	cr_expect_gt(strtol(result.output, NULL, 10), 0, "%s", command_describe(&result));
	command_result_deinit(&result);
}
