/* SPDX-License-Identifier: MIT */
/* C++ programs whose exceptions pass through calls that are followed. */
#include "tests/system/home.h"

TestSuite(calls_thrown, .timeout = 400);

Test(calls_thrown, each_call_ends_once_and_each_exception_arrives)
{
	struct command_result result = RUN(EP_PROGRAMS "/self_throws");

	expect_status(result, 0);
	command_result_deinit(&result);
}
