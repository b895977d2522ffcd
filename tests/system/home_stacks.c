/* SPDX-License-Identifier: MIT */
/*
 * What is taken of the program's stack: next to nothing, and never by a trap. programs/stacks.c, stack_use.c, and
 * the table in docs/guarantees.md.
 */
#include "tests/system/home.h"

TestSuite(home_stacks, .timeout = 400);

#define STACKS EP_PROGRAMS "/stacks"
#define USE    EP_PROGRAMS "/stack_use"

Test(home_stacks, are_as_without_us)
{
	home_run(HOME_ALL, STACKS, NULL);
}

Test(home_stacks, are_not_made_where_a_sandbox_kills_for_it)
{
	home_run_counted(HOME_ALL, EP_PROGRAMS "/no_more_stacks", NULL, 1);
}

struct depths {
	long hit, call, signal, owned;
};

static struct depths measure(const char *plan, const char *action, const char *probe)
{
	struct command_result result =
		plan ? RUN(EMUPROBE, "-q", plan, action, "-o", "/dev/null", "-e", probe, "--", USE)
		     : RUN(USE);
	struct depths ret = {-1, -1, -1, -1};

	cr_assert_eq(sscanf(result.output, "hit %ld call %ld signal %ld owned %ld", &ret.hit,
			    &ret.call, &ret.signal, &ret.owned),
		     4, "%s", command_describe(&result));
	command_result_deinit(&result);
	return ret;
}

/* Bytes below what the program takes by itself. */
static void expect_at_most(const char *plan, const char *action, const char *probe,
			   struct depths most)
{
	struct depths bare = measure(NULL, NULL, NULL), probed = measure(plan, action, probe);

	cr_expect_leq(probed.hit - bare.hit, most.hit, "%s %s: a hit takes %ld", plan, action,
		      probed.hit - bare.hit);
	cr_expect_leq(probed.call - bare.call, most.call, "%s %s: a call takes %ld", plan, action,
		      probed.call - bare.call);
	cr_expect_leq(probed.signal - bare.signal, most.signal, "%s %s: a signal takes %ld", plan,
		      action, probed.signal - bare.signal);
	cr_expect_leq(probed.owned - bare.owned, most.owned, "%s %s: one of ours takes %ld", plan,
		      action, probed.owned - bare.owned);
}

#define COUNTS	"-c", "p target?"
#define RECORDS "--drop", "p target? a=%di:u64"
#define FETCHES "--drop", "p target? a=+0(%sp):string b=$ts if b > 0"

Test(home_stacks, are_taken_as_little_of_as_is_written)
{
	static const char *const traps[] = {"--plan=trap", "--plan=emulate", "--plan=boost"};

	for (int i = 0; i < 3; i++) {
		expect_at_most(traps[i], COUNTS, (struct depths){0, 512, 384, 416});
		expect_at_most(traps[i], RECORDS, (struct depths){0, 512, 384, 416});
	}
	expect_at_most("--plan=jump", COUNTS, (struct depths){144, 512, 384, 416});
	expect_at_most("--plan=jump", RECORDS, (struct depths){640, 512, 384, 416});
	expect_at_most("--plan=jump", FETCHES, (struct depths){1024, 512, 384, 416});
}
