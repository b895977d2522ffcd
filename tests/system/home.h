/* SPDX-License-Identifier: MIT */
/* Runs programs that check themselves, unprobed and under every plan. */
#ifndef EMUPROBE_TESTS_SYSTEM_HOME_H
#define EMUPROBE_TESTS_SYSTEM_HOME_H

#include "tests/system/cli.h"

/* Every function of libc and of the loader. */
#define HOME_EVERYTHING "-e", "p libc.so.6:*", "-e", "p ld-linux-x86-64.so.2:*?"

/* A few where programs are started often. Where something traps, "trap" emulates what can be emulated. */
enum { HOME_FEW = 2, HOME_ALL = 4 };

static const char *const home_plans[HOME_ALL] = {"--plan=auto", "--plan=trap", "--plan=boost",
						 "--plan=jump"};

/* Unprobed as well: the program itself must be right. */
static inline void home_run_by(const char *launcher, int plans, const char *program,
			       const char *arg)
{
	struct command_result result = RUN(program, arg);

	cr_expect_eq(result.status, 0, "unprobed: %s", command_describe(&result));
	command_result_deinit(&result);
	for (int i = 0; i < plans; i++) {
		const struct command command = {
			.argv = (const char *const[]){launcher, "-q", "-c", home_plans[i],
						      HOME_EVERYTHING, "--", program, arg, NULL},
			.timeout = 60,
		};

		result = command_run(&command);
		cr_expect_eq(result.status, 0, "%s: %s", home_plans[i], command_describe(&result));
		command_result_deinit(&result);
	}
}

/* All hits of "t", of all processes. */
static inline long home_hits(const char *text)
{
	long sum = 0;

	while ((text = strstr(text, "\"event\":\"t\""))) {
		text = strstr(text, "\"hits\":");
		if (!text)
			return -1;
		text += strlen("\"hits\":");
		sum += strtol(text, NULL, 10);
	}
	return sum;
}

/*
 * target() is called @wanted times, in all processes together; if that is negative, the program
 * says how often: "target N".
 */
static inline void home_run_counted_by(const char *launcher, int plans, const char *program,
				       const char *arg, long wanted)
{
	for (int i = 0; i < plans; i++) {
		const struct command command = {
			.argv = (const char *const[]){launcher, "-c", "--format=json",
						      home_plans[i], "-e", "p:t target?",
						      HOME_EVERYTHING, "--", program, arg, NULL},
			.timeout = 60,
		};
		struct command_result result = command_run(&command);
		const char *said = strstr(result.output, "target ");
		long right = wanted < 0 && said ? strtol(said + 7, NULL, 10) : wanted;
		long counted = home_hits(result.error);

		cr_expect_eq(result.status, 0, "%s %s: %s", home_plans[i], arg,
			     command_describe(&result));
		cr_expect_eq(counted, right, "%s %s: counted %ld, and not %ld", home_plans[i], arg,
			     counted, right);
		command_result_deinit(&result);
	}
}

#define home_run(plans, program, arg) home_run_by(EMUPROBE, plans, program, arg)
#define home_run_counted(plans, program, arg, wanted)                                              \
	home_run_counted_by(EMUPROBE, plans, program, arg, wanted)

#endif
