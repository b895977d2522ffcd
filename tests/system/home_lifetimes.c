/* SPDX-License-Identifier: MIT */
/* Code that goes away under its probes, and how programs use the library while it does. */
#include "tests/system/home.h"

TestSuite(home_lifetimes, .timeout = 120);

static void run(const char *program)
{
	struct command_result result = RUN(program);

	expect_status(result, 0);
	command_result_deinit(&result);
}

Test(home_lifetimes, code_goes_away_and_comes_back)
{
	run(EP_PROGRAMS "/self_lifetimes");
}
