/* SPDX-License-Identifier: MIT */
/* The launcher: what it prints, how it ends, what survives. */
#include <fcntl.h>
#include <unistd.h>

#include "tests/system/cli.h"

TestSuite(cli_launcher, .timeout = 400);

Test(cli_launcher, events_and_summary)
{
	struct command_result result =
		RUN(EMUPROBE, "-e", "p:t target a=$arg1:u64 b=%si:s32 c=%dl:char d=%di", "--", WORK,
		    "call", "2", "print", "ran");

	expect_status(result, 0);
	cr_expect_str_eq(result.output, "ran\n");
	expect_contains(result, error, "            work-");
	expect_contains(result, error, "t: (work:target) a=0 b=0 c='e' d=0x0\n");
	expect_contains(result, error, "t: (work:target) a=2 b=-2 c='c' d=0x2\n");
	expect_contains(result, error, "        hits  plan     event  place\n           3  ");
	command_result_deinit(&result);
}

/* The loader's list: it maps our library, and runs nothing of it. */
Test(cli_launcher, a_program_that_was_not_probed_is_said)
{
	static const char *const quiet[] = {"-q", "-c"};

	for (int i = 0; i < 2; i++) {
		struct command_result result =
			RUN(EMUPROBE, quiet[i], "-e", "p main", "--", "/lib64/ld-linux-x86-64.so.2",
			    "--list", "/bin/true");

		expect_status(result, 0);
		expect_contains(result, error, "was not probed");
		command_result_deinit(&result);
	}
}

Test(cli_launcher, json)
{
	struct command_result result =
		RUN(EMUPROBE, "--format=json", "-e", "p:g/t target a=%di:x8 b=%si:s64 c=%dl:char",
		    "--", WORK, "call", "1");

	expect_contains(result, error, "{\"type\":\"event\",\"ts\":");
	expect_contains(
		result, error,
		"\"comm\":\"work\",\"group\":\"g\",\"event\":\"t\",\"place\":\"work:target\","
		"\"args\":{\"a\":\"0x1\",\"b\":-2,\"c\":\"c\"}}\n");
	expect_contains(result, error, "{\"type\":\"probe\",\"pid\":");
	expect_contains(result, error,
			",\"group\":\"g\",\"event\":\"t\",\"place\":\"work:target\",");
	expect_contains(result, error, ",\"hits\":2,\"missed\":0,\"trapped\":0}\n");
	command_result_deinit(&result);
}

Test(cli_launcher, json_is_json)
{
	struct command_result result = command_shell(
		"command -v python3 >/dev/null || exit 77; "
		"'%s' --format=json -o /dev/stdout -e 'p:t target a=%%di' -e 'p libc.so.6:m*' -- "
		"'%s' call 5 name '\"\\' call 1 | "
		"python3 -c 'import json, sys\nfor line in sys.stdin: json.loads(line)'",
		EMUPROBE, WORK);

	if (result.status == 77)
		cr_skip_test("no python3");
	expect_status(result, 0);
	cr_expect_str_eq(result.error, "");
	command_result_deinit(&result);
}

Test(cli_launcher, count_only)
{
	struct command_result result =
		RUN(EMUPROBE, "-c", "-e", "p:t target; p never_called", "--", WORK, "call", "1000");

	expect_lacks(result, error, ": t: ");
	expect_contains(result, error, "        1001  ");
	expect_contains(result, error, "           0  ");
	command_result_deinit(&result);
}

Test(cli_launcher, output_file_holds_events_only)
{
	char path[] = "/tmp/emuprobe-output-XXXXXX";
	struct command_result result;

	close(mkstemp(path));
	result = RUN(EMUPROBE, "-o", path, "-e", "p:t target", "--", WORK, "call", "2");
	expect_lacks(result, error, ": t: ");
	expect_contains(result, error, "           3  ");
	command_result_deinit(&result);
	result = command_shell("cat %s; rm %s", path, path);
	cr_expect_eq(command_count(result.output, ": t: "), 3);
	expect_lacks(result, output, "hits");
	command_result_deinit(&result);
}

Test(cli_launcher, quiet)
{
	struct command_result result =
		RUN(EMUPROBE, "-q", "-c", "-e", "p:t target", "--", WORK, "call", "1");

	expect_status(result, 0);
	cr_expect_str_eq(result.error, "");
	command_result_deinit(&result);
}

