/* SPDX-License-Identifier: MIT */
/*
 * Time namespaces: events come in the order of time, whatever each process's clock shows, and their
 * time is the launcher's, or, where a process writes its events itself, its own.
 *
 * The probed program says of each event what it is by both clocks (programs/timens.c).
 */
#include "tests/system/cli.h"

TestSuite(timens, .timeout = 400);

#define PROGRAM EP_PROGRAMS "/timens"
#define STEPS	8
#define SLACK                                                                                      \
	200000ll /* nanoseconds: what is between two readings of both clocks is interpolated */

/* Forwards and backwards, from a time that has been forwarded. */
#define OFFSETS	   "1000 20"
#define IN_ANOTHER "'" PROGRAM "' enter 3000 "

struct step {
	long long before, after;	 /* by its own clock */
	long long at_start, after_start; /* by that of the program's start */
};

static const char *const masks[] = {"", "tsc", "tsc,rseq,rdpid,rdtscp"};

enum { MASKS = sizeof(masks) / sizeof(masks[0]) };

static void need_time_namespaces(void)
{
	struct command_result result = command_shell(IN_ANOTHER "true");
	bool works = result.status == 0;

	command_result_deinit(&result);
	if (!works)
		cr_skip_test("no time namespace can be made here");
}

static void read_steps(const char *output, struct step *ret)
{
	struct step step;
	long number;

	for (const char *at = output; at && *at;
	     at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		if (sscanf(at, "%ld %lld %lld %lld %lld", &number, &step.before, &step.after,
			   &step.at_start, &step.after_start) == 5 &&
		    number >= 1 && number <= STEPS)
			ret[number - 1] = step;
}

/* "timens-12 [001] 34.567890123: s: (timens:step) n=5": nanoseconds and n. */
static bool read_event(const char *line, long long *ret_time, long *ret_number)
{
	const char *at = strchr(line, ']');
	long long seconds, nanoseconds;

	if (!at || sscanf(at + 1, " %lld.%9lld: s: (%*[^)]) n=%ld", &seconds, &nanoseconds,
			  ret_number) != 3)
		return false;
	*ret_time = seconds * 1000000000 + nanoseconds;
	return true;
}

static void expect_between(long number, long long time, long long from, long long to,
			   const char *describe)
{
	cr_expect(time >= from - SLACK && time <= to + SLACK, "event %ld: %lld, not %lld..%lld: %s",
		  number, time, from, to, describe);
}

/* @own: the times are those of each process's own clock; else they ascend, too. */
static void expect_steps(const struct command_result *result, const char *events, bool own)
{
	struct step steps[STEPS] = {{0}};
	long number, count = 0;
	long long time, last = 0;

	read_steps(result->output, steps);
	for (const char *at = events; at && *at;
	     at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
		const struct step *step;

		if (!read_event(at, &time, &number) || number < 1 || number > STEPS)
			continue;
		count++;
		step = &steps[number - 1];
		expect_between(number, time, own ? step->before : step->at_start,
			       own ? step->after : step->after_start, command_describe(result));
		cr_expect(own || (time >= last && number == count), "event %ld is number %ld: %s",
			  number, count, command_describe(result));
		last = time;
	}
	cr_expect_eq(count, STEPS, "%ld events: %s: %s", count, events, command_describe(result));
}

/* @how: what runs PROGRAM, with its events in the file $f, where START is as for PROGRAM. */
static void run_steps(const char *how, const char *start, bool own)
{
	for (int i = 0; i < MASKS; i++) {
		struct command_result result = command_shell(
			"f=$(mktemp); export f EMUPROBE_MASK_CPU=%s; %s '%s' %s " OFFSETS
			"; status=$?; cat $f >&2; rm $f; exit $status",
			masks[i], how, PROGRAM, start);

		expect_status(result, 0);
		expect_lacks(result, error, "time that cannot be");
		expect_steps(&result, result.error, own);
		command_result_deinit(&result);
	}
}

#define LAUNCHER "'" EMUPROBE "' -q -o $f -e 'p:s step n=%di:s64' -- "

Test(timens, of_the_program)
{
	need_time_namespaces();
	run_steps(LAUNCHER, "0", false);
}

Test(timens, of_the_launcher)
{
	need_time_namespaces();
	run_steps(IN_ANOTHER LAUNCHER, "3000", false);
}

Test(timens, of_a_program_that_the_launcher_starts_in_another)
{
	need_time_namespaces();
	run_steps(LAUNCHER IN_ANOTHER, "0", false);
}

Test(timens, of_a_process_that_writes_its_events_itself)
{
	need_time_namespaces();
	run_steps("env LD_PRELOAD='" PRELOAD "' EMUPROBE='p:s step n=%di:s64' EMUPROBE_OUTPUT=$f "
		  "EMUPROBE_QUIET=1",
		  "0", true);
}
