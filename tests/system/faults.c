/* SPDX-License-Identifier: MIT */
/*
 * Memory, descriptors and system calls are refused at each moment while probes are made, removed or
 * looked at: the program runs on, each place is unprobed or fully probed, and the next try works.
 */
#include "tests/system/cli.h"

TestSuite(faults, .timeout = 400);

#define SKIPPED 77

static void run(const char *name)
{
	const struct command command = {
		.argv = (const char *const[]){EP_PROGRAMS "/self_faults", name, NULL},
		.timeout = 400,
	};
	struct command_result result = command_run(&command);
	bool skipped = result.status == SKIPPED;

	if (skipped)
		fprintf(stderr, "faults: skipped: %s", result.output);
	else
		expect_status(result, 0);
	command_result_deinit(&result);
	if (skipped)
		cr_skip_test("no seccomp notifications");
}

Test(faults, while_the_engine_starts)
{
	run("making");
}

Test(faults, while_probes_are_made)
{
	run("making_later");
}

Test(faults, beside_a_thread_that_runs_through_it_all)
{
	run("making_beside_a_thread");
}

Test(faults, while_probes_are_removed)
{
	run("removing");
}

Test(faults, while_places_are_looked_up)
{
	run("looking");
}

Test(faults, while_definitions_are_read)
{
	run("defining");
}

Test(faults, while_an_object_is_loaded)
{
	run("loading");
}

Test(faults, take_nothing_for_ever)
{
	run("leaking");
}

Test(faults, signals_at_each_step)
{
	run("signals");
}