Test(cli_launcher, check_does_not_run_the_program)
{
	struct command_result result = RUN(EMUPROBE, "-n", "-e", "p target; p libc.so.6:malloc+1",
					   "--", WORK, "print", "ran");

	expect_status(result, 0);
	expect_lacks(result, output, "ran");
	expect_contains(result, output, "work:target");
	expect_contains(result, output, "refused  libc.so.6:malloc+0x1");
	expect_contains(result, output, "inside an instruction");
	cr_expect_str_eq(result.error, "");
	command_result_deinit(&result);
}

Test(cli_launcher, explain)
{
	struct command_result result =
		RUN(EMUPROBE, "--explain", "-c", "-e", "p libc.so.6:malloc+1", "--", WORK);

	expect_contains(result, error, "refused  libc.so.6:malloc+0x1");
	command_result_deinit(&result);
}

#define CALLS "r:m libc.so.6:malloc; r:s libc.so.6:dlsym"

static void expect_followed(const char *text)
{
	const char *in_stubs = strstr(text, "libc.so.6:malloc "),
		   *at_ways = strstr(text, "libc.so.6:dlsym ");
	int lengths[2];

	cr_assert(in_stubs && at_ways, "%s", text);
	lengths[0] = (int)strcspn(in_stubs, "\n");
	lengths[1] = (int)strcspn(at_ways, "\n");
	cr_expect(memmem(in_stubs, (size_t)lengths[0], "calls end in stubs", 18), "%.*s",
		  lengths[0], in_stubs);
	cr_expect(memmem(at_ways, (size_t)lengths[1], "calls end at ", 13), "%.*s", lengths[1],
		  at_ways);
}

/* dlsym() finds by its return address who asks. */
Test(cli_launcher, how_calls_are_followed_is_explained)
{
	struct command_result result = RUN(EMUPROBE, "-n", "-e", CALLS, "--", WORK);

	expect_followed(result.output);
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "--explain", "-c", "-e", CALLS, "--", WORK);
	expect_followed(result.error);
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "-n", "--format=json", "-e", CALLS, "--", WORK);
	expect_contains(result, output, "\"ways_out\":0,");
	cr_expect_eq(command_count(result.output, "\"ways_out\":"), 2, "%s", result.output);
	cr_expect_eq(command_count(result.output, "\"ways_out\":0,"), 1, "%s", result.output);
	command_result_deinit(&result);
}

Test(cli_launcher, exit_status_of_the_program)
{
	struct command_result result = RUN(EMUPROBE, "-e", "p:t target", "--", WORK, "exit", "42");

	expect_status(result, 42);
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "-e", "p:t target", "--", WORK, "kill", "11");
	cr_expect_eq(result.signal, SIGSEGV, "%s", command_describe(&result));
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "-e", "p:t target", "--", WORK, "kill", "15");
	cr_expect_eq(result.signal, SIGTERM, "%s", command_describe(&result));
	command_result_deinit(&result);
}

Test(cli_launcher, what_was_recorded_survives_sigkill)
{
	struct command_result result = RUN(EMUPROBE, "-e", "p:t target a=%di:u64", "--", WORK,
					   "call", "1000", "kill", "9");

	cr_expect_eq(result.signal, SIGKILL, "%s", command_describe(&result));
	cr_expect_eq(command_count(result.error, ": t: "), 1001);
	expect_contains(result, error, "a=1000\n");
	expect_contains(result, error, "        1001  ");
	command_result_deinit(&result);
}

Test(cli_launcher, children_count_for_themselves)
{
	struct command_result result =
		RUN(EMUPROBE, "-q", "--format=json", "-e", "p:t target", "--", WORK, "call", "10",
		    "fork", "3", "rawfork", "5", "vfork", "exec", "7");

	cr_expect_eq(command_count(result.error, "\"type\":\"event\""), 1 + 10 + 3 + 5 + 1 + 7);
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "-c", "--format=json", "-e", "p:t target", "--", WORK, "call", "10",
		     "fork", "3", "vfork", "exec", "7");
	expect_contains(result, error, "\"hits\":11,");
	expect_contains(result, error, "\"hits\":3,");
	expect_contains(result, error, "\"hits\":8,");
	command_result_deinit(&result);
}

