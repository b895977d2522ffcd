/* SPDX-License-Identifier: MIT */
/* Places in all their spellings, from the command line to the program. */
#include "tests/system/cli.h"

TestSuite(cli_places, .timeout = 400);

#define SEMAPHORE EP_PROGRAMS "/semaphore"

/* "$at" is the place of the counter in the file. */
#define WHERE "at=$(" SEMAPHORE " where) && "

static void expect_shell(const char *command, int status, const char *output)
{
	struct command_result result = command_shell("%s", command);

	expect_status(result, status);
	expect_contains(result, output, output);
	command_result_deinit(&result);
}

/* ---- reference counters -------------------------------------------------------------------- */

Test(cli_places, a_program_is_told_that_it_is_probed)
{
	expect_shell(WHERE EMUPROBE " -c -e \"p:fire fire($at)\" -- " SEMAPHORE " 2>&1", 0,
		     "semaphore 1\n");
	expect_shell(WHERE EMUPROBE
		     " -e \"p:fire fire($at) value=%di:s32;r:end fire($at)\" -- " SEMAPHORE " 2>&1",
		     0, "semaphore 2\n");
	expect_shell(EMUPROBE " -c -e 'p:fire fire' -- " SEMAPHORE " 2>&1", 0, "semaphore 0\n");
	expect_shell(WHERE EMUPROBE " -n -e \"p:fire fire($at)\" -- " SEMAPHORE " 2>&1", 0,
		     "semaphore:fire");
}

Test(cli_places, without_the_launcher_and_in_children_too)
{
	expect_shell(WHERE "EMUPROBE=\"p:fire fire($at) value=%di:s32\" LD_PRELOAD=" PRELOAD
			   " " SEMAPHORE " 2>&1",
		     0, "(semaphore:fire) value=7\n");
	expect_shell(WHERE EMUPROBE " -c -e \"p:fire fire($at)\" -- " SEMAPHORE " fork 2>&1", 0,
		     "semaphore 1\n");
}

/* By the kernel's grammar: an offset in the file of the program. */
Test(cli_places, a_counter_that_is_nowhere_is_an_error)
{
	expect_shell(EMUPROBE " -c -e 'p:fire fire(0x10)' -- " SEMAPHORE " 2>&1", 125,
		     "emuprobe: 0x10 in the executable (semaphore): the reference counter is in no "
		     "writable data of the object\n"
		     "  p:fire fire(0x10)\n"
		     "             ^\n");
}

/* ---- deletions ----------------------------------------------------------------------------- */

Test(cli_places, what_was_deleted_is_not_placed)
{
	struct command_result result =
		RUN(EMUPROBE, "-c", "-e", "p:a target; p:b main", "-e", "-:a", WORK, "call", "3");

	expect_status(result, 0);
	expect_contains(result, error, "work:main");
	expect_lacks(result, error, "work:target");
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "-c", "-e", "p:a target", "-e", "-:b", WORK, "call", "3");
	expect_status(result, 125);
	expect_contains(result, error,
			"emuprobe: no definition before this one is called b\n  -:b\n    ^\n");
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "-c", "-e", "p:a target;-:a", WORK, "call", "3");
	expect_status(result, 125);
	expect_contains(result, error, "no probes");
	command_result_deinit(&result);
}

/* ---- versions ------------------------------------------------------------------------------ */

Test(cli_places, a_version_is_part_of_the_place)
{
	expect_shell(EMUPROBE " -n -e 'p libc.so.6:realpath@GLIBC_2.2.5' " WORK " 2>&1", 0,
		     "libc.so.6:realpath@GLIBC_2.2.5");
	expect_shell(EMUPROBE " -n -e 'p libc.so.6:realpath@GLIBC_3' " WORK " 2>&1", 125,
		     "@GLIBC_2.2.5");
}
