/* SPDX-License-Identifier: MIT */
/* What is left of a program that is killed: the last events of each thread, to the last one. */
#include "tests/system/cli.h"

TestSuite(ring, .timeout = 400);

#define KEEPS EP_PROGRAMS "/keeps"
#define CHECK "python3 " EP_SOURCE_DIR "/tests/system/ring_check.py " EMUPROBE " " KEEPS " "

static void expect_check(const char *arguments, const char *what, const char *end)
{
	struct command_result result = command_shell(CHECK "%s", arguments);

	expect_status(result, 0);
	expect_contains(result, output, what);
	expect_contains(result, output, end);
	expect_lacks(result, error, "unreadable");
	expect_lacks(result, error, "time that cannot be");
	command_result_deinit(&result);
}

Test(ring, kill_9_leaves_what_came_last)
{
	for (int i = 0; i < 3; i++)
		expect_check("9 64K 4", "--- dump 1: the program was killed: signal 9 (Killed)\n",
			     "status -9, 1 dumps, some events\n");
}

/* Threads write over what is oldest all the time. */
Test(ring, small_ones_too)
{
	expect_check("9 4K 8", "signal 9", "status -9, 1 dumps, some events\n");
	expect_check("9 4096 2 --plan=trap", "signal 9", "status -9, 1 dumps, some events\n");
}

Test(ring, other_signals_that_kill)
{
	expect_check("11 64K 3", "signal 11 (Segmentation fault)",
		     "status -11, 1 dumps, some events\n");
	expect_check("6 1M 2", "signal 6 (Aborted)", "status -6, 1 dumps, some events\n");
}

Test(ring, is_written_when_a_signal_asks_and_nothing_twice)
{
	expect_check("usr2 64K 4", "--- dump 3: asked for by a signal\n",
		     " 4 dumps, some events\n");
}

Test(ring, is_written_when_somebody_asks_by_the_number_of_a_process)
{
	expect_check("dump 16K 2", "--- dump 1: asked for by a signal\n", " dumps, some events\n");
}

Test(ring, is_written_when_an_event_comes)
{
	expect_check("if 16K 1 -e 'r:slow " KEEPS ":slow if $latency > 10ms' --dump-if slow",
		     "--- dump 1: an event asked for it\n", " dumps, some events\n");
}

Test(ring, a_child_that_is_killed_while_its_parent_goes_on)
{
	expect_check("child 64K 2", "(keeps) is gone, and has not ended by itself\n",
		     "status 0, 1 dumps, some events\n");
}

/* Children of all kinds, and what they execute, end by themselves. */
Test(ring, nothing_is_written_if_all_is_well)
{
	struct command_result result = command_shell(
		"out=$(mktemp) && " EMUPROBE " -q --ring -o \"$out\" -e 'p:w " WORK
		":target n=%%di:u64' -- " WORK " threads 4 1000 fork 10 exec 20 && cat \"$out\" && "
		"rm \"$out\"");

	expect_status(result, 0);
	expect_lacks(result, output, "dump");
	expect_lacks(result, output, "target");
	cr_expect_str_eq(result.error, "", "%s", command_describe(&result));
	command_result_deinit(&result);
}

static void expect_refused(const char *options, const char *why)
{
	struct command_result result = command_shell(EMUPROBE " %s", options);

	expect_status(result, 125);
	expect_contains(result, error, why);
	command_result_deinit(&result);
}

Test(ring, what_makes_no_sense_is_refused)
{
	expect_refused("--ring=x -e main -- true", "--ring=x: a number of bytes");
	expect_refused("--ring=65M -e main -- true", "--ring=65M: a number of bytes");
	expect_refused("--ring -c -e main -- true", "--ring: not together with -c");
	expect_refused("--dump-if=a -e p:a -- true", "");
	expect_refused("--dump-if=a -e 'p:a main' -- true", "--dump-if: only with --ring");
	expect_refused("--ring --dump-if=main -e 'p main'",
		       "no program to run"); /* a symbol is a name */
	expect_refused("--ring --dump-if=b -e 'p:a main' -- true", "--dump-if=b: no event");
	expect_refused("--ring --dump-if='b if c' -e 'p:a main' -- true", "the name of an event");
	expect_refused("dump", "dump: the number of one process");
	expect_refused("dump $$", "is not probed, or may not be looked at");
}
