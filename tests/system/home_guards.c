/* SPDX-License-Identifier: MIT */
/* System calls that the engine guards: programs/guards.c says what must hold. */
#include "tests/system/home.h"

TestSuite(home_guards, .timeout = 400);

Test(home_guards, are_as_without_us)
{
	home_run(HOME_ALL, EP_PROGRAMS "/guards", NULL);
}

/* A trap needs a signal frame, which is larger than these stacks. */
Test(home_guards, take_little_of_the_stack)
{
	static const char *const plans[] = {"--plan=auto", "--plan=jump"};

	for (int i = 0; i < 2; i++) {
		struct command_result result = RUN(EMUPROBE, "-q", "-c", plans[i], HOME_EVERYTHING,
						   "--", EP_PROGRAMS "/guards", "without-traps");

		expect_status(result, 0);
		command_result_deinit(&result);
	}
}

/* A signal in front of each instruction of a guarded call: the program sees itself, not us. */
Test(home_guards, take_signals_at_every_instruction)
{
	const struct command command = {
		.argv = (const char *const[]){EMUPROBE, "-q", "-c", "-e", "p libc.so.6:malloc",
					      "--", EP_PROGRAMS "/guards", "stepped", NULL},
		.timeout = 350,
	};
	struct command_result result = command_run(&command);

	expect_status(result, 0);
	command_result_deinit(&result);
}

/* Signals that we own, sent all the time: they find us at every place, too. */
Test(home_guards, take_signals_at_any_time)
{
	struct command_result result;

	home_run(HOME_ALL, EP_PROGRAMS "/pounded", NULL);
	result = RUN(EMUPROBE, "-q", "--drop", "-o", "/dev/null", "--plan=jump", "-e",
		     "p be_hit a=%di:u64", "--", EP_PROGRAMS "/pounded", "hits_are_no_calls");
	expect_status(result, 0);
	command_result_deinit(&result);
}
