/* SPDX-License-Identifier: MIT */
/* How long calls take: what is said is what the program itself knows of it. */
#include "tests/system/cli.h"

TestSuite(durations, .timeout = 400);

#define DURATIONS EP_PROGRAMS "/durations"
#define CALLS	  EP_PROGRAMS "/calls"

#define PROBES                                                                                     \
	"r:outer outer; r:sleeper sleeper; r:busy busy; r:descend descend; r:quick quick; "        \
	"r:stays stays"

static struct command_result run_json(const char *options, const char *what)
{
	return command_shell(EMUPROBE " -c --format=json -o /dev/stderr %s -e '%s' -- " DURATIONS
				      " %s",
			     options, PROBES, what);
}

static struct command_result run(const char *options, const char *what)
{
	return command_shell(EMUPROBE " -c %s -e '%s' -- " DURATIONS " %s", options, PROBES, what);
}

/* The number that stands behind @key in the object of @event, behind @json. */
static double number(const char *json, const char *event, const char *key)
{
	char wanted[64];
	const char *at;

	snprintf(wanted, sizeof(wanted), "\"event\":\"%s\"", event);
	at = strstr(json, wanted);
	snprintf(wanted, sizeof(wanted), "\"%s\":", key);
	at = at ? strstr(at, wanted) : NULL;
	cr_assert(at, "no \"%s\" of %s in %s", key, event, json);
	return strtod(at + strlen(wanted), NULL);
}

struct known {
	double calls, least, most;
};

static struct known known_of(const char *said, const char *name)
{
	struct known ret = {0, 0, 0};
	const char *line = strstr(said, name);

	cr_assert(line && sscanf(line + strlen(name), "%lf %lf %lf", &ret.calls, &ret.least,
				 &ret.most) == 3,
		  "%s", said);
	return ret;
}

/* Of two clocks, which are read a little before and after. */
static void expect_between(double value, double least, double most, const char *what)
{
	cr_expect_geq(value * 1.001 + 50000, least, "%s: %f is not above %f", what, value, least);
	cr_expect_leq(value, most * 1.001 + 50000, "%s: %f is not below %f", what, value, most);
}

static void expect_known(const struct command_result *result, const char *name)
{
	struct known known = known_of(result->output, name);

	cr_expect_eq(number(result->error, name, "hits"), known.calls);
	cr_expect_eq(number(result->error, name, "returns"), known.calls);
	cr_expect_eq(number(result->error, name, "timed"), known.calls);
	expect_between(number(result->error, name, "total"), known.least, known.most, name);
}

Test(durations, are_those_that_the_program_measures)
{
	struct command_result result = run_json("", "nest");
	struct known own;

	expect_status(result, 0);
	expect_known(&result, "outer");
	expect_known(&result, "sleeper");
	expect_known(&result, "busy");
	own = known_of(result.output, "own");
	expect_between(number(result.error, "outer", "self"), own.least, own.most, "own time");
	cr_expect_eq(number(result.error, "busy", "self"), number(result.error, "busy", "total"));
	command_result_deinit(&result);
}

Test(durations, of_recursion_count_once)
{
	struct command_result result = run_json("", "recurse");

	expect_status(result, 0);
	expect_known(&result, "descend");
	cr_expect_gt(number(result.error, "descend", "sum"),
		     number(result.error, "descend", "total"));
	command_result_deinit(&result);
}

static const char *const plans[] = {"--plan=auto", "--plan=trap"};

Test(durations, of_many_threads_are_all_there)
{
	for (size_t i = 0; i < 2; i++) {
		struct command_result result = run_json(plans[i], "threads");

		expect_status(result, 0);
		cr_expect_eq(number(result.error, "quick", "hits"), 3 * 4 * 16000);
		cr_expect_eq(number(result.error, "quick", "returns"), 3 * 4 * 16000);
		cr_expect_eq(number(result.error, "quick", "timed"), 3 * 4 * 16000);
		command_result_deinit(&result);
	}
}

/* Threads that are gone have left their places, and their countdowns, to others. */
Test(durations, of_one_call_in_so_many)
{
	struct command_result result = run_json("--sample=16", "threads");

	expect_status(result, 0);
	cr_expect_eq(number(result.error, "quick", "returns"), 3 * 4 * 16000);
	cr_expect_eq(number(result.error, "quick", "timed"), 3 * 4 * 1000);
	cr_expect_eq(number(result.error, "quick", "sample"), 16);
	command_result_deinit(&result);
	result = run("--sample=16", "threads");
	expect_contains(result, error, "timed 1 in 16 calls");
	expect_lacks(result, error, "self");
	command_result_deinit(&result);
}

