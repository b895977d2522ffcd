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
		{"executes_itself", 100},      {"vfork_children_that_die", 6 * 11},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		home_run_counted(HOME_FEW, CHILDREN, cases[i].name, cases[i].hits);
}

/* What is counted with a lock is the child's as well, and that of its child. */
Test(home_children, have_counts_of_their_own)
{
	struct command_result result = RUN(EMUPROBE, "-c", "--plan=boost", "--format=json", "-e",
					   "p:hit target", "--", CHILDREN, "nested_forks");
	unsigned int children = 0;

	for (const char *at = result.error;
	     (at = strstr(at, "\"hits\":10,\"missed\":0,\"trapped\":10}")); at++)
		children++;
	cr_expect_eq(children, 3, "%u: %s", children, command_describe(&result));
	expect_contains(result, error, "\"hits\":0,\"missed\":0,\"trapped\":0}");
	command_result_deinit(&result);
}

Test(home_children, handlers_may_jump_out_of_an_execve)
{
	home_run(HOME_ALL, EP_PROGRAMS "/execve_left", NULL);
}