Test(cli_launcher, counts_are_exact_under_every_plan)
{
	static const char *const plans[] = {"auto", "trap", "emulate", "boost", "jump"};

	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		struct command_result result =
			RUN(EMUPROBE, "-c", "--plan", plans[i], "--format=json", "-e",
			    "p:t target+4", "--", WORK, "threads", "8", "20000", "fork", "300",
			    "fork", "70", "call", "5", "kill", "9");

		cr_expect_eq(result.signal, SIGKILL, "%s", command_describe(&result));
		if (!strstr(result.error, "\"refused\"")) {
			expect_contains(result, error, "\"hits\":160006,");
			expect_contains(result, error, "\"hits\":300,");
			expect_contains(result, error, "\"hits\":70,");
		}
		command_result_deinit(&result);
	}
}

Test(cli_launcher, more_threads_than_ever_run_at_once_are_counted)
{
	struct command_result result =
		RUN(EMUPROBE, "-c", "-e", "p:t target", "--", WORK, "threads", "64", "1000",
		    "threads", "64", "1000", "fork", "1", "threads", "3", "7", "_exit", "0");

	expect_contains(result, error, "      128023  ");
	command_result_deinit(&result);
}

/* What an indirect function chose, found by its name, by the launcher's first look at libc. */
Test(cli_launcher, indirect_functions_by_name)
{
	static const char *const names[] = {"memcpy", "strlen", "memset"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char definition[64];
		struct command_result result;

		snprintf(definition, sizeof(definition), "p:f libc.so.6:%s", names[i]);
		result = RUN(EMUPROBE, "-c", "-e", definition, "--", "/bin/ls", "-l", "/");
		expect_status(result, 0);
		cr_expect_gt(strtol(strstr(result.error, "place\n") + 6, NULL, 10), 0, "%s",
			     command_describe(&result));
		command_result_deinit(&result);
	}
}

Test(cli_launcher, share_of_trapped_hits)
{
	struct command_result result =
		RUN(EMUPROBE, "-c", "--plan=trap", "-e", "p:t target", "--", WORK, "call", "10");

	expect_contains(result, error, "        hits  trapped  plan     event  place\n");
	expect_contains(result, error, "          11   100.0%  ");
	command_result_deinit(&result);
}

Test(cli_launcher, no_follow_leaves_executed_programs_alone)
{
	struct command_result result = RUN(EMUPROBE, "-c", "--no-follow", "--format=json", "-e",
					   "p:t target", "--", WORK, "environment", "exec", "7");

	expect_contains(result, error, "\"hits\":1,");
	expect_lacks(result, error, "\"hits\":8,");
	cr_expect_str_eq(result.output, "");
	command_result_deinit(&result);
}

Test(cli_launcher, program_found_later_may_lack_the_places)
{
	struct command_result result =
		RUN(EMUPROBE, "-c", "-e", "p:t target", "--", WORK, "exec", "1", "print", "ran");

	expect_status(result, 0);
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "-c", "-e", "p:m main?; p:t target?; p libc.so.6:malloc", "--", "sh",
		     "-c", WORK " call 5; cat /dev/null");
	expect_status(result, 0);
	expect_contains(result, error, "           6  ");
	command_result_deinit(&result);
}

Test(cli_launcher, threads_are_in_the_order_of_time)
{
	struct command_result result =
		command_shell("'%s' -q -o /dev/stdout -e 'p:t target' -- '%s' threads 8 2000 | "
			      "sed 's/.*\\] *//; s/:.*//' | tee /dev/stderr | sort -c -n",
			      EMUPROBE, WORK);

	expect_status(result, 0);
	cr_expect_eq(command_count(result.error, "\n"), 16001, "%zu events",
		     command_count(result.error, "\n"));
	command_result_deinit(&result);
}

Test(cli_launcher, events_come_faster_than_they_are_written_and_none_is_lost)
{
	struct command_result result =
		command_shell("'%s' -q -o /dev/stdout -e 'p:t target' -- '%s' threads 4 100000 | "
			      "wc -l",
			      EMUPROBE, WORK);

	cr_expect_str_eq(result.output, "400001\n");
	command_result_deinit(&result);
}

Test(cli_launcher, losses_and_events_add_up)
{
	struct command_result result = command_shell(
		"'%s' --drop -o /dev/stdout -e 'p:t target' -- '%s' threads 4 100000 | wc -l",
		EMUPROBE, WORK);
	const char *lost = strstr(result.error, "emuprobe: ");

	cr_expect_eq(atol(result.output) + (lost ? atol(lost + 10) : 0), 400001, "%s",
		     command_describe(&result));
	command_result_deinit(&result);
}

