/* SPDX-License-Identifier: MIT */
#include "cli/progress.h"

#include <criterion/criterion.h>

Test(progress_line, says_nothing_of_what_is_done_soon)
{
	struct progress progress;
	char line[96];

	progress_begin(&progress, "placing probes", 10);
	cr_expect(!progress_line(&progress, 10, line, sizeof(line)));
	cr_expect(!progress_line(&progress, 11.99, line, sizeof(line)));
	cr_expect_eq(progress.shown, 0u);
}

Test(progress_line, counts_the_seconds_once_each)
{
	struct progress progress;
	char line[96];

	progress_begin(&progress, "placing probes", 10);
	cr_assert(progress_line(&progress, 12.1, line, sizeof(line)));
	cr_expect_str_eq(line, PROGRESS_CLEAR "emuprobe: placing probes, 2 s");
	cr_expect(!progress_line(&progress, 12.9, line, sizeof(line)));
	cr_assert(progress_line(&progress, 75, line, sizeof(line)));
	cr_expect_str_eq(line, PROGRESS_CLEAR "emuprobe: placing probes, 65 s");
}

Test(progress_line, nothing_is_under_way_at_first)
{
	struct progress progress = {0};
	char line[96];

	cr_expect(!progress_line(&progress, 100, line, sizeof(line)));
}
