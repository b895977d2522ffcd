/* SPDX-License-Identifier: MIT */
/* What is lost is said, whoever wants to hear nothing else, and with the true reason. */
#include "tests/system/cli.h"

TestSuite(losses, .timeout = 400);

/* 101 threads at once, each of which is hit. */
#define THREADS                                                                                    \
	"/usr/bin/python3 -c 'import threading as t, os\nb = t.Barrier(100)\n"                     \
	"def f(): b.wait(); os.getppid(); b.wait()\n"                                              \
	"a = [t.Thread(target=f) for i in range(100)]\n[x.start() for x in a]\n"                   \
	"[x.join() for x in a]'"
/* A limit on files makes the session small: 64 threads. */
#define SMALL "ulimit -f 65536 && "
#define WHY   "there was no buffer left for their threads; 64 threads can have one"

static void check_threads(const char *options, bool json)
{
	struct command_result result =
		command_shell("bash -c \"" SMALL EMUPROBE
			      " %s -o /dev/stdout -e 'p libc.so.6:getppid' -- \\\"\\$@\\\"\""
			      " bash " THREADS,
			      options);

	expect_status(result, 0);
	expect_contains(result, error, " events were dropped: " WHY);
	expect_lacks(result, error, "faster");
	if (json)
		expect_contains(result, output, "\n{\"type\":\"dropped\",\"events\":");
	command_result_deinit(&result);
}

Test(losses, more_threads_than_there_are_rings)
{
	check_threads("", false);
	check_threads("--format=json", true);
}

Test(losses, are_said_by_who_is_quiet)
{
	check_threads("-q", false);
	check_threads("-q --format=json", true);
}

#define LOAD "/usr/bin/python3", "-c", "import ctypes; ctypes.CDLL(\"libstdc++.so.6\")"
#define ALL  "p libstdc++.so.6:*?"

Test(losses, more_places_than_there_is_room_for)
{
	static const char *const options[] = {"-c", "-cq", "--format=json"};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		struct command_result result =
			RUN(EMUPROBE, options[i], "-o", "/dev/null", "-e", ALL, LOAD);

		expect_status(result, 0);
		expect_contains(
			result, error,
			"places in objects that were loaded later are not probed: there was "
			"no room for so many");
		command_result_deinit(&result);
	}
}

Test(losses, more_places_than_there_is_room_for_without_a_launcher)
{
	struct command_result result = command_run(&(struct command){
		.argv = (const char *const[]){LOAD, NULL},
		.env = (const char *const[]){"LD_PRELOAD=" PRELOAD, "EMUPROBE=" ALL,
					     "EMUPROBE_COUNT=1", "EMUPROBE_QUIET=1", NULL}});

	expect_status(result, 0);
	expect_contains(result, error,
			"places in a library that was loaded are not probed: no room");
	command_result_deinit(&result);
}

Test(losses, none_are_said_where_there_are_none)
{
	struct command_result result = RUN(EMUPROBE, "-q", "--format=json", "-o", "/dev/null", "-e",
					   "p libc.so.6:getppid", "sh", "-c", ":");

	expect_status(result, 0);
	cr_expect_str_empty(result.error, "%s", command_describe(&result));
	command_result_deinit(&result);
}
