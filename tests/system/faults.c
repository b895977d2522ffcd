/* SPDX-License-Identifier: MIT */
/*
 * Memory, descriptors and system calls are refused at each moment while probes are made, removed or
 * looked at: the program runs on, each place is unprobed or fully probed, and the next try works.
 */
#include "tests/system/cli.h"

TestSuite(injected_faults, .timeout = 400);

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

Test(injected_faults, while_the_engine_starts)
{
	run("making");
}

Test(injected_faults, while_probes_are_made)
{
	run("making_later");
}

Test(injected_faults, beside_a_thread_that_runs_through_it_all)
{
	run("making_beside_a_thread");
}

Test(injected_faults, while_probes_are_removed)
{
	run("removing");
}

Test(injected_faults, while_places_are_looked_up)
{
	run("looking");
}

Test(injected_faults, while_definitions_are_read)
{
	run("defining");
}

Test(injected_faults, while_an_object_is_loaded)
{
	run("loading");
}

Test(injected_faults, take_nothing_for_ever)
{
	run("leaking");
}

Test(injected_faults, limits_that_are_reached)
{
	run("limits");
}

Test(injected_faults, signals_at_each_step)
{
	run("signals");
}
