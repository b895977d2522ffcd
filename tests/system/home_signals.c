/* SPDX-License-Identifier: MIT */
/* A program sees the signals as it would without us: programs/signals.c says what. */
#include "tests/system/home.h"

TestSuite(home_signals, .timeout = 400);

Test(home_signals, are_as_without_us)
{
	home_run(HOME_ALL, EP_PROGRAMS "/signals", NULL);
}

/* ---- sandboxes that let no handler return ---------------------------------------------------- */

#define NO_RETURN EP_PROGRAMS "/no_return"

Test(home_signals, no_handler_may_return)
{
	home_run(HOME_ALL, NO_RETURN, NULL);
}

Test(home_signals, no_handler_may_return_and_no_hit_is_lost)
{
	static const char *const cases[] = {"keeps_registers", "refused", "all_threads", "child",
					    "nonsense"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		home_run_counted(HOME_ALL, NO_RETURN, cases[i], -1);
}

/* A child asks, before the program starts. The launcher is outside: it handles signals. */
Test(home_signals, no_handler_may_return_from_before_the_start)
{
	for (int i = 0; i < HOME_ALL; i++) {
		struct command_result result =
			RUN(EMUPROBE, "-c", "-v", home_plans[i], "-e", "p libc.so.6:*", "--",
			    EP_PROGRAMS "/confined", "kill", "rt_sigreturn", "/bin/echo", "text");

		cr_expect_str_eq(result.output, "text\n", "%s", command_describe(&result));
		expect_status(result, 0);
		expect_contains(result, error, "emuprobe: 2 processes");
		cr_expect_null(strstr(result.error, "unprobed"), "%s", result.error);
		command_result_deinit(&result);
	}
}

/* Most come at the instruction at which the trap's handler opens them again. */
Test(home_signals, no_handler_may_return_and_signals_come)
{
	for (int i = 0; i < HOME_ALL; i++) {
		struct command_result result = RUN(EMUPROBE, "-q", "-c", home_plans[i], "-e",
						   "p target", "--", NO_RETURN, "signals");

		cr_expect_eq(result.status, 0, "%s: %s", home_plans[i], command_describe(&result));
		command_result_deinit(&result);
	}
}
