/* SPDX-License-Identifier: MIT */
/* Processes that go on when the program has ended: said, or waited for. */
#include <unistd.h>

#include "tests/system/cli.h"

#define OUTLIVES EP_PROGRAMS "/outlives"

TestSuite(cli_daemons, .timeout = 400);

Test(cli_daemons, said)
{
	static const char *const depths[] = {"1", "2"};

	for (size_t i = 0; i < 2; i++) {
		struct command_result result =
			RUN(EMUPROBE, "-c", "-e", "p target", "--", OUTLIVES, depths[i]);

		expect_status(result, 0);
		expect_contains(result, error, "1 process goes on (outlives, ");
		expect_contains(result, error, "--wait waits for it\n");
		command_result_deinit(&result);
	}
}

Test(cli_daemons, nothing_is_said_where_nothing_goes_on)
{
	struct command_result result = RUN(EMUPROBE, "-c", "-e", "p target", "--", OUTLIVES, "0");

	expect_lacks(result, error, "on (");
	expect_contains(result, error, "         100  ");
	command_result_deinit(&result);
	/* It is not probed any more. */
	result = RUN(EMUPROBE, "-c", "-e", "p target?", "--no-follow", "--", "sh", "-c",
		     "sleep 0.5 >/dev/null 2>&1 & sleep 0.2");
	expect_lacks(result, error, "on (");
	command_result_deinit(&result);
}

Test(cli_daemons, waited_for)
{
	static const char *const depths[] = {"0", "1", "2"};

	for (size_t i = 0; i < 3; i++) {
		struct command_result result =
			RUN(EMUPROBE, "--wait", "-e", "p:t target", "--", OUTLIVES, depths[i]);

		cr_expect_eq(command_count(result.error, ": t: "), 100, "depth %s: %s", depths[i],
			     command_describe(&result));
		expect_contains(result, error, "         100  ");
		expect_lacks(result, error, "on (");
		command_result_deinit(&result);
	}
}

Test(cli_daemons, job_of_a_shell_is_waited_for)
{
	struct command_result result = RUN(EMUPROBE, "--wait", "-c", "-e", "p outlives:target?",
					   "--", "sh", "-c", "env -i " OUTLIVES " 0 & exit 3");

	expect_status(result, 3);
	expect_contains(result, error, "         100  ");
	command_result_deinit(&result);
}

Test(cli_daemons, a_signal_ends_the_wait)
{
	struct command_result result = command_shell(
		"'%s' --wait -c -e 'p target?' -- sh -c 'sleep 4 >/dev/null 2>&1 & exit 4' & "
		"sleep 0.5; kill $!; wait $!; echo $?",
		EMUPROBE);

	cr_expect_str_eq(result.output, "4\n", "%s", command_describe(&result));
	expect_contains(result, error, "1 process goes on (sleep, ");
	command_result_deinit(&result);
}
