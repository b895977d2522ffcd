/* SPDX-License-Identifier: MIT */
/* Processes made in every way there is, with exact counts: programs/children.c. */
#include "tests/system/home.h"

TestSuite(home_children, .timeout = 200);

#define CHILDREN EP_PROGRAMS "/children"

Test(home_children, live_and_end_as_without_us)
{
	home_run(HOME_FEW, CHILDREN, NULL);
}

Test(home_children, are_counted_exactly)
{
	static const struct {
		const char *name;
		long hits;
	} cases[] = {
		{"forks", 20 * 101},	       {"raw_forks", 20 * 100},
		{"nested_forks", 30},	       {"daemons", 10},
		{"vforks", 10 * 4 + 3 * 3},    {"vfork_leaves_signals_alone", 10},
		{"forks_in_handlers", 30 * 5}, {"forks_by_threads", 80 * 10},
		{"executes_itself", 100},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		home_run_counted(HOME_FEW, CHILDREN, cases[i].name, cases[i].hits);
}

Test(home_children, handlers_may_jump_out_of_an_execve)
{
	home_run(HOME_ALL, EP_PROGRAMS "/execve_left", NULL);
}
