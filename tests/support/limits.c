/* SPDX-License-Identifier: MIT */
/*
 * Part of each Criterion program. Time limits are chosen for a machine with cheap traps and nothing
 * else to do, and end what hangs: before the first test they are multiplied by what
 * tests/support/platform.h has measured. The programs that tests start get the factor in the
 * environment (tests/support/patience.h). And Criterion takes tests that are skipped for passed: so
 * each is said, with its reason, in a line that ./dev counts.
 */
#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/platform.h"

ReportHook(PRE_ALL)(struct criterion_test_set *tests)
{
	char text[32];

	FOREACH_SET(struct criterion_suite_set * suite, tests->suites)
	{
		if (suite->suite.data)
			suite->suite.data->timeout *= platform()->slowness;
		FOREACH_SET(struct criterion_test * test, suite->tests)
		test->data->timeout *= platform()->slowness;
	}
	snprintf(text, sizeof(text), "%.2f", platform()->slowness);
	setenv("EP_SLOWNESS", text, 1);
}

ReportHook(POST_TEST)(struct criterion_test_stats *stats)
{
	if (stats->test_status == CR_STATUS_SKIPPED)
		fprintf(stderr, "SKIPPED %s::%s: %s\n", stats->test->category, stats->test->name,
			stats->message ? stats->message : "no reason given");
}
