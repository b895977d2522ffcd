/* SPDX-License-Identifier: MIT */
/* Code that goes away under its probes, and how programs use the library while it does. */
#include "tests/system/home.h"

TestSuite(home_lifetimes, .timeout = 400);

static void run(const char *program)
{
	struct command_result result = RUN(program);

	expect_status(result, 0);
	command_result_deinit(&result);
}

Test(home_lifetimes, programs_use_the_library_in_every_way)
{
	run(EP_PROGRAMS "/self_api");
}

Test(home_lifetimes, programs_define_probes_with_conditions_and_arguments)
{
	run(EP_PROGRAMS "/self_defines");
}

Test(home_lifetimes, the_library_stays_when_it_is_closed)
{
	struct command_result result =
		RUN(EP_PROGRAMS "/self_dlopened", EP_BUILD_DIR "/libemuprobe.so");

	expect_status(result, 0);
	command_result_deinit(&result);
}

/* The program's own probes are refused, the launcher's work. */
Test(home_lifetimes, a_program_that_probes_itself_under_the_launcher)
{
	struct command_result result =
		RUN(EMUPROBE, "-c", "--format=json", "-e", "p:t libc.so.6:getppid",
		    EP_PROGRAMS "/self_api", "the_launcher_was_first");

	expect_status(result, 0);
	cr_expect_eq(home_hits(result.error), 1, "%s", command_describe(&result));
	command_result_deinit(&result);
}

Test(home_lifetimes, code_goes_away_and_comes_back)
{
	run(EP_PROGRAMS "/self_lifetimes");
}

Test(home_lifetimes, used_from_constructors_to_destructors)
{
	struct command_result result = RUN(EP_PROGRAMS "/self_misuse");

	expect_status(result, 0);
	cr_expect_str_eq(result.output, "well used\n", "%s", command_describe(&result));
	command_result_deinit(&result);
}
