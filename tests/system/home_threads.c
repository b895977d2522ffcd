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
