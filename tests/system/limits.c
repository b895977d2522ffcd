/* SPDX-License-Identifier: MIT */
/* Fewer hits than there are: what is wanted is what is recorded. */
#include "tests/system/cli.h"

TestSuite(limits, .timeout = 400);

#define TARGET "-e 'p:w " WORK ":target n=%%di:u64' "

/* How many events come out. */
static void expect_events(const char *options, const char *commands, size_t expected)
{
	struct command_result result =
		command_shell(EMUPROBE " -q -e 'p:w " WORK ":target n=%%di:u64' %s -- " WORK " %s",
			      options, commands);

	expect_status(result, 0);
	cr_expect_eq(command_count(result.error, ": w: ("), expected, "%s: %s", options,
		     command_describe(&result));
	command_result_deinit(&result);
}

Test(limits, first_are_first_of_all_threads_and_processes)
{
	expect_events("--first 50", "threads 8 1000 fork 100 exec 20", 50);
	expect_events("--first w:3 --plan=trap", "call 10", 3);
	expect_events("--first 1000000", "call 10", 11);
}

Test(limits, every_is_of_all_threads_and_processes)
{
	/* One is called at the start: 1 + 4 * 250 + 100, of which each seventh. */
	expect_events("--every 7", "threads 4 250 fork 100", (1101 + 6) / 7);
	expect_events("--every 7 --first 5", "call 100", 5);
}

Test(limits, after_is_behind_that_event)
{
	expect_events("-e 'p:n libc.so.6:prctl' --after n", "call 3 name x call 4", 4);
	expect_events("-e 'p:n libc.so.6:prctl' --after w:n --first w:2", "call 3 name x call 4",
		      2);
	expect_events("-e 'p:n libc.so.6:prctl' --after n", "call 3", 0);
}

/* The probe is disabled: what comes later is not even counted. */
Test(limits, of_the_first_end_with_the_probe_disabled)
{
	struct command_result result =
		command_shell(EMUPROBE " -c --first 3 " TARGET "-- " WORK " call 1000");

	expect_status(result, 0);
	expect_contains(result, error, "           3  jump     w      work:target\n");
	command_result_deinit(&result);
}

Test(limits, hold_for_answers)
{
	struct command_result result = command_shell(
		EMUPROBE " -q -c --first 3 --every 2 --top w:n " TARGET "-- " WORK " call 1000");

	expect_status(result, 0);
	cr_expect_str_eq(result.error, "w:n  3 hits, keys: 3\n"
				       "        hits  n\n"
				       "           1  0\n"
				       "           1  2\n"
				       "           1  4\n");
	command_result_deinit(&result);
}

Test(limits, hold_for_calls_at_their_ends)
{
	struct command_result result =
		command_shell(EMUPROBE " -q -e 'r:w " WORK ":target n=$arg1:u64 r=$retval:u64' "
				       "--first 3 -- " WORK " call 1000");

	expect_status(result, 0);
	cr_expect_eq(command_count(result.error, ": w: ("), 3);
	command_result_deinit(&result);
}

/* Calls are measured as ever, as long as there is no limit that is reached. */
Test(limits, of_time_leave_durations_alone)
{
	struct command_result result = command_shell(EMUPROBE " -c --for 1000 -e 'r:w " WORK
							      ":target' -- " WORK " call 10");

	expect_status(result, 0);
	expect_contains(result, error, "\n          11  ");
	expect_lacks(result, error, "not timed");
	command_result_deinit(&result);
}

/* The program goes on until there are no events for a while: if they never end, neither does it. */
Test(limits, for_a_time_end_the_events_and_not_the_program)
{
	struct command_result result = command_shell(
		"out=$(mktemp) && timeout 120 " EMUPROBE
		" -q -o \"$out\" -e 'p:g libc.so.6:getppid' --for 0.2 -- python3 -c '\n"
		"import os, sys, time\n"
		"same, before = 0, -1\n"
		"while same < 100:\n"
		"    os.getppid()\n"
		"    time.sleep(0.02)\n"
		"    now = os.path.getsize(sys.argv[1])\n"
		"    same = same + 1 if now == before else 0\n"
		"    before = now\n"
		"print(\"ended\")\n"
		"' \"$out\"; status=$?; rm -f \"$out\"; exit $status");

	expect_status(result, 0);
	expect_contains(result, output, "ended");
	command_result_deinit(&result);
}
