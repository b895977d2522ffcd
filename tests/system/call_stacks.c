/* SPDX-License-Identifier: MIT */
/* Call stacks of events: each way to a function is counted as often as the program has taken it. */
#include "tests/system/cli.h"

TestSuite(call_stacks, .timeout = 400);

#define CALLED_FROM EP_PROGRAMS "/called_from"
#define FIRST	    "ways::first<"
#define SECOND	    "ways::second(int)"

static struct command_result run(const char *options, const char *what)
{
	return command_shell(EMUPROBE " %s -e 'p:hit reached; r:call reached' -o - -- " CALLED_FROM
				      " %s",
			     options, what);
}

/* The line that has all of @parts; its count stands at its end. */
static long count_of(const char *text, const char *part)
{
	long ret = 0;

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		const char *end, *found;

		line += *line == '\n';
		end = strchr(line, '\n');
		found = strstr(line, part);
		if (!end || !found || found > end)
			continue;
		while (end[-1] != ' ')
			end--;
		ret += strtol(end, NULL, 10);
	}
	return ret;
}

static void check_folded(const char *what, long times)
{
	struct command_result result = run("--stacks hit --format=folded", what);

	cr_expect_eq(count_of(result.output, FIRST), 30 * times, "%s", command_describe(&result));
	cr_expect_eq(count_of(result.output, SECOND), 12 * times, "%s", command_describe(&result));
	/* From the outermost frame to the innermost; depth and order are the program's. */
	expect_contains(result, output,
			"called_from:" SECOND ";called_from:" SECOND ";called_from:" SECOND
			";called_from:" SECOND ";called_from:reached ");
	expect_contains(result, output, "libc.so.6:__libc_start_main;");
	expect_lacks(result, output, "_ZN");
	expect_lacks(result, output, "[more]");
}

Test(call_stacks, each_way_is_counted)
{
	check_folded("", 1);
}

Test(call_stacks, of_a_child_too)
{
	check_folded("fork", 2);
}

Test(call_stacks, outlive_the_program)
{
	check_folded("die", 1);
}

Test(call_stacks, of_threads_are_added_up)
{
	struct command_result result = run("--stacks hit --format=folded", "threads");

	cr_expect_eq(count_of(result.output, FIRST), 120000, "%s", command_describe(&result));
	cr_expect_eq(count_of(result.output, SECOND), 48000, "%s", command_describe(&result));
}

/* With and without events; a call's stack is that of its entry. */
Test(call_stacks, as_text_beside_counts_and_events)
{
	static const char *const options[] = {"-c", "", "-q", "-c -q --plan=trap"};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		char all[128];
		struct command_result result;

		snprintf(all, sizeof(all), "%s --stacks hit --stacks call:2", options[i]);
		result = run(all, "");
		expect_status(result, 0);
		expect_contains(result, error, "stacks of hit: 42 hits, 2 different\n\n");
		expect_contains(result, error, "stacks of call: 42 hits, 2 different\n\n");
		expect_contains(result, error,
				"          30  called_from:reached\n"
				"              called_from:" FIRST);
		expect_contains(result, error,
				"          12  called_from:reached\n"
				"              called_from:" SECOND "\n              [more]\n\n");
	}
}

Test(call_stacks, as_json)
{
	struct command_result result = run("-c --stacks hit:1 --format=json", "");

	expect_contains(
		result, output,
		"{\"type\":\"stack\",\"event\":\"hit\",\"count\":42,\"frames\":[\"called_from:"
		"reached\",\"[more]\"]}\n");
}

/* The second way comes with zero. */
Test(call_stacks, of_hits_that_a_condition_wants)
{
	static const char *const options[] = {"-c -q", "-q"};

	for (size_t i = 0; i < 2; i++) {
		struct command_result result = command_shell(
			EMUPROBE
			" %s --stacks hit -e 'p:hit reached v=%%di:u64 if v == 1' -- " CALLED_FROM,
			options[i]);

		expect_contains(result, error, "stacks of hit: 30 hits, 1 different\n\n");
		expect_lacks(result, error, SECOND);
	}
}

/* What does not fit is not forgotten. */
Test(call_stacks, are_bounded_and_say_what_is_missing)
{
	struct command_result result = run("--stacks hit --format=folded", "many");
	const char *lost = strstr(result.error, " hits have no stack");
	long counted = count_of(result.output, ";called_from:reached ");

	cr_assert(lost, "%s", command_describe(&result));
	while (lost > result.error && lost[-1] != ' ')
		lost--;
	cr_expect_gt(counted, 8000);
	cr_expect_eq(counted + strtol(lost, NULL, 10), 65536);
}

Test(call_stacks, bad_options_are_refused)
{
	static const struct {
		const char *options, *message;
	} bad[] = {
		{"--stacks hit:0", "--stacks=hit:0: EVENT or EVENT:DEPTH"},
		{"--stacks hit:128", "with a depth from 1 to 127"},
		{"--stacks hit:", "--stacks=hit:: EVENT or EVENT:DEPTH"},
		{"--stacks :3", "--stacks=:3: EVENT or EVENT:DEPTH"},
		{"--stacks hit:3x", "EVENT or EVENT:DEPTH"},
		{"-c --format=folded", "--format=folded: only with --stacks"},
		{"--format=fold", "text, json, folded"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct command_result result = run(bad[i].options, "");

		expect_status(result, 125);
		expect_contains(result, error, bad[i].message);
	}
}

Test(call_stacks, of_an_event_that_is_none_are_refused)
{
	struct command_result result = run("-c --stacks other", "");

	expect_status(result, 125);
	expect_contains(result, error, "--stacks=other: no definition has an event of this name");
}
