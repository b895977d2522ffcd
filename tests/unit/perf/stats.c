/* SPDX-License-Identifier: MIT */
#include "perf/stats.h"

#include <criterion/criterion.h>
#include <math.h>

static struct perf_case baseline(double *samples, unsigned count)
{
	return (struct perf_case){.row = "a",
				  .column = "call",
				  .samples = samples,
				  .sample_count = count,
				  .against = -1};
}

Test(perf_stats, comparison_is_that_of_the_quietest_pairs)
{
	struct perf_pair pairs[28];
	struct perf_case cases[2] = {baseline((double[]){1}, 1), {.against = 0}};
	struct perf_table table = {.cases = cases, .count = 2};
	struct perf_comparison ret;

	for (int i = 0; i < 28; i++) /* 21 of them beside a busy neighbour */
		pairs[i] = i % 4 ? (struct perf_pair){30 + i, 10} : (struct perf_pair){3, 2};
	cases[1].pairs = pairs;
	cases[1].pair_count = 28;
	cr_assert(perf_compare(&table, &cases[1], &ret));
	cr_expect_float_eq(ret.difference, 1, 1e-9);
	cr_expect_float_eq(ret.ratio, 1.5, 1e-9);
}

/* A fast baseline beside a slow burst, and the other way round, are no better than each other. */
Test(perf_stats, comparison_does_not_choose_the_smallest_difference)
{
	struct perf_pair pairs[4] = {{9, 1}, {1, 9}, {3, 2}, {3, 2}};
	struct perf_case cases[2] = {baseline((double[]){1}, 1),
				     {.against = 0, .pairs = pairs, .pair_count = 4}};
	struct perf_table table = {.cases = cases, .count = 2};
	struct perf_comparison ret;

	cr_assert(perf_compare(&table, &cases[1], &ret));
	cr_expect_float_eq(ret.difference, 1, 1e-9);
}

Test(perf_stats, quiet_is_high_where_more_is_better)
{
	struct perf_pair pairs[28];
	struct perf_case cases[2] = {
		baseline((double[]){1}, 1),
		{.against = 0, .rate = true, .pairs = pairs, .pair_count = 28}};
	struct perf_table table = {.cases = cases, .count = 2};
	struct perf_comparison ret;

	for (int i = 0; i < 28; i++)
		pairs[i] = i % 4 ? (struct perf_pair){10, 20} : (struct perf_pair){90, 100};
	cr_assert(perf_compare(&table, &cases[1], &ret));
	cr_expect_float_eq(ret.ratio, 0.9, 1e-9);
}

/* The quarter of four would be one, and that one chance. */
Test(perf_stats, few_pairs_count_all)
{
	struct perf_pair pairs[5] = {{1, 1}, {4, 2}, {8, 4}, {12, 6}, {16, 8}};
	struct perf_case cases[2] = {baseline((double[]){1}, 1),
				     {.against = 0, .pairs = pairs, .pair_count = 5}};
	struct perf_table table = {.cases = cases, .count = 2};
	struct perf_comparison ret;

	cr_assert(perf_compare(&table, &cases[1], &ret));
	cr_expect_float_eq(ret.difference, 4, 1e-9);
}

Test(perf_stats, nothing_is_compared_with_what_was_skipped)
{
	struct perf_pair pair = {2, 1};
	struct perf_case cases[2] = {baseline((double[]){1}, 1),
				     {.against = 0, .pairs = &pair, .pair_count = 1}};
	struct perf_table table = {.cases = cases, .count = 2};
	struct perf_comparison ret;

	cr_expect(perf_compare(&table, &cases[1], &ret));
	cases[0].skipped = "not today";
	cr_expect_not(perf_compare(&table, &cases[1], &ret));
}

Test(perf_stats, best_is_the_least_or_the_most)
{
	double samples[] = {3, 1, 2};
	struct perf_case one = baseline(samples, 3);

	cr_expect_float_eq(perf_stats_of(&one).best, 1, 1e-9);
	cr_expect_float_eq(perf_stats_of(&one).median, 2, 1e-9);
	one.rate = true;
	cr_expect_float_eq(perf_stats_of(&one).best, 3, 1e-9);
}

Test(perf_stats, column_tells_its_worst_row)
{
	struct perf_pair one = {2, 1}, two = {5, 1}, three = {3, 1};
	struct perf_case cases[4] = {
		baseline((double[]){1}, 1),
		{.row = "a", .column = "x", .pairs = &one, .pair_count = 1},
		{.row = "b", .column = "x", .pairs = &two, .pair_count = 1},
		{.row = "c", .column = "x", .pairs = &three, .pair_count = 1},
	};
	struct perf_table table = {.cases = cases, .count = 4};
	struct perf_aim aim = {"x", false, 2, 4}, loose = {"x", false, 2, NAN};
	struct perf_column column;

	cr_assert(perf_column_of(&table, "x", false, &column));
	cr_expect_float_eq(column.median, 2, 1e-9);
	cr_expect_float_eq(column.worst, 4, 1e-9);
	cr_expect_str_eq(column.worst_row, "b");
	cr_expect(perf_aim_met(&aim, &column));
	aim.worst = 3.9;
	cr_expect_not(perf_aim_met(&aim, &column));
	cr_expect(perf_aim_met(&loose, &column));
	cr_expect_not(perf_column_of(&table, "y", false, &column));
}
