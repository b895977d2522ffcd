/* SPDX-License-Identifier: MIT */
/* Threads in every way there is, with exact counts: programs/thread_lives.c. */
#include "tests/system/home.h"

TestSuite(home_threads, .timeout = 400);

#define THREADS EP_PROGRAMS "/thread_lives"

Test(home_threads, live_and_end_as_without_us)
{
	home_run(HOME_ALL, THREADS, NULL);
}

Test(home_threads, are_counted_exactly)
{
	static const char *const cases[] = {
		"come_and_go", "detached",    "many_at_once",		"tiny_stacks",
		"cancelled",   "destructors", "main_thread_ends_first", "raw_clone",
		"clone_vm",    "c11_threads", "signalled_all_the_time",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		home_run_counted(HOME_ALL, THREADS, cases[i], -1);
}

/* Records, stacks, counters and tables of those that have ended are taken by others: 14,400 threads, 38 at once. */
static void check_growth(const char *plan, const char *definition)
{
	struct command_result result = RUN(EMUPROBE, plan, "-c", "--format=json", "-e", definition,
					   EP_PROGRAMS "/thread_churn");
	const char *grown = strstr(result.output, "grown "), *target;

	expect_status(result, 0);
	cr_assert_not_null(grown, "%s", command_describe(&result));
	cr_expect_lt(atol(grown + strlen("grown ")), 1024, "%s: %s", definition, grown);
	target = strstr(result.output, "target ");
	cr_assert_not_null(target);
	cr_expect_eq(home_hits(result.error), atol(target + strlen("target ")), "%s",
		     command_describe(&result));
	command_result_deinit(&result);
}

Test(home_threads, that_come_and_go_leave_no_memory_behind)
{
	check_growth("--plan=auto", "p:t target");
	check_growth("--plan=auto", "r:t target");
	check_growth("--plan=trap", "p:t target");
}

#define AREAS EP_PROGRAMS "/thread_areas"

Test(home_threads, with_an_area_of_their_own_live_as_without_us)
{
	home_run(HOME_ALL, AREAS, NULL);
}

Test(home_threads, with_an_area_of_their_own_are_counted_exactly)
{
	static const char *const cases[] = {"page",	   "switched", "none",
					    "others_data", "zeros",    "unmapped"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		home_run_counted(HOME_ALL, AREAS, cases[i], -1);
}

Test(home_threads, that_serve_requests_of_aio_are_as_without_us)
{
	home_run(HOME_ALL, EP_PROGRAMS "/aio", NULL);
}