Test(cli_launcher, program_sees_no_descriptor_of_ours)
{
	struct command_result result = RUN(EMUPROBE, "-q", "-e", "p:t target", "--", WORK,
					   "descriptors", "closeall", "call", "1");

	cr_expect_str_eq(result.output, "descriptors 3\n");
	cr_expect_eq(command_count(result.error, ": t: "), 2);
	command_result_deinit(&result);
}

Test(cli_launcher, termination_is_passed_on)
{
	struct command_result result =
		command_shell("'%s' -c -e 'p:t target' -- '%s' sleep 20000 & sleep 0.5; kill $!; "
			      "wait $!",
			      EMUPROBE, WORK);

	expect_status(result, 128 + SIGTERM);
	expect_contains(result, error, "           1  ");
	command_result_deinit(&result);
}

Test(cli_launcher, reader_that_leaves_does_not_stop_the_program)
{
	const struct command command = {
		.argv = (const char *const[]){EMUPROBE, "-e", "p:t target", "--", WORK, "call",
					      "20000", "print", "ran", "exit", "3", NULL},
		.close_output = "standard error",
	};
	struct command_result result = command_run(&command);

	expect_status(result, 3);
	cr_expect_str_eq(result.output, "ran\n");
	command_result_deinit(&result);
}

Test(cli_launcher, full_disk_does_not_stop_the_program)
{
	struct command_result result = RUN(EMUPROBE, "-o", "/dev/full", "-e", "p:t target", "--",
					   WORK, "call", "100", "print", "ran", "exit", "3");

	expect_status(result, 3);
	cr_expect_str_eq(result.output, "ran\n");
	expect_contains(result, error, "/dev/full: No space left on device");
	command_result_deinit(&result);
}

/* There it is all that was asked for. */
Test(cli_launcher, full_disk_is_an_error_where_nothing_runs)
{
	static const char *const options[] = {"-n", "-D"};

	for (int i = 0; i < 2; i++) {
		struct command_result result = command_shell(
			"'%s' %s -e 'p:t target' -- %s >/dev/full", EMUPROBE, options[i], WORK);

		cr_expect_eq(result.status, 125, "%s: %s", options[i], command_describe(&result));
		expect_contains(result, error, "standard output: No space left on device");
		command_result_deinit(&result);
	}
}

Test(cli_launcher, version_and_help)
{
	struct command_result result = RUN(EMUPROBE, "--version");

	expect_status(result, 0);
	cr_expect_eq(strncmp(result.output, "emuprobe ", 9), 0);
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "--help");
	expect_status(result, 0);
	expect_contains(result, output, "--explain");
	command_result_deinit(&result);
}

Test(cli_launcher, scripts)
{
	char path[] = "/tmp/emuprobe-script-XXXXXX";
	struct command_result result;
	FILE *file;

	close(mkstemp(path));
	file = fopen(path, "w");
	fputs("#!/bin/sh\necho script $1\n", file);
	fclose(file);
	result = command_shell("chmod +x %s; '%s' -c -e 'p:m libc.so.6:malloc' -- %s argument",
			       path, EMUPROBE, path);
	unlink(path);
	expect_status(result, 0);
	cr_expect_str_eq(result.output, "script argument\n");
	expect_contains(result, error, "libc.so.6:malloc");
	command_result_deinit(&result);
}

Test(cli_launcher, processes_that_start_at_the_same_time)
{
	struct command_result result = command_shell(
		"'%s' -o /dev/stdout -e 'p:t target?; p:none libc.so.6:str*' -- sh -c "
		"'for i in 1 2 3 4 5 6 7 8; do %s call 100 & done; wait' | grep -c ': t: '",
		EMUPROBE, WORK);

	cr_expect_str_eq(result.output, "808\n");
	expect_lacks(result, error, "unreadable");
	command_result_deinit(&result);
}

Test(cli_launcher, works_under_limits)
{
	static const char *const limits[] = {"-v 3000000", "-n 8"};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct command_result result =
			command_shell("ulimit %s; exec '%s' -e 'p:t target' -- '%s' call 3 exit 4",
				      limits[i], EMUPROBE, WORK);

		expect_status(result, 4);
		cr_expect_eq(command_count(result.error, ": t: "), 4);
		command_result_deinit(&result);
	}
}

Test(cli_launcher, limit_on_files_is_said_where_it_forbids_memory)
{
	struct command_result result = command_shell(
		"ulimit -f 100; exec '%s' -e 'p:t target' -- '%s' print ran", EMUPROBE, WORK);

	expect_status(result, 125);
	expect_contains(result, error, "no memory to share with the program");
	command_result_deinit(&result);
}