Test(durations, of_a_child_are_its_own)
{
	struct command_result result = run_json("", "fork");
	const char *child;

	expect_status(result, 0);
	cr_expect_eq(number(result.error, "quick", "timed"), 7, "%s", command_describe(&result));
	child = strstr(strstr(result.error, "\"event\":\"quick\"") + 1, "\"event\":\"stays\"");
	cr_expect_eq(number(child, "quick", "timed"), 4);
	command_result_deinit(&result);
	result = run("", "fork");
	cr_expect(strstr(result.error, "\n          11  "), "%s", command_describe(&result));
	command_result_deinit(&result);
}

Test(durations, of_calls_that_have_no_end_are_not_there)
{
	struct command_result result = run("", "exits");

	expect_status(result, 0);
	expect_contains(result, error, "stays (1 still running)\n");
	command_result_deinit(&result);
}

Test(durations, outlive_the_program)
{
	struct command_result result = run_json("", "killed");

	cr_expect_neq(result.status, 0);
	cr_expect_eq(number(result.error, "quick", "timed"), 16000, "%s",
		     command_describe(&result));
	command_result_deinit(&result);
}

Test(durations, say_how_calls_ended)
{
	struct command_result result = command_shell(
		EMUPROBE " -c --format=json -o /dev/stderr "
			 "-e 'r:thrower thrower; r:jumper jumper; r:catcher catcher' -- " CALLS
			 " ends");

	expect_status(result, 0);
	cr_expect_eq(number(result.error, "thrower", "hits"),
		     number(result.error, "thrower", "unwound"), "%s", command_describe(&result));
	cr_expect_eq(number(result.error, "thrower", "timed"),
		     number(result.error, "thrower", "unwound"));
	cr_expect_gt(number(result.error, "jumper", "abandoned"), 0);
	cr_expect_eq(number(result.error, "jumper", "timed"),
		     number(result.error, "jumper", "returns"));
	cr_expect_eq(number(result.error, "catcher", "timed"),
		     number(result.error, "catcher", "returns"));
	command_result_deinit(&result);
	result = command_shell(EMUPROBE " -c -e 'r:thrower thrower' -- " CALLS " ends");
	expect_contains(result, error, " by an exception)\n");
	command_result_deinit(&result);
}

/* What was counted and measured of an object that is gone is kept. */
Test(durations, of_objects_that_come_and_go_are_all_there)
{
	struct command_result result = command_shell(
		EMUPROBE
		" -c --format=json -o /dev/stderr "
		"-e 'r:one plugin.so:plugin_target?; r:two plugin_twin.so:plugin_target?' -- " CALLS
		" loads");
	static const char *const events[] = {"one", "two"};

	expect_status(result, 0);
	for (size_t i = 0; i < 2; i++) {
		double hits = number(result.error, events[i], "hits");

		cr_expect_gt(hits, 0);
		cr_expect_eq(number(result.error, events[i], "returns"), hits);
		cr_expect_eq(number(result.error, events[i], "timed"), hits);
	}
	command_result_deinit(&result);
}

/* Who wants no summary, and bars, gets these alone. */
Test(durations, as_bars_alone)
{
	struct command_result result = run("-q --hist=quick", "fork");

	expect_status(result, 0);
	cr_expect_eq(strncmp(result.error, "quick:$latency (durations:quick), 11 calls\n", 42), 0,
		     "%s", command_describe(&result));
	command_result_deinit(&result);
}

/* Bars have the same calls, all of them. */
Test(durations, as_bars)
{
	struct command_result result = command_shell(
		EMUPROBE " -c --hist='quick:$latency' --hist=none -e '%s' -- " DURATIONS
			 " threads 2>&1 | tee /dev/stderr | "
			 "awk '/ to .*[|]/ {sum += $4} END {print sum}'",
		PROBES);

	cr_expect_str_eq(result.output, "192000\n", "%s", command_describe(&result));
	expect_contains(result, error, "\nquick:$latency (durations:quick), 192000 calls\n");
	expect_contains(result, error, "|########################################|\n");
	expect_contains(result, error,
			"emuprobe: --hist=none: no such event of calls; "
			"r:none PLACE gives one this name\n");
	command_result_deinit(&result);
}

Test(durations, without_a_launcher)
{
	struct command_result result = command_shell(
		"EMUPROBE='%s' EMUPROBE_COUNT=1 EMUPROBE_SAMPLE=4 EMUPROBE_FORMAT=json "
		"EMUPROBE_OUTPUT=/dev/stderr LD_PRELOAD=" PRELOAD " " DURATIONS " fork",
		PROBES);
	const char *parent;

	/* The child ends first: it has forgotten what its parent had measured. */
	expect_status(result, 0);
	cr_expect_eq(number(result.error, "quick", "returns"), 4, "%s", command_describe(&result));
	cr_expect_eq(number(result.error, "quick", "timed"), 1);
	parent = strstr(strstr(result.error, "\"event\":\"quick\"") + 1, "\"event\":\"stays\"");
	cr_expect_eq(number(parent, "quick", "returns"), 7);
	cr_expect_eq(number(parent, "quick", "timed"), 2);
	command_result_deinit(&result);
}
